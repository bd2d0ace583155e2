#ifndef PPQ_TESTS_UNIT_PASS_FIXTURE_H
#define PPQ_TESTS_UNIT_PASS_FIXTURE_H

#include "core/pass.h"
#include "tests/unit/harness.h"

// One pass with its defaults over a world's graph, which it leaves in order.
HELPER void run_pass(world *w, const char *name)
{
    const ppq_pass *p = ppq_pass_find(name);
    ck_assert_msg(p != NULL, "no pass %s", name);
    const ppq_pass_env env = { .graph = w->g,
                               .platform = ppq_builtin_platforms[0],
                               .n_threads = 1,
                               .scratch = w->a,
                               .diag = w->d };
    OK(w->d, p->run(&env, p->defaults));
    OK(w->d, ppq_graph_verify(w->g, w->d));
}

// The graph answers the same before and after.
HELPER void keeps_answers(world *w, ppq_shape in, const char *pass)
{
    ppq_graph_compact(w->g);
    OK(w->d, ppq_graph_verify(w->g, w->d));
    ppq_tensor x = tensor_normal(in, 77);
    ppq_tensor want = run_graph(w->g, &x, w->d);
    run_pass(w, "infer-shapes");
    run_pass(w, pass);
    ppq_tensor got = run_graph(w->g, &x, w->d);
    check_near(&got, &want, 1e-5);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&want);
    ppq_tensor_unref(&got);
}

HELPER ppq_var *weights(world *w, ppq_shape s, uint64_t stream)
{
    return add_const(w, "w", tensor_normal(s, stream));
}

HELPER void finish(world *w, ppq_op *last)
{
    ppq_graph_rename_var(w->g, last->out[0], "y");
    ppq_graph_mark_output(w->g, last->out[0]);
}

#endif
