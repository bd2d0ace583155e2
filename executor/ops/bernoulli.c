#include "executor/ops/convert.h"
#include "executor/ops/random.h"

// 1 with the probability that the input says, else 0.
static double draw(ppq_kernel_ctx *c, ppq_rng *r, int64_t i)
{
    double p = 0;
    if (ppq_convert_knows(c->in[0]->dtype))
        ppq_load_f64(c->in[0], i, 1, &p);
    return ppq_rng_uniform(r) < p ? 1 : 0;
}
RANDOM(1, draw)

const ppq_op_def ppq_op_bernoulli = RANDOM_DEF("Bernoulli", 15, 1);
