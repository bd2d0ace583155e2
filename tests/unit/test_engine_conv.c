// The engine's own float convolutions: the same numbers at every level of instructions and for any
// split of the work, those of the definition.

#include <stdio.h>

#include "executor/engine/engine.h"
#include "executor/engine/kernels/direct_conv.h"
#include "executor/engine/kernels/winograd.h"
#include "tests/unit/kernel_fixture.h"

static float *random_floats(ppq_rng *r, int64_t n)
{
    float *p = malloc((size_t) PPQ_MAX(n, 1) * sizeof(*p));
    if (!p)
        ck_abort_msg("no memory");
    for (int64_t i = 0; i < n; i++)
        p[i] = (float) ppq_rng_normal(r);
    return p;
}

// ---- the definition -------------------------------------------------------------------------

typedef struct operands {
    float *src, *weights, *bias, *before; // before: what dst holds
} operands;

static float sum_naive(const ppq_float_conv *c, const operands *o, const float *image,
                       int64_t group, int64_t y, int64_t x, int64_t channel)
{
    const ppq_window_2d *w = &c->win;
    float sum = o->bias ? o->bias[channel] : 0;
    for (int64_t i = 0; i < w->kernel[0]; i++)
        for (int64_t j = 0; j < w->kernel[1]; j++) {
            const int64_t pixel = window_pixel(w, y, x, i, j);
            if (pixel < 0)
                continue;
            const float *src = image + pixel * c->in * c->groups + group * c->in;
            for (int64_t k = 0; k < c->in; k++)
                sum = fmaf(
                    src[k],
                    o->weights[((channel * c->in + k) * w->kernel[0] + i) * w->kernel[1] + j], sum);
        }
    return sum;
}

static float end_naive(const ppq_float_conv *c, float x, float before)
{
    for (int i = 0; i < c->n_end; i++) {
        const ppq_conv_end *e = &c->end[i];
        if (e->kind == PPQ_CONV_END_ADD)
            x += before;
        else if (e->kind == PPQ_CONV_END_RELU)
            x = x < 0 ? e->a * x : x;
        else
            x = x < e->a ? e->a : x > e->b ? e->b : x;
    }
    return x;
}

static int64_t src_floats(const ppq_float_conv *c)
{
    return c->batch * ppq_window_2d_src_pixels(&c->win) * c->in * c->groups;
}

static int64_t dst_floats(const ppq_float_conv *c)
{
    return c->batch * ppq_window_2d_dst_pixels(&c->win) * c->out * c->groups;
}

static void naive(const ppq_float_conv *c, const operands *o, float *dst)
{
    const int64_t channels = c->out * c->groups;
    const int64_t width = c->win.dst_size[1], height = c->win.dst_size[0];
    for (int64_t i = 0; i < dst_floats(c); i++) {
        const int64_t channel = i % channels, x = i / channels % width;
        const int64_t y = i / channels / width % height, n = i / channels / width / height;
        const float sum = sum_naive(c, o, o->src + n * (src_floats(c) / c->batch), channel / c->out,
                                    y, x, channel);
        dst[i] = end_naive(c, sum, o->before[i]);
    }
}

// ---- every level against it -----------------------------------------------------------------

static void check_floats(const area *a, const float *want, int64_t n, ppq_isa isa)
{
    const float *got = (const float *) (const void *) a->bytes;
    for (int64_t i = 0; i < n; i++)
        if (!(got[i] == want[i]))
            ck_abort_msg("%s: element %lld of %lld is %.9g, expected %.9g", ppq_isa_name(isa),
                         (long long) i, (long long) n, (double) got[i], (double) want[i]);
    area_check(a, a->bytes, "convolution", isa);
}

static void check_level(const ppq_float_conv *c, const operands *o, const float *want,
                        int64_t parts, ppq_isa isa)
{
    ppq_direct_conv k;
    ppq_direct_conv_init(&k, c, isa);
    float *memory = malloc((size_t) ppq_direct_conv_floats(&k) * sizeof(float));
    ck_assert(memory != NULL && ppq_direct_conv_pack(&k, o->weights, o->bias, memory));
    area y = area_new((size_t) dst_floats(c) * sizeof(float));
    memcpy(y.bytes, o->before, y.n);
    const int64_t n = ppq_direct_conv_units(&k);
    for (int64_t p = parts; p-- > 0;)
        ppq_direct_conv_run(&k, o->src, (float *) (void *) y.bytes, p * n / parts,
                            (p + 1) * n / parts);
    check_floats(&y, want, dst_floats(c), isa);
    area_end(&y);
    free(memory);
}

static operands operands_new(const ppq_float_conv *c, ppq_rng *r)
{
    const int64_t channels = c->out * c->groups;
    operands o = { .src = random_floats(r, src_floats(c)),
                   .weights = random_floats(r, channels * c->in * ppq_window_2d_taps(&c->win)),
                   .before = random_floats(r, dst_floats(c)) };
    if (random_int(r, 0, 3))
        o.bias = random_floats(r, channels);
    return o;
}

static void operands_end(operands *o)
{
    free(o->src);
    free(o->weights);
    free(o->bias);
    free(o->before);
}

static void check(const ppq_float_conv *c, ppq_rng *r)
{
    operands o = operands_new(c, r);
    float *want = random_floats(r, dst_floats(c));
    naive(c, &o, want);
    FOR_EACH_ISA(isa)
    for (int parts = 1; parts <= 3; parts++)
        check_level(c, &o, want, parts, isa);
    operands_end(&o);
    free(want);
}

static void random_ends(ppq_float_conv *c, ppq_rng *r)
{
    c->n_end = random_int(r, 0, 3);
    for (int i = 0; i < c->n_end; i++) {
        const int kind = random_int(r, 0, 3);
        c->end[i] = kind == 0   ? (ppq_conv_end){ .kind = PPQ_CONV_END_ADD }
                    : kind == 1 ? (ppq_conv_end){ .kind = PPQ_CONV_END_RELU }
                    : kind == 2 ? (ppq_conv_end){ .kind = PPQ_CONV_END_RELU, .a = 0.1f }
                                : (ppq_conv_end){ PPQ_CONV_END_CLIP, -1, 3 };
    }
}

START_TEST(common_windows_are_exact)
{
    static const int channels[] = { 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 48, 65, 130 };
    ppq_rng r = ppq_rng_seed(40, (uint64_t) _i);
    for (int k = 0; k < 12; k++) {
        const int stride = random_int(&r, 1, 2), pad = random_int(&r, 0, 1);
        ppq_float_conv c = { .batch = random_int(&r, 1, 3),
                             .groups = 1,
                             .in = random_int(&r, 1, 40),
                             .out = channels[_i] };
        const int height = random_int(&r, 1, 9), width = random_int(&r, 1, 23);
        c.win = square_window(height, width, 3, stride, pad);
        random_results(&r, &c.win);
        random_ends(&c, &r);
        check(&c, &r);
    }
}
END_TEST

START_TEST(any_window_is_exact)
{
    ppq_rng r = ppq_rng_seed(41, (uint64_t) _i);
    for (int k = 0; k < 40; k++) {
        ppq_float_conv c = { .batch = random_int(&r, 1, 3),
                             .groups = random_int(&r, 1, 3),
                             .in = random_int(&r, 1, 20),
                             .out = random_int(&r, 1, 40) };
        c.win = random_window(&r, 6, 3);
        random_ends(&c, &r);
        check(&c, &r);
    }
}
END_TEST

// More channels and pixels than a chunk and a panel take.
START_TEST(several_panels_and_chunks_are_exact)
{
    ppq_rng r = ppq_rng_seed(42, 0);
    for (int deep = 0; deep < 2; deep++) {
        ppq_float_conv c = { .batch = 1,
                             .groups = 1,
                             .in = deep ? 300 : 64,
                             .out = deep ? 70 : 40,
                             .win = square_window(20, deep ? 20 : 90, 3, 1, 1) };
        check(&c, &r);
    }
}
END_TEST

START_TEST(nan_goes_through)
{
    ppq_float_conv c = { .batch = 1,
                         .groups = 1,
                         .in = 1,
                         .out = 20,
                         .win = square_window(1, 1, 1, 1, 0),
                         .end = { { PPQ_CONV_END_RELU, 0, 0 },
                                  { PPQ_CONV_END_RELU, 0.5f, 0 },
                                  { PPQ_CONV_END_CLIP, 0, 1 } },
                         .n_end = 3 };
    float src = NAN, weights[20], dst[20];
    for (int i = 0; i < 20; i++)
        weights[i] = 1;
    FOR_EACH_ISA(isa)
    {
        ppq_direct_conv k;
        ppq_direct_conv_init(&k, &c, isa);
        float *memory = malloc((size_t) ppq_direct_conv_floats(&k) * sizeof(float));
        ck_assert(ppq_direct_conv_pack(&k, weights, NULL, memory));
        ppq_direct_conv_run(&k, &src, dst, 0, ppq_direct_conv_units(&k));
        for (int i = 0; i < 20; i++)
            ck_assert(isnan(dst[i]));
        // Zeros of the padding would not hide it.
        weights[19] = INFINITY;
        ck_assert(!ppq_direct_conv_pack(&k, weights, NULL, memory));
        weights[19] = 1;
        free(memory);
    }
}
END_TEST

// ---- Winograd's algorithm -------------------------------------------------------------------

// `parts` threads, one after the other.
static area winograd(const ppq_float_conv *c, const operands *o, int parts, ppq_isa isa)
{
    ppq_winograd k;
    ppq_winograd_init(&k, c, isa, parts);
    float *memory = malloc((size_t) ppq_winograd_floats(&k) * sizeof(float));
    ck_assert(memory != NULL && ppq_winograd_pack(&k, o->weights, o->bias, memory));
    area y = area_new((size_t) dst_floats(c) * sizeof(float));
    memcpy(y.bytes, o->before, y.n);
    area scratch = area_new(ppq_winograd_scratch(&k));
    const int64_t n = ppq_winograd_units(&k);
    for (int64_t p = parts; p-- > 0;)
        ppq_winograd_run(&k, o->src, (float *) (void *) y.bytes, p * n / parts, (p + 1) * n / parts,
                         scratch.bytes);
    area_check(&scratch, scratch.bytes, "scratch", isa);
    area_end(&scratch);
    free(memory);
    return y;
}

static void check_winograd(const ppq_float_conv *c, ppq_rng *r)
{
    operands o = operands_new(c, r);
    float *want = random_floats(r, dst_floats(c));
    naive(c, &o, want);
    double range = 1;
    for (int64_t i = 0; i < dst_floats(c); i++)
        range = fmax(range, fabs((double) want[i]));
    area first = winograd(c, &o, 1, PPQ_ISA_PORTABLE);
    for (int64_t i = 0; i < dst_floats(c); i++) {
        const double got = (double) ((const float *) (const void *) first.bytes)[i];
        if (!(fabs(got - (double) want[i]) < 1e-4 * range))
            ck_abort_msg("element %lld is %.9g, expected %.9g", (long long) i, got,
                         (double) want[i]);
    }
    FOR_EACH_ISA(isa)
    for (int parts = 1; parts <= 3; parts++) {
        area y = winograd(c, &o, parts, isa);
        area_check(&y, first.bytes, "winograd", isa);
        area_end(&y);
    }
    area_end(&first);
    operands_end(&o);
    free(want);
}

START_TEST(winograd_is_close)
{
    ppq_rng r = ppq_rng_seed(43, (uint64_t) _i);
    for (int k = 0; k < 10; k++) {
        ppq_float_conv c = { .batch = random_int(&r, 1, 3),
                             .groups = 1,
                             .in = random_int(&r, 1, 40),
                             .out = random_int(&r, 1, 70),
                             .win = square_window(1, 1, 3, 1, 0) };
        for (int i = 0; i < 2; i++) {
            c.win.src_size[i] = random_int(&r, 1, 14);
            c.win.pad_lo[i] = random_int(&r, 0, 3);
        }
        random_results(&r, &c.win);
        random_ends(&c, &r);
        ck_assert(ppq_winograd_can(&c));
        check_winograd(&c, &r);
    }
}
END_TEST

START_TEST(winograd_takes_several_panels)
{
    ppq_rng r = ppq_rng_seed(44, 0);
    const ppq_float_conv c = {
        .batch = 1, .groups = 1, .in = 17, .out = 9, .win = square_window(50, 150, 3, 1, 1)
    };
    check_winograd(&c, &r);
}
END_TEST

START_TEST(winograd_knows_its_limits)
{
    const ppq_float_conv c = { .groups = 1, .win = square_window(8, 8, 3, 1, 1) };
    ppq_float_conv strided = c, grouped = c, dilated = c, wide = c;
    strided.win.stride[1] = 2;
    grouped.groups = 2;
    dilated.win.dilation[0] = 2;
    wide.win.kernel[1] = 5;
    ck_assert(ppq_winograd_can(&c) && !ppq_winograd_can(&strided) && !ppq_winograd_can(&grouped) &&
              !ppq_winograd_can(&dilated) && !ppq_winograd_can(&wide));
}
END_TEST

// ---- in the engine --------------------------------------------------------------------------

static ppq_var *conv(world *w, ppq_var *x, int64_t in, int64_t out, int64_t stride, uint64_t stream)
{
    ppq_op *op =
        add_op(w, "Conv", x, add_const(w, "w", tensor_normal(SHAPE(out, in, 3, 3), stream)),
               add_const(w, "b", tensor_normal(SHAPE(out), stream + 1)));
    ppq_op_set_ints(w->g, op, "strides", (const int64_t[]){ stride, stride }, 2);
    ppq_op_set_ints(w->g, op, "pads", (const int64_t[]){ 1, 1, 1, 1 }, 4);
    return op->out[0];
}

enum { DEEP = 40, SIDE = 84 };

// What follows: nothing, an activation, a residual sum, an activation that is not ours.
static world build(int variant)
{
    world w = world_new();
    ppq_var *x = add_input(&w, "x", SHAPE(1, DEEP, SIDE, SIDE));
    ppq_var *y = conv(&w, x, DEEP, variant == 2 ? DEEP : 18, variant == 3 ? 2 : 1, 3);
    if (variant == 1)
        y = add_op(&w, "LeakyRelu", y, NULL, NULL)->out[0];
    if (variant == 2)
        y = add_op(&w, "Relu", add_op(&w, "Add", y, x, NULL)->out[0], NULL, NULL)->out[0];
    if (variant == 3)
        y = add_op(&w, "Sigmoid", y, NULL, NULL)->out[0];
    ppq_graph_rename_var(w.g, y, "y");
    ppq_graph_mark_output(w.g, y);
    ppq_graph_compact(w.g);
    return w;
}

static size_t count_steps(const ppq_engine *e, const char *kernel)
{
    size_t n = 0;
    for (size_t i = 0; i < ppq_engine_n_steps(e); i++)
        n += strcmp(ppq_engine_get_step(e, i).kernel, kernel) == 0;
    return n;
}

// With one to three threads.
static void check_engine(world *w, const ppq_tensor *x, bool fast, const char *kernel, size_t steps)
{
    ppq_tensor want = run_graph(w->g, x, w->d), y[3];
    for (int n = 0; n < 3; n++) {
        const ppq_engine_opts o = { .n_threads = n + 1, .isa = 1 + PPQ_ISA_AVX2, .winograd = fast };
        ppq_engine *e;
        OK(w->d, ppq_engine_create(w->g, &o, &e, w->d));
        ck_assert_uint_eq(count_steps(e, kernel), steps);
        OK(w->d, ppq_engine_run(e, x, &y[n], NULL, NULL, w->d));
        check_near(&y[n], &want, fast ? 1e-4 : 1e-5);
        ck_assert(ppq_tensor_equal(&y[n], &y[0]));
        ppq_engine_destroy(e);
    }
    for (int n = 0; n < 3; n++)
        ppq_tensor_unref(&y[n]);
    ppq_tensor_unref(&want);
}

START_TEST(large_images_are_ours)
{
    if (ppq_isa_detect() < PPQ_ISA_AVX2)
        return;
    world w = build(_i);
    ppq_tensor x = tensor_normal(SHAPE(1, DEEP, SIDE, SIDE), 7);
    check_engine(&w, &x, false, "conv direct", _i != 3);
    check_engine(&w, &x, false, "conv winograd", 0);
    check_engine(&w, &x, true, "conv winograd", _i < 3);
    ppq_tensor_unref(&x);
    world_end(&w);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { common_windows_are_exact, 13 },
        { any_window_is_exact, 5 },
        { several_panels_and_chunks_are_exact, 1 },
        { nan_goes_through, 1 },
        { winograd_is_close, 8 },
        { winograd_takes_several_panels, 1 },
        { winograd_knows_its_limits, 1 },
        { large_images_are_ours, 4 },
    };
    return run_tests("engine-conv", tests, PPQ_COUNT(tests));
}
