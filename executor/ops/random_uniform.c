#include "executor/ops/random.h"

// Uniform over [low, high).
RANDOM(0, ppq_draw_uniform)

const ppq_op_def ppq_op_random_uniform = RANDOM_DEF("RandomUniform", 1, 0);
