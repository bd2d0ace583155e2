#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/order.h"

// The distinct elements, or with `axis` slices, sorted or in order of appearance; for each, where
// it appears first and how often; for each element, which of them it is.

// The input as [outer, n, inner]: item i is all elements [., i, .].
typedef struct items {
    const ppq_tensor *x;
    int64_t outer, n, inner;
} items;

static ppq_status find_items(const ppq_args *a, const ppq_shape *x, items *out)
{
    const ppq_op *op = ppq_args_op(a);
    int axis;
    *out = (items){ .outer = 1, .n = ppq_shape_numel(x), .inner = 1 };
    if (!ppq_op_attr(op, "axis"))
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(op, "axis", 0), x->rank, &axis));
    out->outer = ppq_dims_product(x, 0, axis);
    out->n = x->dim[axis];
    out->inner = ppq_dims_product(x, axis + 1, x->rank);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    const ppq_shape *x = &c->in_shape[0];
    const ppq_shape list = ppq_shape_1d(PPQ_DIM_UNKNOWN);
    ppq_shape y = list, inverse = list;
    if (ppq_op_attr(c->op, "axis")) {
        int axis;
        y = *x;
        if (x->rank >= 0) {
            PPQ_TRY(ppq_args_axis(&a, ppq_op_attr_int(c->op, "axis", 0), x->rank, &axis));
            inverse.dim[0] = x->dim[axis];
            y.dim[axis] = PPQ_DIM_UNKNOWN;
        }
    } else if (x->rank >= 0) {
        inverse.dim[0] = ppq_dims_product(x, 0, x->rank);
    }
    PPQ_TRY(ppq_infer_out(c, 0, c->in_dtype[0], &y));
    PPQ_TRY(ppq_infer_out(c, 1, PPQ_DT_I64, &list));
    PPQ_TRY(ppq_infer_out(c, 2, PPQ_DT_I64, &inverse));
    return ppq_infer_out(c, 3, PPQ_DT_I64, &list);
}

static int compare_elements(const ppq_tensor *x, int64_t a, int64_t b)
{
    if (x->dtype == PPQ_DT_STRING) {
        const ppq_string *s = ppq_tensor_data(x);
        const size_t n = PPQ_MIN(s[a].size, s[b].size);
        const int cmp = n ? memcmp(s[a].data, s[b].data, n) : 0;
        return cmp ? cmp : (s[a].size > s[b].size) - (s[a].size < s[b].size);
    }
    const uint64_t ka = ppq_order_key(x, a), kb = ppq_order_key(x, b);
    return (ka > kb) - (ka < kb);
}

static int compare_items(const items *t, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < t->outer; o++)
        for (int64_t k = 0; k < t->inner; k++) {
            const int64_t base = o * t->n * t->inner + k;
            const int cmp = compare_elements(t->x, base + a * t->inner, base + b * t->inner);
            if (cmp)
                return cmp;
        }
    return 0;
}

static bool item_before(const void *user, int64_t a, int64_t b)
{
    const int cmp = compare_items(user, a, b);
    return cmp ? cmp < 0 : a < b;
}

// Working memory: n of each.
typedef struct groups {
    int64_t *order; // items, equal ones together, the earliest first
    int64_t *group; // of each item, numbered as the output has them
    int64_t *first; // of each group: its earliest item
    int64_t *count; // of each group
    int64_t n_groups;
} groups;

static void find_groups(const items *t, bool sorted, groups *g)
{
    for (int64_t i = 0; i < t->n; i++)
        g->order[i] = i;
    ppq_select_first(g->order, t->n, t->n, item_before, t);
    g->n_groups = 0;
    for (int64_t i = 0; i < t->n; i++) {
        const bool fresh = i == 0 || compare_items(t, g->order[i - 1], g->order[i]) != 0;
        if (fresh) {
            g->first[g->n_groups] = g->order[i];
            g->count[g->n_groups++] = 0;
        }
        g->group[g->order[i]] = g->n_groups - 1;
        g->count[g->n_groups - 1]++;
    }
    if (sorted)
        return;
    // Renumber by first appearance. `order` is free now: new number of each old group.
    int64_t *renumber = g->order, next = 0;
    for (int64_t i = 0; i < t->n; i++)
        if (g->first[g->group[i]] == i)
            renumber[g->group[i]] = next++;
    for (int64_t i = 0; i < t->n; i++)
        g->group[i] = renumber[g->group[i]];
    memset(g->count, 0, (size_t) g->n_groups * sizeof(*g->count));
    for (int64_t i = t->n; i-- > 0;) {
        g->first[g->group[i]] = i;
        g->count[g->group[i]]++;
    }
}

static ppq_status write_list(ppq_kernel_ctx *c, int slot, const int64_t *v, int64_t n)
{
    const ppq_shape s = ppq_shape_1d(n);
    if (slot >= c->op->n_out)
        return PPQ_OK;
    PPQ_TRY(ppq_run_out(c, slot, PPQ_DT_I64, &s));
    if (n)
        memcpy(ppq_tensor_data(&c->out[slot]), v, (size_t) n * sizeof(*v));
    return PPQ_OK;
}

static ppq_status write_items(ppq_kernel_ctx *c, const items *t, const groups *g)
{
    const ppq_args a = ppq_args_run(c);
    ppq_shape y = ppq_shape_1d(g->n_groups);
    int axis = 0;
    if (ppq_op_attr(c->op, "axis")) {
        y = t->x->shape;
        PPQ_TRY(ppq_args_axis(&a, ppq_op_attr_int(c->op, "axis", 0), y.rank, &axis));
        y.dim[axis] = g->n_groups;
    }
    PPQ_TRY(ppq_run_out(c, 0, t->x->dtype, &y));
    const size_t bytes = (size_t) t->inner * ppq_dtype_size(t->x->dtype);
    for (int64_t o = 0; o < t->outer && bytes; o++)
        for (int64_t i = 0; i < g->n_groups; i++)
            memcpy(ppq_element(&c->out[0], (o * g->n_groups + i) * t->inner),
                   ppq_element(t->x, (o * t->n + g->first[i]) * t->inner), bytes);
    return t->x->dtype == PPQ_DT_STRING ? ppq_run_own_strings(c, 0) : PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    items t;
    if (ppq_dtype_bits(x->dtype) < 8 || (!ppq_convert_knows(x->dtype) && x->dtype != PPQ_DT_STRING))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an input of %s is not supported",
                               ppq_dtype_name(x->dtype));
    PPQ_TRY(find_items(&a, &x->shape, &t));
    t.x = x;
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) t.n * 4 * sizeof(int64_t), &memory));
    int64_t *v = ppq_tensor_data(&memory);
    groups g = { v, v + t.n, v + 2 * t.n, v + 3 * t.n, 0 };
    find_groups(&t, ppq_op_attr_int(c->op, "sorted", 1) != 0, &g);
    ppq_status st;
    if ((st = write_items(c, &t, &g)) == PPQ_OK &&
        (st = write_list(c, 1, g.first, g.n_groups)) == PPQ_OK &&
        (st = write_list(c, 2, g.group, t.n)) == PPQ_OK)
        st = write_list(c, 3, g.count, g.n_groups);
    ppq_tensor_unref(&memory);
    return st;
}

const ppq_op_def ppq_op_unique = {
    .type = "Unique",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 4,
    .traits = PPQ_OP_NO_LINKS,
    .fp32_out = 0xe, // indices, inverse_indices, counts
    .infer = infer,
    .forward = forward,
};
