#ifndef PPQ_EXECUTOR_OPS_RANDOM_H
#define PPQ_EXECUTOR_OPS_RANDOM_H

#include "core/rng.h"
#include "executor/ops/args.h"

// Random tensors. The numbers follow from the seed attribute and the op's id alone: every run gives
// the same ones, on every machine.

typedef double (*ppq_draw)(ppq_kernel_ctx *c, ppq_rng *r, int64_t i);

// Output 0 has the shape of attribute `shape`, or of input 0 when `like`.
ppq_status ppq_infer_random(ppq_infer_ctx *c, bool like);
ppq_status ppq_run_random(ppq_kernel_ctx *c, bool like, ppq_draw draw);

#define RANDOM_DEF(op_type, first_opset, like)                                                   \
    {                                                                                            \
        .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = (like),           \
        .in_max = (like), .out_min = 1, .out_max = 1, .traits = PPQ_OP_RANDOM | PPQ_OP_NO_LINKS, \
        .infer = infer, .forward = forward                                                       \
    }
// An operator file gives a function that draws one number.
#define RANDOM(like, draw)                       \
    static ppq_status infer(ppq_infer_ctx *c)    \
    {                                            \
        return ppq_infer_random(c, (like));      \
    }                                            \
    static ppq_status forward(ppq_kernel_ctx *c) \
    {                                            \
        return ppq_run_random(c, (like), draw);  \
    }

double ppq_draw_uniform(ppq_kernel_ctx *c, ppq_rng *r, int64_t i); // [low, high)
double ppq_draw_normal(ppq_kernel_ctx *c, ppq_rng *r, int64_t i);  // mean, scale

#endif
