#include "executor/ops/args.h"
#include "executor/ops/convert.h"

// The coordinates of all elements that are not 0, one row per dimension.

static ppq_status infer(ppq_infer_ctx *c)
{
    const int rank = c->in_shape[0].rank;
    ppq_shape out = ppq_shape_unknown(2);
    if (rank >= 0)
        out.dim[0] = rank;
    return ppq_infer_out(c, 0, PPQ_DT_I64, &out);
}

// Counts them, and when `out` is not NULL writes their coordinates into rows of length `n`.
static int64_t scan(const ppq_tensor *x, int64_t *out, int64_t n)
{
    enum { CHUNK = 256 };
    const int64_t total = ppq_shape_numel(&x->shape);
    int64_t stride[PPQ_MAX_RANK], found = 0;
    ppq_shape_strides(&x->shape, stride);
    for (int64_t i = 0; i < total; i += CHUNK) {
        const int64_t m = PPQ_MIN(total - i, (int64_t) CHUNK);
        double v[CHUNK];
        ppq_load_f64(x, i, m, v);
        for (int64_t k = 0; k < m; k++) {
            if (v[k] == 0)
                continue;
            for (int d = 0; out && d < x->shape.rank; d++)
                out[d * n + found] = (i + k) / stride[d] % x->shape.dim[d];
            found++;
        }
    }
    return found;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    if (!ppq_convert_knows(x->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    const int64_t n = scan(x, NULL, 0);
    const ppq_shape out = { .rank = 2, .dim = { x->shape.rank, n } };
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_I64, &out));
    scan(x, ppq_i64(&c->out[0]), n);
    return PPQ_OK;
}

const ppq_op_def ppq_op_non_zero = {
    .type = "NonZero",
    .domain = "",
    .opset_min = 9,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .fp32_out = 0x1,
    .infer = infer,
    .forward = forward,
};
