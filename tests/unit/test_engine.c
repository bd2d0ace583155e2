// The engine means what the graph says: in float as the executor computes it, on integers within
// one quantum of the simulation; for any number of threads, and without allocating once it runs.

#include <pthread.h>
#include <stdio.h>

#include "executor/dnnl/compat.h"
#include "executor/engine/engine.h"
#include "executor/engine/plan.h"
#include "tests/unit/harness.h"

// ---- counting allocations -------------------------------------------------------------------

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__clang__)
#define COUNTS_ALLOCATIONS 1
static size_t counting, allocations, allocated;
void *__libc_malloc(size_t n);
void *malloc(size_t n)
{
    allocations += counting;
    allocated += counting * n;
    return __libc_malloc(n);
}
#endif

// ---- graphs with Q and DQ -------------------------------------------------------------------

typedef struct grid {
    float scale;
    int zero;
    ppq_dtype dt;
} grid;

static const grid u8 = { 0.05f, 120, PPQ_DT_U8 };
static const grid u8_wide = { 0.11f, 131, PPQ_DT_U8 };
static const grid u8_relu = { 0.04f, 0, PPQ_DT_U8 };
static const grid s8 = { 0.06f, -7, PPQ_DT_I8 };
static const grid s8_symmetric = { 0.07f, 0, PPQ_DT_I8 };

static ppq_var *scale_of(world *w, const grid *g)
{
    return add_const(w, "scale", tensor_f32((ppq_shape){ .rank = 0 }, &g->scale));
}

static ppq_var *zero_of(world *w, const grid *g)
{
    ppq_tensor t = tensor_new(g->dt, (ppq_shape){ .rank = 0 });
    *(int8_t *) ppq_tensor_data(&t) = (int8_t) g->zero;
    return add_const(w, "zero", t);
}

static ppq_var *quantize(world *w, ppq_var *x, const grid *g)
{
    ppq_var *q = add_op(w, "QuantizeLinear", x, scale_of(w, g), zero_of(w, g))->out[0];
    q->dtype = g->dt;
    return q;
}

static ppq_var *dequantize(world *w, ppq_var *q, const grid *g)
{
    return add_op(w, "DequantizeLinear", q, scale_of(w, g), zero_of(w, g))->out[0];
}

// A pair, as behind every quantized tensor.
static ppq_var *pair(world *w, ppq_var *x, const grid *g)
{
    return dequantize(w, quantize(w, x, g), g);
}

// DQ of constant int8 weights, one scale along `axis`. 7 bits: exact on every CPU.
static ppq_var *weights(world *w, ppq_shape s, int axis, uint64_t stream)
{
    ppq_tensor q = tensor_new(PPQ_DT_I8, s), scale = tensor_new(PPQ_DT_F32, SHAPE(s.dim[axis]));
    ppq_rng r = ppq_rng_seed(2, stream);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ((int8_t *) ppq_tensor_data(&q))[i] = (int8_t) ((int) (ppq_rng_u64(&r) % 127) - 63);
    for (int64_t i = 0; i < s.dim[axis]; i++)
        ppq_f32(&scale)[i] = 0.002f + 0.0005f * (float) (i % 7);
    ppq_op *dq =
        add_op(w, "DequantizeLinear", add_const(w, "w", q), add_const(w, "ws", scale), NULL);
    ppq_op_set_int(w->g, dq, "axis", axis);
    return dq->out[0];
}

static ppq_var *floats(world *w, ppq_shape s, uint64_t stream)
{
    return add_const(w, "c", tensor_normal(s, stream));
}

// ---- cases ----------------------------------------------------------------------------------

typedef struct net_case {
    const char *name;
    const char *kernel; // some step's name begins with this
    ppq_shape in;
    void (*build)(world *w, ppq_var *x, int variant);
    int variants;
} net_case;

static void finish(world *w, ppq_var *y)
{
    ppq_graph_rename_var(w->g, y, "y");
    ppq_graph_mark_output(w->g, y);
}

static ppq_op *conv(world *w, ppq_var *x, ppq_var *k, ppq_var *bias, int64_t group, int64_t stride,
                    int64_t pad)
{
    ppq_op *op = add_op(w, "Conv", x, k, bias);
    ppq_op_set_int(w->g, op, "group", group);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ stride, stride }, 2);
    ppq_op_set_ints(w->g, op, "pads", (const int64_t[]){ pad, pad, pad, pad }, 4);
    return op;
}

static const grid *grid_of(int i)
{
    static const grid *const grids[] = { &u8, &u8_relu, &s8, &s8_symmetric, &u8_wide };
    return grids[i % 5];
}

// Kernel sizes, strides, groups; a bias; an activation; every kind of grid; a float end.
static void build_conv(world *w, ppq_var *x, int v)
{
    static const struct {
        int64_t k, stride, pad, group, out;
    } shapes[] = { { 1, 1, 0, 1, 16 }, { 3, 1, 1, 1, 8 }, { 3, 2, 1, 2, 8 }, { 5, 1, 2, 1, 24 } };
    const int i = v % 4;
    const int64_t k = shapes[i].k, out = shapes[i].out, group = shapes[i].group;
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_op *op =
        conv(w, a, weights(w, SHAPE(out, 8 / group, k, k), 0, 3),
             v % 3 ? floats(w, SHAPE(out), 4) : NULL, group, shapes[i].stride, shapes[i].pad);
    ppq_var *y = op->out[0];
    if (v % 4 == 1)
        y = add_op(w, "Relu", y, NULL, NULL)->out[0];
    if (v % 4 == 2) {
        ppq_op *leaky = add_op(w, "LeakyRelu", y, NULL, NULL);
        ppq_op_set_float(w->g, leaky, "alpha", 0.3f);
        y = leaky->out[0];
    }
    finish(w, v % 5 == 4 ? y : pair(w, y, grid_of(v + 1)));
}

// Groups that oneDNN has no integer convolution for: float, between the same grids.
static void build_odd_groups(world *w, ppq_var *x, int v)
{
    ppq_op *op = conv(w, pair(w, x, grid_of(v)), weights(w, SHAPE(4, 2, 3, 3), 0, 3),
                      floats(w, SHAPE(4), 4), 4, 1, 1);
    finish(w, pair(w, op->out[0], grid_of(v + 1)));
}

static void build_depthwise(world *w, ppq_var *x, int v)
{
    const int64_t k = v % 2 ? 5 : 3;
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_op *op = conv(w, a, weights(w, SHAPE(8, 1, k, k), 0, 5),
                      v % 3 ? floats(w, SHAPE(8), 6) : NULL, 8, 1 + v % 2, k / 2);
    ppq_var *y = v % 4 == 2 ? add_op(w, "Relu", op->out[0], NULL, NULL)->out[0] : op->out[0];
    finish(w, v % 5 == 3 ? y : pair(w, y, grid_of(v + 2)));
}

static void build_image(world *w, ppq_var *x, int v)
{
    const int64_t k = v % 2 ? 3 : 7;
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_op *op = conv(w, a, weights(w, SHAPE(16, 3, k, k), 0, 7), floats(w, SHAPE(16), 8), 1, 2,
                      v % 3 ? k / 2 : 0);
    finish(w, pair(w, op->out[0], grid_of(v + 1)));
}

// y = relu(q(conv(x)) + x), where x may be read again, and the branches may be grids or float.
static void build_residual(world *w, ppq_var *x, int v)
{
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_var *c =
        conv(w, a, weights(w, SHAPE(8, 8, 3, 3), 0, 9), floats(w, SHAPE(8), 10), 1, 1, 1)->out[0];
    if (v % 3 != 2)
        c = pair(w, c, grid_of(v + 4));
    // The other branch: integers that the convolution reads too, or a float.
    ppq_var *b = v % 7 > 4 ? add_op(w, "Softplus", x, NULL, NULL)->out[0] : a;
    ppq_var *sum = (v & 1 ? add_op(w, "Add", c, b, NULL) : add_op(w, "Add", b, c, NULL))->out[0];
    if (v % 4 > 1)
        sum = add_op(w, "Relu", sum, NULL, NULL)->out[0];
    ppq_var *y = v % 11 == 10 ? sum : pair(w, sum, grid_of(v + 1));
    if (v % 5 == 0) // the summand lives on
        y = pair(w, add_op(w, "Add", y, a, NULL)->out[0], &u8_wide);
    finish(w, y);
}

static void build_transposed(world *w, ppq_var *x, int v)
{
    const int64_t group = 1 + v % 2;
    ppq_op *op =
        add_op(w, "ConvTranspose", pair(w, x, grid_of(v)),
               weights(w, SHAPE(8, 8 / group, 2, 2), v % 2 ? 0 : 1, 11), floats(w, SHAPE(8), 12));
    ppq_op_set_int(w->g, op, "group", group);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 2 }, 2);
    finish(w, pair(w, op->out[0], grid_of(v + 1)));
}

static void build_unfolded(world *w, ppq_var *x, int v)
{
    ppq_op *op =
        add_op(w, "ConvTranspose", v % 4 == 3 ? x : pair(w, x, grid_of(v)),
               weights(w, SHAPE(8, 3, 2, 3), 1, 11), v % 3 ? floats(w, SHAPE(3), 12) : NULL);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 3 }, 2);
    ppq_var *y = v % 2 ? add_op(w, "Relu", op->out[0], NULL, NULL)->out[0] : op->out[0];
    finish(w, v % 4 == 3 ? y : pair(w, y, grid_of(v + 1)));
}

static void build_linear(world *w, ppq_var *x, int v)
{
    const bool gemm = v % 3 == 0;
    ppq_var *a = pair(w, x, grid_of(v));
    if (gemm) {
        ppq_op *flat = add_op(w, "Flatten", a, NULL, NULL);
        ppq_op_set_int(w->g, flat, "axis", 2);
        a = pair(w, flat->out[0], grid_of(v));
    }
    ppq_op *op = add_op(w, gemm ? "Gemm" : "MatMul", a,
                        weights(w, gemm ? SHAPE(12, 24) : SHAPE(24, 12), gemm ? 0 : 1, 13),
                        gemm ? floats(w, SHAPE(12), 14) : NULL);
    if (gemm)
        ppq_op_set_int(w->g, op, "transB", 1);
    ppq_var *y = op->out[0];
    if (!gemm)
        y = add_op(w, "Add", y, floats(w, SHAPE(12), 15), NULL)->out[0];
    if (v % 2)
        y = add_op(w, "Relu", y, NULL, NULL)->out[0];
    finish(w, v % 4 == 3 ? y : pair(w, y, grid_of(v + 1)));
}

// Small numbers, so that sums in pairs stay within 16 bits anywhere.
static void build_product(world *w, ppq_var *x, int v)
{
    static const grid coarse = { 0.2f, 60, PPQ_DT_U8 }, coarse_s8 = { 0.2f, 3, PPQ_DT_I8 };
    ppq_var *a = pair(w, x, v % 2 ? &coarse : &coarse_s8);
    ppq_op *t = add_op(w, "Transpose", a, NULL, NULL);
    ppq_op_set_ints(w->g, t, "perm", (const int64_t[]){ 0, 1, 3, 2 }, 4);
    ppq_var *b = pair(w, t->out[0], v % 2 ? &coarse : &coarse_s8);
    ppq_var *y = add_op(w, "MatMul", a, b, NULL)->out[0];
    finish(w, v % 3 == 2 ? y : pair(w, y, &u8_wide));
}

static void build_max_pool(world *w, ppq_var *x, int v)
{
    const grid *g = grid_of(v);
    ppq_op *op = add_op(w, "MaxPool", pair(w, x, g), NULL, NULL);
    ppq_op_set_ints(w->g, op, "kernel_shape", (const int64_t[]){ 3, 3 }, 2);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 2 }, 2);
    ppq_op_set_ints(w->g, op, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4);
    finish(w, pair(w, op->out[0], g));
}

static void build_average_pool(world *w, ppq_var *x, int v)
{
    ppq_op *op =
        add_op(w, v % 2 ? "AveragePool" : "GlobalAveragePool", pair(w, x, grid_of(v)), NULL, NULL);
    if (v % 2) {
        ppq_op_set_ints(w->g, op, "kernel_shape", (const int64_t[]){ 3, 2 }, 2);
        ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 1 }, 2);
        ppq_op_set_ints(w->g, op, "pads", (const int64_t[]){ 1, 0, 1, 0 }, 4);
        ppq_op_set_int(w->g, op, "count_include_pad", v % 4 > 1);
    }
    finish(w, v % 3 == 2 ? op->out[0] : pair(w, op->out[0], grid_of(v + 1)));
}

static void build_table(world *w, ppq_var *x, int v)
{
    static const char *const types[] = { "Sigmoid", "Tanh",      "HardSigmoid", "Elu",
                                         "Exp",     "HardSwish", "LeakyRelu",   "Erf" };
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_var *y = add_op(w, types[v % 8], a, NULL, NULL)->out[0];
    if (v % 3 == 0) // a chain, with a constant
        y = add_op(w, "Mul", y, floats(w, SHAPE(1), 16), NULL)->out[0];
    if (v % 3 == 1) // which may be on a grid too
        y = add_op(w, "Sub", y, weights(w, SHAPE(1), 0, 16), NULL)->out[0];
    finish(w, pair(w, y, grid_of(v + 2)));
}

static void build_binary(world *w, ppq_var *x, int v)
{
    static const char *const types[] = { "Add", "Sub", "Mul" };
    ppq_var *a = pair(w, x, grid_of(v)), *b;
    if (v % 4 == 3) { // squeeze and excite
        ppq_var *pooled = add_op(w, "GlobalAveragePool", a, NULL, NULL)->out[0];
        b = pair(w, pooled, grid_of(v + 3));
    } else {
        b = pair(w, add_op(w, "Sigmoid", a, NULL, NULL)->out[0], &u8_relu);
    }
    ppq_var *y = add_op(w, types[v % 3], a, b, NULL)->out[0];
    if (v % 5 == 2)
        y = add_op(w, "Relu", y, NULL, NULL)->out[0];
    finish(w, pair(w, y, grid_of(v + 1)));
}

// A constant of some shape that broadcasts, in float or on a grid of its own, on either side.
static void build_row(world *w, ppq_var *x, int v)
{
    static const char *const types[] = { "Add", "Sub", "Mul", "Div" };
    static const ppq_shape shapes[] = { { 3, { 8, 1, 1 } },    { 1, { 6 } },
                                        { 4, { 1, 8, 1, 1 } }, { 2, { 5, 6 } },
                                        { 4, { 1, 8, 5, 6 } }, { 4, { 2, 1, 5, 1 } } };
    const ppq_shape s = shapes[v % 6];
    ppq_var *a = pair(w, x, grid_of(v)), *b;
    if (v % 4 == 3 && v % 6 != 1) { // never 0: it may divide
        b = floats(w, s, 30);
        for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
            ppq_f32(&b->value)[i] = 0.5f + fabsf(ppq_f32(&b->value)[i]);
    } else {
        b = weights(w, s, s.rank == 1 ? 0 : s.rank == 3 ? 0 : 1, 31);
        for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
            ((int8_t *) ppq_tensor_data(&b->producer.op->in[0]->value))[i] |= 1;
    }
    if (v / 24) { // in the other layout
        ppq_op *pool = add_op(w, "MaxPool", a, NULL, NULL);
        ppq_op_set_ints(w->g, pool, "kernel_shape", (const int64_t[]){ 1, 1 }, 2);
        a = pair(w, pool->out[0], grid_of(v));
    }
    const char *type = types[v / 6 % 4];
    ppq_var *y = (v % 5 == 1 ? add_op(w, type, b, a, NULL) : add_op(w, type, a, b, NULL))->out[0];
    if (v % 7 == 2)
        y = add_op(w, "Relu", y, NULL, NULL)->out[0];
    finish(w, pair(w, y, grid_of(v + 1)));
}

static void build_concat(world *w, ppq_var *x, int v)
{
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_var *c = conv(w, a, weights(w, SHAPE(5, 8, 1, 1), 0, 17), NULL, 1, 1, 0)->out[0];
    ppq_var *d =
        conv(w, a, weights(w, SHAPE(v % 2 ? 5 : 7, 8, 1, 1), 0, 18), NULL, 1, 1, 0)->out[0];
    ppq_op *cat = add_op(w, "Concat", pair(w, c, grid_of(v + 1)), pair(w, d, grid_of(v + 2)), NULL);
    ppq_op_set_int(w->g, cat, "axis", v % 2 ? 2 : 1);
    finish(w, pair(w, cat->out[0], grid_of(v + 3)));
}

static void build_move(world *w, ppq_var *x, int v)
{
    static const char *const types[] = { "SpaceToDepth", "Transpose", "GlobalMaxPool" };
    const grid *g = grid_of(v);
    ppq_op *op = add_op(w, types[v % 3], pair(w, x, g), NULL, NULL);
    if (v % 3 == 1)
        ppq_op_set_ints(w->g, op, "perm", (const int64_t[]){ 0, 2, 1, 3 }, 4);
    if (v % 3 == 0)
        ppq_op_set_int(w->g, op, "blocksize", 2);
    finish(w, pair(w, op->out[0], g));
}

// An input of integers that never change.
static void set_ints(world *w, ppq_op *op, int32_t k, const int64_t *v, int64_t n)
{
    ppq_tensor t = tensor_new(PPQ_DT_I64, SHAPE(n));
    memcpy(ppq_tensor_data(&t), v, (size_t) n * sizeof(*v));
    if (k >= op->n_in)
        ppq_graph_resize_inputs(w->g, op, k + 1);
    ppq_graph_set_input(w->g, op, k, add_const(w, "ints", t));
}

static ppq_op *resize(world *w, ppq_var *x, int v)
{
    static const char *const rounds[] = { "round_prefer_floor", "floor", "ceil" };
    static const float doubled[] = { 1, 1, 2, 2 };
    ppq_op *op = add_op(w, "Resize", x, NULL, NULL);
    if (v % 2) {
        set_ints(w, op, 3, (const int64_t[]){ 2, 11, 12, 9 }, 4);
        ppq_op_set_string(w->g, op, "nearest_mode", rounds[v % 3]);
        return op;
    }
    ppq_graph_resize_inputs(w->g, op, 3);
    ppq_graph_set_input(w->g, op, 2, add_const(w, "scales", tensor_f32(SHAPE(4), doubled)));
    ppq_op_set_string(w->g, op, "coordinate_transformation_mode", "asymmetric");
    return op;
}

static ppq_op *padded(world *w, ppq_var *x, int v)
{
    static const char *const modes[] = { "constant", "reflect", "edge", "wrap", "constant" };
    static const float constant = 1.7f;
    ppq_op *op = add_op(w, "Pad", x, NULL, NULL);
    set_ints(w, op, 1, (const int64_t[]){ 0, v % 4, 1, -1, 0, 0, 2, 3 }, 8);
    ppq_op_set_string(w->g, op, "mode", modes[v % 5]);
    if (v % 5 == 4) {
        ppq_graph_resize_inputs(w->g, op, 3);
        ppq_graph_set_input(w->g, op, 2,
                            add_const(w, "c", tensor_f32((ppq_shape){ .rank = 0 }, &constant)));
    }
    return op;
}

// Either layout; one grid on both sides, or two; rows and columns that repeat, are filled, left
// out.
static void build_select(world *w, ppq_var *x, int v)
{
    const grid *g = grid_of(v);
    ppq_op *op;
    x = pair(w, x, g);
    if (v / 6 % 2)
        x = pair(w, conv(w, x, weights(w, SHAPE(16, 8, 1, 1), 0, 29), NULL, 1, 1, 0)->out[0], g);
    if (v % 6 < 2) {
        op = resize(w, x, v % 6 + 2 * v / 12);
    } else if (v % 6 == 2) {
        op = add_op(w, "Slice", x, NULL, NULL);
        set_ints(w, op, 1, (const int64_t[]){ -1, 1 }, 2);
        set_ints(w, op, 2, (const int64_t[]){ -9, 6 }, 2);
        set_ints(w, op, 3, (const int64_t[]){ 2, 1 }, 2);
        set_ints(w, op, 4, (const int64_t[]){ -1, 1 }, 2);
    } else if (v % 6 == 3) {
        op = add_op(w, "Tile", x, NULL, NULL);
        set_ints(w, op, 1, (const int64_t[]){ 1, 2, 1, 3 }, 4);
    } else {
        op = padded(w, x, v);
    }
    finish(w, pair(w, op->out[0], v % 4 == 3 ? &u8_wide : g));
}

// No integers at all: conv, activation, residual, pool, linear.
static void build_float(world *w, ppq_var *x, int v)
{
    ppq_var *c =
        conv(w, x, floats(w, SHAPE(8, 8, 3, 3), 19), floats(w, SHAPE(8), 20), 1, 1, 1)->out[0];
    if (v % 2)
        c = add_op(w, "Sigmoid", c, NULL, NULL)->out[0];
    ppq_var *sum = add_op(w, "Add", c, x, NULL)->out[0];
    if (v % 3)
        sum = add_op(w, "Relu", sum, NULL, NULL)->out[0];
    ppq_var *p = add_op(w, "GlobalAveragePool", sum, NULL, NULL)->out[0];
    ppq_var *f = add_op(w, "Flatten", p, NULL, NULL)->out[0];
    finish(w, add_op(w, "Gemm", f, floats(w, SHAPE(8, 5), 21), floats(w, SHAPE(5), 22))->out[0]);
}

// Few channels on either side.
static void build_thin(world *w, ppq_var *x, int v)
{
    ppq_var *c =
        conv(w, x, floats(w, SHAPE(16, 3, 5, 5), 23), floats(w, SHAPE(16), 24), 1, 1, 2)->out[0];
    c = add_op(w, "Relu", c, NULL, NULL)->out[0];
    c = conv(w, c, floats(w, SHAPE(1 + v, 16, 9, 9), 25), v ? floats(w, SHAPE(1 + v), 26) : NULL, 1,
             1, 4)
            ->out[0];
    finish(w, v % 2 ? add_op(w, "Tanh", c, NULL, NULL)->out[0] : c);
}

// Functions of floats, in either layout.
static void build_pointwise(world *w, ppq_var *x, int v)
{
    static const char *const types[] = { "Exp",   "Tanh", "Sigmoid",  "Erf", "Gelu",
                                         "Swish", "Elu",  "Softplus", "Gelu" };
    if (v >= 9)
        x = conv(w, x, floats(w, SHAPE(8, 8, 1, 1), 23), NULL, 1, 1, 0)->out[0];
    x = add_op(w, "Neg", x, NULL, NULL)->out[0];
    ppq_op *op = add_op(w, types[v % 9], x, NULL, NULL);
    if (v % 9 == 8)
        ppq_op_set_string(w->g, op, "approximate", "tanh");
    if (v % 9 == 5 || v % 9 == 6)
        ppq_op_set_float(w->g, op, "alpha", 0.7f);
    finish(w, op->out[0]);
}

// Sequences of 3 and weights in int8.
static void build_recurrent(world *w, ppq_var *x, int v)
{
    static const char *const types[] = { "RNN", "GRU", "LSTM" };
    const int64_t gates = v % 3 + (v % 3 > 0 ? 2 : 1), hidden = v < 6 ? 8 : 96;
    ppq_op *op = add_op(w, types[v % 3], x, weights(w, SHAPE(2, gates * hidden, 24), 0, 27),
                        weights(w, SHAPE(2, gates * hidden, hidden), 0, 28));
    ppq_op_set_string(w->g, op, "direction", "bidirectional");
    ppq_op_set_int(w->g, op, "hidden_size", hidden);
    finish(w, v % 2 ? pair(w, op->out[0], &u8) : op->out[0]);
}

static const net_case cases[] = {
    { "conv", "conv ", { 4, { 2, 8, 9, 12 } }, build_conv, 60 },
    { "odd groups", "", { 4, { 2, 8, 9, 12 } }, build_odd_groups, 5 },
    { "depthwise", "depthwise", { 4, { 2, 8, 9, 12 } }, build_depthwise, 60 },
    { "image", "quantize image", { 4, { 2, 3, 17, 12 } }, build_image, 30 },
    { "residual", "conv ", { 4, { 1, 8, 6, 6 } }, build_residual, 60 },
    { "unfolded", "rearrange", { 4, { 2, 8, 5, 6 } }, build_unfolded, 10 },
    { "transposed", "", { 4, { 1, 8, 5, 6 } }, build_transposed, 10 },
    { "linear", "linear", { 3, { 2, 5, 24 } }, build_linear, 60 },
    { "product", "product", { 4, { 1, 2, 6, 9 } }, build_product, 6 },
    { "max pool", "max-pool", { 4, { 1, 8, 9, 8 } }, build_max_pool, 5 },
    { "average pool", "average-pool", { 4, { 2, 8, 9, 8 } }, build_average_pool, 60 },
    { "table", "table", { 4, { 1, 8, 5, 5 } }, build_table, 40 },
    { "binary", "binary", { 4, { 2, 8, 5, 6 } }, build_binary, 60 },
    { "binary row", "binary row", { 4, { 2, 8, 5, 6 } }, build_row, 48 },
    { "concat", "concat", { 4, { 1, 8, 4, 4 } }, build_concat, 10 },
    { "move", "plain", { 4, { 1, 8, 4, 6 } }, build_move, 15 },
    { "select", "select", { 4, { 2, 8, 5, 6 } }, build_select, 60 },
    { "thin", "conv ", { 4, { 2, 3, 12, 13 } }, build_thin, 4 },
    { "recurrent", "recurrent", { 3, { 3, 5, 24 } }, build_recurrent, 12 },
    { "pointwise", "pointwise", { 4, { 1, 8, 5, 7 } }, build_pointwise, 18 },
    { "float", "conv ", { 4, { 2, 8, 9, 7 } }, build_float, 6 },
};

// ---- comparing ------------------------------------------------------------------------------

typedef struct seen {
    const ppq_graph *g;
    ppq_tensor *value; // per var id, integers only, plain
} seen;

static ppq_status keep(seen *s, const ppq_var *v, const ppq_tensor *t)
{
    if (t->dtype != PPQ_DT_U8 && t->dtype != PPQ_DT_I8)
        return PPQ_OK;
    ppq_tensor_unref(&s->value[v->id]);
    PPQ_TRY(ppq_tensor_to_layout(t, PPQ_LAYOUT_PLAIN, NULL, &s->value[v->id]));
    return ppq_tensor_make_unique(&s->value[v->id]);
}

static ppq_status see_op(void *user, const ppq_op *op, ppq_side side, int slot,
                         const ppq_tensor *raw, const ppq_tensor *quant)
{
    (void) raw;
    return side == PPQ_OUT ? keep(user, op->out[slot], quant) : PPQ_OK;
}

static ppq_status see_var(void *user, const ppq_var *v, const ppq_tensor *t)
{
    return keep(user, v, t);
}

static ppq_tensor simulate(world *w, const ppq_tensor *x, seen *s)
{
    const ppq_exec_opts o = { .reference = true };
    const ppq_exec_hook hook = { .user = s, .tensor = see_op };
    ppq_exec *e;
    ppq_tensor y;
    OK(w->d, ppq_exec_create(w->g, &o, &e, w->d));
    OK(w->d, ppq_exec_run(e, x, &y, &hook, w->d));
    ppq_exec_destroy(e);
    return y;
}

static int at(const ppq_tensor *t, size_t i)
{
    return t->dtype == PPQ_DT_U8 ? ((const uint8_t *) ppq_tensor_data(t))[i]
                                 : ((const int8_t *) ppq_tensor_data(t))[i];
}

static void same_integers(const char *name, const seen *a, const seen *b)
{
    for (size_t i = 0; i < a->g->n_vars; i++) {
        const ppq_tensor *x = &a->value[i], *y = &b->value[i];
        if (!x->buf || !y->buf)
            continue;
        ck_assert_int_eq(x->dtype, y->dtype);
        ck_assert(ppq_shape_equal(&x->shape, &y->shape));
        for (size_t k = 0; k < ppq_tensor_bytes(x); k++)
            ck_assert_msg(abs(at(x, k) - at(y, k)) <= 1, "%s: '%s' element %zu is %d, expected %d",
                          name, a->g->vars[i]->name, k, at(y, k), at(x, k));
    }
}

static bool has_kernel(const ppq_engine *e, const char *prefix)
{
    for (size_t i = 0; i < ppq_engine_n_steps(e); i++)
        if (strncmp(ppq_engine_get_step(e, i).kernel, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

static world build(const net_case *c, int variant)
{
    world w = world_new();
    c->build(&w, add_input(&w, "x", c->in), variant);
    ppq_graph_compact(w.g);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    return w;
}

static void free_seen(seen *s)
{
    for (size_t i = 0; i < s->g->n_vars; i++)
        ppq_tensor_unref(&s->value[i]);
    free(s->value);
}

static seen new_seen(const world *w)
{
    return (seen){ w->g, calloc(w->g->n_vars + 1, sizeof(ppq_tensor)) };
}

// Runs the world's graph, which it ends. kernel NULL: any.
static void compare_world(world w, const net_case *c, int variant, const ppq_engine_opts *o,
                          const char *kernel)
{
    ppq_tensor x = tensor_normal(c->in, 99), y;
    seen want = new_seen(&w), got = new_seen(&w);
    ppq_tensor reference = simulate(&w, &x, &want);
    const ppq_engine_tap tap = { .user = &got, .see = see_var };
    ppq_engine *e;
    OK(w.d, ppq_engine_create(w.g, o, &e, w.d));
    char name[64];
    snprintf(name, sizeof(name), "%s %d", c->name, variant);
    ck_assert_msg(!kernel || has_kernel(e, kernel), "%s: no step '%s'", name, kernel);
    OK(w.d, ppq_engine_run(e, &x, &y, &tap, NULL, w.d));
    same_integers(name, &want, &got);
    // The output is float or a dequantized integer: one quantum of the widest grid at most.
    ck_assert(ppq_shape_equal(&y.shape, &reference.shape));
    for (int64_t i = 0; i < ppq_shape_numel(&y.shape); i++)
        ck_assert_msg(fabs((double) ppq_f32(&y)[i] - (double) ppq_f32(&reference)[i]) <= 0.12,
                      "%s: element %lld is %g, expected %g", name, (long long) i,
                      (double) ppq_f32(&y)[i], (double) ppq_f32(&reference)[i]);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&y);
    ppq_tensor_unref(&reference);
    ppq_engine_destroy(e);
    free_seen(&want);
    free_seen(&got);
    world_end(&w);
}

static void compare(const net_case *c, int variant, const ppq_engine_opts *o, const char *kernel)
{
    compare_world(build(c, variant), c, variant, o, kernel);
}

START_TEST(integers_are_those_of_the_simulation)
{
    const ppq_engine_opts o = { .eager = true };
    for (int v = 0; v < cases[_i].variants; v++)
        compare(&cases[_i], v, &o, cases[_i].kernel);
}
END_TEST

START_TEST(own_kernels_agree_at_every_level)
{
    for (int isa = 0; isa <= (int) ppq_isa_detect(); isa++) {
        const ppq_engine_opts o = { .eager = true, .isa = isa + 1 };
        for (int v = 0; v < cases[_i].variants; v += 7)
            compare(&cases[_i], v, &o, cases[_i].kernel);
    }
}
END_TEST

// The same real weights with eight bits.
static void widen_weights(ppq_graph *g)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        if (!ppq_op_is(op, "DequantizeLinear") || op->in[0]->value.dtype != PPQ_DT_I8)
            continue;
        int8_t *q = ppq_tensor_data(&op->in[0]->value);
        for (int64_t k = 0; k < ppq_shape_numel(&op->in[0]->value.shape); k++)
            q[k] = (int8_t) (q[k] * 2 < -128 ? -128 : q[k] * 2 > 127 ? 127 : q[k] * 2);
        for (int64_t k = 0; k < ppq_shape_numel(&op->in[1]->value.shape); k++)
            ppq_f32(&op->in[1]->value)[k] /= 2;
    }
}

START_TEST(weights_of_eight_bits_do_not_saturate)
{
    const ppq_engine_opts o = { .eager = true };
    for (int v = 0; v < cases[_i].variants; v++) {
        world w = build(&cases[_i], v);
        widen_weights(w.g);
        compare_world(w, &cases[_i], v, &o, NULL);
    }
}
END_TEST

START_TEST(the_library_computes_every_convolution_on_request)
{
    const ppq_engine_opts o = { .eager = true, .library = true };
    int n = 0;
    for (size_t i = 0; i < PPQ_COUNT(cases); i++)
        if (strcmp(cases[i].kernel, "depthwise") == 0 ||
            strcmp(cases[i].kernel, "quantize image") == 0) {
            for (int v = 0; v < cases[i].variants; v++, n++)
                compare(&cases[i], v, &o, "conv");
        }
    ck_assert_int_gt(n, 0);
}
END_TEST

// ---- threads and memory ---------------------------------------------------------------------

static ppq_tensor run_once(world *w, ppq_engine *e, const ppq_tensor *x)
{
    ppq_tensor y;
    OK(w->d, ppq_engine_run(e, x, &y, NULL, NULL, w->d));
    return y;
}

START_TEST(threads_do_not_show)
{
    const net_case *c = &cases[_i];
    for (int v = 0; v < c->variants; v += 5) {
        world w = build(c, v);
        ppq_tensor x = tensor_normal(c->in, 98), y[4];
        for (int n = 1; n <= 4; n++) {
            const ppq_engine_opts o = { .n_threads = n };
            ppq_engine *e;
            OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
            y[n - 1] = run_once(&w, e, &x);
            ppq_engine_destroy(e);
            ck_assert_msg(ppq_tensor_equal(&y[0], &y[n - 1]), "%s %d: %d threads", c->name, v, n);
        }
        for (int n = 0; n < 4; n++)
            ppq_tensor_unref(&y[n]);
        ppq_tensor_unref(&x);
        world_end(&w);
    }
}
END_TEST

typedef struct runner {
    world *w;
    ppq_engine *e;
    ppq_tensor x, want;
    int wrong;
} runner;

static void *run_often(void *user)
{
    runner *r = user;
    for (int i = 0; i < 20; i++) {
        ppq_tensor y;
        if (ppq_engine_run(r->e, &r->x, &y, NULL, NULL, r->w->d) != PPQ_OK) {
            r->wrong++;
            continue;
        }
        r->wrong += !ppq_tensor_equal(&y, &r->want);
        ppq_tensor_unref(&y);
    }
    return NULL;
}

START_TEST(one_engine_serves_several_threads)
{
    const net_case *c = &cases[_i];
    world w = build(c, 1);
    ppq_engine *e;
    const ppq_engine_opts o = { .n_threads = 1 };
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    runner r[4];
    pthread_t t[4];
    for (int i = 0; i < 4; i++) {
        r[i] = (runner){ .w = &w, .e = e, .x = tensor_normal(c->in, (uint64_t) (200 + i)) };
        r[i].want = run_once(&w, e, &r[i].x);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, run_often, &r[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], NULL);
        ck_assert_int_eq(r[i].wrong, 0);
        ppq_tensor_unref(&r[i].x);
        ppq_tensor_unref(&r[i].want);
    }
    ppq_engine_destroy(e);
    world_end(&w);
}
END_TEST

#ifdef COUNTS_ALLOCATIONS
// oneDNN itself makes a small table of arguments for every execution; nothing else is allowed.
enum { LIBRARY_BYTES = 2048 };

static size_t library_steps(const ppq_engine *e)
{
    size_t n = 0;
    for (size_t i = 0; i < ppq_engine_n_steps(e); i++)
        n += strchr(ppq_engine_get_step(e, i).kernel, ':') != NULL ||
             strncmp(ppq_engine_get_step(e, i).kernel, "dnnl-", 5) == 0;
    return n;
}

START_TEST(a_second_run_allocates_nothing)
{
    const net_case *c = &cases[_i];
    for (int v = 0; v < c->variants; v += 3) {
        world w = build(c, v);
        ppq_engine *e;
        const ppq_engine_opts o = { .n_threads = 1 };
        OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
        ppq_tensor x = tensor_normal(c->in, 97), y;
        for (int i = 0; i < 3; i++) {
            allocations = allocated = 0;
            counting = i == 2;
            const ppq_status st = ppq_engine_run(e, &x, &y, NULL, NULL, w.d);
            counting = 0;
            OK(w.d, st);
            ppq_tensor_unref(&y);
        }
        const size_t n = library_steps(e);
        ck_assert_msg(n || !allocations, "%s %d: %zu allocations", c->name, v, allocations);
        ck_assert_msg(allocated <= n * LIBRARY_BYTES, "%s %d: %zu bytes in %zu steps", c->name, v,
                      allocated, n);
        ppq_tensor_unref(&x);
        ppq_engine_destroy(e);
        world_end(&w);
    }
}
END_TEST
#endif

// ---- errors ---------------------------------------------------------------------------------

START_TEST(wrong_inputs_are_named)
{
    world w = build(&cases[0], 0);
    ppq_engine *e;
    const ppq_engine_opts o = { .n_threads = 1 };
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    ppq_tensor none = { 0 }, y, small = tensor_normal(SHAPE(1, 8, 9, 12), 1);
    ppq_tensor ints = tensor_new(PPQ_DT_I32, cases[0].in);
    FAILS(w.d, ppq_engine_run(e, &none, &y, NULL, NULL, w.d), PPQ_ERR_DATA, "'x' is not given");
    FAILS(w.d, ppq_engine_run(e, &small, &y, NULL, NULL, w.d), PPQ_ERR_DATA, "2x8x9x12");
    FAILS(w.d, ppq_engine_run(e, &ints, &y, NULL, NULL, w.d), PPQ_ERR_DATA, "float32");
    ppq_tensor_unref(&small);
    ppq_tensor_unref(&ints);
    ppq_engine_destroy(e);
    world_end(&w);
}
END_TEST

START_TEST(open_shapes_and_unknown_ops_are_refused)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(PPQ_DIM_UNKNOWN, 3));
    finish(&w, add_op(&w, "Relu", x, NULL, NULL)->out[0]);
    const ppq_engine_opts o = { .n_threads = 1 };
    ppq_engine *e;
    FAILS(w.d, ppq_engine_create(w.g, &o, &e, w.d), PPQ_ERR_SHAPE, "'x' is not known");
    world_end(&w);
    w = world_new();
    finish(&w, add_op(&w, "Rellu", add_input(&w, "x", SHAPE(2)), NULL, NULL)->out[0]);
    FAILS(w.d, ppq_engine_create(w.g, &o, &e, w.d), PPQ_ERR_UNSUPPORTED, "nearest: Relu");
    world_end(&w);
}
END_TEST

// Shapes that depend on values, sequences, and fixed shapes again behind them.
START_TEST(values_may_decide_shapes)
{
    world w = world_new();
    ppq_graph_set_opset(w.g, "", 17);
    ppq_var *x = add_input(&w, "x", SHAPE(2, 3));
    ppq_op *nz = add_op(&w, "NonZero", add_op(&w, "Relu", x, NULL, NULL)->out[0], NULL, NULL);
    ppq_op *parts = add_op(&w, "SplitToSequence", nz->out[0], NULL, NULL);
    ppq_tensor zero = tensor_new(PPQ_DT_I64, (ppq_shape){ .rank = 0 });
    ppq_i64(&zero)[0] = 0;
    ppq_op *first = add_op(&w, "SequenceAt", parts->out[0], add_const(&w, "zero", zero), NULL);
    ppq_op *sum = add_op(&w, "ReduceSum", first->out[0], NULL, NULL);
    ppq_op_set_int(w.g, sum, "keepdims", 0);
    ppq_op *cast = add_op(&w, "Cast", sum->out[0], NULL, NULL);
    ppq_op_set_int(w.g, cast, "to", PPQ_DT_F32);
    finish(&w, add_op(&w, "Add", x, cast->out[0], NULL)->out[0]);
    ppq_graph_compact(w.g);
    ppq_tensor in = tensor_f32(SHAPE(2, 3), (const float[]){ 1, -1, 2, -3, 4, 5 }), y;
    const ppq_engine_opts o = { .n_threads = 1 };
    ppq_engine *e;
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    for (int i = 0; i < 2; i++) {
        OK(w.d, ppq_engine_run(e, &in, &y, NULL, NULL, w.d));
        SAME(ppq_f32(&y)[0], 1.0f + 2); // rows of the non-zeros: 0 0 1 1
        ppq_tensor_unref(&y);
    }
    ppq_tensor_unref(&in);
    ppq_engine_destroy(e);
    world_end(&w);
    // A sequence where a tensor is expected.
    w = world_new();
    x = add_input(&w, "x", SHAPE(2, 3));
    finish(&w, add_op(&w, "Relu", add_op(&w, "SplitToSequence", x, NULL, NULL)->out[0], NULL, NULL)
                   ->out[0]);
    FAILS(w.d, ppq_engine_create(w.g, &o, &e, w.d), PPQ_ERR_SHAPE, "expected a tensor");
    world_end(&w);
}
END_TEST

// A lone quantized op that is too small to pay stays in float, unless it is asked for.
START_TEST(lone_integer_ops_are_weighed)
{
    for (int eager = 0; eager < 2; eager++) {
        world w = world_new();
        ppq_var *x = add_input(&w, "x", SHAPE(1, 8, 9, 9));
        ppq_var *s = add_op(&w, "Softplus", x, NULL, NULL)->out[0];
        ppq_var *c =
            conv(&w, pair(&w, s, &u8), weights(&w, SHAPE(8, 8, 1, 1), 0, 3), NULL, 1, 1, 0)->out[0];
        finish(&w, add_op(&w, "Softplus", c, NULL, NULL)->out[0]);
        const ppq_engine_opts o = { .eager = eager != 0 };
        ppq_engine *e;
        ppq_graph_compact(w.g);
        OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_left_float, !eager);
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_int8, (size_t) eager);
        ppq_engine_destroy(e);
        world_end(&w);
    }
}
END_TEST

// The grid of a lone op may stand for a ReLU: without its rounding it still clamps.
START_TEST(ops_left_in_float_keep_the_range)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(1, 8, 9, 9));
    ppq_var *n =
        add_op(&w, "Neg", add_op(&w, "Softplus", x, NULL, NULL)->out[0], NULL, NULL)->out[0];
    ppq_var *c =
        conv(&w, pair(&w, n, &u8_relu), weights(&w, SHAPE(8, 8, 1, 1), 0, 3), NULL, 1, 1, 0)
            ->out[0];
    finish(&w, add_op(&w, "Softplus", c, NULL, NULL)->out[0]);
    const ppq_engine_opts o = { .n_threads = 1 };
    ppq_engine *e;
    ppq_graph_compact(w.g);
    OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
    ck_assert_uint_eq(ppq_engine_get_info(e)->n_left_float, 1);
    ppq_tensor in = tensor_normal(SHAPE(1, 8, 9, 9), 96), y = run_once(&w, e, &in);
    for (int64_t i = 0; i < ppq_shape_numel(&y.shape); i++)
        NEAR(ppq_f32(&y)[i], log(2), 1e-5);
    ppq_tensor_unref(&in);
    ppq_tensor_unref(&y);
    ppq_engine_destroy(e);
    world_end(&w);
}
END_TEST

// Where sums of 16 bits can overflow, that is avoided, or counted when asked for.
START_TEST(saturation_is_known)
{
    if (ppq_dnnl_exact_u8s8())
        return;
    for (int saturate = 0; saturate < 2; saturate++) {
        world w = world_new();
        ppq_tensor q = tensor_new(PPQ_DT_I8, SHAPE(8, 8, 1, 1)),
                   scale = tensor_new(PPQ_DT_F32, SHAPE(1));
        memset(ppq_tensor_data(&q), 100, ppq_tensor_bytes(&q));
        ppq_f32(&scale)[0] = 0.01f;
        ppq_var *k =
            add_op(&w, "DequantizeLinear", add_const(&w, "w", q), add_const(&w, "ws", scale), NULL)
                ->out[0];
        ppq_var *x = pair(&w, add_input(&w, "x", SHAPE(1, 8, 9, 9)), &u8);
        finish(&w, pair(&w, conv(&w, x, k, NULL, 1, 1, 0)->out[0], &u8));
        const ppq_engine_opts o = { .eager = true, .saturate = saturate != 0 };
        ppq_engine *e;
        ppq_graph_compact(w.g);
        OK(w.d, ppq_engine_create(w.g, &o, &e, w.d));
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_saturating, (size_t) saturate);
        ck_assert_uint_eq(ppq_engine_get_info(e)->n_exact, !saturate);
        ck_assert_int_eq(has_kernel(e, "conv exact"), !saturate);
        ppq_engine_destroy(e);
        world_end(&w);
    }
}
END_TEST

int main(void)
{
    const int n = (int) PPQ_COUNT(cases);
    const test_entry tests[] = {
        { integers_are_those_of_the_simulation, n },
        { own_kernels_agree_at_every_level, n },
        { weights_of_eight_bits_do_not_saturate, n },
        { the_library_computes_every_convolution_on_request, 1 },
        { threads_do_not_show, n },
        { one_engine_serves_several_threads, n },
#ifdef COUNTS_ALLOCATIONS
        { a_second_run_allocates_nothing, n },
#endif
        { wrong_inputs_are_named, 1 },
        { open_shapes_and_unknown_ops_are_refused, 1 },
        { values_may_decide_shapes, 1 },
        { lone_integer_ops_are_weighed, 1 },
        { ops_left_in_float_keep_the_range, 1 },
        { saturation_is_known, 1 },
    };
    return run_tests("engine", tests, PPQ_COUNT(tests));
}
