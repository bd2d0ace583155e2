#include <math.h>

#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    const float p = ppq_op_attr_float(op, "p", 2);
    if (!(p >= 1) || p > 1e6f || p != floorf(p))
        return PPQ_RULE_REFUSE(n, op, "%s has p = %g, whole numbers are handled", op->type,
                               (double) p);
    ppq_op_remove_attr(op, "p");
    ppq_op_set_int(ppq_normalizer_graph(n), op, "p", (int64_t) p);
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_lp_pool_order = {
    .name = "lp-pool-order",
    .summary = "the order of an Lp pool is an integer",
    .op_types = (const char *const[]){ "LpPool", "GlobalLpPool", NULL },
    .below = 2,
    .apply = apply,
};
