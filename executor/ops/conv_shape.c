#include "executor/ops/conv_shape.h"

static bool known_and_differ(int64_t a, int64_t b)
{
    return a >= 0 && b >= 0 && a != b;
}

// The rank both must have; -1 when neither is known.
static bool common_rank(const ppq_shape *x, const ppq_shape *w, int *rank, ppq_reason *why)
{
    *rank = PPQ_MAX(x->rank, w->rank);
    if (x->rank >= 0 && w->rank >= 0 && x->rank != w->rank)
        return ppq_because(why, "the weights have rank %d but the input has rank %d", w->rank,
                           x->rank);
    if (*rank >= 0 && *rank < 3)
        return ppq_because(why, "the input has rank %d, expected 3 to %d", *rank, PPQ_MAX_RANK);
    return true;
}

static bool channels(ppq_conv_shape *s, const ppq_shape *x, const ppq_shape *w, ppq_reason *why)
{
    const int64_t whole = w->dim[0], part = w->dim[1], c = x->dim[1];
    s->ic = s->oc = PPQ_DIM_UNKNOWN;
    if (whole >= 0 && whole % s->groups)
        return ppq_because(why, "%lld channels cannot be split into %lld groups", (long long) whole,
                           (long long) s->groups);
    int64_t other;
    if (part > 0 && __builtin_mul_overflow(part, s->groups, &other))
        return ppq_because(why, "the weights have too many channels");
    const int64_t per_group = whole < 0 ? PPQ_DIM_UNKNOWN : whole / s->groups;
    s->ic = s->transposed ? per_group : part;
    s->oc = s->transposed ? part : per_group;
    if (s->ic >= 0 && known_and_differ(c, s->ic * s->groups))
        return ppq_because(why, "the input has %lld channels but the weights want %lld",
                           (long long) c, (long long) (s->ic * s->groups));
    if (s->ic < 0 && c >= 0)
        s->ic = c / s->groups;
    return true;
}

bool ppq_conv_shape_init(ppq_conv_shape *s, const ppq_op *op, bool transposed, const ppq_shape *x,
                         const ppq_shape *w, const ppq_shape *bias, ppq_reason *why)
{
    *s = (ppq_conv_shape){ .transposed = transposed, .y.rank = -1 };
    s->groups = ppq_op_attr_int(op, "group", 1);
    if (s->groups < 1 || s->groups > INT32_MAX)
        return ppq_because(why, "group is %lld, expected 1 to %d", (long long) s->groups,
                           INT32_MAX);
    int rank;
    if (!common_rank(x, w, &rank, why))
        return false;
    if (rank < 0)
        return true;
    ppq_shape none = { .rank = rank };
    for (int i = 0; i < rank; i++)
        none.dim[i] = PPQ_DIM_UNKNOWN;
    x = x->rank < 0 ? &none : x;
    w = w->rank < 0 ? &none : w;
    if (!channels(s, x, w, why))
        return false;
    const bool fits =
        transposed ? ppq_window_init_transposed(&s->win, op, rank - 2, x->dim + 2, w->dim + 2, why)
                   : ppq_window_init(&s->win, op, rank - 2, x->dim + 2, w->dim + 2, why);
    if (!fits)
        return false;
    s->batch = x->dim[0];
    s->y.rank = rank;
    s->y.dim[0] = x->dim[0];
    s->y.dim[1] = s->oc < 0 ? PPQ_DIM_UNKNOWN : s->oc * s->groups;
    for (int i = 0; i < s->win.n; i++)
        s->y.dim[2 + i] = s->win.out[i];
    if (bias && bias->rank >= 0 && bias->rank != 1)
        return ppq_because(why, "the bias has rank %d, expected 1", bias->rank);
    if (bias && bias->rank == 1 && known_and_differ(bias->dim[0], s->y.dim[1]))
        return ppq_because(why, "the bias has %lld values but there are %lld output channels",
                           (long long) bias->dim[0], (long long) s->y.dim[1]);
    return true;
}

ppq_status ppq_conv_infer(ppq_infer_ctx *c, bool transposed, int x, int w, int bias)
{
    ppq_conv_shape s;
    ppq_reason why;
    const bool has_bias = bias >= 0 && bias < c->op->n_in && c->has_in[bias];
    if (!ppq_conv_shape_init(&s, c->op, transposed, &c->in_shape[x], &c->in_shape[w],
                             has_bias ? &c->in_shape[bias] : NULL, &why))
        return ppq_infer_fail(c, "%s", why.text);
    c->out_shape[0] = s.y;
    return PPQ_OK;
}

static bool nothing_slides(const ppq_window *w, int d)
{
    return w->kernel[d] == 1 && w->stride[d] == 1 && w->pad_lo[d] == 0 && w->pad_hi[d] == 0 &&
           w->in[d] == w->out[d];
}

void ppq_conv_shape_flatten(ppq_conv_shape *s)
{
    ppq_window *w = &s->win;
    while (w->n > 1 && nothing_slides(w, w->n - 1) && nothing_slides(w, w->n - 2)) {
        w->in[w->n - 2] *= w->in[w->n - 1];
        w->out[w->n - 2] *= w->out[w->n - 1];
        w->n--;
    }
}
