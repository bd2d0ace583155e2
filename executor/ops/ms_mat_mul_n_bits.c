#include <inttypes.h>

#include "executor/ops/convert.h"
#include "executor/ops/doubled.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"
#include "executor/ops/stored.h"

// Y = A B' + bias, where each of the N rows of B is K numbers of 2, 4 or 8 bits in blocks that have
// a scale and a zero point each (the middle of the range when left out).

enum { A, B, SCALES, ZEROS, GROUPS, BIAS };

typedef struct layout {
    int64_t n, k, bits, block, blocks;          // blocks: per row
    int64_t row_bytes, block_bytes, zero_bytes; // zero_bytes: per row
} layout;

static ppq_status plan(const ppq_args *a, layout *l, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, A);
    const ppq_op *op = ppq_args_op(a);
    int64_t k;
    *l = (layout){ .n = ppq_op_attr_int(op, "N", 1),
                   .k = ppq_op_attr_int(op, "K", 1),
                   .bits = ppq_op_attr_int(op, "bits", 4),
                   .block = ppq_op_attr_int(op, "block_size", 32) };
    if (l->n < 1 || l->k < 1 || l->block < 1 || l->n > INT32_MAX || l->k > INT32_MAX ||
        l->block > INT32_MAX || l->block % 4 || (l->bits != 2 && l->bits != 4 && l->bits != 8))
        return ppq_args_fail(a,
                             "N %" PRId64 ", K %" PRId64 ", %" PRId64 " bits or block_size "
                             "%" PRId64 " is not supported",
                             l->n, l->k, l->bits, l->block);
    l->blocks = (l->k + l->block - 1) / l->block;
    l->block_bytes = l->block * l->bits / 8;
    l->row_bytes = l->blocks * l->block_bytes;
    l->zero_bytes = (l->blocks * l->bits + 7) / 8;
    *out = *x;
    if (x->rank < 0 || ppq_op_attr(op, "N") == NULL)
        return PPQ_OK;
    if (x->rank < 1 || !ppq_dim_merge(x->dim[x->rank - 1], l->k, &k))
        return ppq_args_fail(a, "the last dimension of A is not K = %" PRId64, l->k);
    out->dim[x->rank - 1] = l->n;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    layout l;
    ppq_shape out;
    PPQ_TRY(ppq_infer_floats(c, 3, 1));
    PPQ_TRY(plan(&a, &l, &out));
    return ppq_infer_out(c, 0, c->in_dtype[A], &out);
}

static int64_t count(const ppq_kernel_ctx *c, int slot)
{
    return slot < c->op->n_in && c->in[slot] ? ppq_shape_numel(&c->in[slot]->shape) : -1;
}

static ppq_status check(ppq_kernel_ctx *c, const layout *l)
{
    const bool zeros = count(c, ZEROS) >= 0, packed = zeros && c->in[ZEROS]->dtype == PPQ_DT_U8;
    const int64_t wanted = l->n * (packed ? l->zero_bytes : l->blocks);
    if (!ppq_op_attr(c->op, "N") || !ppq_op_attr(c->op, "K"))
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "attribute N or K is missing");
    if (count(c, GROUPS) >= 0)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "g_idx is not supported");
    if (c->in[B]->dtype != PPQ_DT_U8 || count(c, B) != l->n * l->row_bytes ||
        c->in[SCALES]->dtype != PPQ_DT_F32 || count(c, SCALES) != l->n * l->blocks ||
        (zeros && (count(c, ZEROS) != wanted || (!packed && c->in[ZEROS]->dtype != PPQ_DT_F32))) ||
        (count(c, BIAS) >= 0 && (count(c, BIAS) != l->n || c->in[BIAS]->dtype != PPQ_DT_F32)))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "weights, scales, zero points and bias do not fit");
    return PPQ_OK;
}

static unsigned code(const uint8_t *bytes, int64_t i, int64_t bits)
{
    return (unsigned) bytes[i * bits / 8] >> (i * bits % 8) & ((1u << bits) - 1);
}

static float zero_of(const ppq_kernel_ctx *c, const layout *l, int64_t row, int64_t block)
{
    if (count(c, ZEROS) < 0)
        return (float) (1 << (l->bits - 1));
    if (c->in[ZEROS]->dtype == PPQ_DT_F32)
        return ppq_f32(c->in[ZEROS])[row * l->blocks + block];
    const uint8_t *bytes = ppq_tensor_data(c->in[ZEROS]);
    return (float) code(bytes + row * l->zero_bytes, block, l->bits);
}

// [K, N], ready for the product.
static void unpack(const ppq_kernel_ctx *c, const layout *l, float *b)
{
    for (int64_t row = 0; row < l->n; row++) {
        const uint8_t *bytes = (const uint8_t *) ppq_tensor_data(c->in[B]) + row * l->row_bytes;
        for (int64_t k = 0; k < l->k; k++) {
            const int64_t block = k / l->block;
            const float scale = ppq_f32(c->in[SCALES])[row * l->blocks + block];
            b[k * l->n + row] =
                ((float) code(bytes, k, l->bits) - zero_of(c, l, row, block)) * scale;
        }
    }
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    layout l;
    ppq_shape out;
    ppq_tensor memory;
    PPQ_TRY(plan(&a, &l, &out));
    PPQ_TRY(check(c, &l));
    if (c->in[A]->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "float64 is not supported");
    const int64_t m = ppq_shape_numel(&c->in[A]->shape) / l.k;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) l.n * (size_t) l.k * sizeof(float), &memory));
    unpack(c, &l, ppq_tensor_data(&memory));
    float *y = ppq_f32(&c->out[0]);
    ppq_gemm_of(PPQ_DT_F32)(m, l.n, l.k, ppq_tensor_data(c->in[A]), l.k, 1,
                            ppq_tensor_data(&memory), y);
    for (int64_t i = 0; count(c, BIAS) >= 0 && i < m * l.n; i++)
        y[i] += ppq_f32(c->in[BIAS])[i % l.n];
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_ms_mat_mul_n_bits = MICROSOFT_DEF("MatMulNBits", 3, 6);
