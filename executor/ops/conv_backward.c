#include <string.h>

#include "core/parallel.h"
#include "executor/ops/backward.h"
#include "executor/ops/conv_direct.h"
#include "executor/ops/real.h"

// With respect to its data, the gradient of a convolution is the transposed convolution with the
// same weights, and the other way round. With respect to the weights, both are the sum of products
// of one side's channels with what the window of the other side saw.

static ppq_conv_shape mirror(const ppq_conv_shape *s, const ppq_shape *x)
{
    ppq_conv_shape m = *s;
    m.transposed = !s->transposed;
    m.ic = s->oc;
    m.oc = s->ic;
    m.y = *x;
    memcpy(m.win.in, s->win.out, sizeof(m.win.in));
    memcpy(m.win.out, s->win.in, sizeof(m.win.out));
    return m;
}

// ---- data --------------------------------------------------------------------------------------

// A convolution in pieces: samples, and blocks of groups when there are few samples.
typedef struct pieces {
    ppq_kernel_ctx *k;
    const ppq_conv_shape *s;
    const float *x, *w;
    float *y;
    int64_t blocks, groups_per_block; // of one sample
    ppq_status *status;               // [batch * blocks]
} pieces;

static void run_piece(void *user, int64_t i, int worker)
{
    (void) worker;
    const pieces *p = user;
    const ppq_conv_shape *s = p->s;
    const ppq_window *win = &s->win;
    const int64_t group = i % p->blocks * p->groups_per_block;
    const int64_t first = i / p->blocks * s->groups + group;
    ppq_conv_shape part = *s;
    part.batch = 1;
    part.groups = PPQ_MIN(p->groups_per_block, s->groups - group);
    part.y.dim[0] = 1;
    part.y.dim[1] = part.groups * s->oc;
    p->status[i] = ppq_conv_direct(p->k, &part, PPQ_DT_F32,
                                   p->x + first * s->ic * ppq_product(win->n, win->in),
                                   p->w + group * s->ic * s->oc * ppq_product(win->n, win->kernel),
                                   NULL, p->y + first * s->oc * ppq_product(win->n, win->out));
}

static ppq_status run_pieces(ppq_kernel_ctx *k, const ppq_conv_shape *s, const float *x,
                             const float *w, float *y)
{
    pieces p = { .k = k, .s = s, .x = x, .w = w, .y = y };
    const int64_t wanted = s->batch >= k->n_threads ? 1 : PPQ_MIN(s->groups, k->n_threads);
    p.groups_per_block = (s->groups + wanted - 1) / wanted;
    p.blocks = (s->groups + p.groups_per_block - 1) / p.groups_per_block;
    const int64_t n = s->batch * p.blocks;
    ppq_tensor memory;
    PPQ_TRY(ppq_kernel_temp(k, (size_t) n * sizeof(*p.status), &memory));
    p.status = ppq_tensor_data(&memory);
    ppq_parallel_for(k->n_threads, n, run_piece, &p);
    ppq_status st = PPQ_OK;
    for (int64_t i = 0; i < n && st == PPQ_OK; i++)
        st = p.status[i];
    ppq_tensor_unref(&memory);
    return st;
}

// ---- weights -----------------------------------------------------------------------------------

// One unit of work is an input channel of a group: what every window position sees of it is laid
// out in rows that are as long as the channels of y, so that all that remains are dot products.
typedef struct weights {
    const ppq_conv_shape *s; // not transposed, flattened
    const float *x, *y;      // y: the gradient of the output
    float *w;
    int64_t kernel, in_size, out_size, max_taps, seen_size;
    bool whole; // the window is one element that meets each of the channel in turn
    // Of each worker.
    ppq_tap *taps;
    float *seen; // [kernel, out_size]; nothing when whole, as x is what is seen
    double *sum; // [oc, kernel]
} weights;

enum { LANES = 8, ROWS = 4 };

// sum[r * step] += y[r] * x for `rows` rows of y, n elements apart; partial sums in float are
// short.
static inline void add_dots(int rows, const float *y, const float *x, int64_t n, double *sum,
                            int64_t step)
{
    enum { CHUNK = 512 };
    for (int64_t from = 0; from < n; from += CHUNK) {
        const int64_t to = PPQ_MIN(from + CHUNK, n);
        float lane[ROWS][LANES] = { { 0 } };
        int64_t i = from;
        for (; i + LANES <= to; i += LANES)
            for (int r = 0; r < rows; r++)
                for (int k = 0; k < LANES; k++)
                    lane[r][k] += y[r * n + i + k] * x[i + k];
        for (; i < to; i++)
            for (int r = 0; r < rows; r++)
                lane[r][0] += y[r * n + i] * x[i];
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < LANES; k++)
                sum[r * step] += (double) lane[r][k];
    }
}

// What lies in the padding stays as it is.
static void lay_out(const weights *j, const float *x, ppq_tap *taps, float *seen)
{
    const ppq_window *w = &j->s->win;
    const int d = w->n - 1;
    int64_t at[PPQ_MAX_SPATIAL] = { 0 }, row = 0;
    do {
        const int64_t n = ppq_window_taps(w, at, taps);
        for (int64_t t = 0; t < n; t++)
            for (int64_t kx = 0; kx < w->kernel[d]; kx++) {
                const int64_t offset = kx * w->dilation[d] - w->pad_lo[d];
                const float *src = x + taps[t].src + offset;
                float *dst = seen + (taps[t].kernel + kx) * j->out_size + row;
                int64_t lo, hi;
                ppq_span(offset, w->stride[d], w->out[d], w->in[d], &lo, &hi);
                for (int64_t i = lo; i < hi; i++)
                    dst[i] = src[i * w->stride[d]];
            }
        row += w->out[d];
    } while (ppq_next(w->n - 1, w->out, at));
}

static void add_sample(const weights *j, const float *y, const float *seen, double *sum)
{
    for (int64_t oc = 0; oc < j->s->oc;) {
        const bool many = j->s->oc - oc >= ROWS;
        const float *rows = y + oc * j->out_size;
        for (int64_t k = 0; k < j->kernel; k++) {
            double *dst = sum + oc * j->kernel + k;
            if (many)
                add_dots(ROWS, rows, seen + k * j->out_size, j->out_size, dst, j->kernel);
            else
                add_dots(1, rows, seen + k * j->out_size, j->out_size, dst, j->kernel);
        }
        oc += many ? ROWS : 1;
    }
}

static void run_channel(void *user, int64_t unit, int worker)
{
    const weights *j = user;
    const ppq_conv_shape *s = j->s;
    const int64_t group = unit / s->ic, ic = unit % s->ic;
    float *seen = j->seen + worker * j->seen_size;
    double *sum = j->sum + worker * j->kernel * s->oc;
    memset(sum, 0, (size_t) (j->kernel * s->oc) * sizeof(*sum));
    memset(seen, 0, (size_t) j->seen_size * sizeof(*seen));
    for (int64_t n = 0; n < s->batch; n++) {
        const float *x = j->x + ((n * s->groups + group) * s->ic + ic) * j->in_size;
        const float *y = j->y + (n * s->groups + group) * s->oc * j->out_size;
        if (!j->whole)
            lay_out(j, x, j->taps + worker * j->max_taps, seen);
        add_sample(j, y, j->whole ? x : seen, sum);
    }
    for (int64_t oc = 0; oc < s->oc; oc++)
        for (int64_t k = 0; k < j->kernel; k++)
            j->w[((group * s->oc + oc) * s->ic + ic) * j->kernel + k] =
                (float) sum[oc * j->kernel + k];
}

static bool is_whole(const ppq_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_lo[i] != 0 || w->in[i] != w->out[i])
            return false;
    return true;
}

static ppq_status run_weights(ppq_kernel_ctx *k, const ppq_conv_shape *shape, const float *x,
                              const float *y, float *w)
{
    ppq_conv_shape s = *shape;
    ppq_conv_shape_flatten(&s);
    weights j = { .s = &s, .x = x, .y = y, .w = w };
    j.kernel = ppq_product(s.win.n, s.win.kernel);
    j.in_size = ppq_product(s.win.n, s.win.in);
    j.out_size = ppq_product(s.win.n, s.win.out);
    j.max_taps = ppq_window_max_taps(&s.win);
    j.whole = is_whole(&s.win);
    const int workers = PPQ_MAX(k->n_threads, 1);
    int64_t bytes;
    ppq_tensor memory;
    if (__builtin_mul_overflow(j.kernel, j.whole ? 0 : j.out_size, &j.seen_size) ||
        __builtin_mul_overflow(j.seen_size, (int64_t) sizeof(*j.seen), &bytes) ||
        __builtin_add_overflow(bytes, s.oc * j.kernel * (int64_t) sizeof(*j.sum), &bytes) ||
        __builtin_add_overflow(bytes, j.max_taps * (int64_t) sizeof(*j.taps), &bytes) ||
        __builtin_mul_overflow(bytes, workers, &bytes))
        return ppq_kernel_fail(k, PPQ_ERR_NOMEM, "the windows of one channel exceed memory");
    PPQ_TRY(ppq_kernel_temp(k, (size_t) bytes, &memory));
    j.sum = ppq_tensor_data(&memory);
    j.taps = (ppq_tap *) (j.sum + workers * j.kernel * s.oc);
    j.seen = (float *) (j.taps + workers * j.max_taps);
    ppq_parallel_for(workers, s.groups * s.ic, run_channel, &j);
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

// ---- the whole ---------------------------------------------------------------------------------

static void run_bias(const ppq_shape *y, const float *g, float *bias)
{
    const int64_t channels = y->dim[1], size = ppq_product(y->rank - 2, y->dim + 2);
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0;
        for (int64_t n = 0; n < y->dim[0]; n++)
            for (int64_t i = 0; i < size; i++)
                sum += (double) g[(n * channels + c) * size + i];
        bias[c] = (float) sum;
    }
}

ppq_status ppq_conv_backward(ppq_backward_ctx *c, bool transposed)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    const ppq_tensor *x = c->in[0], *w = c->in[1];
    ppq_conv_shape s;
    ppq_reason why;
    if (!ppq_conv_shape_init(&s, c->op, transposed, &x->shape, &w->shape, NULL, &why))
        return ppq_kernel_fail(&k, PPQ_ERR_SHAPE, "%s", why.text);
    const ppq_conv_shape m = mirror(&s, &x->shape);
    const float *g = ppq_grad_out(c, 0);
    if (ppq_grad_in(c, 0))
        PPQ_TRY(run_pieces(&k, &m, g, ppq_f32(w), ppq_grad_in(c, 0)));
    if (ppq_grad_in(c, 1) && ppq_shape_numel(&x->shape) > 0)
        PPQ_TRY(transposed ? run_weights(&k, &m, g, ppq_f32(x), ppq_grad_in(c, 1))
                           : run_weights(&k, &s, ppq_f32(x), g, ppq_grad_in(c, 1)));
    if (ppq_grad_in(c, 2))
        run_bias(&s.y, g, ppq_grad_in(c, 2));
    return PPQ_OK;
}
