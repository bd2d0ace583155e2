#include "executor/ops/unary.h"

// Y = arcosh X
UNARY(TYPES_FLOAT, acosh(x))

const ppq_op_def ppq_op_acosh = UNARY_DEF("Acosh", 9);
