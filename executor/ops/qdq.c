#include "executor/ops/qdq.h"

ppq_status ppq_qdq_layout_of(ppq_kernel_ctx *c, ppq_qdq_layout *l)
{
    const ppq_shape *x = &c->in[0]->shape, *s = &c->in[1]->shape;
    const int64_t n = ppq_shape_numel(s), block = ppq_op_attr_int(c->op, "block_size", 0);
    char a[128], b[128];
    for (int i = 1; i < c->op->n_in; i++)
        if (c->in[i] && !ppq_convert_knows(c->in[i]->dtype))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is %s, expected numbers", i,
                                   ppq_dtype_name(c->in[i]->dtype));
    if (c->op->n_in > 2 && c->in[2] && ppq_shape_numel(&c->in[2]->shape) != n)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "zero point %s and scale %s differ in size",
                               ppq_shape_str(&c->in[2]->shape, a, sizeof(a)),
                               ppq_shape_str(s, b, sizeof(b)));
    if (s->rank == 0 || (s->rank == 1 && n == 1 && !block)) {
        *l = (ppq_qdq_layout){ 1, ppq_shape_numel(x), 1, ppq_shape_numel(x), 1 };
        l->block = l->axis;
        return PPQ_OK;
    }
    int axis;
    if (!ppq_axis_normalize(ppq_op_attr_int(c->op, "axis", 1), x->rank, &axis))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "axis %lld is outside the rank %d of the input",
                               (long long) ppq_op_attr_int(c->op, "axis", 1), x->rank);
    *l = (ppq_qdq_layout){ 1, x->dim[axis], 1, 1, 0 };
    for (int i = 0; i < axis; i++)
        l->outer *= x->dim[i];
    for (int i = axis + 1; i < x->rank; i++)
        l->inner *= x->dim[i];
    bool fits;
    if (block > 0) {
        l->block = block;
        l->n_scales = l->axis / block + (l->axis % block != 0);
        fits = s->rank == x->rank;
        for (int i = 0; fits && i < x->rank; i++)
            fits = s->dim[i] == (i == axis ? l->n_scales : x->dim[i]);
    } else {
        l->n_scales = l->axis;
        fits = s->rank == 1 && n == l->axis;
    }
    // With one element per scale and block form, the index formula is the block one.
    if (block == 1)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "block_size 1 is not supported");
    if (!fits)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "scale %s does not fit input %s along axis %d",
                               ppq_shape_str(s, b, sizeof(b)), ppq_shape_str(x, a, sizeof(a)),
                               axis);
    return PPQ_OK;
}

void ppq_qdq_map(ppq_kernel_ctx *c, const ppq_qdq_layout *l, ppq_qdq_fn fn, const void *user,
                 ppq_convert_mode mode)
{
    enum { CHUNK = 512 };
    const ppq_tensor *zero = c->op->n_in > 2 ? c->in[2] : NULL;
    const bool one = l->block == l->axis && l->n_scales == 1;
    double x[CHUNK], s = 1, z = 0;
    for (int64_t o = 0; o < l->outer; o++)
        for (int64_t a = 0; a < l->axis; a += one ? CHUNK : 1) {
            const int64_t run = one ? PPQ_MIN(l->axis - a, CHUNK) : l->inner;
            for (int64_t i = 0; i < run; i += CHUNK) {
                const int64_t at = (o * l->axis + a) * l->inner + i, n = PPQ_MIN(run - i, CHUNK);
                ppq_load_f64(c->in[0], at, n, x);
                for (int64_t k = 0; k < n; k++) {
                    // The scale changes along the inner dimension only in block form.
                    if (k == 0 || l->block > 1) {
                        const int64_t q = one ? 0 : ppq_qdq_scale_at(l, o, a, i + k);
                        ppq_load_f64(c->in[1], q, 1, &s);
                        if (zero)
                            ppq_load_f64(zero, q, 1, &z);
                    }
                    x[k] = fn(user, x[k], s, z);
                }
                ppq_store_f64(&c->out[0], at, n, x, mode);
            }
        }
}
