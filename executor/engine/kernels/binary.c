#include "executor/engine/kernels/binary.h"

#include <string.h>

#include "executor/engine/kernels/binary_loops.h"
#include "executor/engine/kernels/lut.h"

void ppq_q8_binary_run(ppq_isa isa, const ppq_q8_binary *k, const void *a, int64_t a_stride,
                       const void *b, int64_t b_stride, void *dst, int64_t n_rows, int64_t n_cols)
{
    ppq_q8_binary_rows r = { a, b, dst, a_stride, b_stride, n_rows, n_cols };
    if (a_stride == n_cols && b_stride == n_cols) {
        r.n_cols = n_rows * n_cols;
        r.n_rows = 1;
    }
    ppq_q8_binary_loops_pick(isa)->rows[k->alg](k, &r);
}

void ppq_q8_binary_run_row(ppq_isa isa, const ppq_q8_binary *k, bool a_is_row, const float *row,
                           const void *other, void *dst, int64_t n_rows, int64_t n_cols)
{
    const ppq_q8_binary_reals r = { row, other, dst, n_rows, n_cols };
    ppq_q8_binary_loops_pick(isa)->reals[k->alg][a_is_row](k, &r);
}

// A function of one byte: its table is what it makes of all of them.
void ppq_q8_binary_run_scalar(ppq_isa isa, const ppq_q8_binary *k, bool a_is_single, uint8_t single,
                              const void *other, void *dst, int64_t n)
{
    uint8_t all[PPQ_LUT_SIZE], one[PPQ_LUT_SIZE], table[PPQ_LUT_SIZE];
    for (int i = 0; i < PPQ_LUT_SIZE; i++)
        all[i] = (uint8_t) i;
    memset(one, single, sizeof(one));
    ppq_q8_binary_run(isa, k, a_is_single ? one : all, 0, a_is_single ? all : one, 0, table, 1,
                      PPQ_LUT_SIZE);
    ppq_lut_run(isa, table, other, dst, n);
}
