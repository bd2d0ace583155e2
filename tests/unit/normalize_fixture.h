#ifndef PPQ_TESTS_UNIT_NORMALIZE_FIXTURE_H
#define PPQ_TESTS_UNIT_NORMALIZE_FIXTURE_H

// What tests of the normalizing rules share: a model is parsed and normalized, and one op looked
// at.

#include "parser/normalize/normalize.h"
#include "tests/unit/model_fixture.h"

FIXTURE ppq_graph *normal(fixture *f)
{
    ppq_graph *g = fx_parse(f);
    ck_assert_msg(ppq_normalize(g, f->d) == PPQ_OK, "%s", fx_first_error(f->d));
    ck_assert_int_eq(ppq_graph_opset(g, ""), PPQ_NORMAL_OPSET);
    ck_assert_int_eq(ppq_graph_verify(g, f->d), PPQ_OK);
    return g;
}

FIXTURE void done(fixture *f, ppq_graph *g)
{
    ppq_graph_destroy(g);
    fx_end(f);
}

// The one op of a type.
FIXTURE const ppq_op *the(const ppq_graph *g, const char *type)
{
    const ppq_op *found = NULL;
    for (size_t i = 0; i < g->n_ops; i++)
        if (ppq_op_is(g->ops[i], type)) {
            ck_assert_msg(!found, "two %s", type);
            found = g->ops[i];
        }
    ck_assert_msg(found != NULL, "no %s", type);
    return found;
}

FIXTURE void check_ints(const ppq_op *op, int32_t slot, size_t n, const int64_t *want)
{
    ck_assert_int_gt(op->n_in, slot);
    ck_assert(ppq_var_is_const(op->in[slot]));
    int64_t got[8];
    ck_assert_int_eq(ppq_const_ints(&op->in[slot]->value, got, 8), (int64_t) n);
    ck_assert_int_eq(op->in[slot]->dtype, PPQ_DT_I64);
    ck_assert_int_eq(op->in[slot]->shape.rank, 1);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(got[i], want[i]);
}

FIXTURE void check_scalar(const ppq_op *op, int32_t slot, ppq_dtype dtype, double want)
{
    double got;
    ck_assert_int_gt(op->n_in, slot);
    ck_assert(ppq_const_scalar(&op->in[slot]->value, &got));
    ck_assert_int_eq(op->in[slot]->dtype, dtype);
    ck_assert(got > want - 1e-6 && got < want + 1e-6);
}

#define INTS(...)                                                                 \
    sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[]) \
    {                                                                             \
        __VA_ARGS__                                                               \
    }

#endif
