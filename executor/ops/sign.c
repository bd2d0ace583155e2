#include "executor/ops/unary.h"

// Y = -1, 0 or 1; NaN stays NaN.
#define SIGN_SIGNED(id, type, ...)   UNARY_LOOP(id, type, (x > 0) - (x < 0))
#define SIGN_UNSIGNED(id, type, ...) UNARY_LOOP(id, type, x > 0)
#define SIGN_FLOAT(id, type, ...)    UNARY_LOOP(id, type, x > 0 ? 1 : x < 0 ? -1 : x)
TYPES_SIGNED(SIGN_SIGNED, 0)
TYPES_UNSIGNED(SIGN_UNSIGNED, 0)
TYPES_FLOAT(SIGN_FLOAT, 0)
static const ppq_unary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(UNARY_ENTRY, 0) };

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_unary_run(c, loops, 0, 0);
}

const ppq_op_def ppq_op_sign = UNARY_DEF("Sign", 9);
