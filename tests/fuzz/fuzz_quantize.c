// Damaged models through the whole tool, from file to file: every one is quantized, or refused
// with a message. Models are made here; mutations depend on their number alone.
//
//     fuzz_quantize COUNT [FIRST [MODEL.onnx...]]

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/io.h"
#include "core/rng.h"
#include "exporter/onnx_writer.h"
#include "parser/load.h"
#include "quantizer/data/data.h"
#include "quantizer/session.h"

// A damaged size may ask for any amount of memory: that is refused, not had.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=96:detect_leaks=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

enum { MODEL_SECONDS = 60, MAX_MODELS = 64 };

typedef struct bytes {
    unsigned char *p;
    size_t n;
} bytes;

static void die(const char *what, const ppq_diag *d)
{
    fprintf(stderr, "fuzz_quantize: %s\n", what);
    for (size_t i = 0; d && i < ppq_diag_count(d, PPQ_SEV_NOTE); i++)
        fprintf(stderr, "  %s\n", ppq_diag_at(d, i)->msg);
    abort();
}

// ---- seeds ----------------------------------------------------------------------------------

static ppq_var *constant(ppq_graph *g, const ppq_shape *s, ppq_dtype dt, const int64_t *values)
{
    ppq_tensor t;
    if (ppq_tensor_alloc(&t, dt, s) != PPQ_OK)
        die("no memory", NULL);
    ppq_rng r = ppq_rng_seed(1, g->n_vars);
    for (int64_t i = 0; i < ppq_shape_numel(s); i++)
        if (values)
            ppq_i64(&t)[i] = values[i];
        else
            ppq_f32(&t)[i] = 0.1f + (float) ppq_rng_uniform(&r);
    return ppq_graph_add_const(g, NULL, &t);
}

#define WEIGHT(g, ...)                                                                    \
    constant((g),                                                                         \
             &(const ppq_shape){ (int32_t) PPQ_COUNT(((const int64_t[]){ __VA_ARGS__ })), \
                                 { __VA_ARGS__ } },                                       \
             PPQ_DT_F32, NULL)
#define INTS(g, ...)                                                                          \
    constant((g), &(const ppq_shape){ 1, { PPQ_COUNT(((const int64_t[]){ __VA_ARGS__ })) } }, \
             PPQ_DT_I64, (const int64_t[]){ __VA_ARGS__ })

static ppq_op *node(ppq_graph *g, const char *type, ppq_var *const *in, int32_t n)
{
    ppq_op *op = ppq_graph_add_op(g, "", type, NULL, n, 1);
    for (int32_t k = 0; k < n; k++)
        ppq_graph_set_input(g, op, k, in[k]);
    ppq_graph_set_output(g, op, 0, ppq_graph_add_var(g, NULL));
    return op;
}

#define NODE(g, type, ...)                               \
    node((g), (type), (ppq_var *const[]){ __VA_ARGS__ }, \
         (int32_t) PPQ_COUNT(((ppq_var *const[]){ __VA_ARGS__ })))

static ppq_var *start(ppq_graph *g, const char *name, ppq_shape s)
{
    ppq_var *x = ppq_graph_add_var(g, name);
    x->dtype = PPQ_DT_F32;
    x->shape = s;
    ppq_graph_mark_input(g, x);
    return x;
}

static bytes written(ppq_graph *g, ppq_var *last)
{
    ppq_graph_set_opset(g, "", 17);
    g->ir_version = 8;
    last->dtype = PPQ_DT_F32;
    ppq_graph_mark_output(g, last);
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    void *p;
    bytes b;
    if (ppq_onnx_write_bytes(g, &p, &b.n, d) != PPQ_OK)
        die("a seed cannot be written", d);
    b.p = p;
    ppq_diag_destroy(d);
    ppq_graph_destroy(g);
    return b;
}

// A convolutional network: normalization, residual, pools, concat, resize, classifier.
static bytes cnn(void)
{
    ppq_graph *g = ppq_graph_create();
    ppq_var *x = start(g, "x", (ppq_shape){ 4, { 1, 3, 8, 8 } });
    ppq_op *conv = NODE(g, "Conv", x, WEIGHT(g, 4, 3, 3, 3), WEIGHT(g, 4));
    ppq_op_set_ints(g, conv, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4);
    ppq_var *v = NODE(g, "BatchNormalization", conv->out[0], WEIGHT(g, 4), WEIGHT(g, 4),
                      WEIGHT(g, 4), WEIGHT(g, 4))
                     ->out[0];
    v = NODE(g, "Relu", v)->out[0];
    ppq_op *depth = NODE(g, "Conv", v, WEIGHT(g, 4, 1, 1, 1));
    ppq_op_set_int(g, depth, "group", 4);
    v = NODE(g, "Add", depth->out[0], v)->out[0];
    ppq_op *pool = NODE(g, "MaxPool", v);
    ppq_op_set_ints(g, pool, "kernel_shape", (const int64_t[]){ 2, 2 }, 2);
    ppq_op_set_ints(g, pool, "strides", (const int64_t[]){ 2, 2 }, 2);
    ppq_op *up = NODE(g, "ConvTranspose", pool->out[0], WEIGHT(g, 4, 4, 2, 2));
    ppq_op_set_ints(g, up, "strides", (const int64_t[]){ 2, 2 }, 2);
    ppq_op *cat = NODE(g, "Concat", up->out[0], v);
    ppq_op_set_int(g, cat, "axis", 1);
    v = NODE(g, "GlobalAveragePool", cat->out[0])->out[0];
    v = NODE(g, "Flatten", v)->out[0];
    ppq_op *gemm = NODE(g, "Gemm", v, WEIGHT(g, 5, 8), WEIGHT(g, 5));
    ppq_op_set_int(g, gemm, "transB", 1);
    ppq_op_set_float(g, gemm, "alpha", 0.5f);
    return written(g, gemm->out[0]);
}

// A transformer block: linear layers, shapes computed on the way, attention, normalization.
static bytes transformer(void)
{
    ppq_graph *g = ppq_graph_create();
    ppq_var *x = start(g, "x", (ppq_shape){ 3, { 1, 4, 8 } });
    ppq_var *q =
        NODE(g, "Add", NODE(g, "MatMul", x, WEIGHT(g, 8, 8))->out[0], WEIGHT(g, 8))->out[0];
    ppq_op *t = NODE(g, "Transpose", x);
    ppq_op_set_ints(g, t, "perm", (const int64_t[]){ 0, 2, 1 }, 3);
    ppq_var *s = NODE(g, "MatMul", q, t->out[0])->out[0];
    s = NODE(g, "Softmax", s)->out[0];
    ppq_var *v = NODE(g, "Add", NODE(g, "MatMul", s, x)->out[0], x)->out[0];
    v = NODE(g, "LayerNormalization", v, WEIGHT(g, 8), WEIGHT(g, 8))->out[0];
    ppq_op *shape = NODE(g, "Shape", v);
    ppq_op *first = NODE(g, "Gather", shape->out[0], INTS(g, 0));
    ppq_op *to = NODE(g, "Concat", first->out[0], INTS(g, -1));
    ppq_op_set_int(g, to, "axis", 0);
    v = NODE(g, "Reshape", v, to->out[0])->out[0];
    ppq_op *slice = NODE(g, "Slice", v, INTS(g, 2), INTS(g, 30), INTS(g, 1), INTS(g, 2));
    v = NODE(g, "Sigmoid", NODE(g, "Mul", slice->out[0], slice->out[0])->out[0])->out[0];
    return written(g, v);
}

// ---- mutations ------------------------------------------------------------------------------

static size_t below(ppq_rng *r, size_t n)
{
    return n ? (size_t) (ppq_rng_u64(r) % n) : 0;
}

static bytes mutated(const bytes *seed, uint64_t number)
{
    ppq_rng r = ppq_rng_seed(number, 99);
    bytes b = { malloc(seed->n + 1), seed->n };
    if (!b.p)
        die("no memory", NULL);
    memcpy(b.p, seed->p, seed->n);
    if (ppq_rng_u64(&r) % 16 == 0)
        b.n = below(&r, b.n);
    for (size_t k = 1 + below(&r, 3); b.n && k; k--) {
        const size_t at = below(&r, b.n);
        static const unsigned char odd[] = { 0, 1, 0x7f, 0x80, 0xff };
        switch (ppq_rng_u64(&r) % 4) {
        case 0:
            b.p[at] = odd[below(&r, sizeof(odd))];
            break;
        case 1:
            b.p[at] = b.p[below(&r, b.n)];
            break;
        default:
            b.p[at] ^= (unsigned char) (1u << ppq_rng_u64(&r) % 8);
        }
    }
    return b;
}

// ---- one model ------------------------------------------------------------------------------

static ppq_status quantize(ppq_session *s, ppq_data **data, const char *out, ppq_diag *d)
{
    static const ppq_data_opts o = { .batch = 1 };
    PPQ_TRY(ppq_data_create(s->graph, &o, data, d));
    PPQ_TRY(ppq_data_random(*data, 1, 1, d));
    PPQ_TRY(ppq_data_finish(*data, d));
    PPQ_TRY(ppq_session_prepare(s));
    const ppq_calib_source source = ppq_data_source(*data);
    PPQ_TRY(ppq_session_quantize(s, &source));
    PPQ_TRY(ppq_session_export(s, "json", out));
    return ppq_session_export(s, s->platform->exporter, out);
}

// Whether it was quantized. Failure without a message, or a result that cannot be read, ends it.
static bool run_model(const char *path, const char *out, uint64_t number)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_settings *settings = ppq_settings_create();
    ppq_session *s = NULL;
    ppq_data *data = NULL;
    settings->platform = ppq_builtin_platforms[number % 3 % 2]->name;
    settings->threads = 1;
    ppq_status st = ppq_session_create(settings, d, &s);
    if (st == PPQ_OK)
        st = ppq_session_load(s, path);
    if (st == PPQ_OK)
        st = quantize(s, &data, out, d);
    if ((st != PPQ_OK) != (ppq_diag_count(d, PPQ_SEV_ERROR) > 0))
        die(st ? "a failure without a message" : "a message without a failure", d);
    ppq_graph *again = NULL;
    if (st == PPQ_OK && ppq_parse_file(out, &again, d) != PPQ_OK)
        die("the result cannot be read", d);
    ppq_graph_destroy(again);
    ppq_data_destroy(data);
    ppq_session_destroy(s);
    ppq_settings_destroy(settings);
    ppq_diag_destroy(d);
    return st == PPQ_OK;
}

// ---- all ------------------------------------------------------------------------------------

static volatile uint64_t current;

static void too_long(int sig)
{
    char text[80];
    (void) sig;
    const int n = snprintf(text, sizeof(text), "fuzz_quantize: model %llu hangs\n",
                           (unsigned long long) current);
    (void) !write(2, text, (size_t) n);
    _exit(EXIT_FAILURE);
}

static void crashed(int sig)
{
    char text[80];
    const int n = snprintf(text, sizeof(text), "fuzz_quantize: model %llu: signal %d\n",
                           (unsigned long long) current, sig);
    (void) !write(2, text, (size_t) n);
    signal(sig, SIG_DFL);
    raise(sig);
}

static size_t run_all(const bytes *seeds, size_t n_seeds, uint64_t count, uint64_t first,
                      const char *path, const char *out)
{
    size_t good = 0;
    for (uint64_t i = 0; i < count; i++) {
        current = first + i;
        // The seeds themselves come first.
        const bytes *seed = &seeds[current % n_seeds];
        bytes b =
            current < n_seeds ? mutated(&(const bytes){ seed->p, 0 }, 0) : mutated(seed, current);
        const bytes *use = current < n_seeds ? seed : &b;
        const ppq_buf text = { (char *) use->p, use->n, use->n };
        if (ppq_file_write_text(path, &text, NULL) != PPQ_OK)
            die("no room for a model", NULL);
        alarm(MODEL_SECONDS);
        const bool ok = run_model(path, out, current);
        alarm(0);
        if (!ok && current < 2)
            die("a seed cannot be quantized", NULL);
        good += ok;
        free(b.p);
    }
    return good;
}

int main(int argc, char **argv)
{
    bytes seeds[MAX_MODELS] = { cnn(), transformer() };
    size_t n = 2;
    for (int i = 3; i < argc && n < MAX_MODELS; i++) {
        char *p;
        if (ppq_file_read(argv[i], (size_t) 1 << 28, &p, &seeds[n].n, NULL) == PPQ_OK)
            seeds[n++].p = (unsigned char *) p;
    }
    const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 300;
    const uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    char dir[] = "/tmp/ppq-fuzz-XXXXXX";
    if (!mkdtemp(dir))
        die("no folder", NULL);
    ppq_buf path = { 0 }, out = { 0 };
    ppq_buf_printf(&path, "%s/in.onnx", dir);
    ppq_buf_printf(&out, "%s/out.onnx", dir);
    signal(SIGALRM, too_long);
    signal(SIGABRT, crashed);
    signal(SIGSEGV, crashed);
    signal(SIGFPE, crashed);
    const size_t good = run_all(seeds, n, count, first, path.data, out.data);
    printf("%llu models, %zu quantized, %llu refused\n", (unsigned long long) count, good,
           (unsigned long long) count - good);
    unlink(path.data);
    unlink(out.data);
    rmdir(dir);
    ppq_buf_free(&path);
    ppq_buf_free(&out);
    for (size_t i = 0; i < n; i++)
        free(seeds[i].p);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
