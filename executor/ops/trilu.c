#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// The last two dimensions' upper (or lower) triangle from diagonal k on; 0 elsewhere.

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    *out = *ppq_args_shape(a, 0);
    if (out->rank == 0 || out->rank == 1)
        return ppq_args_fail(a, "the input's rank is %d, expected at least 2", out->rank);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_plan(c, plan);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    const bool upper = ppq_op_attr_int(c->op, "upper", 1) != 0;
    ppq_shape out;
    int64_t k = 0, n;
    PPQ_TRY(plan(&a, &out));
    PPQ_TRY(ppq_args_ints(&a, 1, &k, 1, &n));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    const int64_t rows = out.dim[out.rank - 2], cols = out.dim[out.rank - 1];
    const int64_t limit = rows + cols, total = ppq_shape_numel(&out) / cols;
    const size_t es = ppq_dtype_size(x->dtype);
    k = n == 1 ? PPQ_MAX(-limit, PPQ_MIN(k, limit)) : 0;
    memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(x), ppq_tensor_bytes(x));
    for (int64_t r = 0; r < total; r++) {
        // Upper keeps [cut, cols), lower [0, cut).
        const int64_t first = r % rows + k + (upper ? 0 : 1);
        const int64_t cut = PPQ_MAX((int64_t) 0, PPQ_MIN(first, cols));
        if (upper)
            memset(ppq_element(&c->out[0], r * cols), 0, (size_t) cut * es);
        else
            memset(ppq_element(&c->out[0], r * cols + cut), 0, (size_t) (cols - cut) * es);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_moved(c, 0, run);
}

const ppq_op_def ppq_op_trilu = {
    .type = "Trilu",
    .domain = "",
    .opset_min = 14,
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x2, // k
    .infer = infer,
    .forward = forward,
};
