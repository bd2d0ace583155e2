#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    return PPQ_RULE_REFUSE(n, op,
                           "Scan of opset 8 is not handled, its batch dimension is gone "
                           "since opset 9");
}

const ppq_normalize_rule ppq_normalize_scan_batch = {
    .name = "scan-batch",
    .summary = "Scan of opset 8 is refused",
    .op_types = (const char *const[]){ "Scan", NULL },
    .below = 9,
    .apply = apply,
};
