#ifndef PPQ_EXECUTOR_OPS_BLOCK_H
#define PPQ_EXECUTOR_OPS_BLOCK_H

#include <inttypes.h>

#include "executor/ops/args.h"

// DepthToSpace and SpaceToDepth trade blocks of channels for blocks of pixels. In mode DCR the
// position in the block is the slow part of the channel index, in CRD the fast one.

// The attribute blocksize. The input, if its rank is known, has four dimensions.
static inline ppq_status ppq_args_block(const ppq_args *a, int64_t *b)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    *b = ppq_op_attr_int(ppq_args_op(a), "blocksize", 0);
    if (*b < 1 || *b > 1 << 15)
        return ppq_args_fail(a, "blocksize is %" PRId64 ", the legal range is [1, 32768]", *b);
    if (x->rank >= 0 && x->rank != 4)
        return ppq_args_fail(a, "the input's rank is %d, expected 4", x->rank);
    return PPQ_OK;
}

// The shape is that of `plan`, and there is such a mode.
static inline ppq_status ppq_infer_block(ppq_infer_ctx *c, ppq_plan plan)
{
    static const char *const modes[] = { "DCR", "CRD", NULL };
    const ppq_args a = ppq_args_infer(c);
    int mode;
    PPQ_TRY(ppq_args_choice(&a, "mode", modes, &mode));
    return ppq_infer_plan(c, plan);
}

static inline bool ppq_block_is_crd(const ppq_op *op)
{
    return ppq_op_attr_is(op, "mode", "CRD");
}

#endif
