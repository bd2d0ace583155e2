#include "executor/ops/norm.h"

// Y = log(softmax(X)) along an axis.

SOFTMAX(log_softmax, true)

const ppq_op_def ppq_op_log_softmax = SOFTMAX_DEF("LogSoftmax");
