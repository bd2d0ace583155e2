#include "executor/ops/recurrent.h"

// h' = f(x W' + Wb + h R' + Rb).
const ppq_op_def ppq_op_rnn = RECURRENT_DEF("RNN", 6, 2);
