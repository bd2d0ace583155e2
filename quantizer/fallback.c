#include "quantizer/fallback.h"

#include <math.h>
#include <string.h>

#include "core/io.h"

enum { PARTS = 12, TRIES = 48, NAMED = 4 };
static const double margin = 2, least_gain = 0.25; // dB

typedef struct search {
    ppq_session *s;
    ppq_op **op;            // [n], those in int8, in the order of execution
    size_t n, length;       // of a part: at least 2
    bool *in_float, *saved; // [n_ops] by id
    ppq_tensor *constants;  // [n_vars] by id: biases of ops in float
    double goal, snr;       // dB
} search;

// ---- one try --------------------------------------------------------------------------------

// Biases make up for what rounding adds to an op's input. In float nothing is added.
static void choose_biases(search *f)
{
    const ppq_session *s = f->s;
    memset(f->constants, 0, s->graph->n_vars * sizeof(*f->constants));
    for (size_t i = 0; s->biases && i < f->n; i++)
        for (int32_t k = 0; f->in_float[f->op[i]->id] && k < f->op[i]->n_in; k++)
            if (f->op[i]->in[k] && f->op[i]->in[k]->id < s->n_biases)
                f->constants[f->op[i]->in[k]->id] = s->biases[f->op[i]->in[k]->id];
}

static ppq_status try_it(search *f, double *snr)
{
    choose_biases(f);
    return ppq_analysis_try(f->s->analysis, f->in_float, f->constants, snr, f->s->diag);
}

static void progress(const search *f, const char *phase, size_t done)
{
    const ppq_progress *p = &f->s->progress;
    if (p->report)
        p->report(p->user, phase, (int64_t) PPQ_MIN(done, f->n), (int64_t) f->n);
}

// Ops [from, to) of the list.
typedef struct part {
    size_t from, to;
} part;

static part part_at(const search *f, size_t from, size_t length)
{
    return (part){ from, PPQ_MIN(from + length, f->n) };
}

static void set(search *f, part p, bool in_float)
{
    for (size_t i = p.from; i < p.to; i++)
        f->in_float[f->op[i]->id] = in_float;
}

static size_t count(const search *f, part p)
{
    size_t n = 0;
    for (size_t i = p.from; i < p.to; i++)
        n += f->in_float[f->op[i]->id];
    return n;
}

static void save(const search *f)
{
    memcpy(f->saved, f->in_float, f->s->graph->n_ops * sizeof(*f->saved));
}

static void restore(search *f)
{
    memcpy(f->in_float, f->saved, f->s->graph->n_ops * sizeof(*f->saved));
}

// ---- taking ---------------------------------------------------------------------------------

static bool most_would_go(const search *f)
{
    size_t layers = 0, gone = 0;
    for (size_t i = 0; i < f->n; i++) {
        const bool layer = ppq_op_has_trait(f->op[i], PPQ_OP_COMPUTE);
        layers += layer;
        gone += layer && f->in_float[f->op[i]->id];
    }
    return 2 * gone > layers;
}

// Parts overlap by half: a tensor is quantized unless all that reads it computes in float as well.
static ppq_status best_part(search *f, part *best, double *snr)
{
    *snr = -HUGE_VAL;
    *best = (part){ 0 };
    save(f);
    for (size_t at = 0; at < f->n; at += f->length / 2) {
        const part p = part_at(f, at, f->length);
        double got;
        if (count(f, p) == p.to - p.from)
            continue;
        set(f, p, true);
        const ppq_status st = try_it(f, &got);
        restore(f);
        PPQ_TRY(st);
        progress(f, "what costs most", p.to);
        if (got > *snr) {
            *snr = got;
            *best = p;
        }
    }
    return PPQ_OK;
}

static ppq_status take(search *f)
{
    while (f->snr < f->goal && !most_would_go(f)) {
        part best;
        double snr;
        PPQ_TRY(best_part(f, &best, &snr));
        if (snr < f->snr + least_gain)
            break;
        set(f, best, true);
        f->snr = snr;
    }
    return PPQ_OK;
}

// ---- giving back ----------------------------------------------------------------------------

static ppq_status give_back(search *f, part p)
{
    double snr;
    if (!count(f, p))
        return PPQ_OK;
    save(f);
    set(f, p, false);
    PPQ_TRY(try_it(f, &snr));
    if (snr < f->goal)
        restore(f);
    else
        f->snr = snr;
    return PPQ_OK;
}

// Of large parts, single ops would take too many tries.
static ppq_status give_all_back(search *f)
{
    const size_t shortest = count(f, part_at(f, 0, f->n)) / TRIES;
    for (size_t length = f->length / 2; length > shortest; length /= 2)
        for (size_t at = 0; at < f->n; at += length) {
            PPQ_TRY(give_back(f, part_at(f, at, length)));
            progress(f, "what can be int8", at + length);
        }
    return PPQ_OK;
}

// ---- all of it ------------------------------------------------------------------------------

static ppq_status list_ops(search *f, ppq_arena *a)
{
    const ppq_graph *g = f->s->graph;
    ppq_op **order;
    size_t n;
    PPQ_TRY(ppq_graph_topo(g, a, &order, &n, f->s->diag));
    f->op = ppq_new_n(a, ppq_op *, n + 1);
    for (size_t i = 0; i < n; i++)
        if (order[i]->place == PPQ_PLACE_QUANT)
            f->op[f->n++] = order[i];
    f->length = PPQ_MAX((f->n + PARTS - 1) / PARTS, 2);
    f->in_float = ppq_new_n(a, bool, g->n_ops + 1);
    f->saved = ppq_new_n(a, bool, g->n_ops + 1);
    f->constants = ppq_new_n(a, ppq_tensor, g->n_vars + 1);
    return PPQ_OK;
}

static size_t keep(const search *f, ppq_buf *names)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (!f->in_float[f->op[i]->id])
            continue;
        ppq_settings_rescue(f->s->settings, f->op[i]->name);
        if (n < NAMED)
            ppq_buf_printf(names, "%s'%s'", n ? ", " : "", f->op[i]->name);
        n++;
    }
    if (n > NAMED)
        ppq_buf_printf(names, ", ...");
    return n;
}

static size_t decide(const search *f, double before)
{
    const ppq_loc loc = { .stage = "fall back" };
    const int target = f->s->settings->target_snr;
    if (f->snr < target || most_would_go(f)) {
        ppq_warn(f->s->diag, loc,
                 "an output has %.1f dB against float, and no small part of the model is to blame: "
                 "all of it was left in int8; see the worst layers",
                 before);
        return 0;
    }
    ppq_buf names = { 0 };
    const size_t n = keep(f, &names);
    ppq_warn(f->s->diag, loc,
             "an output has %.1f dB against float, wanted are %d (--target-snr). The %zu of %zu "
             "int8 ops that cost it most stay in float: %s. They should bring it to %.1f dB",
             before, target, n, f->n, ppq_buf_str(&names), f->snr);
    ppq_buf_free(&names);
    return n;
}

static ppq_status find(search *f, ppq_arena *a, size_t *n)
{
    const double before = f->snr;
    PPQ_TRY(list_ops(f, a));
    PPQ_TRY(take(f));
    if (f->snr >= f->goal)
        PPQ_TRY(give_all_back(f));
    *n = decide(f, before);
    return PPQ_OK;
}

ppq_status ppq_fall_back(ppq_session *s, size_t *n)
{
    search f = { .s = s,
                 .goal = s->settings->target_snr + margin,
                 .snr = ppq_analysis_worst_output(s->analysis) };
    *n = 0;
    if (f.snr >= s->settings->target_snr)
        return PPQ_OK;
    const double t = ppq_session_clock();
    ppq_arena *a = ppq_arena_create("fall back");
    const ppq_status st = find(&f, a, n);
    ppq_session_phase_done(s, "fall-back", t);
    ppq_arena_destroy(a);
    return st;
}
