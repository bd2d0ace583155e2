#include "executor/ops/text.h"

// Removes stop words from a list of strings, then changes the case of the others. When nothing is
// left, one empty string is.

enum change { NONE, LOWER, UPPER };

static ppq_status plan(const ppq_args *a, ppq_shape *out)
{
    const ppq_shape *s = ppq_args_shape(a, 0);
    *out = *s;
    if (s->rank < 0)
        return PPQ_OK;
    if (s->rank == 0 || s->rank > 2 || (s->rank == 2 && s->dim[0] >= 0 && s->dim[0] != 1))
        return ppq_args_fail(a, "the input must have the shape [C] or [1, C]");
    out->dim[0] = 1;
    out->dim[out->rank - 1] = PPQ_DIM_UNKNOWN;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out;
    PPQ_TRY(ppq_infer_strings(c, 1));
    PPQ_TRY(plan(&a, &out));
    return ppq_infer_out(c, 0, PPQ_DT_STRING, &out);
}

static char changed(char x, enum change to)
{
    const bool lower = x >= 'a' && x <= 'z', upper = x >= 'A' && x <= 'Z';
    return to == LOWER && upper ? (char) (x + 32) : to == UPPER && lower ? (char) (x - 32) : x;
}

static bool same(ppq_string a, ppq_string b, bool any_case)
{
    if (!any_case || a.size != b.size)
        return ppq_string_same(a, b);
    for (size_t i = 0; i < a.size; i++)
        if (changed(a.data[i], LOWER) != changed(b.data[i], LOWER))
            return false;
    return true;
}

static bool is_stop_word(const ppq_attr *stop, ppq_string s, bool any_case)
{
    for (size_t i = 0; stop && i < stop->count; i++)
        if (same(stop->u.strings[i], s, any_case))
            return true;
    return false;
}

// The case of letters beyond ASCII depends on a locale that this op does not have.
static ppq_status check_ascii(ppq_kernel_ctx *c, ppq_string s)
{
    for (size_t i = 0; i < s.size; i++)
        if ((unsigned char) s.data[i] > 127)
            return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED,
                                   "the case of \"%.*s\" is not known: only ASCII letters are "
                                   "supported",
                                   (int) PPQ_MIN(s.size, 40), s.data);
    return PPQ_OK;
}

static ppq_status store(ppq_kernel_ctx *c, const ppq_string *kept, int64_t n, enum change to)
{
    ppq_shape shape = { .rank = c->in[0]->shape.rank, .dim = { 1, 1 } };
    shape.dim[shape.rank - 1] = PPQ_MAX(n, 1);
    PPQ_TRY(ppq_run_out(c, 0, PPQ_DT_STRING, &shape));
    ppq_string *y = ppq_tensor_data(&c->out[0]);
    y[0] = (ppq_string){ NULL, 0 };
    for (int64_t i = 0; i < n; i++)
        y[i] = kept[i];
    PPQ_TRY(ppq_run_own_strings(c, 0));
    y = ppq_tensor_data(&c->out[0]);
    for (int64_t i = 0; i < n; i++) {
        char *own = (char *) (uintptr_t) y[i].data;
        for (size_t k = 0; k < y[i].size; k++)
            own[k] = changed(own[k], to);
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    static const char *const changes[] = { "NONE", "LOWER", "UPPER", NULL };
    const ppq_args a = ppq_args_run(c);
    const bool any_case = ppq_op_attr_int(c->op, "is_case_sensitive", 0) == 0;
    const ppq_attr *stop = ppq_op_attr(c->op, "stopwords");
    ppq_shape shape;
    int to;
    PPQ_TRY(plan(&a, &shape));
    PPQ_TRY(ppq_args_choice(&a, "case_change_action", changes, &to));
    if (stop && stop->kind != PPQ_ATTR_STRINGS)
        stop = NULL;
    const ppq_string *x = ppq_strings(c->in[0]);
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    ppq_string *kept = ppq_new_n(c->scratch, ppq_string, (size_t) n + 1);
    int64_t n_kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if (to != NONE || (stop && stop->count && any_case))
            PPQ_TRY(check_ascii(c, x[i]));
        if (!is_stop_word(stop, x[i], any_case))
            kept[n_kept++] = x[i];
    }
    return store(c, kept, n_kept, (enum change) to);
}

const ppq_op_def ppq_op_string_normalizer = {
    .type = "StringNormalizer",
    .domain = "",
    .opset_min = 10,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x1,
    .fp32_out = 0x1,
    .infer = infer,
    .forward = forward,
};
