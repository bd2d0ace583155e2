#include "executor/ops/gelu_like.h"

// x * Phi(x).
GELU_LIKE(0.5 * x * (1 + erf(x * 0.70710678118654752440)))

const ppq_op_def ppq_op_ms_gelu = MICROSOFT_DEF("Gelu", 1, 1);
