#include "executor/engine/kernels/pointwise_loops.h"

void ppq_pointwise_run(ppq_isa isa, ppq_pointwise_alg alg, float alpha, const float *src,
                       float *dst, int64_t n)
{
    ppq_pointwise_loops_pick(isa)->of[alg](src, dst, n, alpha);
}
