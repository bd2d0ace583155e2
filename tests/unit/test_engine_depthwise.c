// The engine's own depthwise convolution of bytes.

#include "executor/engine/kernels/depthwise.h"
#include "tests/unit/kernel_fixture.h"

// ---- the definition -------------------------------------------------------------------------

static int32_t sum_naive(const ppq_depthwise_desc *c, const uint8_t *image, int64_t y, int64_t x,
                         int64_t channel)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < c->win.kernel[0]; i++)
        for (int64_t j = 0; j < c->win.kernel[1]; j++) {
            const int64_t pixel = window_pixel(&c->win, y, x, i, j);
            if (pixel < 0)
                continue;
            const uint8_t b = image[pixel * c->channels + channel];
            const int32_t q = c->src.is_signed ? (int8_t) b : b;
            sum += (q - c->src.zero) *
                   c->weights[(channel * c->win.kernel[0] + i) * c->win.kernel[1] + j];
        }
    return sum;
}

// Element `at` of dst.
static void put_naive(const ppq_depthwise_desc *c, int32_t sum, int64_t channel, int64_t at,
                      void *dst)
{
    const double unit = c->to_float ? 1 : (double) c->dst.scale;
    const float scale = (float) ((double) c->src.scale *
                                 (double) c->wei_scale[c->n_wei_scale == 1 ? 0 : channel] / unit);
    const float bias = c->bias ? (float) ((double) c->bias[channel] / unit) : 0;
    const float product = scale * (float) sum, real = product + bias;
    if (c->to_float) {
        ((float *) dst)[at] = fminf(fmaxf(real, c->lo), c->hi);
    } else {
        ppq_q8 units = c->dst;
        units.scale = 1;
        ((uint8_t *) dst)[at] = real_to_byte(&units, real);
    }
}

static void naive(const ppq_depthwise_desc *c, int64_t batch, const uint8_t *src, void *dst)
{
    int64_t at = 0;
    for (int64_t n = 0; n < batch; n++) {
        const uint8_t *image = src + n * ppq_window_2d_src_pixels(&c->win) * c->channels;
        for (int64_t y = 0; y < c->win.dst_size[0]; y++)
            for (int64_t x = 0; x < c->win.dst_size[1]; x++)
                for (int64_t channel = 0; channel < c->channels; channel++)
                    put_naive(c, sum_naive(c, image, y, x, channel), channel, at++, dst);
    }
}

// ---- every level against it -----------------------------------------------------------------

typedef struct weights {
    int8_t *w;
    float *scale, *bias;
} weights;

// Random weights, many of them at the ends of their range.
static weights weights_new(ppq_depthwise_desc *c, ppq_rng *r)
{
    const size_t n = (size_t) (c->channels * ppq_window_2d_taps(&c->win));
    weights w = { (int8_t *) random_bytes(r, n), malloc((size_t) c->channels * sizeof(float)),
                  malloc((size_t) c->channels * sizeof(float)) };
    for (size_t i = 0; i < n; i++)
        if (random_int(r, 0, 2) == 0)
            w.w[i] = random_int(r, 0, 1) ? -128 : 127;
    for (int64_t i = 0; i < c->channels; i++) {
        w.scale[i] = (float) (0.001 + 0.01 * ppq_rng_uniform(r));
        w.bias[i] = (float) ppq_rng_normal(r) * (random_int(r, 0, 99) ? 1 : 1e30f);
    }
    c->weights = w.w;
    c->wei_scale = w.scale;
    c->n_wei_scale = random_int(r, 0, 3) ? c->channels : 1;
    c->bias = random_int(r, 0, 3) ? w.bias : NULL;
    return w;
}

static void check_level(const ppq_depthwise_desc *c, int64_t batch, const uint8_t *src,
                        const void *want, size_t bytes, ppq_isa isa)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_depthwise *k;
    OK(d, ppq_depthwise_prepare(c, isa, &k, d));
    area y = area_new(bytes);
    const int64_t rows = batch * c->win.dst_size[0], part = rows / 3;
    ppq_depthwise_run(k, src, y.bytes, part, rows);
    ppq_depthwise_run(k, src, y.bytes, 0, part);
    area_check(&y, want, "depthwise", isa);
    area_end(&y);
    ppq_depthwise_destroy(k);
    ppq_diag_destroy(d);
}

static void check(ppq_depthwise_desc *c, int64_t batch, ppq_rng *r)
{
    weights w = weights_new(c, r);
    const int64_t pixels = batch * ppq_window_2d_dst_pixels(&c->win);
    const size_t bytes = (size_t) (pixels * c->channels) * (c->to_float ? sizeof(float) : 1);
    uint8_t *src =
        random_bytes(r, (size_t) (batch * ppq_window_2d_src_pixels(&c->win) * c->channels));
    uint8_t *want = malloc(bytes + 1);
    naive(c, batch, src, want);
    FOR_EACH_ISA(isa)
    check_level(c, batch, src, want, bytes, isa);
    free(src);
    free(want);
    free(w.w);
    free(w.scale);
    free(w.bias);
}

static void random_formats(ppq_depthwise_desc *c, ppq_rng *r)
{
    c->src = random_q8(r);
    c->dst = random_q8(r);
    c->to_float = random_int(r, 0, 3) == 0;
    c->lo = random_int(r, 0, 1) ? 0 : -INFINITY;
    c->hi = random_int(r, 0, 1) ? 6 : INFINITY;
}

START_TEST(common_windows_are_exact)
{
    static const int channels[] = { 1,  3,  7,  8,  15, 16, 17, 24,  31,  32,
                                    33, 48, 63, 64, 65, 72, 96, 127, 144, 200 };
    ppq_rng r = ppq_rng_seed(30, (uint64_t) _i);
    for (int k = 0; k < 40; k++) {
        const int size = random_int(&r, 0, 4) ? 3 : 5, stride = random_int(&r, 1, 2);
        const int height = random_int(&r, 1, 9), width = random_int(&r, 1, 14);
        ppq_depthwise_desc c = { .channels = channels[_i],
                                 .win = square_window(height, width, size, stride, 0) };
        for (int i = 0; i < 2; i++)
            c.win.pad_lo[i] = random_int(&r, 0, 2);
        random_results(&r, &c.win);
        random_formats(&c, &r);
        check(&c, random_int(&r, 1, 2), &r);
    }
}
END_TEST

START_TEST(any_window_is_exact)
{
    ppq_rng r = ppq_rng_seed(31, (uint64_t) _i);
    for (int k = 0; k < 100; k++) {
        ppq_depthwise_desc c = { .channels = random_int(&r, 1, 150) };
        c.win = random_window(&r, 7, 4);
        random_formats(&c, &r);
        check(&c, 1, &r);
    }
}
END_TEST

// All products at their largest.
START_TEST(sums_do_not_saturate)
{
    ppq_rng r = ppq_rng_seed(32, 0);
    ppq_depthwise_desc c = { .channels = 64,
                             .win = square_window(32, 32, 31, 1, 0),
                             .src = ppq_q8_u8(1, 0),
                             .to_float = true,
                             .lo = -INFINITY,
                             .hi = INFINITY };
    weights w = weights_new(&c, &r);
    uint8_t src[32 * 32 * 64];
    memset(src, 255, sizeof(src));
    float want[2 * 2 * 64];
    for (int value = -128; value < 128; value += 255) {
        memset(w.w, value, 64 * 31 * 31);
        naive(&c, 1, src, want);
        FOR_EACH_ISA(isa)
        check_level(&c, 1, src, want, sizeof(want), isa);
    }
    free(w.w);
    free(w.scale);
    free(w.bias);
}
END_TEST

START_TEST(too_large_a_kernel_is_refused)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    const ppq_depthwise_desc c = { .channels = 1, .win.kernel = { 1025, 1 } };
    ppq_depthwise *k = NULL;
    FAILS(d, ppq_depthwise_prepare(&c, PPQ_ISA_PORTABLE, &k, d), PPQ_ERR_UNSUPPORTED, "1025 x 1");
    ck_assert_ptr_null(k);
    ppq_depthwise_destroy(NULL);
    ppq_diag_destroy(d);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { common_windows_are_exact, 20 },
        { any_window_is_exact, 5 },
        { sums_do_not_saturate, 1 },
        { too_large_a_kernel_is_refused, 1 },
    };
    return run_tests("engine-depthwise", tests, PPQ_COUNT(tests));
}
