#include "executor/ops/scatter.h"

// data with updates[i, j, ...] put at data[i, indices[i, j, ...], ...] along `axis`.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int axis;
    PPQ_TRY(ppq_args_elements(&a, &axis));
    return ppq_infer_scatter(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_places p;
    int axis;
    PPQ_TRY(ppq_args_elements(&a, &axis));
    PPQ_TRY(ppq_places_elements(c, axis, &p));
    return ppq_run_scatter(c, &p);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_scatter_typed(c, run);
}

const ppq_op_def ppq_op_scatter_elements = SCATTER_DEF("ScatterElements");
