#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

// The different elements of a list in the order in which they come, where each element of the input
// is among them, and how often each occurs.

enum { VALUES, PLACES, COUNTS };

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_shape *s = &c->in_shape[0], some = ppq_shape_1d(PPQ_DIM_UNKNOWN);
    if (s->rank >= 0 && s->rank != 1)
        return ppq_infer_fail(c, "the input has rank %d, expected 1", s->rank);
    PPQ_TRY(ppq_infer_out(c, VALUES, c->in_dtype[0], &some));
    PPQ_TRY(ppq_infer_out(c, PLACES, PPQ_DT_I64, s));
    return ppq_infer_out(c, COUNTS, PPQ_DT_I64, &some);
}

// Place of x[i] among the values found so far, *n of them; -1: it is new.
static int64_t place_of(const float *x, const int64_t *first, int64_t n, int64_t i)
{
    for (int64_t k = 0; k < n; k++)
        if (x[first[k]] == x[i])
            return k;
    return -1;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    if (c->in[0]->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "the input is %s, expected float32",
                               ppq_dtype_name(c->in[0]->dtype));
    const float *x = ppq_f32(c->in[0]);
    int64_t *first = ppq_new_n(c->scratch, int64_t, (size_t) n + 1);
    int64_t *count = ppq_new_n(c->scratch, int64_t, (size_t) n + 1);
    int64_t n_values = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = place_of(x, first, n_values, i);
        if (at < 0) {
            at = n_values++;
            first[at] = i;
        }
        count[at]++;
        if (c->op->n_out > PLACES)
            ppq_i64(&c->out[PLACES])[i] = at;
    }
    const ppq_shape s = ppq_shape_1d(n_values);
    PPQ_TRY(ppq_run_out(c, VALUES, PPQ_DT_F32, &s));
    for (int64_t k = 0; k < n_values; k++)
        ppq_f32(&c->out[VALUES])[k] = x[first[k]];
    if (c->op->n_out > COUNTS) {
        PPQ_TRY(ppq_run_out(c, COUNTS, PPQ_DT_I64, &s));
        for (int64_t k = 0; k < n_values; k++)
            ppq_i64(&c->out[COUNTS])[k] = count[k];
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_ms_unique = {
    .type = "Unique",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 3,
    .traits = PPQ_OP_SOI_SOURCE,
    .soi_out = 0x6,
    .infer = infer,
    .forward = forward,
};
