#include <math.h>

#include "executor/ops/doubled.h"
#include "executor/ops/stored_product.h"

// MatMul of float32 A, quantized to uint8 by its own range, and stored B; scale and zero point of
// B, bias.

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_stored_product(c);
}

// As DynamicQuantizeLinear does it, in float32.
static void quantize(const float *x, int64_t n, double *y)
{
    float low = 0, high = 0;
    for (int64_t i = 0; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    const float scale = high > low ? (high - low) / 255.0f : 1.0f;
    const float zero = fminf(fmaxf(rintf(-low / scale), 0), 255);
    for (int64_t i = 0; i < n; i++)
        y[i] = ((double) fminf(fmaxf(rintf(x[i] / scale) + zero, 0), 255) - (double) zero) *
               (double) scale;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_tensor *x = c->in[0];
    ppq_tensor a;
    if (x->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input 0 is %s, expected float32",
                               ppq_dtype_name(x->dtype));
    if (ppq_tensor_alloc_pool(&a, PPQ_DT_F64, &x->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a float64 copy");
    quantize(ppq_f32(x), ppq_shape_numel(&x->shape), ppq_f64(&a));
    const ppq_status st = ppq_run_stored_product(c, &a, (ppq_stored_arg){ 1, 2, 3 }, 4);
    ppq_tensor_unref(&a);
    return st;
}

const ppq_op_def ppq_op_ms_dynamic_quantize_mat_mul = MICROSOFT_DEF("DynamicQuantizeMatMul", 3, 5);
