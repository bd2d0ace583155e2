#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    (void) n;
    ppq_op_remove_attr(op, "broadcast");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_gemm_broadcast = {
    .name = "gemm-broadcast",
    .summary = "Gemm always broadcasts what it adds",
    .op_types = (const char *const[]){ "Gemm", NULL },
    .below = 7,
    .apply = apply,
};
