#ifndef PPQ_EXECUTOR_OPS_TEXT_H
#define PPQ_EXECUTOR_OPS_TEXT_H

#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// Operators on strings. An output's elements may point into inputs or scratch memory while it is
// made; ppq_run_own_strings comes last.

// Inputs [0, n) are strings where they are known.
static inline ppq_status ppq_infer_strings(ppq_infer_ctx *c, int n)
{
    for (int i = 0; i < n; i++)
        if (c->in_dtype[i] != PPQ_DT_NONE && c->in_dtype[i] != PPQ_DT_STRING)
            return ppq_infer_fail(c, "input %d is %s, expected string", i,
                                  ppq_dtype_name(c->in_dtype[i]));
    return PPQ_OK;
}

static inline const ppq_string *ppq_strings(const ppq_tensor *t)
{
    return ppq_tensor_data(t);
}

// A string attribute; empty when it is absent.
static inline ppq_string ppq_attr_text(const ppq_op *op, const char *name)
{
    const ppq_attr *a = ppq_op_attr(op, name);
    return a && a->kind == PPQ_ATTR_STRING ? a->u.s : (ppq_string){ NULL, 0 };
}

static inline bool ppq_string_same(ppq_string a, ppq_string b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
