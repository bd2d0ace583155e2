// Time per op of everything that ppq-quantize does, for models of growing size: chains of Conv and
// Relu, and fans where one tensor feeds as many Convs, joined by one Concat. Where time is linear,
// the last column stays near 1; passes of a fraction of a microsecond lose the caches on the way.
//   scaling [OPS ...]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "exporter/onnx_writer.h"
#include "quantizer/data/data.h"
#include "quantizer/report.h"
#include "quantizer/session.h"

enum { CHANNELS = 4, MOST_PHASES = PPQ_MAX_PHASES };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void print_message(void *user, const ppq_diag_item *i)
{
    (void) user;
    if (i->severity == PPQ_SEV_ERROR)
        fprintf(stderr, "scaling: %s\n", i->msg);
}

static void must(ppq_status st)
{
    if (st != PPQ_OK)
        exit(2);
}

static ppq_var *constant(ppq_graph *g, const char *name, const ppq_shape *s, float value)
{
    ppq_tensor t;
    must(ppq_tensor_alloc(&t, PPQ_DT_F32, s));
    for (int64_t i = 0; i < ppq_shape_numel(s); i++)
        ppq_f32(&t)[i] = value + 0.01f * (float) (i % 7);
    return ppq_graph_add_const(g, name, &t);
}

static ppq_var *append(ppq_graph *g, const char *type, const char *name, int n_in, ppq_var **in)
{
    ppq_op *op = ppq_graph_add_op(g, "", type, name, n_in, 1);
    for (int k = 0; k < n_in; k++)
        ppq_graph_set_input(g, op, k, in[k]);
    ppq_var *y = ppq_graph_add_var(g, NULL);
    ppq_graph_set_output(g, op, 0, y);
    return y;
}

static ppq_var *append_conv(ppq_graph *g, ppq_var *x)
{
    const ppq_shape weight = { 4, { CHANNELS, CHANNELS, 1, 1 } }, bias = ppq_shape_1d(CHANNELS);
    ppq_var *in[] = { x, constant(g, "w", &weight, 0.2f), constant(g, "b", &bias, -0.01f) };
    return append(g, "Conv", "conv", 3, in);
}

static ppq_var *build_chain(ppq_graph *g, ppq_var *x, int n_ops)
{
    for (int i = 0; i < n_ops; i += 2) {
        x = append_conv(g, x);
        x = append(g, "Relu", "relu", 1, &x);
    }
    return x;
}

static ppq_var *build_fan(ppq_graph *g, ppq_var *x, int n_ops)
{
    ppq_var **in = calloc((size_t) n_ops, sizeof(*in));
    if (!in)
        exit(2);
    x = append_conv(g, x);
    for (int i = 0; i < n_ops; i++)
        in[i] = append_conv(g, x);
    ppq_var *y = append(g, "Concat", "join", n_ops, in);
    ppq_op_set_int(g, y->producer.op, "axis", 1);
    free(in);
    return y;
}

typedef ppq_var *(*build_fn)(ppq_graph *g, ppq_var *x, int n_ops);

static void write_model(const char *path, build_fn build, int n_ops, ppq_diag *d)
{
    const ppq_shape image = { 4, { 1, CHANNELS, 2, 2 } };
    ppq_graph *g = ppq_graph_create();
    ppq_graph_set_opset(g, "", 13);
    g->ir_version = 8;
    g->name = "chain";
    ppq_var *x = ppq_graph_add_var(g, "x");
    x->dtype = PPQ_DT_F32;
    x->shape = image;
    ppq_graph_mark_input(g, x);
    x = build(g, x, n_ops);
    x->dtype = PPQ_DT_F32;
    ppq_graph_mark_output(g, x);
    ppq_graph_compact(g);
    must(ppq_onnx_write_file(g, path, &(ppq_onnx_write_opts){ .external = false }, d));
    ppq_graph_destroy(g);
}

typedef struct times {
    ppq_phase_time phase[MOST_PHASES];
    int n;
    double total;
} times;

static void add_time(times *t, const char *name, double since)
{
    t->phase[t->n++] = (ppq_phase_time){ name, now() - since };
}

static times quantize(const char *model, const char *out, ppq_diag *d)
{
    ppq_settings *settings = ppq_settings_create();
    ppq_session *s;
    ppq_data *data;
    const double start = now();
    must(ppq_settings_set(settings, "analyse", "1", d));
    must(ppq_settings_set(settings, "method", "minmax", d));
    must(ppq_settings_set(settings, "threads", "1", d));
    must(ppq_session_create(settings, d, &s));
    must(ppq_session_load(s, model));
    must(ppq_session_prepare(s));
    must(ppq_data_create(s->graph, &(ppq_data_opts){ .batch = 1 }, &data, d));
    must(ppq_data_random(data, 1, 1, d));
    const ppq_calib_source source = ppq_data_source(data);
    must(ppq_session_quantize(s, &source));
    times t = { 0 };
    memcpy(t.phase, s->phases, sizeof(s->phases));
    t.n = s->n_phases;
    static const char *const formats[] = { "qdq", "qoperator", "onnx", "json", "ppl-json" };
    for (size_t i = 0; i < PPQ_COUNT(formats); i++) {
        const double since = now();
        must(ppq_session_export(s, formats[i], out));
        add_time(&t, formats[i], since);
    }
    ppq_buf b = { 0 };
    double since = now();
    ppq_report(s, false, &b);
    ppq_report(s, true, &b);
    add_time(&t, "report", since);
    since = now();
    ppq_report_html(s, &b);
    add_time(&t, "page", since);
    ppq_buf_free(&b);
    t.total = now() - start;
    ppq_data_destroy(data);
    ppq_session_destroy(s);
    ppq_settings_destroy(settings);
    return t;
}

static double seconds_of(const times *t, const char *name)
{
    double s = 0;
    for (int i = 0; i < t->n; i++)
        s += strcmp(t->phase[i].name, name) == 0 ? t->phase[i].seconds : 0;
    return s;
}

static bool is_first(const times *t, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(t->phase[k].name, t->phase[i].name) == 0)
            return false;
    return true;
}

static void print_row(const char *name, const double *seconds, const int *ops, int n)
{
    printf("%-24s", name);
    for (int i = 0; i < n; i++)
        printf(" %9.2f", 1e6 * seconds[i] / ops[i]);
    printf(" %8.2f\n", seconds[n - 1] / ops[n - 1] / (seconds[0] / ops[0]));
}

static void measure(const char *name, build_fn build, const int *ops, int n, ppq_diag *d)
{
    char folder[] = "/tmp/ppq-scaling-XXXXXX", model[64], out[64];
    if (!mkdtemp(folder))
        exit(2);
    snprintf(model, sizeof(model), "%s/model.onnx", folder);
    snprintf(out, sizeof(out), "%s/out.onnx", folder);
    times *t = calloc((size_t) n, sizeof(*t));
    double *seconds = calloc((size_t) n, sizeof(*seconds));
    if (!t || !seconds)
        exit(2);
    for (int i = 0; i < n; i++) {
        write_model(model, build, ops[i], d);
        t[i] = quantize(model, out, d);
    }
    printf("%-5s microseconds per op ", name);
    for (int i = 0; i < n; i++)
        printf("%9d ", ops[i]);
    printf("last/first\n");
    for (int p = 0; p < t[0].n; p++) {
        for (int i = 0; i < n; i++)
            seconds[i] = seconds_of(&t[i], t[0].phase[p].name);
        if (is_first(&t[0], p) && seconds[0] > 1e-4)
            print_row(t[0].phase[p].name, seconds, ops, n);
    }
    for (int i = 0; i < n; i++)
        seconds[i] = t[i].total;
    print_row("all", seconds, ops, n);
    free(t);
    free(seconds);
    unlink(model);
    unlink(out);
    rmdir(folder);
}

int main(int argc, char **argv)
{
    enum { MOST_SIZES = 8 };
    int ops[MOST_SIZES] = { 12500, 25000, 50000, 100000 }, n = argc > 1 ? 0 : 4;
    for (int i = 1; i < argc && n < MOST_SIZES; i++)
        ops[n++] = (int) strtol(argv[i], NULL, 10);
    ppq_diag *d = ppq_diag_create(print_message, NULL);
    measure("chain", build_chain, ops, n, d);
    measure("fan", build_fan, ops, n, d);
    ppq_diag_destroy(d);
    return 0;
}
