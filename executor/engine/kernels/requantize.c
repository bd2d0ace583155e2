#include "executor/engine/kernels/requantize.h"

#include <string.h>

void ppq_q8_requantize_prepare(const ppq_q8 *src, const ppq_q8 *dst, ppq_q8_requantize *out)
{
    ppq_lut_build_requantize(src, dst, out->table);
    out->copies = true;
    for (int i = 0; i < PPQ_LUT_SIZE; i++)
        out->copies &= out->table[i] == i;
}

static void copy_rows(const uint8_t *src, int64_t src_stride, uint8_t *dst, int64_t dst_stride,
                      int64_t n_rows, int64_t n_cols)
{
    for (int64_t r = 0; src != dst && r < n_rows; r++)
        memcpy(dst + r * dst_stride, src + r * src_stride, (size_t) n_cols);
}

void ppq_q8_requantize_run(ppq_isa isa, const ppq_q8_requantize *q, const void *src,
                           int64_t src_stride, void *dst, int64_t dst_stride, int64_t n_rows,
                           int64_t n_cols)
{
    if (!q->copies)
        ppq_lut_run_rows(isa, q->table, src, src_stride, dst, dst_stride, n_rows, n_cols);
    else if (src_stride == n_cols && dst_stride == n_cols)
        copy_rows(src, 0, dst, 0, 1, n_rows * n_cols);
    else
        copy_rows(src, src_stride, dst, dst_stride, n_rows, n_cols);
}
