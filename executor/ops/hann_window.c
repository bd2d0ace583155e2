#include "executor/ops/cosine_window.h"

// Touches zero with a slope of zero.
COSINE_WINDOW(0.5, 0.5, 0)

const ppq_op_def ppq_op_hann_window = COSINE_WINDOW_DEF("HannWindow");
