#include "quantizer/platforms/formats.h"

// PPLNN on CUDA: symmetric int8, weights per output channel, int32 bias with the scale of the
// accumulator.

static const ppq_qfmt act = PPQ_FMT_S8_SYM;
static const ppq_qfmt weight = PPQ_FMT_S8_SYM_CHANNEL;
static const ppq_qfmt bias = PPQ_FMT_S32_BIAS_CHANNEL;

static const ppq_qrule rules[] = {
    PPQ_RULE_WEIGHT("Conv", 1, weight),
    PPQ_RULE_WEIGHT("Gemm", 1, weight),
    PPQ_RULE_BIAS("Conv", bias),
    PPQ_RULE_BIAS("Gemm", bias),
};

static const char *const quant_types[] = {
    "Add",     "AveragePool",       "Clip",          "Concat",    "Conv",    "Flatten",
    "Gemm",    "GlobalAveragePool", "GlobalMaxPool", "LeakyRelu", "MaxPool", "Mul",
    "PRelu",   "ReduceMean",        "Relu",          "Reshape",   "Resize",  "Sigmoid",
    "Slice",   "Split",             "Transpose",     NULL,
};
static const char *const fused[] = { "Relu", "Clip", "Sigmoid", "LeakyRelu", NULL };
static const char *const passes[] = { NULL };

const ppq_platform ppq_platform_ppl_cuda_int8 = {
    .name = "ppl-cuda-int8",
    .summary = "PPLNN on CUDA: symmetric int8, weights per channel, int32 bias",
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
    .exporter = "onnx",
    .passes = passes,
};
