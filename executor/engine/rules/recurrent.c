#include "executor/engine/kernels/recurrent.h"
#include "executor/engine/plan.h"

// GRU, LSTM and RNN with constant weights, packed once.

typedef struct state {
    ppq_recurrent net;
    ppq_recurrent_weights weights[PPQ_MAX_DIRECTIONS];
    const ppq_recurrent_math *math;
} state;

// What a step reads and writes, in this order.
enum { IN_X, IN_LENGTHS, IN_H, IN_C, N_IN };
enum { OUT_Y, OUT_H, OUT_C, N_OUT };

// ---- running --------------------------------------------------------------------------------

// Less work than this is not worth waking a thread.
enum { LEAST_MACS = 1 << 17 };

static void feed(void *user, int64_t begin, int64_t end)
{
    ppq_recurrent_feed(user, begin, end);
}

static void walk(void *user, int64_t begin, int64_t end)
{
    ppq_recurrent_walk(user, begin, end);
}

static void split(const ppq_call *c, int64_t n, double macs,
                  void (*fn)(void *user, int64_t begin, int64_t end), ppq_recurrent_job *j)
{
    if (macs < LEAST_MACS)
        fn(j, 0, n);
    else
        ppq_call_split(c, n, fn, j);
}

static double feed_macs(const state *s)
{
    const ppq_recurrent *r = &s->net;
    return (double) (r->directions * r->steps * r->batch) * (double) s->weights[0].w.columns *
           (double) r->input;
}

static double walk_macs(const state *s)
{
    const ppq_recurrent *r = &s->net;
    return (double) (r->directions * r->steps * r->batch) * (double) (r->n_gates * r->hidden) *
           (double) r->hidden;
}

static float *data(const ppq_call *c, int32_t value)
{
    return value == PPQ_NO_VALUE ? NULL : ppq_call_data(c, value);
}

static ppq_status run(const ppq_step *step, ppq_call *c)
{
    const state *s = step->state;
    const ppq_recurrent *r = &s->net;
    ppq_recurrent_job j = {
        .net = r,
        .math = s->math,
        .weights = s->weights,
        .x = data(c, step->in[IN_X]),
        .h = data(c, step->in[IN_H]),
        .c = data(c, step->in[IN_C]),
        .y = data(c, step->out[OUT_Y]),
        .last_h = data(c, step->out[OUT_H]),
        .last_c = data(c, step->out[OUT_C]),
        .memory = ppq_call_scratch(c, step),
    };
    const int32_t lengths = step->in[IN_LENGTHS];
    ppq_kernel_ctx k = { .op = step->op, .diag = ppq_call_diag(c) };
    PPQ_TRY(ppq_recurrent_lengths(&j, lengths == PPQ_NO_VALUE ? NULL : ppq_call_tensor(c, lengths),
                                  &k));
    split(c, r->directions * r->steps * r->batch, feed_macs(s), feed, &j);
    split(c, r->directions * r->batch, walk_macs(s), walk, &j);
    return PPQ_OK;
}

// ---- planning -------------------------------------------------------------------------------

static const ppq_var *input(const ppq_op *op, int slot)
{
    return slot < op->n_in ? op->in[slot] : NULL;
}

// Shapes have been inferred, so that they fit.
static ppq_status describe(const ppq_plan *p, const ppq_op *op, ppq_recurrent *r)
{
    ppq_shape in[PPQ_RECURRENT_INPUTS];
    ppq_dtype dt[PPQ_RECURRENT_INPUTS];
    bool has[PPQ_RECURRENT_INPUTS];
    const ppq_tensor *none[PPQ_RECURRENT_INPUTS] = { NULL };
    for (int i = 0; i < PPQ_RECURRENT_INPUTS; i++) {
        const ppq_var *v = input(op, i);
        has[i] = v != NULL;
        in[i] = v ? p->shape[v->id] : (ppq_shape){ .rank = -1 };
        dt[i] = v ? p->dtype[v->id] : PPQ_DT_NONE;
        if (v && i != PPQ_RECURRENT_LENGTHS && dt[i] != PPQ_DT_F32)
            return PPQ_ERR_UNSUPPORTED;
        if (v && ppq_shape_numel(&in[i]) == 0)
            return PPQ_ERR_UNSUPPORTED;
    }
    ppq_infer_ctx c = { .op = op,
                        .opset = ppq_graph_opset(p->g, ""),
                        .in_value = none,
                        .in_shape = in,
                        .in_dtype = dt,
                        .has_in = has,
                        .diag = p->d };
    return ppq_recurrent_describe(&c, r);
}

static ppq_status pack(ppq_plan *p, const ppq_op *op, state *s, ppq_tensor *memory)
{
    static const int slots[] = { PPQ_RECURRENT_W, PPQ_RECURRENT_R, PPQ_RECURRENT_B,
                                 PPQ_RECURRENT_P };
    const float *in[PPQ_RECURRENT_INPUTS] = { NULL };
    for (size_t i = 0; i < PPQ_COUNT(slots); i++) {
        const ppq_var *v = input(op, slots[i]);
        if (!v)
            continue;
        PPQ_TRY(ppq_plan_learn(p, v));
        const ppq_tensor *t = ppq_plan_known(p, v);
        if (!t)
            return PPQ_ERR_UNSUPPORTED;
        in[slots[i]] = ppq_f32(t);
    }
    const int64_t n = ppq_recurrent_weight_floats(&s->net, PPQ_RECURRENT_PANEL);
    if (n < 0)
        return PPQ_ERR_UNSUPPORTED;
    const ppq_shape all = ppq_shape_1d(n);
    PPQ_TRY(ppq_tensor_alloc(memory, PPQ_DT_F32, &all));
    ppq_recurrent_pack(&s->net, PPQ_RECURRENT_PANEL, in, ppq_f32(memory), s->weights);
    return PPQ_OK;
}

static ppq_status read(ppq_plan *p, const ppq_op *op, int slot, int32_t *out)
{
    const ppq_var *v = input(op, slot);
    *out = PPQ_NO_VALUE;
    return v ? ppq_plan_read(p, v, PPQ_WANT_PLAIN, false, out) : PPQ_OK;
}

static ppq_status add(ppq_plan *p, const ppq_op *op, state *s, size_t scratch,
                      ppq_tensor *take_packed)
{
    int32_t in[N_IN], out[N_OUT];
    PPQ_TRY(read(p, op, PPQ_RECURRENT_X, &in[IN_X]));
    PPQ_TRY(read(p, op, PPQ_RECURRENT_LENGTHS, &in[IN_LENGTHS]));
    PPQ_TRY(read(p, op, PPQ_RECURRENT_H, &in[IN_H]));
    PPQ_TRY(read(p, op, PPQ_RECURRENT_C, &in[IN_C]));
    for (int k = 0; k < N_OUT; k++) {
        const ppq_var *v = k < op->n_out ? op->out[k] : NULL;
        out[k] = v ? ppq_plan_new_value(p, v, PPQ_DT_F32, &p->shape[v->id], PPQ_LAYOUT_PLAIN)
                   : PPQ_NO_VALUE;
    }
    ppq_step *step = ppq_plan_add_step(p, op, "recurrent", run, in, N_IN, out, N_OUT);
    step->state = s;
    step->packed[0] = *take_packed;
    *take_packed = (ppq_tensor){ 0 };
    step->scratch = scratch;
    step->macs = feed_macs(s) + walk_macs(s);
    ppq_plan_done(p, op);
    return PPQ_OK;
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    state *s = ppq_new(p->arena, state);
    ppq_tensor packed = { 0 };
    PPQ_TRY(describe(p, op, &s->net));
    PPQ_TRY(pack(p, op, s, &packed));
    s->math = ppq_recurrent_math_for(ppq_plan_isa(p));
    const int64_t floats = ppq_recurrent_job_floats(&s->net, s->weights);
    const ppq_status st =
        floats < 0 ? PPQ_ERR_UNSUPPORTED : add(p, op, s, (size_t) floats * sizeof(float), &packed);
    ppq_tensor_unref(&packed);
    return st;
}

static const char *const types[] = { "GRU", "LSTM", "RNN", NULL };

const ppq_rule ppq_rule_recurrent = {
    .name = "recurrent",
    .summary = "GRU, LSTM and RNN with constant weights",
    .types = types,
    .lower = lower,
};
