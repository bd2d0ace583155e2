#include "executor/engine/quant_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "executor/exec.h"

static bool is_q(const ppq_op *op)
{
    return ppq_op_is(op, "QuantizeLinear");
}

static bool is_dq(const ppq_op *op)
{
    return ppq_op_is(op, "DequantizeLinear");
}

// The integer side's zero point: absent means uint8 zeros for Q, and zeros of x's type for DQ.
static bool zero_point(const ppq_op *op, ppq_dtype *dt, int32_t *zero)
{
    *zero = 0;
    *dt = is_q(op) ? PPQ_DT_U8 : op->in[0]->dtype;
    const ppq_var *z = op->n_in > 2 ? op->in[2] : NULL;
    if (is_q(op) && !z && ppq_op_attr_int(op, "output_dtype", 0))
        *dt = (ppq_dtype) ppq_op_attr_int(op, "output_dtype", 0);
    double v;
    if (!z)
        return true;
    if (!ppq_var_is_const(z) || !ppq_const_scalar(&z->value, &v))
        return false;
    *dt = z->value.dtype;
    *zero = (int32_t) v;
    return true;
}

bool ppq_grid_of_op(const ppq_op *op, ppq_grid *out)
{
    double scale;
    ppq_dtype dt;
    int32_t zero;
    if (!op || (!is_q(op) && !is_dq(op)) || op->n_in < 2 || !op->in[0] || !op->out[0] ||
        !ppq_var_is_const(op->in[1]) || op->in[1]->value.dtype != PPQ_DT_F32 ||
        !ppq_const_scalar(&op->in[1]->value, &scale) || !zero_point(op, &dt, &zero) ||
        (dt != PPQ_DT_U8 && dt != PPQ_DT_I8) || !(scale > 0) || isinf(scale))
        return false;
    const bool flipped = dt == PPQ_DT_I8;
    *out = (ppq_grid){ .q = is_q(op) ? op->out[0] : op->in[0],
                       .scale = (float) scale,
                       .zero = zero + (flipped ? 128 : 0),
                       .flipped = flipped };
    return true;
}

bool ppq_grid_of_input(const ppq_var *v, ppq_grid *out)
{
    return v && v->producer.op && is_dq(v->producer.op) && ppq_grid_of_op(v->producer.op, out);
}

bool ppq_grid_of_var(const ppq_var *v, ppq_grid *out)
{
    return ppq_grid_of_input(v, out) && !ppq_var_is_const(out->q);
}

bool ppq_dequantizes_constant(const ppq_op *op)
{
    if (!op || !is_dq(op))
        return false;
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && !ppq_var_is_const(op->in[k]))
            return false;
    return true;
}

const ppq_op *ppq_only_quantizer(const ppq_plan *p, const ppq_var *v, ppq_grid *out)
{
    if (v->is_output || v->n_uses != 1 || (p->o.tapped && p->o.tapped[v->id]))
        return NULL;
    const ppq_op *op = v->uses[0].op;
    return ppq_op_is(op, "QuantizeLinear") && ppq_grid_of_op(op, out) ? op : NULL;
}

static int at(const ppq_tensor *t, int64_t i)
{
    return t->dtype == PPQ_DT_U8 ? ((const uint8_t *) ppq_tensor_data(t))[i]
                                 : ((const int8_t *) ppq_tensor_data(t))[i];
}

static bool all_zero(const ppq_tensor *z)
{
    for (size_t i = 0; i < ppq_tensor_bytes(z); i++)
        if (at(z, (int64_t) i))
            return false;
    return true;
}

// Weights minus their zero points, which has room in int8 more often than not; NULL otherwise.
static const ppq_tensor *centred(ppq_plan *p, const ppq_tensor *t, const ppq_tensor *zero, int axis)
{
    ppq_tensor c;
    int64_t inner = 1;
    for (int i = axis + 1; i < t->shape.rank; i++)
        inner *= t->shape.dim[i];
    const int64_t n = ppq_shape_numel(&zero->shape);
    if (ppq_tensor_alloc(&c, PPQ_DT_I8, &t->shape) != PPQ_OK)
        return NULL;
    int8_t *to = ppq_tensor_data(&c);
    for (int64_t i = 0; i < ppq_shape_numel(&t->shape); i++) {
        const int v = at(t, i) - at(zero, n == 1 ? 0 : i / inner % n);
        if (v < -128 || v > 127) {
            ppq_tensor_unref(&c);
            return NULL;
        }
        to[i] = (int8_t) v;
    }
    return ppq_plan_keep(p, &c);
}

bool ppq_weights_of_var(ppq_plan *p, const ppq_var *v, ppq_weights *out)
{
    const ppq_op *op = v ? v->producer.op : NULL;
    if (!ppq_dequantizes_constant(op) || op->in[1]->value.dtype != PPQ_DT_F32 ||
        ppq_op_attr_int(op, "block_size", 0))
        return false;
    const ppq_tensor *t = &op->in[0]->value, *scale = &op->in[1]->value;
    const ppq_tensor *zero = op->n_in > 2 && op->in[2] ? &op->in[2]->value : NULL;
    if ((t->dtype != PPQ_DT_I8 && t->dtype != PPQ_DT_U8) ||
        (zero && (zero->dtype != t->dtype || !ppq_shape_equal(&zero->shape, &scale->shape))))
        return false;
    *out = (ppq_weights){ .t = t, .scale = ppq_f32(scale), .n = ppq_shape_numel(&scale->shape) };
    if (out->n != 1 &&
        (!ppq_axis_normalize(ppq_op_attr_int(op, "axis", 1), t->shape.rank, &out->axis) ||
         t->shape.dim[out->axis] != out->n))
        return false;
    for (int64_t i = 0; i < out->n; i++)
        if (!(out->scale[i] > 0) || isinf(out->scale[i]))
            return false;
    if (zero && !all_zero(zero))
        out->t = centred(p, t, zero, out->axis);
    else if (t->dtype == PPQ_DT_U8)
        out->t = NULL;
    return out->t != NULL;
}

bool ppq_const_real(ppq_plan *p, const ppq_var *v, ppq_tensor *out)
{
    if (ppq_var_is_const(v)) {
        *out = ppq_tensor_ref(&v->value);
        return v->value.dtype == PPQ_DT_F32;
    }
    const ppq_op *op = v ? v->producer.op : NULL;
    if (!op || !is_dq(op))
        return false;
    const ppq_tensor *in[3] = { NULL, NULL, NULL };
    for (int32_t k = 0; k < op->n_in && k < 3; k++) {
        if (op->in[k] && !ppq_var_is_const(op->in[k]))
            return false;
        in[k] = op->in[k] ? &op->in[k]->value : NULL;
    }
    *out = (ppq_tensor){ 0 };
    return ppq_op_eval(op, ppq_graph_opset(p->g, ""), in, out, p->d) == PPQ_OK &&
           out->dtype == PPQ_DT_F32;
}

bool ppq_weights_saturate(const ppq_tensor *w, int axis)
{
    // 255 * 128 still fits into 16 bits.
    enum { LIMIT = 128 };
    const int8_t *q = ppq_tensor_data(w);
    int64_t inner = 1, outer = 1;
    for (int i = 0; i < w->shape.rank; i++) {
        inner *= i > axis ? w->shape.dim[i] : 1;
        outer *= i < axis ? w->shape.dim[i] : 1;
    }
    const int64_t n = w->shape.dim[axis];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t k = 0; k + 1 < n; k += 2)
            for (int64_t i = 0; i < inner; i++) {
                const int8_t *at = q + (o * n + k) * inner + i;
                if (abs(at[0] + at[inner]) > LIMIT)
                    return true;
            }
    return false;
}
