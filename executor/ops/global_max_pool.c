#include "executor/ops/pool.h"
#include "executor/ops/real.h"

// Y = the largest element of each channel of each sample.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 1, 1));
    return ppq_global_pool_infer(c);
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_real *r = ppq_real_of(c);
    if (!r)
        return PPQ_ERR_UNSUPPORTED;
    int64_t planes, size;
    ppq_global_pool_size(c->in[0], &planes, &size);
    for (int64_t i = 0; i < planes; i++)
        r->store(ppq_tensor_data(&c->out[0]), i, r->max(ppq_at(r, c->in[0], i * size), size));
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    int64_t planes, size;
    ppq_global_pool_size(c->in[0], &planes, &size);
    for (int64_t i = 0; i < planes; i++) {
        const float *x = ppq_f32(c->in[0]) + i * size;
        int64_t best = 0;
        for (int64_t e = 1; e < size; e++)
            best = x[e] > x[best] ? e : best;
        ppq_grad_in(c, 0)[i * size + best] = ppq_grad_out(c, 0)[i];
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_global_max_pool = {
    .type = "GlobalMaxPool",
    .domain = "",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_PASSIVE,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
