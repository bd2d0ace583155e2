#include "executor/ops/cosine_window.h"

// Cancels the nearest side lobe.
COSINE_WINDOW(25.0 / 46.0, 21.0 / 46.0, 0)

const ppq_op_def ppq_op_hamming_window = COSINE_WINDOW_DEF("HammingWindow");
