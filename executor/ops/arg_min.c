#include "executor/ops/arg_reduce.h"

// Where along an axis the smallest element is: the first of equals, or with select_last_index the
// last.

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_arg(c, true);
}

const ppq_op_def ppq_op_arg_min = ARG_DEF("ArgMin");
