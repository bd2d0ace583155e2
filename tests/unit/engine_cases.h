#ifndef PPQ_TESTS_UNIT_ENGINE_CASES_H
#define PPQ_TESTS_UNIT_ENGINE_CASES_H

// Small graphs with Q and DQ, one kind per rule of the engine, in many variants.

#include <stdio.h>

#include "executor/engine/engine.h"
#include "executor/engine/plan.h"
#include "tests/unit/harness.h"

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

HELPER ppq_var *scale_of(world *w, const grid *g)
{
    return add_const(w, "scale", tensor_f32((ppq_shape){ .rank = 0 }, &g->scale));
}

HELPER ppq_var *zero_of(world *w, const grid *g)
{
    ppq_tensor t = tensor_new(g->dt, (ppq_shape){ .rank = 0 });
    *(int8_t *) ppq_tensor_data(&t) = (int8_t) g->zero;
    return add_const(w, "zero", t);
}

HELPER ppq_var *quantize(world *w, ppq_var *x, const grid *g)
{
    ppq_var *q = add_op(w, "QuantizeLinear", x, scale_of(w, g), zero_of(w, g))->out[0];
    q->dtype = g->dt;
    return q;
}

HELPER ppq_var *dequantize(world *w, ppq_var *q, const grid *g)
{
    return add_op(w, "DequantizeLinear", q, scale_of(w, g), zero_of(w, g))->out[0];
}

// A pair, as behind every quantized tensor.
HELPER ppq_var *pair(world *w, ppq_var *x, const grid *g)
{
    return dequantize(w, quantize(w, x, g), g);
}

// DQ of constant int8 weights, one scale along `axis`. 7 bits: exact on every CPU.
HELPER ppq_var *weights(world *w, ppq_shape s, int axis, uint64_t stream)
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

HELPER ppq_var *floats(world *w, ppq_shape s, uint64_t stream)
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

HELPER void finish(world *w, ppq_var *y)
{
    ppq_graph_rename_var(w->g, y, "y");
    ppq_graph_mark_output(w->g, y);
}

HELPER ppq_op *conv(world *w, ppq_var *x, ppq_var *k, ppq_var *bias, int64_t group, int64_t stride,
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
HELPER void build_conv(world *w, ppq_var *x, int v)
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
HELPER void build_odd_groups(world *w, ppq_var *x, int v)
{
    ppq_op *op = conv(w, pair(w, x, grid_of(v)), weights(w, SHAPE(4, 2, 3, 3), 0, 3),
                      floats(w, SHAPE(4), 4), 4, 1, 1);
    finish(w, pair(w, op->out[0], grid_of(v + 1)));
}

HELPER void build_depthwise(world *w, ppq_var *x, int v)
{
    const int64_t k = v % 2 ? 5 : 3;
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_op *op = conv(w, a, weights(w, SHAPE(8, 1, k, k), 0, 5),
                      v % 3 ? floats(w, SHAPE(8), 6) : NULL, 8, 1 + v % 2, k / 2);
    ppq_var *y = v % 4 == 2 ? add_op(w, "Relu", op->out[0], NULL, NULL)->out[0] : op->out[0];
    finish(w, v % 5 == 3 ? y : pair(w, y, grid_of(v + 2)));
}

HELPER void build_image(world *w, ppq_var *x, int v)
{
    const int64_t k = v % 2 ? 3 : 7;
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_op *op = conv(w, a, weights(w, SHAPE(16, 3, k, k), 0, 7), floats(w, SHAPE(16), 8), 1, 2,
                      v % 3 ? k / 2 : 0);
    finish(w, pair(w, op->out[0], grid_of(v + 1)));
}

// y = relu(q(conv(x)) + x), where x may be read again, and the branches may be grids or float.
HELPER void build_residual(world *w, ppq_var *x, int v)
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

HELPER void build_transposed(world *w, ppq_var *x, int v)
{
    const int64_t group = 1 + v % 2;
    ppq_op *op =
        add_op(w, "ConvTranspose", pair(w, x, grid_of(v)),
               weights(w, SHAPE(8, 8 / group, 2, 2), v % 2 ? 0 : 1, 11), floats(w, SHAPE(8), 12));
    ppq_op_set_int(w->g, op, "group", group);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 2 }, 2);
    finish(w, pair(w, op->out[0], grid_of(v + 1)));
}

HELPER void build_unfolded(world *w, ppq_var *x, int v)
{
    ppq_op *op =
        add_op(w, "ConvTranspose", v % 4 == 3 ? x : pair(w, x, grid_of(v)),
               weights(w, SHAPE(8, 3, 2, 3), 1, 11), v % 3 ? floats(w, SHAPE(3), 12) : NULL);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 3 }, 2);
    ppq_var *y = v % 2 ? add_op(w, "Relu", op->out[0], NULL, NULL)->out[0] : op->out[0];
    finish(w, v % 4 == 3 ? y : pair(w, y, grid_of(v + 1)));
}

HELPER void build_linear(world *w, ppq_var *x, int v)
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
HELPER void build_product(world *w, ppq_var *x, int v)
{
    static const grid coarse = { 0.2f, 60, PPQ_DT_U8 }, coarse_s8 = { 0.2f, 3, PPQ_DT_I8 };
    ppq_var *a = pair(w, x, v % 2 ? &coarse : &coarse_s8);
    ppq_op *t = add_op(w, "Transpose", a, NULL, NULL);
    ppq_op_set_ints(w->g, t, "perm", (const int64_t[]){ 0, 1, 3, 2 }, 4);
    ppq_var *b = pair(w, t->out[0], v % 2 ? &coarse : &coarse_s8);
    ppq_var *y = add_op(w, "MatMul", a, b, NULL)->out[0];
    finish(w, v % 3 == 2 ? y : pair(w, y, &u8_wide));
}

HELPER void build_max_pool(world *w, ppq_var *x, int v)
{
    const grid *g = grid_of(v);
    ppq_op *op = add_op(w, "MaxPool", pair(w, x, g), NULL, NULL);
    ppq_op_set_ints(w->g, op, "kernel_shape", (const int64_t[]){ 3, 3 }, 2);
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ 2, 2 }, 2);
    ppq_op_set_ints(w->g, op, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4);
    finish(w, pair(w, op->out[0], g));
}

HELPER void build_average_pool(world *w, ppq_var *x, int v)
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

HELPER void build_table(world *w, ppq_var *x, int v)
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

HELPER void build_binary(world *w, ppq_var *x, int v)
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
HELPER void build_row(world *w, ppq_var *x, int v)
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

HELPER void build_concat(world *w, ppq_var *x, int v)
{
    ppq_var *a = pair(w, x, grid_of(v));
    ppq_var *c = conv(w, a, weights(w, SHAPE(5, 8, 1, 1), 0, 17), NULL, 1, 1, 0)->out[0];
    ppq_var *d =
        conv(w, a, weights(w, SHAPE(v % 2 ? 5 : 7, 8, 1, 1), 0, 18), NULL, 1, 1, 0)->out[0];
    ppq_op *cat = add_op(w, "Concat", pair(w, c, grid_of(v + 1)), pair(w, d, grid_of(v + 2)), NULL);
    ppq_op_set_int(w->g, cat, "axis", v % 2 ? 2 : 1);
    finish(w, pair(w, cat->out[0], grid_of(v + 3)));
}

HELPER void build_move(world *w, ppq_var *x, int v)
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
HELPER void set_ints(world *w, ppq_op *op, int32_t k, const int64_t *v, int64_t n)
{
    ppq_tensor t = tensor_new(PPQ_DT_I64, SHAPE(n));
    memcpy(ppq_tensor_data(&t), v, (size_t) n * sizeof(*v));
    if (k >= op->n_in)
        ppq_graph_resize_inputs(w->g, op, k + 1);
    ppq_graph_set_input(w->g, op, k, add_const(w, "ints", t));
}

HELPER ppq_op *resize(world *w, ppq_var *x, int v)
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

HELPER ppq_op *padded(world *w, ppq_var *x, int v)
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
HELPER void build_select(world *w, ppq_var *x, int v)
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
HELPER void build_float(world *w, ppq_var *x, int v)
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
HELPER void build_thin(world *w, ppq_var *x, int v)
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
HELPER void build_pointwise(world *w, ppq_var *x, int v)
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
HELPER void build_recurrent(world *w, ppq_var *x, int v)
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

HELPER world build(const net_case *c, int variant)
{
    world w = world_new();
    c->build(&w, add_input(&w, "x", c->in), variant);
    ppq_graph_compact(w.g);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    return w;
}

// ---- engines --------------------------------------------------------------------------------

HELPER bool has_kernel(const ppq_engine *e, const char *prefix)
{
    for (size_t i = 0; i < ppq_engine_n_steps(e); i++)
        if (strncmp(ppq_engine_get_step(e, i).kernel, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

HELPER ppq_tensor run_once(world *w, ppq_engine *e, const ppq_tensor *x)
{
    ppq_tensor y;
    OK(w->d, ppq_engine_run(e, x, &y, NULL, NULL, w->d));
    return y;
}

#endif
