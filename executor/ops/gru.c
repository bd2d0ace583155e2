#include "executor/ops/recurrent.h"

// Gates z and r decide what of the state stays, and what of it the candidate sees.
const ppq_op_def ppq_op_gru = RECURRENT_DEF("GRU", 6, 2);
