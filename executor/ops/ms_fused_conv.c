#include "executor/ops/fused.h"

// Conv, plus an optional tensor of the output's shape, then an activation.
FUSED("Conv", 3)

const ppq_op_def ppq_op_ms_fused_conv = MICROSOFT_DEF("FusedConv", 2, 4);
