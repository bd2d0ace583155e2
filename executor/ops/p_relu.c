#include "executor/ops/binary.h"

// Y = X < 0 ? slope * X : X; slope is broadcast to X, never X to slope.
#define P_RELU_SIGNED(id, type, ...)   BINARY_INT_LOOP(id, type, a < 0 ? (U) a * (U) b : (U) a)
#define P_RELU_UNSIGNED(id, type, ...) BINARY_INT_LOOP(id, type, ((void) b, a))
#define P_RELU_FLOAT(id, type, ...)    BINARY_FLOAT_LOOP(id, type, a < 0 ? a * b : a)
TYPES_SIGNED(P_RELU_SIGNED, 0)
TYPES_UNSIGNED(P_RELU_UNSIGNED, 0)
TYPES_FLOAT(P_RELU_FLOAT, 0)
static const ppq_binary_loop loops[PPQ_DT_COUNT] = { TYPES_REAL(BINARY_ENTRY, 0) };
BINARY_FORWARD(ppq_binary_run)
BINARY_SLOPES(a < 0 ? b : 1, a < 0 ? a : 0)

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_broadcast(c));
    const ppq_shape *x = &c->in_shape[0];
    char a[192], b[192];
    if (ppq_shape_known(x) && ppq_shape_known(&c->out_shape[0]) &&
        !ppq_shape_equal(x, &c->out_shape[0]))
        return ppq_infer_fail(c, "slope of shape %s cannot be broadcast to %s",
                              ppq_shape_str(&c->in_shape[1], b, sizeof(b)),
                              ppq_shape_str(x, a, sizeof(a)));
    c->out_shape[0] = *x;
    return PPQ_OK;
}

const ppq_op_def ppq_op_p_relu = BINARY_BACKWARD_DEF("PRelu", 1, 0, infer, backward);
