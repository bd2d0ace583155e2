#include "parser/normalize/rule.h"

#include <string.h>

#include "core/op_def.h"

static const char *name_of(ppq_normalizer *n, const ppq_op *op, const char *what)
{
    return ppq_arena_printf(ppq_normalizer_graph(n)->arena, "%s%s_%s", ppq_normalizer_prefix(n),
                            op->name, what);
}

static ppq_status no_memory(const ppq_normalizer *n, const ppq_op *op)
{
    const ppq_site s = ppq_normalizer_site(n, op);
    return ppq_site_fail(&s, PPQ_ERR_NOMEM, "no memory for a constant");
}

ppq_status ppq_rule_const(ppq_normalizer *n, const ppq_op *op, const char *what, ppq_dtype dtype,
                          const ppq_shape *shape, const void *data, ppq_var **out)
{
    ppq_tensor t;
    if (ppq_tensor_alloc(&t, dtype, shape) != PPQ_OK)
        return no_memory(n, op);
    if (ppq_tensor_bytes(&t))
        memcpy(ppq_tensor_data(&t), data, ppq_tensor_bytes(&t));
    *out = ppq_graph_add_const(ppq_normalizer_graph(n), name_of(n, op, what), &t);
    return PPQ_OK;
}

ppq_status ppq_rule_scalar(ppq_normalizer *n, const ppq_op *op, const char *what, ppq_dtype dtype,
                           float value, ppq_var **out)
{
    const double wide = (double) value;
    const uint16_t half = ppq_f32_to_f16(value), brain = ppq_f32_to_bf16(value);
    const void *data = dtype == PPQ_DT_F32    ? (const void *) &value
                       : dtype == PPQ_DT_F64  ? (const void *) &wide
                       : dtype == PPQ_DT_F16  ? (const void *) &half
                       : dtype == PPQ_DT_BF16 ? (const void *) &brain
                                              : NULL;
    if (!data)
        return PPQ_RULE_REFUSE(n, op, "its input is of type %s, must be a float type for '%s'",
                               ppq_dtype_name(dtype), what);
    return ppq_rule_const(n, op, what, dtype, &(ppq_shape){ 0 }, data, out);
}

ppq_status ppq_rule_attr_to_input(ppq_normalizer *n, ppq_op *op, const char *attr, int32_t slot)
{
    const ppq_attr *a = ppq_op_attr(op, attr);
    if (!a)
        return PPQ_OK;
    if (a->kind != PPQ_ATTR_INTS && a->kind != PPQ_ATTR_INT)
        return PPQ_RULE_REFUSE(n, op, "attribute '%s' is no list of integers", attr);
    const ppq_shape shape = ppq_shape_1d((int64_t) a->count);
    ppq_var *v;
    PPQ_TRY(ppq_rule_const(n, op, attr, PPQ_DT_I64, &shape,
                           a->kind == PPQ_ATTR_INT ? &a->u.i : a->u.ints, &v));
    ppq_graph_set_input(ppq_normalizer_graph(n), op, slot, v);
    ppq_op_remove_attr(op, attr);
    return PPQ_OK;
}

void ppq_rule_need_inputs(ppq_normalizer *n, ppq_op *op, int32_t n_in)
{
    if (op->n_in < n_in)
        ppq_graph_resize_inputs(ppq_normalizer_graph(n), op, n_in);
}

void ppq_rule_retype(ppq_op *op, const char *type)
{
    op->type = type;
    op->def = ppq_op_def_find(op->domain, type);
}

ppq_op *ppq_rule_insert(ppq_normalizer *n, const ppq_op *op, const char *type, int32_t n_in,
                        int32_t n_out)
{
    return ppq_graph_add_op(ppq_normalizer_graph(n), "", type, name_of(n, op, type), n_in, n_out);
}

ppq_var *ppq_rule_var(ppq_normalizer *n, const ppq_op *op, const char *what)
{
    return ppq_graph_add_var(ppq_normalizer_graph(n), name_of(n, op, what));
}

ppq_status ppq_rule_append_ones(ppq_normalizer *n, ppq_op *op, int32_t slot, int rank, int n_ones)
{
    if (n_ones < 1)
        return PPQ_OK;
    ppq_graph *g = ppq_normalizer_graph(n);
    int64_t axes[PPQ_MAX_RANK];
    for (int i = 0; i < n_ones; i++)
        axes[i] = rank + i;
    const ppq_shape shape = ppq_shape_1d(n_ones);
    ppq_var *v;
    PPQ_TRY(ppq_rule_const(n, op, "axes", PPQ_DT_I64, &shape, axes, &v));
    ppq_op *unsqueeze = ppq_rule_insert(n, op, "Unsqueeze", 2, 1);
    ppq_var *aligned = ppq_rule_var(n, op, "aligned");
    ppq_graph_set_input(g, unsqueeze, 0, op->in[slot]);
    ppq_graph_set_input(g, unsqueeze, 1, v);
    ppq_graph_set_output(g, unsqueeze, 0, aligned);
    ppq_graph_set_input(g, op, slot, aligned);
    return PPQ_OK;
}
