#include "executor/ops/random.h"

// Normal with a mean and a standard deviation.
RANDOM(0, ppq_draw_normal)

const ppq_op_def ppq_op_random_normal = RANDOM_DEF("RandomNormal", 1, 0);
