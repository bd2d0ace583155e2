#include <math.h>

#include "passes/rewrite.h"

// Operators that carry their scales (QLinearConv, QGemm, ...) become DequantizeLinear, the operator
// on real numbers and QuantizeLinear; operators that run on the integers in between get the grid of
// what they read on both sides. So the rules for Q/DQ pairs serve both spellings. What has no
// constant scales stays as it is.

#define MICROSOFT "com.microsoft"

// Slots of a stored tensor. Slot 0 of `zero` and `bias` stands for none: nothing has it there.
typedef struct slots {
    int value, scale, zero;
} slots;

typedef struct rule {
    const char *type, *domain, *becomes;
    int n_args;      // 0: any number, as of QLinearConcat
    slots arg[2];    // arg[1] may have a scale per output channel
    int scale, zero; // of the output; scale 0: it is float
    int bias;
    bool is_float_bias;
} rule;

static const rule rules[] = {
    { "QLinearConv", "", "Conv", 2, { { 0, 1, 2 }, { 3, 4, 5 } }, 6, 7, 8 },
    { "QLinearMatMul", "", "MatMul", 2, { { 0, 1, 2 }, { 3, 4, 5 } }, 6, 7 },
    { "QLinearMatMul", MICROSOFT, "MatMul", 2, { { 0, 1, 2 }, { 3, 4, 5 } }, 6, 7 },
    { "QGemm", MICROSOFT, "Gemm", 2, { { 0, 1, 2 }, { 3, 4, 5 } }, 7, 8, 6 },
    { "MatMulIntegerToFloat", MICROSOFT, "MatMul", 2, { { 0, 2, 4 }, { 1, 3, 5 } }, 0, 0, 6, true },
    { "QLinearAdd", MICROSOFT, "Add", 2, { { 0, 1, 2 }, { 3, 4, 5 } }, 6, 7 },
    { "QLinearMul", MICROSOFT, "Mul", 2, { { 0, 1, 2 }, { 3, 4, 5 } }, 6, 7 },
    { "QLinearSigmoid", MICROSOFT, "Sigmoid", 1, { { 0, 1, 2 } }, 3, 4 },
    { "QLinearLeakyRelu", MICROSOFT, "LeakyRelu", 1, { { 0, 1, 2 } }, 3, 4 },
    { "QLinearAveragePool", MICROSOFT, "AveragePool", 1, { { 0, 1, 2 } }, 3, 4 },
    { "QLinearGlobalAveragePool", MICROSOFT, "GlobalAveragePool", 1, { { 0, 1, 2 } }, 3, 4 },
    { "QLinearSoftmax", MICROSOFT, "Softmax", 1, { { 0, 1, 2 } }, 3, 4 },
    { "QLinearConcat", MICROSOFT, "Concat", 0, { { 2, 3, 4 } }, 0, 1 },
};

static const rule *rule_of(const ppq_op *op)
{
    for (size_t i = 0; i < PPQ_COUNT(rules); i++)
        if (strcmp(op->type, rules[i].type) == 0 && strcmp(op->domain, rules[i].domain) == 0)
            return &rules[i];
    return NULL;
}

static bool is_of(const ppq_op *op, const char *type)
{
    return strcmp(op->domain, MICROSOFT) == 0 && strcmp(op->type, type) == 0;
}

// ---- grids ----------------------------------------------------------------------------------

// Scale and zero point of integers, both constant; `zero` NULL means 0. One of each, or one per
// slice of `axis`.
typedef struct grid {
    ppq_var *scale, *zero;
    int axis;
} grid;

typedef struct rewriter {
    ppq_graph *g;
    grid *of; // [n_vars] the grid that 8-bit integers are known to be on; scale NULL: unknown
    size_t n_vars;
} rewriter;

static bool is_byte(const ppq_var *v)
{
    return v && (v->dtype == PPQ_DT_I8 || v->dtype == PPQ_DT_U8);
}

static int64_t count(const ppq_var *v)
{
    return ppq_shape_numel(&v->shape);
}

static ppq_var *input(const ppq_op *op, int slot)
{
    return slot < op->n_in ? op->in[slot] : NULL;
}

static bool same_value(const ppq_var *a, const ppq_var *b)
{
    return a == b || (a && b && ppq_tensor_equal(&a->value, &b->value));
}

static bool same_grid(const grid *a, const grid *b)
{
    return same_value(a->scale, b->scale) && same_value(a->zero, b->zero);
}

// Reads the grid of 8-bit integers `v`; `axis` -1: it must be one for all.
static bool read_grid(const ppq_var *v, ppq_var *scale, ppq_var *zero, int axis, grid *out)
{
    *out = (grid){ scale, zero, axis };
    if (!is_byte(v) || !ppq_var_is_const(scale) || scale->dtype != PPQ_DT_F32 ||
        scale->shape.rank > 1 || count(scale) < 1 ||
        (zero && (!ppq_var_is_const(zero) || zero->dtype != v->dtype ||
                  (count(zero) != 1 && count(zero) != count(scale)))))
        return false;
    return count(scale) == 1 ||
           (axis >= 0 && axis < v->shape.rank && v->shape.dim[axis] == count(scale));
}

static bool read_slots(const ppq_op *op, const slots *s, int axis, grid *out)
{
    return read_grid(input(op, s->value), input(op, s->scale), s->zero ? input(op, s->zero) : NULL,
                     axis, out);
}

static void know_grid(rewriter *w, const ppq_var *v, const grid *at)
{
    if (v->id < w->n_vars)
        w->of[v->id] = *at;
}

static const grid *grid_of(const rewriter *w, const ppq_var *v)
{
    return v && v->id < w->n_vars && w->of[v->id].scale ? &w->of[v->id] : NULL;
}

// ---- building -------------------------------------------------------------------------------

static ppq_op *add_op(rewriter *w, const char *type, const char *name, const char *what, int n_in)
{
    ppq_op *op = ppq_graph_add_op(w->g, "", type,
                                  ppq_arena_printf(w->g->arena, "%s_%s", name, what), n_in, 1);
    op->def = ppq_op_def_find("", type);
    return op;
}

static ppq_var *add_real(rewriter *w, const ppq_var *of, const char *what)
{
    ppq_var *v = ppq_graph_add_var(w->g, ppq_arena_printf(w->g->arena, "%s_%s", of->name, what));
    v->dtype = PPQ_DT_F32;
    v->shape = of->shape;
    return v;
}

// As many zero points as there are scales; NULL where the type alone says it.
static ppq_status fit_zero(rewriter *w, const ppq_var *v, grid *at)
{
    if (at->zero ? count(at->zero) == count(at->scale) : v->dtype == PPQ_DT_U8)
        return PPQ_OK;
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, v->dtype, &at->scale->shape));
    const uint8_t *one = at->zero ? ppq_tensor_data(&at->zero->value) : NULL;
    memset(ppq_tensor_data(&t), one ? *one : 0, ppq_tensor_bytes(&t));
    at->zero = ppq_graph_add_const(w->g, NULL, &t);
    return PPQ_OK;
}

static bool is_dequantizer(const ppq_op *op, const grid *at)
{
    return ppq_op_is(op, "DequantizeLinear") && op->out[0] && op->n_in > 1 &&
           same_value(op->in[1], at->scale) && same_value(input(op, 2), at->zero) &&
           !ppq_op_attr(op, "block_size") && !ppq_op_attr(op, "output_dtype") &&
           (count(at->scale) == 1 || ppq_op_attr_int(op, "axis", 1) == at->axis);
}

// The real numbers behind integers: one DequantizeLinear for all readers.
static ppq_var *dequantized(rewriter *w, ppq_var *x, const grid *at)
{
    for (int32_t u = x->n_uses - 1; u >= 0; u--)
        if (x->uses[u].slot == 0 && is_dequantizer(x->uses[u].op, at))
            return x->uses[u].op->out[0];
    ppq_op *dq = add_op(w, "DequantizeLinear", x->name, "dequantize", at->zero ? 3 : 2);
    ppq_graph_set_input(w->g, dq, 0, x);
    ppq_graph_set_input(w->g, dq, 1, at->scale);
    if (at->zero)
        ppq_graph_set_input(w->g, dq, 2, at->zero);
    if (count(at->scale) > 1)
        ppq_op_set_int(w->g, dq, "axis", at->axis);
    ppq_graph_set_output(w->g, dq, 0, add_real(w, x, "dequantized"));
    return dq->out[0];
}

// What `op` puts out gets another writer. The op writes real numbers instead.
static ppq_var *detach_output(rewriter *w, ppq_op *op, int32_t slot)
{
    ppq_var *y = op->out[slot], *real = add_real(w, y, "real");
    ppq_graph_set_output(w->g, op, slot, NULL);
    ppq_graph_set_output(w->g, op, slot, real);
    return real;
}

static void quantize_output(rewriter *w, ppq_op *op, int32_t slot, const grid *at)
{
    ppq_var *y = op->out[slot];
    ppq_var *real = detach_output(w, op, slot);
    ppq_op *q = add_op(w, "QuantizeLinear", y->name, "quantize", at->zero ? 3 : 2);
    ppq_graph_set_input(w->g, q, 0, real);
    ppq_graph_set_input(w->g, q, 1, at->scale);
    if (at->zero)
        ppq_graph_set_input(w->g, q, 2, at->zero);
    ppq_graph_set_output(w->g, q, 0, y);
    know_grid(w, y, at);
}

static void become(rewriter *w, ppq_op *op, const char *type, ppq_var *const *in, int32_t n_in)
{
    for (int32_t k = 0; k < op->n_in; k++)
        ppq_graph_set_input(w->g, op, k, NULL);
    ppq_graph_resize_inputs(w->g, op, n_in);
    for (int32_t k = 0; k < n_in; k++)
        ppq_graph_set_input(w->g, op, k, in[k]);
    op->type = type;
    op->domain = "";
    op->def = ppq_op_def_find("", type);
}

// `op` puts out its old output through one more op, which reads it in slot 0.
static ppq_op *append(rewriter *w, ppq_op *op, const char *type, int32_t n_in)
{
    ppq_var *y = op->out[0], *mid = detach_output(w, op, 0);
    ppq_op *next = add_op(w, type, op->name, "then", n_in);
    ppq_graph_set_input(w->g, next, 0, mid);
    ppq_graph_set_output(w->g, next, 0, y);
    return next;
}

// ---- operators that carry their scales ------------------------------------------------------

// The axis along which the second operand may have scales of its own; -1: none.
static int weight_axis(const ppq_op *op, const rule *r)
{
    const ppq_var *b = input(op, r->arg[1].value);
    if (strcmp(r->becomes, "Conv") == 0)
        return 0;
    if (strcmp(r->becomes, "Gemm") == 0)
        return ppq_op_attr_int(op, "transB", 0) ? 0 : 1;
    return strcmp(r->becomes, "MatMul") == 0 && b && b->shape.rank > 1 ? b->shape.rank - 1 : -1;
}

// A bias in units of the product of both scales; NULL in *out: such units do not exist.
static ppq_status real_bias(rewriter *w, ppq_var *bias, const grid *x, const grid *by,
                            ppq_var **out)
{
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, PPQ_DT_F32, &by->scale->shape));
    bool fine = true;
    for (int64_t i = 0; i < count(by->scale); i++) {
        ppq_f32(&t)[i] = *ppq_f32(&x->scale->value) * ppq_f32(&by->scale->value)[i];
        fine = fine && isnormal(ppq_f32(&t)[i]);
    }
    *out = NULL;
    if (!fine) {
        ppq_tensor_unref(&t);
        return PPQ_OK;
    }
    const grid units = { ppq_graph_add_const(w->g, NULL, &t), NULL, 0 };
    *out = dequantized(w, bias, &units);
    return PPQ_OK;
}

static bool bias_fits(const ppq_var *bias, const rule *r, const grid *by)
{
    if (!bias || r->is_float_bias)
        return !bias || bias->dtype == PPQ_DT_F32;
    return bias->dtype == PPQ_DT_I32 && bias->shape.rank == 1 &&
           (count(by->scale) == 1 || count(by->scale) == count(bias));
}

// What is left over once the scales are operators of their own, and what they mean when left out.
static void set_attributes(rewriter *w, ppq_op *op, const rule *r)
{
    ppq_op_remove_attr(op, "channels_last");
    if (strcmp(r->becomes, "Gemm") == 0) // its bias is part of what alpha scales
        ppq_op_set_float(w->g, op, "beta", ppq_op_attr_float(op, "alpha", 1));
    if (strcmp(r->becomes, "Softmax") == 0) {
        ppq_op_set_int(w->g, op, "axis", ppq_op_attr_int(op, "axis", -1));
        ppq_op_remove_attr(op, "opset");
    }
}

static bool has_known_attributes(const ppq_op *op)
{
    // Before opset 13 a Softmax went over all dimensions from its axis on.
    if (is_of(op, "QLinearSoftmax") && ppq_op_attr_int(op, "opset", 13) < 13) {
        const int64_t axis = ppq_op_attr_int(op, "axis", -1);
        return axis == -1 || axis == op->in[0]->shape.rank - 1;
    }
    return !ppq_op_attr_int(op, "channels_last", 0);
}

static ppq_status expand_args(rewriter *w, ppq_op *op, const rule *r, const slots *arg, int n_args,
                              const grid *y)
{
    grid *at = ppq_new_n(w->g->arena, grid, (size_t) n_args);
    ppq_var **in = ppq_new_n(w->g->arena, ppq_var *, (size_t) n_args + 1);
    ppq_var *bias = r->bias ? input(op, r->bias) : NULL;
    for (int i = 0; i < n_args; i++)
        if (!read_slots(op, &arg[i], i == 1 && r->n_args ? weight_axis(op, r) : -1, &at[i]))
            return PPQ_OK;
    if (!bias_fits(bias, r, &at[n_args - 1]))
        return PPQ_OK;
    if (bias && !r->is_float_bias) {
        PPQ_TRY(real_bias(w, bias, &at[0], &at[1], &in[n_args]));
        if (!in[n_args])
            return PPQ_OK;
    }
    for (int i = 0; i < n_args; i++) {
        ppq_var *x = op->in[arg[i].value];
        PPQ_TRY(fit_zero(w, x, &at[i]));
        in[i] = dequantized(w, x, &at[i]);
    }
    set_attributes(w, op, r);
    become(w, op, r->becomes, in, n_args + (in[n_args] != NULL));
    if (bias && r->is_float_bias)
        ppq_graph_set_input(w->g, append(w, op, "Add", 2), 1, bias);
    if (y)
        quantize_output(w, op, 0, y);
    return PPQ_OK;
}

static ppq_status expand(rewriter *w, ppq_op *op, const rule *r)
{
    grid y;
    const bool is_stored = !r->n_args || (r->scale && input(op, r->scale));
    if (op->n_out != 1 || !op->out[0] || !op->in[0] || !has_known_attributes(op) ||
        (is_stored && !read_grid(op->out[0], input(op, r->scale), input(op, r->zero), -1, &y)))
        return PPQ_OK;
    if (is_stored)
        PPQ_TRY(fit_zero(w, op->out[0], &y));
    if (r->n_args)
        return expand_args(w, op, r, r->arg, r->n_args, is_stored ? &y : NULL);
    const int n = (op->n_in - 2) / 3;
    slots *arg = ppq_new_n(w->g->arena, slots, (size_t) PPQ_MAX(n, 1));
    for (int i = 0; i < n; i++)
        arg[i] = (slots){ 2 + 3 * i, 3 + 3 * i, 4 + 3 * i };
    return n < 1 || op->n_in != 2 + 3 * n ? PPQ_OK : expand_args(w, op, r, arg, n, &y);
}

// ---- FusedConv ------------------------------------------------------------------------------

static ppq_status put_scalar(rewriter *w, ppq_op *op, int32_t slot, float v)
{
    const ppq_shape scalar = { .rank = 0 };
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, PPQ_DT_F32, &scalar));
    *ppq_f32(&t) = v;
    ppq_put_const(w->g, op, slot, slot == 1 ? "min" : "max", &t);
    return PPQ_OK;
}

static ppq_status append_activation(rewriter *w, ppq_op *op, const char *type, const float p[2])
{
    ppq_op *act = append(w, op, type, 1);
    if (strcmp(type, "Clip") == 0) {
        PPQ_TRY(put_scalar(w, act, 1, p[0]));
        return put_scalar(w, act, 2, p[1]);
    }
    if (strcmp(type, "LeakyRelu") == 0 || strcmp(type, "HardSigmoid") == 0)
        ppq_op_set_float(w->g, act, "alpha", p[0]);
    if (strcmp(type, "HardSigmoid") == 0)
        ppq_op_set_float(w->g, act, "beta", p[1]);
    return PPQ_OK;
}

// Conv, plus a tensor, then an activation.
static ppq_status expand_fused_conv(rewriter *w, ppq_op *op)
{
    static const char *const types[] = { "",          "Relu", "Tanh",        "Sigmoid",
                                         "LeakyRelu", "Clip", "HardSigmoid", "HardSwish" };
    const ppq_attr *name = ppq_op_attr(op, "activation"), *given;
    const char *type = name ? NULL : "";
    for (size_t i = 0; i < PPQ_COUNT(types); i++)
        if (ppq_op_attr_is(op, "activation", types[i]))
            type = types[i];
    ppq_var *sum = input(op, 3);
    if (!type || !op->in[0] || op->in[0]->dtype != PPQ_DT_F32 || !op->out[0] ||
        (sum &&
         !(ppq_shape_known(&sum->shape) && ppq_shape_equal(&sum->shape, &op->out[0]->shape))))
        return PPQ_OK;
    float p[2] = { ppq_op_attr_float(op, "activation_alpha", 0),
                   ppq_op_attr_float(op, "activation_beta", 0) };
    if ((given = ppq_op_attr(op, "activation_params")) && given->kind == PPQ_ATTR_FLOATS)
        memcpy(p, given->u.floats, PPQ_MIN(given->count, 2) * sizeof(float));
    static const char *const ours[] = { "activation", "activation_params", "activation_alpha",
                                        "activation_beta" };
    for (size_t i = 0; i < PPQ_COUNT(ours); i++)
        ppq_op_remove_attr(op, ours[i]);
    ppq_var *in[] = { op->in[0], op->in[1], input(op, 2) };
    become(w, op, "Conv", in, in[2] ? 3 : 2);
    if (type[0])
        PPQ_TRY(append_activation(w, op, type, p));
    if (sum)
        ppq_graph_set_input(w->g, append(w, op, "Add", 2), 1, sum);
    return PPQ_OK;
}

// ---- operators on the integers in between ---------------------------------------------------

static bool is_data(const ppq_op *op, int32_t k)
{
    return is_byte(op->in[k]) && ppq_op_in_plane(op, k) == PPQ_PLANE_DATA;
}

// Ops that hand on values they read. (A Pad and its like may bring in a number of their own, which
// is another one when it is real.)
static bool moves(const ppq_op *op)
{
    return ppq_op_is(op, "Concat") || ppq_op_selects(op);
}

// The grid that all integers which `op` reads are on. Constants are on that of the others.
static const grid *common_grid(const rewriter *w, const ppq_op *op)
{
    const grid *all = NULL;
    for (int32_t k = 0; k < op->n_in; k++) {
        if (!op->in[k] || !is_data(op, k) || ppq_var_is_const(op->in[k]))
            continue;
        const grid *g = grid_of(w, op->in[k]);
        if (!g || (all && !same_grid(all, g)))
            return NULL;
        all = g;
    }
    return op->n_implicit ? NULL : all;
}

static void surround(rewriter *w, ppq_op *op, const grid *at)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && is_data(op, k))
            ppq_graph_set_input(w->g, op, k, dequantized(w, op->in[k], at));
    for (int32_t k = 0; k < op->n_out; k++)
        if (is_byte(op->out[k]))
            quantize_output(w, op, k, at);
}

// The bounds of a Clip on integers, as those are; those of the type where it has none.
static bool integer_bounds(const ppq_op *op, double bound[2])
{
    bound[0] = op->in[0]->dtype == PPQ_DT_I8 ? -128 : 0;
    bound[1] = bound[0] + 255;
    for (int32_t k = 1; k < 3; k++) {
        const ppq_var *v = input(op, k);
        if (v && (!ppq_var_is_const(v) || !ppq_const_scalar(&v->value, &bound[k - 1])))
            return false;
    }
    return true;
}

// A Clip on integers that alone reads what was quantized goes before the QuantizeLinear: rounding
// is monotone, so that the order does not matter, and there it can be fused.
static bool swap_with_quantizer(rewriter *w, ppq_op *clip)
{
    ppq_var *x = clip->in[0], *y = clip->out[0];
    ppq_op *q = x->producer.op;
    if (!q || !ppq_op_is(q, "QuantizeLinear") || !ppq_only_reader(x))
        return false;
    ppq_graph_set_input(w->g, clip, 0, q->in[0]);
    ppq_graph_set_output(w->g, clip, 0, NULL);
    ppq_graph_set_output(w->g, q, 0, NULL);
    ppq_graph_set_output(w->g, q, 0, y);
    ppq_var *real = add_real(w, y, "real");
    ppq_graph_set_output(w->g, clip, 0, real);
    ppq_graph_set_input(w->g, q, 0, real);
    x->dead = true;
    return true;
}

static ppq_status expand_clip(rewriter *w, ppq_op *op, const grid *at)
{
    double bound[2], zero = 0;
    const double low = op->in[0]->dtype == PPQ_DT_I8 ? -128 : 0;
    if (!integer_bounds(op, bound) || (at->zero && !ppq_const_scalar(&at->zero->value, &zero)))
        return PPQ_OK;
    const double scale = (double) *ppq_f32(&at->scale->value);
    know_grid(w, op->out[0], at);
    if (!swap_with_quantizer(w, op)) {
        ppq_graph_set_input(w->g, op, 0, dequantized(w, op->in[0], at));
        quantize_output(w, op, 0, at);
    }
    ppq_var *x = op->in[0];
    const bool from_zero = !(bound[0] < zero || bound[0] > zero), to_top = bound[1] >= low + 255;
    become(w, op, from_zero && to_top ? "Relu" : "Clip", &x, 1);
    if (from_zero && to_top)
        return PPQ_OK;
    PPQ_TRY(put_scalar(w, op, 1, (float) ((bound[0] - zero) * scale)));
    return put_scalar(w, op, 2, (float) ((bound[1] - zero) * scale));
}

static ppq_status expand_integer_op(rewriter *w, ppq_op *op)
{
    const grid *at = op->domain[0] ? NULL : common_grid(w, op);
    if (!at || op->n_out < 1 || !is_byte(op->out[0]))
        return PPQ_OK;
    const grid same = *at;
    if (ppq_op_is(op, "Clip"))
        return expand_clip(w, op, &same);
    if (moves(op))
        surround(w, op, &same);
    else if (ppq_op_is(op, "Pad") || ppq_op_is(op, "CenterCropPad"))
        know_grid(w, op->out[0], &same);
    return PPQ_OK;
}

// ---- the whole graph ------------------------------------------------------------------------

static ppq_status rewrite_op(rewriter *w, ppq_op *op)
{
    grid at;
    const rule *r = rule_of(op);
    if (r)
        return expand(w, op, r);
    if (is_of(op, "FusedConv"))
        return expand_fused_conv(w, op);
    if (!ppq_op_is(op, "QuantizeLinear"))
        return expand_integer_op(w, op);
    if (op->out[0] && read_grid(op->out[0], input(op, 1), input(op, 2), -1, &at)) {
        PPQ_TRY(fit_zero(w, op->out[0], &at));
        know_grid(w, op->out[0], &at);
    }
    return PPQ_OK;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    rewriter w = { env->graph, NULL, env->graph->n_vars };
    ppq_op **order;
    size_t n;
    w.of = ppq_new_n(env->scratch, grid, w.n_vars + 1);
    PPQ_TRY(ppq_graph_topo(w.g, env->scratch, &order, &n, env->diag));
    for (size_t i = 0; i < n; i++)
        if (rewrite_op(&w, order[i]) != PPQ_OK)
            return ppq_fail(env->diag, PPQ_ERR_NOMEM,
                            (ppq_loc){ .stage = "expand-qoperators", .op = order[i]->name },
                            "cannot allocate the scales of %s", order[i]->type);
    ppq_graph_compact(w.g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_expand_qoperators = {
    .name = "expand-qoperators",
    .summary = "operators that carry scales as Q/DQ pairs (when the engine runs a model)",
    .needs = PPQ_FACT_NORMALIZED | PPQ_FACT_SHAPES,
    .run = run,
};
