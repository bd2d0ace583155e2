#include "executor/engine/kernels/pointwise_loops.h"

#include <tgmath.h>

#include "executor/ops/fast_math.h"

// Plain loops over functions without branches: the compiler makes vectors of them.
#define LOOP(name, ...)                                                           \
    static void loop_##name(const float *src, float *dst, int64_t n, float alpha) \
    {                                                                             \
        const float a __attribute__((unused)) = alpha;                            \
        for (int64_t i = 0; i < n; i++) {                                         \
            const float x = src[i];                                               \
            dst[i] = (__VA_ARGS__);                                               \
        }                                                                         \
    }

LOOP(exp, ppq_expf(x))
LOOP(tanh, ppq_tanhf(x))
LOOP(sigmoid, 1 / (1 + ppq_expf(-x)))
LOOP(erf, ppq_erff(x))
LOOP(gelu, fast_gelu(x))
LOOP(gelu_tanh, fast_gelu_tanh(x))
LOOP(swish, x / (1 + ppq_expf(-a * x)))
LOOP(elu, x >= 0 ? x : a * ppq_expm1f(x))
LOOP(softplus, fast_softplus(x))

const ppq_pointwise_loops PPQ_LOOPS(ppq_pointwise_loops) = {
    .of = { [PPQ_POINTWISE_EXP] = loop_exp,
            [PPQ_POINTWISE_TANH] = loop_tanh,
            [PPQ_POINTWISE_SIGMOID] = loop_sigmoid,
            [PPQ_POINTWISE_ERF] = loop_erf,
            [PPQ_POINTWISE_GELU] = loop_gelu,
            [PPQ_POINTWISE_GELU_TANH] = loop_gelu_tanh,
            [PPQ_POINTWISE_SWISH] = loop_swish,
            [PPQ_POINTWISE_ELU] = loop_elu,
            [PPQ_POINTWISE_SOFTPLUS] = loop_softplus },
};
