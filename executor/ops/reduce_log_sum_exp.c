#include "executor/ops/reduce.h"

// The logarithm of the sum of e ^ x, relative to the largest x so that nothing overflows.

#define LOG_SUM_EXP(id, type, ...)                                                             \
    static void loop_##id(const void *src, void *dst, int64_t outer, int64_t n, int64_t inner) \
    {                                                                                          \
        const type *s = src;                                                                   \
        type *d = dst;                                                                         \
        for (int64_t o = 0; o < outer; o++, s += n * inner, d += inner)                        \
            for (int64_t k = 0; k < inner; k++) {                                              \
                double top = -(double) INFINITY, sum = 0;                                      \
                for (int64_t i = 0; i < n; i++)                                                \
                    top = fmax(top, (double) s[i * inner + k]);                                \
                const double base = isfinite(top) ? top : 0;                                   \
                for (int64_t i = 0; i < n; i++)                                                \
                    sum += exp((double) s[i * inner + k] - base);                              \
                d[k] = TYPES_FIT(type, log(sum) + base);                                       \
            }                                                                                  \
    }
TYPES_REAL(LOG_SUM_EXP, 0)
static const ppq_reduce_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(REDUCE_ENTRY, 0) };
REDUCE_FORWARD

const ppq_op_def ppq_op_reduce_log_sum_exp = REDUCE_DEF("ReduceLogSumExp", 0);
