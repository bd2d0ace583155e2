#include "executor/ops/norm.h"

// Y = exp(X) / sum(exp(X)) along an axis.

SOFTMAX(softmax, false)

const ppq_op_def ppq_op_softmax = SOFTMAX_DEF("Softmax");
