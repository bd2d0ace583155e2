// Any bytes are read as a small graph with QuantizeLinear/DequantizeLinear pairs, which the engine
// runs. Every operator is then computed in plain C from the integers that the engine itself gave
// for what the operator reads: what leaves a QuantizeLinear is at most one quantum away, plus what
// rounding of float32 in between can explain. Running again gives the same bytes, and other input
// shapes run or are refused by both.

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "executor/dnnl/compat.h"
#include "executor/engine/engine.h"
#include "executor/exec.h"
#include "executor/ops/convert.h"
#include "exporter/onnx_writer.h"
#include "quantizer/lower.h"
#include "tests/fuzz/replay.h"

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_leaks=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

enum { MAX_VARS = 48, MAX_OPS = 14, MAX_SLOTS = 8, MAX_NUMEL = 1 << 14, SECONDS = 60 };

typedef struct bytes {
    const uint8_t *p;
    size_t n;
    ppq_rng values; // numbers in tensors are not worth bytes of their own
} bytes;

typedef struct fuzz {
    bytes *b;
    ppq_graph *g;
    ppq_diag *d;
    ppq_var *vars[MAX_VARS]; // float32, what ops read
    ppq_tensor values[MAX_VARS];
    size_t n_vars;
} fuzz;

static void require(bool ok, const char *what, const char *name, const ppq_diag *d)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_engine: %s: %s\n", name, what);
    for (size_t i = 0; d && i < ppq_diag_count(d, PPQ_SEV_NOTE); i++)
        fprintf(stderr, "  %s\n", ppq_diag_at(d, i)->msg);
    abort();
}

static uint32_t pick(bytes *b, uint32_t n)
{
    uint32_t v = 0;
    for (uint32_t top = 1; top < n && b->n; top *= 256, b->n--)
        v = v << 8 | *b->p++;
    return v % n;
}

#define PICK(b, ...) \
    ((const int64_t[]){ __VA_ARGS__ })[pick((b), PPQ_COUNT(((const int64_t[]){ __VA_ARGS__ })))]

// ---- tensors --------------------------------------------------------------------------------

static ppq_tensor new_tensor(ppq_dtype dt, const ppq_shape *s)
{
    ppq_tensor t;
    require(ppq_tensor_alloc(&t, dt, s) == PPQ_OK, "no memory", "tensor", NULL);
    memset(ppq_tensor_data(&t), 0, ppq_tensor_bytes(&t));
    return t;
}

static ppq_tensor normal(bytes *b, const ppq_shape *s, float scale)
{
    ppq_tensor t = new_tensor(PPQ_DT_F32, s);
    for (int64_t i = 0; i < ppq_shape_numel(s); i++)
        ppq_f32(&t)[i] = scale * (float) ppq_rng_normal(&b->values);
    return t;
}

static ppq_var *constant(fuzz *f, ppq_tensor t)
{
    return ppq_graph_add_const(f->g, NULL, &t);
}

static ppq_var *scalar(fuzz *f, float v)
{
    const ppq_shape s = { .rank = 0 };
    ppq_tensor t = new_tensor(PPQ_DT_F32, &s);
    *ppq_f32(&t) = v;
    return constant(f, t);
}

static ppq_var *int_list(fuzz *f, const int64_t *v, int n)
{
    const ppq_shape s = ppq_shape_1d(n);
    ppq_tensor t = new_tensor(PPQ_DT_I64, &s);
    memcpy(ppq_i64(&t), v, (size_t) n * sizeof(*v));
    return constant(f, t);
}

// The largest magnitude; infinite when there is something that is not a number.
static double magnitude(const ppq_tensor *t)
{
    double top = 0;
    for (int64_t i = 0; t && t->buf && i < ppq_shape_numel(&t->shape); i++) {
        double v;
        ppq_load_f64(t, i, 1, &v);
        top = isfinite(v) ? fmax(top, fabs(v)) : (double) INFINITY;
    }
    return top;
}

// ---- ops ------------------------------------------------------------------------------------

static ppq_op *new_op(fuzz *f, const char *type, int n_out, ppq_var *const *in, int n_in)
{
    ppq_op *op = ppq_graph_add_op(f->g, "", type, NULL, n_in, n_out);
    op->def = ppq_op_def_find("", type);
    require(op->def != NULL, "there is no such operator", type, NULL);
    for (int k = 0; k < n_in; k++)
        ppq_graph_set_input(f->g, op, k, in[k]);
    for (int k = 0; k < n_out; k++)
        ppq_graph_set_output(f->g, op, k, ppq_graph_add_var(f->g, NULL));
    return op;
}

#define OP(f, type, ...)                                 \
    new_op((f), (type), 1, (ppq_var *[]){ __VA_ARGS__ }, \
           (int) PPQ_COUNT(((ppq_var *[]){ __VA_ARGS__ })))

static const ppq_tensor *value_of(const fuzz *f, const ppq_var *v)
{
    for (size_t i = 0; i < f->n_vars; i++)
        if (f->vars[i] == v)
            return &f->values[i];
    return ppq_var_is_const(v) ? &v->value : NULL;
}

static void remember(fuzz *f, ppq_var *v, ppq_tensor t)
{
    v->shape = t.shape;
    v->dtype = t.dtype;
    if (f->n_vars < MAX_VARS) {
        f->vars[f->n_vars] = v;
        f->values[f->n_vars++] = t;
    } else {
        ppq_tensor_unref(&t);
    }
}

// Whether the op can be computed, and is small; otherwise it goes away.
static bool keep(fuzz *f, ppq_op *op)
{
    const ppq_tensor *in[MAX_SLOTS] = { NULL };
    ppq_tensor out[MAX_SLOTS] = { { .dtype = PPQ_DT_NONE } };
    bool ok = true;
    for (int k = 0; k < op->n_in; k++)
        ok = ok && (!op->in[k] || (in[k] = value_of(f, op->in[k])) != NULL);
    ok = ok && ppq_op_eval(op, ppq_graph_opset(f->g, ""), in, out, f->d) == PPQ_OK;
    for (int k = 0; ok && k < op->n_out; k++)
        ok = ppq_shape_numel(&out[k].shape) <= MAX_NUMEL;
    for (int k = 0; k < op->n_out; k++) {
        if (ok)
            remember(f, op->out[k], out[k]);
        else
            ppq_tensor_unref(&out[k]);
    }
    if (!ok)
        ppq_graph_remove_op(f->g, op);
    return ok;
}

// ---- grids ----------------------------------------------------------------------------------

static ppq_var *zero_point(fuzz *f, ppq_dtype dt)
{
    static const uint8_t ends[] = { 0, 255, 128, 127, 1 };
    const ppq_shape s = { .rank = 0 };
    ppq_tensor t = new_tensor(dt, &s);
    const uint32_t how = pick(f->b, 8);
    *(uint8_t *) ppq_tensor_data(&t) =
        how < PPQ_COUNT(ends) ? ends[how] : (uint8_t) pick(f->b, 256);
    return constant(f, t);
}

// Mostly one that suits the values.
static float scale_for(fuzz *f, const ppq_tensor *t)
{
    static const float odd[] = { 1e-8f, 1e8f, 1e-4f, 1.0f, 1e-30f, 0.5f };
    const double top = magnitude(t), factor = 0.25 * (double) (1 + pick(f->b, 8));
    const uint32_t how = pick(f->b, 24);
    if (how < PPQ_COUNT(odd))
        return odd[how];
    return top > 1e-30 && top < 1e30 ? (float) (top / 127 * factor) : 0.05f;
}

// Q and DQ behind the youngest value; the integers may have several DQ, and be an output.
static void add_pair(fuzz *f)
{
    const ppq_dtype dt = pick(f->b, 2) ? PPQ_DT_U8 : PPQ_DT_I8;
    const size_t at = f->n_vars - 1;
    ppq_var *scale = scalar(f, scale_for(f, &f->values[at])), *zero = zero_point(f, dt);
    ppq_op *q = OP(f, "QuantizeLinear", f->vars[at], scale, zero);
    if (!keep(f, q))
        return;
    ppq_var *integers = q->out[0];
    if (pick(f->b, 16) == 0)
        ppq_graph_mark_output(f->g, integers);
    for (int n = pick(f->b, 8) ? 1 : 2; n > 0; n--)
        (void) keep(f, OP(f, "DequantizeLinear", integers, scale, zero));
}

// A pair on the grid of `x`, for ops that only move values.
static void repeat_pair(fuzz *f, const ppq_var *x)
{
    const ppq_op *dq = x->producer.op;
    if (!dq || !ppq_op_is(dq, "DequantizeLinear") || ppq_var_is_const(dq->in[0])) {
        add_pair(f);
        return;
    }
    ppq_op *q = OP(f, "QuantizeLinear", f->vars[f->n_vars - 1], dq->in[1], dq->in[2]);
    if (keep(f, q))
        (void) keep(f, OP(f, "DequantizeLinear", q->out[0], dq->in[1], dq->in[2]));
}

// DQ of constant 7-bit weights: per channel along `axis`, or per tensor.
static ppq_var *weights(fuzz *f, const ppq_shape *s, int axis)
{
    const bool centred = pick(f->b, 8) == 0;
    const int64_t n = pick(f->b, 3) ? s->dim[axis] : 1;
    const ppq_shape per = ppq_shape_1d(n);
    ppq_tensor q = new_tensor(centred ? PPQ_DT_U8 : PPQ_DT_I8, s);
    ppq_tensor scale = new_tensor(PPQ_DT_F32, &per);
    uint8_t *v = ppq_tensor_data(&q);
    for (int64_t i = 0; i < ppq_shape_numel(s); i++)
        v[i] = (uint8_t) ((int) (ppq_rng_u64(&f->b->values) % 127) - 63 + (centred ? 128 : 0));
    for (int64_t i = 0; i < n; i++)
        ppq_f32(&scale)[i] = 0.002f * (float) (1 + i % 7) * (pick(f->b, 32) ? 1 : 1e4f);
    ppq_var *in[] = { constant(f, q), constant(f, scale), NULL };
    if (centred || pick(f->b, 2)) {
        ppq_tensor zero = new_tensor(centred ? PPQ_DT_U8 : PPQ_DT_I8, &per);
        memset(ppq_tensor_data(&zero), centred ? 128 : 0, ppq_tensor_bytes(&zero));
        in[2] = constant(f, zero);
    }
    ppq_op *dq = new_op(f, "DequantizeLinear", 1, in, in[2] ? 3 : 2);
    ppq_op_set_int(f->g, dq, "axis", axis);
    return keep(f, dq) && value_of(f, dq->out[0]) ? dq->out[0] : NULL;
}

// A bias of n, in float or in int32 with a scale.
static ppq_var *bias(fuzz *f, int64_t n)
{
    const ppq_shape s = ppq_shape_1d(n);
    const uint32_t how = pick(f->b, 3);
    if (how == 0)
        return NULL;
    if (how == 1)
        return constant(f, normal(f->b, &s, 0.3f));
    ppq_tensor t = new_tensor(PPQ_DT_I32, &s);
    for (int64_t i = 0; i < n; i++)
        ((int32_t *) ppq_tensor_data(&t))[i] =
            (int32_t) (ppq_rng_u64(&f->b->values) % 20000) - 10000;
    ppq_op *dq = OP(f, "DequantizeLinear", constant(f, t), scalar(f, 1e-4f));
    return keep(f, dq) && value_of(f, dq->out[0]) ? dq->out[0] : NULL;
}

// ---- layers ---------------------------------------------------------------------------------

static ppq_op *conv(fuzz *f, ppq_var *x)
{
    bytes *b = f->b;
    const int rank = x->shape.rank;
    if (rank < 3 || x->shape.dim[1] == 0)
        return NULL;
    const int64_t c = x->shape.dim[1];
    int64_t group = PICK(b, 1, 1, 1, c, c, 2);
    if (c % group)
        group = 1;
    const bool transposed = pick(b, 8) == 0;
    const int64_t out = group * PICK(b, 1, 2, 8, 16, 3);
    ppq_shape w = { .rank = rank, .dim = { transposed ? c : out, (transposed ? out : c) / group } };
    int64_t stride[6], pad[12], dilation[6];
    for (int i = 0; i < rank - 2; i++) {
        w.dim[i + 2] = PICK(b, 3, 1, 2, 5, 3, 1);
        stride[i] = PICK(b, 1, 1, 2, 3);
        dilation[i] = transposed ? 1 : PICK(b, 1, 1, 1, 1, 2);
        pad[i] = (int64_t) pick(b, 3);
        pad[rank - 2 + i] = pick(b, 4) ? pad[i] : (int64_t) pick(b, 3);
    }
    ppq_var *in[] = { x, weights(f, &w, transposed && group == 1 ? 1 : 0), NULL };
    if (!in[1])
        return NULL;
    in[2] = bias(f, out);
    ppq_op *op = new_op(f, transposed ? "ConvTranspose" : "Conv", 1, in, in[2] ? 3 : 2);
    ppq_op_set_int(f->g, op, "group", group);
    ppq_op_set_ints(f->g, op, "strides", stride, (size_t) rank - 2);
    ppq_op_set_ints(f->g, op, "dilations", dilation, (size_t) rank - 2);
    ppq_op_set_ints(f->g, op, "pads", pad, 2 * ((size_t) rank - 2));
    return op;
}

static ppq_op *linear(fuzz *f, ppq_var *x)
{
    if (x->shape.rank < 2)
        return NULL;
    const int64_t k = x->shape.dim[x->shape.rank - 1], n = PICK(f->b, 8, 1, 16, 5, 33);
    const bool gemm = x->shape.rank == 2 && pick(f->b, 2), by_row = gemm && pick(f->b, 2);
    const ppq_shape w = { .rank = 2, .dim = { by_row ? n : k, by_row ? k : n } };
    ppq_var *in[] = { x, weights(f, &w, by_row ? 0 : 1), NULL };
    if (!in[1])
        return NULL;
    in[2] = bias(f, n);
    ppq_op *op = new_op(f, gemm ? "Gemm" : "MatMul", 1, in, gemm && in[2] ? 3 : 2);
    if (gemm)
        ppq_op_set_int(f->g, op, "transB", by_row);
    return gemm || !in[2] || !keep(f, op) || !value_of(f, op->out[0])
               ? op
               : OP(f, "Add", op->out[0], in[2]);
}

static ppq_var *any(fuzz *f)
{
    ppq_var *v = f->vars[f->n_vars - 1 - pick(f->b, (uint32_t) PPQ_MIN(f->n_vars, 8))];
    return v->dtype == PPQ_DT_F32 ? v : f->vars[0];
}

// A second operand: of the same shape, a scalar, or one value per channel.
static ppq_var *partner(fuzz *f, ppq_var *x)
{
    const uint32_t how = pick(f->b, 8);
    if (how == 0)
        return scalar(f, (float) ppq_rng_normal(&f->b->values));
    if (how == 1 && x->shape.rank > 2) {
        ppq_op *pool = OP(f, "GlobalAveragePool", x);
        if (!keep(f, pool) || !value_of(f, pool->out[0]))
            return x;
        add_pair(f);
        return f->vars[f->n_vars - 1];
    }
    for (size_t i = f->n_vars; i > 0; i--)
        if (f->vars[i - 1] != x && f->vars[i - 1]->dtype == PPQ_DT_F32 &&
            ppq_shape_equal(&f->vars[i - 1]->shape, &x->shape) && pick(f->b, 3))
            return f->vars[i - 1];
    return x;
}

static ppq_op *binary(fuzz *f, ppq_var *x)
{
    static const char *const types[] = { "Add", "Add", "Sub", "Mul", "Div" };
    ppq_var *y = partner(f, x);
    const char *type = types[pick(f->b, PPQ_COUNT(types))];
    return pick(f->b, 2) ? OP(f, type, y, x) : OP(f, type, x, y);
}

static ppq_op *concat(fuzz *f, ppq_var *x)
{
    ppq_op *op = pick(f->b, 3) ? OP(f, "Concat", x, partner(f, x))
                               : OP(f, "Concat", x, partner(f, x), any(f));
    ppq_op_set_int(f->g, op, "axis", pick(f->b, 3) ? 1 : (int64_t) pick(f->b, 4));
    return op;
}

static ppq_op *pool(fuzz *f, ppq_var *x)
{
    static const char *const types[] = { "MaxPool", "AveragePool", "GlobalAveragePool",
                                         "GlobalMaxPool" };
    const uint32_t kind = pick(f->b, PPQ_COUNT(types));
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
        pad[i] = kernel[i] > 1 ? (int64_t) pick(f->b, 2) : 0;
        pad[n + i] = kernel[i] > 1 ? (int64_t) pick(f->b, 2) : 0;
    }
    ppq_op_set_ints(f->g, op, "kernel_shape", kernel, (size_t) n);
    ppq_op_set_ints(f->g, op, "strides", stride, (size_t) n);
    ppq_op_set_ints(f->g, op, "pads", pad, 2 * (size_t) n);
    ppq_op_set_int(f->g, op, "ceil_mode", pick(f->b, 4) == 0);
    if (kind == 1)
        ppq_op_set_int(f->g, op, "count_include_pad", pick(f->b, 2));
    return op;
}

static ppq_op *activation(fuzz *f, ppq_var *x)
{
    static const char *const types[] = { "Relu", "Relu",        "Sigmoid",   "Tanh", "LeakyRelu",
                                         "Elu",  "HardSigmoid", "HardSwish", "Exp",  "Erf",
                                         "Neg",  "Clip",        "Softplus",  "Abs" };
    const char *type = types[pick(f->b, PPQ_COUNT(types))];
    if (strcmp(type, "Clip") == 0)
        return OP(f, "Clip", x, scalar(f, pick(f->b, 2) ? 0 : -1.0f),
                  scalar(f, 6 - (float) pick(f->b, 8)));
    return OP(f, type, x);
}

static ppq_op *softmax(fuzz *f, ppq_var *x)
{
    ppq_op *op = OP(f, "Softmax", x);
    ppq_op_set_int(f->g, op, "axis", pick(f->b, 2) ? -1 : 1);
    return op;
}

static ppq_op *product(fuzz *f, ppq_var *x)
{
    if (x->shape.rank < 2)
        return NULL;
    int64_t perm[PPQ_MAX_RANK];
    const int rank = x->shape.rank;
    for (int i = 0; i < rank; i++)
        perm[i] = i < rank - 2 ? i : 2 * rank - 3 - i;
    ppq_op *t = OP(f, "Transpose", partner(f, x));
    ppq_op_set_ints(f->g, t, "perm", perm, (size_t) rank);
    if (!keep(f, t) || !value_of(f, t->out[0]))
        return NULL;
    ppq_var *y = t->out[0];
    if (pick(f->b, 4)) {
        repeat_pair(f, t->in[0]);
        y = f->vars[f->n_vars - 1];
    }
    return OP(f, "MatMul", x, y);
}

static ppq_op *reshape(fuzz *f, ppq_var *x)
{
    const ppq_shape *s = &x->shape;
    const int64_t back[] = { 0, s->rank > 1 ? s->dim[1] : 1, -1, 1 }, flat[] = { 0, -1 },
                  tall[] = { -1, s->rank ? s->dim[s->rank - 1] : 1 }, cut[] = { 0, 2, -1, 3 };
    switch (pick(f->b, 5)) {
    case 0:
        return OP(f, "Reshape", x, int_list(f, flat, 2));
    case 1:
        return OP(f, "Reshape", x, int_list(f, tall, 2));
    case 2:
        return OP(f, "Reshape", x, int_list(f, back, 4));
    case 3:
        return OP(f, "Reshape", x, int_list(f, cut, 4));
    default:
        return OP(f, "Flatten", x);
    }
}

static ppq_op *move(fuzz *f, ppq_var *x)
{
    const int rank = x->shape.rank;
    const int64_t one[] = { 1 }, axis[] = { (int64_t) pick(f->b, 4) }, zero[] = { 0 },
                  end[] = { PICK(f->b, 2, -1, 100, 0) };
    ppq_op *op;
    switch (pick(f->b, 10)) {
    case 0: {
        int64_t perm[PPQ_MAX_RANK];
        const int shift = (int) pick(f->b, 4);
        op = OP(f, "Transpose", x);
        for (int i = 0; i < rank; i++)
            perm[i] = (i + shift) % rank;
        ppq_op_set_ints(f->g, op, "perm", perm, (size_t) rank);
        return op;
    }
    case 1:
        return OP(f, "Slice", x, int_list(f, pick(f->b, 2) ? one : zero, 1), int_list(f, end, 1),
                  int_list(f, axis, 1));
    case 2:
        op = OP(f, pick(f->b, 2) ? "SpaceToDepth" : "DepthToSpace", x);
        ppq_op_set_int(f->g, op, "blocksize", 2);
        return op;
    case 3:
        return OP(f, "Unsqueeze", x, int_list(f, axis, 1));
    case 4:
        op = OP(f, pick(f->b, 2) ? "ReduceMax" : "ReduceMin", x);
        return op;
    case 5: {
        const int64_t pads[] = { 0, 0, 1, 0, 0, 0, 0, (int64_t) pick(f->b, 3) };
        return OP(f, "Pad", x, int_list(f, pads, 8));
    }
    case 6: {
        const int64_t index[] = { 1, 0, -1 };
        op = OP(f, "Gather", x, int_list(f, index, 3));
        ppq_op_set_int(f->g, op, "axis", axis[0]);
        return op;
    }
    case 7: {
        const ppq_shape four = ppq_shape_1d(4);
        ppq_tensor t = new_tensor(PPQ_DT_F32, &four);
        for (int i = 0; i < 4; i++)
            ppq_f32(&t)[i] = i < 2 ? 1 : 2;
        op = new_op(f, "Resize", 1, (ppq_var *[]){ x, NULL, constant(f, t) }, 3);
        if (pick(f->b, 3) == 0)
            ppq_op_set_string(f->g, op, "mode", "linear");
        return op;
    }
    default:
        return reshape(f, x);
    }
}

static void split(fuzz *f, ppq_var *x)
{
    ppq_op *op = new_op(f, "Split", 2, &x, 1);
    ppq_op_set_int(f->g, op, "axis", 1);
    if (ppq_graph_opset(f->g, "") >= 18)
        ppq_op_set_int(f->g, op, "num_outputs", 2);
    const size_t before = f->n_vars;
    if (keep(f, op) && f->n_vars == before + 2)
        repeat_pair(f, x);
}

static void add_layer(fuzz *f)
{
    static ppq_op *(*const kinds[])(fuzz *, ppq_var *) = {
        conv,       conv,       conv,   conv, linear, linear, binary,  move,    binary,
        activation, activation, concat, pool, pool,   move,   softmax, product, move
    };
    ppq_var *x = any(f);
    if (f->n_vars + 8 > MAX_VARS)
        return;
    if (pick(f->b, 24) == 0) {
        split(f, x);
        return;
    }
    const uint32_t kind = pick(f->b, PPQ_COUNT(kinds));
    ppq_op *op = kinds[kind](f, x);
    if (!op || !keep(f, op) || !value_of(f, op->out[0]))
        return;
    const uint32_t how = pick(f->b, 16);
    if (how < 3 && (op = activation(f, op->out[0])) != NULL && !keep(f, op))
        return;
    if (how == 15)
        ppq_graph_mark_output(f->g, f->vars[f->n_vars - 1]);
    if (kinds[kind] == move && pick(f->b, 8))
        repeat_pair(f, x);
    else if (pick(f->b, 4))
        add_pair(f);
}

static void add_input(fuzz *f)
{
    ppq_shape s = { .rank = (int) PICK(f->b, 4, 4, 4, 3, 2, 5) };
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = i == 0   ? PICK(f->b, 1, 1, 2, 0)
                   : i == 1 ? PICK(f->b, 8, 4, 3, 1, 16, 0)
                            : PICK(f->b, 6, 5, 8, 1, 12, 3);
    ppq_var *v = ppq_graph_add_var(f->g, NULL);
    v->dtype = PPQ_DT_F32;
    v->shape = s;
    ppq_graph_mark_input(f->g, v);
    remember(f, v, normal(f->b, &s, 1));
    if (pick(f->b, 8))
        add_pair(f);
}

static void build(fuzz *f)
{
    static const int64_t opsets[] = { 13, 17, 21 };
    ppq_graph_set_opset(f->g, "", opsets[pick(f->b, PPQ_COUNT(opsets))]);
    add_input(f);
    for (int i = 0; i < MAX_OPS && f->b->n; i++)
        add_layer(f);
    for (size_t i = 0; i < f->n_vars; i++)
        if (!f->vars[i]->n_uses && f->vars[i]->producer.op && !f->vars[i]->is_output)
            ppq_graph_mark_output(f->g, f->vars[i]);
    ppq_graph_compact(f->g);
}

// ---- what must hold -------------------------------------------------------------------------

typedef struct check {
    const ppq_graph *g;
    const ppq_engine *e;
    ppq_diag *d;
    ppq_tensor *seen;  // [n_vars] what the engine gave, plain; buf NULL: not seen
    ppq_tensor *value; // [n_vars] computed in plain C, or `seen`
    double *error;     // [n_vars] how far real numbers may be from `value`
    bool saturates;    // products of computed matrices do
} check;

static void print_shape(const ppq_tensor *t)
{
    char text[128];
    fprintf(stderr, " %s", t->buf ? ppq_shape_str(&t->shape, text, sizeof(text)) : "?");
}

// The graph and the plan, for whoever has to find out.
static void describe(const check *c)
{
    for (size_t i = 0; i < c->g->n_ops; i++) {
        const ppq_op *op = c->g->ops[i];
        fprintf(stderr, "%s:", op->type);
        for (int32_t k = 0; k < op->n_in; k++) {
            const ppq_var *v = op->in[k];
            fprintf(stderr, " %s", v ? v->name : "-");
            if (v && ppq_var_is_const(v) && ppq_shape_numel(&v->shape) == 1)
                fprintf(stderr, "=%g", magnitude(&v->value));
        }
        fprintf(stderr, " ->");
        for (int32_t k = 0; k < op->n_out; k++) {
            fprintf(stderr, " %s", op->out[k] ? op->out[k]->name : "-");
            print_shape(&c->value[op->out[k] ? op->out[k]->id : 0]);
        }
        fprintf(stderr, "\n");
    }
    for (size_t i = 0; i < ppq_engine_n_steps(c->e); i++) {
        const ppq_engine_step s = ppq_engine_get_step(c->e, i);
        fprintf(stderr, "step %zu: %s, %s\n", i, s.kernel, s.op->out[0]->name);
    }
}

static bool is_byte(const ppq_tensor *t)
{
    return t->dtype == PPQ_DT_U8 || t->dtype == PPQ_DT_I8;
}

static ppq_status see(void *user, const ppq_var *v, const ppq_tensor *t)
{
    check *c = user;
    if (!is_byte(t) && t->dtype != PPQ_DT_F32)
        return PPQ_OK;
    ppq_tensor_unref(&c->seen[v->id]);
    PPQ_TRY(ppq_tensor_to_layout(t, PPQ_LAYOUT_PLAIN, NULL, &c->seen[v->id]));
    return ppq_tensor_make_unique(&c->seen[v->id]);
}

static double smallest(const ppq_tensor *t)
{
    double least = (double) INFINITY;
    for (int64_t i = 0; i < ppq_shape_numel(&t->shape); i++)
        least = fmin(least, fabs((double) ppq_f32(t)[i]));
    return least;
}

static double error_of(const check *c, const ppq_var *v)
{
    return v ? c->error[v->id] : 0;
}

// The numbers between the ends of the grid that `v` is on.
static double grid_span(const ppq_var *v)
{
    const ppq_op *dq = v->producer.op;
    double scale = 0;
    if (dq && ppq_op_is(dq, "DequantizeLinear"))
        (void) ppq_const_scalar(&dq->in[1]->value, &scale);
    return 255 * scale;
}

// By how much errors of the inputs, and rounding inside, may move what a float op gives.
static double real_error(const check *c, const ppq_op *op, const ppq_tensor *const *in,
                         const ppq_tensor *out)
{
    const double a = magnitude(in[0]), y = magnitude(out), ea = error_of(c, op->in[0]);
    const double b = op->n_in > 1 ? magnitude(in[1]) : 0,
                 eb = op->n_in > 1 ? error_of(c, op->in[1]) : 0;
    const bool is_conv = ppq_op_is(op, "Conv") || ppq_op_is(op, "ConvTranspose");
    if (is_conv || ppq_op_is(op, "Gemm") || ppq_op_is(op, "MatMul")) {
        if (c->saturates && ppq_op_is(op, "MatMul") && op->in[1]->producer.op &&
            !ppq_var_is_const(op->in[1]->producer.op->in[0]))
            return (double) INFINITY;
        const int64_t n = ppq_shape_numel(&in[1]->shape), rank = in[1]->shape.rank;
        const double terms = is_conv ? (double) n
                                     : (double) PPQ_MAX(in[1]->shape.dim[rank - 1],
                                                        in[1]->shape.dim[PPQ_MAX(rank - 2, 0)]);
        const double bias = op->n_in > 2 ? magnitude(in[2]) : 0;
        // Zero points are worked into biases, so that the whole grid counts for rounding.
        const double span = fmax(a, grid_span(op->in[0]));
        return terms * (ea * b + a * eb + ea * eb + 1e-6 * span * b) + 1e-6 * (y + bias);
    }
    if (ppq_op_is(op, "Mul"))
        return ea * b + a * eb + ea * eb + 1e-6 * y;
    if (ppq_op_is(op, "Div")) {
        const double least = smallest(in[1]) - eb;
        return least > 0 ? ea / least + a * eb / (least * least) + 1e-6 * y : (double) INFINITY;
    }
    if (ppq_op_is(op, "Exp"))
        return ea < 1 ? 3 * ea * y + 2e-5 * y : (double) INFINITY;
    double sum = 0;
    for (int32_t k = 0; k < op->n_in; k++)
        sum += error_of(c, op->in[k]);
    // Slopes are at most 1.13 or so; interpolation and means do not add.
    return 1.2 * sum + 2e-5 * fmax(a, fmax(b, y));
}

static double at(const ppq_tensor *t, int64_t i)
{
    double v;
    ppq_load_f64(t, i, 1, &v);
    return v;
}

// Real numbers that an error of `e` cannot take to another integer.
static bool is_certain(const ppq_tensor *x, double scale, double e)
{
    for (int64_t i = 0; i < ppq_shape_numel(&x->shape); i++) {
        const double q = fabs((double) ppq_f32(x)[i]) / scale;
        if (!(fabs(q - floor(q) - 0.5) > e / scale + 1e-5 * (1 + q)) && q < 1e3)
            return false;
    }
    return true;
}

// How far quantizing takes real numbers: what an op that the engine left in float does not see.
static double quantization_error(const ppq_op *q, const ppq_tensor *x, const ppq_tensor *integers)
{
    const double scale = at(&q->in[1]->value, 0), zero = at(&q->in[2]->value, 0);
    double top = 0;
    for (int64_t i = 0; i < ppq_shape_numel(&x->shape); i++)
        top = fmax(top, fabs(at(x, i) - (at(integers, i) - zero) * scale));
    return top;
}

// `want` follows from the engine's integers; the engine's own take its place from here on.
static void check_integers(check *c, const ppq_op *q, ppq_tensor *want)
{
    const ppq_var *v = q->out[0];
    const ppq_tensor *got = &c->seen[v->id], *x = &c->value[q->in[0]->id];
    const double scale = at(&q->in[1]->value, 0), e = c->error[q->in[0]->id];
    const bool left_float = ppq_engine_get_info(c->e)->n_left_float > 0;
    c->error[v->id] = left_float ? quantization_error(q, x, want) : 0;
    if (!got->buf) {
        if (!isfinite(magnitude(x)) || !is_certain(x, scale, e))
            c->error[v->id] += scale + e;
        return;
    }
    require(got->dtype == want->dtype && ppq_shape_equal(&got->shape, &want->shape),
            "integers have another type or shape", v->name, c->d);
    const double limit = 1 + floor(e / scale);
    for (int64_t i = 0; limit < 256 && i < ppq_shape_numel(&want->shape); i++)
        if (isfinite(at(x, i)) && fabs(at(got, i) - at(want, i)) > limit) {
            fprintf(stderr, "element %lld of %g x %g is %g, expected %g +- %g\n", (long long) i,
                    at(x, i), scale, at(got, i), at(want, i), limit);
            describe(c);
            require(false, "integers are more than one quantum away", v->name, c->d);
        }
    ppq_tensor_unref(want);
    *want = ppq_tensor_ref(got);
}

static void check_reals(const check *c, const ppq_var *v, const ppq_tensor *got,
                        const ppq_tensor *want)
{
    require(got->dtype == want->dtype && ppq_shape_equal(&got->shape, &want->shape),
            "a tensor has another type or shape", v->name, c->d);
    const double limit = 2 * c->error[v->id] + 1e-5 * magnitude(want);
    for (int64_t k = 0;
         isfinite(limit) && want->dtype == PPQ_DT_F32 && k < ppq_shape_numel(&want->shape); k++)
        if (!(fabs(at(got, k) - at(want, k)) <= limit)) {
            fprintf(stderr, "element %lld is %g, expected %g +- %g\n", (long long) k, at(got, k),
                    at(want, k), limit);
            describe(c);
            require(false, "a real number is too far away", v->name, c->d);
        }
}

static void check_op(check *c, const ppq_op *op)
{
    const ppq_tensor *in[MAX_SLOTS] = { NULL };
    ppq_tensor out[MAX_SLOTS] = { { .dtype = PPQ_DT_NONE } };
    require(op->n_in <= MAX_SLOTS && op->n_out <= MAX_SLOTS, "too many slots", op->type, NULL);
    for (int32_t k = 0; k < op->n_in; k++) {
        in[k] = op->in[k] ? &c->value[op->in[k]->id] : NULL;
        if (in[k] && !in[k]->buf) // behind one that nobody needs and that cannot run
            return;
    }
    if (ppq_op_eval(op, ppq_graph_opset(c->g, op->domain), in, out, c->d) != PPQ_OK)
        return;
    const bool is_dq = ppq_op_is(op, "DequantizeLinear");
    for (int32_t k = 0; k < op->n_out; k++) {
        if (!op->out[k]) {
            ppq_tensor_unref(&out[k]);
            continue;
        }
        if (ppq_op_is(op, "QuantizeLinear"))
            check_integers(c, op, &out[k]);
        else if (is_dq)
            c->error[op->out[k]->id] = error_of(c, op->in[0]) + 2e-7 * magnitude(&out[k]);
        else
            c->error[op->out[k]->id] = real_error(c, op, in, &out[k]);
        if (out[k].dtype == PPQ_DT_F32 && c->seen[op->out[k]->id].buf)
            check_reals(c, op->out[k], &c->seen[op->out[k]->id], &out[k]);
        c->value[op->out[k]->id] = out[k];
    }
}

// Everything again from what the engine gave.
static void check_all(check *c, const ppq_tensor *feeds, const ppq_tensor *got)
{
    ppq_arena *a = ppq_arena_create("fuzz");
    ppq_op **order;
    size_t n;
    for (size_t i = 0; i < c->g->n_vars; i++)
        if (ppq_var_is_const(c->g->vars[i]))
            c->value[i] = ppq_tensor_ref(&c->g->vars[i]->value);
    for (int32_t i = 0; i < c->g->n_inputs; i++)
        c->value[c->g->inputs[i]->id] = ppq_tensor_ref(&feeds[i]);
    require(ppq_graph_topo(c->g, a, &order, &n, c->d) == PPQ_OK, "there is a cycle", "graph", c->d);
    for (size_t i = 0; i < n; i++)
        check_op(c, order[i]);
    for (int32_t i = 0; i < c->g->n_outputs; i++) {
        require(c->value[c->g->outputs[i]->id].buf != NULL, "the engine runs what plain C refuses",
                c->g->outputs[i]->name, c->d);
        check_reals(c, c->g->outputs[i], &got[i], &c->value[c->g->outputs[i]->id]);
    }
    ppq_arena_destroy(a);
}

static void *new_list(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    require(p != NULL, "no memory", "list", NULL);
    return p;
}

static void run_again(ppq_engine *e, const ppq_graph *g, const ppq_tensor *feeds,
                      const ppq_tensor *before, ppq_diag *d)
{
    ppq_tensor *out = new_list((size_t) g->n_outputs, sizeof(*out));
    require(ppq_engine_run(e, feeds, out, NULL, NULL, d) == PPQ_OK, "it runs once only", "engine",
            d);
    for (int32_t i = 0; i < g->n_outputs; i++) {
        require(ppq_tensor_equal(&before[i], &out[i]), "a second run gives something else",
                g->outputs[i]->name, d);
        ppq_tensor_unref(&out[i]);
    }
    free(out);
}

static void run_engine(fuzz *f, const ppq_graph *g, const ppq_engine_opts *o,
                       const ppq_tensor *feeds)
{
    ppq_engine *e;
    require(ppq_engine_create(g, o, &e, f->d) == PPQ_OK, "no plan", "engine", f->d);
    check c = { .g = g,
                .e = e,
                .d = f->d,
                .seen = new_list(g->n_vars, sizeof(ppq_tensor)),
                .value = new_list(g->n_vars, sizeof(ppq_tensor)),
                .error = new_list(g->n_vars, sizeof(double)),
                .saturates = o->eager && !ppq_dnnl_exact_u8s8() };
    const ppq_engine_tap tap = { .user = &c, .see = see };
    ppq_tensor *out = new_list((size_t) g->n_outputs, sizeof(*out));
    require(ppq_engine_run(e, feeds, out, &tap, NULL, f->d) == PPQ_OK, "no run", "engine", f->d);
    run_again(e, g, feeds, out, f->d);
    check_all(&c, feeds, out);
    for (int32_t i = 0; i < g->n_outputs; i++)
        ppq_tensor_unref(&out[i]);
    for (size_t i = 0; i < g->n_vars; i++) {
        ppq_tensor_unref(&c.seen[i]);
        ppq_tensor_unref(&c.value[i]);
    }
    free(out);
    free(c.seen);
    free(c.value);
    free(c.error);
    ppq_engine_destroy(e);
}

static bool plain_runs(const ppq_graph *g, const ppq_tensor *feeds, ppq_diag *d)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .reference = true };
    ppq_exec *e;
    if (ppq_exec_create(g, &o, &e, d) != PPQ_OK)
        return false;
    ppq_tensor *out = new_list((size_t) g->n_outputs, sizeof(*out));
    const ppq_status st = ppq_exec_run(e, feeds, out, NULL, d);
    for (int32_t i = 0; i < g->n_outputs; i++)
        ppq_tensor_unref(&out[i]);
    free(out);
    ppq_exec_destroy(e);
    return st == PPQ_OK;
}

static bool *tapped_integers(const ppq_graph *g)
{
    bool *tapped = new_list(g->n_vars, sizeof(bool));
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_op *op = g->vars[i]->producer.op;
        tapped[i] = op && ppq_op_is(op, "QuantizeLinear");
    }
    return tapped;
}

static void run_shape(fuzz *f, const ppq_tensor *feeds, uint32_t how)
{
    const bool taps = how & 1;
    ppq_graph *lowered = NULL;
    const bool runs = plain_runs(f->g, feeds, f->d);
    ppq_engine_opts o = { .n_threads = 1 + (how >> 1 & 1),
                          .eager = how >> 2 & 1,
                          .exact = how >> 3 & 1,
                          .isa = (int) ((how >> 5) % ((uint32_t) ppq_isa_detect() + 2)) };
    const bool as_is = how >> 4 & 1;
    const ppq_shape shape = feeds[0].shape;
    if (!runs) // a refusal is all that is asked for
        return;
    if (!as_is)
        require(ppq_lower_graph(f->g, feeds, &lowered, f->d) == PPQ_OK, "no lowering", "graph",
                f->d);
    const ppq_graph *g = as_is ? f->g : lowered;
    bool *tapped = taps ? tapped_integers(g) : NULL;
    o.tapped = tapped;
    o.shapes = as_is ? &shape : NULL;
    run_engine(f, g, &o, feeds);
    free(tapped);
    ppq_graph_destroy(lowered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes b = { data, PPQ_MIN(size, 1000), ppq_rng_seed(size, 7) };
    fuzz f = { .b = &b, .g = ppq_graph_create(), .d = ppq_diag_create(NULL, NULL) };
    const uint32_t how = pick(&b, 256);
    alarm(SECONDS);
    build(&f);
    require(ppq_graph_verify(f.g, f.d) == PPQ_OK, "a graph that was built does not verify", "graph",
            f.d);
    const char *path = getenv("PPQ_FUZZ_WRITE"); // keep the model
    const ppq_onnx_write_opts plain = { .external = false };
    if (path)
        require(ppq_onnx_write_file(f.g, path, &plain, f.d) == PPQ_OK, "not written", path, f.d);
    if (f.g->n_outputs) {
        ppq_var *x = f.g->inputs[0];
        ppq_tensor first = ppq_tensor_ref(&f.values[0]);
        run_shape(&f, &first, how);
        ppq_shape other = x->shape;
        other.dim[0] += 1;
        other.dim[other.rank - 1] += pick(&b, 3);
        for (int i = 0; i < other.rank; i++)
            x->shape.dim[i] = PPQ_DIM_UNKNOWN;
        for (size_t i = 0; i < f.g->n_vars; i++)
            if (f.g->vars[i]->producer.op)
                f.g->vars[i]->shape.rank = -1;
        ppq_tensor second = normal(&b, &other, 1);
        run_shape(&f, &second, how ^ pick(&b, 32));
        ppq_tensor_unref(&first);
        ppq_tensor_unref(&second);
    }
    alarm(0);
    for (size_t i = 0; i < f.n_vars; i++)
        ppq_tensor_unref(&f.values[i]);
    ppq_graph_destroy(f.g);
    ppq_diag_destroy(f.d);
    return 0;
}
