#include "executor/ops/unary.h"

// Y = X > alpha ? X : 0
UNARY_ATTRS(TYPES_FLOAT, "alpha", 1.0f, "", 0, x > a ? x : 0)
UNARY_SLOPE(x > a ? 1 : 0)

const ppq_op_def ppq_op_thresholded_relu = UNARY_SLOPE_DEF("ThresholdedRelu", 10);
