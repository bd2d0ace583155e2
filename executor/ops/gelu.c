#include "executor/ops/fast_math.h"
#include "executor/ops/unary.h"

// Y = X * P(a standard normal variable <= X); with approximate="tanh", the usual formula for it.
// `b` is the choice.
UNARY_LOOPS(TYPES_FLOAT,
            b == 0
                ? (T) 0.5 * x * (1 + fast_erf(x * (T) 0.70710678118654752440))
                : (T) 0.5 * x *
                      (1 + fast_tanh((T) 0.79788456080286535588 * (x + (T) 0.044715 * x * x * x))))

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_unary_run(c, loops, 0, ppq_op_attr_is(c->op, "approximate", "tanh") ? 1.0f : 0.0f);
}

const ppq_op_def ppq_op_gelu = UNARY_DEF("Gelu", 20);
