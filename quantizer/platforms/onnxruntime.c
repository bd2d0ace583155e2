#include <string.h>

#include "quantizer/platforms/formats.h"

// ONNX Runtime's CPU kernels: uint8 asymmetric activations and int8 symmetric weights per output
// channel are its fastest combination; ReLU and Clip go where the uint8 range already clamps. The
// types are those that it runs on integers: quantizing others only adds Q/DQ pairs.

static const ppq_qfmt act = PPQ_FMT_U8_ASYM;
static const ppq_qfmt weight = PPQ_FMT_S8_NARROW_CHANNEL;
static const ppq_qfmt bias = PPQ_FMT_S32_BIAS_CHANNEL;

static const ppq_qrule rules[] = {
    PPQ_RULE_WEIGHT("Conv", 1, weight),   PPQ_RULE_WEIGHT("Gemm", 1, weight),
    PPQ_RULE_WEIGHT("MatMul", 1, weight), PPQ_RULE_BIAS("Conv", bias),
    PPQ_RULE_BIAS("Gemm", bias),
};

static const char *const quant_types[] = {
    "Add",      "AveragePool", "Clip",      "Concat",  "Conv",  "DepthToSpace",
    "Dropout",  "Expand",      "Flatten",   "Gather",  "Gemm",  "GlobalAveragePool",
    "Identity", "LeakyRelu",   "MatMul",    "MaxPool", "Mul",   "Relu",
    "Reshape",  "Resize",      "Sigmoid",   "Slice",   "Split", "Squeeze",
    "Tile",     "Transpose",   "Unsqueeze", NULL,
};
static const char *const fused[] = { "Relu", "Clip", NULL };
static const char *const passes[] = { "quantize-linear-bias", "prune-islands",    "equalize",
                                      "float-outputs",        "avoid-saturation", NULL };

static bool can_quantize(const ppq_op *op, const char **why_not)
{
    if (ppq_op_is(op, "Resize") && !ppq_op_attr_is(op, "mode", "nearest") &&
        ppq_op_attr(op, "mode")) {
        *why_not = "ONNX Runtime resizes integers with mode nearest only";
        return false;
    }
    const float alpha = ppq_op_attr_float(op, "alpha", 1), beta = ppq_op_attr_float(op, "beta", 1);
    const bool plain =
        !(alpha < 1 || alpha > 1 || beta < 1 || beta > 1) && ppq_op_attr_int(op, "transA", 0) == 0;
    if (ppq_op_is(op, "Gemm") && !plain) {
        *why_not = "ONNX Runtime's integer Gemm takes alpha 1, beta 1 and transA 0 only";
        return false;
    }
    return true;
}

const ppq_platform ppq_platform_onnxruntime = {
    .name = "onnxruntime",
    .summary = "ONNX Runtime on CPUs: u8 activations, s8 weights per channel, int32 bias (default)",
    .activation = &act,
    .observer = "mse",
    .quant_types = quant_types,
    .fused_activations = fused,
    .rules = rules,
    .n_rules = PPQ_COUNT(rules),
    .dispatcher = "conservative",
    .exporter = "qdq",
    .passes = passes,
    .can_quantize = can_quantize,
};
