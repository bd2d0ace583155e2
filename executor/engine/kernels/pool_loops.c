#include "executor/engine/kernels/pool_loops.h"

#include "executor/engine/kernels/vec.h"

// The last block of channels ends with the last channel and may overlap the one before. Fewer
// channels than a block has are copied to and from a buffer of that size.

V_INLINE const uint8_t *whole_block(const uint8_t *p, int64_t channels, uint8_t buf[V_BLOCK])
{
    if (channels >= V_BLOCK)
        return p;
    memcpy(buf, p, (size_t) channels);
    return buf;
}

// Sums of this many bytes fit into 16 bits.
enum { FITS = 256 };

V_INLINE void flush(vw partial[2], vi sum[4])
{
    for (int k = 0; k < 2; k++) {
        sum[2 * k] = vi_add(sum[2 * k], vw_lower(partial[k]));
        sum[2 * k + 1] = vi_add(sum[2 * k + 1], vw_upper(partial[k]));
        partial[k] = vw_set(0);
    }
}

V_INLINE void add_window(const ppq_pool_window *w, int64_t at, vw flip, vi sum[4])
{
    uint8_t buf[V_BLOCK] = { 0 };
    vw partial[2] = { vw_set(0), vw_set(0) };
    int n = 0;
    for (int64_t y = 0; y < w->n[0]; y++) {
        const uint8_t *p = w->first + y * w->step[0] + at;
        for (int64_t x = 0; x < w->n[1]; x++, p += w->step[1]) {
            const uint8_t *bytes = whole_block(p, w->channels, buf);
            for (int k = 0; k < 2; k++)
                partial[k] =
                    vw_add(partial[k], vw_xor(vw_load_bytes(bytes + 2 * k * V_LANES), flip));
            if (++n % FITS == 0)
                flush(partial, sum);
        }
    }
    flush(partial, sum);
}

static void average(const ppq_pool_window *window, int64_t n, const ppq_q8_raw *from,
                    const ppq_q8_raw *to, void *dst)
{
    const ppq_pool_window w = *window; // which stores of bytes cannot alias
    const v_q8 q = v_q8_of(to ? to : from);
    const vf scale = vf_set(from->scale / (float) n);
    const vi start = vi_set((int32_t) (w.n[0] * w.n[1]) * -from->zero);
    const vw flip = vw_set(from->flip);
    const size_t unit = to ? 1 : sizeof(float);
    for (int64_t i = 0; i < w.channels; i += V_BLOCK) {
        const int64_t at = PPQ_MAX(PPQ_MIN(i, w.channels - V_BLOCK), 0);
        float narrow[V_BLOCK];
        void *out = w.channels < V_BLOCK ? (void *) narrow : (uint8_t *) dst + (size_t) at * unit;
        vi sum[4] = { start, start, start, start };
        vf mean[4];
        add_window(&w, at, flip, sum);
        for (int k = 0; k < 4; k++)
            mean[k] = vf_mul(vf_from(sum[k]), scale);
        if (to)
            v_quantize_store(&q, mean, out);
        for (int k = 0; !to && k < 4; k++)
            vf_store((float *) out + k * V_LANES, mean[k]);
        if (w.channels < V_BLOCK)
            memcpy(dst, narrow, (size_t) w.channels * unit);
    }
}

static void max(const ppq_pool_window *window, uint8_t flip_byte, uint8_t *dst)
{
    const ppq_pool_window w = *window;
    const vi flip = vi_set((int32_t) (flip_byte * 0x01010101u));
    uint8_t buf[V_BLOCK] = { 0 };
    for (int64_t i = 0; i < w.channels; i += V_BLOCK) {
        const int64_t at = PPQ_MAX(PPQ_MIN(i, w.channels - V_BLOCK), 0);
        vi most = vi_set(0); // a block of bytes is one vector
        for (int64_t y = 0; y < w.n[0]; y++)
            for (int64_t x = 0; x < w.n[1]; x++) {
                const uint8_t *p = w.first + y * w.step[0] + x * w.step[1] + at;
                const vi bytes = vi_load(whole_block(p, w.channels, buf));
                most = vi_max_bytes(most, vi_xor(bytes, flip));
            }
        vi_store(w.channels < V_BLOCK ? buf : dst + at, vi_xor(most, flip));
        if (w.channels < V_BLOCK)
            memcpy(dst, buf, (size_t) w.channels);
    }
}

const ppq_pool_loops PPQ_LOOPS(ppq_pool_loops) = { average, max };
