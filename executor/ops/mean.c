#include "executor/ops/binary.h"

// The mean of all inputs
BINARY_REAL((U) a + (U) b)

// The sum, divided by the number of inputs.
#define DIVIDE(id, type, ...)                  \
    case PPQ_DT_##id: {                        \
        type *y = ppq_tensor_data(&c->out[0]); \
        for (int64_t i = 0; i < n; i++)        \
            y[i] /= (type) c->op->n_in;        \
        return PPQ_OK;                         \
    }

static ppq_status forward(ppq_kernel_ctx *c)
{
    PPQ_TRY(ppq_binary_fold(c, loops));
    const int64_t n = ppq_shape_numel(&c->out[0].shape);
    switch ((int) c->out[0].dtype) {
        TYPES_FLOAT(DIVIDE, 0)
    default:
        return PPQ_OK; // float16 and bfloat16: divided as float32
    }
}

const ppq_op_def ppq_op_mean = VARIADIC_DEF("Mean", 1, 0, NULL);
