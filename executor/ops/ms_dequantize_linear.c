#include "executor/ops/alias.h"

// DequantizeLinear for 16 and 4 bits before ONNX had them

ALIAS(dequantize_linear)

const ppq_op_def ppq_op_ms_dequantize_linear = {
    .type = "DequantizeLinear",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 2,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x6,
    .infer = infer,
    .forward = forward,
};
