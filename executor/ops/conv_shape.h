#ifndef PPQ_EXECUTOR_OPS_CONV_SHAPE_H
#define PPQ_EXECUTOR_OPS_CONV_SHAPE_H

#include "executor/ops/window.h"

// What a convolution is, apart from its values.
typedef struct ppq_conv_shape {
    ppq_window win;
    bool transposed; // weights are [in, out / groups, ...] rather than [out, in / groups, ...]
    int64_t batch;   // negative where not known yet, as are the next two
    int64_t ic, oc;  // channels of one group
    int64_t groups;
    ppq_shape y; // of the output; rank -1 when not even that is known
} ppq_conv_shape;

// x: data, w: weights, bias: NULL when there is none. Any of them may be partly unknown. False
// with a reason when they and the attributes do not fit.
bool ppq_conv_shape_init(ppq_conv_shape *s, const ppq_op *op, bool transposed, const ppq_shape *x,
                         const ppq_shape *w, const ppq_shape *bias, ppq_reason *why);
// Shape inference of the convolution operators: slots of data, weights, bias (-1: none).
ppq_status ppq_conv_infer(ppq_infer_ctx *c, bool transposed, int x, int w, int bias);
// Merges dimensions where nothing slides, so that a pointwise convolution is one long row. Every
// dimension must be known.
void ppq_conv_shape_flatten(ppq_conv_shape *s);

#endif
