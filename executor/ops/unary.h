#ifndef PPQ_EXECUTOR_OPS_UNARY_H
#define PPQ_EXECUTOR_OPS_UNARY_H

#include <tgmath.h>

#include "core/op_def.h"
#include "executor/ops/types.h"

// Template of operators whose output element i is a function of input element i. An operator
// file gives an expression of `x` and of its parameters `a` and `b`; T is the element type, and
// the functions of <tgmath.h> follow it.

typedef void (*ppq_unary_loop)(const void *src, void *dst, int64_t n, float pa, float pb);

// `loops` is indexed by the input's type; float16 and bfloat16 run as float32.
ppq_status ppq_unary_run(ppq_kernel_ctx *c, const ppq_unary_loop *loops, float pa, float pb);

// d = g * the slope at s.
typedef void (*ppq_unary_slope)(const float *s, const float *g, float *d, int64_t n, float pa,
                                float pb);
ppq_status ppq_unary_backward(ppq_backward_ctx *c, ppq_unary_slope slope, float pa, float pb);

#define UNARY_LOOP(id, type, ...)                                                                 \
    static void loop_##id(const void *src, void *dst, int64_t n, float pa, float pb)              \
    {                                                                                             \
        typedef type T;                                                                           \
        const T *s = src;                                                                         \
        const T a __attribute__((unused)) = TYPES_FIT(T, (double) pa);                            \
        const T b __attribute__((unused)) = TYPES_FIT(T, (double) pb);                            \
        T *d = dst;                                                                               \
        for (int64_t i = 0; i < n; i++) {                                                         \
            const T x = s[i];                                                                     \
            d[i] = (T) (__VA_ARGS__);                                                             \
        }                                                                                         \
    }
#define UNARY_ENTRY(id, type, ...) [PPQ_DT_##id] = loop_##id,

// Defines the table `loops` of an expression over the given types.
#define UNARY_LOOPS(TYPES, ...)    \
    TYPES(UNARY_LOOP, __VA_ARGS__) \
    static const ppq_unary_loop loops[PPQ_DT_COUNT] = { TYPES(UNARY_ENTRY, 0) };
// What the parameters of an operator are, and the `forward` over `loops` with them.
#define UNARY_FORWARD(value_a, value_b)                                              \
    static void params(const ppq_op *op __attribute__((unused)), float *a, float *b) \
    {                                                                                \
        *a = (value_a);                                                              \
        *b = (value_b);                                                              \
    }                                                                                \
    static ppq_status forward(ppq_kernel_ctx *c)                                     \
    {                                                                                \
        float a, b;                                                                  \
        params(c->op, &a, &b);                                                       \
        return ppq_unary_run(c, loops, a, b);                                        \
    }
// Both of an expression without parameters.
#define UNARY(TYPES, ...)           \
    UNARY_LOOPS(TYPES, __VA_ARGS__) \
    UNARY_FORWARD(0, 0)
// The same with two float attributes and their defaults.
#define UNARY_ATTRS(TYPES, name_a, default_a, name_b, default_b, ...) \
    UNARY_LOOPS(TYPES, __VA_ARGS__)                                   \
    UNARY_FORWARD(ppq_op_attr_float(op, name_a, default_a),           \
                  ppq_op_attr_float(op, name_b, default_b))

// Defines the `backward` of an operator with `params` by the slope, an expression as above.
#define UNARY_SLOPE(...)                                                                       \
    static void slope(const float *s, const float *g, float *d, int64_t n, float pa, float pb) \
    {                                                                                          \
        typedef float T;                                                                       \
        const T a __attribute__((unused)) = pa, b __attribute__((unused)) = pb;                \
        for (int64_t i = 0; i < n; i++) {                                                      \
            const T x __attribute__((unused)) = s[i];                                          \
            d[i] = g[i] * (T) (__VA_ARGS__);                                                   \
        }                                                                                      \
    }                                                                                          \
    static ppq_status backward(ppq_backward_ctx *c)                                            \
    {                                                                                          \
        float a, b;                                                                            \
        params(c->op, &a, &b);                                                                 \
        return ppq_unary_backward(c, slope, a, b);                                             \
    }

#define UNARY_FIELDS(op_type, first_opset)                                                 \
    .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = 1, .in_max = 1, \
    .out_min = 1, .out_max = 1, .traits = PPQ_OP_LAYOUT_FREE, .infer = ppq_infer_same,     \
    .forward = forward
#define UNARY_DEF(op_type, first_opset)    \
    {                                      \
        UNARY_FIELDS(op_type, first_opset) \
    }
// With a `backward`.
#define UNARY_SLOPE_DEF(op_type, first_opset)                    \
    {                                                            \
        UNARY_FIELDS(op_type, first_opset), .backward = backward \
    }

#endif
