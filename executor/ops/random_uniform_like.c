#include "executor/ops/random.h"

// Uniform over [low, high).
RANDOM(1, ppq_draw_uniform)

const ppq_op_def ppq_op_random_uniform_like = RANDOM_DEF("RandomUniformLike", 1, 1);
