#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/json_print.h"
#include "cli/model_options.h"
#include "cli/table.h"

static const cli_option options[] = {
    CLI_MODEL_OPTIONS,
    { "labels", 'l', "PATH", "what is right: .npy, lines of text, a folder; see ppq-eval(1)" },
    { "task", 0, "NAME", "classify (default), segment, detect or regress" },
    { "steps", 'n', "N", "score the first N labelled samples (default: all)" },
    { "engine", 0, "engine|simulate|reference", "kernels (default engine; reference: plain C)" },
    { "engines", 0, "A,B", "every model under each of these engines" },
    { "output", 0, "NAME", "the output that is scored (default: the first)" },
    { "label-offset", 0, "N", "classify: added to every label (1: class 0 is background)" },
    { "classes", 0, "N|NAME", "segment: number of classes; detect: output with the classes" },
    { "ignore-label", 0, "N", "segment: positions with this label do not count" },
    { "boxes", 0, "NAME", "detect: output with the boxes (default: rows of --output)" },
    { "scores", 0, "NAME", "detect: output with their scores" },
    { "box-format", 0, "FORMAT", "detect: xyxy (default), xywh or cxcywh, of the model" },
    { "label-box-format", 0, "FORMAT", "detect: of the labels (default cxcywh)" },
    { "box-scale", 0, "X|W:H", "detect: divides the model's boxes, to the labels' unit" },
    { "min-score", 0, "X", "detect: only boxes above it count (default 0)" },
    { "nms", 0, "IOU", "detect: drop boxes that overlap a better one of their class by more" },
    { "peak", 0, "X", "regress: the peak of PSNR (default: the range of the labels)" },
    { "max-drop", 0, "X", "status 3 when a model is worse than the first by more points" },
    { 0 },
};

// One model under one engine.
typedef struct row {
    const char *path;
    int engine;
    int64_t n; // samples
    ppq_metric metric[PPQ_MAX_METRICS];
    size_t n_metrics;
    double seconds; // per run, median
    double bytes;   // of the file
} row;

enum { N_ENGINES = 3, MAX_ROWS = CLI_MAX_MODELS * N_ENGINES, MAX_TOLD = 256 };

typedef struct job {
    cli c;
    ppq_callbacks cb;
    cli_model_options m;
    ppq_score_opts score;
    const char *classes;
    int engines[N_ENGINES];
    size_t n_engines;
    double max_drop; // below 0: any
    row rows[MAX_ROWS];
    size_t n_rows;
    uint64_t told[MAX_TOLD]; // hashes of warnings
    size_t n_told;
} job;

// Rows share data and labels, so they would share warnings.
static void tell_once(void *user, const ppq_message *m)
{
    job *j = user;
    const ppq_callbacks cb = cli_callbacks(&j->c);
    uint64_t hash = 14695981039346656037u; // FNV-1a
    for (const char *p = m->text; *p; p++)
        hash = (hash ^ (unsigned char) *p) * 1099511628211u;
    for (size_t i = 0; i < j->n_told && m->level == PPQ_LEVEL_WARNING; i++)
        if (j->told[i] == hash)
            return;
    if (j->n_told < MAX_TOLD)
        j->told[j->n_told++] = hash;
    cb.message(cb.user, m);
}

static void progress(void *user, const char *phase, int64_t done, int64_t total)
{
    job *j = user;
    const ppq_callbacks cb = cli_callbacks(&j->c);
    cb.progress(cb.user, phase, done, total);
}

// ---- options --------------------------------------------------------------------------------

static int take_format(job *j, const cli_option *o, const char *v, ppq_box_format *out)
{
    static const char *const names[] = { "xyxy", "xywh", "cxcywh", NULL };
    int at = 0;
    const int r = cli_take_name(&j->c, o, v, names, &at);
    *out = (ppq_box_format) at;
    return r;
}

static int take_scale(job *j, const cli_option *o, const char *v)
{
    char text[64];
    snprintf(text, sizeof(text), "%s", v);
    char *colon = strchr(text, ':');
    if (colon)
        *colon = 0;
    const int r = cli_take_number(&j->c, o, text, 1e-6, 1e6, &j->score.box_width);
    j->score.box_height = j->score.box_width;
    return colon && r == CLI_OPTION
               ? cli_take_number(&j->c, o, colon + 1, 1e-6, 1e6, &j->score.box_height)
               : r;
}

static int take_engines(job *j, const cli_option *o, const char *v)
{
    j->n_engines = 0;
    for (const char *p = v;; p++) {
        char name[32];
        const size_t n = strcspn(p, ",");
        snprintf(name, sizeof(name), "%.*s", (int) n, p);
        if (j->n_engines == N_ENGINES)
            return cli_usage_error(&j->c, "--%s is '%s', at most %d engines", o->name, v,
                                   N_ENGINES);
        const int r = cli_take_name(&j->c, o, name, cli_engine_names, &j->engines[j->n_engines++]);
        if (r != CLI_OPTION || !p[n])
            return r;
        p += n;
    }
}

static int take_task(job *j, const cli_option *o, const char *v)
{
    static const char *const names[] = { "classify", "segment", "detect", "regress", NULL };
    int at = 0;
    const int r = cli_take_name(&j->c, o, v, names, &at);
    j->score.task = (ppq_task) at;
    return r;
}

static int take_whole(job *j, const cli_option *o, const char *v, long low, int64_t *out)
{
    enum { MOST = 1000000000 };
    long x = 0;
    const int r = cli_take_int(&j->c, o, v, low, MOST, &x);
    *out = x;
    return r;
}

static int take(void *user, const cli_option *o, const char *v)
{
    job *j = user;
    ppq_score_opts *s = &j->score;
    const char *name = o->name;
    const struct {
        const char *name, **at;
    } texts[] = { { "labels", &s->labels },
                  { "output", &s->output },
                  { "classes", &j->classes },
                  { "boxes", &s->boxes },
                  { "scores", &s->scores } };
    const int r = cli_model_option(&j->c, &j->m, o, v);
    if (r != CLI_END)
        return r;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].at = v;
            return CLI_OPTION;
        }
    if (strcmp(name, "task") == 0)
        return take_task(j, o, v);
    if (strcmp(name, "engine") == 0 || strcmp(name, "engines") == 0)
        return take_engines(j, o, v);
    if (strcmp(name, "steps") == 0)
        return take_whole(j, o, v, 1, &s->max_samples);
    if (strcmp(name, "label-offset") == 0)
        return take_whole(j, o, v, -1000000, &s->label_offset);
    s->has_ignore |= strcmp(name, "ignore-label") == 0;
    if (strcmp(name, "ignore-label") == 0)
        return take_whole(j, o, v, -1000000, &s->ignore);
    if (strcmp(name, "box-format") == 0)
        return take_format(j, o, v, &s->box_format);
    if (strcmp(name, "label-box-format") == 0)
        return take_format(j, o, v, &s->label_format);
    if (strcmp(name, "box-scale") == 0)
        return take_scale(j, o, v);
    if (strcmp(name, "min-score") == 0)
        return cli_take_number(&j->c, o, v, -1e30, 1e30, &s->min_score);
    if (strcmp(name, "nms") == 0)
        return cli_take_number(&j->c, o, v, 0.01, 1, &s->nms);
    if (strcmp(name, "peak") == 0)
        return cli_take_number(&j->c, o, v, 1e-30, 1e30, &s->peak);
    return cli_take_number(&j->c, o, v, 0, 1e30, &j->max_drop);
}

static int take_argument(void *user, const char *v)
{
    job *j = user;
    return cli_model_argument(&j->c, &j->m, v);
}

// --classes is a number or an output's name, as the task wants it.
static int take_classes(job *j)
{
    const cli_option o = { "classes", 0, "", "" };
    if (j->score.task == PPQ_TASK_DETECT)
        j->score.classes = j->classes;
    else if (j->classes)
        return take_whole(j, &o, j->classes, 2, &j->score.n_classes);
    return CLI_OPTION;
}

static int check(job *j)
{
    if (!j->m.n_models)
        return cli_usage_error(&j->c, "which model?");
    if (!j->m.n_data)
        return cli_usage_error(&j->c, "which data? Give --data PATH");
    if (j->score.task != PPQ_TASK_CLASSIFY && !j->score.labels)
        return cli_usage_error(&j->c, "which labels? Give --labels PATH");
    return take_classes(j) == CLI_OPTION ? CLI_END : CLI_ERROR;
}

// ---- running --------------------------------------------------------------------------------

// One run and its score.
static ppq_result run_once(ppq_net *net, ppq_samples *samples, ppq_score *score, int64_t run,
                           ppq_array *in, ppq_array *out, double *seconds)
{
    ppq_result r = ppq_samples_get(samples, run, in);
    if (r != PPQ_RESULT_OK)
        return r;
    const double start = cli_now();
    r = ppq_net_run(net, in, out, NULL, NULL);
    *seconds = cli_now() - start;
    if (r == PPQ_RESULT_OK)
        r = ppq_score_add(score, run, out);
    cli_arrays_clear(in, ppq_net_n_inputs(net));
    cli_arrays_clear(out, ppq_net_n_outputs(net));
    return r;
}

static ppq_result run_samples(job *j, ppq_net *net, ppq_samples *samples, ppq_score *score, row *r)
{
    const int64_t n = ppq_samples_n_runs(samples);
    double *seconds = calloc((size_t) n + 1, sizeof(*seconds));
    ppq_array *in = cli_arrays_new(ppq_net_n_inputs(net));
    ppq_array *out = cli_arrays_new(ppq_net_n_outputs(net));
    ppq_result result = PPQ_RESULT_OK;
    if (!seconds)
        abort();
    j->c.started = cli_now();
    for (int64_t i = 0; i < n && result == PPQ_RESULT_OK; i++) {
        result = run_once(net, samples, score, i, in, out, &seconds[i]);
        progress(j, r->path, i + 1, n);
    }
    cli_progress_end(&j->c);
    // The first run makes the plan.
    const size_t skip = n > 1;
    r->seconds = cli_quantile(seconds + skip, (size_t) n - skip, 0.5);
    r->n = ppq_samples_count(samples);
    free(seconds);
    free(in);
    free(out);
    return result;
}

static ppq_result run_row(job *j, row *r)
{
    ppq_net *net = NULL;
    ppq_samples *samples = NULL;
    ppq_score *score = NULL;
    ppq_net_info info;
    struct stat sb;
    j->m.net.engine = (ppq_engine_kind) r->engine;
    ppq_result result = ppq_net_open(&j->cb, r->path, &j->m.net, &net);
    if (result == PPQ_RESULT_OK)
        result = ppq_samples_open(net, j->m.data, j->m.n_data, &j->m.samples, &samples);
    if (result == PPQ_RESULT_OK)
        result = ppq_score_open(net, samples, &j->score, &score);
    if (result == PPQ_RESULT_OK)
        result = run_samples(j, net, samples, score, r);
    if (result == PPQ_RESULT_OK)
        result = ppq_score_get(score, r->metric, &r->n_metrics);
    if (result == PPQ_RESULT_OK && stat(r->path, &sb) == 0)
        r->bytes = (double) sb.st_size;
    if (result == PPQ_RESULT_OK && ppq_net_get_info(net, &info))
        cli_warn_of_saturation(&j->c, r->path, &info);
    ppq_score_destroy(score);
    ppq_samples_destroy(samples);
    ppq_net_destroy(net);
    return result;
}

static ppq_result run_all(job *j)
{
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 0; i < j->m.n_models; i++)
        for (size_t k = 0; k < j->n_engines && r == PPQ_RESULT_OK; k++) {
            row *to = &j->rows[j->n_rows++];
            *to = (row){ .path = j->m.models[i], .engine = j->engines[k] };
            r = run_row(j, to);
        }
    return r;
}

// ---- results --------------------------------------------------------------------------------

// Of metric k to the first row's.
static double difference(const job *j, const row *r, size_t k)
{
    return r->metric[k].value - j->rows[0].metric[k].value;
}

static void add_metric(cli_table *t, const ppq_metric *m)
{
    if (m->unit[0])
        cli_table_add(t, "%.2f %s", m->value, m->unit);
    else
        cli_table_add(t, "%.6g", m->value);
}

static void print_table(const job *j)
{
    const char *titles[PPQ_MAX_METRICS + 8] = { "<model", "<engine", "samples" };
    const row *first = &j->rows[0];
    size_t n = 3;
    for (size_t k = 0; k < first->n_metrics; k++)
        titles[n++] = first->metric[k].name;
    titles[n++] = "difference";
    titles[n++] = j->m.net.batch > 1 ? "ms/batch" : "ms";
    titles[n++] = "KB";
    cli_table t;
    cli_table_init(&t, titles);
    for (size_t i = 0; i < j->n_rows; i++) {
        const row *r = &j->rows[i];
        cli_table_add(&t, "%s", r->path);
        cli_table_add(&t, "%s", cli_engine_names[r->engine]);
        cli_table_add(&t, "%lld", (long long) r->n);
        for (size_t k = 0; k < first->n_metrics; k++)
            add_metric(&t, &r->metric[k]);
        cli_table_add(&t, "%+.2f", difference(j, r, 0));
        cli_table_add(&t, "%.3f", 1e3 * r->seconds);
        cli_table_add(&t, "%.1f", r->bytes / 1e3);
    }
    cli_table_print(&t);
}

static void json_row(cli_json *w, const job *j, const row *r)
{
    cli_json_open(w, NULL, '{');
    cli_json_string(w, "model", r->path);
    cli_json_string(w, "engine", cli_engine_names[r->engine]);
    cli_json_number(w, "samples", (double) r->n);
    cli_json_open(w, "metrics", '[');
    for (size_t k = 0; k < r->n_metrics; k++) {
        cli_json_open(w, NULL, '{');
        cli_json_string(w, "name", r->metric[k].name);
        cli_json_number(w, "value", r->metric[k].value);
        cli_json_string(w, "unit", r->metric[k].unit);
        cli_json_number(w, "difference", difference(j, r, k));
        cli_json_close(w, '}');
    }
    cli_json_close(w, ']');
    cli_json_number(w, "latency_ms", 1e3 * r->seconds);
    cli_json_number(w, "bytes", r->bytes);
    cli_json_close(w, '}');
}

static void print_json(const job *j)
{
    cli_json w = { 0 };
    cli_json_open(&w, NULL, '{');
    cli_json_number(&w, "batch", j->m.net.batch);
    cli_json_number(&w, "threads", j->m.net.threads);
    cli_json_open(&w, "rows", '[');
    for (size_t i = 0; i < j->n_rows; i++)
        json_row(&w, j, &j->rows[i]);
    cli_json_close(&w, ']');
    cli_json_close(&w, '}');
}

// Rows that are worse than the first by more than --max-drop.
static ppq_result judge(const job *j)
{
    static const double rounding = 1e-9;
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 1; i < j->n_rows && j->max_drop >= 0; i++) {
        const row *x = &j->rows[i];
        const double worse = difference(j, x, 0) * (x->metric[0].lower_is_better ? 1 : -1);
        if (worse <= j->max_drop + rounding)
            continue;
        fprintf(stderr,
                "ppq-eval: error: %s of '%s' (%s) is %.3f below that of '%s', --max-drop allows "
                "%g\n",
                x->metric[0].name, x->path, cli_engine_names[x->engine], worse, j->rows[0].path,
                j->max_drop);
        r = PPQ_RESULT_MISSED;
    }
    return r;
}

int main(int argc, char **argv)
{
    static job j;
    j = (job){ .c = { .command = "ppq-eval",
                      .usage = "ppq-eval MODEL.onnx [OTHER.onnx ...] --data PATH --labels PATH",
                      .about = "Accuracy of models side by side, with size and latency.",
                      .examples =
                          "  ppq-eval model.onnx model.int8.onnx --data test.bin\n"
                          "  ppq-eval model.onnx model.int8.onnx --data photos/ --labels list.txt "
                          "--preprocess\n      "
                          "resize=256,crop=224,scale=255,mean=0.485:0.456:0.406,"
                          "std=0.229:0.224:0.225\n"
                          "  ppq-eval seg.onnx seg.int8.onnx --task segment --data x/ --labels "
                          "masks/ --ignore-label 255\n"
                          "  ppq-eval m.onnx m.int8.onnx --data x.npy --labels y.npy --engines "
                          "engine,simulate --max-drop 0.5\n",
                      .options = options,
                      .argc = argc,
                      .argv = argv },
               .m = { .net = { .batch = 1, .threads = 1 } },
               .score = { .label_format = PPQ_BOX_CXCYWH },
               .n_engines = 1,
               .max_drop = -1 };
    cli_init(&j.c);
    j.cb = (ppq_callbacks){ &j, tell_once, progress };
    int status = cli_parse(&j.c, take, take_argument, &j);
    if (status == CLI_END)
        status = check(&j);
    if (status != CLI_END)
        return status == CLI_DONE ? 0 : PPQ_RESULT_USAGE;
    j.m.net.input_shapes = j.m.shapes;
    j.m.net.n_input_shapes = j.m.n_shapes;
    const ppq_result r = run_all(&j);
    if (r != PPQ_RESULT_OK)
        return (int) r;
    if (j.c.json)
        print_json(&j);
    else if (!j.c.quiet)
        print_table(&j);
    return (int) judge(&j);
}
