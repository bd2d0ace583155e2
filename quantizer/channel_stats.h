#ifndef PPQ_QUANTIZER_CHANNEL_STATS_H
#define PPQ_QUANTIZER_CHANNEL_STATS_H

#include "core/ext.h"

// What a few samples say of one channel (axis 1). Other samples reach further, and the more so the
// more those that were seen differ: its range is theirs, widened by the standard deviation of their
// ranges over the mean (of a single sample: twice its range).
typedef struct ppq_channel_stat {
    float lo, hi; // lo <= 0 <= hi
    double variance;
} ppq_channel_stat;

// ... and of all channels of a float tensor together.
typedef struct ppq_channel_stats {
    float lo, hi;              // what calibration will keep of the tensor
    ppq_channel_stat *channel; // [channels]; NULL where nothing was measured
} ppq_channel_stats;

// Runs samples [0, samples) of env->data through env->graph in float. channels: [n_vars], 0 where
// a var is not wanted. Fills out[n_vars] from the env's scratch arena; what no sample makes as
// float32 with so many channels stays empty. The numbers do not depend on threads.
PPQ_NODISCARD ppq_status ppq_channel_stats_measure(const ppq_pass_env *env, int64_t samples,
                                                   const int64_t *channels, ppq_channel_stats *out);

#endif
