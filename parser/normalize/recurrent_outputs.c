#include "parser/normalize/rule.h"

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    (void) n;
    ppq_op_remove_attr(op, "output_sequence");
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_recurrent_outputs = {
    .name = "recurrent-outputs",
    .summary = "recurrent ops give the outputs that they have",
    .op_types = (const char *const[]){ "GRU", "LSTM", "RNN", NULL },
    .below = 7,
    .apply = apply,
};
