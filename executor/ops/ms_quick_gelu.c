#include "executor/ops/gelu_like.h"

// x * sigmoid(alpha * x).
GELU_LIKE(x / (1 + exp(-alpha * x)))

const ppq_op_def ppq_op_ms_quick_gelu = MICROSOFT_DEF("QuickGelu", 1, 1);
