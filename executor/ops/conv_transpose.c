#include "executor/ops/conv_direct.h"

// The gradient of Conv with respect to its input: every element spreads a weighted window.

CONV(true)

const ppq_op_def ppq_op_conv_transpose = CONV_DEF("ConvTranspose");
