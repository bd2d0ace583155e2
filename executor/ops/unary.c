#include "executor/ops/unary.h"

#include "executor/ops/backward.h"
#include "executor/ops/real.h"

ppq_status ppq_unary_run(ppq_kernel_ctx *c, const ppq_unary_loop *loops, float pa, float pb)
{
    const ppq_tensor *x = c->in[0];
    if (ppq_dtype_is_half(x->dtype) && loops[PPQ_DT_F32])
        return ppq_run_widened(c, c->op->def->forward);
    if (!loops[x->dtype])
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    loops[x->dtype](ppq_tensor_data(x), ppq_tensor_data(&c->out[0]), ppq_shape_numel(&x->shape), pa,
                    pb);
    return PPQ_OK;
}

ppq_status ppq_unary_backward(ppq_backward_ctx *c, ppq_unary_slope slope, float pa, float pb)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (!idle)
        slope(ppq_f32(c->in[0]), ppq_grad_out(c, 0), ppq_grad_in(c, 0),
              ppq_shape_numel(&c->in[0]->shape), pa, pb);
    return PPQ_OK;
}
