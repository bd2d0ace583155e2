#include "core/rng.h"

#include <math.h>

uint64_t ppq_rng_u64(ppq_rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

ppq_rng ppq_rng_seed(uint64_t seed, uint64_t stream)
{
    ppq_rng r = { seed };
    r.state = ppq_rng_u64(&r) ^ (stream * 0xd1342543de82ef95u);
    return r;
}

double ppq_rng_uniform(ppq_rng *r)
{
    return (double) (ppq_rng_u64(r) >> 11) * 0x1p-53;
}

double ppq_rng_normal(ppq_rng *r)
{
    const double u = 1.0 - ppq_rng_uniform(r), v = ppq_rng_uniform(r);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}
