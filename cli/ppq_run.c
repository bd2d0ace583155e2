#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"

static const cli_option options[] = {
    { "input", 'i', "NAME=FILE",
      ".npy or .pb for an input; repeat. One input: NAME= may be left out" },
    { "output", 'o', "DIR", "folder for the outputs, as <name>.npy" },
    { "engine", 0, "engine|simulate|reference", "kernels (default engine; reference: plain C)" },
    { "threads", 0, "N", "default 1" },
    { "test", 0, NULL, "the arguments are ONNX test folders: run them and say pass or fail" },
    { "rtol", 0, "X", "relative tolerance of --test (default 1e-3)" },
    { "atol", 0, "X", "absolute tolerance of --test (default 1e-7)" },
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
    ppq_engine_kind engine;
    int threads;
    bool test, layers;
    double rtol, atol;
} job;

static int take(void *user, const cli_option *o, const char *v)
{
    job *j = user;
    char *end = NULL;
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
        j->threads = (int) strtol(v, &end, 10);
        if (*end || j->threads < 1 || j->threads > 256)
            return cli_usage_error(&j->c, "--threads is '%s', legal are 1 to 256", v);
    } else if (strcmp(o->name, "rtol") == 0 || strcmp(o->name, "atol") == 0) {
        const double x = strtod(v, &end);
        if (end == v || *end || !(x >= 0))
            return cli_usage_error(&j->c, "--%s is '%s', expected a number", o->name, v);
        *(o->name[0] == 'r' ? &j->rtol : &j->atol) = x;
    } else if (strcmp(v, "engine") == 0) {
        j->engine = PPQ_ENGINE_FAST;
    } else if (strcmp(v, "simulate") == 0) {
        j->engine = PPQ_ENGINE_SIMULATE;
    } else if (strcmp(v, "reference") == 0) {
        j->engine = PPQ_ENGINE_REFERENCE;
    } else {
        return cli_usage_error(&j->c, "--engine is '%s', legal are engine, simulate and reference",
                               v);
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
    for (size_t i = 0; a && i < n; i++)
        ppq_array_free(&a[i]);
    free(a);
}

static ppq_array *new_arrays(size_t n)
{
    ppq_array *a = calloc(n + 1, sizeof(*a));
    if (!a)
        abort();
    return a;
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
        snprintf(path, sizeof(path), "%s/%s.npy", j->output, ppq_net_output(net, i));
        for (char *p = path + strlen(j->output) + 1; *p; p++)
            if (*p == '/' || *p == ':')
                *p = '_';
        r = ppq_array_save(&j->cb, path, &out[i]);
    }
    return r;
}

static void print_array(const char *name, const ppq_array *a)
{
    printf("%s [", name);
    for (int i = 0; i < a->rank; i++)
        printf("%s%lld", i ? ", " : "", (long long) a->dim[i]);
    printf("]");
    if (a->dtype == 1) {
        const float *x = a->data;
        const size_t n = a->bytes / sizeof(float);
        double lo = HUGE_VAL, hi = -HUGE_VAL, sum = 0;
        for (size_t i = 0; i < n; i++) {
            lo = fmin(lo, (double) x[i]);
            hi = fmax(hi, (double) x[i]);
            sum += (double) x[i];
        }
        printf(" min %g max %g mean %g", lo, hi, n ? sum / (double) n : 0);
    }
    printf("\n");
}

// ---- comparing ------------------------------------------------------------------------------

enum { FLOAT32 = 1, UINT8 = 2, INT8 = 3 };

// Integers, in quanta.
static void print_quanta(const char *name, const ppq_array *a, const ppq_array *b)
{
    const unsigned char *x = a->data, *y = b->data;
    const int flip = a->dtype == INT8 ? 0x80 : 0; // keeps the order of int8 as unsigned
    size_t differ = 0;
    int worst = 0;
    for (size_t i = 0; i < a->bytes; i++) {
        const int d = abs((x[i] ^ flip) - (y[i] ^ flip));
        differ += d > 0;
        worst = d > worst ? d : worst;
    }
    printf("%-40s quanta  %-10d %zu of %zu differ\n", name, worst, differ, a->bytes);
}

static void print_difference(const char *name, const ppq_array *a, const ppq_array *b)
{
    if ((a->dtype == UINT8 || a->dtype == INT8) && a->dtype == b->dtype && a->bytes == b->bytes) {
        print_quanta(name, a, b);
        return;
    }
    if (a->dtype != FLOAT32 || b->dtype != FLOAT32 || a->bytes != b->bytes) {
        printf("%-40s not comparable: another type or size\n", name);
        return;
    }
    const float *x = a->data, *y = b->data;
    const size_t n = a->bytes / sizeof(float);
    double worst = 0, signal = 0, noise = 0, dot = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        const double p = (double) x[i], q = (double) y[i];
        worst = fmax(worst, fabs(p - q));
        signal += p * p;
        norm += q * q;
        noise += (p - q) * (p - q);
        dot += p * q;
    }
    // Rows of the last dimension whose largest element is at the same place.
    const size_t row = a->rank > 0 && a->dim[a->rank - 1] > 0 ? (size_t) a->dim[a->rank - 1] : 1;
    size_t rows = 0, agree = 0;
    for (size_t at = 0; at + row <= n && row > 1; at += row, rows++) {
        size_t mx = 0, my = 0;
        for (size_t i = 1; i < row; i++) {
            mx = x[at + i] > x[at + mx] ? i : mx;
            my = y[at + i] > y[at + my] ? i : my;
        }
        agree += mx == my;
    }
    const double d = sqrt(signal) * sqrt(norm);
    printf("%-40s max-abs %-10.4g SNR %7.2f dB  cosine %.6f", name, worst,
           noise > 0 ? 10 * log10(signal / noise) : 300.0, d > 0 ? dot / d : 1.0);
    if (rows)
        printf("  argmax %zu/%zu", agree, rows);
    printf("\n");
}

typedef struct kept {
    char *name;
    ppq_array value;
} kept;

typedef struct layer_set {
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
            print_difference(name, &s->at[i].value, value);
            return;
        }
}

static ppq_result compare(job *j, const ppq_net *net, const ppq_array *in, const ppq_array *out,
                          layer_set *layers)
{
    ppq_net *other = NULL;
    ppq_result r = ppq_net_load(&j->cb, j->compare, j->engine, j->threads, &other);
    if (r != PPQ_RESULT_OK)
        return r;
    const size_t n = ppq_net_n_outputs(other);
    ppq_array *theirs = new_arrays(n);
    if (ppq_net_n_inputs(other) != ppq_net_n_inputs(net)) {
        (void) cli_usage_error(&j->c, "the models have %zu and %zu inputs", ppq_net_n_inputs(net),
                               ppq_net_n_inputs(other));
        r = PPQ_RESULT_USAGE;
    } else {
        r = ppq_net_run(other, in, theirs, j->layers ? compare_layer : NULL, layers);
    }
    for (size_t i = 0; i < n && i < ppq_net_n_outputs(net) && r == PPQ_RESULT_OK; i++)
        print_difference(ppq_net_output(net, i), &out[i], &theirs[i]);
    free_arrays(theirs, n);
    ppq_net_destroy(other);
    return r;
}

// Whether --compare names the model itself, to be simulated.
static bool compares_itself(const job *j)
{
    struct stat a, b;
    return j->compare && j->engine == PPQ_ENGINE_SIMULATE && stat(j->args[0], &a) == 0 &&
           stat(j->compare, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static ppq_result run_model(job *j)
{
    ppq_net *net = NULL;
    const bool itself = compares_itself(j);
    ppq_result r =
        ppq_net_load(&j->cb, j->args[0], itself ? PPQ_ENGINE_FAST : j->engine, j->threads, &net);
    if (r != PPQ_RESULT_OK)
        return r;
    const size_t ni = ppq_net_n_inputs(net), no = ppq_net_n_outputs(net);
    ppq_array *in = new_arrays(ni), *out = new_arrays(no);
    layer_set layers = { 0 };
    r = load_inputs(j, net, in);
    if (r == PPQ_RESULT_OK)
        r = ppq_net_run(net, in, out, j->compare && j->layers ? keep_layer : NULL, &layers);
    if (r == PPQ_RESULT_OK && j->output)
        r = save_outputs(j, net, out);
    if (r == PPQ_RESULT_OK && itself && !j->c.quiet)
        printf("engine against simulation\n");
    if (r == PPQ_RESULT_OK && j->compare)
        r = compare(j, net, in, out, &layers);
    else if (r == PPQ_RESULT_OK && !j->c.quiet)
        for (size_t i = 0; i < no; i++)
            print_array(ppq_net_output(net, i), &out[i]);
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

static double element(const ppq_array *a, size_t i, bool *known)
{
    *known = true;
    switch (a->dtype) {
    case 1:
        return (double) ((const float *) a->data)[i];
    case 2:
    case 9:
        return ((const uint8_t *) a->data)[i];
    case 3:
        return ((const int8_t *) a->data)[i];
    case 4:
        return ((const uint16_t *) a->data)[i];
    case 5:
        return ((const int16_t *) a->data)[i];
    case 6:
        return ((const int32_t *) a->data)[i];
    case 7:
        return (double) ((const int64_t *) a->data)[i];
    case 11:
        return ((const double *) a->data)[i];
    case 12:
        return ((const uint32_t *) a->data)[i];
    case 13:
        return (double) ((const uint64_t *) a->data)[i];
    default:
        *known = false;
        return 0;
    }
}

// NULL when they agree.
static const char *disagreement(const job *j, const ppq_array *got, const ppq_array *want)
{
    static const unsigned char sizes[] = { 0, 4, 1, 1, 2, 2, 4, 8, 0, 1, 2, 8, 4, 8 };
    if (got->dtype != want->dtype)
        return "another element type";
    if (got->rank != want->rank ||
        memcmp(got->dim, want->dim, (size_t) got->rank * sizeof(got->dim[0])) != 0)
        return "another shape";
    const size_t es = got->dtype < (int) sizeof(sizes) ? sizes[got->dtype] : 0;
    if (!es || got->dtype == 10)
        return memcmp(got->data, want->data, got->bytes) == 0 ? NULL : "other bytes";
    for (size_t i = 0; i < got->bytes / es; i++) {
        bool known;
        const double x = element(got, i, &known), y = element(want, i, &known);
        if (isnan(x) != isnan(y) ||
            (!isnan(x) && x != y && !(fabs(x - y) <= j->atol + j->rtol * fabs(y))))
            return "other values";
    }
    return NULL;
}

static bool exists(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0;
}

static ppq_result run_set(job *j, ppq_net *net, const char *dir, const char **why)
{
    const size_t ni = ppq_net_n_inputs(net), no = ppq_net_n_outputs(net);
    ppq_array *in = new_arrays(ni), *out = new_arrays(no), want = { 0 };
    char path[4200];
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 0; i < ni && r == PPQ_RESULT_OK; i++) {
        snprintf(path, sizeof(path), "%s/input_%zu.pb", dir, i);
        r = ppq_array_load(&j->cb, path, &in[i]);
    }
    if (r == PPQ_RESULT_OK)
        r = ppq_net_run(net, in, out, NULL, NULL);
    for (size_t i = 0; i < no && r == PPQ_RESULT_OK && !*why; i++) {
        snprintf(path, sizeof(path), "%s/output_%zu.pb", dir, i);
        if (!exists(path))
            break;
        r = ppq_array_load(&j->cb, path, &want);
        if (r == PPQ_RESULT_OK)
            *why = disagreement(j, &out[i], &want);
        ppq_array_free(&want);
    }
    free_arrays(in, ni);
    free_arrays(out, no);
    return r;
}

static bool run_test(job *j, const char *dir)
{
    char path[4096];
    ppq_net *net = NULL;
    snprintf(path, sizeof(path), "%s/model.onnx", dir);
    if (ppq_net_load(&j->cb, path, j->engine, j->threads, &net) != PPQ_RESULT_OK) {
        printf("FAIL %s: cannot be loaded\n", dir);
        return false;
    }
    bool ok = true;
    int sets = 0;
    for (int k = 0;; k++) {
        snprintf(path, sizeof(path), "%s/test_data_set_%d", dir, k);
        if (!exists(path))
            break;
        const char *why = NULL;
        const ppq_result r = run_set(j, net, path, &why);
        sets++;
        ok &= r == PPQ_RESULT_OK && !why;
        if (r != PPQ_RESULT_OK || why || !j->c.quiet)
            printf("%s %s%s%s\n", r == PPQ_RESULT_OK && !why ? "pass" : "FAIL", path,
                   why ? ": " : "", why ? why : "");
    }
    ppq_net_destroy(net);
    if (!sets)
        printf("FAIL %s: no test_data_set_0\n", dir);
    return ok && sets;
}

static ppq_result run_tests(job *j)
{
    size_t passed = 0;
    for (size_t i = 0; i < j->n_args; i++)
        passed += run_test(j, j->args[i]);
    printf("%zu passed, %zu failed\n", passed, j->n_args - passed);
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
