#include <string.h>

#include "cli.h"

static const cli_option options[] = {
    { "dispatcher", 'd', "NAME", "dispatcher whose places are shown (default: the platform's)" },
    { "platform", 'p', "NAME", "target (default onnxruntime)" },
    { "input-shape", 0, "NAME:1x3x224x224", "fix dynamic dimensions" },
    { "ops", 0, NULL, "every op: id, place, type, name and the reason" },
    { "dot", 0, "FILE", "the graph for Graphviz, places coloured" },
    { "tqc", 0, NULL, "every op with tensors, shapes and quantization parameters" },
    { "check-fusion", 0, NULL, "what ONNX Runtime makes of the model's Q/DQ pairs" },
    { 0 },
};

typedef struct job {
    cli c;
    const char *model, *dot, *shape;
    ppq_view view;
    ppq_job *job;
} job;

static int take(void *user, const cli_option *o, const char *v)
{
    job *j = user;
    if (strcmp(o->name, "ops") == 0)
        j->view = PPQ_VIEW_OPS;
    else if (strcmp(o->name, "tqc") == 0)
        j->view = PPQ_VIEW_TQC;
    else if (strcmp(o->name, "check-fusion") == 0)
        j->view = PPQ_VIEW_FUSION;
    else if (strcmp(o->name, "dot") == 0)
        j->dot = v;
    else if (strcmp(o->name, "input-shape") == 0)
        j->shape = v;
    else if (ppq_job_set(j->job, o->name, v) != PPQ_RESULT_OK)
        return CLI_ERROR;
    return CLI_OPTION;
}

static int take_model(void *user, const char *v)
{
    job *j = user;
    return cli_take_model(&j->c, &j->model, v);
}

static void write_file(void *user, const char *text, size_t n)
{
    fwrite(text, 1, n, user);
}

static ppq_result run(job *j)
{
    ppq_result r = ppq_job_load(j->job, j->model);
    if (r == PPQ_RESULT_OK && j->shape)
        r = ppq_job_input_shape(j->job, j->shape);
    // A model that carries Q/DQ pairs is looked at as it is.
    if (r == PPQ_RESULT_OK && j->view != PPQ_VIEW_FUSION && !ppq_job_is_quantized(j->job))
        r = ppq_job_prepare(j->job);
    if (r == PPQ_RESULT_OK && j->dot) {
        FILE *f = fopen(j->dot, "w");
        if (!f) {
            perror(j->dot);
            return PPQ_RESULT_IO;
        }
        r = ppq_job_inspect(j->job, PPQ_VIEW_DOT, 0, write_file, f);
        if (fclose(f) != 0) {
            perror(j->dot);
            return PPQ_RESULT_IO;
        }
    }
    if (r == PPQ_RESULT_OK)
        r = ppq_job_inspect(j->job, j->view, j->c.json, cli_print, NULL);
    return r;
}

int main(int argc, char **argv)
{
    job j = { .c = { .command = "ppq-inspect",
                     .usage = "ppq-inspect MODEL.onnx [options]",
                     .about =
                         "Shows a model: inputs and outputs, parameters, MACs, and where every "
                         "op would run and why.",
                     .examples = "  ppq-inspect model.onnx\n"
                                 "  ppq-inspect model.onnx --ops -d aggressive\n"
                                 "  ppq-inspect model.int8.onnx --check-fusion\n",
                     .options = options,
                     .argc = argc,
                     .argv = argv },
              .view = PPQ_VIEW_SUMMARY };
    cli_init(&j.c);
    const ppq_callbacks cb = cli_callbacks(&j.c);
    if (ppq_job_create(&cb, &j.job) != PPQ_RESULT_OK)
        return PPQ_RESULT_BAD;
    int status = cli_parse(&j.c, take, take_model, &j);
    if (status == CLI_END && !j.model)
        status = cli_usage_error(&j.c, "which model?");
    if (status == CLI_END)
        status = (int) run(&j);
    else
        status = status == CLI_DONE ? 0 : PPQ_RESULT_USAGE;
    ppq_job_destroy(j.job);
    return status;
}
