#ifndef PPQ_CORE_RNG_H
#define PPQ_CORE_RNG_H

#include "core/base.h"

// SplitMix64: the same numbers on every machine. Seed from (user seed, what it is for).
typedef struct ppq_rng {
    uint64_t state;
} ppq_rng;

ppq_rng ppq_rng_seed(uint64_t seed, uint64_t stream);
uint64_t ppq_rng_u64(ppq_rng *r);
double ppq_rng_uniform(ppq_rng *r); // [0, 1)
double ppq_rng_normal(ppq_rng *r);  // mean 0, variance 1

#endif
