// Functions spelled out become one operator, however they are spelled, and what only looks like
// them stays.

#include "tests/unit/pass_fixture.h"

enum { ROWS = 5, COLUMNS = 8, DEPTH = 16 };

// ---- graphs from formulas -------------------------------------------------------------------

// Postfix notation. x: the input; g, b: rows of constants; =A ... =Z name the value on top and take
// it away, A ... Z bring it back.
typedef struct machine {
    world w;
    ppq_var *x, *stack[DEPTH], *kept[26];
    int n;
} machine;

static ppq_var *pop(machine *m)
{
    ck_assert_int_gt(m->n, 0);
    return m->stack[--m->n];
}

static void push(machine *m, ppq_var *v)
{
    ck_assert_int_lt(m->n, DEPTH);
    m->stack[m->n++] = v;
}

static ppq_var *number(world *w, float value)
{
    return add_const(w, "c", tensor_f32((ppq_shape){ .rank = 0 }, &value));
}

static ppq_var *reduce(world *w, ppq_var *v)
{
    ppq_op *op = add_op(w, "ReduceMean", v, NULL, NULL);
    ppq_op_set_ints(w->g, op, "axes", (const int64_t[]){ -1 }, 1);
    return op->out[0];
}

static bool push_operator(machine *m, const char *token, size_t n)
{
    static const struct {
        const char *token, *type;
    } binary[] = { { "+", "Add" }, { "-", "Sub" }, { "*", "Mul" }, { "/", "Div" }, { "^", "Pow" } },
      unary[] = { { "tanh", "Tanh" },
                  { "erf", "Erf" },
                  { "sqrt", "Sqrt" },
                  { "inv", "Reciprocal" },
                  { "sigmoid", "Sigmoid" } };
    for (size_t i = 0; i < PPQ_COUNT(binary); i++)
        if (n == 1 && binary[i].token[0] == token[0]) {
            ppq_var *b = pop(m), *a = pop(m);
            push(m, add_op(&m->w, binary[i].type, a, b, NULL)->out[0]);
            return true;
        }
    for (size_t i = 0; i < PPQ_COUNT(unary); i++)
        if (strlen(unary[i].token) == n && memcmp(unary[i].token, token, n) == 0) {
            push(m, add_op(&m->w, unary[i].type, pop(m), NULL, NULL)->out[0]);
            return true;
        }
    return false;
}

static void push_token(machine *m, const char *token, size_t n)
{
    if (push_operator(m, token, n))
        return;
    if (token[0] == '=')
        m->kept[token[1] - 'A'] = pop(m);
    else if (token[0] >= 'A' && token[0] <= 'Z')
        push(m, m->kept[token[0] - 'A']);
    else if (token[0] == 'x')
        push(m, m->x);
    else if (n == 1 && (token[0] == 'g' || token[0] == 'b'))
        push(m, add_const(&m->w, "row", tensor_normal(SHAPE(COLUMNS), (uint64_t) token[0])));
    else if (n == 4 && memcmp(token, "mean", n) == 0)
        push(m, reduce(&m->w, pop(m)));
    else if (n == 4 && memcmp(token, "clip", n) == 0)
        push(m, add_op(&m->w, "Clip", pop(m), number(&m->w, 0), number(&m->w, 6))->out[0]);
    else
        push(m, number(&m->w, strtof(token, NULL)));
}

static machine build(const char *formula)
{
    machine m = { .w = world_new() };
    m.x = add_input(&m.w, "x", SHAPE(ROWS, COLUMNS));
    for (const char *at = formula; *at; at += *at == ' ') {
        const size_t n = strcspn(at, " ");
        push_token(&m, at, n);
        at += n;
    }
    ck_assert_int_eq(m.n, 1);
    ppq_graph_mark_output(m.w.g, m.stack[0]);
    ppq_graph_compact(m.w.g);
    OK(m.w.d, ppq_graph_verify(m.w.g, m.w.d));
    return m;
}

// ---- cases ----------------------------------------------------------------------------------

typedef struct fusion {
    const char *pass, *formula;
    const char *type; // of the one op that it becomes; NULL: it stays
    const char *approximate;
} fusion;

static const fusion fusions[] = {
    // by erf
    { "fuse-gelu", "x x 1.4142135 / erf 1 + * 0.5 *", "Gelu", "" },
    { "fuse-gelu", "0.5 x * 1 x 0.70710678 * erf + *", "Gelu", "" },
    { "fuse-gelu", "x 0.5 x 1.4142135 / erf 1 + * *", "Gelu", "" },
    { "fuse-gelu", "x 1 x 1.4142135 / erf + * 2 /", "Gelu", "" },
    { "fuse-gelu", "x 0.70710678 * =T T erf 1 + T *", NULL, NULL },
    { "fuse-gelu", "x x 1.4142135 / erf 1 + *", NULL, NULL },
    { "fuse-gelu", "x x 1.5 / erf 1 + * 0.5 *", NULL, NULL },
    // by tanh: powers, orders of factors, the common factor inside
    { "fuse-gelu", "x 0.5 * x 3 ^ 0.044715 * x + 0.7978846 * tanh 1 + *", "Gelu", "tanh" },
    { "fuse-gelu", "x 0.5 0.7978846 x 0.044715 x 3 ^ * + * tanh 1 + * *", "Gelu", "tanh" },
    { "fuse-gelu", "x 1 x x x * * 0.044715 * x + 0.7978846 * tanh + * 0.5 *", "Gelu", "tanh" },
    { "fuse-gelu", "0.5 x 1 0.7978846 x x x * x * 0.044715 * + * tanh + * *", "Gelu", "tanh" },
    { "fuse-gelu", "0.5 x * 1 x 0.7978846 * 1 0.044715 x * x * + * tanh + *", "Gelu", "tanh" },
    { "fuse-gelu", "x x 2 ^ 0.044715 * 1 + x * 0.7978846 * tanh 1 + * 2 /", "Gelu", "tanh" },
    { "fuse-gelu", "x 0.5 * =H H H x 3 ^ 0.044715 * x + 0.7978846 * tanh * +", NULL, NULL },
    { "fuse-gelu", "x 0.5 * x 3 ^ 0.044715 * x + 0.8 * tanh 1 + *", NULL, NULL },
    { "fuse-gelu", "x 0.5 * x 2 ^ 0.044715 * x + 0.7978846 * tanh 1 + *", NULL, NULL },
    { "fuse-gelu", "x 0.5 * x 3 ^ 0.044715 * x + 0.7978846 * tanh =T T 1 + * T +", NULL, NULL },
    { "fuse-gelu", "x 0.5 * b 3 ^ 0.044715 * x + 0.7978846 * tanh 1 + *", NULL, NULL },
    // gates
    { "fuse-swish", "x sigmoid x *", "Swish", NULL },
    { "fuse-swish", "x 3 + clip 6 /", "HardSigmoid", NULL },
    { "fuse-swish", "3 x + clip 0.16666667 *", "HardSigmoid", NULL },
    { "fuse-swish", "x x 3 + clip 6 / *", "HardSwish", NULL },
    { "fuse-swish", "x 3 + clip x * 6 /", "HardSwish", NULL },
    { "fuse-swish", "0.16666667 x 3 x + clip * *", "HardSwish", NULL },
    { "fuse-swish", "x 2 + clip 6 /", NULL, NULL },
    { "fuse-swish", "x 3 + clip 5 /", NULL, NULL },
    { "fuse-swish", "6 x 3 + clip /", NULL, NULL },
    // normalization
    { "fuse-layer-norm", "x x mean - =C C 2 ^ mean 0.001 + sqrt =R C R / g * b +",
      "LayerNormalization", NULL },
    { "fuse-layer-norm", "x mean =M x M - =C C C * mean 0.001 + sqrt inv g * =S S x * b S M * - +",
      "LayerNormalization", NULL },
    { "fuse-layer-norm", "x mean =M x M - =C C C * mean 0.001 + sqrt inv g * =S S x * b S x * - +",
      NULL, NULL },
    { "fuse-layer-norm", "x mean =M x M - =C C M * mean 0.001 + sqrt inv g * =S S x * b S M * - +",
      NULL, NULL },
};

START_TEST(formulas_become_one_op)
{
    const fusion *f = &fusions[_i];
    machine m = build(f->formula);
    ppq_tensor x = tensor_normal(SHAPE(ROWS, COLUMNS), 7);
    ppq_tensor want = run_graph(m.w.g, &x, m.w.d);
    run_pass(&m.w, "infer-shapes");
    const size_t before = m.w.g->n_ops;
    run_pass(&m.w, f->pass);
    ppq_tensor got = run_graph(m.w.g, &x, m.w.d);
    check_near(&got, &want, 1e-5);
    ck_assert_msg(m.w.g->n_ops == (f->type ? 1 : before), "%s: %zu ops", f->formula, m.w.g->n_ops);
    if (f->type)
        ck_assert_str_eq(m.w.g->ops[0]->type, f->type);
    if (f->approximate)
        ck_assert_int_eq(ppq_op_attr_is(m.w.g->ops[0], "approximate", "tanh"),
                         f->approximate[0] != 0);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&want);
    ppq_tensor_unref(&got);
    world_end(&m.w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = { { formulas_become_one_op, (int) PPQ_COUNT(fusions) } };
    return run_tests("fusions", tests, PPQ_COUNT(tests));
}
