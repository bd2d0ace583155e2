#ifndef PPQ_EXECUTOR_OPS_CUMULATE_H
#define PPQ_EXECUTOR_OPS_CUMULATE_H

#include "executor/ops/args.h"
#include "executor/ops/types.h"

// Template of CumSum and CumProd: every element becomes what the elements of its line up to it
// come to, or with `exclusive` those before it; with `reverse`, from the other end. An operator
// file gives the START value and JOIN of `a` (so far) and `b`.

// [outer, n, inner].
typedef void (*ppq_cumulate_loop)(const void *src, void *dst, int64_t outer, int64_t n,
                                  int64_t inner, bool reverse, bool exclusive);

ppq_status ppq_infer_cumulate(ppq_infer_ctx *c);
ppq_status ppq_run_cumulate(ppq_kernel_ctx *c, const ppq_cumulate_loop *loops);

#define CUMULATE_LOOP(id, type, acc_type, START, JOIN)                                         \
    static void loop_##id(const void *src, void *dst, int64_t outer, int64_t n, int64_t inner, \
                          bool reverse, bool exclusive)                                        \
    {                                                                                          \
        for (int64_t line = 0; line < outer * inner; line++) {                                 \
            const int64_t base = line / inner * n * inner + line % inner;                      \
            const type *s = (const type *) src + base;                                         \
            type *d = (type *) dst + base;                                                     \
            acc_type a = (START);                                                              \
            for (int64_t i = 0; i < n; i++) {                                                  \
                const int64_t at = (reverse ? n - 1 - i : i) * inner;                          \
                const acc_type b = (acc_type) s[at], with = (JOIN);                            \
                d[at] = (type) (exclusive ? a : with);                                         \
                a = with;                                                                      \
            }                                                                                  \
        }                                                                                      \
    }
#define CUMULATE_INT(id, type, ...)   CUMULATE_LOOP(id, type, uint64_t, __VA_ARGS__)
#define CUMULATE_FLOAT(id, type, ...) CUMULATE_LOOP(id, type, double, __VA_ARGS__)
#define CUMULATE_ENTRY(id, type, ...) [PPQ_DT_##id] = loop_##id,
#define CUMULATE(...)                                                                       \
    TYPES_INT(CUMULATE_INT, __VA_ARGS__)                                                    \
    TYPES_FLOAT(CUMULATE_FLOAT, __VA_ARGS__)                                                \
    static const ppq_cumulate_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(CUMULATE_ENTRY, 0) }; \
    static ppq_status forward(ppq_kernel_ctx *c)                                            \
    {                                                                                       \
        return ppq_run_cumulate(c, loops);                                                  \
    }

#define CUMULATE_DEF(op_type, first_opset)                                                     \
    {                                                                                          \
        .type = (op_type), .domain = "", .opset_min = (first_opset), .in_min = 2, .in_max = 2, \
        .out_min = 1, .out_max = 1, .soi_in = 0x2 /* axis */, .infer = ppq_infer_cumulate,     \
        .forward = forward                                                                     \
    }

#endif
