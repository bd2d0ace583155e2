#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = X * P(a standard normal variable <= X); with approximate="tanh", the usual formula for it.
// `b` is the choice.
UNARY_LOOPS(TYPES_FLOAT, b == 0 ? fast_gelu(x) : fast_gelu_tanh(x))
UNARY_FORWARD(0, ppq_op_attr_is(op, "approximate", "tanh") ? 1.0f : 0.0f)
#define TH    fast_tanh((T) 0.79788456080286535588 * (x + (T) 0.044715 * x * x * x))
#define SLOPE ((T) 0.79788456080286535588 * (1 + (T) 0.134145 * x * x)) // of the argument
UNARY_SLOPE(b == 0 ? (T) 0.5 * (1 + fast_erf(x * (T) 0.70710678118654752440)) +
                         (T) 0.39894228040143267794 * x * fast_exp((T) -0.5 * x * x)
                   : (T) 0.5 * (1 + TH) + (T) 0.5 * x * (1 - TH * TH) * SLOPE)

const ppq_op_def ppq_op_gelu = UNARY_SLOPE_DEF("Gelu", 20);
