#include "executor/ops/alias.h"

// FusedMatMul under its first name

ALIAS(ms_fused_mat_mul)

const ppq_op_def ppq_op_ms_transpose_mat_mul = {
    .type = "TransposeMatMul",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
