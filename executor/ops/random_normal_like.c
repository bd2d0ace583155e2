#include "executor/ops/random.h"

// Normal with a mean and a standard deviation.
RANDOM(1, ppq_draw_normal)

const ppq_op_def ppq_op_random_normal_like = RANDOM_DEF("RandomNormalLike", 1, 1);
