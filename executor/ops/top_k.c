#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/order.h"

// The k largest (or smallest) elements along an axis and where they are, in order; among equals,
// the one with the lower index first.

static ppq_status plan(const ppq_args *a, int *axis, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t k, n;
    PPQ_TRY(ppq_args_ints(a, 1, &k, 1, &n));
    *axis = 0;
    *out = *x;
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", -1), x->rank, axis));
    const int64_t dim = x->dim[*axis];
    out->dim[*axis] = n == 1 ? k : PPQ_DIM_UNKNOWN;
    if (n == 0 || (n == 1 && (k < 0 || (dim >= 0 && k > dim))))
        return ppq_args_fail(a, "k is %" PRId64 ", the legal range is [0, %" PRId64 "]", n ? k : -1,
                             dim);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    PPQ_TRY(ppq_infer_out(c, 0, c->in_dtype[0], &out));
    return ppq_infer_out(c, 1, PPQ_DT_I64, &out);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    ppq_shape out;
    int axis;
    PPQ_TRY(plan(&a, &axis, &out));
    if (!ppq_convert_knows(x->dtype) || ppq_dtype_bits(x->dtype) < 8)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    PPQ_TRY(ppq_run_out(c, 0, x->dtype, &out));
    if (c->op->n_out > 1)
        PPQ_TRY(ppq_run_out(c, 1, PPQ_DT_I64, &out));
    if (ppq_shape_numel(&out) == 0)
        return PPQ_OK;
    const int64_t n = x->shape.dim[axis], k = out.dim[axis];
    const int64_t outer = ppq_dims_product(&out, 0, axis);
    const int64_t inner = ppq_dims_product(&out, axis + 1, out.rank);
    const uint64_t flip = ppq_op_attr_int(c->op, "largest", 1) ? UINT64_MAX : 0;
    const size_t es = ppq_dtype_size(x->dtype);
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * 2 * sizeof(int64_t), &memory));
    int64_t *v = ppq_tensor_data(&memory);
    uint64_t *key = (uint64_t *) (v + n);
    for (int64_t line = 0; line < outer * inner; line++) {
        const int64_t o = line / inner, first = o * n * inner + line % inner;
        for (int64_t i = 0; i < n; i++) {
            key[i] = ppq_order_key(x, first + i * inner) ^ flip;
            v[i] = i;
        }
        ppq_select_first(v, n, k, ppq_key_before, key);
        for (int64_t i = 0; i < k; i++) {
            const int64_t to = (o * k + i) * inner + line % inner;
            memcpy(ppq_element(&c->out[0], to), ppq_element(x, first + v[i] * inner), es);
            if (c->op->n_out > 1)
                ppq_i64(&c->out[1])[to] = v[i];
        }
    }
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

const ppq_op_def ppq_op_top_k = {
    .type = "TopK",
    .domain = "",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 2,
    .traits = PPQ_OP_SOI_SOURCE,
    .soi_in = 0x2,   // k
    .fp32_out = 0x2, // indices
    .infer = infer,
    .forward = forward,
};
