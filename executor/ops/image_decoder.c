#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "executor/ops/args.h"

// The pixels of an encoded image as height x width x channels: JPEG, PNG, BMP without compression,
// and binary PGM and PPM.

enum format { RGB, BGR, GRAY };
enum { MAX_PIXELS = 1 << 26 };

static ppq_status infer(ppq_infer_ctx *c)
{
    const bool gray = ppq_op_attr_is(c->op, "pixel_format", "Grayscale");
    const ppq_shape s = { 3, { PPQ_DIM_UNKNOWN, PPQ_DIM_UNKNOWN, gray ? 1 : 3 } };
    if (c->in_dtype[0] != PPQ_DT_NONE && c->in_dtype[0] != PPQ_DT_U8)
        return ppq_infer_fail(c, "the stream is %s, expected uint8",
                              ppq_dtype_name(c->in_dtype[0]));
    return ppq_infer_out(c, 0, PPQ_DT_U8, &s);
}

typedef struct stream {
    ppq_kernel_ctx *c;
    const unsigned char *p;
    size_t n;
} stream;

static ppq_status broken(const stream *s, const char *format, const char *what)
{
    return ppq_kernel_fail(s->c, PPQ_ERR_DATA, "the %s image cannot be decoded: %s", format, what);
}

// Output 0 for an RGB image of this size.
static ppq_status reserve(const stream *s, int64_t width, int64_t height, unsigned char **out)
{
    const ppq_shape shape = { 3, { height, width, 3 } };
    if (width < 1 || height < 1 || height > MAX_PIXELS / width)
        return ppq_kernel_fail(s->c, PPQ_ERR_DATA,
                               "the image has %lld x %lld pixels, legal are 1 to %d in all",
                               (long long) width, (long long) height, MAX_PIXELS);
    PPQ_TRY(ppq_run_out(s->c, 0, PPQ_DT_U8, &shape));
    *out = ppq_tensor_data(&s->c->out[0]);
    return PPQ_OK;
}

// ---- formats --------------------------------------------------------------------------------

// libjpeg reports errors by calling a function that must not return.
typedef struct trap {
    struct jpeg_error_mgr base;
    jmp_buf out;
    char text[JMSG_LENGTH_MAX];
} trap;

static void jump(j_common_ptr c)
{
    trap *t = (trap *) (void *) c->err;
    c->err->format_message(c, t->text);
    longjmp(t->out, 1);
}

static void warn(j_common_ptr c, int level)
{
    if (level < 0)
        jump(c);
}

static ppq_status decode_jpeg(const stream *s)
{
    struct jpeg_decompress_struct d;
    trap t;
    memset(&d, 0, sizeof(d));
    d.err = jpeg_std_error(&t.base);
    t.base.error_exit = jump;
    t.base.emit_message = warn;
    if (setjmp(t.out)) {
        jpeg_destroy_decompress(&d);
        return broken(s, "JPEG", t.text);
    }
    jpeg_create_decompress(&d);
    jpeg_mem_src(&d, s->p, s->n);
    (void) jpeg_read_header(&d, TRUE);
    d.out_color_space = JCS_RGB;
    unsigned char *out;
    const ppq_status st = reserve(s, d.image_width, d.image_height, &out);
    if (st == PPQ_OK) {
        (void) jpeg_start_decompress(&d);
        while (d.output_scanline < d.output_height) {
            JSAMPROW row = out + (size_t) d.output_scanline * d.output_width * 3;
            (void) jpeg_read_scanlines(&d, &row, 1);
        }
        (void) jpeg_finish_decompress(&d);
    }
    jpeg_destroy_decompress(&d);
    return st;
}

static ppq_status decode_png(const stream *s)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    if (!png_image_begin_read_from_memory(&image, s->p, s->n))
        return broken(s, "PNG", image.message);
    image.format = PNG_FORMAT_RGB;
    unsigned char *out;
    ppq_status st = reserve(s, image.width, image.height, &out);
    if (st == PPQ_OK) {
        memset(out, 0, PNG_IMAGE_SIZE(image)); // what is transparent is black
        if (!png_image_finish_read(&image, NULL, out, 0, NULL))
            st = broken(s, "PNG", image.message);
    }
    png_image_free(&image);
    return st;
}

static uint32_t little(const unsigned char *p, int bytes)
{
    uint32_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static ppq_status decode_bmp(const stream *s)
{
    enum { HEAD = 54 };
    if (s->n < HEAD || little(s->p + 14, 4) < 40)
        return broken(s, "BMP", "its header is too short");
    const uint32_t start = little(s->p + 10, 4), bits = little(s->p + 28, 2);
    const int64_t width = (int32_t) little(s->p + 18, 4), rows = (int32_t) little(s->p + 22, 4);
    const int64_t height = rows < 0 ? -rows : rows;
    if ((bits != 24 && bits != 32) || little(s->p + 30, 4) != 0)
        return ppq_kernel_fail(s->c, PPQ_ERR_UNSUPPORTED,
                               "BMP images are supported with 24 or 32 bits and no compression, "
                               "this one has %u bits",
                               bits);
    unsigned char *out;
    PPQ_TRY(reserve(s, width, height, &out));
    const size_t step = bits / 8, stride = ((size_t) width * step + 3) / 4 * 4;
    if (start > s->n || (s->n - start) / stride < (size_t) height)
        return broken(s, "BMP", "it ends too early");
    for (int64_t y = 0; y < height; y++) {
        const size_t row = (size_t) (rows < 0 ? y : height - 1 - y);
        const unsigned char *src = s->p + start + row * stride;
        for (int64_t x = 0; x < width; x++, src += step)
            for (int k = 0; k < 3; k++)
                *out++ = src[2 - k];
    }
    return PPQ_OK;
}

// A number of a PNM header, behind white space and comments; -1 when there is none.
static int64_t header_number(const stream *s, size_t *at)
{
    bool comment = false;
    while (*at < s->n && (comment || s->p[*at] == '#' || s->p[*at] == ' ' ||
                          (s->p[*at] >= '\t' && s->p[*at] <= '\r'))) {
        comment = (comment || s->p[*at] == '#') && s->p[*at] != '\n';
        ++*at;
    }
    int64_t v = -1;
    for (; *at < s->n && s->p[*at] >= '0' && s->p[*at] <= '9' && v < INT32_MAX; ++*at)
        v = PPQ_MAX(v, 0) * 10 + (s->p[*at] - '0');
    return v;
}

static ppq_status decode_pnm(const stream *s)
{
    size_t at = 2;
    const size_t channels = s->p[1] == '6' ? 3 : 1;
    const int64_t width = header_number(s, &at), height = header_number(s, &at);
    const int64_t top = header_number(s, &at);
    if (top < 1 || top > 255)
        return broken(s, "PNM", "its largest value is not between 1 and 255");
    unsigned char *out;
    PPQ_TRY(reserve(s, width, height, &out));
    const size_t pixels = (size_t) (width * height);
    at++; // one white space
    if (at > s->n || (s->n - at) / channels < pixels)
        return broken(s, "PNM", "it ends too early");
    for (size_t i = 0; i < pixels * 3; i++) {
        const int64_t v = s->p[at + (channels == 3 ? i : i / 3)];
        out[i] = (unsigned char) PPQ_MIN((v * 255 + top / 2) / top, 255);
    }
    return PPQ_OK;
}

static bool starts(const stream *s, size_t at, const char *text, size_t n)
{
    return s->n >= at + n && memcmp(s->p + at, text, n) == 0;
}

static ppq_status decode(const stream *s)
{
    if (starts(s, 0, "\xff\xd8\xff", 3))
        return decode_jpeg(s);
    if (starts(s, 0, "\x89PNG\r\n\x1a\n", 8))
        return decode_png(s);
    if (starts(s, 0, "BM", 2))
        return decode_bmp(s);
    if (starts(s, 0, "P5", 2) || starts(s, 0, "P6", 2))
        return decode_pnm(s);
    const char *name = starts(s, 0, "II*\0", 4) || starts(s, 0, "MM\0*", 4) ? "TIFF"
                       : starts(s, 8, "WEBP", 4)                            ? "WebP"
                       : starts(s, 4, "jP  ", 4)                            ? "JPEG 2000"
                                                                            : "this kind of";
    return ppq_kernel_fail(s->c, PPQ_ERR_UNSUPPORTED,
                           "%s images are not supported, only JPEG, PNG, BMP, PGM and PPM", name);
}

// ---- the pixel format -----------------------------------------------------------------------

// BT.601 luma in 16 bits.
static ppq_status to_gray(ppq_kernel_ctx *c)
{
    ppq_tensor rgb = ppq_tensor_ref(&c->out[0]);
    ppq_shape s = rgb.shape;
    s.dim[2] = 1;
    const ppq_status st = ppq_kernel_alloc(c, 0, PPQ_DT_U8, &s);
    const unsigned char *p = ppq_tensor_data(&rgb);
    unsigned char *y = ppq_tensor_data(&c->out[0]);
    for (int64_t i = 0; st == PPQ_OK && i < s.dim[0] * s.dim[1]; i++, p += 3)
        y[i] = (unsigned char) ((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
    ppq_tensor_unref(&rgb);
    return st;
}

static void swap_channels(ppq_tensor *t)
{
    unsigned char *p = ppq_tensor_data(t);
    for (size_t i = 0; i + 2 < ppq_tensor_bytes(t); i += 3) {
        const unsigned char red = p[i];
        p[i] = p[i + 2];
        p[i + 2] = red;
    }
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    static const char *const formats[] = { "RGB", "BGR", "Grayscale", NULL };
    const ppq_args a = ppq_args_run(c);
    int format;
    PPQ_TRY(ppq_args_choice(&a, "pixel_format", formats, &format));
    const stream s = { c, ppq_tensor_data(c->in[0]), ppq_tensor_bytes(c->in[0]) };
    PPQ_TRY(decode(&s));
    if (format == BGR)
        swap_channels(&c->out[0]);
    return format == GRAY ? to_gray(c) : PPQ_OK;
}

const ppq_op_def ppq_op_image_decoder = {
    .type = "ImageDecoder",
    .domain = "",
    .opset_min = 20,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .fp32_in = 0x1,
    .infer = infer,
    .forward = forward,
};
