#include "executor/engine/kernels/transpose_loops.h"

#include "executor/engine/kernels/vec.h"

// `size` is that of an element, a constant wherever it is inlined.
V_INLINE void one_by_one(const ppq_transposition *t, size_t size)
{
    const size_t src_row = (size_t) t->src_stride * size, dst_row = (size_t) t->dst_stride * size;
    for (size_t c = 0; c < (size_t) t->n_cols; c++)
        for (size_t r = 0; r < (size_t) t->n_rows; r++)
            memcpy(t->dst + c * dst_row + r * size, t->src + r * src_row + c * size, size);
}

#if V_LANES_ARE_WIDE

// A square of `n` registers of n elements. Interleaving the first half of the registers with the
// second moves each element's place round by one bit of (register, lane); after log2(n) times
// register and lane have changed places.
V_INLINE void interleave(__m128i *x, int n)
{
    __m128i y[16];
    for (int i = 0; i < n / 2; i++) {
        const __m128i a = x[i], b = x[i + n / 2];
        y[2 * i] = n == 16 ? _mm_unpacklo_epi8(a, b) : _mm_unpacklo_epi32(a, b);
        y[2 * i + 1] = n == 16 ? _mm_unpackhi_epi8(a, b) : _mm_unpackhi_epi32(a, b);
    }
    for (int i = 0; i < n; i++)
        x[i] = y[i];
}

V_INLINE void square(const uint8_t *src, size_t src_row, uint8_t *dst, size_t dst_row, int n)
{
    __m128i x[16];
    for (int i = 0; i < n; i++)
        x[i] = _mm_loadu_si128((const void *) (src + (size_t) i * src_row));
    interleave(x, n);
    interleave(x, n);
    if (n == 16) {
        interleave(x, n);
        interleave(x, n);
    }
    for (int i = 0; i < n; i++)
        _mm_storeu_si128((void *) (dst + (size_t) i * dst_row), x[i]);
}

enum { STRIP = 64 }; // rows that stay in the cache for all columns

// The last squares of rows and columns end with them and may overlap those before.
V_INLINE void squares(const ppq_transposition *transposition, size_t size)
{
    const ppq_transposition t = *transposition; // which stores of bytes cannot alias
    const int n = (int) (16 / size);
    if (t.n_rows < n || t.n_cols < n) {
        one_by_one(&t, size);
        return;
    }
    const size_t src_row = (size_t) t.src_stride * size, dst_row = (size_t) t.dst_stride * size;
    for (int64_t strip = 0; strip < t.n_rows; strip += STRIP)
        for (int64_t i = 0; i < t.n_cols; i += n)
            for (int64_t j = strip; j < PPQ_MIN(strip + STRIP, t.n_rows); j += n) {
                const size_t c = (size_t) PPQ_MIN(i, t.n_cols - n),
                             r = (size_t) PPQ_MIN(j, t.n_rows - n);
                square(t.src + r * src_row + c * size, src_row, t.dst + c * dst_row + r * size,
                       dst_row, n);
            }
}

#else
#define squares one_by_one
#endif

static void bytes(const ppq_transposition *t)
{
    squares(t, 1);
}

static void words(const ppq_transposition *t)
{
    squares(t, 4);
}

const ppq_transpose_loops PPQ_LOOPS(ppq_transpose_loops) = { bytes, words };
