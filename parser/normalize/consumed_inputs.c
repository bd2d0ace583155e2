#include "parser/normalize/rule.h"

// A hint for computing in place; and Selu's defaults had fewer digits.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    ppq_graph *g = ppq_normalizer_graph(n);
    ppq_op_remove_attr(op, "consumed_inputs");
    if (!ppq_op_is(op, "Selu"))
        return PPQ_OK;
    ppq_op_set_float(g, op, "alpha", ppq_op_attr_float(op, "alpha", 1.6732f));
    ppq_op_set_float(g, op, "gamma", ppq_op_attr_float(op, "gamma", 1.0507f));
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_consumed_inputs = {
    .name = "consumed-inputs",
    .summary = "no op says which inputs it may overwrite",
    .op_types = (const char *const[]){ "Abs",       "Add",     "BatchNormalization",
                                       "Ceil",      "Clip",    "Div",
                                       "Dropout",   "Elu",     "Exp",
                                       "Floor",     "Log",     "HardSigmoid",
                                       "LeakyRelu", "Max",     "InstanceNormalization",
                                       "Mean",      "Min",     "Mul",
                                       "Neg",       "PRelu",   "Reciprocal",
                                       "Relu",      "Reshape", "Selu",
                                       "Sigmoid",   "Sqrt",    "Sub",
                                       "Sum",       "Tanh",    NULL },
    .below = 6,
    .apply = apply,
};
