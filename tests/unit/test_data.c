// Readers of calibration data: formats, folders, and messages that name the file.

#include "quantizer/data/data.h"
#include "quantizer/data/format.h"
#include "tests/unit/data_files.h"

// ---- .npy -----------------------------------------------------------------------------------

static const struct {
    const char *code;
    ppq_dtype dt;
} codes[] = {
    { "<f4", PPQ_DT_F32 }, { "<f8", PPQ_DT_F64 }, { "<f2", PPQ_DT_F16 }, { "|i1", PPQ_DT_I8 },
    { "<i2", PPQ_DT_I16 }, { "<i4", PPQ_DT_I32 }, { "<i8", PPQ_DT_I64 }, { "|u1", PPQ_DT_U8 },
    { "<u2", PPQ_DT_U16 }, { "<u4", PPQ_DT_U32 }, { "<u8", PPQ_DT_U64 }, { "|b1", PPQ_DT_BOOL },
};

START_TEST(npy_of_every_type_is_read_and_written)
{
    files f = files_new();
    unsigned char raw[6 * 8];
    for (size_t i = 0; i < sizeof(raw); i++)
        raw[i] = (unsigned char) (i % 2);
    const size_t bytes = 6 * ppq_dtype_size(codes[_i].dt);
    const blob b = npy(1, codes[_i].code, "False", "(2, 3)", raw, bytes);
    const char *path = put(&f, "x.npy", b), *copy = path_of(&f, "copy.npy");
    ppq_tensor t, again;
    OK(f.d, ppq_tensor_load(path, &t, f.d));
    ck_assert_int_eq(t.dtype, codes[_i].dt);
    ck_assert(ppq_shape_equal(&t.shape, &SHAPE(2, 3)));
    ck_assert_mem_eq(ppq_tensor_data(&t), raw, bytes);
    OK(f.d, ppq_npy_save(copy, &t, f.d));
    OK(f.d, ppq_tensor_load(copy, &again, f.d));
    ck_assert(ppq_tensor_equal(&t, &again));
    ppq_tensor_unref(&t);
    ppq_tensor_unref(&again);
    files_end(&f);
}
END_TEST

START_TEST(npy_orders_and_versions_mean_the_same)
{
    // [[1, 2, 3], [4, 5, 6]] as int16: row-major, column-major, big endian, wide headers.
    static const struct {
        int version;
        const char *code, *fortran;
        unsigned char raw[12];
    } cases[] = {
        { 1, "<i2", "False", { 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0 } },
        { 1, "<i2", "True", { 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0 } },
        { 1, ">i2", "False", { 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6 } },
        { 1, ">i2", "True", { 0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6 } },
        { 2, "<i2", "False", { 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0 } },
        { 3, "<i2", "True", { 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 6, 0 } },
    };
    files f = files_new();
    const blob b =
        npy(cases[_i].version, cases[_i].code, cases[_i].fortran, "(2, 3)", cases[_i].raw, 12);
    for (int row = -1; row < 2; row++) {
        ppq_tensor t;
        OK(f.d, ppq_npy_decode(b.p, b.n, "x.npy", row, &t, f.d));
        ck_assert(ppq_shape_equal(&t.shape, &SHAPE(row < 0 ? 2 : 1, 3)));
        for (int i = 0; i < (row < 0 ? 6 : 3); i++)
            ck_assert_int_eq(((const int16_t *) ppq_tensor_data(&t))[i], i + 1 + 3 * (row == 1));
        ppq_tensor_unref(&t);
    }
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(npy_shapes_of_any_rank_are_read)
{
    static const struct {
        const char *text;
        int rank;
        int64_t count;
    } cases[] = { { "()", 0, 1 },
                  { "(4,)", 1, 4 },
                  { "(1, 2, 1, 2)", 4, 4 },
                  { "(3, 0)", 2, 0 },
                  { "(2L, 2L)", 2, 4 } };
    files f = files_new();
    const unsigned char raw[4] = { 1, 2, 3, 4 };
    const blob b = npy(1, "|u1", "False", cases[_i].text, raw, (size_t) cases[_i].count);
    ppq_tensor t;
    OK(f.d, ppq_npy_decode(b.p, b.n, "x.npy", -1, &t, f.d));
    ck_assert_int_eq(t.shape.rank, cases[_i].rank);
    ck_assert_int_eq(ppq_shape_numel(&t.shape), cases[_i].count);
    ppq_tensor_unref(&t);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(absurd_npy_headers_are_refused)
{
    static const struct {
        int version;
        const char *code, *fortran, *shape, *message;
    } cases[] = {
        { 4, "<f4", "False", "(1,)", "version" },
        { 1, "<c8", "False", "(1,)", "c8" },
        { 1, "|O", "False", "(1,)", "O" },
        { 1, "<U5", "False", "(1,)", "U5" },
        { 1, "<f4", "False", "(-1,)", "header" },
        { 1, "<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 1)", "8 dimensions" },
        { 1, "<f4", "False", "(4611686018427387904, 4)", "cut off" },
        { 1, "<f4", "False", "(99999999999999999999999,)", "cut off" },
        { 1, "<f4", "False", "(1000000,)", "cut off" },
        { 1, "<f4", "False", "[1]", "header" },
        { 1, "<f4", "False", "(1", "header" },
    };
    files f = files_new();
    const blob b = npy(cases[_i].version, cases[_i].code, cases[_i].fortran, cases[_i].shape,
                       (const unsigned char[16]){ 0 }, 16);
    ppq_tensor t = { 0 };
    FAILS(f.d, ppq_npy_decode(b.p, b.n, "some.npy", -1, &t, f.d), PPQ_ERR_DATA, cases[_i].message);
    ck_assert(strstr(last_message(f.d), "some.npy") != NULL);
    ck_assert_ptr_null(t.buf);
    free(b.p);
    files_end(&f);
}
END_TEST

// No prefix of a file is a file, and none is read past its end (the sanitizer would tell).
START_TEST(every_truncation_is_refused)
{
    files f = files_new();
    float x[6] = { 0 };
    const blob one = npy(_i == 1 ? 2 : 1, "<f4", "False", "(2, 3)", x, sizeof(x));
    const blob whole = _i == 2 ? zip(&(const zip_entry){ "x.npy", one, true }, 1) : one;
    for (size_t n = 0; n < whole.n; n++) {
        unsigned char *cut = malloc(n ? n : 1);
        memcpy(cut, whole.p, n);
        ppq_tensor t = { 0 };
        unsigned char *bytes = NULL;
        size_t size;
        if (_i == 2)
            FAILS(f.d, ppq_npz_entry(cut, n, "cut.npz", "x", &bytes, &size, f.d), PPQ_ERR_DATA,
                  "cut.npz");
        else
            FAILS(f.d, ppq_npy_decode(cut, n, "cut.npy", -1, &t, f.d), PPQ_ERR_DATA, "cut.npy");
        free(cut);
    }
    if (_i == 2)
        free(whole.p);
    free(one.p);
    files_end(&f);
}
END_TEST

// ---- .npz -----------------------------------------------------------------------------------

START_TEST(npz_arrays_are_found_by_key)
{
    files f = files_new();
    static float x[600], y[3] = { 7, 8, 9 };
    for (int i = 0; i < 600; i++)
        x[i] = (float) (i % 7);
    const zip_entry e[] = { { "first.npy", npy(1, "<f4", "False", "(600,)", x, sizeof(x)), _i },
                            { "a/b:0.npy", npy(1, "<f4", "False", "(3,)", y, sizeof(y)), _i } };
    const blob z = zip(e, 2);
    unsigned char *bytes;
    size_t n;
    ppq_tensor t;
    OK(f.d, ppq_npz_entry(z.p, z.n, "d.npz", "first", &bytes, &n, f.d));
    OK(f.d, ppq_npy_decode(bytes, n, "d.npz", -1, &t, f.d));
    ck_assert_mem_eq(ppq_f32(&t), x, sizeof(x));
    ppq_tensor_unref(&t);
    free(bytes);
    OK(f.d, ppq_npz_entry(z.p, z.n, "d.npz", "a/b:0", &bytes, &n, f.d));
    OK(f.d, ppq_npy_decode(bytes, n, "d.npz", -1, &t, f.d));
    ck_assert_mem_eq(ppq_f32(&t), y, sizeof(y));
    ppq_tensor_unref(&t);
    free(bytes);
    ck_assert_str_eq(ppq_npz_key(z.p, z.n, 0, f.a), "first");
    ck_assert_str_eq(ppq_npz_key(z.p, z.n, 1, f.a), "a/b:0");
    ck_assert_ptr_null(ppq_npz_key(z.p, z.n, 2, f.a));
    FAILS(f.d, ppq_npz_entry(z.p, z.n, "d.npz", "fist", &bytes, &n, f.d), PPQ_ERR_DATA,
          "first, a/b:0");
    free(e[0].data.p);
    free(e[1].data.p);
    free(z.p);
    files_end(&f);
}
END_TEST

// Any flipped byte is an error or changes nothing; never wrong values.
START_TEST(damaged_npz_is_noticed)
{
    files f = files_new();
    float x[40];
    for (int i = 0; i < 40; i++)
        x[i] = (float) i;
    const blob one = npy(1, "<f4", "False", "(40,)", x, sizeof(x));
    const blob z = zip(&(const zip_entry){ "x.npy", one, _i }, 1);
    int refused = 0;
    for (size_t i = 0; i < z.n; i++) {
        unsigned char *bytes;
        size_t n;
        z.p[i] ^= 0x41;
        if (ppq_npz_entry(z.p, z.n, "z.npz", "x", &bytes, &n, f.d) == PPQ_OK) {
            ck_assert_uint_eq(n, one.n);
            ck_assert_mem_eq(bytes, one.p, n);
            free(bytes);
        } else {
            refused++;
        }
        z.p[i] ^= 0x41;
    }
    ck_assert_int_gt(refused, 100);
    free(one.p);
    free(z.p);
    files_end(&f);
}
END_TEST

// ---- images ---------------------------------------------------------------------------------

static ppq_tensor preprocessed(files *f, blob image, const char *spec)
{
    ppq_image im;
    ppq_preprocess p;
    ppq_tensor t;
    OK(f->d, ppq_preprocess_parse(spec, &p, f->d));
    OK(f->d, ppq_image_decode(image.p, image.n, "i.png", &im, f->d));
    OK(f->d, ppq_preprocess_apply(&p, &im, "i.png", &t, f->d));
    free(im.pixels);
    return t;
}

// 4 x 2 pixels, red 10 x + 100 y, green 1 + red, blue 2 + red.
static blob ramp(bool gray)
{
    unsigned char px[4 * 2 * 3];
    for (int y = 0; y < 2; y++)
        for (int x = 0; x < 4; x++)
            for (int c = 0; c < 3; c++)
                px[(y * 4 + x) * (gray ? 1 : 3) + (gray ? 0 : c)] =
                    (unsigned char) (10 * x + 100 * y + (gray ? 0 : c));
    return png_of(px, 4, 2, gray ? 1 : 3);
}

START_TEST(image_layouts_and_channels)
{
    static const struct {
        const char *spec;
        ppq_shape shape;
        int step_x, step_c, first; // where pixels and channels are, which comes first
    } cases[] = {
        { "scale=1", { 4, { 1, 3, 2, 4 } }, 1, 8, 0 },
        { "scale=1,layout=nhwc", { 4, { 1, 2, 4, 3 } }, 3, 1, 0 },
        { "scale=1,color=bgr", { 4, { 1, 3, 2, 4 } }, 1, 8, 2 },
        { "scale=1,color=bgr,layout=nhwc", { 4, { 1, 2, 4, 3 } }, 3, 1, 2 },
    };
    files f = files_new();
    const blob b = ramp(false);
    ppq_tensor t = preprocessed(&f, b, cases[_i].spec);
    ck_assert(ppq_shape_equal(&t.shape, &cases[_i].shape));
    for (int k = 0; k < 8; k++)
        for (int c = 0; c < 3; c++) {
            const int channel = cases[_i].first == 2 ? 2 - c : c;
            SAME(ppq_f32(&t)[k * cases[_i].step_x + c * cases[_i].step_c],
                 (float) (10 * (k % 4) + 100 * (k / 4) + channel));
        }
    ppq_tensor_unref(&t);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(pixels_are_scaled_then_normalized)
{
    files f = files_new();
    const blob b = ramp(false);
    ppq_tensor t = preprocessed(&f, b, "scale=255,mean=0.5:0.25:0,std=0.5:2:1,crop=2");
    ck_assert(ppq_shape_equal(&t.shape, &SHAPE(1, 3, 2, 2)));
    static const float mean[] = { 0.5f, 0.25f, 0 }, std[] = { 0.5f, 2, 1 };
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 4; k++) // the centre: columns 1 and 2
            SAME(ppq_f32(&t)[c * 4 + k],
                 ((float) (10 * (k % 2 + 1) + 100 * (k / 2) + c) / 255 - mean[c]) / std[c]);
    ppq_tensor_unref(&t);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(gray_images_and_gray_inputs)
{
    files f = files_new();
    const blob gray = ramp(true), rgb = ramp(false);
    ppq_tensor a = preprocessed(&f, gray, "scale=1"),
               b = preprocessed(&f, gray, "scale=1,color=gray");
    ppq_tensor c = preprocessed(&f, rgb, "scale=1,color=gray");
    ck_assert(ppq_shape_equal(&a.shape, &SHAPE(1, 3, 2, 4)));
    ck_assert(ppq_shape_equal(&b.shape, &SHAPE(1, 1, 2, 4)));
    for (int k = 0; k < 8; k++) {
        for (int ch = 0; ch < 3; ch++)
            SAME(ppq_f32(&a)[ch * 8 + k], ppq_f32(&b)[k]);
        // Luma of r, r + 1, r + 2 lies between them.
        NEAR(ppq_f32(&c)[k], ppq_f32(&b)[k] + 1, 1);
    }
    ppq_tensor_unref(&a);
    ppq_tensor_unref(&b);
    ppq_tensor_unref(&c);
    free(gray.p);
    free(rgb.p);
    files_end(&f);
}
END_TEST

START_TEST(resizing_keeps_a_flat_image_flat)
{
    static const struct {
        const char *spec;
        ppq_shape shape;
    } cases[] = {
        { "resize=5,scale=1", { 4, { 1, 3, 5, 10 } } }, // 8 x 16: the shorter side
        { "resize=31,scale=1", { 4, { 1, 3, 31, 62 } } },
        { "resize=20x10,scale=1,method=bicubic", { 4, { 1, 3, 10, 20 } } },
        { "resize=3x3,scale=1,method=nearest", { 4, { 1, 3, 3, 3 } } },
        { "resize=16,crop=9x4,scale=1", { 4, { 1, 3, 4, 9 } } },
    };
    files f = files_new();
    unsigned char px[8 * 16 * 3];
    memset(px, 77, sizeof(px));
    const blob b = png_of(px, 16, 8, 3);
    ppq_tensor t = preprocessed(&f, b, cases[_i].spec);
    ck_assert(ppq_shape_equal(&t.shape, &cases[_i].shape));
    for (int64_t k = 0; k < ppq_shape_numel(&t.shape); k++)
        SAME(ppq_f32(&t)[k], 77);
    ppq_tensor_unref(&t);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(letterbox_pads_what_is_missing)
{
    files f = files_new();
    unsigned char px[8 * 16];
    memset(px, 50, sizeof(px));
    const blob b = png_of(px, 16, 8, 1);
    ppq_tensor t = preprocessed(&f, b, "letterbox=8,scale=1,pad=114,color=gray");
    ck_assert(ppq_shape_equal(&t.shape, &SHAPE(1, 1, 8, 8)));
    int image = 0, pad = 0;
    for (int k = 0; k < 64; k++) {
        image += fabsf(ppq_f32(&t)[k] - 50) < 0.5f;
        pad += fabsf(ppq_f32(&t)[k] - 114) < 0.5f;
    }
    ck_assert_int_eq(image, 32);
    ck_assert_int_eq(pad, 32);
    ppq_tensor_unref(&t);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(jpeg_is_decoded)
{
    files f = files_new();
    unsigned char px[16 * 16 * 3];
    for (int i = 0; i < 16 * 16; i++) {
        px[3 * i] = 200;
        px[3 * i + 1] = 100;
        px[3 * i + 2] = 50;
    }
    const blob b = jpeg_of(px, 16, 16);
    ppq_tensor t = preprocessed(&f, b, "scale=1");
    ck_assert(ppq_shape_equal(&t.shape, &SHAPE(1, 3, 16, 16)));
    static const float want[] = { 200, 100, 50 };
    for (int k = 0; k < 3 * 256; k++)
        NEAR(ppq_f32(&t)[k], want[k / 256], 4);
    ppq_tensor_unref(&t);
    ppq_image im;
    for (size_t n = 3; n < b.n; n += 7)
        if (ppq_image_decode(b.p, n, "cut.jpg", &im, f.d) == PPQ_OK)
            free(im.pixels); // only the end marker may be missing
        else
            ck_assert(strstr(last_message(f.d), "cut.jpg") != NULL);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(bad_images_are_refused)
{
    files f = files_new();
    ppq_image im = { 0 };
    const blob b = ramp(false);
    for (size_t n = 0; n < b.n - 12; n++) // the last chunk is an empty end
        FAILS(f.d, ppq_image_decode(b.p, n, "cut.png", &im, f.d), PPQ_ERR_DATA, "cut.png");
    ck_assert_ptr_null(im.pixels);
    ppq_preprocess p;
    OK(f.d, ppq_preprocess_parse("crop=5,scale=1", &p, f.d));
    OK(f.d, ppq_image_decode(b.p, b.n, "i.png", &im, f.d));
    ppq_tensor t = { 0 };
    FAILS(f.d, ppq_preprocess_apply(&p, &im, "i.png", &t, f.d), PPQ_ERR_DATA, "larger");
    free(im.pixels);
    free(b.p);
    files_end(&f);
}
END_TEST

START_TEST(bad_preprocessing_names_what_is_legal)
{
    static const struct {
        const char *spec, *message;
    } cases[] = {
        { "resize=0", "resize=0" }, { "resize=3x", "resize=3x" },      { "crop=-1", "crop" },
        { "blur=3", "letterbox" },  { "mean=1:2", "three" },           { "std=0", "std" },
        { "scale=0", "scale" },     { "method=lanczos", "bicubic" },   { "layout=chw", "nchw" },
        { "color=cmyk", "gray" },   { "scale=1,resize", "KEY=VALUE" }, { "mean=nan", "mean" },
    };
    files f = files_new();
    ppq_preprocess p;
    FAILS(f.d, ppq_preprocess_parse(cases[_i].spec, &p, f.d), PPQ_ERR_ARG, cases[_i].message);
    files_end(&f);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { npy_of_every_type_is_read_and_written, (int) PPQ_COUNT(codes) },
        { npy_orders_and_versions_mean_the_same, 6 },
        { npy_shapes_of_any_rank_are_read, 5 },
        { absurd_npy_headers_are_refused, 11 },
        { every_truncation_is_refused, 3 },
        { npz_arrays_are_found_by_key, 2 },
        { damaged_npz_is_noticed, 2 },
        { image_layouts_and_channels, 4 },
        { pixels_are_scaled_then_normalized, 1 },
        { gray_images_and_gray_inputs, 1 },
        { resizing_keeps_a_flat_image_flat, 5 },
        { letterbox_pads_what_is_missing, 1 },
        { jpeg_is_decoded, 1 },
        { bad_images_are_refused, 1 },
        { bad_preprocessing_names_what_is_legal, 12 },
    };
    return run_tests("data", tests, PPQ_COUNT(tests));
}
