#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_FLOAT_TILE_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_FLOAT_TILE_H

#include "executor/engine/kernels/vec.h"

// A few rows of a product of float matrices whose sums stay in registers: rows by vectors of
// columns. Sums take their products in order, each rounded once.

enum {
    TILE_ROWS = 6,
    TILE_VECTORS = V_LANES == 16  ? 4
                   : V_LANES == 8 ? 2
                                  : 4,
    TILE_COLUMNS = TILE_VECTORS * V_LANES
};

typedef struct tile_sums {
    vf v[TILE_ROWS][TILE_VECTORS];
} tile_sums;

// `vectors` is a constant in all of these.

V_INLINE void tile_begin(tile_sums *s, int vectors, const float *bias)
{
    for (int v = 0; v < vectors; v++) {
        const vf x = bias ? vf_load(bias + v * V_LANES) : vf_set(0);
        for (int r = 0; r < TILE_ROWS; r++)
            s->v[r][v] = x;
    }
}

// Adds the products of n elements of each row with n rows of `b`, which follow each other.
V_INLINE void tile_add(tile_sums *s, int vectors, const float *const row[TILE_ROWS], const float *b,
                       int64_t n)
{
    const float *const r0 = row[0], *const r1 = row[1], *const r2 = row[2];
    const float *const r3 = row[3], *const r4 = row[4], *const r5 = row[5];
    for (int64_t i = 0; i < n; i++, b += vectors * V_LANES) {
        const float *const at[TILE_ROWS] = { r0 + i, r1 + i, r2 + i, r3 + i, r4 + i, r5 + i };
        vf w[TILE_VECTORS];
        for (int v = 0; v < vectors; v++)
            w[v] = vf_load(b + v * V_LANES);
        for (int r = 0; r < TILE_ROWS; r++) {
            const vf a = vf_set(*at[r]);
            for (int v = 0; v < vectors; v++)
                s->v[r][v] = vf_fma(a, w[v], s->v[r][v]);
        }
    }
}

// The first `rows` rows, `columns` of each, to rows `stride` apart. Columns fill all vectors but
// the last.
V_INLINE void tile_store(const tile_sums *s, int vectors, int64_t rows, int64_t columns, float *dst,
                         int64_t stride)
{
    const int whole = (int) (columns / V_LANES);
    for (int r = 0; r < TILE_ROWS && r < rows; r++, dst += stride) {
        for (int v = 0; v < vectors; v++) {
            if (v < whole) {
                vf_store(dst + v * V_LANES, s->v[r][v]);
                continue;
            }
            vf_store_part(dst + v * V_LANES, s->v[r][v], columns % V_LANES);
        }
    }
}

#endif
