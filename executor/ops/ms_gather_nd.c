#include "executor/ops/alias.h"

// GatherND before ONNX had it

ALIAS(gather_nd)

const ppq_op_def ppq_op_ms_gather_nd = {
    .type = "GatherND",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x2,
    .infer = infer,
    .forward = forward,
};
