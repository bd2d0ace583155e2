// The engine's own kernels: every level of instructions gives the bytes that the definition asks
// for, and touches nothing else.

#include "executor/engine/kernels/binary.h"
#include "executor/engine/kernels/mat_mul.h"
#include "executor/engine/kernels/pool.h"
#include "executor/engine/kernels/quantize.h"
#include "executor/engine/kernels/requantize.h"
#include "executor/engine/kernels/transpose.h"
#include "tests/unit/kernel_fixture.h"

START_TEST(levels_have_names)
{
    for (int i = 0; i < PPQ_ISA_COUNT; i++) {
        ppq_isa found;
        ck_assert(ppq_isa_find(ppq_isa_name((ppq_isa) i), &found));
        ck_assert_int_eq(found, i);
    }
    ppq_isa found;
    ck_assert(!ppq_isa_find("sse9", &found));
    ck_assert_int_lt(ppq_isa_detect(), PPQ_ISA_COUNT);
}
END_TEST

// ---- quantize -------------------------------------------------------------------------------

// Mostly close to ties of the format, where a reciprocal would go wrong, and special values.
static float random_real(ppq_rng *r, const ppq_q8 *q)
{
    static const float special[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 0.0f, -0.0f, 1e-40f };
    const int kind = random_int(r, 0, 9);
    if (kind == 0)
        return special[random_int(r, 0, (int) PPQ_COUNT(special) - 1)];
    if (kind < 3)
        return 300 * q->scale * (float) ppq_rng_normal(r);
    const float tie = (float) ((random_int(r, -300, 300) + 0.5) * (double) q->scale);
    return kind < 6 ? tie : nextafterf(tie, kind < 8 ? INFINITY : -INFINITY);
}

static void check_quantize(const ppq_q8 *q, int64_t n, ppq_rng *r)
{
    float *x = malloc((size_t) PPQ_MAX(n, 1) * sizeof(*x));
    uint8_t *want = malloc((size_t) PPQ_MAX(n, 1));
    for (int64_t i = 0; i < n; i++) {
        x[i] = random_real(r, q);
        want[i] = real_to_byte(q, x[i]);
    }
    FOR_EACH_ISA(isa)
    {
        area y = area_new((size_t) n);
        ppq_q8_quantize(isa, q, x, y.bytes, n);
        area_check(&y, want, "quantize", isa);
        area_end(&y);
    }
    free(x);
    free(want);
}

START_TEST(quantize_is_quantfn)
{
    ppq_rng r = ppq_rng_seed(20, 0);
    static const float extreme[] = { 1e-37f, 1e-31f, 1e-29f, 1e29f, 1e31f, 1e37f };
    for (int n = 0; n < 140; n++)
        for (int k = 0; k < 4; k++) {
            const ppq_q8 q = random_q8(&r);
            check_quantize(&q, n, &r);
        }
    for (size_t i = 0; i < PPQ_COUNT(extreme); i++) {
        const ppq_q8 q = ppq_q8_u8(extreme[i], 7);
        check_quantize(&q, 1000, &r);
    }
    for (int k = 0; k < 50; k++) {
        const ppq_q8 q = random_q8(&r);
        check_quantize(&q, 4099, &r);
    }
}
END_TEST

START_TEST(dequantize_is_its_definition)
{
    ppq_rng r = ppq_rng_seed(21, 0);
    for (int n = 0; n < 300; n++) {
        const ppq_q8 q = random_q8(&r);
        uint8_t *x = random_bytes(&r, (size_t) n);
        float *want = malloc((size_t) PPQ_MAX(n, 1) * sizeof(*want));
        for (int i = 0; i < n; i++)
            want[i] = byte_to_real(&q, x[i]);
        FOR_EACH_ISA(isa)
        {
            area y = area_new((size_t) n * sizeof(float));
            ppq_q8_dequantize(isa, &q, x, (float *) (void *) y.bytes, n);
            area_check(&y, want, "dequantize", isa);
            area_end(&y);
        }
        free(x);
        free(want);
    }
}
END_TEST

// The result by definition; `at` gives the byte of a channel at a position of the source.
static void image_naive(const ppq_q8_image *m, uint8_t zero, const uint8_t *src, uint8_t *dst)
{
    const int64_t columns = m->left + m->width + m->right;
    for (int64_t y = 0; y < ppq_q8_image_rows(m); y++)
        for (int64_t x = 0; x < columns; x++)
            for (int64_t c = 0; c < PPQ_Q8_PIXEL; c++) {
                const int64_t sy = y - m->top, sx = x - m->left;
                const bool inside =
                    c < m->channels && sy >= 0 && sy < m->height && sx >= 0 && sx < m->width;
                dst[(y * columns + x) * PPQ_Q8_PIXEL + c] =
                    inside ? src[(c * m->height + sy) * m->width + sx] : zero;
            }
}

static void check_image(const ppq_q8_image *m, ppq_rng *r)
{
    ppq_q8 q = random_q8(r);
    const size_t n = (size_t) (m->channels * m->height * m->width);
    float *x = malloc((n ? n : 1) * sizeof(*x));
    uint8_t *bytes = malloc(n ? n : 1), *want = malloc(ppq_q8_image_bytes(m) + 1);
    for (size_t i = 0; i < n; i++) {
        x[i] = random_real(r, &q);
        bytes[i] = real_to_byte(&q, x[i]);
    }
    image_naive(m, (uint8_t) q.zero, bytes, want);
    const int64_t rows = ppq_q8_image_rows(m), half = rows / 2;
    FOR_EACH_ISA(isa)
    {
        area y = area_new(ppq_q8_image_bytes(m)), z = area_new(ppq_q8_image_bytes(m));
        ppq_q8_image_quantize(isa, m, &q, x, y.bytes, half, rows);
        ppq_q8_image_quantize(isa, m, &q, x, y.bytes, 0, half);
        area_check(&y, want, "image", isa);
        ppq_q8_image_interleave(isa, m, (uint8_t) q.zero, bytes, z.bytes, 0, rows);
        area_check(&z, want, "image of bytes", isa);
        area_end(&y);
        area_end(&z);
    }
    free(x);
    free(bytes);
    free(want);
}

START_TEST(images_become_padded_pixels)
{
    ppq_rng r = ppq_rng_seed(22, 0);
    for (int k = 0; k < 200; k++) {
        const ppq_q8_image m = { random_int(&r, 1, 4), random_int(&r, 0, 9), random_int(&r, 0, 70),
                                 random_int(&r, 0, 3), random_int(&r, 0, 3), random_int(&r, 0, 3),
                                 random_int(&r, 0, 3) };
        check_image(&m, &r);
    }
}
END_TEST

// ---- tables ---------------------------------------------------------------------------------

static float swish(float x, const void *user)
{
    return x / (1 + expf(-x * *(const float *) user));
}

START_TEST(tables_are_functions_of_bytes)
{
    ppq_rng r = ppq_rng_seed(23, 0);
    for (int n = 0; n < 700; n++) {
        const ppq_q8 src = random_q8(&r), dst = random_q8(&r);
        const float slope = (float) ppq_rng_uniform(&r);
        uint8_t table[PPQ_LUT_SIZE];
        ppq_lut_build(&src, &dst, swish, &slope, table);
        uint8_t *x = random_bytes(&r, (size_t) n), *want = malloc((size_t) n + 1);
        for (int i = 0; i < n; i++)
            want[i] = real_to_byte(&dst, swish(byte_to_real(&src, x[i]), &slope));
        FOR_EACH_ISA(isa)
        {
            area y = area_new((size_t) n), z = area_new((size_t) n);
            ppq_lut_run(isa, table, x, y.bytes, n);
            area_check(&y, want, "table", isa);
            memcpy(z.bytes, x, (size_t) n);
            ppq_lut_run(isa, table, z.bytes, z.bytes, n);
            area_check(&z, want, "table in place", isa);
            area_end(&y);
            area_end(&z);
        }
        free(x);
        free(want);
    }
}
END_TEST

// Every byte through tables of random bytes.
START_TEST(every_entry_of_a_table_counts)
{
    ppq_rng r = ppq_rng_seed(24, 0);
    uint8_t x[1024], want[1024];
    for (int k = 0; k < 50; k++) {
        uint8_t *table = random_bytes(&r, PPQ_LUT_SIZE);
        for (int i = 0; i < 1024; i++) {
            x[i] = (uint8_t) (i + k);
            want[i] = table[x[i]];
        }
        FOR_EACH_ISA(isa)
        {
            area y = area_new(1024);
            ppq_lut_run(isa, table, x, y.bytes, 1024);
            area_check(&y, want, "table", isa);
            area_end(&y);
        }
        free(table);
    }
}
END_TEST

START_TEST(requantize_fills_rows)
{
    ppq_rng r = ppq_rng_seed(25, 0);
    for (int k = 0; k < 500; k++) {
        const ppq_q8 src = random_q8(&r), dst = random_int(&r, 0, 3) ? random_q8(&r) : src;
        const int n_rows = random_int(&r, 0, 5), n_cols = random_int(&r, 0, 200);
        const int src_stride = n_cols + random_int(&r, 0, 1) * random_int(&r, 0, 9);
        const int dst_stride = n_cols + random_int(&r, 0, 1) * random_int(&r, 0, 9);
        const size_t src_size = (size_t) (n_rows ? (n_rows - 1) * src_stride + n_cols : 0);
        const size_t dst_size = (size_t) (n_rows ? (n_rows - 1) * dst_stride + n_cols : 0);
        uint8_t *x = random_bytes(&r, src_size), *want = malloc(dst_size + 1);
        memset(want, GUARD_BYTE, dst_size);
        for (int i = 0; i < n_rows; i++)
            for (int j = 0; j < n_cols; j++)
                want[i * dst_stride + j] =
                    real_to_byte(&dst, byte_to_real(&src, x[i * src_stride + j]));
        ppq_q8_requantize q;
        ppq_q8_requantize_prepare(&src, &dst, &q);
        FOR_EACH_ISA(isa)
        {
            area y = area_new(dst_size);
            ppq_q8_requantize_run(isa, &q, x, src_stride, y.bytes, dst_stride, n_rows, n_cols);
            area_check(&y, want, "requantize", isa);
            area_end(&y);
        }
        free(x);
        free(want);
    }
}
END_TEST

// ---- arithmetic -----------------------------------------------------------------------------

static uint8_t binary_naive(const ppq_q8_binary *k, uint8_t a, uint8_t b)
{
    const float x = byte_to_real(&k->a, a), y = byte_to_real(&k->b, b);
    const float z[PPQ_Q8_ALG_COUNT] = { x + y, x - y, x * y, x / y };
    return real_to_byte(&k->dst, z[k->alg]);
}

static ppq_q8_binary random_binary(ppq_rng *r)
{
    return (ppq_q8_binary){ (ppq_q8_alg) random_int(r, 0, PPQ_Q8_ALG_COUNT - 1), random_q8(r),
                            random_q8(r), random_q8(r) };
}

START_TEST(arithmetic_is_that_of_real_numbers)
{
    ppq_rng r = ppq_rng_seed(26, 0);
    for (int n = 0; n < 600; n++) {
        const ppq_q8_binary k = random_binary(&r);
        const int n_rows = random_int(&r, 0, 4), n_cols = random_int(&r, 0, 150);
        const int a_stride = random_int(&r, 0, 2) ? n_cols : random_int(&r, 0, 1) * (n_cols + 3);
        const int b_stride = random_int(&r, 0, 1) ? n_cols : random_int(&r, 0, 1) * (n_cols + 5);
        const int last = n_rows ? n_rows - 1 : 0;
        uint8_t *a = random_bytes(&r, (size_t) (last * a_stride + n_cols));
        uint8_t *b = random_bytes(&r, (size_t) (last * b_stride + n_cols));
        const size_t size = (size_t) (n_rows * n_cols);
        uint8_t *want = malloc(size + 1);
        for (int i = 0; i < n_rows; i++)
            for (int j = 0; j < n_cols; j++)
                want[i * n_cols + j] = binary_naive(&k, a[i * a_stride + j], b[i * b_stride + j]);
        FOR_EACH_ISA(isa)
        {
            area y = area_new(size);
            ppq_q8_binary_run(isa, &k, a, a_stride, b, b_stride, y.bytes, n_rows, n_cols);
            area_check(&y, want, "arithmetic", isa);
            if (a_stride == n_cols) {
                memcpy(y.bytes, a, size);
                ppq_q8_binary_run(isa, &k, y.bytes, n_cols, b, b_stride, y.bytes, n_rows, n_cols);
                area_check(&y, want, "arithmetic in place", isa);
            }
            area_end(&y);
        }
        free(a);
        free(b);
        free(want);
    }
}
END_TEST

START_TEST(rows_of_floats_are_repeated)
{
    ppq_rng r = ppq_rng_seed(41, 0);
    for (int n = 0; n < 400; n++) {
        const ppq_q8_binary k = random_binary(&r);
        const bool a_is_row = random_int(&r, 0, 1);
        const int n_rows = random_int(&r, 0, 4), n_cols = random_int(&r, 0, 150);
        const size_t size = (size_t) (n_rows * n_cols);
        uint8_t *x = random_bytes(&r, size), *want = malloc(size + 1);
        float *row = malloc((size_t) (n_cols + 1) * sizeof(*row));
        for (int j = 0; j < n_cols; j++)
            row[j] = (float) random_int(&r, -1000, 1000) / 50;
        for (int i = 0; i < n_rows * n_cols; i++) {
            const float other = byte_to_real(a_is_row ? &k.b : &k.a, x[i]), real = row[i % n_cols];
            const float a = a_is_row ? real : other, b = a_is_row ? other : real;
            const float z[PPQ_Q8_ALG_COUNT] = { a + b, a - b, a * b, a / b };
            want[i] = real_to_byte(&k.dst, z[k.alg]);
        }
        FOR_EACH_ISA(isa)
        {
            area y = area_new(size);
            ppq_q8_binary_run_row(isa, &k, a_is_row, row, x, y.bytes, n_rows, n_cols);
            area_check(&y, want, "arithmetic with a row", isa);
            area_end(&y);
        }
        free(x);
        free(want);
        free(row);
    }
}
END_TEST

// All pairs of bytes.
START_TEST(single_operands_are_repeated)
{
    ppq_rng r = ppq_rng_seed(27, 0);
    uint8_t x[256], want[256];
    for (int i = 0; i < 256; i++)
        x[i] = (uint8_t) i;
    for (int n = 0; n < 40; n++) {
        const ppq_q8_binary k = random_binary(&r);
        for (int single = 0; single < 256; single++) {
            const bool a_is_single = random_int(&r, 0, 1);
            for (int i = 0; i < 256; i++)
                want[i] = a_is_single ? binary_naive(&k, (uint8_t) single, x[i])
                                      : binary_naive(&k, x[i], (uint8_t) single);
            FOR_EACH_ISA(isa)
            {
                area y = area_new(256);
                ppq_q8_binary_run_scalar(isa, &k, a_is_single, (uint8_t) single, x, y.bytes, 256);
                area_check(&y, want, "arithmetic with one byte", isa);
                area_end(&y);
            }
        }
    }
}
END_TEST

// ---- products of matrices -------------------------------------------------------------------

// Extreme bytes, so that sums would saturate where they can.
START_TEST(products_of_matrices_are_exact)
{
    ppq_rng r = ppq_rng_seed(42, 0);
    for (int n = 0; n < 150; n++) {
        const int rows = random_int(&r, 1, 11), depth = random_int(&r, 1, 70);
        const int columns = random_int(&r, 1, 80);
        const bool to_float = random_int(&r, 0, 1);
        const ppq_q8_mat_mul m = { depth, columns, random_int(&r, 0, 255), random_int(&r, 0, 255),
                                   0.001f };
        const ppq_q8 to = ppq_q8_u8(0.02f, random_int(&r, 0, 255));
        uint8_t *a = random_bytes(&r, (size_t) (rows * depth));
        uint8_t *b = random_bytes(&r, (size_t) (depth * columns));
        for (int i = 0; n % 3 == 0 && i < rows * depth; i++)
            a[i] = a[i] & 1 ? 255 : 0;
        for (int i = 0; n % 3 == 0 && i < depth * columns; i++)
            b[i] = b[i] & 1 ? 255 : 0;
        const size_t size = (size_t) (rows * columns) * (to_float ? sizeof(float) : 1);
        uint8_t *want = malloc(size);
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) {
                int32_t sum = 0;
                for (int k = 0; k < depth; k++)
                    sum += (a[i * depth + k] - m.a_zero) * (b[k * columns + j] - m.b_zero);
                const float real = (float) sum * m.scale;
                if (to_float)
                    memcpy(want + (size_t) (i * columns + j) * sizeof(real), &real, sizeof(real));
                else
                    want[i * columns + j] = real_to_byte(&to, real);
            }
        void *scratch = aligned_alloc(64, ppq_q8_mat_mul_scratch(&m));
        FOR_EACH_ISA(isa)
        {
            area y = area_new(size);
            ppq_q8_mat_mul_pack(isa, &m, b, scratch);
            ppq_q8_mat_mul_rows(isa, &m, a, rows, to_float ? NULL : &to, scratch, y.bytes);
            area_check(&y, want, "product of matrices", isa);
            area_end(&y);
        }
        free(scratch);
        free(a);
        free(b);
        free(want);
    }
}
END_TEST

// ---- pools ----------------------------------------------------------------------------------

// The sum or maximum of one window and how many positions it has.
typedef struct window_facts {
    int32_t sum, most, n_inside, n_padded;
} window_facts;

static window_facts window_naive(const ppq_q8_pool *k, const uint8_t *image, int64_t y, int64_t x,
                                 int64_t c)
{
    window_facts f = { .most = k->src.is_signed ? -128 : 0 };
    const ppq_window_2d *w = &k->win;
    for (int64_t i = 0; i < w->kernel[0]; i++)
        for (int64_t j = 0; j < w->kernel[1]; j++) {
            const int64_t sy = y * w->stride[0] - w->pad_lo[0] + i * w->dilation[0];
            const int64_t sx = x * w->stride[1] - w->pad_lo[1] + j * w->dilation[1];
            f.n_padded += sy < w->src_size[0] + k->pad_hi[0] && sx < w->src_size[1] + k->pad_hi[1];
            const int64_t pixel = window_pixel(w, y, x, i, j);
            if (pixel < 0)
                continue;
            const uint8_t b = image[pixel * k->channels + c];
            const int32_t q = k->src.is_signed ? (int8_t) b : b;
            f.n_inside++;
            f.sum += q - k->src.zero;
            f.most = PPQ_MAX(f.most, q);
        }
    return f;
}

static float mean_naive(const ppq_q8_pool *k, const window_facts *f)
{
    const int32_t n = k->include_pad ? f->n_padded : f->n_inside;
    return (float) f->sum * (k->src.scale / (float) PPQ_MAX(n, 1));
}

static void pool_naive(const ppq_q8_pool *k, int64_t batch, const uint8_t *src, void *average,
                       uint8_t *most)
{
    int64_t at = 0;
    for (int64_t n = 0; n < batch; n++) {
        const uint8_t *image = src + n * ppq_window_2d_src_pixels(&k->win) * k->channels;
        for (int64_t y = 0; y < k->win.dst_size[0]; y++)
            for (int64_t x = 0; x < k->win.dst_size[1]; x++)
                for (int64_t c = 0; c < k->channels; c++, at++) {
                    const window_facts f = window_naive(k, image, y, x, c);
                    most[at] = (uint8_t) f.most;
                    if (k->to_float)
                        ((float *) average)[at] = mean_naive(k, &f);
                    else
                        ((uint8_t *) average)[at] = real_to_byte(&k->dst, mean_naive(k, &f));
                }
    }
}

static void check_pool(const ppq_q8_pool *k, int64_t batch, ppq_rng *r)
{
    const size_t n = (size_t) (batch * ppq_window_2d_dst_pixels(&k->win) * k->channels);
    const size_t bytes = n * (k->to_float ? sizeof(float) : 1);
    uint8_t *src =
        random_bytes(r, (size_t) (batch * ppq_window_2d_src_pixels(&k->win) * k->channels));
    uint8_t *average = malloc(bytes + 1), *most = malloc(n + 1);
    pool_naive(k, batch, src, average, most);
    const int64_t rows = batch * k->win.dst_size[0], part = rows / 3;
    FOR_EACH_ISA(isa)
    {
        area y = area_new(bytes), z = area_new(n);
        ppq_q8_pool_average(isa, k, src, y.bytes, part, rows);
        ppq_q8_pool_average(isa, k, src, y.bytes, 0, part);
        area_check(&y, average, "average", isa);
        ppq_q8_pool_max(isa, k, src, z.bytes, part, rows);
        ppq_q8_pool_max(isa, k, src, z.bytes, 0, part);
        area_check(&z, most, "maximum", isa);
        area_end(&y);
        area_end(&z);
    }
    free(src);
    free(average);
    free(most);
}

START_TEST(pools_are_their_definition)
{
    ppq_rng r = ppq_rng_seed(28, (uint64_t) _i);
    for (int n = 0; n < 200; n++) {
        ppq_q8_pool k = { .channels = random_int(&r, 1, 140),
                          .src = random_q8(&r),
                          .dst = random_q8(&r),
                          .to_float = random_int(&r, 0, 3) == 0,
                          .include_pad = random_int(&r, 0, 1) };
        const bool global = random_int(&r, 0, 3) == 0;
        ppq_window_2d *w = &k.win;
        for (int d = 0; d < 2; d++) {
            w->src_size[d] = random_int(&r, 1, 9);
            w->kernel[d] = global ? w->src_size[d] : random_int(&r, 1, 4);
            w->stride[d] = global ? 1 : random_int(&r, 1, 3);
            w->dilation[d] = global ? 1 : random_int(&r, 1, 2);
            w->pad_lo[d] = global ? 0 : random_int(&r, 0, 5);
            k.pad_hi[d] = global ? 0 : random_int(&r, 0, 3);
            const int64_t fit = count_results(w, d, k.pad_hi[d]);
            w->dst_size[d] = fit ? fit + (global ? 0 : n % 2) : 1;
        }
        check_pool(&k, random_int(&r, 1, 2), &r);
    }
}
END_TEST

// ---- orders ---------------------------------------------------------------------------------

static void check_transpose(ppq_isa isa, size_t size, const uint8_t *src, int64_t src_stride,
                            int64_t dst_stride, int64_t n_rows, int64_t n_cols)
{
    const size_t n = n_rows && n_cols ? (size_t) ((n_cols - 1) * dst_stride + n_rows) * size : 0;
    area y = area_new(n);
    uint8_t *want = malloc(n + 1);
    memset(want, GUARD_BYTE, n);
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t c = 0; c < n_cols; c++)
            memcpy(want + (size_t) (c * dst_stride + r) * size,
                   src + (size_t) (r * src_stride + c) * size, size);
    if (size == 1)
        ppq_transpose_8(isa, src, src_stride, y.bytes, dst_stride, n_rows, n_cols);
    else
        ppq_transpose_32(isa, src, src_stride, y.bytes, dst_stride, n_rows, n_cols);
    area_check(&y, want, size == 1 ? "transposed bytes" : "transposed words", isa);
    area_end(&y);
    free(want);
}

START_TEST(matrices_are_transposed)
{
    ppq_rng r = ppq_rng_seed(29, 0);
    for (int k = 0; k < 1500; k++) {
        const size_t size = k % 2 ? 1 : 4;
        const int n_rows = random_int(&r, 0, 70), n_cols = random_int(&r, 0, 70);
        const int src_stride = n_cols + random_int(&r, 0, 5) / 4;
        const int dst_stride = n_rows + random_int(&r, 0, 5) / 4;
        const size_t n = n_rows ? (size_t) ((n_rows - 1) * src_stride + n_cols) : 0;
        uint8_t *src = random_bytes(&r, n * size);
        FOR_EACH_ISA(isa)
        check_transpose(isa, size, src, src_stride, dst_stride, n_rows, n_cols);
        free(src);
    }
}
END_TEST

static void permute_naive(const uint8_t *src, uint8_t *dst, int rank, const int64_t *dim,
                          const int *perm, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t index[PPQ_MAX_RANK] = { 0 }, rest = i, at = 0;
        for (int d = rank - 1; d >= 0; d--) {
            index[perm[d]] = rest % dim[perm[d]];
            rest /= dim[perm[d]];
        }
        for (int d = 0; d < rank; d++)
            at = at * dim[d] + index[d];
        dst[i] = src[at];
    }
}

START_TEST(tensors_are_permuted)
{
    ppq_rng r = ppq_rng_seed(30, 0);
    for (int k = 0; k < 1000; k++) {
        const int rank = random_int(&r, 0, 5);
        int64_t dim[PPQ_MAX_RANK], n = 1;
        int perm[PPQ_MAX_RANK] = { 0 };
        for (int d = 0; d < rank; d++) {
            dim[d] = random_int(&r, 0, 9) ? random_int(&r, 1, rank < 4 ? 40 : 7) : k % 2;
            n *= dim[d];
            const int at = random_int(&r, 0, d);
            perm[d] = perm[at];
            perm[at] = d;
        }
        uint8_t *src = random_bytes(&r, (size_t) n), *want = malloc((size_t) n + 1);
        permute_naive(src, want, rank, dim, perm, n);
        FOR_EACH_ISA(isa)
        {
            area y = area_new((size_t) n);
            ppq_permute_8(isa, src, y.bytes, rank, dim, perm);
            area_check(&y, want, "permuted bytes", isa);
            area_end(&y);
        }
        free(src);
        free(want);
    }
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { levels_have_names, 1 },
        { quantize_is_quantfn, 1 },
        { dequantize_is_its_definition, 1 },
        { images_become_padded_pixels, 1 },
        { tables_are_functions_of_bytes, 1 },
        { every_entry_of_a_table_counts, 1 },
        { requantize_fills_rows, 1 },
        { arithmetic_is_that_of_real_numbers, 1 },
        { products_of_matrices_are_exact, 1 },
        { rows_of_floats_are_repeated, 1 },
        { single_operands_are_repeated, 1 },
        { pools_are_their_definition, 3 },
        { matrices_are_transposed, 1 },
        { tensors_are_permuted, 1 },
    };
    return run_tests("engine-kernels", tests, PPQ_COUNT(tests));
}
