#include "quantizer/lower.h"

#include "core/ext.h"
#include "core/settings.h"

static const char *const passes[] = {
    "infer-shapes",
    "fold-constants",
    "expand-qoperators",
    "remove-identity",
    "cancel-transposes",
    "fold-batch-norm",
    "fold-bias",
    "fuse-gelu",
    "fuse-layer-norm",
    "fuse-swish",
    NULL,
};

static ppq_status fix_inputs(ppq_graph *g, const ppq_tensor *inputs, ppq_diag *d)
{
    for (int32_t i = 0; i < g->n_inputs; i++) {
        ppq_var *v = g->inputs[i];
        bool fits = v->shape.rank < 0 || v->shape.rank == inputs[i].shape.rank;
        for (int k = 0; fits && k < v->shape.rank; k++)
            fits = v->shape.dim[k] < 0 || v->shape.dim[k] == inputs[i].shape.dim[k];
        if (!fits) {
            char a[128], b[128];
            return ppq_fail(d, PPQ_ERR_DATA, (ppq_loc){ .stage = "run", .var = v->name },
                            "input '%s' has shape %s, the model wants %s", v->name,
                            ppq_shape_str(&inputs[i].shape, a, sizeof(a)),
                            ppq_shape_str(&v->shape, b, sizeof(b)));
        }
        v->shape = inputs[i].shape;
    }
    return PPQ_OK;
}

static ppq_status run_pass(ppq_graph *g, const ppq_settings *settings, const char *name,
                           ppq_diag *d)
{
    const ppq_pass *p = ppq_pass_find(name);
    ppq_arena *scratch = ppq_arena_create(name);
    const ppq_pass_env env = {
        .graph = g, .settings = settings, .n_threads = 1, .scratch = scratch, .diag = d
    };
    const ppq_status st = p->run(&env, ppq_settings_pass_params(settings, p));
    ppq_arena_destroy(scratch);
    return st;
}

static ppq_status run_passes(ppq_graph *g, ppq_diag *d)
{
    ppq_settings *settings = ppq_settings_create();
    ppq_status st = ppq_settings_set(settings, "pass", "fold-constants,dequantize=false", d);
    for (const char *const *p = passes; *p && st == PPQ_OK; p++)
        st = run_pass(g, settings, *p, d);
    ppq_settings_destroy(settings);
    return st;
}

ppq_status ppq_lower_prepare(ppq_graph *g, ppq_diag *d)
{
    return run_passes(g, d);
}

ppq_status ppq_lower_graph(const ppq_graph *g, const ppq_tensor *inputs, ppq_graph **out,
                           ppq_diag *d)
{
    ppq_graph *copy;
    PPQ_TRY(ppq_graph_clone(g, &copy, d));
    ppq_status st = fix_inputs(copy, inputs, d);
    if (st == PPQ_OK)
        st = run_passes(copy, d);
    if (st == PPQ_OK)
        *out = copy;
    else
        ppq_graph_destroy(copy);
    return st;
}
