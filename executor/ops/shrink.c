#include "executor/ops/unary.h"

// Y = X < -lambd ? X + bias : X > lambd ? X - bias : 0, in double so that integers keep a
// fractional lambd; they saturate.
static double shrink(double x, double lambd, double bias)
{
    return x < -lambd ? x + bias : x > lambd ? x - bias : 0;
}

UNARY_ATTRS(TYPES_REAL, "lambd", 0.5f, "bias", 0.0f,
            TYPES_FIT(T, shrink((double) x, (double) pa, (double) pb)))

const ppq_op_def ppq_op_shrink = UNARY_DEF("Shrink", 9);
