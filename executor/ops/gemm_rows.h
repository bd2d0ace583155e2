// Matrix product in blocks that stay in the second-level cache. A template: include with T, the
// element type, and NAME(x), which makes function names.

#include "executor/ops/axpy.h"

// Columns [j0, j1), depth [k0, k1).
static void NAME(gemm_block)(int64_t m, int64_t n, const T *a, int64_t a_m, int64_t a_k, const T *b,
                             T *y, int64_t j0, int64_t j1, int64_t k0, int64_t k1)
{
    for (int64_t i = 0; i < m; i += 4) {
        const int rows = (int) PPQ_MIN(m - i, 4);
        T *row[4];
        for (int r = 0; r < rows; r++)
            row[r] = y + (i + r) * n;
        for (int64_t k = k0; k < k1; k++) {
            T v[4];
            for (int r = 0; r < rows; r++)
                v[r] = a[(i + r) * a_m + k * a_k];
            NAME(axpy)(row, j0, rows, v, b + k * n + j0, j1 - j0);
        }
    }
}

static void NAME(gemm)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_m, int64_t a_k,
                       const void *b, void *y)
{
    enum { COLUMNS = 512, DEPTH = 256 };
    T *dst = y;
    for (int64_t i = 0; i < m * n; i++)
        dst[i] = 0;
    for (int64_t j = 0; j < n; j += COLUMNS)
        for (int64_t d = 0; d < k; d += DEPTH)
            NAME(gemm_block)
            (m, n, a, a_m, a_k, b, dst, j, PPQ_MIN(j + COLUMNS, n), d, PPQ_MIN(d + DEPTH, k));
}

#undef T
#undef NAME
