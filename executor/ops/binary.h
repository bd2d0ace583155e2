#ifndef PPQ_EXECUTOR_OPS_BINARY_H
#define PPQ_EXECUTOR_OPS_BINARY_H

#include <tgmath.h>

#include "core/op_def.h"
#include "executor/ops/types.h"

// Template of operators over two broadcast operands. An operator file gives an expression of `a`
// and `b`; T is the element type and U the type to calculate in so that integers wrap.

// n elements; an operand that is not a vector is one element for all.
typedef void (*ppq_binary_loop)(const void *a, const void *b, void *dst, int64_t n, bool a_vector,
                                bool b_vector);

// dst = loop(a, b) over dst's shape, to which both can be broadcast. Element sizes in bytes.
void ppq_binary_apply(ppq_binary_loop loop, const ppq_tensor *a, const ppq_tensor *b,
                      ppq_tensor *dst);
// out[0] = in[0] op in[1]. `loops` is indexed by the inputs' type; halves run as float32.
ppq_status ppq_binary_run(ppq_kernel_ctx *c, const ppq_binary_loop *loops);
// out[0] = in[0] op in[1] op in[2]...; one input is copied.
ppq_status ppq_binary_fold(ppq_kernel_ctx *c, const ppq_binary_loop *loops);
// The gradients of out[0] = f(a, b), given the slopes of f along a and b as loops over float32.
ppq_status ppq_binary_backward(ppq_backward_ctx *c, const ppq_tensor *a, const ppq_tensor *b,
                               ppq_binary_loop slope_a, ppq_binary_loop slope_b);
// ppq_infer_broadcast with a bool output.
ppq_status ppq_infer_compare(ppq_infer_ctx *c);

#define BINARY_BODY(type, u_type, out_type, ...)                                              \
    {                                                                                         \
        typedef type T;                                                                       \
        typedef u_type U __attribute__((unused));                                             \
        const T *ap = pa, *bp = pb;                                                           \
        out_type *d = pd;                                                                     \
        if (a_vector && b_vector) {                                                           \
            for (int64_t i = 0; i < n; i++) {                                                 \
                const T a __attribute__((unused)) = ap[i], b __attribute__((unused)) = bp[i]; \
                d[i] = (out_type) (__VA_ARGS__);                                              \
            }                                                                                 \
        } else if (a_vector) {                                                                \
            const T b __attribute__((unused)) = *bp;                                          \
            for (int64_t i = 0; i < n; i++) {                                                 \
                const T a __attribute__((unused)) = ap[i];                                    \
                d[i] = (out_type) (__VA_ARGS__);                                              \
            }                                                                                 \
        } else {                                                                              \
            const T a __attribute__((unused)) = *ap;                                          \
            for (int64_t i = 0; i < n; i++) {                                                 \
                const T b __attribute__((unused)) = bp[i];                                    \
                d[i] = (out_type) (__VA_ARGS__);                                              \
            }                                                                                 \
        }                                                                                     \
    }
#define BINARY_HEAD(id)                                                                       \
    static void loop_##id(const void *pa, const void *pb, void *pd, int64_t n, bool a_vector, \
                          bool b_vector)
#define BINARY_INT_LOOP(id, type, ...) \
    BINARY_HEAD(id) BINARY_BODY(type, uint64_t, type, __VA_ARGS__)
#define BINARY_FLOAT_LOOP(id, type, ...) BINARY_HEAD(id) BINARY_BODY(type, type, type, __VA_ARGS__)
#define BINARY_TEST_LOOP(id, type, ...)  BINARY_HEAD(id) BINARY_BODY(type, type, bool, __VA_ARGS__)
#define BINARY_ENTRY(id, type, ...)      [PPQ_DT_##id] = loop_##id,

// Each defines the table `loops`.
#define BINARY_REAL(...)                        \
    TYPES_INT(BINARY_INT_LOOP, __VA_ARGS__)     \
    TYPES_FLOAT(BINARY_FLOAT_LOOP, __VA_ARGS__) \
    static const ppq_binary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(BINARY_ENTRY, 0) };
#define BINARY_INT(...)                     \
    TYPES_INT(BINARY_INT_LOOP, __VA_ARGS__) \
    static const ppq_binary_loop loops[PPQ_DT_COUNT] = { TYPES_INT(BINARY_ENTRY, 0) };
#define BINARY_TEST(...)                      \
    TYPES_REAL(BINARY_TEST_LOOP, __VA_ARGS__) \
    static const ppq_binary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(BINARY_ENTRY, 0) };
#define BINARY_BOOL(...)                         \
    BINARY_TEST_LOOP(BOOL, uint8_t, __VA_ARGS__) \
    static const ppq_binary_loop loops[PPQ_DT_COUNT] = { [PPQ_DT_BOOL] = loop_BOOL };

#define BINARY_FORWARD(run)                      \
    static ppq_status forward(ppq_kernel_ctx *c) \
    {                                            \
        return run(c, loops);                    \
    }

// Defines loop_SLOPE_A and loop_SLOPE_B, the slopes along both inputs.
#define BINARY_SLOPE_LOOPS(slope_a, slope_b)   \
    BINARY_FLOAT_LOOP(SLOPE_A, float, slope_a) \
    BINARY_FLOAT_LOOP(SLOPE_B, float, slope_b)
// The same and `backward`.
#define BINARY_SLOPES(slope_a, slope_b)                                                \
    BINARY_SLOPE_LOOPS(slope_a, slope_b)                                               \
    static ppq_status backward(ppq_backward_ctx *c)                                    \
    {                                                                                  \
        return ppq_binary_backward(c, c->in[0], c->in[1], loop_SLOPE_A, loop_SLOPE_B); \
    }

// Two inputs of one type; the output has it too.
#define BINARY_FIELDS(op_type, first_opset, more_traits, infer_fn)                                 \
    .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = 2, .in_max = 2,         \
    .out_min = 1, .out_max = 1, .traits = PPQ_OP_LAYOUT_FREE | (more_traits), .infer = (infer_fn), \
    .forward = forward
#define BINARY_DEF(op_type, first_opset, more_traits, infer_fn)    \
    {                                                              \
        BINARY_FIELDS(op_type, first_opset, more_traits, infer_fn) \
    }
// With a backward pass.
#define BINARY_BACKWARD_DEF(op_type, first_opset, more_traits, infer_fn, backward_fn)         \
    {                                                                                         \
        BINARY_FIELDS(op_type, first_opset, more_traits, infer_fn), .backward = (backward_fn) \
    }
// Two inputs of one type, a bool output.
#define COMPARE_DEF(op_type, first_opset)                                                          \
    {                                                                                              \
        .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = 2, .in_max = 2,     \
        .out_min = 1, .out_max = 1, .traits = PPQ_OP_LAYOUT_FREE | PPQ_OP_NO_LINKS, .fp32_out = 1, \
        .infer = ppq_infer_compare, .forward = forward                                             \
    }
// Any number of inputs of one type; the output has it too.
#define VARIADIC_DEF(op_type, first_opset, more_traits, backward_fn)                            \
    {                                                                                           \
        .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = 1, .in_max = -1, \
        .out_min = 1, .out_max = 1, .traits = PPQ_OP_LAYOUT_FREE | (more_traits),               \
        .infer = ppq_infer_broadcast, .forward = forward, .backward = (backward_fn)             \
    }

#endif
