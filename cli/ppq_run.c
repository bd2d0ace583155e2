#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/difference.h"
#include "cli/json_print.h"
#include "cli/model_options.h"

static const cli_option options[] = {
    { "input", 'i', "NAME=FILE",
      ".npy or .pb for an input; repeat. One input: NAME= may be left out" },
    { "output", 'o', "DIR", "folder for the outputs, as <name>.npy" },
    { "engine", 0, "engine|simulate|reference", "kernels (default engine; reference: plain C)" },
    { "threads", 0, "N", "default 1" },
    { "test", 0, NULL, "the arguments are ONNX test folders: run them and say pass or fail" },
    { "rtol", 0, "X", "relative tolerance of --test (default 1e-3)" },
    { "atol", 0, "X", "tolerance of --test in parts of the largest magnitude (default 1e-7)" },
    { "compare", 0, "OTHER.onnx", "run another model on the same inputs and compare the outputs" },
    { "layers", 0, NULL, "with --compare: every tensor that both models have" },
    { 0 },
};

enum { MAX_ARGS = 4096 };

typedef struct job {
    cli c;
    ppq_callbacks cb;
    const char *args[MAX_ARGS], *inputs[256], *output, *compare;
    size_t n_args, n_inputs;
    int engine; // a ppq_engine_kind
    long threads;
    bool test, layers;
    double rtol, atol;
    cli_json json;
} job;

static ppq_engine_kind engine_of(const job *j)
{
    return (ppq_engine_kind) j->engine;
}

static int take(void *user, const cli_option *o, const char *v)
{
    job *j = user;
    if (strcmp(o->name, "input") == 0) {
        if (j->n_inputs == sizeof(j->inputs) / sizeof(j->inputs[0]))
            return cli_usage_error(&j->c, "more than %zu inputs", j->n_inputs);
        j->inputs[j->n_inputs++] = v;
    } else if (strcmp(o->name, "output") == 0) {
        j->output = v;
    } else if (strcmp(o->name, "compare") == 0) {
        j->compare = v;
    } else if (strcmp(o->name, "test") == 0) {
        j->test = true;
    } else if (strcmp(o->name, "layers") == 0) {
        j->layers = true;
    } else if (strcmp(o->name, "threads") == 0) {
        return cli_take_int(&j->c, o, v, 1, 256, &j->threads);
    } else if (strcmp(o->name, "rtol") == 0) {
        return cli_take_number(&j->c, o, v, 0, HUGE_VAL, &j->rtol);
    } else if (strcmp(o->name, "atol") == 0) {
        return cli_take_number(&j->c, o, v, 0, HUGE_VAL, &j->atol);
    } else {
        return cli_take_name(&j->c, o, v, cli_engine_names, &j->engine);
    }
    return CLI_OPTION;
}

static int take_argument(void *user, const char *v)
{
    job *j = user;
    if (j->n_args == MAX_ARGS)
        return cli_usage_error(&j->c, "more than %d arguments", MAX_ARGS);
    j->args[j->n_args++] = v;
    return CLI_OPTION;
}

static void free_arrays(ppq_array *a, size_t n)
{
    cli_arrays_clear(a, n);
    free(a);
}

// ---- one run --------------------------------------------------------------------------------

static ppq_result load_inputs(job *j, const ppq_net *net, ppq_array *in)
{
    const size_t n = ppq_net_n_inputs(net);
    bool *given = calloc(n + 1, sizeof(*given));
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 0; given && i < j->n_inputs && r == PPQ_RESULT_OK; i++) {
        const char *spec = j->inputs[i], *eq = strchr(spec, '=');
        size_t at = n;
        for (size_t k = 0; k < n; k++) {
            const char *name = ppq_net_input(net, k);
            if (eq && strlen(name) == (size_t) (eq - spec) &&
                strncmp(name, spec, strlen(name)) == 0)
                at = k;
        }
        if (at == n && n == 1)
            at = 0;
        if (at == n) {
            (void) cli_usage_error(&j->c, "'%s' names no input; the first is '%s'", spec,
                                   n ? ppq_net_input(net, 0) : "");
            r = PPQ_RESULT_USAGE;
            break;
        }
        const char *path =
            eq && strlen(ppq_net_input(net, at)) == (size_t) (eq - spec) ? eq + 1 : spec;
        ppq_array_free(&in[at]);
        r = ppq_array_load(&j->cb, path, &in[at]);
        given[at] = true;
    }
    for (size_t k = 0; k < n && r == PPQ_RESULT_OK; k++)
        if (!given[k]) {
            (void) cli_usage_error(&j->c, "input '%s' is missing: -i %s=FILE.npy",
                                   ppq_net_input(net, k), ppq_net_input(net, k));
            r = PPQ_RESULT_USAGE;
        }
    free(given);
    return r;
}

static void output_path(const job *j, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.npy", j->output, name);
    for (char *p = path + strlen(j->output) + 1; *p; p++)
        if (*p == '/' || *p == ':')
            *p = '_';
}

static ppq_result save_outputs(job *j, const ppq_net *net, const ppq_array *out)
{
    if (mkdir(j->output, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "ppq-run: error: cannot create folder '%s': %s\n", j->output,
                strerror(errno));
        return PPQ_RESULT_IO;
    }
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 0; i < ppq_net_n_outputs(net) && r == PPQ_RESULT_OK; i++) {
        char path[4096];
        output_path(j, ppq_net_output(net, i), path, sizeof(path));
        r = ppq_array_save(&j->cb, path, &out[i]);
    }
    return r;
}

typedef struct extent {
    double min, max, mean;
} extent;

static extent extent_of(const ppq_array *a)
{
    const float *x = a->data;
    const size_t n = a->bytes / sizeof(float);
    extent e = { HUGE_VAL, -HUGE_VAL, 0 };
    for (size_t i = 0; i < n; i++) {
        e.min = fmin(e.min, (double) x[i]);
        e.max = fmax(e.max, (double) x[i]);
        e.mean += (double) x[i] / (double) n;
    }
    return e;
}

enum { FLOAT32 = 1 };

static void print_array(const char *name, const ppq_array *a)
{
    printf("%s [", name);
    for (int i = 0; i < a->rank; i++)
        printf("%s%lld", i ? ", " : "", (long long) a->dim[i]);
    printf("]");
    if (a->dtype == FLOAT32) {
        const extent e = extent_of(a);
        printf(" min %g max %g mean %g", e.min, e.max, e.mean);
    }
    printf("\n");
}

static void json_array(job *j, const char *name, const ppq_array *a)
{
    cli_json_open(&j->json, NULL, '{');
    cli_json_string(&j->json, "name", name);
    cli_json_number(&j->json, "onnx_type", a->dtype);
    cli_json_open(&j->json, "shape", '[');
    for (int i = 0; i < a->rank; i++)
        cli_json_number(&j->json, NULL, (double) a->dim[i]);
    cli_json_close(&j->json, ']');
    if (a->dtype == FLOAT32) {
        const extent e = extent_of(a);
        cli_json_number(&j->json, "min", e.min);
        cli_json_number(&j->json, "max", e.max);
        cli_json_number(&j->json, "mean", e.mean);
    }
    if (j->output) {
        char path[4096];
        output_path(j, name, path, sizeof(path));
        cli_json_string(&j->json, "file", path);
    }
    cli_json_close(&j->json, '}');
}

static void tell_outputs(job *j, const ppq_net *net, const ppq_array *out)
{
    const size_t n = ppq_net_n_outputs(net);
    for (size_t i = 0; i < n && !j->c.json && !j->c.quiet; i++)
        print_array(ppq_net_output(net, i), &out[i]);
    if (!j->c.json)
        return;
    cli_json_open(&j->json, NULL, '{');
    cli_json_string(&j->json, "model", j->args[0]);
    cli_json_string(&j->json, "engine", cli_engine_names[j->engine]);
    cli_json_number(&j->json, "threads", (double) j->threads);
    cli_json_open(&j->json, "outputs", '[');
    for (size_t i = 0; i < n; i++)
        json_array(j, ppq_net_output(net, i), &out[i]);
    cli_json_close(&j->json, ']');
    cli_json_close(&j->json, '}');
}

// ---- comparing ------------------------------------------------------------------------------

static void tell_difference(job *j, const char *name, const ppq_array *a, const ppq_array *b)
{
    const cli_difference d = cli_compare(a, b);
    if (j->c.json)
        cli_difference_json(&j->json, name, &d);
    else
        cli_difference_print(name, &d);
}

typedef struct kept {
    char *name;
    ppq_array value;
} kept;

typedef struct layer_set {
    job *j;
    kept *at;
    size_t n, cap;
} layer_set;

static void keep_layer(void *user, const char *name, const ppq_array *value)
{
    layer_set *s = user;
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->at = realloc(s->at, s->cap * sizeof(*s->at));
        if (!s->at)
            abort();
    }
    kept *k = &s->at[s->n++];
    k->name = strdup(name);
    k->value = *value;
    k->value.data = malloc(value->bytes + 1);
    if (!k->name || !k->value.data)
        abort();
    memcpy(k->value.data, value->data, value->bytes);
}

static void compare_layer(void *user, const char *name, const ppq_array *value)
{
    const layer_set *s = user;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->at[i].name, name) == 0) {
            tell_difference(s->j, name, &s->at[i].value, value);
            return;
        }
}

static ppq_result compare(job *j, const ppq_net *net, const ppq_array *in, const ppq_array *out,
                          layer_set *layers)
{
    ppq_net *other = NULL;
    ppq_result r = ppq_net_load(&j->cb, j->compare, engine_of(j), (int) j->threads, &other);
    if (r != PPQ_RESULT_OK)
        return r;
    const size_t n = ppq_net_n_outputs(other);
    ppq_array *theirs = cli_arrays_new(n);
    if (j->c.json)
        cli_json_open(&j->json, "layers", '[');
    if (ppq_net_n_inputs(other) != ppq_net_n_inputs(net)) {
        (void) cli_usage_error(&j->c, "the models have %zu and %zu inputs", ppq_net_n_inputs(net),
                               ppq_net_n_inputs(other));
        r = PPQ_RESULT_USAGE;
    } else {
        r = ppq_net_run(other, in, theirs, j->layers ? compare_layer : NULL, layers);
    }
    if (j->c.json) {
        cli_json_close(&j->json, ']');
        cli_json_open(&j->json, "outputs", '[');
    }
    for (size_t i = 0; i < n && i < ppq_net_n_outputs(net) && r == PPQ_RESULT_OK; i++)
        tell_difference(j, ppq_net_output(net, i), &out[i], &theirs[i]);
    if (j->c.json)
        cli_json_close(&j->json, ']');
    free_arrays(theirs, n);
    ppq_net_destroy(other);
    return r;
}

static ppq_result tell_comparison(job *j, const ppq_net *net, bool itself, const ppq_array *in,
                                  const ppq_array *out, layer_set *layers)
{
    if (itself && !j->c.quiet && !j->c.json)
        printf("engine against simulation\n");
    if (j->c.json) {
        cli_json_open(&j->json, NULL, '{');
        cli_json_string(&j->json, "model", j->args[0]);
        cli_json_string(&j->json, "other", j->compare);
        cli_json_string(&j->json, "engine", cli_engine_names[itself ? PPQ_ENGINE_FAST : j->engine]);
        cli_json_string(&j->json, "other_engine", cli_engine_names[j->engine]);
    }
    const ppq_result r = compare(j, net, in, out, layers);
    if (j->c.json)
        cli_json_close(&j->json, '}');
    return r;
}

// Whether --compare names the model itself, to be simulated.
static bool compares_itself(const job *j)
{
    struct stat a, b;
    return j->compare && engine_of(j) == PPQ_ENGINE_SIMULATE && stat(j->args[0], &a) == 0 &&
           stat(j->compare, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static ppq_result run_model(job *j)
{
    ppq_net *net = NULL;
    const bool itself = compares_itself(j);
    ppq_result r = ppq_net_load(&j->cb, j->args[0], itself ? PPQ_ENGINE_FAST : engine_of(j),
                                (int) j->threads, &net);
    if (r != PPQ_RESULT_OK)
        return r;
    const size_t ni = ppq_net_n_inputs(net), no = ppq_net_n_outputs(net);
    ppq_array *in = cli_arrays_new(ni), *out = cli_arrays_new(no);
    layer_set layers = { .j = j };
    r = load_inputs(j, net, in);
    if (r == PPQ_RESULT_OK)
        r = ppq_net_run(net, in, out, j->compare && j->layers ? keep_layer : NULL, &layers);
    if (r == PPQ_RESULT_OK && j->output)
        r = save_outputs(j, net, out);
    if (r == PPQ_RESULT_OK && j->compare)
        r = tell_comparison(j, net, itself, in, out, &layers);
    else if (r == PPQ_RESULT_OK)
        tell_outputs(j, net, out);
    for (size_t i = 0; i < layers.n; i++) {
        free(layers.at[i].name);
        ppq_array_free(&layers.at[i].value);
    }
    free(layers.at);
    free_arrays(in, ni);
    free_arrays(out, no);
    ppq_net_destroy(net);
    return r;
}

// ---- ONNX test folders ----------------------------------------------------------------------

static void tell_set(void *user, const char *data_set, const char *difference)
{
    job *j = user;
    if (j->c.json) {
        cli_json_open(&j->json, NULL, '{');
        cli_json_string(&j->json, "data_set", data_set);
        cli_json_bool(&j->json, "passed", !difference);
        cli_json_string(&j->json, "difference", difference);
        cli_json_close(&j->json, '}');
    } else if (difference || !j->c.quiet) {
        printf("%s %s%s%s\n", difference ? "FAIL" : "pass", data_set, difference ? ": " : "",
               difference ? difference : "");
    }
}

static bool run_test(job *j, const char *dir)
{
    const ppq_test_opts o = {
        .engine = engine_of(j), .threads = (int) j->threads, .rtol = j->rtol, .atol = j->atol
    };
    const ppq_result r = ppq_test_run(&j->cb, dir, &o, tell_set, j);
    // What differs has been told; of anything else the message has.
    if (r != PPQ_RESULT_OK && r != PPQ_RESULT_MISSED)
        tell_set(j, dir, "it cannot be run");
    return r == PPQ_RESULT_OK;
}

static ppq_result run_tests(job *j)
{
    size_t passed = 0;
    if (j->c.json) {
        cli_json_open(&j->json, NULL, '{');
        cli_json_open(&j->json, "tests", '[');
    }
    for (size_t i = 0; i < j->n_args; i++)
        passed += run_test(j, j->args[i]);
    if (j->c.json) {
        cli_json_close(&j->json, ']');
        cli_json_number(&j->json, "passed", (double) passed);
        cli_json_number(&j->json, "failed", (double) (j->n_args - passed));
        cli_json_close(&j->json, '}');
    } else {
        printf("%zu passed, %zu failed\n", passed, j->n_args - passed);
    }
    return passed == j->n_args ? PPQ_RESULT_OK : PPQ_RESULT_MISSED;
}

int main(int argc, char **argv)
{
    static job j;
    j.c = (cli){ .command = "ppq-run",
                 .usage = "ppq-run MODEL.onnx -i NAME=FILE.npy -o DIR\n"
                          "       ppq-run --test DIR...",
                 .about = "Runs a model once, float or with Q/DQ pairs, and writes its outputs.",
                 .examples = "  ppq-run model.onnx -i x.npy -o out/\n"
                             "  ppq-run model.onnx -i x.npy --compare model.int8.onnx --layers\n"
                             "  ppq-run --test onnx/node/test_conv*\n",
                 .options = options,
                 .argc = argc,
                 .argv = argv };
    j.threads = 1;
    j.rtol = 1e-3;
    j.atol = 1e-7;
    cli_init(&j.c);
    j.cb = cli_callbacks(&j.c);
    int status = cli_parse(&j.c, take, take_argument, &j);
    if (status == CLI_END && !j.n_args)
        status = cli_usage_error(&j.c, j.test ? "which test folders?" : "which model?");
    if (status == CLI_END && !j.test && j.n_args > 1)
        status = cli_usage_error(&j.c, "one model at a time: '%s' and '%s'", j.args[0], j.args[1]);
    if (status != CLI_END)
        return status == CLI_DONE ? 0 : PPQ_RESULT_USAGE;
    return (int) (j.test ? run_tests(&j) : run_model(&j));
}
