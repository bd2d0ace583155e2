#ifndef PPQ_TESTS_UNIT_KERNEL_FIXTURE_H
#define PPQ_TESTS_UNIT_KERNEL_FIXTURE_H

// What tests of the engine's kernels share: buffers with guards, random bytes, windows and formats,
// and the meaning of a byte by way of core/quantfn.

#include "core/quantfn.h"
#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"
#include "tests/unit/harness.h"
#include "tests/unit/kernel_windows.h"

// For every level that this machine has, starting with plain C.
#define FOR_EACH_ISA(isa) \
    for (ppq_isa isa = PPQ_ISA_PORTABLE; isa <= ppq_isa_detect(); isa = (ppq_isa) (isa + 1))

// ---- buffers --------------------------------------------------------------------------------

enum { GUARD = 64, GUARD_BYTE = 0xA5 };

// Bytes for a kernel to write, between guards that it must leave alone.
typedef struct area {
    uint8_t *all, *bytes;
    size_t n;
} area;

HELPER area area_new(size_t n)
{
    area a = { .all = malloc(n + 2 * GUARD), .n = n };
    if (!a.all)
        ck_abort_msg("no memory");
    memset(a.all, GUARD_BYTE, n + 2 * GUARD);
    a.bytes = a.all + GUARD;
    return a;
}

// Checks are not free: only what failed goes through them.
HELPER void area_check(const area *a, const void *want, const char *what, ppq_isa isa)
{
    for (size_t i = 0; i < GUARD; i++)
        if (a->all[i] != GUARD_BYTE || a->bytes[a->n + i] != GUARD_BYTE)
            ck_abort_msg("%s, %s: wrote outside of %zu bytes", what, ppq_isa_name(isa), a->n);
    const uint8_t *w = want;
    for (size_t i = 0; i < a->n; i++)
        if (a->bytes[i] != w[i])
            ck_abort_msg("%s, %s: byte %zu of %zu is %d, expected %d", what, ppq_isa_name(isa), i,
                         a->n, a->bytes[i], w[i]);
}

HELPER void area_end(area *a)
{
    free(a->all);
}

// Exactly n bytes, so that a sanitizer sees a read beyond them.
HELPER uint8_t *random_bytes(ppq_rng *r, size_t n)
{
    uint8_t *p = malloc(n ? n : 1);
    if (!p)
        ck_abort_msg("no memory");
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t) (ppq_rng_u64(r) >> 32);
    return p;
}

HELPER int random_int(ppq_rng *r, int lo, int hi) // inclusive
{
    return lo + (int) (ppq_rng_u64(r) % (uint64_t) (hi - lo + 1));
}

// ---- windows --------------------------------------------------------------------------------

// Sizes the result: as much padding behind as in front, or a little less; never empty.
HELPER void random_results(ppq_rng *r, ppq_window_2d *w)
{
    for (int d = 0; d < 2; d++) {
        const int64_t most = count_results(w, d, w->pad_lo[d]);
        const int64_t n = most ? most - 1 + random_int(r, 0, 1) : 1;
        w->dst_size[d] = PPQ_MAX(n, 1);
    }
}

HELPER ppq_window_2d random_window(ppq_rng *r, int kernel_most, int stride_most)
{
    ppq_window_2d w;
    for (int d = 0; d < 2; d++) {
        w.src_size[d] = random_int(r, 1, 12);
        w.kernel[d] = random_int(r, 1, kernel_most);
        w.stride[d] = random_int(r, 1, stride_most);
        w.dilation[d] = random_int(r, 1, 3);
        w.pad_lo[d] = random_int(r, 0, 8);
    }
    random_results(r, &w);
    return w;
}

// The pixel of an image that the window of result (y, x) has at (i, j), or -1 outside of it.
HELPER int64_t window_pixel(const ppq_window_2d *w, int64_t y, int64_t x, int64_t i, int64_t j)
{
    const int64_t sy = y * w->stride[0] - w->pad_lo[0] + i * w->dilation[0];
    const int64_t sx = x * w->stride[1] - w->pad_lo[1] + j * w->dilation[1];
    const bool inside = sy >= 0 && sy < w->src_size[0] && sx >= 0 && sx < w->src_size[1];
    return inside ? sy * w->src_size[1] + sx : -1;
}

// ---- formats --------------------------------------------------------------------------------

// Either type, any zero point, often a narrow range, scales that are often powers of two: then
// results are often ties.
HELPER ppq_q8 random_q8(ppq_rng *r)
{
    const float scale =
        random_int(r, 0, 1) ? ldexpf(1, random_int(r, -6, 1)) : (float) (0.01 + ppq_rng_uniform(r));
    ppq_q8 q = random_int(r, 0, 1) ? ppq_q8_u8(scale, random_int(r, 0, 255))
                                   : ppq_q8_s8(scale, random_int(r, -128, 127));
    if (random_int(r, 0, 2) == 0)
        q.qmin = q.zero;
    if (random_int(r, 0, 3) == 0)
        q.qmax = random_int(r, q.qmin, q.qmax);
    if (random_int(r, 0, 3) == 0)
        q.zero = q.is_signed ? 0 : 128;
    q.qmin = PPQ_MIN(q.qmin, q.qmax);
    return q;
}

HELPER float byte_to_real(const ppq_q8 *q, uint8_t b)
{
    return (float) ((q->is_signed ? (int8_t) b : (int) b) - q->zero) * q->scale;
}

HELPER uint8_t real_to_byte(const ppq_q8 *q, float x)
{
    const ppq_qparam p = { .scale = q->scale,
                           .offset = (float) q->zero,
                           .qmin = q->qmin,
                           .qmax = q->qmax,
                           .rounding = PPQ_ROUND_HALF_EVEN };
    int32_t y;
    ppq_quantize_i32(&x, &y, 1, &p);
    return (uint8_t) y;
}

#endif
