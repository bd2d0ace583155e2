#ifndef PPQ_EXECUTOR_ENGINE_QUANT_VIEW_H
#define PPQ_EXECUTOR_ENGINE_QUANT_VIEW_H

#include "executor/engine/plan.h"

// What QuantizeLinear and DequantizeLinear ops around a var say about it.

// A tensor on an 8-bit grid with one scale, as the plan stores it: uint8, zero in [0, 255].
typedef struct ppq_grid {
    const ppq_var *q; // the integers
    float scale;      // finite, > 0
    int32_t zero;     // of the stored uint8
    bool flipped;     // the graph's tensor is int8
} ppq_grid;

// Whether `op` is a Q or DQ with one constant scale over uint8 or int8; fills *out, q being its
// integer side.
bool ppq_grid_of_op(const ppq_op *op, ppq_grid *out);
// Whether float var `v` is the output of such a DQ of computed integers.
bool ppq_grid_of_var(const ppq_var *v, ppq_grid *out);
// The same, but the integers may be constant.
bool ppq_grid_of_input(const ppq_var *v, ppq_grid *out);
static inline bool ppq_grid_equal(const ppq_grid *a, const ppq_grid *b)
{
    return a->scale == b->scale && a->zero == b->zero && a->flipped == b->flipped;
}

// Whether `op` (or NULL) is the DequantizeLinear of constants, whatever their type and scales.
bool ppq_dequantizes_constant(const ppq_op *op);
// The QuantizeLinear that is the only reader of float var `v`, with its grid; NULL when somebody
// else needs the float value.
const ppq_op *ppq_only_quantizer(const ppq_plan *p, const ppq_var *v, ppq_grid *out);

// Constant weights on a symmetric int8 grid.
typedef struct ppq_weights {
    const ppq_tensor *t; // int8
    const float *scale;  // [n]
    int64_t n;           // 1, or the size of dimension `axis`
    int axis;
} ppq_weights;

// Whether `v` is the DQ of constant 8-bit integers that fit int8 once their zero points are taken
// off.
bool ppq_weights_of_var(ppq_plan *p, const ppq_var *v, ppq_weights *out);
// A constant's real values: itself, or its DQ computed. False if `v` is not constant. The caller
// unrefs *out.
bool ppq_const_real(ppq_plan *p, const ppq_var *v, ppq_tensor *out);
// Whether sums of weights in pairs along `axis` could leave 16 bits when multiplied by uint8.
bool ppq_weights_saturate(const ppq_tensor *w, int axis);

#endif
