#include "executor/ops/fused.h"

// Gemm, then an activation.
FUSED("Gemm", -1)

const ppq_op_def ppq_op_ms_fused_gemm = MICROSOFT_DEF("FusedGemm", 2, 3);
