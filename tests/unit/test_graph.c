// The graph keeps its promises under any sequence of edits.

#include "tests/unit/harness.h"

// ---- random edits ---------------------------------------------------------------------------

static ppq_var *any_var(const world *w, ppq_rng *r)
{
    for (int tries = 0; tries < 50; tries++) {
        ppq_var *v = w->g->vars[ppq_rng_u64(r) % w->g->n_vars];
        if (!v->dead && (v->producer.op || ppq_var_is_const(v) || v->is_input))
            return v;
    }
    return w->g->inputs[0];
}

static ppq_op *any_live_op(const world *w, ppq_rng *r)
{
    for (int tries = 0; w->g->n_ops && tries < 50; tries++) {
        ppq_op *op = w->g->ops[ppq_rng_u64(r) % w->g->n_ops];
        if (!op->dead)
            return op;
    }
    return NULL;
}

static void rewire(world *w, ppq_rng *r, ppq_op *op)
{
    const int32_t slot = (int32_t) (ppq_rng_u64(r) % (uint64_t) op->n_in);
    ppq_graph_set_input(w->g, op, slot, ppq_rng_u64(r) % 4 ? any_var(w, r) : NULL);
}

// Removing an op whose output is read would leave readers without a value: that is the caller's
// to avoid, as passes do.
static void remove_unread(world *w, ppq_op *op)
{
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && (op->out[k]->n_uses || op->out[k]->is_output))
            return;
    ppq_graph_remove_op(w->g, op);
}

static void edit(world *w, ppq_rng *r)
{
    ppq_op *op = any_live_op(w, r);
    switch (op ? ppq_rng_u64(r) % 10 : 0) {
    case 0:
    case 1:
        add_op(w, "Add", any_var(w, r), any_var(w, r), NULL);
        break;
    case 2:
        add_op(w, "Relu", any_var(w, r), NULL, NULL);
        break;
    case 3:
        if (op->n_in)
            rewire(w, r, op);
        break;
    case 4:
        remove_unread(w, op);
        break;
    case 5:
        if (op->n_in && op->in[0] && op->out[0] && op->in[0]->producer.op != op)
            (void) ppq_graph_bypass_op(w->g, op, 0, 0);
        break;
    case 6: {
        ppq_var *from = any_var(w, r), *to = any_var(w, r);
        if (from != to)
            ppq_graph_replace_uses(w->g, from, to);
        break;
    }
    case 7:
        ppq_graph_resize_inputs(w->g, op, (int32_t) (ppq_rng_u64(r) % 4));
        break;
    case 8:
        add_const(w, "c", tensor_normal(SHAPE(2), 1));
        if (ppq_rng_u64(r) % 8 == 0)
            ppq_graph_mark_output(w->g, any_var(w, r));
        break;
    default:
        ppq_graph_compact(w->g);
    }
}

static void check_ids(const ppq_graph *g)
{
    for (size_t i = 0; i < g->n_ops; i++)
        ck_assert_uint_eq(g->ops[i]->id, i);
    for (size_t i = 0; i < g->n_vars; i++)
        ck_assert_uint_eq(g->vars[i]->id, i);
}

START_TEST(any_edits_leave_a_graph_that_verifies)
{
    world w = world_new();
    ppq_rng r = ppq_rng_seed(21, (uint64_t) _i);
    add_input(&w, "x", SHAPE(2));
    ppq_graph_mark_output(w.g, add_op(&w, "Relu", w.g->inputs[0], NULL, NULL)->out[0]);
    for (int i = 0; i < 600; i++) {
        edit(&w, &r);
        OK(w.d, ppq_graph_verify(w.g, w.d));
    }
    ppq_graph_compact(w.g);
    check_ids(w.g);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    ppq_graph *copy;
    OK(w.d, ppq_graph_clone(w.g, &copy, w.d));
    OK(w.d, ppq_graph_verify(copy, w.d));
    ck_assert_uint_eq(copy->n_ops, w.g->n_ops);
    ck_assert_uint_eq(copy->n_vars, w.g->n_vars);
    ppq_graph_destroy(copy);
    world_end(&w);
}
END_TEST

// ---- order ----------------------------------------------------------------------------------

static void chain(world *w, ppq_var *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        from = add_op(w, i % 3 ? "Relu" : "Sigmoid", from, NULL, NULL)->out[0];
    ppq_graph_mark_output(w->g, from);
}

START_TEST(a_sorted_graph_keeps_its_order)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2));
    chain(&w, x, 5);
    chain(&w, x, 5);
    ppq_op **order;
    size_t n;
    OK(w.d, ppq_graph_topo(w.g, w.a, &order, &n, w.d));
    ck_assert_uint_eq(n, 10);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(order[i]->id, i);
    world_end(&w);
}
END_TEST

START_TEST(an_unsorted_graph_is_sorted_lowest_id_first)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2));
    ppq_op *last = add_op(&w, "Add", x, x, NULL); // reads both below
    ppq_op *second = add_op(&w, "Relu", x, NULL, NULL), *first = add_op(&w, "Relu", x, NULL, NULL);
    ppq_graph_set_input(w.g, last, 0, second->out[0]);
    ppq_graph_set_input(w.g, second, 0, first->out[0]);
    ppq_op **order;
    size_t n;
    OK(w.d, ppq_graph_topo(w.g, w.a, &order, &n, w.d));
    ck_assert_uint_eq(n, 3);
    ck_assert_ptr_eq(order[0], first);
    ck_assert_ptr_eq(order[1], second);
    ck_assert_ptr_eq(order[2], last);
    world_end(&w);
}
END_TEST

START_TEST(a_cycle_is_refused_by_name)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2));
    ppq_op *a = ppq_graph_add_op(w.g, "", "Add", "ring_a", 2, 1);
    ppq_op *b = ppq_graph_add_op(w.g, "", "Relu", "ring_b", 1, 1);
    ppq_graph_set_output(w.g, a, 0, ppq_graph_add_var(w.g, NULL));
    ppq_graph_set_output(w.g, b, 0, ppq_graph_add_var(w.g, NULL));
    ppq_graph_set_input(w.g, a, 0, x);
    ppq_graph_set_input(w.g, a, 1, b->out[0]);
    ppq_graph_set_input(w.g, b, 0, a->out[0]);
    ppq_op **order = NULL;
    size_t n = 0;
    FAILS(w.d, ppq_graph_topo(w.g, w.a, &order, &n, w.d), PPQ_ERR_MODEL, "ring_a");
    ck_assert(strstr(last_message(w.d), "2 ops") != NULL);
    ck_assert_ptr_null(order);
    world_end(&w);
}
END_TEST

// ---- edges ----------------------------------------------------------------------------------

START_TEST(reading_a_tensor_twice_is_two_uses)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2));
    ppq_op *mul = add_op(&w, "Mul", x, x, NULL);
    ck_assert_int_eq(x->n_uses, 2);
    ppq_graph_set_input(w.g, mul, 1, NULL);
    ck_assert_int_eq(x->n_uses, 1);
    ck_assert_int_eq(x->uses[0].slot, 0);
    world_end(&w);
}
END_TEST

START_TEST(bypass_keeps_the_name_of_a_graph_output)
{
    world w = world_new();
    ppq_op *relu = add_op(&w, "Relu", add_input(&w, "x", SHAPE(2)), NULL, NULL);
    ppq_op *id = add_op(&w, "Identity", relu->out[0], NULL, NULL);
    ppq_op *reader = add_op(&w, "Neg", relu->out[0], NULL, NULL);
    ppq_graph_rename_var(w.g, id->out[0], "y");
    ppq_graph_mark_output(w.g, id->out[0]);
    ck_assert(ppq_graph_bypass_op(w.g, id, 0, 0));
    ppq_graph_compact(w.g);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    ck_assert_int_eq(w.g->n_outputs, 1);
    ck_assert_str_eq(w.g->outputs[0]->name, "y");
    ck_assert_ptr_eq(w.g->outputs[0]->producer.op, relu);
    ck_assert_ptr_eq(reader->in[0], w.g->outputs[0]);
    ck_assert_uint_eq(w.g->n_ops, 2);
    world_end(&w);
}
END_TEST

// Input or constant straight to an output, or two outputs: both names are promised to somebody.
START_TEST(bypass_refuses_when_both_ends_are_fixed)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2));
    ppq_var *from = _i == 0   ? x
                    : _i == 1 ? add_const(&w, "c", tensor_normal(SHAPE(2), 1))
                              : add_op(&w, "Relu", x, NULL, NULL)->out[0];
    if (_i == 2)
        ppq_graph_mark_output(w.g, from);
    ppq_op *id = add_op(&w, "Identity", from, NULL, NULL);
    ppq_graph_mark_output(w.g, id->out[0]);
    ck_assert(!ppq_graph_bypass_op(w.g, id, 0, 0));
    ck_assert(!id->dead);
    ck_assert_ptr_eq(id->in[0], from);
    ck_assert_ptr_eq(id->out[0]->producer.op, id);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    world_end(&w);
}
END_TEST

START_TEST(replacing_uses_leaves_graph_outputs)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(2));
    ppq_var *a = add_op(&w, "Relu", x, NULL, NULL)->out[0];
    ppq_var *b = add_op(&w, "Neg", x, NULL, NULL)->out[0];
    ppq_op *reader = add_op(&w, "Add", a, a, NULL);
    ppq_graph_mark_output(w.g, a);
    ppq_graph_replace_uses(w.g, a, b);
    ck_assert_int_eq(a->n_uses, 0);
    ck_assert_int_eq(b->n_uses, 2);
    ck_assert_ptr_eq(reader->in[0], b);
    ck_assert(a->is_output && w.g->outputs[0] == a);
    world_end(&w);
}
END_TEST

// ---- names ----------------------------------------------------------------------------------

START_TEST(names_are_unique_and_found)
{
    enum { N = 200 };
    world w = world_new();
    for (int i = 0; i < N; i++) {
        ppq_graph_add_var(w.g, i % 2 ? "same" : NULL);
        ppq_graph_add_op(w.g, "", "Relu", i % 2 ? "same" : NULL, 0, 0);
    }
    ck_assert_str_eq(w.g->vars[1]->name, "same");
    for (size_t i = 0; i < N; i++) {
        ck_assert_ptr_eq(ppq_graph_find_var(w.g, w.g->vars[i]->name), w.g->vars[i]);
        ck_assert_ptr_eq(ppq_graph_find_op(w.g, w.g->ops[i]->name), w.g->ops[i]);
    }
    ppq_graph_rename_var(w.g, w.g->vars[1], "other");
    ck_assert_ptr_null(ppq_graph_find_var(w.g, "same"));
    ck_assert_ptr_eq(ppq_graph_find_var(w.g, "other"), w.g->vars[1]);
    ck_assert_ptr_null(ppq_graph_find_op(w.g, "absent"));
    world_end(&w);
}
END_TEST

START_TEST(a_removed_op_frees_its_name)
{
    world w = world_new();
    ppq_op *op = ppq_graph_add_op(w.g, "", "Relu", "r", 0, 0);
    ppq_graph_remove_op(w.g, op);
    ck_assert_ptr_null(ppq_graph_find_op(w.g, "r"));
    ck_assert_str_eq(ppq_graph_add_op(w.g, "", "Relu", "r", 0, 0)->name, "r");
    world_end(&w);
}
END_TEST

// ---- clone ----------------------------------------------------------------------------------

static void same_attr(const ppq_attr *a, const ppq_attr *b)
{
    ck_assert_str_eq(a->name, b->name);
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_uint_eq(a->count, b->count);
    if (a->kind == PPQ_ATTR_INTS)
        ck_assert_mem_eq(a->u.ints, b->u.ints, a->count * sizeof(int64_t));
    if (a->kind == PPQ_ATTR_STRING)
        ck_assert_mem_eq(a->u.s.data, b->u.s.data, a->u.s.size);
}

static void same_op(const ppq_op *a, const ppq_op *b)
{
    ck_assert_ptr_ne(a, b);
    ck_assert_str_eq(a->name, b->name);
    ck_assert_str_eq(a->type, b->type);
    ck_assert_int_eq(a->place, b->place);
    ck_assert_int_eq(a->n_in, b->n_in);
    ck_assert_int_eq(a->n_attrs, b->n_attrs);
    for (int32_t i = 0; i < a->n_attrs; i++)
        same_attr(&a->attrs[i], &b->attrs[i]);
    for (int32_t k = 0; k < a->n_in; k++)
        ck_assert_uint_eq(a->in[k] ? a->in[k]->id : 99, b->in[k] ? b->in[k]->id : 99);
}

START_TEST(a_clone_is_equal_and_independent)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(1, 3, 4, 4));
    x->shape.dim[0] = ppq_graph_symbol(w.g, "N");
    ppq_op *conv =
        add_op(&w, "Conv", x, add_const(&w, "w", tensor_normal(SHAPE(2, 3, 1, 1), 1)), NULL);
    ppq_op_set_ints(w.g, conv, "pads", (const int64_t[]){ 0, 1, 2, 3 }, 4);
    ppq_op_set_string(w.g, conv, "auto_pad", "NOTSET");
    ppq_graph_mark_output(w.g, conv->out[0]);
    ppq_graph *c;
    OK(w.d, ppq_graph_clone(w.g, &c, w.d));
    ck_assert_uint_eq(c->n_ops, w.g->n_ops);
    for (size_t i = 0; i < c->n_ops; i++)
        same_op(w.g->ops[i], c->ops[i]);
    for (size_t i = 0; i < c->n_vars; i++) {
        ck_assert_str_eq(c->vars[i]->name, w.g->vars[i]->name);
        ck_assert(ppq_shape_equal(&c->vars[i]->shape, &w.g->vars[i]->shape));
        ck_assert_int_eq(c->vars[i]->n_uses, w.g->vars[i]->n_uses);
    }
    ck_assert_str_eq(c->symbols[0], "N");
    // Constants share their bytes; edits of one do not reach the other.
    ck_assert_ptr_eq(ppq_tensor_data(&c->vars[1]->value), ppq_tensor_data(&w.g->vars[1]->value));
    ppq_graph_set_input(c, c->ops[0], 1, NULL);
    ck_assert_int_eq(w.g->vars[1]->n_uses, 1);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    ppq_graph_destroy(c);
    world_end(&w);
}
END_TEST

// ---- size -----------------------------------------------------------------------------------

// Deep graphs are nothing special: nobody may recurse along edges.
START_TEST(a_hundred_thousand_ops_are_placed_by_every_dispatcher)
{
    enum { N = 100000 };
    world w = world_new();
    chain(&w, add_input(&w, "x", SHAPE(2)), N);
    OK(w.d, ppq_graph_verify(w.g, w.d));
    ppq_op **order;
    size_t n;
    OK(w.d, ppq_graph_topo(w.g, w.a, &order, &n, w.d));
    ck_assert_uint_eq(n, N);
    bool *can = ppq_new_n(w.a, bool, N);
    memset(can, 1, N);
    ppq_place *place = ppq_new_n(w.a, ppq_place, N);
    const char **reason = ppq_new_n(w.a, const char *, N);
    const ppq_dispatcher *by = ppq_builtin_dispatchers[_i];
    OK(w.d, by->dispatch(w.g, can, place, reason, w.a, w.d));
    for (size_t i = 0; i < N; i++)
        ck_assert(place[i] > PPQ_PLACE_UNSET && place[i] < PPQ_PLACE_COUNT);
    world_end(&w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { any_edits_leave_a_graph_that_verifies, 12 },
        { a_sorted_graph_keeps_its_order, 1 },
        { an_unsorted_graph_is_sorted_lowest_id_first, 1 },
        { a_cycle_is_refused_by_name, 1 },
        { reading_a_tensor_twice_is_two_uses, 1 },
        { bypass_keeps_the_name_of_a_graph_output, 1 },
        { bypass_refuses_when_both_ends_are_fixed, 3 },
        { replacing_uses_leaves_graph_outputs, 1 },
        { names_are_unique_and_found, 1 },
        { a_removed_op_frees_its_name, 1 },
        { a_clone_is_equal_and_independent, 1 },
        { a_hundred_thousand_ops_are_placed_by_every_dispatcher,
          REGISTRY_SIZE(ppq_builtin_dispatchers) },
    };
    return run_tests("graph", tests, PPQ_COUNT(tests));
}
