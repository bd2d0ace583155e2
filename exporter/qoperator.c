#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/quantfn.h"
#include "exporter/linear.h"
#include "exporter/onnx_writer.h"
#include "exporter/qdq.h"

// The graph that `qdq` writes with every DQ..op..Q turned into one operator on integers: those of
// ai.onnx where they exist, else ONNX Runtime's own. What has none stays float between its DQ and
// Q. A DQ goes when its last reader went.

// Which inputs the integer operator takes. A tensor is a triple: values, scale, zero point.
typedef enum form {
    FORM_CONV,   // x, w, scale and zero point of y, int32 bias
    FORM_GEMM,   // a, b, int32 bias, scale and zero point of y (left out: y is float)
    FORM_MATMUL, // a, b, scale and zero point of y
    FORM_VALUES, // every input, scale and zero point of y
    FORM_CONCAT, // scale and zero point of y, every input
    FORM_MOVE,   // the same operator on integers: y has x's scale and zero point
} form;

typedef struct rule {
    const char *type, *becomes, *domain;
    form form;
} rule;

#define ONNX      ""
#define MICROSOFT "com.microsoft"
#define MOVE(type)                      \
    {                                   \
        (type), (type), ONNX, FORM_MOVE \
    }

static const rule rules[] = {
    { "Conv", "QLinearConv", ONNX, FORM_CONV },
    { "Gemm", "QGemm", MICROSOFT, FORM_GEMM },
    { "MatMul", "QLinearMatMul", ONNX, FORM_MATMUL },
    { "Add", "QLinearAdd", MICROSOFT, FORM_VALUES },
    { "Mul", "QLinearMul", MICROSOFT, FORM_VALUES },
    { "Sigmoid", "QLinearSigmoid", MICROSOFT, FORM_VALUES },
    { "LeakyRelu", "QLinearLeakyRelu", MICROSOFT, FORM_VALUES },
    { "AveragePool", "QLinearAveragePool", MICROSOFT, FORM_VALUES },
    { "GlobalAveragePool", "QLinearGlobalAveragePool", MICROSOFT, FORM_VALUES },
    { "Softmax", "QLinearSoftmax", MICROSOFT, FORM_VALUES },
    { "Concat", "QLinearConcat", MICROSOFT, FORM_CONCAT },
    MOVE("MaxPool"),
    MOVE("Reshape"),
    MOVE("Flatten"),
    MOVE("Transpose"),
    MOVE("Squeeze"),
    MOVE("Unsqueeze"),
    MOVE("Slice"),
    MOVE("Gather"),
    MOVE("Expand"),
    MOVE("Tile"),
    MOVE("Split"),
    MOVE("Resize"),
    MOVE("DepthToSpace"),
    MOVE("ReduceMax"),
    MOVE("ReduceMin"),
};

static const rule *rule_of(const ppq_op *op)
{
    for (size_t i = 0; i < PPQ_COUNT(rules); i++)
        if (ppq_op_is(op, rules[i].type))
            return &rules[i];
    return NULL;
}

// ---- what may be taken in -------------------------------------------------------------------

static bool is_byte(ppq_dtype dt)
{
    return dt == PPQ_DT_I8 || dt == PPQ_DT_U8;
}

// A Q or DQ with constant scale and zero point.
static bool is_constant_grid(const ppq_op *op)
{
    return op->n_in > 2 && ppq_var_is_const(op->in[1]) && ppq_var_is_const(op->in[2]) &&
           op->in[1]->dtype == PPQ_DT_F32;
}

static int64_t n_scales(const ppq_op *linear)
{
    return ppq_shape_numel(&linear->in[1]->shape);
}

// The DQ of 8-bit values that makes input k, or NULL.
static ppq_op *stored(const ppq_op *op, int32_t k)
{
    ppq_op *dq = ppq_maker(op, k);
    return ppq_is_dq(dq) && is_constant_grid(dq) && dq->in[0] && is_byte(dq->in[0]->dtype) ? dq
                                                                                           : NULL;
}

static ppq_op *stored_whole(const ppq_op *op, int32_t k)
{
    ppq_op *dq = stored(op, k);
    return dq && n_scales(dq) == 1 ? dq : NULL;
}

// The Q behind output k when it yields 8-bit values with one scale, or NULL.
static ppq_op *quantized(const ppq_op *op, int32_t k)
{
    ppq_op *q = k < op->n_out ? ppq_q_behind(op->out[k]) : NULL;
    return q && is_constant_grid(q) && n_scales(q) == 1 && is_byte(q->out[0]->dtype) ? q : NULL;
}

static ppq_dtype type_of(const ppq_op *dq)
{
    return dq->in[0]->dtype;
}

static bool is_one(float v)
{
    return !(v < 1 || v > 1);
}

// Kernels exist for u8 with anything and for s8 with s8.
static bool can_multiply(const ppq_op *a, const ppq_op *b)
{
    return type_of(a) == PPQ_DT_U8 || type_of(b) == PPQ_DT_I8;
}

// One scale, or one per column of the product, along `axis` of a matrix.
static bool scales_fit(const ppq_op *b, int axis)
{
    return n_scales(b) == 1 || (b->in[0]->shape.rank == 2 && ppq_op_attr_int(b, "axis", 1) == axis);
}

// ---- building -------------------------------------------------------------------------------

typedef struct rewriter {
    ppq_graph *g;
    ppq_diag *d;
    ppq_var **in; // of the op being built; room for the largest
    int32_t n_in;
    bool microsoft; // an operator of that domain is used
} rewriter;

static void push(rewriter *w, ppq_var *v)
{
    w->in[w->n_in++] = v;
}

static void push_stored(rewriter *w, const ppq_op *dq)
{
    for (int k = 0; k < 3; k++)
        push(w, dq->in[k]);
}

static void push_grid(rewriter *w, const ppq_op *q)
{
    push(w, q->in[1]);
    push(w, q->in[2]);
}

// `op` writes what `q` wrote.
static void take_output(rewriter *w, ppq_op *op, int32_t k, ppq_op *q)
{
    ppq_var *y = q->out[0];
    ppq_graph_set_output(w->g, q, 0, NULL);
    ppq_graph_remove_op(w->g, q);
    ppq_graph_set_output(w->g, op, k, NULL);
    ppq_graph_set_output(w->g, op, k, y);
}

// Turns `op` into an operator that reads what was pushed.
static void become(rewriter *w, ppq_op *op, const char *domain, const char *type)
{
    const int32_t n = PPQ_MAX(op->n_in, w->n_in);
    ppq_graph_resize_inputs(w->g, op, n);
    for (int32_t k = 0; k < n; k++)
        ppq_graph_set_input(w->g, op, k, k < w->n_in ? w->in[k] : NULL);
    ppq_graph_resize_inputs(w->g, op, w->n_in);
    op->type = type;
    op->domain = domain;
    op->def = ppq_op_def_find(domain, type);
    w->microsoft |= domain[0] != 0;
}

// ---- biases ---------------------------------------------------------------------------------

static bool read_bias(const ppq_op *op, int32_t k, int64_t n, double *out)
{
    const ppq_op *dq = ppq_maker(op, k);
    const bool integer = ppq_is_dq(dq) && ppq_var_is_const(dq->in[0]) &&
                         dq->in[0]->dtype == PPQ_DT_I32 && ppq_var_is_const(dq->in[1]);
    const ppq_var *v = integer ? dq->in[0] : op->in[k];
    if (!ppq_var_is_const(v) || (!integer && v->dtype != PPQ_DT_F32) || v->shape.rank != 1 ||
        v->shape.dim[0] != n)
        return false;
    const int64_t n_scale = integer ? n_scales(dq) : 1;
    if (n_scale != 1 && n_scale != n)
        return false;
    for (int64_t i = 0; i < n; i++)
        out[i] = integer ? (double) ((const int32_t *) ppq_tensor_data(&v->value))[i] *
                               (double) ppq_f32(&dq->in[1]->value)[n_scale == 1 ? 0 : i]
                         : (double) ppq_f32(&v->value)[i];
    return true;
}

// Input k when it is a constant vector of n reals: a DQ of int32 values, or float32. NULL
// otherwise; the caller's to free.
static double *real_bias(const ppq_op *op, int32_t k, int64_t n)
{
    double *real = n > 0 ? calloc((size_t) n, sizeof(*real)) : NULL;
    if (real && read_bias(op, k, n, real))
        return real;
    free(real);
    return NULL;
}

// Input k as int32 in units of a's scale times b's, n values. NULL when there is no such constant.
static ppq_var *make_bias(rewriter *w, const ppq_op *op, int32_t k, const ppq_op *a,
                          const ppq_op *b, int64_t n)
{
    const ppq_shape shape = ppq_shape_1d(n);
    ppq_tensor t;
    double *real = real_bias(op, k, n);
    if (!real || (n_scales(b) != 1 && n_scales(b) != n) ||
        ppq_tensor_alloc(&t, PPQ_DT_I32, &shape) != PPQ_OK) {
        free(real);
        return NULL;
    }
    int32_t *q = ppq_tensor_data(&t);
    const float *sb = ppq_f32(&b->in[1]->value);
    bool fits = true;
    for (int64_t i = 0; i < n; i++) {
        const double unit =
            (double) ppq_f32(&a->in[1]->value)[0] * (double) sb[n_scales(b) == 1 ? 0 : i];
        const double v = ppq_round(real[i] / unit, PPQ_ROUND_HALF_EVEN);
        fits = fits && fabs(v) <= 2147483647.0;
        q[i] = fits ? (int32_t) v : 0;
    }
    free(real);
    if (!fits) {
        ppq_tensor_unref(&t);
        return NULL;
    }
    return ppq_graph_add_const(w->g, ppq_arena_printf(w->g->arena, "%s_bias_int32", op->name), &t);
}

// The same as float32.
static ppq_var *make_float_bias(rewriter *w, const ppq_op *op, int32_t k, int64_t n)
{
    const ppq_shape shape = ppq_shape_1d(n);
    ppq_tensor t;
    double *real = real_bias(op, k, n);
    if (!real || ppq_tensor_alloc(&t, PPQ_DT_F32, &shape) != PPQ_OK) {
        free(real);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        ppq_f32(&t)[i] = (float) real[i];
    free(real);
    return ppq_graph_add_const(w->g, ppq_arena_printf(w->g->arena, "%s_bias", op->name), &t);
}

// ---- one op ---------------------------------------------------------------------------------

static void rewrite_conv(rewriter *w, ppq_op *op, const rule *r)
{
    ppq_op *x = stored_whole(op, 0), *weight = stored(op, 1), *q = quantized(op, 0);
    if (!x || !weight || !q || type_of(x) != q->out[0]->dtype || !can_multiply(x, weight))
        return;
    if (n_scales(weight) != 1 && ppq_op_attr_int(weight, "axis", 1) != 0)
        return;
    ppq_var *bias = NULL;
    if (op->n_in > 2 && op->in[2]) {
        bias = make_bias(w, op, 2, x, weight, weight->in[0]->shape.dim[0]);
        if (!bias)
            return;
    }
    push_stored(w, x);
    push_stored(w, weight);
    push_grid(w, q);
    if (bias)
        push(w, bias);
    take_output(w, op, 0, q);
    become(w, op, r->domain, r->becomes);
}

static void rewrite_gemm(rewriter *w, ppq_op *op, const rule *r)
{
    ppq_op *a = stored_whole(op, 0), *b = stored(op, 1), *q = quantized(op, 0);
    const bool transposed = ppq_op_attr_int(op, "transB", 0) != 0;
    if (!a || !b || !can_multiply(a, b) || (q && q->out[0]->dtype != type_of(a)) ||
        !scales_fit(b, transposed ? 0 : 1) || !is_one(ppq_op_attr_float(op, "alpha", 1)) ||
        !is_one(ppq_op_attr_float(op, "beta", 1)))
        return;
    ppq_var *bias = NULL;
    if (op->n_in > 2 && op->in[2]) {
        const ppq_shape *s = &b->in[0]->shape;
        bias = s->rank == 2 ? make_bias(w, op, 2, a, b, s->dim[transposed ? 0 : 1]) : NULL;
        if (!bias)
            return;
    }
    push_stored(w, a);
    push_stored(w, b);
    push(w, bias);
    if (q) {
        push_grid(w, q);
        take_output(w, op, 0, q);
    }
    ppq_op_remove_attr(op, "beta");
    become(w, op, r->domain, r->becomes);
}

// The Add that a product alone feeds with a bias per column; *slot is the bias's.
static ppq_op *bias_add(const ppq_op *mul, int32_t *slot)
{
    const ppq_var *v = mul->out[0];
    if (!v || v->n_uses != 1 || v->is_output || !ppq_op_is(v->uses[0].op, "Add"))
        return NULL;
    *slot = 1 - v->uses[0].slot;
    return v->uses[0].op;
}

// a, b -> float: the product in int32, its scale, and the bias.
static void become_float_product(rewriter *w, ppq_op *op, const ppq_op *a, const ppq_op *b,
                                 ppq_var *bias)
{
    for (int k = 0; k < 3; k++) {
        push(w, a->in[k]);
        push(w, b->in[k]);
    }
    if (bias)
        push(w, bias);
    become(w, op, MICROSOFT, "MatMulIntegerToFloat");
}

static void rewrite_matmul(rewriter *w, ppq_op *op, const rule *r)
{
    ppq_op *a = stored_whole(op, 0), *b = stored(op, 1), *q = quantized(op, 0);
    if (!a || !b || !can_multiply(a, b) || !scales_fit(b, 1))
        return;
    int32_t slot = 0;
    ppq_op *add = bias_add(op, &slot);
    const ppq_shape *s = &b->in[0]->shape;
    const int64_t n = s->rank == 2 ? s->dim[1] : 0;
    ppq_op *behind = add ? quantized(add, 0) : NULL;
    ppq_var *bias = NULL;
    if (behind && behind->out[0]->dtype == type_of(a) && a->in[0]->shape.rank == 2 &&
        (bias = make_bias(w, add, slot, a, b, n))) {
        push_stored(w, a);
        push_stored(w, b);
        push(w, bias);
        push_grid(w, behind);
        take_output(w, add, 0, behind);
        become(w, add, MICROSOFT, "QGemm");
        ppq_graph_remove_op(w->g, op);
    } else if (add && (bias = make_float_bias(w, add, slot, n))) {
        become_float_product(w, add, a, b, bias);
        ppq_graph_remove_op(w->g, op);
    } else if (q && q->out[0]->dtype == type_of(a)) {
        push_stored(w, a);
        push_stored(w, b);
        push_grid(w, q);
        take_output(w, op, 0, q);
        become(w, op, r->domain, r->becomes);
    } else {
        become_float_product(w, op, a, b, NULL);
    }
}

static bool attributes_fit(const ppq_op *op)
{
    const int64_t *d;
    const size_t n = ppq_op_attr_ints(op, "dilations", &d);
    for (size_t i = 0; i < n; i++)
        if (ppq_op_is(op, "AveragePool") && d[i] != 1)
            return false;
    return true;
}

static void set_attributes(rewriter *w, ppq_op *op)
{
    if (ppq_op_is(op, "AveragePool"))
        ppq_op_remove_attr(op, "dilations");
    // ONNX Runtime's operator needs to be told which Softmax is meant; all models are at 13.
    if (ppq_op_is(op, "Softmax")) {
        ppq_op_set_int(w->g, op, "axis", ppq_op_attr_int(op, "axis", -1));
        ppq_op_set_int(w->g, op, "opset", 13);
    }
}

static void rewrite_values(rewriter *w, ppq_op *op, const rule *r)
{
    ppq_op *q = quantized(op, 0);
    if (!q || !attributes_fit(op))
        return;
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_op *dq = stored_whole(op, k);
        if (!dq || type_of(dq) != q->out[0]->dtype)
            return;
    }
    if (r->form == FORM_CONCAT)
        push_grid(w, q);
    for (int32_t k = 0; k < op->n_in; k++)
        push_stored(w, ppq_maker(op, k));
    if (r->form != FORM_CONCAT)
        push_grid(w, q);
    take_output(w, op, 0, q);
    set_attributes(w, op);
    become(w, op, r->domain, r->becomes);
}

// Integers move as they are when both sides have one grid. Outputs that carry no values (indices)
// do not matter.
static void rewrite_move(rewriter *w, ppq_op *op)
{
    ppq_op *dq = stored_whole(op, 0);
    if (!dq || (ppq_op_is(op, "Resize") && ppq_op_attr(op, "mode") &&
                !ppq_op_attr_is(op, "mode", "nearest")))
        return;
    for (int32_t k = 0; k < op->n_out; k++) {
        const ppq_op *q = quantized(op, k);
        if (op->out[k] && ppq_op_out_plane(op, k) == PPQ_PLANE_DATA &&
            (!q || !ppq_same_grid(dq, q)))
            return;
    }
    ppq_graph_set_input(w->g, op, 0, dq->in[0]);
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && ppq_op_out_plane(op, k) == PPQ_PLANE_DATA)
            take_output(w, op, k, quantized(op, k));
}

static void rewrite_op(rewriter *w, ppq_op *op)
{
    const rule *r = rule_of(op);
    if (!r)
        return;
    w->n_in = 0;
    switch (r->form) {
    case FORM_CONV:
        rewrite_conv(w, op, r);
        break;
    case FORM_GEMM:
        rewrite_gemm(w, op, r);
        break;
    case FORM_MATMUL:
        rewrite_matmul(w, op, r);
        break;
    case FORM_VALUES:
    case FORM_CONCAT:
        rewrite_values(w, op, r);
        break;
    case FORM_MOVE:
        rewrite_move(w, op);
        break;
    }
}

// ---- activations ----------------------------------------------------------------------------

// The bounds of a Relu or Clip as integers of the grid of `q`. False for other ops.
static bool integer_bounds(const ppq_op *act, const ppq_op *q, int32_t bound[2])
{
    float real[2] = { ppq_op_is(act, "Relu") ? 0 : -INFINITY, INFINITY };
    if (!ppq_op_is(act, "Relu") && !ppq_op_is(act, "Clip"))
        return false;
    for (int32_t k = 1; k < act->n_in && k < 3; k++) {
        double v;
        if (!act->in[k])
            continue;
        if (!ppq_const_scalar(&act->in[k]->value, &v))
            return false;
        real[k - 1] = (float) v;
    }
    double zero;
    if (!ppq_const_scalar(&q->in[2]->value, &zero))
        return false;
    const bool is_signed = q->out[0]->dtype == PPQ_DT_I8;
    const ppq_qparam p = { ppq_f32(&q->in[1]->value)[0], (float) zero, is_signed ? -128 : 0,
                           is_signed ? 127 : 255, PPQ_ROUND_HALF_EVEN };
    ppq_quantize_i32(real, bound, 2, &p);
    return true;
}

static ppq_var *byte_constant(rewriter *w, const ppq_op *op, const char *what, ppq_dtype dt,
                              int32_t value)
{
    const ppq_shape scalar = { .rank = 0 };
    ppq_tensor t;
    if (ppq_tensor_alloc(&t, dt, &scalar) != PPQ_OK)
        return NULL;
    *(uint8_t *) ppq_tensor_data(&t) = (uint8_t) value;
    return ppq_graph_add_const(w->g, ppq_arena_printf(w->g->arena, "%s_%s", op->name, what), &t);
}

// Rounding is monotone, so clamping and quantizing may change places: op, Relu, Q becomes op, Q,
// Clip on integers, and the op can be taken in.
static void clamp_integers(rewriter *w, ppq_op *act)
{
    ppq_op *q = quantized(act, 0);
    int32_t bound[2];
    if (!q || !act->in[0] || !integer_bounds(act, q, bound))
        return;
    const ppq_dtype dt = q->out[0]->dtype;
    ppq_var *x = act->in[0], *y = q->out[0];
    ppq_var *lo = byte_constant(w, act, "min", dt, bound[0]);
    ppq_var *hi = byte_constant(w, act, "max", dt, bound[1]);
    if (!lo || !hi)
        return;
    ppq_var *mid = ppq_graph_add_var(w->g, ppq_arena_printf(w->g->arena, "%s_quantized", x->name));
    mid->dtype = dt;
    mid->shape = x->shape;
    ppq_graph_set_input(w->g, q, 0, x);
    ppq_graph_set_output(w->g, q, 0, NULL);
    ppq_graph_set_output(w->g, q, 0, mid);
    ppq_graph_set_output(w->g, act, 0, NULL);
    ppq_graph_set_output(w->g, act, 0, y);
    w->n_in = 0;
    push(w, mid);
    push(w, lo);
    push(w, hi);
    become(w, act, ONNX, "Clip");
}

// ---- the whole graph ------------------------------------------------------------------------

// A DQ straight into a Q of the same grid.
static void drop_pair(rewriter *w, ppq_op *q)
{
    const ppq_op *dq = ppq_maker(q, 0);
    if (!ppq_is_dq(dq) || !ppq_same_grid(dq, q) || q->out[0]->is_output || !dq->in[0] ||
        dq->in[0]->dtype != q->out[0]->dtype)
        return;
    ppq_graph_replace_uses(w->g, q->out[0], dq->in[0]);
    ppq_graph_remove_op(w->g, q);
}

static void rewrite(rewriter *w)
{
    const size_t n = w->g->n_ops;
    int32_t widest = 3;
    for (size_t i = 0; i < n; i++)
        widest = PPQ_MAX(widest, w->g->ops[i]->n_in);
    w->in = calloc(3 * (size_t) widest + 3, sizeof(*w->in));
    if (!w->in)
        abort();
    for (size_t i = 0; i < n; i++)
        if (ppq_op_has_trait(w->g->ops[i], PPQ_OP_ACTIVATION))
            clamp_integers(w, w->g->ops[i]);
    for (size_t i = 0; i < n; i++)
        if (ppq_is_q(w->g->ops[i]))
            drop_pair(w, w->g->ops[i]);
    for (size_t i = 0; i < n; i++)
        if (!w->g->ops[i]->dead)
            rewrite_op(w, w->g->ops[i]);
    for (size_t i = 0; i < n; i++) {
        ppq_op *op = w->g->ops[i];
        if (!op->dead && ppq_is_dq(op) && op->out[0] && !op->out[0]->n_uses &&
            !op->out[0]->is_output)
            ppq_graph_remove_op(w->g, op);
    }
    free(w->in);
    if (w->microsoft)
        ppq_graph_set_opset(w->g, MICROSOFT, 1);
    ppq_graph_compact(w->g);
}

static ppq_status write(const ppq_export_env *e)
{
    rewriter w = { .d = e->diag };
    PPQ_TRY(ppq_qdq_graph(e->graph, &w.g, e->diag));
    rewrite(&w);
    const ppq_onnx_write_opts o = { .external = e->graph->had_external_data };
    ppq_status st = ppq_graph_verify(w.g, e->diag);
    if (st == PPQ_OK)
        st = ppq_onnx_write_file(w.g, e->path, &o, e->diag);
    ppq_graph_destroy(w.g);
    return st;
}

const ppq_exporter ppq_exporter_qoperator = {
    .name = "qoperator",
    .summary = "ONNX with operators on integers (QLinearConv, QGemm, ...), for ONNX Runtime",
    .suffix = ".onnx",
    .check = ppq_qdq_check,
    .write = write,
};
