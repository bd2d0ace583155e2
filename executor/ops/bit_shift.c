#include "executor/ops/binary.h"

// Z = X shifted by Y bits to the side `direction` names. To the right, a negative X is filled with
// ones. Y below 0 or from the width of the type on shifts everything out.
#define INSIDE                    ((U) b < 8 * sizeof(T)) // wraps when b is negative
#define LEFT(id, type, ...)       BINARY_INT_LOOP(left_##id, type, INSIDE ? (U) a << b : 0)
#define RIGHT(id, type, ...)      BINARY_INT_LOOP(right_##id, type, INSIDE ? a >> b : 0)
#define RIGHT_FILL(id, type, ...) BINARY_INT_LOOP(right_##id, type, INSIDE ? a >> b : -(a < 0))
TYPES_INT(LEFT, 0)
TYPES_UNSIGNED(RIGHT, 0)
TYPES_SIGNED(RIGHT_FILL, 0)

#define LEFT_ENTRY(id, type, ...)  [PPQ_DT_##id] = loop_left_##id,
#define RIGHT_ENTRY(id, type, ...) [PPQ_DT_##id] = loop_right_##id,
static const ppq_binary_loop left[PPQ_DT_COUNT] = { TYPES_INT(LEFT_ENTRY, 0) };
static const ppq_binary_loop right[PPQ_DT_COUNT] = { TYPES_INT(RIGHT_ENTRY, 0) };

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
