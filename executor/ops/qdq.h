#ifndef PPQ_EXECUTOR_OPS_QDQ_H
#define PPQ_EXECUTOR_OPS_QDQ_H

#include "core/op_def.h"
#include "executor/ops/convert.h"

// How the scales of QuantizeLinear and DequantizeLinear cover a tensor: one for all, one per
// slice of an axis, or one per block of an axis.
typedef struct ppq_qdq_layout {
    int64_t outer, axis, inner; // the tensor as outer x axis x inner
    int64_t block;              // elements of the axis per scale; axis when there is one scale
    int64_t n_scales;           // along the axis
} ppq_qdq_layout;

// Checks the shapes of x, scale and zero point against each other.
ppq_status ppq_qdq_layout_of(ppq_kernel_ctx *c, ppq_qdq_layout *out);
// Index of the scale for element (o, a, i).
static inline int64_t ppq_qdq_scale_at(const ppq_qdq_layout *l, int64_t o, int64_t a, int64_t i)
{
    if (l->n_scales == 1 && l->block == l->axis)
        return 0;
    return l->block == 1 ? a : (o * l->n_scales + a / l->block) * l->inner + i;
}

// out[0] = fn(x, scale, zero point) for every element x of in[0], in double.
typedef double (*ppq_qdq_fn)(const void *user, double x, double scale, double zero);
void ppq_qdq_map(ppq_kernel_ctx *c, const ppq_qdq_layout *l, ppq_qdq_fn fn, const void *user,
                 ppq_convert_mode mode);

#endif
