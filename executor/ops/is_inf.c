#include <math.h>

#include "executor/ops/classify.h"

// Y = X is infinite, on a side that detect_negative and detect_positive leave on

static bool any(double v)
{
    return isinf(v);
}

static bool negative(double v)
{
    return isinf(v) && v < 0;
}

static bool positive(double v)
{
    return isinf(v) && v > 0;
}

static bool never(double v)
{
    (void) v;
    return false;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const bool neg = ppq_op_attr_int(c->op, "detect_negative", 1) != 0;
    const bool pos = ppq_op_attr_int(c->op, "detect_positive", 1) != 0;
    return ppq_run_classify(c, neg && pos ? any : neg ? negative : pos ? positive : never);
}

const ppq_op_def ppq_op_is_inf = CLASSIFY_DEF("IsInf", 10);
