#include "executor/engine/kernels/lut.h"

#include <string.h>

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

// Rows that are too short for vectors go through a buffer, many at once.
enum { SHORT_ROW = 64, BUFFER = 4096 };

static void copy_rows(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t dst_stride,
                      int64_t n_rows, int64_t n_cols)
{
    for (int64_t r = 0; r < n_rows; r++)
        memcpy(dst + r * dst_stride, src + r * src_stride, (size_t) n_cols);
}

static void run_short_rows(ppq_isa isa, const uint8_t *table, const uint8_t *src,
                           int64_t src_stride, uint8_t *dst, int64_t dst_stride, int64_t n_rows,
                           int64_t n_cols)
{
    uint8_t buf[BUFFER];
    const int64_t at_once = BUFFER / n_cols;
    for (int64_t r = 0; r < n_rows; r += at_once) {
        const int64_t n = PPQ_MIN(n_rows - r, at_once);
        const uint8_t *from = src + r * src_stride;
        if (src_stride != n_cols) {
            copy_rows(from, src_stride, buf, n_cols, n, n_cols);
            from = buf;
        }
        uint8_t *to = dst_stride == n_cols ? dst + r * n_cols : buf;
        ppq_lut_run(isa, table, from, to, n * n_cols);
        if (to == buf)
            copy_rows(buf, n_cols, dst + r * dst_stride, dst_stride, n, n_cols);
    }
}

void ppq_lut_run_rows(ppq_isa isa, const uint8_t table[PPQ_LUT_SIZE], const uint8_t *src,
                      int64_t src_stride, uint8_t *dst, int64_t dst_stride, int64_t n_rows,
                      int64_t n_cols)
{
    if (src_stride == n_cols && dst_stride == n_cols)
        ppq_lut_run(isa, table, src, dst, n_rows * n_cols);
    else if (n_cols > 0 && n_cols < SHORT_ROW)
        run_short_rows(isa, table, src, src_stride, dst, dst_stride, n_rows, n_cols);
    else
        ppq_lut_loops_pick(isa)->rows(table, src, src_stride, dst, dst_stride, n_rows, n_cols);
}
