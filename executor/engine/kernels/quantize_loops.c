#include "executor/engine/kernels/quantize_loops.h"

#include "executor/engine/kernels/quantize.h"
#include "executor/engine/kernels/vec.h"

V_INLINE void quantize_block(const v_q8 *q, const float *src, uint8_t *dst)
{
    vf x[4];
    for (int k = 0; k < 4; k++)
        x[k] = vf_load(src + k * V_LANES);
    v_quantize_store(q, x, dst);
}

static void quantize(const ppq_q8_raw *raw, const float *src, uint8_t *dst, int64_t n)
{
    const v_q8 q = v_q8_of(raw);
    int64_t i = 0;
    for (; i + V_BLOCK <= n; i += V_BLOCK)
        quantize_block(&q, src + i, dst + i);
    if (i >= n)
        return;
    float x[V_BLOCK] = { 0 };
    uint8_t y[V_BLOCK];
    memcpy(x, src + i, (size_t) (n - i) * sizeof(*x));
    quantize_block(&q, x, y);
    memcpy(dst + i, y, (size_t) (n - i));
}

V_INLINE void dequantize_block(const v_q8 *q, const uint8_t *src, float *dst)
{
    vf x[4];
    v_dequantize(q, true, src, x);
    for (int k = 0; k < 4; k++)
        vf_store(dst + k * V_LANES, x[k]);
}

static void dequantize(const ppq_q8_raw *raw, const uint8_t *src, float *dst, int64_t n)
{
    const v_q8 q = v_q8_of(raw);
    int64_t i = 0;
    for (; i + V_BLOCK <= n; i += V_BLOCK)
        dequantize_block(&q, src + i, dst + i);
    if (i >= n)
        return;
    uint8_t x[V_BLOCK] = { 0 };
    float y[V_BLOCK];
    memcpy(x, src + i, (size_t) (n - i));
    dequantize_block(&q, x, y);
    memcpy(dst + i, y, (size_t) (n - i) * sizeof(*y));
}

// ---- images ---------------------------------------------------------------------------------

// V_LANES pixels from the bytes of their channels, one per lane. A pixel is one int32.
V_INLINE void store_pixels(const vi channel[PPQ_Q8_PIXEL], vi flip, uint8_t *dst)
{
    vi y = channel[PPQ_Q8_PIXEL - 1];
    for (int c = PPQ_Q8_PIXEL - 2; c >= 0; c--)
        y = vi_or(vi_shl8(y), channel[c]);
    vi_store(dst, vi_xor(y, flip));
}

V_INLINE void image_block(const v_q8 *q, const ppq_planes *src, int64_t at, uint8_t *dst)
{
    vf x[PPQ_Q8_PIXEL];
    vi y[PPQ_Q8_PIXEL];
    for (int c = 0; c < PPQ_Q8_PIXEL; c++)
        x[c] = c < src->channels ? vf_load((const float *) src->first + c * src->stride + at)
                                 : vf_set(0);
    v_quantize(q, x, y);
    for (int c = (int) src->channels; c < PPQ_Q8_PIXEL; c++)
        y[c] = q->zero;
    store_pixels(y, vi_set((int32_t) (q->flip_byte * 0x01010101u)), dst);
}

static void image_row(const ppq_q8_raw *raw, const ppq_planes *src, uint8_t *dst)
{
    const v_q8 q = v_q8_of(raw);
    const int64_t n = src->width;
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES)
        image_block(&q, src, i, dst + i * PPQ_Q8_PIXEL);
    if (i >= n)
        return;
    float x[PPQ_Q8_PIXEL * V_LANES] = { 0 };
    uint8_t y[PPQ_Q8_PIXEL * V_LANES];
    for (int64_t c = 0; c < src->channels; c++)
        memcpy(x + c * V_LANES, (const float *) src->first + c * src->stride + i,
               (size_t) (n - i) * sizeof(*x));
    image_block(&q, &(ppq_planes){ x, V_LANES, src->channels, V_LANES }, 0, y);
    memcpy(dst + i * PPQ_Q8_PIXEL, y, (size_t) ((n - i) * PPQ_Q8_PIXEL));
}

V_INLINE void byte_block(vi zero, const ppq_planes *src, int64_t at, uint8_t *dst)
{
    vi y[PPQ_Q8_PIXEL];
    for (int c = 0; c < PPQ_Q8_PIXEL; c++)
        y[c] = c < src->channels
                   ? vi_load_bytes((const uint8_t *) src->first + c * src->stride + at)
                   : zero;
    store_pixels(y, vi_set(0), dst);
}

static void byte_row(uint8_t zero, const ppq_planes *src, uint8_t *dst)
{
    const int64_t n = src->width;
    int64_t i = 0;
    for (; i + V_LANES <= n; i += V_LANES)
        byte_block(vi_set(zero), src, i, dst + i * PPQ_Q8_PIXEL);
    if (i >= n)
        return;
    uint8_t x[PPQ_Q8_PIXEL * V_LANES] = { 0 }, y[PPQ_Q8_PIXEL * V_LANES];
    for (int64_t c = 0; c < src->channels; c++)
        memcpy(x + c * V_LANES, (const uint8_t *) src->first + c * src->stride + i,
               (size_t) (n - i));
    byte_block(vi_set(zero), &(ppq_planes){ x, V_LANES, src->channels, V_LANES }, 0, y);
    memcpy(dst + i * PPQ_Q8_PIXEL, y, (size_t) ((n - i) * PPQ_Q8_PIXEL));
}

const ppq_quantize_loops PPQ_LOOPS(ppq_quantize_loops) = { quantize, dequantize, image_row,
                                                           byte_row };
