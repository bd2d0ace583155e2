#include "executor/ops/skip_norm.h"

// RMSNormalization of X + skip: scale, bias.
SKIP_NORM(true, 2, -1, 3)

const ppq_op_def ppq_op_ms_skip_simplified_layer_normalization =
    SKIP_NORM_DEF("SkipSimplifiedLayerNormalization", 4);
