#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

#include "quantizer/data/format.h"

// JPEG and PNG to 8-bit gray or RGB. Both libraries report errors by jumping out; what they
// allocate is released behind the jump.

enum { MAX_SIDE = 32768 };

typedef struct jpeg_trap {
    struct jpeg_error_mgr base;
    jmp_buf out;
    char text[JMSG_LENGTH_MAX];
} jpeg_trap;

static void jpeg_jump(j_common_ptr c)
{
    jpeg_trap *t = (jpeg_trap *) (void *) c->err;
    c->err->format_message(c, t->text);
    longjmp(t->out, 1);
}

static void jpeg_quiet(j_common_ptr c, int level)
{
    // Corrupt data is an error here, not a warning with gray blocks.
    if (level < 0)
        jpeg_jump(c);
}

static ppq_status decode_jpeg(const unsigned char *p, size_t n, const char *name, ppq_image *out,
                              ppq_diag *d)
{
    struct jpeg_decompress_struct c;
    jpeg_trap trap;
    unsigned char *volatile pixels = NULL;
    memset(&c, 0, sizeof(c));
    c.err = jpeg_std_error(&trap.base);
    trap.base.error_exit = jpeg_jump;
    trap.base.emit_message = jpeg_quiet;
    if (setjmp(trap.out)) {
        jpeg_destroy_decompress(&c);
        free(pixels);
        return ppq_data_fail(d, name, "%s", trap.text);
    }
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, p, n);
    (void) jpeg_read_header(&c, TRUE);
    c.out_color_space = c.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    if (c.image_width > MAX_SIDE || c.image_height > MAX_SIDE ||
        c.jpeg_color_space == JCS_CMYK || c.jpeg_color_space == JCS_YCCK) {
        snprintf(trap.text, sizeof(trap.text),
                 "the image has %u x %u pixels or is CMYK; at most %d x %d, gray or RGB",
                 c.image_width, c.image_height, MAX_SIDE, MAX_SIDE);
        longjmp(trap.out, 1);
    }
    (void) jpeg_start_decompress(&c);
    const size_t row = (size_t) c.output_width * (size_t) c.output_components;
    pixels = malloc(row * c.output_height + 1);
    if (!pixels) {
        snprintf(trap.text, sizeof(trap.text), "no memory for the image");
        longjmp(trap.out, 1);
    }
    while (c.output_scanline < c.output_height) {
        unsigned char *line = pixels + row * c.output_scanline;
        (void) jpeg_read_scanlines(&c, &line, 1);
    }
    (void) jpeg_finish_decompress(&c);
    *out = (ppq_image){ pixels, (int) c.output_width, (int) c.output_height, c.output_components };
    jpeg_destroy_decompress(&c);
    return PPQ_OK;
}

static ppq_status decode_png(const unsigned char *p, size_t n, const char *name, ppq_image *out,
                             ppq_diag *d)
{
    png_image image;
    memset(&image, 0, sizeof(image));
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, p, n))
        return ppq_data_fail(d, name, "%s", image.message);
    if (image.width > MAX_SIDE || image.height > MAX_SIDE) {
        png_image_free(&image);
        return ppq_data_fail(d, name, "the image has more than %d pixels on a side", MAX_SIDE);
    }
    const bool colour = image.format & PNG_FORMAT_FLAG_COLOR;
    image.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    unsigned char *pixels = malloc(PNG_IMAGE_SIZE(image) + 1);
    const png_color black = { 0, 0, 0 };
    if (!pixels || !png_image_finish_read(&image, &black, pixels, 0, NULL)) {
        const ppq_status st =
            ppq_data_fail(d, name, "%s", pixels ? image.message : "no memory for the image");
        png_image_free(&image);
        free(pixels);
        return st;
    }
    *out = (ppq_image){ pixels, (int) image.width, (int) image.height, colour ? 3 : 1 };
    return PPQ_OK;
}

ppq_status ppq_image_decode(const unsigned char *p, size_t n, const char *name, ppq_image *out,
                            ppq_diag *d)
{
    if (n >= 3 && p[0] == 0xff && p[1] == 0xd8 && p[2] == 0xff)
        return decode_jpeg(p, n, name, out, d);
    if (n >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
        return decode_png(p, n, name, out, d);
    return ppq_data_fail(d, name, "neither a JPEG nor a PNG image");
}
