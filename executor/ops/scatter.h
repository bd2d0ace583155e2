#ifndef PPQ_EXECUTOR_OPS_SCATTER_H
#define PPQ_EXECUTOR_OPS_SCATTER_H

#include "executor/ops/args.h"

// GatherElements, GatherND, ScatterElements and ScatterND: elements or slices of input 0 at places
// that input 1 names.

// Element offsets into in[0], one per place; the caller unrefs them.
typedef struct ppq_places {
    ppq_tensor offsets; // int64[n]
    int64_t n, slice;   // `slice` elements at each place
} ppq_places;

// in[1] has in[0]'s rank; its element at p names position p with the coordinate `axis` replaced.
ppq_status ppq_places_elements(ppq_kernel_ctx *c, int axis, ppq_places *out);
// The last dimension of in[1] holds coordinates, after `batch` common dimensions.
ppq_status ppq_places_slices(ppq_kernel_ctx *c, int batch, ppq_places *out);

// in[1] indexes elements: its rank is in[0]'s, and apart from the axis it is no larger.
ppq_status ppq_args_elements(const ppq_args *a, int *axis);
// out[0] = in[0] with in[2]'s elements put, or with `reduction` combined, into their places, whose
// offsets it unrefs.
ppq_status ppq_run_scatter(ppq_kernel_ctx *c, ppq_places *take_places);
// Checks the attribute `reduction`; the output is like in[0].
ppq_status ppq_infer_scatter(ppq_infer_ctx *c);
// Forward for both: `run` as it is, for float16 widened if it calculates.
ppq_status ppq_run_scatter_typed(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c));

#define SCATTER_DEF(op_type)                                                                      \
    {                                                                                             \
        .type = (op_type), .domain = "", .opset_min = 11, .in_min = 3, .in_max = 3, .out_min = 1, \
        .out_max = 1, .fp32_in = 0x2 /* indices */, .infer = infer, .forward = forward            \
    }

#endif
