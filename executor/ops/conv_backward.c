#include <string.h>

#include "core/parallel.h"
#include "executor/ops/backward.h"
#include "executor/ops/conv_direct.h"
#include "executor/ops/product.h"

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

// ---- data, as a convolution -----------------------------------------------------------------

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

// ---- windows in rows ------------------------------------------------------------------------

// A convolution that is not transposed, flattened. What its windows see of an input channel can be
// laid out in rows as long as the channels of the output, one for each element of the kernel.
typedef struct unrolled {
    ppq_conv_shape s;
    int64_t kernel, in_size, out_size, max_taps;
    bool whole; // the kernel is one element that sees the channel as it is: needs no row
} unrolled;

static bool is_whole(const ppq_window *w)
{
    for (int i = 0; i < w->n; i++)
        if (w->kernel[i] != 1 || w->stride[i] != 1 || w->pad_lo[i] != 0 || w->in[i] != w->out[i])
            return false;
    return true;
}

static unrolled unroll(const ppq_conv_shape *s)
{
    unrolled u = { .s = *s };
    ppq_conv_shape_flatten(&u.s);
    u.kernel = ppq_product(u.s.win.n, u.s.win.kernel);
    u.in_size = ppq_product(u.s.win.n, u.s.win.in);
    u.out_size = ppq_product(u.s.win.n, u.s.win.out);
    u.max_taps = ppq_window_max_taps(&u.s.win);
    u.whole = is_whole(&u.s.win);
    return u;
}

// Copies a channel to its rows or, with `back`, adds the rows to the channel. What lies in the
// padding is left alone.
static void lay_out(const unrolled *u, bool back, ppq_tap *taps, float *channel, float *rows)
{
    const ppq_window *w = &u->s.win;
    const int d = w->n - 1;
    const int64_t stride = w->stride[d];
    int64_t at[PPQ_MAX_SPATIAL] = { 0 }, row = 0;
    do {
        const int64_t n = ppq_window_taps(w, at, taps) * w->kernel[d];
        for (int64_t t = 0; t < n; t++) {
            const ppq_tap *tap = &taps[t / w->kernel[d]];
            const int64_t kx = t % w->kernel[d], offset = kx * w->dilation[d] - w->pad_lo[d];
            float *x = channel + tap->src, *r = rows + (tap->kernel + kx) * u->out_size + row;
            int64_t lo, hi;
            ppq_span(offset, stride, w->out[d], w->in[d], &lo, &hi);
            if (back)
                for (int64_t i = lo; i < hi; i++)
                    x[i * stride + offset] += r[i];
            else
                for (int64_t i = lo; i < hi; i++)
                    r[i] = x[i * stride + offset];
        }
        row += w->out[d];
    } while (ppq_next(w->n - 1, w->out, at));
}

// Memory of each worker: `n_double`, the taps and `n_float`.
static ppq_status alloc_workers(ppq_kernel_ctx *k, const unrolled *u, int64_t n_double,
                                int64_t n_float, ppq_tensor *memory, ppq_tap **taps,
                                double **doubles, float **floats)
{
    const int workers = PPQ_MAX(k->n_threads, 1);
    int64_t bytes, part;
    if (__builtin_mul_overflow(n_float, (int64_t) sizeof(float), &bytes) ||
        __builtin_mul_overflow(n_double, (int64_t) sizeof(double), &part) ||
        __builtin_add_overflow(bytes, part, &bytes) ||
        __builtin_add_overflow(bytes, u->max_taps * (int64_t) sizeof(ppq_tap), &bytes) ||
        __builtin_mul_overflow(bytes, workers, &bytes))
        return ppq_kernel_fail(k, PPQ_ERR_NOMEM, "the windows of one channel exceed memory");
    PPQ_TRY(ppq_kernel_temp(k, (size_t) bytes, memory));
    *doubles = ppq_tensor_data(memory);
    *taps = (ppq_tap *) (*doubles + workers * n_double);
    *floats = (float *) (*taps + workers * u->max_taps);
    return PPQ_OK;
}

// ---- data, as a matrix product --------------------------------------------------------------

// Where rows of a channel are short, the transposed convolution spends its time between them. Then
// the product of weights and gradient is calculated for all windows and added up afterwards.
typedef struct products {
    unrolled u;
    const float *g, *w;
    float *x;
    ppq_tap *taps;  // of each worker
    float *columns; // of each worker: [ic, kernel, out_size]
} products;

static bool prefers_product(const ppq_conv_shape *s)
{
    enum { FEW = 4, CACHED = 1 << 20 };
    const unrolled u = unroll(s);
    int64_t n;
    return !u.whole && s->oc >= FEW && !__builtin_mul_overflow(u.kernel, u.out_size, &n) &&
           !__builtin_mul_overflow(n, s->ic, &n) && n <= CACHED;
}

static void run_sample(void *user, int64_t unit, int worker)
{
    const products *p = user;
    const unrolled *u = &p->u;
    const int64_t ic = u->s.ic, oc = u->s.oc, rows = ic * u->kernel;
    float *columns = p->columns + worker * rows * u->out_size;
    ppq_gemm_of(PPQ_DT_F32)(rows, u->out_size, oc, p->w + unit % u->s.groups * oc * rows, 1, rows,
                            p->g + unit * oc * u->out_size, columns);
    for (int64_t i = 0; i < ic; i++)
        lay_out(u, true, p->taps + worker * u->max_taps, p->x + (unit * ic + i) * u->in_size,
                columns + i * u->kernel * u->out_size);
}

// `x` is zeroed.
static ppq_status run_product(ppq_kernel_ctx *k, const ppq_conv_shape *s, const float *g,
                              const float *w, float *x)
{
    products p = { .u = unroll(s), .g = g, .w = w, .x = x };
    ppq_tensor memory;
    double *none;
    PPQ_TRY(alloc_workers(k, &p.u, 0, s->ic * p.u.kernel * p.u.out_size, &memory, &p.taps, &none,
                          &p.columns));
    ppq_parallel_for(k->n_threads, s->batch * s->groups, run_sample, &p);
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

// ---- weights --------------------------------------------------------------------------------

// One unit of work is an input channel of a group: with what the windows see of it in rows, all
// that remains are dot products.
typedef struct weights {
    unrolled u;
    const float *x, *y; // y: the gradient of the output
    float *w;
    int64_t n_seen;
    ppq_tap *taps; // of each worker, as are the next
    float *seen;   // [kernel, out_size]; nothing when `whole`
    double *sum;   // [oc, kernel]
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

static void add_sample(const unrolled *u, const float *y, const float *seen, double *sum)
{
    for (int64_t oc = 0; oc < u->s.oc;) {
        const bool many = u->s.oc - oc >= ROWS;
        const float *rows = y + oc * u->out_size;
        for (int64_t k = 0; k < u->kernel; k++) {
            double *dst = sum + oc * u->kernel + k;
            if (many)
                add_dots(ROWS, rows, seen + k * u->out_size, u->out_size, dst, u->kernel);
            else
                add_dots(1, rows, seen + k * u->out_size, u->out_size, dst, u->kernel);
        }
        oc += many ? ROWS : 1;
    }
}

static void run_channel(void *user, int64_t unit, int worker)
{
    const weights *j = user;
    const unrolled *u = &j->u;
    const ppq_conv_shape *s = &u->s;
    const int64_t group = unit / s->ic, ic = unit % s->ic;
    float *seen = j->seen + worker * j->n_seen;
    double *sum = j->sum + worker * u->kernel * s->oc;
    memset(sum, 0, (size_t) (u->kernel * s->oc) * sizeof(*sum));
    memset(seen, 0, (size_t) j->n_seen * sizeof(*seen));
    for (int64_t n = 0; n < s->batch; n++) {
        // lay_out only reads it in this direction.
        float *x = (float *) j->x + ((n * s->groups + group) * s->ic + ic) * u->in_size;
        const float *y = j->y + (n * s->groups + group) * s->oc * u->out_size;
        if (!u->whole)
            lay_out(u, false, j->taps + worker * u->max_taps, x, seen);
        add_sample(u, y, u->whole ? x : seen, sum);
    }
    for (int64_t oc = 0; oc < s->oc; oc++)
        for (int64_t k = 0; k < u->kernel; k++)
            j->w[((group * s->oc + oc) * s->ic + ic) * u->kernel + k] =
                (float) sum[oc * u->kernel + k];
}

static ppq_status run_weights(ppq_kernel_ctx *k, const ppq_conv_shape *s, const float *x,
                              const float *y, float *w)
{
    weights j = { .u = unroll(s), .x = x, .y = y, .w = w };
    ppq_tensor memory;
    if (__builtin_mul_overflow(j.u.kernel, j.u.whole ? 0 : j.u.out_size, &j.n_seen))
        return ppq_kernel_fail(k, PPQ_ERR_NOMEM, "the windows of one channel exceed memory");
    PPQ_TRY(
        alloc_workers(k, &j.u, j.u.kernel * s->oc, j.n_seen, &memory, &j.taps, &j.sum, &j.seen));
    ppq_parallel_for(k->n_threads, s->groups * s->ic, run_channel, &j);
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

// ---- the whole ------------------------------------------------------------------------------

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
        PPQ_TRY(!transposed && prefers_product(&s)
                    ? run_product(&k, &s, g, ppq_f32(w), ppq_grad_in(c, 0))
                    : run_pieces(&k, &m, g, ppq_f32(w), ppq_grad_in(c, 0)));
    if (ppq_grad_in(c, 1) && ppq_shape_numel(&x->shape) > 0)
        PPQ_TRY(transposed ? run_weights(&k, &m, g, ppq_f32(x), ppq_grad_in(c, 1))
                           : run_weights(&k, &s, ppq_f32(x), g, ppq_grad_in(c, 1)));
    if (ppq_grad_in(c, 2))
        run_bias(&s.y, g, ppq_grad_in(c, 2));
    return PPQ_OK;
}
