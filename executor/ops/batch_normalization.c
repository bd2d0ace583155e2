#include <math.h>

#include "executor/ops/norm.h"
#include "executor/ops/window.h"

// Y = (X - mean) / sqrt(var + epsilon) * scale + B per channel. In training mode mean and var are
// those of the batch, and the running statistics move towards them.

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_floats(c, 5, 5));
    const ppq_shape *x = &c->in_shape[0];
    if (x->rank == 0)
        return ppq_infer_fail(c, "the input is a scalar, expected rank 1 to %d", PPQ_MAX_RANK);
    const int64_t channels = x->rank < 0 ? PPQ_DIM_UNKNOWN : x->rank == 1 ? 1 : x->dim[1];
    for (int i = 1; i < 5; i++)
        PPQ_TRY(ppq_infer_vector(c, i, channels));
    const bool training = ppq_op_attr_int(c->op, "training_mode", 0) != 0;
    if (!training && c->op->n_out > 1)
        return ppq_infer_fail(c, "it has %d outputs but training_mode is 0", c->op->n_out);
    for (int i = 1; i < c->op->n_out; i++) {
        c->out_shape[i] = c->in_shape[3];
        c->out_dtype[i] = c->in_dtype[3];
    }
    return ppq_infer_same(c);
}

typedef struct bn {
    ppq_kernel_ctx *c;
    const ppq_real *r;
    int64_t batch, channels, size;
} bn;

static bn shape_of(ppq_kernel_ctx *c)
{
    const ppq_shape *s = &c->in[0]->shape;
    return (bn){ .c = c,
                 .r = ppq_real_of(c),
                 .batch = ppq_shape_numel(s) ? s->dim[0] : 0,
                 .channels = s->rank > 1 ? s->dim[1] : 1,
                 .size = s->rank > 2 ? ppq_product(s->rank - 2, s->dim + 2) : 1 };
}

// Mean and population variance of channel `ch` over the batch.
static void batch_moments(const bn *b, int64_t ch, double *mean, double *variance)
{
    const double n = (double) (b->batch * b->size);
    double sum = 0, sq = 0;
    for (int64_t i = 0; i < b->batch; i++)
        sum += b->r->sum(ppq_at(b->r, b->c->in[0], (i * b->channels + ch) * b->size), b->size, 1);
    *mean = n > 0 ? sum / n : 0;
    for (int64_t i = 0; i < b->batch; i++)
        sq += b->r->sum_sq(ppq_at(b->r, b->c->in[0], (i * b->channels + ch) * b->size), b->size,
                           *mean);
    *variance = n > 0 ? sq / n : 0;
}

// Output `slot` of channel `ch`: the running statistic, moved towards `now`.
static void update(const bn *b, int slot, int input, int64_t ch, double now)
{
    const double momentum = (double) ppq_op_attr_float(b->c->op, "momentum", 0.9f);
    const double old = b->r->load(ppq_tensor_data(b->c->in[input]), ch);
    if (slot < b->c->op->n_out)
        b->r->store(ppq_tensor_data(&b->c->out[slot]), ch, old * momentum + now * (1 - momentum));
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const bn b = shape_of(c);
    if (!b.r)
        return PPQ_ERR_UNSUPPORTED;
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    const bool training = ppq_op_attr_int(c->op, "training_mode", 0) != 0;
    for (int64_t ch = 0; ch < b.channels; ch++) {
        double mean = b.r->load(ppq_tensor_data(c->in[3]), ch);
        double variance = b.r->load(ppq_tensor_data(c->in[4]), ch);
        if (training) {
            batch_moments(&b, ch, &mean, &variance);
            update(&b, 1, 3, ch, mean);
            update(&b, 2, 4, ch, variance);
        }
        const double scale = b.r->load(ppq_tensor_data(c->in[1]), ch) / sqrt(variance + eps);
        const double shift = b.r->load(ppq_tensor_data(c->in[2]), ch) - mean * scale;
        for (int64_t i = 0; i < b.batch; i++) {
            const int64_t at = (i * b.channels + ch) * b.size;
            b.r->affine(ppq_at(b.r, &c->out[0], at), ppq_at(b.r, c->in[0], at), b.size, scale,
                        shift);
        }
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

// The sums over one channel of g and of g * (x - mean).
static void channel_sums(const bn *b, const float *g, int64_t ch, double mean, double *sum,
                         double *product)
{
    const float *x = ppq_f32(b->c->in[0]);
    *sum = *product = 0;
    for (int64_t i = 0; i < b->batch; i++) {
        const int64_t at = (i * b->channels + ch) * b->size;
        for (int64_t e = at; e < at + b->size; e++) {
            *sum += (double) g[e];
            *product += (double) g[e] * ((double) x[e] - mean);
        }
    }
}

static void backward_channel(const ppq_backward_ctx *c, const bn *b, int64_t ch, double eps)
{
    const float *g = ppq_grad_out(c, 0);
    const double mean = (double) ppq_f32(c->in[3])[ch];
    const double inv = 1 / sqrt((double) ppq_f32(c->in[4])[ch] + eps);
    const double scale = (double) ppq_f32(c->in[1])[ch] * inv;
    double sum, product;
    channel_sums(b, g, ch, mean, &sum, &product);
    const double grad[] = { 0, product * inv, sum, -sum * scale,
                            -0.5 * product * scale * inv * inv };
    for (int i = 1; i < 5; i++)
        if (ppq_grad_in(c, i))
            ppq_grad_in(c, i)[ch] = (float) grad[i];
    float *dx = ppq_grad_in(c, 0);
    for (int64_t i = 0; dx && i < b->batch; i++) {
        const int64_t at = (i * b->channels + ch) * b->size;
        b->r->affine(dx + at, g + at, b->size, scale, 0);
    }
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (ppq_op_attr_int(c->op, "training_mode", 0) != 0)
        return ppq_kernel_fail(&k, PPQ_ERR_UNSUPPORTED,
                               "gradients in training mode are not calculated");
    if (idle)
        return PPQ_OK;
    const bn b = shape_of(&k);
    if (!b.r)
        return PPQ_ERR_UNSUPPORTED;
    const double eps = (double) ppq_op_attr_float(c->op, "epsilon", 1e-5f);
    for (int64_t ch = 0; ch < b.channels; ch++)
        backward_channel(c, &b, ch, eps);
    return PPQ_OK;
}

const ppq_op_def ppq_op_batch_normalization = {
    .type = "BatchNormalization",
    .domain = "",
    .opset_min = 1,
    .in_min = 5,
    .in_max = 5,
    .out_min = 1,
    .out_max = 3,
    .fp32_out = 1u << 1 | 1u << 2,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
