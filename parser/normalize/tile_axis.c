#include "parser/normalize/rule.h"

// One axis and how often, where opset 6 has a number for every axis.
static ppq_status apply(ppq_normalizer *n, ppq_op *op)
{
    double tiles, axis;
    const int rank = ppq_normalizer_shape(n, op->in[0]).rank;
    if (op->n_in < 3 || !ppq_var_is_const(op->in[1]) || !ppq_var_is_const(op->in[2]) ||
        !ppq_const_scalar(&op->in[1]->value, &tiles) ||
        !ppq_const_scalar(&op->in[2]->value, &axis) || rank < 0 || axis < 0 || axis >= rank)
        return PPQ_RULE_REFUSE(n, op,
                               "Tile is handled with a constant axis and number below opset 6");
    int64_t repeats[PPQ_MAX_RANK];
    for (int i = 0; i < rank; i++)
        repeats[i] = i == (int) axis ? (int64_t) tiles : 1;
    const ppq_shape shape = ppq_shape_1d(rank);
    ppq_var *v;
    PPQ_TRY(ppq_rule_const(n, op, "repeats", PPQ_DT_I64, &shape, repeats, &v));
    ppq_graph_set_input(ppq_normalizer_graph(n), op, 1, v);
    ppq_graph_resize_inputs(ppq_normalizer_graph(n), op, 2);
    return PPQ_OK;
}

const ppq_normalize_rule ppq_normalize_tile_axis = {
    .name = "tile-axis",
    .summary = "Tile takes a number for every axis",
    .op_types = (const char *const[]){ "Tile", NULL },
    .below = 6,
    .apply = apply,
};
