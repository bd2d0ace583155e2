#include "executor/ops/alias.h"

// QuantizeLinear for 16 and 4 bits before ONNX had them

ALIAS(quantize_linear)

const ppq_op_def ppq_op_ms_quantize_linear = {
    .type = "QuantizeLinear",
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
