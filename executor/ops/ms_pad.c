#include "executor/ops/alias.h"

// Pad with pads as an input before ONNX had it so

ALIAS(pad)

const ppq_op_def ppq_op_ms_pad = {
    .type = "Pad",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x2,
    .fp32_in = 0x4,
    .infer = infer,
    .forward = forward,
};
