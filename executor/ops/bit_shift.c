#include "executor/ops/binary.h"

// Z = X shifted by Y bits to the side `direction` names; all of them out gives 0.
#define LEFT(id, type, ...)  BINARY_INT_LOOP(left_##id, type, b < 8 * sizeof(T) ? (U) a << b : 0)
#define RIGHT(id, type, ...) BINARY_INT_LOOP(right_##id, type, b < 8 * sizeof(T) ? (U) a >> b : 0)
TYPES_UNSIGNED(LEFT, 0)
TYPES_UNSIGNED(RIGHT, 0)

#define LEFT_ENTRY(id, type, ...)  [PPQ_DT_##id] = loop_left_##id,
#define RIGHT_ENTRY(id, type, ...) [PPQ_DT_##id] = loop_right_##id,
static const ppq_binary_loop left[PPQ_DT_COUNT] = { TYPES_UNSIGNED(LEFT_ENTRY, 0) };
static const ppq_binary_loop right[PPQ_DT_COUNT] = { TYPES_UNSIGNED(RIGHT_ENTRY, 0) };

static ppq_status infer(ppq_infer_ctx *c)
{
    if (!ppq_op_attr_is(c->op, "direction", "LEFT") && !ppq_op_attr_is(c->op, "direction", "RIGHT"))
        return ppq_infer_fail(c, "direction is neither LEFT nor RIGHT");
    return ppq_infer_broadcast(c);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_binary_run(c, ppq_op_attr_is(c->op, "direction", "LEFT") ? left : right);
}

const ppq_op_def ppq_op_bit_shift = BINARY_DEF("BitShift", 11, 0, infer);
