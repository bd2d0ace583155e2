#ifndef PPQ_TESTS_UNIT_KERNEL_FIXTURE_H
#define PPQ_TESTS_UNIT_KERNEL_FIXTURE_H

// What tests of the engine's kernels share: buffers with guards, random bytes and formats, and the
// meaning of a byte by way of core/quantfn.

#include "core/quantfn.h"
#include "executor/engine/kernels/cpu.h"
#include "executor/engine/kernels/q8.h"
#include "tests/unit/harness.h"

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

// Results of a window along one dimension: as much padding behind as in front, or a little less.
HELPER int64_t random_results(ppq_rng *r, int64_t size, int64_t kernel, int64_t stride,
                              int64_t dilation, int64_t pad)
{
    const int64_t room = size + 2 * pad - (kernel - 1) * dilation - 1;
    const int64_t n = room < 0 ? 1 : room / stride + random_int(r, 0, 1);
    return PPQ_MAX(n, 1);
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
