#include "passes/pattern.h"

// Gelu spelled out, however it is parenthesized, becomes one op:
//     x / 2 + x / 2 * erf(x / sqrt 2)
//     x / 2 + x / 2 * tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))
// Expressions are multiplied out to polynomials in x and in the value of that function, so that
// every order of factors and every way to write a power looks the same.

enum { DEGREE = 3, OPS = 16 };

// The sum of at[i][j] * x^i * f^j.
typedef struct polynomial {
    double at[DEGREE + 1][2];
} polynomial;

typedef struct expression {
    const ppq_var *x; // what several ops read; NULL: not seen yet
    const ppq_op *f;  // the Erf or Tanh; NULL: not seen yet, or not wanted
    bool wants_f;
    int n_ops;
} expression;

static bool expand(expression *e, const ppq_var *v, polynomial *out);

static polynomial constant(double c)
{
    return (polynomial){ .at = { { c, 0 } } };
}

static bool multiply(const polynomial *a, const polynomial *b, polynomial *out)
{
    polynomial y = { 0 };
    for (int i = 0; i <= DEGREE; i++)
        for (int k = 0; k <= DEGREE; k++)
            for (int f = 0; f < 4; f++) {
                const double term = a->at[i][f / 2] * b->at[k][f % 2];
                if (term == 0)
                    continue;
                if (i + k > DEGREE || f == 3)
                    return false;
                y.at[i + k][f / 2 + f % 2] += term;
            }
    *out = y;
    return true;
}

static bool scalar(const ppq_var *v, double *out)
{
    return v && ppq_var_is_const(v) && ppq_const_scalar(&v->value, out);
}

static bool expand_power(expression *e, const ppq_op *op, polynomial *out)
{
    double n;
    polynomial base;
    if (!scalar(op->in[1], &n) || !(n >= 1 && n <= DEGREE) || n > floor(n) ||
        !expand(e, op->in[0], &base))
        return false;
    *out = base;
    for (int i = 1; i < (int) n; i++)
        if (!multiply(out, &base, out))
            return false;
    return true;
}

static bool expand_op(expression *e, const ppq_op *op, polynomial *out)
{
    polynomial a, b;
    double divisor;
    if (op->n_in != 2 || ++e->n_ops > OPS)
        return false;
    if (ppq_op_is(op, "Pow"))
        return expand_power(e, op, out);
    if (ppq_op_is(op, "Div")) {
        if (!scalar(op->in[1], &divisor) || divisor == 0 || !expand(e, op->in[0], &a))
            return false;
        b = constant(1 / divisor);
        return multiply(&a, &b, out);
    }
    if (!expand(e, op->in[0], &a) || !expand(e, op->in[1], &b))
        return false;
    if (ppq_op_is(op, "Mul"))
        return multiply(&a, &b, out);
    for (int i = 0; i <= DEGREE; i++)
        for (int f = 0; f < 2; f++)
            out->at[i][f] = a.at[i][f] + b.at[i][f];
    return true;
}

static bool is_arithmetic(const ppq_op *op)
{
    return ppq_op_is(op, "Mul") || ppq_op_is(op, "Add") || ppq_op_is(op, "Div") ||
           ppq_op_is(op, "Pow");
}

// What nobody else reads belongs to the expression; x itself is read at least twice.
static bool expand(expression *e, const ppq_var *v, polynomial *out)
{
    double c;
    if (scalar(v, &c)) {
        *out = constant(c);
        return true;
    }
    const ppq_op *op = v ? v->producer.op : NULL;
    const bool own = op && v->n_uses == 1 && !v->is_output;
    if (own && is_arithmetic(op))
        return expand_op(e, op, out);
    if (own && e->wants_f && (ppq_op_is(op, "Erf") || ppq_op_is(op, "Tanh"))) {
        *out = (polynomial){ .at = { { 0, 1 } } };
        if (e->f)
            return false;
        e->f = op;
        return true;
    }
    *out = (polynomial){ .at = { { 0, 0 }, { 1, 0 } } };
    if (!v || (e->x && e->x != v))
        return false;
    e->x = v;
    return true;
}

static bool near(const polynomial *p, const polynomial *want)
{
    for (int i = 0; i <= DEGREE; i++)
        for (int f = 0; f < 2; f++)
            if (fabs(p->at[i][f] - want->at[i][f]) > 1e-4 * fabs(want->at[i][f]))
                return false;
    return true;
}

// x when `op` is the last of a Gelu.
static const ppq_var *match(const ppq_op *op, bool *by_tanh)
{
    static const polynomial whole = { .at = { { 0, 0 }, { 0.5, 0.5 } } };
    static const polynomial for_erf = { .at = { { 0, 0 }, { 0.70710678118654752, 0 } } };
    static const polynomial for_tanh = {
        .at = { { 0, 0 }, { 0.79788456080286536, 0 }, { 0, 0 }, { 0.035677408136300125, 0 } }
    };
    expression outer = { .wants_f = true }, inner = { .wants_f = false };
    polynomial p;
    if (!is_arithmetic(op) || !expand_op(&outer, op, &p) || !outer.f || !near(&p, &whole))
        return NULL;
    inner.x = outer.x;
    if (!expand(&inner, outer.f->in[0], &p))
        return NULL;
    *by_tanh = ppq_op_is(outer.f, "Tanh");
    if (!near(&p, *by_tanh ? &for_tanh : &for_erf))
        return NULL;
    // Constants of a higher rank would have lent it to the result.
    const ppq_shape *x = &outer.x->shape, *y = &op->out[0]->shape;
    return x->rank < 0 || y->rank < 0 || x->rank == y->rank ? outer.x : NULL;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0, n = g->n_ops; i < n; i++) {
        ppq_op *op = g->ops[i];
        bool by_tanh = false;
        ppq_var *x = op->dead ? NULL : (ppq_var *) (uintptr_t) match(op, &by_tanh);
        if (!x)
            continue;
        ppq_op *gelu = ppq_replace_op(g, op, "Gelu", &x, 1);
        if (by_tanh)
            ppq_op_set_string(g, gelu, "approximate", "tanh");
    }
    ppq_graph_compact(g);
    return PPQ_OK;
}

const ppq_pass ppq_pass_fuse_gelu = {
    .name = "fuse-gelu",
    .summary = "one op for a Gelu spelled with Erf or Tanh (when the engine runs a model)",
    .needs = PPQ_FACT_NORMALIZED,
    .run = run,
};
