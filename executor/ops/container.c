#include "executor/ops/container.h"

#include <inttypes.h>

#include "executor/ops/convert.h"

ppq_status ppq_infer_sequences(ppq_infer_ctx *c)
{
    for (int i = 0; i < c->op->n_out; i++)
        c->out_dtype[i] = PPQ_DT_SEQUENCE;
    return PPQ_OK;
}

ppq_status ppq_run_items(ppq_kernel_ctx *c, int slot, const ppq_tensor **items, int64_t *n)
{
    const ppq_tensor *t = c->in[slot];
    if (t->dtype != PPQ_DT_SEQUENCE)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is %s, expected a sequence", slot,
                               ppq_dtype_name(t->dtype));
    *items = ppq_container_items(t);
    *n = ppq_container_count(t);
    return PPQ_OK;
}

ppq_status ppq_run_position(ppq_kernel_ctx *c, int slot, int64_t n, bool end, int64_t fallback,
                            int64_t *out)
{
    const ppq_args a = ppq_args_run(c);
    int64_t at = fallback, count;
    PPQ_TRY(ppq_args_ints(&a, slot, &at, 1, &count));
    if (count == 0)
        return ppq_args_fail(&a, "the position is empty, expected one number");
    if (at < -n || at >= n + end)
        return ppq_args_fail(
            &a, "the position is %" PRId64 ", but the sequence has %" PRId64 " items", at, n);
    *out = at < 0 ? at + n : at;
    return PPQ_OK;
}

void ppq_run_pass(ppq_kernel_ctx *c, int slot, const ppq_tensor *t)
{
    const ppq_tensor shared = ppq_tensor_ref(t);
    ppq_tensor_unref(&c->out[slot]);
    c->out[slot] = shared;
}

ppq_status ppq_run_pack(ppq_kernel_ctx *c, int slot, ppq_dtype dt, ppq_tensor *take_items,
                        int64_t n)
{
    ppq_tensor t;
    const ppq_status st = ppq_container_pack(&t, dt, take_items, n);
    if (st != PPQ_OK)
        return ppq_kernel_fail(c, st, "%" PRId64 " such items cannot be in a value of type %s", n,
                               ppq_dtype_name(dt));
    ppq_tensor_unref(&c->out[slot]);
    c->out[slot] = t;
    return PPQ_OK;
}
