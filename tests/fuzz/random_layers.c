#include <string.h>

#include "tests/fuzz/random_graph.h"

// One function per kind of layer. Each gives an op that has not been computed yet, or NULL when it
// has none for this input.

static ppq_op *conv(fuzz_graph *f, ppq_var *x)
{
    fuzz_bytes *b = f->b;
    const int rank = x->shape.rank;
    if (rank < 3 || x->shape.dim[1] == 0)
        return NULL;
    const int64_t c = x->shape.dim[1];
    int64_t group = PICK(b, 1, 1, 1, c, c, 2);
    if (c % group)
        group = 1;
    const bool transposed = fuzz_pick(b, 8) == 0;
    const int64_t out = group * PICK(b, 1, 2, 8, 16, 3);
    ppq_shape w = { .rank = rank, .dim = { transposed ? c : out, (transposed ? out : c) / group } };
    int64_t stride[6], pad[12], dilation[6];
    for (int i = 0; i < rank - 2; i++) {
        w.dim[i + 2] = PICK(b, 3, 1, 2, 5, 3, 1);
        stride[i] = PICK(b, 1, 1, 2, 3);
        dilation[i] = transposed ? 1 : PICK(b, 1, 1, 1, 1, 2);
        pad[i] = (int64_t) fuzz_pick(b, 3);
        pad[rank - 2 + i] = fuzz_pick(b, 4) ? pad[i] : (int64_t) fuzz_pick(b, 3);
    }
    ppq_var *in[] = { x, fuzz_weights(f, &w, transposed && group == 1 ? 1 : 0), NULL };
    if (!in[1])
        return NULL;
    in[2] = fuzz_bias(f, out);
    ppq_op *op = fuzz_op(f, transposed ? "ConvTranspose" : "Conv", 1, in, in[2] ? 3 : 2);
    ppq_op_set_int(f->g, op, "group", group);
    ppq_op_set_ints(f->g, op, "strides", stride, (size_t) rank - 2);
    ppq_op_set_ints(f->g, op, "dilations", dilation, (size_t) rank - 2);
    ppq_op_set_ints(f->g, op, "pads", pad, 2 * ((size_t) rank - 2));
    return op;
}

static ppq_op *linear(fuzz_graph *f, ppq_var *x)
{
    if (x->shape.rank < 2)
        return NULL;
    const int64_t k = x->shape.dim[x->shape.rank - 1], n = PICK(f->b, 8, 1, 16, 5, 33);
    const bool gemm = x->shape.rank == 2 && fuzz_pick(f->b, 2), by_row = gemm && fuzz_pick(f->b, 2);
    const ppq_shape w = { .rank = 2, .dim = { by_row ? n : k, by_row ? k : n } };
    ppq_var *in[] = { x, fuzz_weights(f, &w, by_row ? 0 : 1), NULL };
    if (!in[1])
        return NULL;
    in[2] = fuzz_bias(f, n);
    ppq_op *op = fuzz_op(f, gemm ? "Gemm" : "MatMul", 1, in, gemm && in[2] ? 3 : 2);
    if (gemm)
        ppq_op_set_int(f->g, op, "transB", by_row);
    return gemm || !in[2] || !fuzz_keep(f, op) || !fuzz_value(f, op->out[0])
               ? op
               : OP(f, "Add", op->out[0], in[2]);
}

static ppq_var *any(fuzz_graph *f)
{
    ppq_var *v = f->vars[f->n_vars - 1 - fuzz_pick(f->b, (uint32_t) PPQ_MIN(f->n_vars, 8))];
    return v->dtype == PPQ_DT_F32 ? v : f->vars[0];
}

// A second operand: of the same shape, a scalar, or one value per channel.
static ppq_var *partner(fuzz_graph *f, ppq_var *x)
{
    const uint32_t how = fuzz_pick(f->b, 8);
    if (how == 0)
        return fuzz_scalar(f, (float) ppq_rng_normal(&f->b->values));
    if (how == 1 && x->shape.rank > 2) {
        ppq_op *pool = OP(f, "GlobalAveragePool", x);
        if (!fuzz_keep(f, pool) || !fuzz_value(f, pool->out[0]))
            return x;
        fuzz_add_pair(f);
        return f->vars[f->n_vars - 1];
    }
    for (size_t i = f->n_vars; i > 0; i--)
        if (f->vars[i - 1] != x && f->vars[i - 1]->dtype == PPQ_DT_F32 &&
            ppq_shape_equal(&f->vars[i - 1]->shape, &x->shape) && fuzz_pick(f->b, 3))
            return f->vars[i - 1];
    return x;
}

static ppq_op *binary(fuzz_graph *f, ppq_var *x)
{
    static const char *const types[] = { "Add", "Add", "Sub", "Mul", "Div" };
    ppq_var *y = partner(f, x);
    const char *type = types[fuzz_pick(f->b, PPQ_COUNT(types))];
    return fuzz_pick(f->b, 2) ? OP(f, type, y, x) : OP(f, type, x, y);
}

static ppq_op *concat(fuzz_graph *f, ppq_var *x)
{
    ppq_op *op = fuzz_pick(f->b, 3) ? OP(f, "Concat", x, partner(f, x))
                                    : OP(f, "Concat", x, partner(f, x), any(f));
    ppq_op_set_int(f->g, op, "axis", fuzz_pick(f->b, 3) ? 1 : (int64_t) fuzz_pick(f->b, 4));
    return op;
}

static ppq_op *pool(fuzz_graph *f, ppq_var *x)
{
    static const char *const types[] = { "MaxPool", "AveragePool", "GlobalAveragePool",
                                         "GlobalMaxPool" };
    const uint32_t kind = fuzz_pick(f->b, PPQ_COUNT(types));
    const int n = x->shape.rank - 2;
    int64_t kernel[6], stride[6], pad[12];
    if (n < 1)
        return NULL;
    ppq_op *op = OP(f, types[kind], x);
    if (kind > 1)
        return op;
    for (int i = 0; i < n; i++) {
        kernel[i] = PICK(f->b, 2, 3, 1, 2);
        stride[i] = PICK(f->b, 1, 2, 2);
        pad[i] = kernel[i] > 1 ? (int64_t) fuzz_pick(f->b, 2) : 0;
        pad[n + i] = kernel[i] > 1 ? (int64_t) fuzz_pick(f->b, 2) : 0;
    }
    ppq_op_set_ints(f->g, op, "kernel_shape", kernel, (size_t) n);
    ppq_op_set_ints(f->g, op, "strides", stride, (size_t) n);
    ppq_op_set_ints(f->g, op, "pads", pad, 2 * (size_t) n);
    ppq_op_set_int(f->g, op, "ceil_mode", fuzz_pick(f->b, 4) == 0);
    if (kind == 1)
        ppq_op_set_int(f->g, op, "count_include_pad", fuzz_pick(f->b, 2));
    return op;
}

static ppq_op *activation(fuzz_graph *f, ppq_var *x)
{
    static const char *const types[] = { "Relu", "Relu",        "Sigmoid",   "Tanh", "LeakyRelu",
                                         "Elu",  "HardSigmoid", "HardSwish", "Exp",  "Erf",
                                         "Neg",  "Clip",        "Softplus",  "Abs" };
    const char *type = types[fuzz_pick(f->b, PPQ_COUNT(types))];
    if (strcmp(type, "Clip") == 0)
        return OP(f, "Clip", x, fuzz_scalar(f, fuzz_pick(f->b, 2) ? 0 : -1.0f),
                  fuzz_scalar(f, 6 - (float) fuzz_pick(f->b, 8)));
    return OP(f, type, x);
}

static ppq_op *softmax(fuzz_graph *f, ppq_var *x)
{
    ppq_op *op = OP(f, "Softmax", x);
    ppq_op_set_int(f->g, op, "axis", fuzz_pick(f->b, 2) ? -1 : 1);
    return op;
}

static ppq_op *product(fuzz_graph *f, ppq_var *x)
{
    if (x->shape.rank < 2)
        return NULL;
    int64_t perm[PPQ_MAX_RANK];
    const int rank = x->shape.rank;
    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    ppq_op *t = OP(f, "Transpose", partner(f, x));
    ppq_op_set_ints(f->g, t, "perm", perm, (size_t) rank);
    if (!fuzz_keep(f, t) || !fuzz_value(f, t->out[0]))
        return NULL;
    ppq_var *y = t->out[0];
    if (fuzz_pick(f->b, 4)) {
        fuzz_repeat_pair(f, t->in[0]);
        y = f->vars[f->n_vars - 1];
    }
    return OP(f, "MatMul", x, y);
}

static ppq_op *reshape(fuzz_graph *f, ppq_var *x)
{
    const ppq_shape *s = &x->shape;
    const int64_t back[] = { 0, s->rank > 1 ? s->dim[1] : 1, -1, 1 }, flat[] = { 0, -1 },
                  tall[] = { -1, s->rank ? s->dim[s->rank - 1] : 1 }, cut[] = { 0, 2, -1, 3 };
    switch (fuzz_pick(f->b, 5)) {
    case 0:
        return OP(f, "Reshape", x, fuzz_int_list(f, flat, 2));
    case 1:
        return OP(f, "Reshape", x, fuzz_int_list(f, tall, 2));
    case 2:
        return OP(f, "Reshape", x, fuzz_int_list(f, back, 4));
    case 3:
        return OP(f, "Reshape", x, fuzz_int_list(f, cut, 4));
    default:
        return OP(f, "Flatten", x);
    }
}

static ppq_op *move(fuzz_graph *f, ppq_var *x)
{
    const int rank = x->shape.rank;
    const int64_t one[] = { 1 }, axis[] = { (int64_t) fuzz_pick(f->b, 4) }, zero[] = { 0 },
                  end[] = { PICK(f->b, 2, -1, 100, 0) };
    ppq_op *op;
    switch (fuzz_pick(f->b, 10)) {
    case 0: {
        int64_t perm[PPQ_MAX_RANK];
        const int shift = (int) fuzz_pick(f->b, 4);
        op = OP(f, "Transpose", x);
        for (int i = 0; i < rank; i++)
            perm[i] = (i + shift) % rank;
        ppq_op_set_ints(f->g, op, "perm", perm, (size_t) rank);
        return op;
    }
    case 1:
        return OP(f, "Slice", x, fuzz_int_list(f, fuzz_pick(f->b, 2) ? one : zero, 1),
                  fuzz_int_list(f, end, 1), fuzz_int_list(f, axis, 1));
    case 2:
        op = OP(f, fuzz_pick(f->b, 2) ? "SpaceToDepth" : "DepthToSpace", x);
        ppq_op_set_int(f->g, op, "blocksize", 2);
        return op;
    case 3:
        return OP(f, "Unsqueeze", x, fuzz_int_list(f, axis, 1));
    case 4:
        op = OP(f, fuzz_pick(f->b, 2) ? "ReduceMax" : "ReduceMin", x);
        return op;
    case 5: {
        const int64_t pads[] = { 0, 0, 1, 0, 0, 0, 0, (int64_t) fuzz_pick(f->b, 3) };
        return OP(f, "Pad", x, fuzz_int_list(f, pads, 8));
    }
    case 6: {
        const int64_t index[] = { 1, 0, -1 };
        op = OP(f, "Gather", x, fuzz_int_list(f, index, 3));
        ppq_op_set_int(f->g, op, "axis", axis[0]);
        return op;
    }
    case 7: {
        const ppq_shape four = ppq_shape_1d(4);
        ppq_tensor t = fuzz_tensor(PPQ_DT_F32, &four);
        for (int i = 0; i < 4; i++)
            ppq_f32(&t)[i] = i < 2 ? 1 : 2;
        op = fuzz_op(f, "Resize", 1, (ppq_var *[]){ x, NULL, fuzz_const(f, t) }, 3);
        if (fuzz_pick(f->b, 3) == 0)
            ppq_op_set_string(f->g, op, "mode", "linear");
        return op;
    }
    default:
        return reshape(f, x);
    }
}

static void split(fuzz_graph *f, ppq_var *x)
{
    ppq_op *op = fuzz_op(f, "Split", 2, &x, 1);
    ppq_op_set_int(f->g, op, "axis", 1);
    if (ppq_graph_opset(f->g, "") >= 18)
        ppq_op_set_int(f->g, op, "num_outputs", 2);
    const size_t before = f->n_vars;
    if (fuzz_keep(f, op) && f->n_vars == before + 2)
        fuzz_repeat_pair(f, x);
}

void fuzz_add_layer(fuzz_graph *f)
{
    static ppq_op *(*const kinds[])(fuzz_graph *, ppq_var *) = {
        conv,       conv,       conv,   conv, linear, linear, binary,  move,    binary,
        activation, activation, concat, pool, pool,   move,   softmax, product, move
    };
    ppq_var *x = any(f);
    if (f->n_vars + 8 > FUZZ_MAX_VARS)
        return;
    if (fuzz_pick(f->b, 24) == 0) {
        split(f, x);
        return;
    }
    const uint32_t kind = fuzz_pick(f->b, PPQ_COUNT(kinds));
    ppq_op *op = kinds[kind](f, x);
    if (!op || !fuzz_keep(f, op) || !fuzz_value(f, op->out[0]))
        return;
    const uint32_t how = fuzz_pick(f->b, 16);
    if (how < 3 && (op = activation(f, op->out[0])) != NULL && !fuzz_keep(f, op))
        return;
    if (how == 15)
        ppq_graph_mark_output(f->g, f->vars[f->n_vars - 1]);
    if (kinds[kind] == move && fuzz_pick(f->b, 8))
        fuzz_repeat_pair(f, x);
    else if (fuzz_pick(f->b, 4))
        fuzz_add_pair(f);
}
