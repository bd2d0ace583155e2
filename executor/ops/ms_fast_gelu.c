#include "executor/ops/gelu_like.h"

// Gelu by tanh.
GELU_LIKE(0.5 * x * (1 + tanh(x * (0.035677408136300125 * x * x + 0.7978845608028654))))

const ppq_op_def ppq_op_ms_fast_gelu = MICROSOFT_DEF("FastGelu", 1, 2);
