#include "parser/normalize/rule.h"

// Names of TensorProto.DataType, in its order.
static const char *const names[] = { "UNDEFINED", "FLOAT",  "UINT8",  "INT8",   "UINT16",
                                     "INT16",     "INT32",  "INT64",  "STRING", "BOOL",
                                     "FLOAT16",   "DOUBLE", "UINT32", "UINT64" };

static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    for (size_t i = 1; i < PPQ_COUNT(names); i++)
        if (ppq_op_attr_is(op, "to", names[i])) {
            ppq_op_remove_attr(op, "to");
            ppq_op_set_int(ppq_normalizer_graph(n), op, "to", (int64_t) i);
            return PPQ_OK;
        }
    return PPQ_RULE_REFUSE(n, op, "Cast names a type that is not known");
}

const ppq_normalize_rule ppq_normalize_cast_name = {
    .name = "cast-name",
    .summary = "Cast tells its type by number",
    .op_types = (const char *const[]){ "Cast", NULL },
    .below = 6,
    .apply = apply,
};
