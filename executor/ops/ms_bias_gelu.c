#include "executor/ops/gelu_like.h"

// Gelu behind a bias.
GELU_LIKE(0.5 * x * (1 + erf(x * 0.70710678118654752440)))

const ppq_op_def ppq_op_ms_bias_gelu = MICROSOFT_DEF("BiasGelu", 2, 2);
