#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    // Training was what an op did by default.
    if (!ppq_op_attr_int(op, "is_test", 0))
        return PPQ_RULE_REFUSE(n, op, "%s is in training mode (is_test = 0)", op->type);
    ppq_op_remove_attr(op, "is_test");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_test_mode = {
    .name = "test-mode",
    .summary = "BatchNormalization and Dropout infer unless told otherwise",
    .op_types = (const char *const[]){ "BatchNormalization", "Dropout", NULL },
    .below = 7,
    .apply = apply,
};
