#ifndef PPQ_QUANTIZER_CHANNEL_STATS_H
#define PPQ_QUANTIZER_CHANNEL_STATS_H

#include "core/pass.h"

// What a few samples say of one channel (axis 1) of a float tensor. The range holds zero.
typedef struct ppq_channel_stat {
    float lo, hi;
    double variance;
} ppq_channel_stat;

// Runs samples [0, samples) of env->data through env->graph in float. channels: [n_vars], 0 where
// a var is not wanted. Fills out[id][channels[id]] of those that are, from the env's scratch arena;
// what is not float32 or has other channels is all zeros. The numbers do not depend on threads.
PPQ_NODISCARD ppq_status ppq_channel_stats(const ppq_pass_env *env, int64_t samples,
                                           const int64_t *channels, ppq_channel_stat **out);

#endif
