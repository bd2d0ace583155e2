#include "executor/ops/skip_norm.h"

// LayerNormalization of X + skip: scale, shift, bias.
SKIP_NORM(false, 2, 3, 4)

const ppq_op_def ppq_op_ms_skip_layer_normalization = SKIP_NORM_DEF("SkipLayerNormalization", 5);
