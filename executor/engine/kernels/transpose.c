#include "executor/engine/kernels/transpose.h"

#include <assert.h>
#include <string.h>

#include "core/tensor.h"
#include "executor/engine/kernels/transpose_loops.h"

void ppq_transpose_8(ppq_isa isa, const void *src, int64_t src_stride, void *dst,
                     int64_t dst_stride, int64_t n_rows, int64_t n_cols)
{
    ppq_transpose_loops_pick(isa)->bytes(
        &(ppq_transposition){ src, dst, src_stride, dst_stride, n_rows, n_cols });
}

void ppq_transpose_32(ppq_isa isa, const void *src, int64_t src_stride, void *dst,
                      int64_t dst_stride, int64_t n_rows, int64_t n_cols)
{
    ppq_transpose_loops_pick(isa)->words(
        &(ppq_transposition){ src, dst, src_stride, dst_stride, n_rows, n_cols });
}

// ---- any permutation ------------------------------------------------------------------------

// The result's dimensions, outermost first, and how far apart their steps are in the source.
typedef struct permutation {
    int rank;
    int64_t dim[PPQ_MAX_RANK], step[PPQ_MAX_RANK];
} permutation;

// Drops dimensions of size 1 and joins those that follow each other in source and result.
static permutation simplify(int rank, const int64_t *dim, const int *perm)
{
    int64_t stride[PPQ_MAX_RANK], product = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = product;
        product *= dim[i];
    }
    permutation p = { 0 };
    for (int i = 0; i < rank; i++) {
        const int64_t n = dim[perm[i]], step = stride[perm[i]];
        if (n == 1)
            continue;
        if (p.rank > 0 && p.step[p.rank - 1] == n * step) {
            p.dim[p.rank - 1] *= n;
            p.step[p.rank - 1] = step;
        } else {
            p.dim[p.rank] = n;
            p.step[p.rank++] = step;
        }
    }
    return p;
}

// Writes the innermost two dimensions, or fewer, at once.
static void put_matrix(ppq_isa isa, const permutation *p, const uint8_t *src, uint8_t *dst)
{
    if (p->rank == 0) {
        *dst = *src;
        return;
    }
    const int64_t n = p->dim[p->rank - 1], step = p->step[p->rank - 1];
    const int64_t rows = p->rank > 1 ? p->dim[p->rank - 2] : 1;
    const int64_t row_step = p->rank > 1 ? p->step[p->rank - 2] : 0;
    if (row_step == 1) {
        ppq_transpose_8(isa, src, step, dst, n, n, rows);
        return;
    }
    for (int64_t r = 0; r < rows; r++, src += row_step, dst += n) {
        if (step == 1)
            memcpy(dst, src, (size_t) n);
        for (int64_t i = 0; step != 1 && i < n; i++)
            dst[i] = src[i * step];
    }
}

void ppq_permute_8(ppq_isa isa, const void *src, void *dst, int rank, const int64_t *dim,
                   const int *perm)
{
    assert(rank >= 0 && rank <= PPQ_MAX_RANK);
    const permutation p = simplify(rank, dim, perm);
    const int n_outer = p.rank > 2 ? p.rank - 2 : 0;
    int64_t matrix = 1, n_matrices = 1;
    for (int i = 0; i < p.rank; i++)
        *(i < n_outer ? &n_matrices : &matrix) *= p.dim[i];
    if (matrix == 0)
        return;
    for (int64_t m = 0; m < n_matrices; m++) {
        int64_t at = 0, rest = m;
        for (int i = n_outer - 1; i >= 0; i--) {
            at += rest % p.dim[i] * p.step[i];
            rest /= p.dim[i];
        }
        put_matrix(isa, &p, (const uint8_t *) src + at, (uint8_t *) dst + m * matrix);
    }
}
