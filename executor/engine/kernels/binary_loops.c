#include "executor/engine/kernels/binary_loops.h"

#include "executor/engine/kernels/vec.h"

typedef struct formats {
    v_q8 a, b, dst;
} formats;

// `alg` and `flips` are constants wherever these are inlined.
V_INLINE vf apply(ppq_q8_alg alg, vf a, vf b)
{
    switch (alg) {
    case PPQ_Q8_ADD:
        return vf_add(a, b);
    case PPQ_Q8_SUB:
        return vf_sub(a, b);
    case PPQ_Q8_MUL:
        return vf_mul(a, b);
    case PPQ_Q8_DIV:
    case PPQ_Q8_ALG_COUNT:
        break;
    }
    return vf_div(a, b);
}

V_INLINE void one_block(ppq_q8_alg alg, bool flips, const formats *f, const uint8_t *a,
                        const uint8_t *b, uint8_t *dst)
{
    vf x[4], y[4];
    v_dequantize(&f->a, flips, a, x);
    v_dequantize(&f->b, flips, b, y);
    for (int k = 0; k < 4; k++)
        x[k] = apply(alg, x[k], y[k]);
    v_quantize_store(&f->dst, x, dst);
}

V_INLINE void one_row(ppq_q8_alg alg, bool flips, const formats *f, const uint8_t *a,
                      const uint8_t *b, uint8_t *dst, int64_t n)
{
    int64_t i = 0;
    for (; i + V_BLOCK <= n; i += V_BLOCK)
        one_block(alg, flips, f, a + i, b + i, dst + i);
    if (i >= n)
        return;
    uint8_t x[V_BLOCK] = { 0 }, y[V_BLOCK] = { 0 };
    memcpy(x, a + i, (size_t) (n - i));
    memcpy(y, b + i, (size_t) (n - i));
    one_block(alg, flips, f, x, y, x);
    memcpy(dst + i, x, (size_t) (n - i));
}

V_INLINE void each_row(ppq_q8_alg alg, bool flips, const formats *f, const ppq_q8_binary_rows *r)
{
    const ppq_q8_binary_rows copy = *r; // which stores of bytes cannot alias
    for (int64_t i = 0; i < copy.n_rows; i++)
        one_row(alg, flips, f, copy.a + i * copy.a_stride, copy.b + i * copy.b_stride,
                copy.dst + i * copy.n_cols, copy.n_cols);
}

V_INLINE void all_rows(ppq_q8_alg alg, const ppq_q8_binary *k, const ppq_q8_binary_rows *r)
{
    const ppq_q8_raw a = ppq_q8_to_raw(&k->a), b = ppq_q8_to_raw(&k->b);
    const ppq_q8_raw dst = ppq_q8_to_raw(&k->dst);
    const formats f = { v_q8_of(&a), v_q8_of(&b), v_q8_of(&dst) };
    if (a.flip || b.flip)
        each_row(alg, true, &f, r);
    else
        each_row(alg, false, &f, r);
}

// ---- a row of floats ------------------------------------------------------------------------

V_INLINE void one_real_block(ppq_q8_alg alg, bool a_is_row, bool flips, const formats *f,
                             const float *row, const uint8_t *other, uint8_t *dst)
{
    vf x[4];
    v_dequantize(a_is_row ? &f->b : &f->a, flips, other, x);
    for (int k = 0; k < 4; k++) {
        const vf y = vf_load(row + k * V_LANES);
        x[k] = a_is_row ? apply(alg, y, x[k]) : apply(alg, x[k], y);
    }
    v_quantize_store(&f->dst, x, dst);
}

V_INLINE void one_real_row(ppq_q8_alg alg, bool a_is_row, bool flips, const formats *f,
                           const float *row, const uint8_t *other, uint8_t *dst, int64_t n)
{
    int64_t i = 0;
    for (; i + V_BLOCK <= n; i += V_BLOCK)
        one_real_block(alg, a_is_row, flips, f, row + i, other + i, dst + i);
    if (i >= n)
        return;
    uint8_t x[V_BLOCK] = { 0 };
    float y[V_BLOCK] = { 0 };
    memcpy(x, other + i, (size_t) (n - i));
    memcpy(y, row + i, (size_t) (n - i) * sizeof(*y));
    one_real_block(alg, a_is_row, flips, f, y, x, x);
    memcpy(dst + i, x, (size_t) (n - i));
}

V_INLINE void all_reals(ppq_q8_alg alg, bool a_is_row, const ppq_q8_binary *k,
                        const ppq_q8_binary_reals *r)
{
    const ppq_q8_raw a = ppq_q8_to_raw(&k->a), b = ppq_q8_to_raw(&k->b);
    const ppq_q8_raw dst = ppq_q8_to_raw(&k->dst);
    const formats f = { v_q8_of(&a), v_q8_of(&b), v_q8_of(&dst) };
    const ppq_q8_binary_reals copy = *r;
    const bool flips = a_is_row ? b.flip : a.flip;
    for (int64_t i = 0; i < copy.n_rows; i++) {
        const uint8_t *other = copy.other + i * copy.n_cols;
        uint8_t *to = copy.dst + i * copy.n_cols;
        if (flips)
            one_real_row(alg, a_is_row, true, &f, copy.row, other, to, copy.n_cols);
        else
            one_real_row(alg, a_is_row, false, &f, copy.row, other, to, copy.n_cols);
    }
}

// ---- one function of each -------------------------------------------------------------------

#define FUNCTIONS(name, alg)                                                           \
    static void name##_rows(const ppq_q8_binary *k, const ppq_q8_binary_rows *r)       \
    {                                                                                  \
        all_rows(alg, k, r);                                                           \
    }                                                                                  \
    static void name##_real(const ppq_q8_binary *k, const ppq_q8_binary_reals *r)      \
    {                                                                                  \
        all_reals(alg, false, k, r);                                                   \
    }                                                                                  \
    static void name##_from_real(const ppq_q8_binary *k, const ppq_q8_binary_reals *r) \
    {                                                                                  \
        all_reals(alg, true, k, r);                                                    \
    }

FUNCTIONS(add, PPQ_Q8_ADD)
FUNCTIONS(sub, PPQ_Q8_SUB)
FUNCTIONS(mul, PPQ_Q8_MUL)
FUNCTIONS(div, PPQ_Q8_DIV)

const ppq_q8_binary_loops PPQ_LOOPS(ppq_q8_binary_loops) = {
    .rows = { add_rows, sub_rows, mul_rows, div_rows },
    .reals = { { add_real, add_from_real },
               { sub_real, sub_from_real },
               { mul_real, mul_from_real },
               { div_real, div_from_real } },
};
