#include "executor/ops/equation.h"

#include <ctype.h>
#include <string.h>

typedef struct cursor {
    const char *p, *end;
} cursor;

static void skip_space(cursor *s)
{
    while (s->p < s->end && *s->p == ' ')
        s->p++;
}

// One comma-separated term. `rank` -1: of the output, where "..." has `n_dots` dimensions.
static ppq_status parse_term(const ppq_args *a, cursor *s, int rank, int n_dots, ppq_term *out)
{
    *out = (ppq_term){ .dots = -1 };
    for (skip_space(s); s->p < s->end && *s->p != ',' && *s->p != '-'; skip_space(s)) {
        if (s->end - s->p >= 3 && memcmp(s->p, "...", 3) == 0 && out->dots < 0) {
            out->dots = out->n;
            s->p += 3;
        } else if (isalpha((unsigned char) *s->p) && out->n < PPQ_MAX_RANK) {
            out->at[out->n++] = (ppq_label) *s->p++;
        } else {
            return ppq_args_fail(a, "the equation cannot be read at \"%.*s\"",
                                 (int) PPQ_MIN(s->end - s->p, (ptrdiff_t) 40), s->p);
        }
    }
    const int hidden = rank < 0 ? (out->dots < 0 ? 0 : n_dots) : rank - out->n;
    if (hidden < 0 || (hidden > 0 && out->dots < 0) || out->n + hidden > PPQ_MAX_RANK)
        return ppq_args_fail(a, "a term of the equation has %d labels, which does not fit rank %d",
                             out->n, rank < 0 ? out->n + hidden : rank);
    if (out->dots >= 0) {
        memmove(out->at + out->dots + hidden, out->at + out->dots, (size_t) (out->n - out->dots));
        for (int i = 0; i < hidden; i++)
            out->at[out->dots + i] = (ppq_label) (PPQ_ELLIPSIS + PPQ_MAX_RANK - hidden + i);
        out->n += hidden;
        out->n_dots = hidden;
    }
    return PPQ_OK;
}

// Without "->", the output has the ellipsis and, in alphabetical order, what appears once.
static void implicit_output(const int *seen, int n_dots, ppq_term *out)
{
    *out = (ppq_term){ .n_dots = n_dots };
    for (int i = 0; i < n_dots; i++)
        out->at[out->n++] = (ppq_label) (PPQ_ELLIPSIS + PPQ_MAX_RANK - n_dots + i);
    for (int l = 0; l < PPQ_ELLIPSIS; l++)
        if (seen[l] == 1 && out->n < PPQ_MAX_RANK)
            out->at[out->n++] = (ppq_label) l;
}

static ppq_status note_sizes(const ppq_args *a, const ppq_term *t, const ppq_shape *s,
                             ppq_equation *e)
{
    for (int i = 0; i < t->n; i++) {
        const ppq_label l = t->at[i];
        const int64_t dim = s->dim[i];
        // "..." broadcasts, and so do plain labels in practice.
        if (!e->used[l] || e->size[l] == 1)
            e->size[l] = dim;
        else if (dim != 1 && !ppq_dim_merge(e->size[l], dim, &e->size[l]))
            return ppq_args_fail(a,
                                 "dimension %d of an input is %lld, but its index has %lld "
                                 "values",
                                 i, (long long) dim, (long long) e->size[l]);
        e->used[l] = true;
    }
    return PPQ_OK;
}

// The terms of the inputs. Counts how often each letter is there.
static ppq_status read_inputs(const ppq_args *a, cursor *s, int *seen, int *n_dots, ppq_equation *e)
{
    const int n_in = ppq_args_op(a)->n_in;
    for (int i = 0; i < n_in; i++) {
        const ppq_shape *x = ppq_args_shape(a, i);
        if (x->rank < 0)
            return PPQ_OK;
        if (i > 0 && (s->p >= s->end || *s->p++ != ','))
            return ppq_args_fail(a, "the equation has %d terms for %d inputs", i, n_in);
        PPQ_TRY(parse_term(a, s, x->rank, 0, &e->in[i]));
        PPQ_TRY(note_sizes(a, &e->in[i], x, e));
        *n_dots = PPQ_MAX(*n_dots, e->in[i].n_dots);
        for (int k = 0; k < e->in[i].n; k++)
            if (e->in[i].at[k] < PPQ_ELLIPSIS)
                seen[e->in[i].at[k]]++;
    }
    e->known = true;
    return PPQ_OK;
}

static ppq_status check_output(const ppq_args *a, const ppq_equation *e)
{
    for (int i = 0; i < e->out.n; i++) {
        bool twice = false;
        for (int k = 0; k < i; k++)
            twice |= e->out.at[k] == e->out.at[i];
        if (!e->used[e->out.at[i]] || twice)
            return ppq_args_fail(a, "the output's label %d is in no input, or there twice", i);
    }
    return PPQ_OK;
}

ppq_status ppq_equation_read(const ppq_args *a, ppq_equation *e)
{
    const ppq_op *op = ppq_args_op(a);
    const ppq_attr *attr = ppq_op_attr(op, "equation");
    int seen[PPQ_ELLIPSIS] = { 0 }, n_dots = 0;
    *e = (ppq_equation){ .known = false };
    if (!attr || attr->kind != PPQ_ATTR_STRING)
        return ppq_args_fail(a, "it has no equation");
    if (op->n_in > PPQ_EINSUM_INPUTS)
        return ppq_args_fail(a, "it has %d inputs, at most %d are supported", op->n_in,
                             PPQ_EINSUM_INPUTS);
    cursor s = { attr->u.s.data, attr->u.s.data + attr->u.s.size };
    PPQ_TRY(read_inputs(a, &s, seen, &n_dots, e));
    if (!e->known)
        return PPQ_OK;
    if (s.p < s.end && *s.p == '-') {
        s.p++;
        if (s.p >= s.end || *s.p++ != '>')
            return ppq_args_fail(a, "the equation has a \"-\" without \">\"");
        PPQ_TRY(parse_term(a, &s, -1, n_dots, &e->out));
    } else {
        implicit_output(seen, n_dots, &e->out);
    }
    if (s.p < s.end)
        return ppq_args_fail(a, "the equation has more terms than inputs");
    return check_output(a, e);
}
