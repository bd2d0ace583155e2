#ifndef PPQ_EXECUTOR_OPS_REDUCE_H
#define PPQ_EXECUTOR_OPS_REDUCE_H

#include <float.h>
#include <tgmath.h>

#include "core/op_def.h"
#include "executor/ops/types.h"

// Template of reductions over some axes. An operator file gives four expressions:
//   INIT               what an empty reduction starts from
//   MAP      of x      what an element x contributes
//   JOIN     of a, b   two partial results; associative, and a is the earlier one
//   FINAL    of a, n   the output from the result a over n elements
// T is the element type and A, the type of a, double for floats and 64 bits for integers.

// The input seen as [outer, n, inner]; the middle is reduced.
typedef void (*ppq_reduce_loop)(const void *src, void *dst, int64_t outer, int64_t n,
                                int64_t inner);

// `axes` (attribute or second input), keepdims and noop_with_empty_axes.
ppq_status ppq_infer_reduce(ppq_infer_ctx *c);
// `loops` is indexed by the input's type; halves run as float32.
ppq_status ppq_run_reduce(ppq_kernel_ctx *c, const ppq_reduce_loop *loops);

// Every element gets the gradient of its output: all of it, or its share of a mean.
ppq_status ppq_reduce_backward(ppq_backward_ctx *c, bool mean);
// The first of the largest (or smallest) elements gets it.
ppq_status ppq_reduce_pick_backward(ppq_backward_ctx *c, bool smallest);

enum { REDUCE_LANES = 8, REDUCE_BLOCK = 256 };

// The result as T. Only integers from floating-point arithmetic may not fit.
#define REDUCE_STORED(v) ((A) 0.5 != 0 ? TYPES_FIT(T, (double) (v)) : (T) (v))

// Rows are reduced in lanes, so that the compiler may keep several sums going in one order that
// never changes; columns a block at a time.
#define REDUCE_LOOP(id, type, acc_type, INIT, MAP, JOIN, FINAL)                                   \
    static void rows_##id(const type *s, type *d, int64_t outer, int64_t n)                       \
    {                                                                                             \
        typedef type T __attribute__((unused));                                                   \
        typedef acc_type A;                                                                       \
        for (int64_t o = 0; o < outer; o++, s += n) {                                             \
            A lane[REDUCE_LANES];                                                                 \
            int64_t i = 0;                                                                        \
            for (int k = 0; k < REDUCE_LANES; k++)                                                \
                lane[k] = INIT;                                                                   \
            for (; i + REDUCE_LANES <= n; i += REDUCE_LANES)                                      \
                for (int k = 0; k < REDUCE_LANES; k++) {                                          \
                    const T x = s[i + k];                                                         \
                    const A a = lane[k], b = (A) (MAP);                                           \
                    lane[k] = (A) (JOIN);                                                         \
                }                                                                                 \
            for (int k = 0; i < n; i++, k++) {                                                    \
                const T x = s[i];                                                                 \
                const A a = lane[k], b = (A) (MAP);                                               \
                lane[k] = (A) (JOIN);                                                             \
            }                                                                                     \
            for (int half = REDUCE_LANES / 2; half; half /= 2)                                    \
                for (int k = 0; k < half; k++) {                                                  \
                    const A a = lane[k], b = lane[k + half];                                      \
                    lane[k] = (A) (JOIN);                                                         \
                }                                                                                 \
            const A a = lane[0];                                                                  \
            d[o] = REDUCE_STORED(FINAL);                                                          \
        }                                                                                         \
    }                                                                                             \
    static void columns_##id(const type *s, type *d, int64_t n, int64_t stride, int64_t width)    \
    {                                                                                             \
        typedef type T __attribute__((unused));                                                   \
        typedef acc_type A;                                                                       \
        A sum[REDUCE_BLOCK];                                                                      \
        for (int64_t k = 0; k < width; k++)                                                       \
            sum[k] = INIT;                                                                        \
        for (int64_t i = 0; i < n; i++, s += stride)                                              \
            for (int64_t k = 0; k < width; k++) {                                                 \
                const T x = s[k];                                                                 \
                const A a = sum[k], b = (A) (MAP);                                                \
                sum[k] = (A) (JOIN);                                                              \
            }                                                                                     \
        for (int64_t k = 0; k < width; k++) {                                                     \
            const A a = sum[k];                                                                   \
            d[k] = REDUCE_STORED(FINAL);                                                          \
        }                                                                                         \
    }                                                                                             \
    static void loop_##id(const void *src, void *dst, int64_t outer, int64_t n, int64_t inner)    \
    {                                                                                             \
        const type *s = src;                                                                      \
        type *d = dst;                                                                            \
        if (inner == 1) {                                                                         \
            rows_##id(s, d, outer, n);                                                            \
            return;                                                                               \
        }                                                                                         \
        for (int64_t o = 0; o < outer; o++, s += n * inner, d += inner)                           \
            for (int64_t k = 0; k < inner; k += REDUCE_BLOCK)                                     \
                columns_##id(s + k, d + k, n, inner, PPQ_MIN(inner - k, (int64_t) REDUCE_BLOCK)); \
    }

#define REDUCE_FLOAT_LOOP(id, type, ...)    REDUCE_LOOP(id, type, double, __VA_ARGS__)
#define REDUCE_SIGNED_LOOP(id, type, ...)   REDUCE_LOOP(id, type, int64_t, __VA_ARGS__)
#define REDUCE_UNSIGNED_LOOP(id, type, ...) REDUCE_LOOP(id, type, uint64_t, __VA_ARGS__)
#define REDUCE_WRAP_LOOP(id, type, ...)     REDUCE_LOOP(id, type, uint64_t, __VA_ARGS__)
#define REDUCE_ENTRY(id, type, ...)         [PPQ_DT_##id] = loop_##id,

#define REDUCE_FORWARD                           \
    static ppq_status forward(ppq_kernel_ctx *c) \
    {                                            \
        return ppq_run_reduce(c, loops);         \
    }
// Every type, with integers that wrap.
#define REDUCE_REAL(...)                                                                \
    TYPES_FLOAT(REDUCE_FLOAT_LOOP, __VA_ARGS__)                                         \
    TYPES_INT(REDUCE_WRAP_LOOP, __VA_ARGS__)                                            \
    static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0) }; \
    REDUCE_FORWARD

#define REDUCE_FIELDS(op_type, more_traits)                                                     \
    .type = (op_type), .domain = "", .opset_min = 1, .in_min = 1, .in_max = 2, .out_min = 1,    \
    .out_max = 1, .traits = (more_traits), .soi_in = 0x2 /* axes */, .infer = ppq_infer_reduce, \
    .forward = forward
#define REDUCE_DEF(op_type, more_traits)    \
    {                                       \
        REDUCE_FIELDS(op_type, more_traits) \
    }
#define REDUCE_BACKWARD_DEF(op_type, more_traits)                 \
    {                                                             \
        REDUCE_FIELDS(op_type, more_traits), .backward = backward \
    }
#define REDUCE_BACKWARD(pass, how)                  \
    static ppq_status backward(ppq_backward_ctx *c) \
    {                                               \
        return pass(c, how);                        \
    }

#endif
