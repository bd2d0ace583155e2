#include "executor/engine/kernels/mat_mul.h"

#include <string.h>

#include "executor/engine/kernels/mat_mul_loops.h"
#include "executor/engine/kernels/quantize.h"

// Scratch memory: b in panels, a few rows of a, as many of the result.
typedef struct parts {
    int32_t *b;
    int16_t *a;
    float *rows;
    int64_t depth, columns; // k and n, rounded up
    size_t bytes;
} parts;

static size_t aligned(int64_t n, size_t size)
{
    return ((size_t) n * size + 63) / 64 * 64;
}

static parts divide(const ppq_q8_mat_mul *m, void *scratch)
{
    enum { ROWS = PPQ_Q8_MAT_MUL_ROWS, COLUMNS = PPQ_Q8_MAT_MUL_COLUMNS };
    parts p = { .depth = (m->k + 1) / 2 * 2, .columns = (m->n + COLUMNS - 1) / COLUMNS * COLUMNS };
    const size_t b = aligned(p.depth / 2 * p.columns, sizeof(*p.b));
    const size_t a = aligned(ROWS * p.depth, sizeof(*p.a));
    p.bytes = b + a + aligned(ROWS * p.columns, sizeof(*p.rows));
    if (!scratch)
        return p;
    unsigned char *at = scratch;
    p.b = (void *) at;
    p.a = (void *) (at + b);
    p.rows = (void *) (at + b + a);
    return p;
}

size_t ppq_q8_mat_mul_scratch(const ppq_q8_mat_mul *m)
{
    return divide(m, NULL).bytes;
}

void ppq_q8_mat_mul_pack(ppq_isa isa, const ppq_q8_mat_mul *m, const uint8_t *b, void *scratch)
{
    ppq_q8_mat_mul_loops_pick(isa)->pack(m, b, divide(m, scratch).b);
}

static int32_t widen(const uint8_t *src, int64_t n, int32_t zero, int16_t *dst)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        dst[i] = (int16_t) (src[i] - zero);
        sum += src[i];
    }
    return sum - (int32_t) n * zero;
}

void ppq_q8_mat_mul_rows(ppq_isa isa, const ppq_q8_mat_mul *m, const uint8_t *a, int64_t n_rows,
                         const ppq_q8 *to, void *scratch, void *dst)
{
    const parts p = divide(m, scratch);
    unsigned char *out = dst;
    int32_t sum[PPQ_Q8_MAT_MUL_ROWS] = { 0 };
    memset(p.a, 0, (size_t) (PPQ_Q8_MAT_MUL_ROWS * p.depth) * sizeof(*p.a));
    for (int64_t at = 0; at < n_rows; at += PPQ_Q8_MAT_MUL_ROWS) {
        const int64_t n = PPQ_MIN(n_rows - at, (int64_t) PPQ_Q8_MAT_MUL_ROWS);
        for (int64_t r = 0; r < n; r++)
            sum[r] = widen(a + (at + r) * m->k, m->k, m->a_zero, p.a + r * p.depth);
        ppq_q8_mat_mul_loops_pick(isa)->rows(m, p.a, sum, p.b, p.rows, p.columns);
        for (int64_t r = 0; r < n; r++) {
            const float *row = p.rows + r * p.columns;
            if (to) {
                ppq_q8_quantize(isa, to, row, out, m->n);
                out += m->n;
            } else {
                memcpy(out, row, (size_t) m->n * sizeof(*row));
                out += (size_t) m->n * sizeof(*row);
            }
        }
    }
}
