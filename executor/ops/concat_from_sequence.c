#include "executor/ops/container.h"
#include "executor/ops/stored.h"

// All items of a sequence joined along `axis`, a new one if `new_axis`

static ppq_status infer(ppq_infer_ctx *c)
{
    (void) c; // items are known when it runs
    return PPQ_OK;
}

static ppq_status add_axis(ppq_kernel_ctx *c, int64_t axis, ppq_tensor *t)
{
    const ppq_args a = ppq_args_run(c);
    ppq_shape s = t->shape;
    int at;
    if (s.rank == PPQ_MAX_RANK)
        return ppq_args_fail(&a, "rank %d is too large", s.rank + 1);
    s.rank++;
    PPQ_TRY(ppq_args_axis(&a, axis, s.rank, &at));
    for (int i = s.rank - 1; i > at; i--)
        s.dim[i] = s.dim[i - 1];
    s.dim[at] = 1;
    t->shape = s;
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *items;
    int64_t n;
    PPQ_TRY(ppq_run_items(c, 0, &items, &n));
    if (n < 1 || n > INT32_MAX)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "a sequence of %lld items cannot be joined",
                               (long long) n);
    ppq_tensor *parts = ppq_new_n(c->scratch, ppq_tensor, (size_t) n); // borrowed
    for (int64_t i = 0; i < n; i++) {
        parts[i] = items[i];
        if (ppq_op_attr_int(c->op, "new_axis", 0))
            PPQ_TRY(add_axis(c, ppq_op_attr_int(c->op, "axis", 0), &parts[i]));
    }
    ppq_tensor_unref(&c->out[0]);
    return ppq_inner_eval(c, "Concat", parts, (int) n, &c->out[0]);
}

const ppq_op_def ppq_op_concat_from_sequence = {
    .type = "ConcatFromSequence",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x1,
    .traits = PPQ_OP_CONTAINERS,
    .infer = infer,
    .forward = forward,
};
