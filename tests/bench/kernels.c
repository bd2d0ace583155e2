// The engine's own kernels against oneDNN's for the same work: microseconds and ratio, one thread,
// in turns within one process.
//   kernels [ISA]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "executor/dnnl/compat.h"
#include "executor/engine/kernels/binary.h"
#include "executor/engine/kernels/depthwise.h"
#include "executor/engine/kernels/direct_conv.h"
#include "executor/engine/kernels/pool.h"
#include "executor/engine/kernels/quantize.h"
#include "executor/engine/kernels/requantize.h"
#include "executor/engine/kernels/transpose.h"
#include "executor/engine/kernels/winograd.h"
#include "tests/unit/kernel_windows.h"

enum { ROUNDS = 31 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t) n, sizeof(*v), by_value);
    return v[n / 2];
}

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "kernels: %s failed\n", what);
    exit(2);
}

static void *bytes_new(size_t n)
{
    uint8_t *p = aligned_alloc(64, (n + 127) / 64 * 64);
    require(p != NULL, "memory");
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t) (i * 2654435761u >> 13);
    return p;
}

static float *floats_new(size_t n)
{
    float *p = bytes_new(n * sizeof(*p));
    ppq_rng r = ppq_rng_seed(1, 0);
    for (size_t i = 0; i < n; i++)
        p[i] = (float) ppq_rng_normal(&r);
    return p;
}

// ---- oneDNN ---------------------------------------------------------------------------------

// An operation with its arguments; op is NULL where the library has nothing.
typedef struct theirs {
    ppq_dnnl_op *op;
    ppq_dnnl_call *call;
    void *scratch;
} theirs;

static theirs theirs_new(ppq_dnnl_op *op)
{
    theirs t = { .op = op, .scratch = bytes_new(ppq_dnnl_scratch_bytes(op)) };
    require(ppq_dnnl_call_create(op, &t.call) == PPQ_OK, "call");
    if (ppq_dnnl_scratch_bytes(op))
        require(ppq_dnnl_call_set(t.call, PPQ_DNNL_SCRATCH, t.scratch) == PPQ_OK, "scratch");
    return t;
}

static void bind(theirs *t, int arg, void *data)
{
    require(ppq_dnnl_call_set(t->call, arg, data) == PPQ_OK, "argument");
}

static void theirs_end(theirs *t)
{
    ppq_dnnl_call_destroy(t->call);
    ppq_dnnl_op_destroy(t->op);
    free(t->scratch);
}

// ---- comparing ------------------------------------------------------------------------------

typedef struct totals {
    double own, theirs;
} totals;

static void compare(const char *name, void (*own)(void *user), void *user, theirs *t, totals *sum)
{
    double a[ROUNDS], b[ROUNDS] = { 0 };
    for (int i = -3; i < ROUNDS; i++) {
        const double start = now();
        own(user);
        const double middle = now();
        if (t)
            require(ppq_dnnl_call_run(t->call) == PPQ_OK, "run");
        if (i >= 0) {
            a[i] = middle - start;
            b[i] = now() - middle;
        }
    }
    const double mine = 1e6 * median(a, ROUNDS), other = 1e6 * median(b, ROUNDS);
    if (sum) {
        sum->own += mine;
        sum->theirs += other;
    }
    if (t)
        printf("%-34s %9.1f us  oneDNN %9.1f us  %5.2fx  %s\n", name, mine, other, other / mine,
               ppq_dnnl_impl(t->op));
    else
        printf("%-34s %9.1f us  oneDNN has none\n", name, mine);
}

// Least times, as rates: for work that takes milliseconds.
static void compare_rates(const char *name, void (*own)(void *user), void *user, theirs *t,
                          double macs)
{
    double mine = 1e9, other = 1e9, begin = now();
    for (int i = 0; i < 5 || (i < 300 && now() - begin < 1); i++) {
        const double start = now();
        own(user);
        const double middle = now();
        require(ppq_dnnl_call_run(t->call) == PPQ_OK, "run");
        const double end = now();
        mine = middle - start < mine ? middle - start : mine;
        other = end - middle < other ? end - middle : other;
    }
    printf("%-34s %9.1f GFLOPS  oneDNN %9.1f GFLOPS  %5.2fx  %s\n", name, 2e-9 * macs / mine,
           2e-9 * macs / other, other / mine, ppq_dnnl_impl(t->op));
}

static ppq_dnnl_md md4(ppq_dtype dt, ppq_layout layout, int64_t n, int64_t c, int64_t h, int64_t w)
{
    const ppq_shape s = { .rank = 4, .dim = { n, c, h, w } };
    return ppq_dnnl_md_of(dt, &s, layout);
}

// Of one image.
static ppq_dnnl_md src_md(ppq_dtype dt, int64_t channels, const ppq_window_2d *w)
{
    return md4(dt, PPQ_LAYOUT_CHANNELS_LAST, 1, channels, w->src_size[0], w->src_size[1]);
}

static ppq_dnnl_md dst_md(ppq_dtype dt, int64_t channels, const ppq_window_2d *w)
{
    return md4(dt, PPQ_LAYOUT_CHANNELS_LAST, 1, channels, w->dst_size[0], w->dst_size[1]);
}

static ppq_dnnl_window dnnl_window(const ppq_window_2d *w)
{
    ppq_dnnl_window to = { .n = 2 };
    for (int d = 0; d < 2; d++) {
        to.kernel[d] = w->kernel[d];
        to.stride[d] = w->stride[d];
        to.dilation[d] = w->dilation[d];
        to.pad_lo[d] = w->pad_lo[d];
        to.pad_hi[d] = (w->dst_size[d] - 1) * w->stride[d] + ppq_window_2d_extent(w, d) -
                       w->src_size[d] - w->pad_lo[d];
    }
    return to;
}

// ---- float convolutions ---------------------------------------------------------------------

typedef struct direct {
    ppq_direct_conv k;
    float *src, *dst;
} direct;

static void direct_run(void *user)
{
    const direct *w = user;
    ppq_direct_conv_run(&w->k, w->src, w->dst, 0, ppq_direct_conv_units(&w->k));
}

typedef struct winograd {
    ppq_winograd k;
    float *src, *dst;
    void *scratch;
} winograd;

static void winograd_run(void *user)
{
    const winograd *w = user;
    ppq_winograd_run(&w->k, w->src, w->dst, 0, ppq_winograd_units(&w->k), w->scratch);
}

static void bench_winograd(ppq_isa isa, const direct *d, const float *weights, theirs *t,
                           double macs)
{
    winograd w = { .src = d->src, .dst = d->dst };
    if (!ppq_winograd_can(&d->k.desc))
        return;
    ppq_winograd_init(&w.k, &d->k.desc, isa, 1);
    float *memory = floats_new((size_t) ppq_winograd_floats(&w.k));
    require(ppq_winograd_pack(&w.k, weights, NULL, memory), "weights");
    w.scratch = bytes_new(ppq_winograd_scratch(&w.k));
    compare_rates("    by Winograd's algorithm", winograd_run, &w, t, macs);
    free(memory);
    free(w.scratch);
}

static theirs direct_theirs(const direct *w)
{
    const ppq_float_conv *c = &w->k.desc;
    const ppq_shape weights = { .rank = 4,
                                .dim = { c->out, c->in, c->win.kernel[0], c->win.kernel[1] } };
    const ppq_shape channels = ppq_shape_1d(c->out);
    const ppq_dnnl_md dense = ppq_dnnl_md_of(PPQ_DT_F32, &weights, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_operands m = {
        .src = src_md(PPQ_DT_F32, c->in, &c->win),
        .weights = ppq_dnnl_md_any(&dense),
        .bias = ppq_dnnl_md_of(PPQ_DT_F32, &channels, PPQ_LAYOUT_PLAIN),
        .dst = dst_md(PPQ_DT_F32, c->out, &c->win),
    };
    const ppq_dnnl_window window = dnnl_window(&c->win);
    ppq_dnnl_op *op;
    require(ppq_dnnl_conv(&m, &window, false, false, NULL, &op) == PPQ_OK, "convolution");
    theirs t = theirs_new(op);
    bind(&t, PPQ_DNNL_SRC, w->src);
    bind(&t, PPQ_DNNL_WEIGHTS,
         floats_new(ppq_dnnl_arg_bytes(op, PPQ_DNNL_WEIGHTS) / sizeof(float)));
    bind(&t, PPQ_DNNL_BIAS, floats_new((size_t) c->out));
    bind(&t, PPQ_DNNL_DST, w->dst);
    return t;
}

static void bench_direct(ppq_isa isa, int size, int stride, int64_t in, int64_t out, int64_t side)
{
    const ppq_float_conv c = { .batch = 1,
                               .groups = 1,
                               .in = in,
                               .out = out,
                               .win = square_window(side, side, size, stride, size / 2) };
    const int64_t pixels = ppq_window_2d_dst_pixels(&c.win);
    direct w = { .src = floats_new((size_t) (in * side * side)),
                 .dst = floats_new((size_t) (out * pixels)) };
    float *weights = floats_new((size_t) (out * in * size * size));
    ppq_direct_conv_init(&w.k, &c, isa);
    float *memory = floats_new((size_t) ppq_direct_conv_floats(&w.k));
    require(ppq_direct_conv_pack(&w.k, weights, NULL, memory), "weights");
    theirs t = direct_theirs(&w);
    char name[64];
    const double macs = (double) (in * out * size * size) * (double) pixels;
    snprintf(name, sizeof(name), "float %dx%d/%d %lld to %lld @ %lld", size, size, stride,
             (long long) in, (long long) out, (long long) side);
    compare_rates(name, direct_run, &w, &t, macs);
    bench_winograd(isa, &w, weights, &t, macs);
    theirs_end(&t);
    free(w.src);
    free(w.dst);
    free(weights);
    free(memory);
}

static void bench_all_direct(ppq_isa isa)
{
    static const struct {
        int size, stride;
        int64_t in, out, side;
    } shapes[] = {
        { 3, 1, 64, 64, 224 },  { 3, 1, 64, 128, 112 }, { 3, 1, 128, 128, 112 },
        { 3, 1, 256, 256, 56 }, { 3, 1, 512, 512, 28 }, { 3, 1, 512, 512, 14 },
        { 3, 1, 64, 64, 56 },   { 3, 1, 128, 128, 28 }, { 3, 1, 256, 256, 14 },
        { 3, 1, 512, 512, 7 },  { 3, 2, 128, 128, 56 }, { 3, 2, 256, 256, 28 },
        { 3, 2, 32, 64, 224 },  { 3, 1, 16, 16, 32 },   { 3, 1, 32, 32, 160 },
        { 5, 1, 64, 64, 56 },   { 1, 1, 256, 64, 56 },  { 7, 2, 3, 64, 224 },
    };
    for (size_t i = 0; i < PPQ_COUNT(shapes); i++)
        bench_direct(isa, shapes[i].size, shapes[i].stride, shapes[i].in, shapes[i].out,
                     shapes[i].side);
}

// ---- depthwise ------------------------------------------------------------------------------

typedef struct depthwise {
    ppq_depthwise *k;
    ppq_depthwise_desc desc;
    uint8_t *src, *dst;
} depthwise;

static void depthwise_run(void *user)
{
    const depthwise *w = user;
    ppq_depthwise_run(w->k, w->src, w->dst, 0, w->desc.win.dst_size[0]);
}

static theirs depthwise_theirs(const depthwise *w)
{
    const ppq_depthwise_desc *c = &w->desc;
    const ppq_shape weights = { .rank = 5,
                                .dim = { c->channels, 1, 1, c->win.kernel[0], c->win.kernel[1] } };
    const ppq_shape channels = ppq_shape_1d(c->channels);
    const ppq_dnnl_md plain = ppq_dnnl_md_of(PPQ_DT_I8, &weights, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_operands m = {
        .src = src_md(PPQ_DT_U8, c->channels, &c->win),
        .weights = ppq_dnnl_md_any(&plain),
        .bias = ppq_dnnl_md_of(PPQ_DT_F32, &channels, PPQ_LAYOUT_PLAIN),
        .dst = dst_md(PPQ_DT_U8, c->channels, &c->win),
    };
    const ppq_dnnl_window window = dnnl_window(&c->win);
    const ppq_dnnl_quant q = { c->src.scale, c->dst.scale, 0, 0, c->wei_scale, c->n_wei_scale };
    const ppq_dnnl_attr attr = { .quant = &q };
    ppq_dnnl_op *op;
    if (ppq_dnnl_conv(&m, &window, true, false, &attr, &op) != PPQ_OK)
        return (theirs){ NULL };
    theirs t = theirs_new(op);
    bind(&t, PPQ_DNNL_SRC, w->src);
    bind(&t, PPQ_DNNL_WEIGHTS, bytes_new(ppq_dnnl_arg_bytes(op, PPQ_DNNL_WEIGHTS)));
    bind(&t, PPQ_DNNL_BIAS, floats_new((size_t) c->channels));
    bind(&t, PPQ_DNNL_DST, w->dst);
    return t;
}

static void bench_depthwise(ppq_isa isa, int size, int stride, int64_t channels, int64_t side,
                            totals *sum)
{
    const ppq_window_2d win = square_window(side, side, size, stride, size / 2);
    depthwise w = { .desc = {
                        .channels = channels,
                        .win = win,
                        .src = ppq_q8_u8(0.02f, 0),
                        .dst = ppq_q8_u8(0.06f, 0),
                        .weights = bytes_new((size_t) (channels * size * size)),
                        .wei_scale = floats_new((size_t) channels),
                        .n_wei_scale = channels,
                        .bias = floats_new((size_t) channels),
                    } };
    w.src = bytes_new((size_t) (channels * side * side));
    w.dst = bytes_new((size_t) (channels * ppq_window_2d_dst_pixels(&win)));
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    require(ppq_depthwise_prepare(&w.desc, isa, &w.k, d) == PPQ_OK, "prepare");
    theirs t = depthwise_theirs(&w);
    char name[64];
    snprintf(name, sizeof(name), "depthwise %dx%d/%d %4lld @ %3lld", size, size, stride,
             (long long) channels, (long long) win.dst_size[0]);
    compare(name, depthwise_run, &w, t.op ? &t : NULL, sum);
    if (t.op)
        theirs_end(&t);
    ppq_depthwise_destroy(w.k);
    ppq_diag_destroy(d);
    free(w.src);
    free(w.dst);
}

typedef struct layer {
    int size, stride;
    int64_t channels, side;
    int times;
} layer;

static void bench_layers(ppq_isa isa, const char *name, const layer *l, size_t n)
{
    totals sum = { 0 };
    for (size_t i = 0; i < n; i++) {
        totals one = { 0 };
        bench_depthwise(isa, l[i].size, l[i].stride, l[i].channels, l[i].side, &one);
        sum.own += one.own * l[i].times;
        sum.theirs += one.theirs * l[i].times;
    }
    printf("%-34s %9.1f us  oneDNN %9.1f us  %5.2fx\n", name, sum.own, sum.theirs,
           sum.theirs / sum.own);
}

static void bench_all_depthwise(ppq_isa isa)
{
    static const layer v1[] = { { 3, 1, 32, 112, 1 }, { 3, 2, 64, 112, 1 }, { 3, 1, 128, 56, 1 },
                                { 3, 2, 128, 56, 1 }, { 3, 1, 256, 28, 1 }, { 3, 2, 256, 28, 1 },
                                { 3, 1, 512, 14, 5 }, { 3, 2, 512, 14, 1 }, { 3, 1, 1024, 7, 1 } };
    static const layer v2[] = { { 3, 1, 32, 112, 1 }, { 3, 2, 96, 112, 1 }, { 3, 1, 144, 56, 1 },
                                { 3, 2, 144, 56, 1 }, { 3, 1, 192, 28, 2 }, { 3, 2, 192, 28, 1 },
                                { 3, 1, 384, 14, 4 }, { 3, 1, 576, 14, 2 }, { 3, 2, 576, 14, 1 },
                                { 3, 1, 960, 7, 3 } };
    static const layer more[] = { { 3, 1, 24, 56, 1 },  { 3, 1, 72, 56, 1 },  { 5, 2, 72, 56, 1 },
                                  { 5, 1, 120, 28, 1 }, { 5, 1, 672, 14, 1 }, { 5, 2, 672, 14, 1 },
                                  { 7, 1, 96, 56, 1 } };
    bench_layers(isa, "MobileNet-V1, all of them", v1, PPQ_COUNT(v1));
    bench_layers(isa, "MobileNet-V2, all of them", v2, PPQ_COUNT(v2));
    bench_layers(isa, "others", more, PPQ_COUNT(more));
}

// ---- quantize -------------------------------------------------------------------------------

typedef struct stream {
    ppq_isa isa;
    ppq_q8 q;
    ppq_q8_image image;
    float *real;
    uint8_t *bytes;
    int64_t n;
} stream;

static void quantize_run(void *user)
{
    const stream *s = user;
    ppq_q8_quantize(s->isa, &s->q, s->real, s->bytes, s->n);
}

static void dequantize_run(void *user)
{
    const stream *s = user;
    ppq_q8_dequantize(s->isa, &s->q, s->bytes, s->real, s->n);
}

static void image_run(void *user)
{
    const stream *s = user;
    ppq_q8_image_quantize(s->isa, &s->image, &s->q, s->real, s->bytes, 0,
                          ppq_q8_image_rows(&s->image));
}

static theirs reorder_theirs(const ppq_dnnl_md *src, const ppq_dnnl_md *dst, bool back, stream *s)
{
    const ppq_dnnl_quant to = { 1, s->q.scale, 0, s->q.zero, NULL, 0 };
    const ppq_dnnl_quant from = { s->q.scale, 1, s->q.zero, 0, NULL, 0 };
    ppq_dnnl_op *op;
    require(ppq_dnnl_reorder(src, dst, back ? &from : &to, &op) == PPQ_OK, "reorder");
    theirs t = theirs_new(op);
    bind(&t, PPQ_DNNL_SRC, back ? (void *) s->bytes : s->real);
    bind(&t, PPQ_DNNL_DST, back ? (void *) s->real : s->bytes);
    return t;
}

static void bench_quantize(ppq_isa isa)
{
    stream s = {
        .isa = isa, .q = ppq_q8_u8(0.02f, 128), .n = 802816, .image = { 3, 224, 224, 1, 1, 1, 1 }
    };
    s.real = floats_new((size_t) s.n);
    s.bytes = bytes_new((size_t) s.n);
    const ppq_shape flat = ppq_shape_1d(s.n);
    const ppq_dnnl_md real = ppq_dnnl_md_of(PPQ_DT_F32, &flat, PPQ_LAYOUT_PLAIN);
    const ppq_dnnl_md bytes = ppq_dnnl_md_of(PPQ_DT_U8, &flat, PPQ_LAYOUT_PLAIN);
    theirs t = reorder_theirs(&real, &bytes, false, &s);
    compare("quantize 802816", quantize_run, &s, &t, NULL);
    theirs_end(&t);
    t = reorder_theirs(&bytes, &real, true, &s);
    compare("dequantize 802816", dequantize_run, &s, &t, NULL);
    theirs_end(&t);
    const ppq_dnnl_md planes = md4(PPQ_DT_F32, PPQ_LAYOUT_PLAIN, 1, 3, 224, 224);
    const ppq_dnnl_md pixels = md4(PPQ_DT_U8, PPQ_LAYOUT_CHANNELS_LAST, 1, 3, 224, 224);
    t = reorder_theirs(&planes, &pixels, false, &s);
    compare("image 3x224x224 (theirs unpadded)", image_run, &s, &t, NULL);
    theirs_end(&t);
    free(s.real);
    free(s.bytes);
}

// ---- streams of bytes -----------------------------------------------------------------------

typedef struct bytes {
    ppq_isa isa;
    uint8_t *a, *b, *dst;
    uint8_t table[PPQ_LUT_SIZE];
    ppq_q8_requantize map;
    ppq_q8_binary binary;
    ppq_q8_pool pool;
    int64_t n_rows, n_cols, stride;
} bytes;

static void lut_run(void *user)
{
    bytes *s = user;
    ppq_lut_run(s->isa, s->table, s->a, s->dst, s->n_rows * s->n_cols);
}

static void plain_lut_run(void *user)
{
    bytes *s = user;
    ppq_lut_run(PPQ_ISA_PORTABLE, s->table, s->a, s->dst, s->n_rows * s->n_cols);
}

static void requantize_run(void *user)
{
    bytes *s = user;
    ppq_q8_requantize_run(s->isa, &s->map, s->a, s->n_cols, s->dst, s->stride, s->n_rows,
                          s->n_cols);
}

static void binary_run(void *user)
{
    bytes *s = user;
    ppq_q8_binary_run(s->isa, &s->binary, s->a, s->n_cols, s->b, s->n_cols, s->dst, s->n_rows,
                      s->n_cols);
}

static void per_channel_run(void *user)
{
    bytes *s = user;
    ppq_q8_binary_run(s->isa, &s->binary, s->a, s->n_cols, s->b, 0, s->dst, s->n_rows, s->n_cols);
}

static void average_run(void *user)
{
    bytes *s = user;
    ppq_q8_pool_average(s->isa, &s->pool, s->a, s->dst, 0, s->pool.win.dst_size[0]);
}

static void max_run(void *user)
{
    bytes *s = user;
    ppq_q8_pool_max(s->isa, &s->pool, s->a, s->dst, 0, s->pool.win.dst_size[0]);
}

static void to_planes_run(void *user)
{
    bytes *s = user;
    ppq_transpose_8(s->isa, s->a, s->n_cols, s->dst, s->n_rows, s->n_rows, s->n_cols);
}

static void to_pixels_run(void *user)
{
    bytes *s = user;
    ppq_transpose_8(s->isa, s->a, s->n_rows, s->dst, s->n_cols, s->n_cols, s->n_rows);
}

static void words_run(void *user)
{
    bytes *s = user;
    ppq_transpose_32(s->isa, s->a, s->n_cols, s->dst, s->n_rows, s->n_rows, s->n_cols);
}

static theirs bound(ppq_dnnl_op *op, bytes *s)
{
    theirs t = theirs_new(op);
    bind(&t, PPQ_DNNL_SRC, s->a);
    bind(&t, PPQ_DNNL_DST, s->dst);
    return t;
}

static void bench_lut(bytes s)
{
    s.n_rows = 1;
    s.n_cols = 1 << 20;
    compare("table, 1 MB", lut_run, &s, NULL, NULL);
    compare("table, 1 MB, plain C", plain_lut_run, &s, NULL, NULL);
}

// One of four operands of a Concat.
static void bench_requantize(bytes s, int64_t side, int64_t channels)
{
    s.n_rows = side * side;
    s.n_cols = channels;
    s.stride = 4 * channels;
    const ppq_q8 from = ppq_q8_u8(0.02f, 3), to = ppq_q8_u8(0.03f, 5);
    ppq_q8_requantize_prepare(&from, &to, &s.map);
    const ppq_dnnl_md src = md4(PPQ_DT_U8, PPQ_LAYOUT_CHANNELS_LAST, 1, channels, side, side);
    ppq_dnnl_md dst = src;
    dst.stride[0] = 4 * src.stride[0];
    dst.stride[2] = 4 * src.stride[2];
    dst.stride[3] = 4 * src.stride[3];
    const ppq_dnnl_quant q = { from.scale, to.scale, from.zero, to.zero, NULL, 0 };
    ppq_dnnl_op *op;
    require(ppq_dnnl_reorder(&src, &dst, &q, &op) == PPQ_OK, "reorder");
    theirs t = bound(op, &s);
    char name[64];
    snprintf(name, sizeof(name), "concat, %lld @ %lld of 4", (long long) channels,
             (long long) side);
    compare(name, requantize_run, &s, &t, NULL);
    theirs_end(&t);
}

static void bench_binary(bytes s, ppq_q8_alg alg, const char *name, bool per_channel)
{
    s.n_rows = 56 * 56;
    s.n_cols = 256;
    s.binary =
        (ppq_q8_binary){ alg, ppq_q8_u8(0.0213f, 0), ppq_q8_u8(0.0307f, 0), ppq_q8_u8(0.0411f, 0) };
    const ppq_dnnl_md a = md4(PPQ_DT_U8, PPQ_LAYOUT_CHANNELS_LAST, 1, 256, 56, 56);
    const ppq_dnnl_md b = per_channel ? md4(PPQ_DT_U8, PPQ_LAYOUT_CHANNELS_LAST, 1, 256, 1, 1) : a;
    ppq_dnnl_op *op = NULL;
    const bool have = ppq_dnnl_binary(alg == PPQ_Q8_ADD ? PPQ_DNNL_ADD : PPQ_DNNL_MUL, &a, &b, &a,
                                      NULL, &op) == PPQ_OK;
    theirs t = { 0 };
    if (have) {
        t = bound(op, &s);
        bind(&t, PPQ_DNNL_SRC_1, s.b);
    }
    compare(name, per_channel ? per_channel_run : binary_run, &s, have ? &t : NULL, NULL);
    if (have)
        theirs_end(&t);
}

static void bench_pool(bytes s, bool max, int64_t channels, int64_t side, int64_t size,
                       int64_t stride, int64_t pad)
{
    const ppq_q8 q = ppq_q8_u8(0.02f, 0);
    const ppq_window_2d win = square_window(side, side, size, stride, pad);
    s.pool = (ppq_q8_pool){
        .channels = channels, .win = win, .pad_hi = { pad, pad }, .src = q, .dst = q
    };
    const ppq_dnnl_window w = dnnl_window(&win);
    const ppq_dnnl_md src = src_md(PPQ_DT_U8, channels, &win);
    const ppq_dnnl_md dst = dst_md(PPQ_DT_U8, channels, &win);
    ppq_dnnl_op *op;
    require(ppq_dnnl_pool(max ? PPQ_DNNL_POOL_MAX : PPQ_DNNL_POOL_AVG, &src, &dst, &w, &op) ==
                PPQ_OK,
            "pool");
    theirs t = bound(op, &s);
    char name[64];
    snprintf(name, sizeof(name), "%s pool %lldx%lld/%lld %lld @ %lld", max ? "max" : "average",
             (long long) size, (long long) size, (long long) stride, (long long) channels,
             (long long) win.dst_size[0]);
    compare(name, max ? max_run : average_run, &s, &t, NULL);
    theirs_end(&t);
}

static void bench_transpose(bytes s, ppq_dtype dt, bool to_planes, int64_t channels, int64_t side)
{
    s.n_rows = side * side;
    s.n_cols = channels;
    const ppq_dnnl_md pixels = md4(dt, PPQ_LAYOUT_CHANNELS_LAST, 1, channels, side, side);
    const ppq_dnnl_md planes = md4(dt, PPQ_LAYOUT_PLAIN, 1, channels, side, side);
    ppq_dnnl_op *op;
    require(ppq_dnnl_reorder(to_planes ? &pixels : &planes, to_planes ? &planes : &pixels, NULL,
                             &op) == PPQ_OK,
            "reorder");
    theirs t = bound(op, &s);
    char name[64];
    snprintf(name, sizeof(name), "%s to %s, %s, %lld @ %lld", to_planes ? "nhwc" : "nchw",
             to_planes ? "nchw" : "nhwc", ppq_dtype_name(dt), (long long) channels,
             (long long) side);
    compare(name,
            dt == PPQ_DT_F32 ? words_run
            : to_planes      ? to_planes_run
                             : to_pixels_run,
            &s, &t, NULL);
    theirs_end(&t);
}

static void bench_bytes(ppq_isa isa)
{
    const size_t size = 4 << 20;
    bytes s = { .isa = isa, .a = bytes_new(size), .b = bytes_new(size), .dst = bytes_new(size) };
    for (int i = 0; i < PPQ_LUT_SIZE; i++)
        s.table[i] = (uint8_t) (7 * i + 3);
    bench_lut(s);
    bench_requantize(s, 56, 64);
    bench_requantize(s, 28, 24);
    bench_requantize(s, 14, 256);
    bench_binary(s, PPQ_Q8_ADD, "add 256 @ 56", false);
    bench_binary(s, PPQ_Q8_MUL, "mul 256 @ 56 by 256", true);
    bench_pool(s, false, 1024, 7, 7, 1, 0);
    bench_pool(s, false, 2048, 7, 7, 1, 0);
    bench_pool(s, false, 192, 28, 3, 1, 1);
    bench_pool(s, true, 64, 112, 3, 2, 1);
    bench_pool(s, true, 192, 28, 3, 1, 1);
    bench_pool(s, true, 64, 224, 2, 2, 0);
    bench_transpose(s, PPQ_DT_U8, true, 64, 56);
    bench_transpose(s, PPQ_DT_U8, false, 64, 56);
    bench_transpose(s, PPQ_DT_F32, true, 64, 56);
    free(s.a);
    free(s.b);
    free(s.dst);
}

int main(int argc, char **argv)
{
    ppq_isa isa = ppq_isa_detect();
    if (argc > 1 && (!ppq_isa_find(argv[1], &isa) || isa > ppq_isa_detect())) {
        fprintf(stderr, "usage: kernels [ISA], at most %s here\n", ppq_isa_name(ppq_isa_detect()));
        return 1;
    }
    ppq_dnnl_set_threads(1);
    printf("own: %s; oneDNN %s\n", ppq_isa_name(isa), ppq_dnnl_version());
    bench_all_direct(isa);
    bench_all_depthwise(isa);
    bench_quantize(isa);
    bench_bytes(isa);
    return 0;
}
