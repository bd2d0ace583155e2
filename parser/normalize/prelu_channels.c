#include "parser/normalize/rule.h"

// One slope per channel was a vector; since opset 7 it broadcasts, and its channels need ones
// behind.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    if (op->n_in < 2 || !op->in[1])
        return PPQ_OK;
    const ppq_shape slope = ppq_normalizer_shape(n, op->in[1]);
    const int rank = ppq_normalizer_shape(n, op->in[0]).rank;
    if (slope.rank != 1 || slope.dim[0] == 1)
        return PPQ_OK;
    if (rank < 0)
        return PPQ_RULE_REFUSE(n, op, "PRelu has a slope per channel of a tensor of unknown rank");
    return ppq_rule_append_ones(n, op, 1, 1, PPQ_MAX(rank - 2, 0));
}

const ppq_normalize_rule ppq_normalize_prelu_channels = {
    .name = "prelu-channels",
    .summary = "PRelu broadcasts its slope",
    .op_types = (const char *const[]){ "PRelu", NULL },
    .below = 7,
    .apply = apply,
};
