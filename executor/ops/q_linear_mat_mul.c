#include "executor/ops/integer.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"

// MatMul on stored integers: sums in int32, then one quantization of sum * a_scale * b_scale. A's
// parameters may be one per row, B's one per column.

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO, SLOTS };

static ppq_status infer(ppq_infer_ctx *c)
{
    static const int scales[] = { A_SCALE, B_SCALE, Y_SCALE };
    PPQ_TRY(ppq_infer_present(c, SLOTS));
    PPQ_TRY(ppq_infer_stored(c, A, A_ZERO));
    PPQ_TRY(ppq_infer_stored(c, B, B_ZERO));
    PPQ_TRY(ppq_infer_scales(c, Y_ZERO, scales, PPQ_COUNT(scales), true));
    const int64_t rows = ppq_dim_from_end(&c->in_shape[A], 2),
                  cols = ppq_dim_from_end(&c->in_shape[B], 1);
    for (int i = A_SCALE; i < SLOTS; i++)
        if (i != B)
            PPQ_TRY(ppq_infer_one_or(c, i, i < B ? rows : i < Y_SCALE ? cols : 1));
    return ppq_product_infer(c, A, B);
}

static ppq_status run(ppq_kernel_ctx *c, const ppq_product_shape *p, ppq_tensor *a, ppq_tensor *b,
                      ppq_tensor *acc)
{
    PPQ_TRY(ppq_minus_zero(c, c->in[A], c->in[A_ZERO], PPQ_MAX(p->k, 1), a));
    PPQ_TRY(ppq_minus_zero(c, c->in[B], c->in[B_ZERO], 1, b));
    const int64_t n = ppq_shape_numel(&p->y);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * sizeof(int32_t), acc));
    ppq_product_run(p, ppq_gemm_of(PPQ_DT_I32), sizeof(int32_t), ppq_tensor_data(a),
                    ppq_tensor_data(b), ppq_tensor_data(acc));
    const ppq_scales a_scale = { ppq_f32(c->in[A_SCALE]), ppq_shape_numel(&c->in[A_SCALE]->shape),
                                 PPQ_MAX(p->n, 1) };
    const ppq_scales b_scale = { ppq_f32(c->in[B_SCALE]), ppq_shape_numel(&c->in[B_SCALE]->shape),
                                 1 };
    return ppq_requantize(c, ppq_tensor_data(acc), a_scale, b_scale, Y_SCALE, Y_ZERO);
}

static ppq_status multiply(ppq_kernel_ctx *c)
{
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in[A]->shape, &c->in[B]->shape, &why))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "%s", why.text);
    ppq_tensor temp[3] = { { .dtype = PPQ_DT_NONE } };
    const ppq_status st = run(c, &p, &temp[0], &temp[1], &temp[2]);
    for (size_t i = 0; i < PPQ_COUNT(temp); i++)
        ppq_tensor_unref(&temp[i]);
    return st;
}

// Scales may be half as wide.
static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, multiply);
}

const ppq_op_def ppq_op_q_linear_mat_mul = {
    .type = "QLinearMatMul",
    .domain = "",
    .opset_min = 10,
    .in_min = SLOTS,
    .in_max = SLOTS,
    .out_min = 1,
    .out_max = 1,
    .fp32_in =
        1u << A_SCALE | 1u << A_ZERO | 1u << B_SCALE | 1u << B_ZERO | 1u << Y_SCALE | 1u << Y_ZERO,
    .infer = infer,
    .forward = forward,
};
