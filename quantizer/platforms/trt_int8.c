#include "quantizer/platforms/formats.h"

// TensorRT explicit quantization: symmetric int8 throughout, weights per output channel, bias in
// float.

static const ppq_qfmt act = PPQ_FMT_S8_SYM;
static const ppq_qfmt weight = PPQ_FMT_S8_SYM_CHANNEL;

static const ppq_qrule rules[] = {
    PPQ_RULE_WEIGHT("Conv", 1, weight),
    PPQ_RULE_WEIGHT("ConvTranspose", 1, weight),
    PPQ_RULE_WEIGHT("Gemm", 1, weight),
    PPQ_RULE_WEIGHT("MatMul", 1, weight),
    PPQ_RULE_FLOAT("Conv", 2),
    PPQ_RULE_FLOAT("ConvTranspose", 2),
    PPQ_RULE_FLOAT("Gemm", 2),
    PPQ_RULE_FLOAT("LayerNormalization", 1),
    PPQ_RULE_FLOAT("LayerNormalization", 2),
};

static const char *const quant_types[] = {
    "Add",         "Attention",   "AveragePool", "Clip",
    "Concat",      "Conv",        "ConvTranspose", "Div",
    "Flatten",     "Gelu",        "Gemm",        "GlobalAveragePool",
    "GlobalMaxPool", "HardSigmoid", "HardSwish", "Interp",
    "LayerNormalization", "LeakyRelu", "MatMul", "Max",
    "MaxPool",     "Mul",         "PPQBiasFusedMatMul", "PRelu",
    "Pad",         "ReduceMean",  "Relu",        "Reshape",
    "Resize",      "Sigmoid",     "Slice",       "Softmax",
    "Sub",         "Transpose",   NULL,
};
static const char *const fused[] = { "Relu", "Clip", "Softplus", "Sigmoid", "Gelu", "Swish", NULL };
static const char *const passes[] = { NULL };

const ppq_platform ppq_platform_trt_int8 = {
    .name = "trt-int8",
    .summary = "TensorRT: symmetric int8, weights per channel, float bias",
    .activation = &act,
    .observer = "percentile",
    .quant_types = quant_types,
    .fused_activations = fused,
    .rules = rules,
    .n_rules = PPQ_COUNT(rules),
    .elementwise = PPQ_ALIGN_LARGE,
    .concat = PPQ_ALIGN_OUTPUT,
    .resize = PPQ_ALIGN_OUTPUT,
    .dispatcher = "conservative",
    .exporter = "qdq",
    .passes = passes,
};
