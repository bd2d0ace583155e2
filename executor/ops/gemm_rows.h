// Matrix product in blocks that stay in the second-level cache. A template: include with T, the
// element type, and NAME(x), which makes function names.

#include "executor/ops/axpy.h"

struct NAME(matrices) {
    int64_t m, n, a_m, a_k;
    const T *a, *b;
    T *y;
};

// Columns [j0, j1), depth [k0, k1).
static void NAME(gemm_block)(const struct NAME(matrices) * s, int64_t j0, int64_t j1, int64_t k0,
                             int64_t k1)
{
    for (int64_t i = 0; i < s->m; i += 4) {
        struct NAME(rows) r = { .n = (int) PPQ_MIN(s->m - i, 4) };
        for (int j = 0; j < r.n; j++)
            r.y[j] = s->y + (i + j) * s->n;
        for (int64_t k = k0; k < k1; k++) {
            for (int j = 0; j < r.n; j++)
                r.a[j] = s->a[(i + j) * s->a_m + k * s->a_k];
            NAME(axpy)(&r, j0, s->b + k * s->n + j0, j1 - j0);
        }
    }
}

static void NAME(gemm)(int64_t m, int64_t n, int64_t k, const void *a, int64_t a_m, int64_t a_k,
                       const void *b, void *y)
{
    enum { COLUMNS = 512, DEPTH = 256 };
    const struct NAME(matrices) s = { m, n, a_m, a_k, a, b, y };
    for (int64_t i = 0; i < m * n; i++)
        s.y[i] = 0;
    for (int64_t j = 0; j < n; j += COLUMNS)
        for (int64_t d = 0; d < k; d += DEPTH)
            NAME(gemm_block)(&s, j, PPQ_MIN(j + COLUMNS, n), d, PPQ_MIN(d + DEPTH, k));
}

#undef T
#undef NAME
