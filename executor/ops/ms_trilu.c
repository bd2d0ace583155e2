#include "executor/ops/alias.h"

// Trilu before ONNX had it

ALIAS(trilu)

const ppq_op_def ppq_op_ms_trilu = {
    .type = "Trilu",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x2,
    .infer = infer,
    .forward = forward,
};
