#include <math.h>

#include "executor/ops/classify.h"

// Y = X is not a number

static bool test(double v)
{
    return isnan(v);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_classify(c, test);
}

const ppq_op_def ppq_op_is_nan = CLASSIFY_DEF("IsNaN", 9);
