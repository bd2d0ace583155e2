#include <stdlib.h>

#include "executor/dnnl/run.h"
#include "executor/ops/recurrent.h"

// RNN, GRU and LSTM whose weights never change: packed once, so that products run along columns.

typedef struct state {
    ppq_recurrent net;
    ppq_recurrent_weights weights[PPQ_MAX_DIRECTIONS];
    float *packed;
    size_t memory; // bytes of one run
} state;

static void release(void *user)
{
    state *s = user;
    if (s)
        free(s->packed);
    free(s);
}

static bool is_weight(int slot)
{
    return slot == PPQ_RECURRENT_W || slot == PPQ_RECURRENT_R || slot == PPQ_RECURRENT_B;
}

// Weights are constant and packed, nothing else is, and there are no peepholes, which would not be.
static bool supports(const ppq_kernel_spec *s)
{
    for (int32_t i = 0; i < s->op->n_in; i++) {
        if (!s->has_in[i])
            continue;
        if ((i != PPQ_RECURRENT_LENGTHS && s->in_dtype[i] != PPQ_DT_F32) ||
            is_weight(i) != (s->in_const[i] != NULL) || i == PPQ_RECURRENT_P)
            return false;
    }
    return true;
}

static ppq_status describe(const ppq_kernel_spec *spec, ppq_recurrent *r, ppq_diag *d)
{
    const ppq_tensor *none[PPQ_RECURRENT_INPUTS] = { NULL };
    ppq_infer_ctx c = { .op = spec->op,
                        .opset = spec->opset,
                        .in_value = none,
                        .in_shape = spec->in_shape,
                        .in_dtype = spec->in_dtype,
                        .has_in = spec->has_in,
                        .diag = d };
    return ppq_recurrent_describe(&c, r);
}

static ppq_status pack(const ppq_kernel_spec *spec, state *s)
{
    const float *in[PPQ_RECURRENT_INPUTS] = { NULL };
    for (int32_t i = 0; i < spec->op->n_in; i++)
        if (is_weight(i) && spec->in_const[i])
            in[i] = ppq_f32(spec->in_const[i]);
    const int64_t n = ppq_recurrent_weight_floats(&s->net, PPQ_PANEL_WHOLE);
    if (n < 0)
        return PPQ_ERR_UNSUPPORTED;
    s->packed = malloc(((size_t) n + 1) * sizeof(*s->packed));
    if (!s->packed)
        return PPQ_ERR_NOMEM;
    ppq_recurrent_pack(&s->net, PPQ_PANEL_WHOLE, in, s->packed, s->weights);
    const int64_t floats = ppq_recurrent_job_floats(&s->net, s->weights);
    s->memory = (size_t) PPQ_MAX(floats, 0) * sizeof(float);
    return floats < 0 ? PPQ_ERR_UNSUPPORTED : PPQ_OK;
}

static ppq_status prepare(const ppq_kernel_spec *spec, void **out, ppq_diag *d)
{
    state *s = calloc(1, sizeof(*s));
    if (!s)
        return PPQ_ERR_NOMEM;
    ppq_status st = describe(spec, &s->net, d);
    if (st == PPQ_OK)
        st = pack(spec, s);
    if (st == PPQ_OK)
        *out = s;
    else
        release(s);
    return st;
}

static ppq_status forward(const void *user, ppq_kernel_ctx *c)
{
    const state *s = user;
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(c, s->memory, &memory));
    const ppq_status st = ppq_recurrent_run(c, &s->net, s->weights, ppq_f32(&memory));
    ppq_tensor_unref(&memory);
    return st;
}

#define KERNEL(kernel_name, type)                                                           \
    {                                                                                       \
        .name = (kernel_name), .op_type = (type), .supports = supports, .prepare = prepare, \
        .forward = forward, .release = release,                                             \
    }

const ppq_kernel ppq_kernel_lstm = KERNEL("packed-lstm", "LSTM");
const ppq_kernel ppq_kernel_gru = KERNEL("packed-gru", "GRU");
const ppq_kernel ppq_kernel_rnn = KERNEL("packed-rnn", "RNN");
