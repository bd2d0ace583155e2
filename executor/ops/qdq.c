#include "executor/ops/qdq.h"

ppq_status ppq_qdq_layout_of(ppq_kernel_ctx *c, ppq_qdq_layout *l)
{
    const ppq_shape *x = &c->in[0]->shape, *s = &c->in[1]->shape;
    const int64_t n = ppq_shape_numel(s), block = ppq_op_attr_int(c->op, "block_size", 0);
    char a[128], b[128];
    if (c->in[2] && c->op->n_in > 2 && ppq_shape_numel(&c->in[2]->shape) != n)
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
