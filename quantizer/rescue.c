#include "quantizer/rescue.h"

#include <math.h>
#include <string.h>

static const double ruined_below = 3, jump = 8, output_ok = 10; // dB

typedef struct search {
    const ppq_session *s;
    const ppq_graph *g;
    ppq_arena *arena;
    ppq_op **order;
    size_t n;
    bool *seen;    // [n_ops], of the present walk
    bool *tainted; // [n_ops], behind a ruined op
} search;

static double snr_of(const search *f, const ppq_op *op)
{
    const ppq_compare *c = ppq_analysis_op(f->s->analysis, op);
    return c ? ppq_compare_snr(c) : HUGE_VAL;
}

bool ppq_needs_rescue(const ppq_session *s)
{
    return ppq_analysis_worst_output(s->analysis) < output_ok;
}

// What an op reads, back to where that was quantized.
typedef struct sources {
    double snr;         // of the worst one
    bool through_float; // an op in float computes between them and the op
} sources;

static void walk_back(search *f, const ppq_op *op, sources *out)
{
    for (int32_t i = 0; i < op->n_in; i++) {
        const ppq_op *from = op->in[i] ? op->in[i]->producer.op : NULL;
        if (!from || f->seen[from->id])
            continue;
        f->seen[from->id] = true;
        if (from->place == PPQ_PLACE_QUANT) {
            out->snr = fmin(out->snr, snr_of(f, from));
            continue;
        }
        out->through_float |= !ppq_op_has_trait(from, PPQ_OP_PASSIVE);
        walk_back(f, from, out);
    }
}

static sources sources_of(search *f, const ppq_op *op)
{
    sources out = { 300, false }; // what is fed is exact
    memset(f->seen, 0, f->g->n_ops * sizeof(*f->seen));
    walk_back(f, op, &out);
    return out;
}

// Sets seen for all that leads to an op.
static void mark_ancestors(search *f, const ppq_op *op)
{
    memset(f->seen, 0, f->g->n_ops * sizeof(*f->seen));
    f->seen[op->id] = true;
    for (size_t k = f->n; k-- > 0;)
        for (int32_t i = 0; f->seen[f->order[k]->id] && i < f->order[k]->n_in; i++)
            if (f->order[k]->in[i] && f->order[k]->in[i]->producer.op)
                f->seen[f->order[k]->in[i]->producer.op->id] = true;
    f->seen[op->id] = false;
}

static bool is_layer(const ppq_op *op)
{
    return op->place == PPQ_PLACE_QUANT && ppq_op_has_trait(op, PPQ_OP_COMPUTE);
}

static size_t keep(const search *f, const ppq_op *op)
{
    ppq_settings_rescue(f->s->settings, op->name);
    return 1;
}

static size_t blame_ancestors(search *f, const ppq_op *op, double before)
{
    const ppq_loc loc = { .stage = "rescue", .op = op->name };
    const ppq_op *first = NULL;
    size_t layers = 0, blamed = 0, n = 0;
    mark_ancestors(f, op);
    for (size_t i = 0; i < f->n; i++) {
        layers += is_layer(f->order[i]);
        blamed += is_layer(f->order[i]) && f->seen[f->order[i]->id];
    }
    if (2 * blamed > layers) {
        ppq_warn(f->s->diag, loc,
                 "int8 ruins '%s': its SNR is %.1f dB, of what it reads %.1f dB. Most of the model "
                 "leads there, so it was left as it is; see the worst layers",
                 op->name, snr_of(f, op), before);
        return 0;
    }
    for (size_t i = 0; i < f->n; i++)
        if (f->seen[f->order[i]->id] && f->order[i]->place == PPQ_PLACE_QUANT) {
            first = first ? first : f->order[i];
            n += keep(f, f->order[i]);
        }
    if (first)
        ppq_warn(f->s->diag, loc,
                 "int8 ruins '%s': its SNR is %.1f dB, of what it reads %.1f dB. The %zu op%s that "
                 "lead there stay in float, '%s' the first; --no-rescue keeps them in int8",
                 op->name, snr_of(f, op), before, n, n == 1 ? "" : "s", first->name);
    return n;
}

static size_t blame_itself(search *f, const ppq_op *op, double before)
{
    ppq_warn(f->s->diag, (ppq_loc){ .stage = "rescue", .op = op->name },
             "int8 ruins '%s': its SNR is %.1f dB, of what it reads %.1f dB. It stays in float; "
             "--no-rescue keeps it in int8",
             op->name, snr_of(f, op), before);
    return keep(f, op);
}

static bool behind_a_ruined_one(const search *f, const ppq_op *op)
{
    for (int32_t i = 0; i < op->n_in; i++)
        if (op->in[i] && op->in[i]->producer.op && f->tainted[op->in[i]->producer.op->id])
            return true;
    return false;
}

static size_t look_at(search *f, const ppq_op *op)
{
    f->tainted[op->id] = behind_a_ruined_one(f, op);
    if (f->tainted[op->id] || op->place != PPQ_PLACE_QUANT || !(snr_of(f, op) < ruined_below))
        return 0;
    const sources from = sources_of(f, op);
    if (from.snr < snr_of(f, op) + jump)
        return 0;
    f->tainted[op->id] = true;
    return from.through_float ? blame_ancestors(f, op, from.snr) : blame_itself(f, op, from.snr);
}

size_t ppq_find_ruined(const ppq_session *s)
{
    const ppq_graph *g = s->graph;
    search f = { .s = s, .g = g, .arena = ppq_arena_create("rescue") };
    f.seen = ppq_new_n(f.arena, bool, g->n_ops + 1);
    f.tainted = ppq_new_n(f.arena, bool, g->n_ops + 1);
    size_t n = 0;
    if (ppq_needs_rescue(s) && ppq_graph_topo(g, f.arena, &f.order, &f.n, s->diag) == PPQ_OK)
        for (size_t i = 0; i < f.n; i++)
            n += look_at(&f, f.order[i]);
    ppq_arena_destroy(f.arena);
    return n;
}
