#include "executor/ops/conv_direct.h"

// Y = X * W + B, the sum of products over a sliding window.

CONV(false)

const ppq_op_def ppq_op_conv = CONV_DEF("Conv");
