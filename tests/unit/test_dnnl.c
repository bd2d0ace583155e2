#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/op_def.h"
#include "executor/dnnl/compat.h"

// Every kernel against its operator's plain forward: values, bytes around the output, several
// threads on one state, one thread against two.

enum { MAX_IN = 5, MAX_ATTR = 8, GUARD = 256, GUARD_BYTE = 0xA5 };

typedef struct attr {
    const char *name;
    int n;        // of v; 0: one integer
    int64_t v[6]; // integers
    float f;      // when is_float
    const char *s;
    bool is_float;
} attr;

typedef struct kernel_case {
    const char *kernel, *op;
    ppq_shape in[MAX_IN];    // rank 0 ends the list, ABSENT leaves one out
    attr attrs[MAX_ATTR];    // name NULL ends the list
    unsigned constants;      // bit i: input i never changes
    bool refused;            // the kernel does not want it
    int64_t ints[MAX_IN][8]; // inputs of shape INTS hold these
} kernel_case;

#define ABSENT     \
    {              \
        .rank = -1 \
    }
#define SHAPE1(a)               \
    {                           \
        .rank = 1, .dim = { a } \
    }
#define SHAPE2(a, b)               \
    {                              \
        .rank = 2, .dim = { a, b } \
    }
#define SHAPE3(a, b, c)               \
    {                                 \
        .rank = 3, .dim = { a, b, c } \
    }
#define SHAPE4(a, b, c, d)               \
    {                                    \
        .rank = 4, .dim = { a, b, c, d } \
    }
#define SHAPE5(a, b, c, d, e)               \
    {                                       \
        .rank = 5, .dim = { a, b, c, d, e } \
    }
#define INT(nm, x)               \
    {                            \
        .name = (nm), .v = { x } \
    }
#define REAL(nm, x)                              \
    {                                            \
        .name = (nm), .f = (x), .is_float = true \
    }
#define TEXT(nm, x)            \
    {                          \
        .name = (nm), .s = (x) \
    }
#define INTS2(nm, ...)                             \
    {                                              \
        .name = (nm), .n = 2, .v = { __VA_ARGS__ } \
    }
#define INTS4(nm, ...)                             \
    {                                              \
        .name = (nm), .n = 4, .v = { __VA_ARGS__ } \
    }

static const kernel_case cases[] = {
    // ---- Conv
    { "dnnl-conv",
      "Conv",
      { SHAPE4(1, 3, 32, 33), SHAPE4(16, 3, 3, 3), SHAPE1(16) },
      { INTS4("pads", 1, 1, 1, 1), INTS2("strides", 2, 2) },
      6 },
    { "dnnl-conv", "Conv", { SHAPE4(2, 16, 9, 11), SHAPE4(24, 16, 1, 1) }, { { NULL } }, 2 },
    { "dnnl-conv",
      "Conv",
      { SHAPE4(2, 16, 9, 11), SHAPE4(24, 16, 1, 1), SHAPE1(24) },
      { { NULL } },
      0 },
    { "dnnl-conv",
      "Conv",
      { SHAPE4(1, 32, 12, 12), SHAPE4(32, 1, 3, 3), SHAPE1(32) },
      { INT("group", 32), INTS4("pads", 1, 1, 1, 1) },
      6 },
    { "dnnl-conv",
      "Conv",
      { SHAPE4(1, 20, 12, 12), SHAPE4(20, 1, 5, 5), SHAPE1(20) },
      { INT("group", 20), INTS4("pads", 2, 2, 2, 2), INTS2("strides", 2, 2) },
      6 },
    { "dnnl-conv",
      "Conv",
      { SHAPE4(1, 16, 12, 12), SHAPE4(32, 8, 3, 3), SHAPE1(32) },
      { INT("group", 2), INTS4("pads", 1, 1, 1, 1) },
      2 },
    { "dnnl-conv",
      "Conv",
      { SHAPE4(1, 16, 14, 13), SHAPE4(8, 16, 3, 3), SHAPE1(8) },
      { INTS2("dilations", 2, 3), INTS4("pads", 2, 0, 1, 3) },
      6 },
    { "dnnl-conv",
      "Conv",
      { SHAPE4(1, 8, 15, 15), SHAPE4(8, 8, 3, 3) },
      { TEXT("auto_pad", "SAME_LOWER"), INTS2("strides", 2, 2) },
      2 },
    { "dnnl-conv",
      "Conv",
      { SHAPE3(2, 8, 31), SHAPE3(12, 8, 5), SHAPE1(12) },
      { INTS2("pads", 2, 2) },
      6 },
    { "dnnl-conv", "Conv", { SHAPE5(1, 4, 6, 7, 8), SHAPE5(8, 4, 3, 3, 3) }, { { NULL } }, 2 },
    // ---- ConvTranspose
    { "dnnl-conv-transpose",
      "ConvTranspose",
      { SHAPE4(1, 16, 7, 8), SHAPE4(16, 8, 2, 2), SHAPE1(8) },
      { INTS2("strides", 2, 2) },
      6 },
    { "dnnl-conv-transpose",
      "ConvTranspose",
      { SHAPE4(2, 16, 7, 8), SHAPE4(16, 24, 3, 3), SHAPE1(24) },
      { INTS2("strides", 2, 2), INTS4("pads", 1, 1, 1, 1), INTS2("output_padding", 1, 1) },
      6 },
    { "dnnl-conv-transpose",
      "ConvTranspose",
      { SHAPE4(1, 16, 7, 8), SHAPE4(16, 4, 3, 3) },
      { INT("group", 2), TEXT("auto_pad", "SAME_UPPER"), INTS2("strides", 2, 2) },
      0 },
    { "dnnl-conv-transpose",
      "ConvTranspose",
      { SHAPE3(1, 8, 9), SHAPE3(8, 8, 4) },
      { { NULL } },
      2 },
    // ---- MatMul, Gemm
    { "dnnl-matmul", "MatMul", { SHAPE2(5, 33), SHAPE2(33, 17) }, { { NULL } }, 2 },
    { "dnnl-matmul", "MatMul", { SHAPE3(2, 50, 64), SHAPE2(64, 96) }, { { NULL } }, 2 },
    { "dnnl-matmul", "MatMul", { SHAPE4(2, 3, 10, 16), SHAPE4(2, 3, 16, 12) }, { { NULL } }, 0 },
    { "dnnl-matmul", "MatMul", { SHAPE1(40), SHAPE2(40, 9) }, { { NULL } }, 2 },
    { "dnnl-matmul", "MatMul", { SHAPE3(2, 3, 40), SHAPE1(40) }, { { NULL } }, 0 },
    { "dnnl-matmul", "MatMul", { SHAPE2(1, 1500), SHAPE2(1500, 700) }, { { NULL } }, 2 },
    { "dnnl-matmul", "MatMul", { SHAPE2(300, 900), SHAPE2(900, 300) }, { { NULL } }, 0 },
    { "dnnl-gemm", "Gemm", { SHAPE2(3, 40), SHAPE2(20, 40), SHAPE1(20) }, { INT("transB", 1) }, 6 },
    { "dnnl-gemm",
      "Gemm",
      { SHAPE2(40, 3), SHAPE2(40, 20), SHAPE2(3, 1) },
      { INT("transA", 1), REAL("alpha", 0.5f), REAL("beta", 2.0f) },
      0 },
    { "dnnl-gemm",
      "Gemm",
      { SHAPE2(1, 1280), SHAPE2(1000, 1280), SHAPE1(1000) },
      { INT("transB", 1) },
      6 },
    { "dnnl-gemm", "Gemm", { SHAPE2(4, 5), SHAPE2(5, 6) }, { REAL("alpha", 3.0f) }, 2 },
    // ---- pools
    { "dnnl-max-pool",
      "MaxPool",
      { SHAPE4(1, 24, 17, 19) },
      { INTS2("kernel_shape", 3, 3), INTS2("strides", 2, 2), INTS4("pads", 1, 1, 1, 1) } },
    { "dnnl-max-pool",
      "MaxPool",
      { SHAPE4(2, 5, 16, 17) },
      { INTS2("kernel_shape", 2, 3), INTS2("strides", 2, 2), INT("ceil_mode", 1) } },
    { "dnnl-max-pool",
      "MaxPool",
      { SHAPE3(2, 5, 16) },
      { { .name = "kernel_shape", .n = 1, .v = { 3 } } } },
    { "dnnl-average-pool",
      "AveragePool",
      { SHAPE4(1, 24, 17, 19) },
      { INTS2("kernel_shape", 3, 3), INTS2("strides", 2, 2), INTS4("pads", 1, 1, 1, 1) } },
    { "dnnl-average-pool",
      "AveragePool",
      { SHAPE4(1, 24, 17, 19) },
      { INTS2("kernel_shape", 3, 3), INTS4("pads", 1, 0, 1, 2), INT("count_include_pad", 1) } },
    { "dnnl-average-pool",
      "AveragePool",
      { SHAPE4(1, 6, 16, 17) },
      { INTS2("kernel_shape", 3, 3), INTS2("strides", 2, 2), INT("ceil_mode", 1) } },
    { "dnnl-average-pool",
      "AveragePool",
      { SHAPE4(1, 6, 16, 17) },
      { INTS2("kernel_shape", 3, 3), INTS2("strides", 2, 2), INT("ceil_mode", 1),
        INTS4("pads", 1, 1, 0, 0), INT("count_include_pad", 1) },
      0,
      true },
    { "nhwc-global-average-pool", "GlobalAveragePool", { SHAPE4(2, 37, 7, 6) }, { { NULL } } },
    // ---- rows
    { "dnnl-softmax", "Softmax", { SHAPE3(2, 5, 37) }, { INT("axis", -1) } },
    { "dnnl-softmax", "Softmax", { SHAPE3(2, 5, 37) }, { INT("axis", 1) }, 0, true },
    { "dnnl-softmax", "Softmax", { SHAPE1(1001) }, { { NULL } } },
    { "dnnl-log-softmax", "LogSoftmax", { SHAPE2(9, 40) }, { INT("axis", 1) } },
    { "dnnl-layer-norm",
      "LayerNormalization",
      { SHAPE3(2, 9, 40), SHAPE1(40), SHAPE1(40) },
      { REAL("epsilon", 1e-3f) } },
    // ---- channels-last in plain C
    { "nhwc-batch-norm",
      "BatchNormalization",
      { SHAPE4(2, 13, 5, 6), SHAPE1(13), SHAPE1(13), SHAPE1(13), SHAPE1(13) },
      { { NULL } },
      30 },
    { "nhwc-instance-norm",
      "InstanceNormalization",
      { SHAPE4(2, 13, 5, 6), SHAPE1(13), SHAPE1(13) },
      { REAL("epsilon", 1e-2f) } },
    { "nhwc-add", "Add", { SHAPE4(2, 13, 5, 6), SHAPE4(1, 13, 1, 1) }, { { NULL } }, 2 },
    { "nhwc-mul", "Mul", { SHAPE4(2, 13, 5, 6), SHAPE4(2, 13, 1, 1) }, { { NULL } } },
    { "nhwc-mul", "Mul", { SHAPE4(2, 13, 5, 6), SHAPE1(6) }, { { NULL } }, 0, true },
    { "nhwc-sub", "Sub", { SHAPE3(13, 1, 1), SHAPE4(2, 13, 5, 6) }, { { NULL } } },
    { "nhwc-div", "Div", { SHAPE4(2, 13, 5, 6), SHAPE3(13, 1, 1) }, { { NULL } } },
    { "nhwc-p_relu", "PRelu", { SHAPE4(2, 13, 5, 6), SHAPE3(13, 1, 1) }, { { NULL } } },
    { "nhwc-concat",
      "Concat",
      { SHAPE4(2, 13, 5, 6), SHAPE4(2, 1, 5, 6), SHAPE4(2, 4, 5, 6) },
      { INT("axis", 1) } },
    { "nhwc-concat", "Concat", { SHAPE4(2, 3, 5, 6), SHAPE4(2, 3, 5, 1) }, { INT("axis", -1) } },
    { "nhwc-concat", "Concat", { SHAPE4(2, 3, 5, 6), SHAPE4(2, 3, 2, 6) }, { INT("axis", 2) } },
    { "nhwc-concat", "Concat", { SHAPE4(2, 3, 5, 6), SHAPE4(1, 3, 5, 6) }, { INT("axis", 0) } },
    { "nhwc-resize",
      "Resize",
      { SHAPE4(2, 5, 7, 8), ABSENT, ABSENT, SHAPE1(4) },
      { TEXT("mode", "linear") },
      0,
      false,
      { { 0 }, { 0 }, { 0 }, { 2, 5, 15, 12 } } },
    { "nhwc-resize",
      "Resize",
      { SHAPE4(2, 5, 7, 8), ABSENT, ABSENT, SHAPE1(4) },
      { TEXT("coordinate_transformation_mode", "asymmetric"), TEXT("nearest_mode", "floor") },
      8,
      false,
      { { 0 }, { 0 }, { 0 }, { 2, 5, 14, 4 } } },
    { "nhwc-pad",
      "Pad",
      { SHAPE4(2, 5, 7, 8), SHAPE1(8) },
      { TEXT("mode", "reflect") },
      0,
      false,
      { { 0 }, { 0, 0, 2, 1, 0, 0, 3, 0 } } },
    { "nhwc-pad",
      "Pad",
      { SHAPE4(2, 5, 7, 8), SHAPE1(8) },
      { { NULL } },
      2,
      false,
      { { 0 }, { 0, 1, 2, 1, 1, 4, -3, 0 } } },
    { "nhwc-pad",
      "Pad",
      { SHAPE4(2, 5, 7, 8), SHAPE1(4), ABSENT, SHAPE1(2) },
      { { NULL } },
      0,
      false,
      { { 0 }, { 1, 2, 3, 4 }, { 0 }, { 1, -1 } } },
    { "nhwc-slice",
      "Slice",
      { SHAPE4(2, 5, 7, 8), SHAPE1(2), SHAPE1(2), SHAPE1(2), SHAPE1(2) },
      { { NULL } },
      0,
      false,
      { { 0 }, { 1, 0 }, { 4, 6 }, { 1, -2 }, { 1, 2 } } },
    { "nhwc-slice",
      "Slice",
      { SHAPE4(2, 5, 7, 8), SHAPE1(2), SHAPE1(2), ABSENT },
      { { NULL } },
      0,
      false,
      { { 0 }, { 1, 2 }, { 2, 4 } } },
    { "packed-lstm",
      "LSTM",
      { SHAPE3(3, 2, 5), SHAPE3(1, 16, 5), SHAPE3(1, 16, 4), SHAPE2(1, 32) },
      { INT("hidden_size", 4) },
      0xe },
    { "packed-gru",
      "GRU",
      { SHAPE3(1, 1, 9), SHAPE3(1, 21, 9), SHAPE3(1, 21, 7) },
      { INT("hidden_size", 7), INT("linear_before_reset", 1) },
      0x6 },
    { "packed-rnn",
      "RNN",
      { SHAPE3(2, 3, 4), SHAPE3(1, 6, 4), SHAPE3(1, 6, 6) },
      { INT("hidden_size", 6) },
      0x6 },
    { "packed-lstm", // weights that are computed
      "LSTM",
      { SHAPE3(3, 2, 5), SHAPE3(1, 16, 5), SHAPE3(1, 16, 4) },
      { INT("hidden_size", 4) },
      0x2,
      true },
};

// A case, set up.
typedef struct fixture {
    const kernel_case *k;
    ppq_graph *g;
    ppq_op *op;
    int n_in;
    ppq_tensor in[MAX_IN];        // plain
    ppq_tensor kernel_in[MAX_IN]; // as the kernel gets them
    const ppq_tensor *in_ptr[MAX_IN], *kernel_in_ptr[MAX_IN], *constant[MAX_IN];
    ppq_shape in_shape[MAX_IN], out_shape[1];
    ppq_dtype in_dtype[MAX_IN], out_dtype[1];
    bool has_in[MAX_IN];
    ppq_diag *d;
    const ppq_kernel *kernel;
} fixture;

static ppq_op *make_op(ppq_graph *g, const kernel_case *k, int n_in)
{
    ppq_op *op = ppq_graph_add_op(g, "", k->op, "op", n_in, 1);
    op->def = ppq_op_def_find("", k->op);
    ck_assert_ptr_nonnull(op->def);
    for (int i = 0; i < n_in; i++)
        if (k->in[i].rank > 0)
            ppq_graph_set_input(g, op, i, ppq_graph_add_var(g, NULL));
    ppq_graph_set_output(g, op, 0, ppq_graph_add_var(g, NULL));
    for (int i = 0; i < MAX_ATTR && k->attrs[i].name; i++) {
        const attr *a = &k->attrs[i];
        if (a->s)
            ppq_op_set_string(g, op, a->name, a->s);
        else if (a->is_float)
            ppq_op_set_float(g, op, a->name, a->f);
        else if (a->n)
            ppq_op_set_ints(g, op, a->name, a->v, (size_t) a->n);
        else
            ppq_op_set_int(g, op, a->name, a->v[0]);
    }
    return op;
}

static const ppq_kernel *find_kernel(const char *name)
{
    for (const ppq_kernel *const *k = ppq_builtin_kernels; *k; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    ck_abort_msg("no kernel %s", name);
    return NULL;
}

// Variances and divisors must not be near zero, so every value is in [0.1, 1.1) or its negative;
// those of inputs 3 and 4 are positive.
static void fill(ppq_tensor *t, int slot, uint32_t seed)
{
    const int64_t n = ppq_shape_numel(&t->shape);
    for (int64_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        const float v = (float) (seed >> 9) / (float) (1u << 23) + 0.1f;
        ppq_f32(t)[i] = slot < 3 && (seed & 256u) ? -v : v;
    }
}

static bool holds_ints(const kernel_case *k, int i)
{
    for (int v = 0; v < 8; v++)
        if (k->ints[i][v])
            return true;
    return false;
}

static void fixture_input(fixture *f, int i)
{
    const kernel_case *k = f->k;
    const bool constant = k->constants >> i & 1, ints = holds_ints(k, i);
    const bool last = f->kernel->channels_last && k->in[i].rank >= 3 && !constant;
    f->in_shape[i] = k->in[i];
    f->has_in[i] = k->in[i].rank > 0;
    if (!f->has_in[i])
        return;
    f->in_dtype[i] = ints ? PPQ_DT_I64 : PPQ_DT_F32;
    ck_assert_int_eq(ppq_tensor_alloc(&f->in[i], f->in_dtype[i], &k->in[i]), PPQ_OK);
    if (ints)
        memcpy(ppq_tensor_data(&f->in[i]), k->ints[i], ppq_tensor_bytes(&f->in[i]));
    else
        fill(&f->in[i], i, (uint32_t) i + 1);
    ck_assert_int_eq(ppq_tensor_to_layout(&f->in[i],
                                          last ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN, NULL,
                                          &f->kernel_in[i]),
                     PPQ_OK);
    f->in_ptr[i] = &f->in[i];
    f->kernel_in_ptr[i] = &f->kernel_in[i];
    f->constant[i] = constant ? &f->in[i] : NULL;
}

static void fixture_init(fixture *f, const kernel_case *k)
{
    *f = (fixture){ .k = k, .kernel = find_kernel(k->kernel) };
    while (f->n_in < MAX_IN && k->in[f->n_in].rank)
        f->n_in++;
    f->d = ppq_diag_create(NULL, NULL);
    f->g = ppq_graph_create();
    f->op = make_op(f->g, k, f->n_in);
    for (int i = 0; i < f->n_in; i++)
        fixture_input(f, i);
    f->out_shape[0].rank = -1;
    ppq_infer_ctx c = { .op = f->op,
                        .opset = 21,
                        .in_value = f->in_ptr,
                        .in_shape = f->in_shape,
                        .in_dtype = f->in_dtype,
                        .has_in = f->has_in,
                        .out_shape = f->out_shape,
                        .out_dtype = f->out_dtype,
                        .diag = f->d };
    ck_assert_int_eq(f->op->def->infer(&c), PPQ_OK);
}

static void fixture_fini(fixture *f)
{
    for (int i = 0; i < f->n_in; i++) {
        ppq_tensor_unref(&f->in[i]);
        ppq_tensor_unref(&f->kernel_in[i]);
    }
    ppq_graph_destroy(f->g);
    ppq_diag_destroy(f->d);
}

static ppq_kernel_spec spec_of(const fixture *f, int n_threads)
{
    return (ppq_kernel_spec){ .op = f->op,
                              .opset = 21,
                              .in_shape = f->in_shape,
                              .in_dtype = f->in_dtype,
                              .has_in = f->has_in,
                              .in_const = f->constant,
                              .out_shape = f->out_shape,
                              .out_dtype = f->out_dtype,
                              .n_threads = n_threads };
}

// An output whose surroundings are watched.
typedef struct guarded {
    unsigned char *bytes;
    size_t size;
    ppq_tensor t;
} guarded;

static void guarded_init(guarded *g, const ppq_shape *s, ppq_layout layout)
{
    g->size = (size_t) ppq_shape_numel(s) * sizeof(float);
    g->bytes = aligned_alloc(64, ((g->size + 2 * GUARD) | 63) + 1);
    ck_assert_ptr_nonnull(g->bytes);
    memset(g->bytes, GUARD_BYTE, g->size + 2 * GUARD);
    ck_assert_int_eq(ppq_tensor_borrow(&g->t, PPQ_DT_F32, s, g->bytes + GUARD, NULL, NULL), PPQ_OK);
    g->t.layout = s->rank >= 3 ? layout : PPQ_LAYOUT_PLAIN;
}

static void guarded_check(const guarded *g, const char *who)
{
    for (size_t i = 0; i < GUARD; i++)
        ck_assert_msg(g->bytes[i] == GUARD_BYTE && g->bytes[GUARD + g->size + i] == GUARD_BYTE,
                      "%s writes outside of its output", who);
}

static void guarded_fini(guarded *g)
{
    ppq_tensor_unref(&g->t);
    free(g->bytes);
}

static void run_plain(const fixture *f, guarded *out)
{
    guarded_init(out, &f->out_shape[0], PPQ_LAYOUT_PLAIN);
    ppq_kernel_ctx c = { .op = f->op,
                         .opset = 21,
                         .in = f->in_ptr,
                         .out = &out->t,
                         .scratch = ppq_arena_create("test"),
                         .diag = f->d,
                         .n_threads = 1 };
    ck_assert_int_eq(f->op->def->forward(&c), PPQ_OK);
    ppq_arena_destroy(c.scratch);
    guarded_check(out, f->k->op);
}

static void run_kernel(const fixture *f, const void *state, int n_threads, guarded *out)
{
    guarded_init(out, &f->out_shape[0],
                 f->kernel->channels_last ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN);
    ppq_kernel_ctx c = { .op = f->op,
                         .opset = 21,
                         .in = f->kernel_in_ptr,
                         .out = &out->t,
                         .scratch = ppq_arena_create("test"),
                         .pool = ppq_pool_create(),
                         .diag = f->d,
                         .n_threads = n_threads };
    ppq_dnnl_set_threads(n_threads);
    ck_assert_int_eq(f->kernel->forward(state, &c), PPQ_OK);
    ppq_arena_destroy(c.scratch);
    ppq_pool_destroy(c.pool);
    guarded_check(out, f->k->kernel);
}

static void release(const fixture *f, void *state)
{
    if (f->kernel->release)
        f->kernel->release(state);
}

static bool prepare(const fixture *f, int n_threads, void **state)
{
    const ppq_kernel_spec spec = spec_of(f, n_threads);
    ppq_dnnl_set_threads(n_threads);
    *state = NULL;
    return f->kernel->supports(&spec) && f->kernel->prepare(&spec, state, f->d) == PPQ_OK;
}

static void compare(const fixture *f, const ppq_tensor *want, const ppq_tensor *got)
{
    ppq_tensor plain;
    ck_assert_int_eq(ppq_tensor_to_layout(got, PPQ_LAYOUT_PLAIN, NULL, &plain), PPQ_OK);
    const int64_t n = ppq_shape_numel(&want->shape);
    double size = 0;
    for (int64_t i = 0; i < n; i++)
        size += (double) ppq_f32(want)[i] * (double) ppq_f32(want)[i];
    size = sqrt(size / (double) n);
    for (int64_t i = 0; i < n; i++) {
        const double a = (double) ppq_f32(want)[i], b = (double) ppq_f32(&plain)[i];
        ck_assert_msg(fabs(a - b) <= 1e-5 * (fabs(a) + size), "%s: element %lld is %g, want %g",
                      f->k->kernel, (long long) i, b, a);
    }
    ppq_tensor_unref(&plain);
}

START_TEST(kernel_equals_plain)
{
    fixture f;
    fixture_init(&f, &cases[_i]);
    void *state;
    ck_assert_msg(prepare(&f, 1, &state) != f.k->refused, "case %d: %s", _i, f.k->kernel);
    if (!f.k->refused) {
        guarded want, got;
        run_plain(&f, &want);
        run_kernel(&f, state, 1, &got);
        compare(&f, &want.t, &got.t);
        guarded_fini(&want);
        guarded_fini(&got);
    }
    release(&f, state);
    fixture_fini(&f);
}
END_TEST

typedef struct racer {
    const fixture *f;
    const void *state;
    guarded out;
} racer;

static void *race(void *user)
{
    racer *r = user;
    for (int i = 0; i < 10; i++) {
        if (i)
            guarded_fini(&r->out);
        run_kernel(r->f, r->state, 1, &r->out);
    }
    return NULL;
}

// One state, two threads: the same bytes as alone.
START_TEST(state_is_shared)
{
    fixture f;
    void *state;
    if (cases[_i].refused)
        return;
    fixture_init(&f, &cases[_i]);
    ck_assert(prepare(&f, 1, &state));
    guarded alone;
    run_kernel(&f, state, 1, &alone);
    racer r[2] = { { .f = &f, .state = state }, { .f = &f, .state = state } };
    pthread_t t[2];
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, race, &r[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        ck_assert_mem_eq(r[i].out.bytes, alone.bytes, alone.size + 2 * GUARD);
        guarded_fini(&r[i].out);
    }
    guarded_fini(&alone);
    release(&f, state);
    fixture_fini(&f);
}
END_TEST

// The number of threads does not show in the result.
START_TEST(threads_do_not_matter)
{
    fixture f;
    void *one, *two;
    if (cases[_i].refused)
        return;
    fixture_init(&f, &cases[_i]);
    ck_assert(prepare(&f, 1, &one));
    guarded a, b;
    run_kernel(&f, one, 1, &a);
    ck_assert(prepare(&f, 2, &two));
    run_kernel(&f, two, 2, &b);
    ck_assert_msg(memcmp(a.bytes, b.bytes, a.size + 2 * GUARD) == 0, "case %d: %s", _i,
                  f.k->kernel);
    guarded_fini(&a);
    guarded_fini(&b);
    release(&f, one);
    release(&f, two);
    fixture_fini(&f);
}
END_TEST

// ---- the seam: stored integers -------------------------------------------------------------

// A 3x3 convolution of C channels to O on H x W, channels-last, with everything that quantization
// can ask for.
enum { C = 16, O = 8, H = 6, W = 7 };

typedef struct seam_case {
    ppq_dtype src, dst;
    int32_t src_zero, dst_zero;
    int n_post;
    ppq_dnnl_post post[2];
} seam_case;

static const seam_case seam_cases[] = {
    { PPQ_DT_U8, PPQ_DT_U8, 0, 0, 0, { { PPQ_DNNL_POST_SUM } } },
    { PPQ_DT_U8, PPQ_DT_U8, 0, 3, 1, { { PPQ_DNNL_POST_ELTWISE, PPQ_DNNL_RELU } } },
    { PPQ_DT_U8, PPQ_DT_I8, 9, -5, 0, { { PPQ_DNNL_POST_SUM } } },
    { PPQ_DT_I8,
      PPQ_DT_I8,
      0,
      0,
      1,
      { { PPQ_DNNL_POST_ELTWISE, PPQ_DNNL_CLIP, .alpha = -1.5f, .beta = 2.0f } } },
    { PPQ_DT_U8, PPQ_DT_F32, 0, 0, 1, { { PPQ_DNNL_POST_ELTWISE, PPQ_DNNL_RELU } } },
    { PPQ_DT_U8,
      PPQ_DT_U8,
      0,
      0,
      2,
      { { PPQ_DNNL_POST_SUM, .scale = 0.02f, .dtype = PPQ_DT_U8 },
        { PPQ_DNNL_POST_ELTWISE, PPQ_DNNL_RELU } } },
    { PPQ_DT_U8, PPQ_DT_U8, 0, 0, 1, { { PPQ_DNNL_POST_ELTWISE, PPQ_DNNL_LOGISTIC } } },
    { PPQ_DT_U8, PPQ_DT_U8, 0, 10, 1, { { PPQ_DNNL_POST_ELTWISE, PPQ_DNNL_HARD_SWISH } } },
};

typedef struct seam {
    const seam_case *k;
    unsigned char src[H * W * C];
    signed char wei[O * C * 9];
    float bias[O], packed_bias[O], wei_scale[O];
    unsigned char old[H * W * O]; // what dst holds before: the operand of a sum
    union {
        unsigned char q[H * W * O];
        float f[H * W * O];
    } dst;
    ppq_dnnl_quant quant;
} seam;

static void seam_init(seam *s, const seam_case *k)
{
    *s = (seam){ .k = k };
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof(s->src); i++)
        s->src[i] = (unsigned char) ((seed = seed * 1664525u + 1013904223u) >> 24);
    // Small enough that no sum of two products saturates where there is no VNNI, nor s8 sources
    // lose their lowest bit.
    for (size_t i = 0; i < sizeof(s->wei); i++)
        s->wei[i] = (signed char) ((int) ((seed = seed * 1664525u + 1013904223u) >> 26) - 32) & ~1;
    for (int i = 0; i < O; i++) {
        s->bias[i] = 0.3f * (float) (i - 3);
        s->wei_scale[i] = 0.002f + 0.0005f * (float) i;
    }
    memset(s->old, 40, sizeof(s->old));
    s->quant = (ppq_dnnl_quant){ .src_scale = 0.03f,
                                 .dst_scale = k->dst == PPQ_DT_F32 ? 1 : 0.05f,
                                 .src_zero = k->src_zero,
                                 .dst_zero = k->dst_zero,
                                 .wei_scale = s->wei_scale,
                                 .n_wei_scale = O };
    ppq_dnnl_bias(&s->quant, s->bias, O, s->packed_bias);
}

static int src_at(const seam *s, int y, int x, int c)
{
    if (y < 0 || y >= H || x < 0 || x >= W)
        return 0;
    const int v = s->src[(y * W + x) * C + c];
    return (s->k->src == PPQ_DT_I8 ? (signed char) v : v) - s->k->src_zero;
}

static double post_at(const seam *s, const ppq_dnnl_post *p, int i, double v)
{
    if (p->kind == PPQ_DNNL_POST_SUM)
        return v + (double) p->scale * (s->old[i] - p->zero);
    if (p->alg == PPQ_DNNL_RELU)
        return v > 0 ? v : 0;
    if (p->alg == PPQ_DNNL_CLIP)
        return fmin(fmax(v, (double) p->alpha), (double) p->beta);
    if (p->alg == PPQ_DNNL_LOGISTIC)
        return 1 / (1 + exp(-v));
    return v * fmin(fmax(v + 3, 0), 6) / 6;
}

// The definition in compat.h, in double.
static double seam_want(const seam *s, int y, int x, int o)
{
    int sum = 0;
    for (int c = 0; c < C; c++)
        for (int k = 0; k < 9; k++)
            sum += src_at(s, y + k / 3 - 1, x + k % 3 - 1, c) * s->wei[(o * C + c) * 9 + k];
    const int i = (y * W + x) * O + o;
    double v = (double) s->quant.src_scale * (double) s->wei_scale[o] * sum + (double) s->bias[o];
    for (int p = 0; p < s->k->n_post; p++)
        v = post_at(s, &s->k->post[p], i, v);
    if (s->k->dst == PPQ_DT_F32)
        return v;
    const bool is_signed = s->k->dst == PPQ_DT_I8;
    v = rint(v / (double) s->quant.dst_scale) + s->k->dst_zero;
    return fmin(fmax(v, is_signed ? -128 : 0), is_signed ? 127 : 255);
}

static double seam_got(const seam *s, int i)
{
    return s->k->dst == PPQ_DT_F32  ? (double) s->dst.f[i]
           : s->k->dst == PPQ_DT_I8 ? (double) (signed char) s->dst.q[i]
                                    : (double) s->dst.q[i];
}

static void seam_run(seam *s)
{
    const ppq_layout last = PPQ_LAYOUT_CHANNELS_LAST;
    const ppq_shape x = SHAPE4(1, C, H, W), w = SHAPE4(O, C, 3, 3), y = SHAPE4(1, O, H, W);
    const ppq_shape b = SHAPE1(O), bytes = SHAPE1(O * C * 9);
    const ppq_dnnl_md plain = ppq_dnnl_md_of(PPQ_DT_I8, &w, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_operands m = { .src = ppq_dnnl_md_of(s->k->src, &x, last),
                                  .weights = ppq_dnnl_md_any(&plain),
                                  .bias = ppq_dnnl_md_of(PPQ_DT_F32, &b, PPQ_LAYOUT_PLAIN),
                                  .dst = ppq_dnnl_md_of(s->k->dst, &y, last) };
    const ppq_dnnl_window window = { .n = 2,
                                     .kernel = { 3, 3 },
                                     .stride = { 1, 1 },
                                     .dilation = { 1, 1 },
                                     .pad_lo = { 1, 1 },
                                     .pad_hi = { 1, 1 } };
    const ppq_dnnl_attr how = { .quant = &s->quant, .post = s->k->post, .n_post = s->k->n_post };
    ppq_dnnl_op *op;
    ppq_dnnl_call *call;
    ppq_tensor wei, packed, scratch;
    ppq_dnnl_set_threads(1);
    ck_assert_int_eq(ppq_dnnl_conv(&m, &window, false, false, &how, &op), PPQ_OK);
    ck_assert_int_eq(ppq_tensor_borrow(&wei, PPQ_DT_I8, &bytes, s->wei, NULL, NULL), PPQ_OK);
    ck_assert_int_eq(ppq_dnnl_pack(op, PPQ_DNNL_WEIGHTS, &plain, &wei, &packed), PPQ_OK);
    const ppq_shape scratch_size = SHAPE1((int64_t) ppq_dnnl_scratch_bytes(op));
    ck_assert_int_eq(ppq_tensor_alloc(&scratch, PPQ_DT_U8, &scratch_size), PPQ_OK);
    if (s->k->dst != PPQ_DT_F32)
        memcpy(s->dst.q, s->old, sizeof(s->old));
    ck_assert_int_eq(ppq_dnnl_call_create(op, &call), PPQ_OK);
    const struct {
        int arg;
        void *data;
    } args[] = { { PPQ_DNNL_SRC, s->src },
                 { PPQ_DNNL_WEIGHTS, ppq_tensor_data(&packed) },
                 { PPQ_DNNL_BIAS, s->packed_bias },
                 { PPQ_DNNL_DST, &s->dst },
                 { PPQ_DNNL_SCRATCH, ppq_tensor_data(&scratch) } };
    for (size_t i = 0; i < PPQ_COUNT(args); i++)
        if (args[i].arg != PPQ_DNNL_SCRATCH || scratch_size.dim[0])
            ck_assert_int_eq(ppq_dnnl_call_set(call, args[i].arg, args[i].data), PPQ_OK);
    ck_assert_int_eq(ppq_dnnl_call_run(call), PPQ_OK);
    ppq_dnnl_call_destroy(call);
    ppq_dnnl_op_destroy(op);
    ppq_tensor_unref(&wei);
    ppq_tensor_unref(&packed);
    ppq_tensor_unref(&scratch);
}

START_TEST(quantization_means_what_it_says)
{
    static seam s;
    seam_init(&s, &seam_cases[_i]);
    seam_run(&s);
    int off = 0;
    for (int i = 0; i < H * W * O; i++) {
        const double want = seam_want(&s, i / O / W, i / O % W, i % O), got = seam_got(&s, i);
        if (s.k->dst == PPQ_DT_F32) {
            ck_assert_msg(fabs(got - want) < 1e-4, "case %d: element %d is %g, want %g", _i, i, got,
                          want);
            continue;
        }
        ck_assert_msg(fabs(got - want) <= 1, "case %d: element %d is %g, want %g", _i, i, got,
                      want);
        off += got != want;
    }
    ck_assert_msg(off <= 3, "case %d: %d of %d differ by one", _i, off, H * W * O);
}
END_TEST

START_TEST(registry_is_sound)
{
    for (const ppq_kernel *const *k = ppq_builtin_kernels; *k; k++) {
        ck_assert((*k)->name && (*k)->supports && (*k)->prepare && (*k)->forward);
        ck_assert_msg(ppq_op_def_find("", (*k)->op_type) != NULL, "%s", (*k)->op_type);
        bool covered = false;
        for (size_t i = 0; i < PPQ_COUNT(cases); i++)
            covered |= strcmp(cases[i].kernel, (*k)->name) == 0;
        ck_assert_msg(covered, "no case for %s", (*k)->name);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("dnnl");
    TCase *t = tcase_create("kernels");
    const int n = (int) PPQ_COUNT(cases);
    tcase_add_test(t, registry_is_sound);
    tcase_add_loop_test(t, kernel_equals_plain, 0, n);
    tcase_add_loop_test(t, state_is_shared, 0, n);
    tcase_add_loop_test(t, threads_do_not_matter, 0, n);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    TCase *q = tcase_create("seam");
    tcase_add_loop_test(q, quantization_means_what_it_says, 0, (int) PPQ_COUNT(seam_cases));
    suite_add_tcase(s, q);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    const int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad != 0;
}
