#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (ppq_op_attr_int(op, "spatial", 1) != 1)
        return PPQ_RULE_REFUSE(n, op, "BatchNormalization with spatial = %lld is not handled",
                               (long long) ppq_op_attr_int(op, "spatial", 1));
    ppq_op_remove_attr(op, "spatial");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_batch_norm_spatial = {
    .name = "batch-norm-spatial",
    .summary = "BatchNormalization is always per channel",
    .op_types = (const char *const[]){ "BatchNormalization", NULL },
    .below = 9,
    .apply = apply,
};
