#include "executor/ops/cosine_window.h"

// Three terms, for lower side lobes.
COSINE_WINDOW(0.42, 0.5, 0.08)

const ppq_op_def ppq_op_blackman_window = COSINE_WINDOW_DEF("BlackmanWindow");
