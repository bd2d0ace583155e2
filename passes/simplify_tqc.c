#include "passes/rewrite.h"

// A tensor that its producer quantizes need not be quantized again, the same way, by its readers.

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    ppq_graph *g = env->graph;
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_var *v = g->vars[i];
        const ppq_op *p = v->producer.op;
        ppq_tqc *out = p && p->place == PPQ_PLACE_QUANT ? p->tqc_out[v->producer.slot] : NULL;
        if (!out || ppq_tqc_root(out)->state == PPQ_QS_FP32)
            continue;
        for (int32_t u = 0; u < v->n_uses; u++) {
            const ppq_op *op = v->uses[u].op;
            if (op->place != PPQ_PLACE_QUANT || v->uses[u].slot >= op->n_in)
                continue;
            ppq_tqc *in = op->tqc_in[v->uses[u].slot];
            if (in && in->state == PPQ_QS_INITIAL && ppq_qfmt_equal(&in->fmt, &out->fmt))
                PPQ_TRY(ppq_tqc_overlap(in, out, env->diag));
        }
    }
    return PPQ_OK;
}

const ppq_pass ppq_pass_simplify_tqc = {
    .name = "simplify-tqc",
    .summary = "drop quantizations that repeat the producer's",
    .needs = PPQ_FACT_TQC,
    .run = run,
};
