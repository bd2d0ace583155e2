// The engine's exact convolution of bytes: the definition's numbers at every level of instructions
// and for any split of the work, and what the engine makes of weights that saturate elsewhere.

#include <stdio.h>

#include "executor/dnnl/compat.h"
#include "executor/engine/engine.h"
#include "executor/engine/kernels/q8_conv.h"
#include "tests/unit/kernel_fixture.h"

typedef struct operands {
    uint8_t *src, *before; // before: what dst holds
    int8_t *weights;
    double *scale;
    float *bias;
} operands;

static void *bytes_to_the_ends(ppq_rng *r, int64_t n)
{
    unsigned char *p = malloc((size_t) PPQ_MAX(n, 1));
    if (!p)
        ck_abort_msg("no memory");
    // Often the ends, whose sums are the largest.
    for (int64_t i = 0; i < n; i++)
        p[i] = (unsigned char) (random_int(r, 0, 3) ? random_int(r, 0, 255)
                                                    : 255 * random_int(r, 0, 1));
    return p;
}

static int64_t channels(const ppq_q8_conv_desc *c)
{
    return c->out * c->groups;
}

static int64_t src_bytes(const ppq_q8_conv_desc *c)
{
    return c->batch * ppq_window_2d_src_pixels(&c->win) * c->in * c->groups;
}

static int64_t dst_elements(const ppq_q8_conv_desc *c)
{
    return c->batch * ppq_window_2d_dst_pixels(&c->win) * channels(c);
}

// ---- the definition -------------------------------------------------------------------------

static int64_t sum_naive(const ppq_q8_conv_desc *c, const operands *o, const uint8_t *image,
                         int64_t y, int64_t x, int64_t channel)
{
    int64_t sum = 0;
    for (int64_t i = 0; i < c->win.kernel[0]; i++)
        for (int64_t j = 0; j < c->win.kernel[1]; j++) {
            const int64_t pixel = window_pixel(&c->win, y, x, i, j);
            if (pixel < 0)
                continue;
            const uint8_t *src = image + pixel * c->in * c->groups + channel / c->out * c->in;
            for (int64_t k = 0; k < c->in; k++)
                sum += (src[k] - c->src_zero) *
                       o->weights[channel * c->wei_out + k * c->wei_in + i * c->win.kernel[1] + j];
        }
    return sum;
}

static double end_naive(const ppq_q8_conv_desc *c, double x, double before)
{
    for (int i = 0; i < c->n_end; i++) {
        const ppq_q8_end *e = &c->end[i];
        const double a = (double) e->a, b = (double) e->b;
        switch (e->kind) {
        case PPQ_Q8_END_ADD:
            x += a * (before - e->zero);
            break;
        case PPQ_Q8_END_RELU:
            x = x < 0 ? a * x : x;
            break;
        case PPQ_Q8_END_CLIP:
            x = x < a ? a : x > b ? b : x;
            break;
        case PPQ_Q8_END_ROUND:
            x = rint(x);
            break;
        case PPQ_Q8_END_LINEAR:
            x = a * x + b;
            break;
        case PPQ_Q8_END_HARD_SWISH:
            x *= fmin(fmax(x / 6 + 0.5, 0), 1);
            break;
        case PPQ_Q8_END_FUNCTION:
            x = tanh(x);
            break;
        }
    }
    return x;
}

// ---- every level against it -----------------------------------------------------------------

// Float arithmetic after the sum may move a result across a tie, by one quantum; and with the
// rounding of an inner grid by that grid's.
static double tolerance(const ppq_q8_conv_desc *c, double x)
{
    double t = 1e-4 + 1e-5 * fabs(x);
    for (int i = 0; i < c->n_end; i++)
        t = c->end[i].kind == PPQ_Q8_END_ROUND ? 1.01 : t;
    return c->to_float ? t : t / (double) c->dst_scale + 0.5;
}

static void check_element(const ppq_q8_conv_desc *c, const operands *o, const area *dst, int64_t i,
                          ppq_isa isa)
{
    const int64_t n_channels = channels(c), width = c->win.dst_size[1], height = c->win.dst_size[0];
    const int64_t channel = i % n_channels, x = i / n_channels % width;
    const int64_t y = i / n_channels / width % height, n = i / n_channels / width / height;
    const int64_t sum = sum_naive(c, o, o->src + n * (src_bytes(c) / c->batch), y, x, channel);
    const double real =
        end_naive(c, (double) sum * o->scale[channel] + (double) (o->bias ? o->bias[channel] : 0),
                  c->to_float ? (double) ((float *) (void *) o->before)[i] : o->before[i]);
    const double want =
        c->to_float ? real : fmin(fmax(real / (double) c->dst_scale + c->dst_zero, 0), 255);
    const double got = c->to_float ? (double) ((float *) (void *) dst->bytes)[i] : dst->bytes[i];
    if (!(fabs(got - want) <= tolerance(c, real)))
        ck_abort_msg("%s: element %lld is %g, expected %g", ppq_isa_name(isa), (long long) i, got,
                     want);
}

static area run_level(ppq_q8_conv_desc *c, const operands *o, int64_t parts, ppq_isa isa)
{
    ppq_q8_conv k;
    c->weights = o->weights;
    ck_assert(ppq_q8_conv_init(&k, c, isa));
    area memory = area_new(ppq_q8_conv_bytes(&k)), scratch = area_new(ppq_q8_conv_scratch(&k));
    area dst = area_new((size_t) dst_elements(c) * (c->to_float ? sizeof(float) : 1));
    memcpy(dst.bytes, o->before, dst.n);
    ppq_q8_conv_pack(&k, o->scale, o->bias, memory.bytes);
    const int64_t n = ppq_q8_conv_units(&k);
    for (int64_t p = parts; p-- > 0;)
        ppq_q8_conv_run(&k, o->src, dst.bytes, scratch.bytes, p * n / parts, (p + 1) * n / parts);
    area_check(&dst, dst.bytes, "convolution", isa);
    area_check(&memory, memory.bytes, "weights", isa);
    area_check(&scratch, scratch.bytes, "scratch", isa);
    area_end(&memory);
    area_end(&scratch);
    return dst;
}

static void check(ppq_q8_conv_desc *c, ppq_rng *r)
{
    operands o = { .src = bytes_to_the_ends(r, src_bytes(c)),
                   .weights = bytes_to_the_ends(r, channels(c) * c->wei_out),
                   .before = bytes_to_the_ends(r, dst_elements(c) * (int64_t) sizeof(float)),
                   .scale = calloc((size_t) channels(c), sizeof(double)) };
    if (random_int(r, 0, 3))
        o.bias = calloc((size_t) channels(c), sizeof(float));
    for (int64_t i = 0; i < channels(c); i++) {
        o.scale[i] = 1e-4 * random_int(r, 1, 99);
        if (o.bias)
            o.bias[i] = (float) ppq_rng_normal(r);
    }
    for (int64_t i = 0; c->to_float && i < dst_elements(c); i++)
        ((float *) (void *) o.before)[i] = (float) ppq_rng_normal(r);
    area first = { 0 };
    FOR_EACH_ISA(isa)
    for (int parts = 1; parts <= 3; parts++) {
        area dst = run_level(c, &o, parts, isa);
        if (!first.bytes) {
            first = dst;
            for (int64_t i = 0; i < dst_elements(c); i++)
                check_element(c, &o, &dst, i, isa);
            continue;
        }
        ck_assert_msg(memcmp(first.bytes, dst.bytes, dst.n) == 0, "%s, %d parts: other bytes",
                      ppq_isa_name(isa), parts);
        area_end(&dst);
    }
    area_end(&first);
    free(o.src);
    free(o.before);
    free(o.weights);
    free(o.scale);
    free(o.bias);
}

static void random_ends(ppq_q8_conv_desc *c, ppq_rng *r)
{
    static const ppq_q8_end ends[] = {
        { .kind = PPQ_Q8_END_ADD, .a = 0.02f, .zero = 100 },
        { .kind = PPQ_Q8_END_RELU },
        { .kind = PPQ_Q8_END_RELU, .a = 0.1f },
        { .kind = PPQ_Q8_END_CLIP, .a = -1, .b = 3 },
        { .kind = PPQ_Q8_END_LINEAR, .a = 0.5f, .b = 1 },
        { .kind = PPQ_Q8_END_HARD_SWISH },
        { .kind = PPQ_Q8_END_FUNCTION, .function = PPQ_POINTWISE_TANH },
    };
    c->to_float = random_int(r, 0, 3) == 0;
    c->dst_scale = c->to_float ? 1 : 0.01f * (float) random_int(r, 1, 9);
    c->dst_zero = c->to_float ? 0 : random_int(r, 0, 255);
    c->n_end = random_int(r, 0, 3);
    for (int i = 0; i < c->n_end; i++) {
        c->end[i] = ends[random_int(r, 0, (int) PPQ_COUNT(ends) - 1)];
        if (c->to_float && c->end[i].kind == PPQ_Q8_END_ADD)
            c->end[i] = (ppq_q8_end){ .kind = PPQ_Q8_END_ADD, .a = 1 };
    }
    if (random_int(r, 0, 4) == 0)
        c->end[c->n_end++] = (ppq_q8_end){ .kind = PPQ_Q8_END_ROUND };
}

// What follows from the window, and a zero point.
static void finish(ppq_q8_conv_desc *c, ppq_rng *r)
{
    c->wei_in = ppq_window_2d_taps(&c->win);
    c->wei_out = c->wei_in * c->in;
    c->src_zero = random_int(r, 0, 255);
}

START_TEST(common_windows_are_right)
{
    static const int outs[] = { 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 48, 65, 130 };
    ppq_rng r = ppq_rng_seed(50, (uint64_t) _i);
    for (int k = 0; k < 24; k++) {
        const int stride = random_int(&r, 1, 2), side = k % 2 ? 1 : 3;
        const int pad = side == 3 ? random_int(&r, 0, 1) : 0;
        ppq_q8_conv_desc c = {
            .batch = random_int(&r, 1, 3), .groups = 1, .in = random_int(&r, 1, 40), .out = outs[_i]
        };
        const int height = random_int(&r, 1, 9), width = random_int(&r, 1, 23);
        c.win = square_window(height, width, side, stride, pad);
        random_results(&r, &c.win);
        finish(&c, &r);
        random_ends(&c, &r);
        check(&c, &r);
    }
}
END_TEST

START_TEST(any_window_is_right)
{
    ppq_rng r = ppq_rng_seed(51, (uint64_t) _i);
    for (int k = 0; k < 60; k++) {
        ppq_q8_conv_desc c = { .batch = random_int(&r, 1, 3),
                               .groups = random_int(&r, 1, 3),
                               .in = random_int(&r, 1, 20),
                               .out = random_int(&r, 1, 40) };
        c.win = random_window(&r, 6, 3);
        finish(&c, &r);
        random_ends(&c, &r);
        check(&c, &r);
    }
}
END_TEST

// Padding behind the image only, also of single pixels, with and without steps.
START_TEST(results_beyond_the_image_are_right)
{
    ppq_rng r = ppq_rng_seed(53, (uint64_t) _i);
    for (int k = 0; k < 40; k++) {
        ppq_q8_conv_desc c = { .batch = random_int(&r, 1, 3),
                               .groups = random_int(&r, 1, 2),
                               .in = 4 * random_int(&r, 1, 5),
                               .out = random_int(&r, 1, 40) };
        c.win = square_window(random_int(&r, 1, 9), k % 3 ? random_int(&r, 1, 9) : 1, 1 + k % 5 / 4,
                              random_int(&r, 1, 2), 0);
        for (int i = 0; i < 2; i++)
            c.win.dst_size[i] = PPQ_MAX(c.win.dst_size[i], 1) + random_int(&r, 0, 2);
        finish(&c, &r);
        random_ends(&c, &r);
        check(&c, &r);
    }
}
END_TEST

// More pixels than a strip holds; a deep sum of the largest products.
START_TEST(strips_and_depths_are_right)
{
    ppq_rng r = ppq_rng_seed(52, 0);
    for (int deep = 0; deep < 2; deep++) {
        ppq_q8_conv_desc c = { .batch = 1,
                               .groups = 1,
                               .in = deep ? 3000 : 64,
                               .out = 20,
                               .win = square_window(deep ? 3 : 30, deep ? 3 : 90, 3, 1, 1),
                               .wei_in = 9,
                               .wei_out = deep ? 27000 : 576,
                               .src_zero = 0,
                               .dst_scale = 0.5f };
        check(&c, &r);
    }
}
END_TEST

START_TEST(limits_are_told)
{
    ppq_q8_conv k;
    ppq_q8_conv_desc c = { .batch = 1,
                           .groups = 1,
                           .in = PPQ_Q8_CONV_DEPTH,
                           .out = 1,
                           .win = square_window(1, 1, 1, 1, 0),
                           .dst_scale = 1 };
    ck_assert(!ppq_q8_conv_init(&k, &c, PPQ_ISA_PORTABLE));
    c.in = 1;
    c.weights = (const int8_t[]){ 1 };
    ck_assert(ppq_q8_conv_init(&k, &c, PPQ_ISA_PORTABLE));
    c.win.kernel[0] = c.win.kernel[1] = INT64_MAX / 2;
    ck_assert(!ppq_q8_conv_init(&k, &c, PPQ_ISA_PORTABLE));
    c.win.kernel[0] = c.win.kernel[1] = 2;
    c.win.dilation[0] = c.win.dilation[1] = (int64_t) 1 << 40;
    c.win.pad_lo[0] = c.win.pad_lo[1] = (int64_t) 1 << 40;
    ck_assert(!ppq_q8_conv_init(&k, &c, PPQ_ISA_PORTABLE));
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { common_windows_are_right, 13 },
        { any_window_is_right, 5 },
        { results_beyond_the_image_are_right, 4 },
        { strips_and_depths_are_right, 1 },
        { limits_are_told, 1 },
    };
    return run_tests("engine-q8-conv", tests, PPQ_COUNT(tests));
}
