#include "executor/ops/binary.h"
#include "executor/ops/divisor.h"

// C = A / B; integers towards zero, and the lowest one divided by -1 wraps to itself.
#define DIV_SIGNED(id, type, ...)   BINARY_INT_LOOP(id, type, b == -1 ? 0 - (U) a : (U) (a / b))
#define DIV_UNSIGNED(id, type, ...) BINARY_INT_LOOP(id, type, a / b)
#define DIV_FLOAT(id, type, ...)    BINARY_FLOAT_LOOP(id, type, a / b)
TYPES_SIGNED(DIV_SIGNED, 0)
TYPES_UNSIGNED(DIV_UNSIGNED, 0)
TYPES_FLOAT(DIV_FLOAT, 0)
static const ppq_binary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(BINARY_ENTRY, 0) };

static ppq_status forward(ppq_kernel_ctx *c)
{
    PPQ_TRY(ppq_check_divisor(c));
    return ppq_binary_run(c, loops);
}

BINARY_SLOPES(1 / b, -a / (b * b))

const ppq_op_def ppq_op_div = BINARY_BACKWARD_DEF("Div", 1, 0, ppq_infer_broadcast, backward);
