#include "executor/engine/kernels/recurrent_loops.h"

#include "executor/engine/kernels/vec.h"
#include "executor/ops/recurrent_math.h"

// Sums stay in registers from the first row of the matrix to the last, TILES panels of them: of
// several rows of x, or, when there is one only, side by side.
enum { TILES = 4, VECTORS = PPQ_RECURRENT_PANEL / V_LANES };

// `rows` and `panels` are constants, one of them 1 and none above TILES.
V_INLINE void tile(const ppq_panels *m, int rows, int panels, const float *x, int64_t at,
                   const float *bias, float *y)
{
    const int64_t depth = m->depth, panel = depth * PPQ_RECURRENT_PANEL;
    const float *w = m->data + at * depth;
    vf sum[TILES][VECTORS];
    for (int t = 0; t < rows * panels; t++)
        for (int v = 0; v < VECTORS; v++)
            sum[t][v] = vf_set(0);
    for (int64_t k = 0; k < depth; k++, w += PPQ_RECURRENT_PANEL)
        for (int t = 0; t < rows * panels; t++) {
            const vf a = vf_set(x[(rows > 1 ? t : 0) * depth + k]);
            for (int v = 0; v < VECTORS; v++) {
                const float *b = w + (panels > 1 ? t : 0) * panel + v * V_LANES;
                sum[t][v] = vf_add(sum[t][v], vf_mul(a, vf_load(b)));
            }
        }
    for (int t = 0; t < rows * panels; t++)
        for (int v = 0; v < VECTORS; v++) {
            const int64_t column = at + (panels > 1 ? t : 0) * PPQ_RECURRENT_PANEL + v * V_LANES;
            const vf b = bias ? vf_load(bias + column) : vf_set(0);
            vf_store(y + (rows > 1 ? t : 0) * m->columns + column, vf_add(sum[t][v], b));
        }
}

static void one_row(const ppq_panels *m, const float *x, const float *bias, float *y)
{
    int64_t at = 0;
    for (; at + TILES * PPQ_RECURRENT_PANEL <= m->columns; at += TILES * PPQ_RECURRENT_PANEL)
        tile(m, 1, TILES, x, at, bias, y);
    for (; at + 2 * PPQ_RECURRENT_PANEL <= m->columns; at += 2 * PPQ_RECURRENT_PANEL)
        tile(m, 1, 2, x, at, bias, y);
    for (; at < m->columns; at += PPQ_RECURRENT_PANEL)
        tile(m, 1, 1, x, at, bias, y);
}

static void product(const ppq_panels *m, int64_t rows, const float *x, const float *bias, float *y)
{
    const int64_t whole = rows / TILES * TILES;
    // Panel by panel, so that each stays in the first-level cache.
    for (int64_t at = 0; at < m->columns; at += PPQ_RECURRENT_PANEL)
        for (int64_t i = 0; i < whole; i += TILES)
            tile(m, TILES, 1, x + i * m->depth, at, bias, y + i * m->columns);
    for (int64_t i = whole; i < rows; i++)
        one_row(m, x + i * m->depth, bias, y + i * m->columns);
}

const ppq_recurrent_math PPQ_LOOPS(ppq_recurrent_math) = { .product = product, .cell = cells };
