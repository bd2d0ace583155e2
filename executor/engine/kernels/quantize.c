#include "executor/engine/kernels/quantize.h"

#include <string.h>

#include "executor/engine/kernels/quantize_loops.h"

void ppq_q8_quantize(ppq_isa isa, const ppq_q8 *to, const float *src, void *dst, int64_t n)
{
    const ppq_q8_raw q = ppq_q8_to_raw(to);
    ppq_quantize_loops_pick(isa)->quantize(&q, src, dst, n);
}

void ppq_q8_dequantize(ppq_isa isa, const ppq_q8 *from, const void *src, float *dst, int64_t n)
{
    const ppq_q8_raw q = ppq_q8_to_raw(from);
    ppq_quantize_loops_pick(isa)->dequantize(&q, src, dst, n);
}

// ---- images ---------------------------------------------------------------------------------

static int64_t columns(const ppq_q8_image *m)
{
    return m->left + m->width + m->right;
}

int64_t ppq_q8_image_rows(const ppq_q8_image *m)
{
    return m->top + m->height + m->bottom;
}

size_t ppq_q8_image_bytes(const ppq_q8_image *m)
{
    return (size_t) (ppq_q8_image_rows(m) * columns(m) * PPQ_Q8_PIXEL);
}

// Fills the border of row y of the result. Returns where its pixels from the source belong, NULL
// when it has none.
static uint8_t *border(const ppq_q8_image *m, uint8_t zero, uint8_t *dst, int64_t y)
{
    uint8_t *row = dst + y * columns(m) * PPQ_Q8_PIXEL;
    if (y < m->top || y >= m->top + m->height) {
        memset(row, zero, (size_t) (columns(m) * PPQ_Q8_PIXEL));
        return NULL;
    }
    uint8_t *inside = row + m->left * PPQ_Q8_PIXEL;
    memset(row, zero, (size_t) (m->left * PPQ_Q8_PIXEL));
    memset(inside + m->width * PPQ_Q8_PIXEL, zero, (size_t) (m->right * PPQ_Q8_PIXEL));
    return inside;
}

void ppq_q8_image_quantize(ppq_isa isa, const ppq_q8_image *m, const ppq_q8 *to, const float *src,
                           void *dst, int64_t row_lo, int64_t row_hi)
{
    assert(m->channels >= 1 && m->channels <= PPQ_Q8_PIXEL);
    const ppq_q8_raw q = ppq_q8_to_raw(to);
    const ppq_quantize_loops *loops = ppq_quantize_loops_pick(isa);
    for (int64_t y = row_lo; y < row_hi; y++) {
        uint8_t *inside = border(m, (uint8_t) to->zero, dst, y);
        if (inside)
            loops->image_row(&q,
                             &(ppq_planes){ src + (y - m->top) * m->width, m->height * m->width,
                                            m->channels, m->width },
                             inside);
    }
}

void ppq_q8_image_interleave(ppq_isa isa, const ppq_q8_image *m, uint8_t zero, const uint8_t *src,
                             uint8_t *dst, int64_t row_lo, int64_t row_hi)
{
    assert(m->channels >= 1 && m->channels <= PPQ_Q8_PIXEL);
    const ppq_quantize_loops *loops = ppq_quantize_loops_pick(isa);
    for (int64_t y = row_lo; y < row_hi; y++) {
        uint8_t *inside = border(m, zero, dst, y);
        if (inside)
            loops->byte_row(zero,
                            &(ppq_planes){ src + (y - m->top) * m->width, m->height * m->width,
                                           m->channels, m->width },
                            inside);
    }
}
