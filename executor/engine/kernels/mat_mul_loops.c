#include "executor/engine/kernels/mat_mul_loops.h"

#include "executor/engine/kernels/vec.h"

enum { ROWS = PPQ_Q8_MAT_MUL_ROWS, PANEL = 2 * V_LANES };

static int32_t one_pair(int32_t lower, int32_t upper)
{
    return lower | upper << 16;
}

// b is stored as it is, so that pairs have no signs; its zero point is taken from the sums.
static void pack(const ppq_q8_mat_mul *m, const uint8_t *b, int32_t *packed)
{
    for (int64_t j = 0; j < m->n; j += PANEL)
        for (int64_t p = 0; p < m->k; p += 2, packed += PANEL) {
            const uint8_t *lower = b + p * m->n + j, *upper = p + 1 < m->k ? lower + m->n : NULL;
            if (upper && j + PANEL <= m->n) {
                for (int v = 0; v < 2; v++) {
                    const vi x = vi_load_bytes(lower + v * V_LANES);
                    const vi y = vi_load_bytes(upper + v * V_LANES);
                    vi_store(packed + v * V_LANES, vi_or(x, vi_shl8(vi_shl8(y))));
                }
                continue;
            }
            for (int i = 0; i < PANEL; i++)
                packed[i] = j + i < m->n ? one_pair(lower[i], upper ? upper[i] : 0) : 0;
        }
}

// Sums stay in registers.
V_INLINE void tile(const ppq_q8_mat_mul *m, const int16_t *a, const int32_t *offset,
                   const int32_t *b, float *dst, int64_t stride)
{
    const int64_t pairs = (m->k + 1) / 2;
    const vf scale = vf_set(m->scale);
    vi sum[ROWS][2];
    for (int r = 0; r < ROWS; r++)
        sum[r][0] = sum[r][1] = vi_set(0);
    for (int64_t p = 0; p < pairs; p++, b += PANEL) {
        const vi left = vi_load(b), right = vi_load(b + V_LANES);
        for (int r = 0; r < ROWS; r++) {
            int32_t pair;
            memcpy(&pair, a + 2 * (r * pairs + p), sizeof(pair));
            sum[r][0] = vi_add(sum[r][0], vi_dot_pairs(vi_set(pair), left));
            sum[r][1] = vi_add(sum[r][1], vi_dot_pairs(vi_set(pair), right));
        }
    }
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < 2; v++) {
            const vi whole = vi_sub(sum[r][v], vi_set(offset[r]));
            vf_store(dst + r * stride + v * V_LANES, vf_mul(vf_from(whole), scale));
        }
}

static void rows(const ppq_q8_mat_mul *m, const int16_t *a, const int32_t *sum,
                 const int32_t *packed, float *dst, int64_t stride)
{
    int32_t offset[ROWS];
    for (int r = 0; r < ROWS; r++)
        offset[r] = sum[r] * m->b_zero;
    for (int64_t j = 0; j < m->n; j += PANEL, packed += (m->k + 1) / 2 * PANEL)
        tile(m, a, offset, packed, dst + j, stride);
}

const ppq_q8_mat_mul_loops PPQ_LOOPS(ppq_q8_mat_mul_loops) = { pack, rows };
