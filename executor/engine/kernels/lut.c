#include "executor/engine/kernels/lut.h"

#include "core/quantfn.h"
#include "executor/engine/kernels/lut_loops.h"

void ppq_lut_build(const ppq_q8 *src, const ppq_q8 *dst, float (*f)(float x, const void *user),
                   const void *user, uint8_t table[PPQ_LUT_SIZE])
{
    assert(ppq_q8_valid(src) && ppq_q8_valid(dst));
    const ppq_qparam to = { .scale = dst->scale,
                            .offset = (float) dst->zero,
                            .qmin = dst->qmin,
                            .qmax = dst->qmax,
                            .rounding = PPQ_ROUND_HALF_EVEN };
    float y[PPQ_LUT_SIZE];
    int32_t q[PPQ_LUT_SIZE];
    for (int i = 0; i < PPQ_LUT_SIZE; i++) {
        const int32_t x = src->is_signed && i > 127 ? i - 256 : i;
        y[i] = f((float) (x - src->zero) * src->scale, user);
    }
    ppq_quantize_i32(y, q, PPQ_LUT_SIZE, &to);
    for (int i = 0; i < PPQ_LUT_SIZE; i++)
        table[i] = (uint8_t) q[i];
}

static float identity(float x, const void *user)
{
    (void) user;
    return x;
}

void ppq_lut_build_requantize(const ppq_q8 *src, const ppq_q8 *dst, uint8_t table[PPQ_LUT_SIZE])
{
    ppq_lut_build(src, dst, identity, NULL, table);
}

void ppq_lut_run(ppq_isa isa, const uint8_t table[PPQ_LUT_SIZE], const uint8_t *src, uint8_t *dst,
                 int64_t n)
{
    ppq_lut_loops_pick(isa)->rows(table, src, n, dst, n, 1, n);
}

void ppq_lut_run_rows(ppq_isa isa, const uint8_t table[PPQ_LUT_SIZE], const uint8_t *src,
                      int64_t src_stride, uint8_t *dst, int64_t dst_stride, int64_t n_rows,
                      int64_t n_cols)
{
    if (src_stride == n_cols && dst_stride == n_cols)
        ppq_lut_run(isa, table, src, dst, n_rows * n_cols);
    else
        ppq_lut_loops_pick(isa)->rows(table, src, src_stride, dst, dst_stride, n_rows, n_cols);
}
