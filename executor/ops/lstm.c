#include "executor/ops/recurrent.h"

// Gates i, o and f decide what enters the cell state, what of it is shown, and what of it stays.
const ppq_op_def ppq_op_lstm = RECURRENT_DEF("LSTM", 8, 3);
