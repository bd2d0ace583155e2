#ifndef PPQ_TESTS_UNIT_DATA_FILES_H
#define PPQ_TESTS_UNIT_DATA_FILES_H

// Data files made from nothing: .npy, .npz, .png, .jpg, and a folder to put them into that goes
// with the test.

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

#include "core/io.h"
#include "tests/unit/harness.h"

typedef struct blob {
    unsigned char *p; // malloc'ed
    size_t n;
} blob;

typedef struct files {
    char dir[64];
    ppq_diag *d;
    ppq_arena *a;
} files;

HELPER files files_new(void)
{
    files f = { .dir = "/tmp/ppq-data-XXXXXX",
                .d = ppq_diag_create(NULL, NULL),
                .a = ppq_arena_create("files") };
    ck_assert_ptr_nonnull(mkdtemp(f.dir));
    return f;
}

HELPER void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char sub[512];
        snprintf(sub, sizeof(sub), "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(sub) != 0)
            remove_tree(sub);
    }
    if (dir)
        closedir(dir);
    (void) rmdir(path);
}

HELPER void files_end(files *f)
{
    remove_tree(f->dir);
    ppq_diag_destroy(f->d);
    ppq_arena_destroy(f->a);
}

HELPER const char *path_of(files *f, const char *name)
{
    return ppq_arena_printf(f->a, "%s/%s", f->dir, name);
}

HELPER const char *folder(files *f, const char *name)
{
    const char *path = path_of(f, name);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    return path;
}

HELPER const char *put_bytes(files *f, const char *name, const void *p, size_t n)
{
    const char *path = path_of(f, name);
    FILE *out = fopen(path, "wb");
    ck_assert_msg(out != NULL, "%s", path);
    ck_assert_uint_eq(fwrite(p, 1, n, out), n);
    ck_assert_int_eq(fclose(out), 0);
    return path;
}

// Writes and frees it.
HELPER const char *put(files *f, const char *name, blob b)
{
    const char *path = put_bytes(f, name, b.p, b.n);
    free(b.p);
    return path;
}

static inline blob from_buf(ppq_buf *b)
{
    const blob out = { malloc(b->n + 1), b->n };
    ck_assert_ptr_nonnull(out.p);
    memcpy(out.p, b->data, b->n);
    ppq_buf_free(b);
    return out;
}

// ---- numpy ----------------------------------------------------------------------------------

HELPER blob npy(int version, const char *code, const char *fortran, const char *shape,
                const void *data, size_t n)
{
    ppq_buf dict = { 0 }, b = { 0 };
    ppq_buf_printf(&dict, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", code, fortran,
                   shape);
    const size_t start = version == 1 ? 10 : 12;
    while ((start + dict.n + 1) % 64)
        ppq_buf_append(&dict, " ", 1);
    ppq_buf_append(&dict, "\n", 1);
    const unsigned char head[] = { 0x93,
                                   'N',
                                   'U',
                                   'M',
                                   'P',
                                   'Y',
                                   (unsigned char) version,
                                   0,
                                   (unsigned char) dict.n,
                                   (unsigned char) (dict.n >> 8),
                                   0,
                                   0 };
    ppq_buf_append(&b, head, start);
    ppq_buf_append(&b, dict.data, dict.n);
    ppq_buf_append(&b, data, n);
    ppq_buf_free(&dict);
    return from_buf(&b);
}

HELPER blob npy_f32(const char *shape, const float *x, size_t n)
{
    return npy(1, "<f4", "False", shape, x, n * sizeof(*x));
}

typedef struct zip_entry {
    const char *name;
    blob data;
    bool deflate;
} zip_entry;

static inline void le(ppq_buf *b, uint32_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        ppq_buf_append(b, &(const unsigned char){ (unsigned char) (v >> 8 * i) }, 1);
}

static inline blob deflated(blob in)
{
    z_stream z = { 0 };
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    const blob out = { malloc(deflateBound(&z, in.n)), 0 };
    z.next_in = in.p;
    z.avail_in = (uInt) in.n;
    z.next_out = out.p;
    z.avail_out = (uInt) deflateBound(&z, in.n);
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    const size_t n = z.total_out;
    deflateEnd(&z);
    return (blob){ out.p, n };
}

// What the local header and the directory have in common.
static inline void zip_fields(ppq_buf *b, const zip_entry *e, size_t packed)
{
    le(b, 20, 2);
    le(b, 0, 2);
    le(b, e->deflate ? 8 : 0, 2);
    le(b, 0, 4);
    le(b, (uint32_t) crc32(0, e->data.p, (uInt) e->data.n), 4);
    le(b, (uint32_t) packed, 4);
    le(b, (uint32_t) e->data.n, 4);
    le(b, (uint32_t) strlen(e->name), 2);
    le(b, 0, 2);
}

HELPER blob zip(const zip_entry *e, size_t n)
{
    ppq_buf b = { 0 }, dir = { 0 };
    for (size_t i = 0; i < n; i++) {
        const blob body = e[i].deflate ? deflated(e[i].data) : e[i].data;
        const size_t at = b.n;
        le(&b, 0x04034b50, 4);
        zip_fields(&b, &e[i], body.n);
        ppq_buf_append(&b, e[i].name, strlen(e[i].name));
        ppq_buf_append(&b, body.p, body.n);
        le(&dir, 0x02014b50, 4);
        le(&dir, 20, 2);
        zip_fields(&dir, &e[i], body.n);
        le(&dir, 0, 4);
        le(&dir, 0, 2);
        le(&dir, 0, 4);
        le(&dir, (uint32_t) at, 4);
        ppq_buf_append(&dir, e[i].name, strlen(e[i].name));
        if (e[i].deflate)
            free(body.p);
    }
    const size_t at = b.n, size = dir.n;
    ppq_buf_append(&b, dir.data, dir.n);
    ppq_buf_free(&dir);
    le(&b, 0x06054b50, 4);
    le(&b, 0, 4);
    le(&b, (uint32_t) n, 2);
    le(&b, (uint32_t) n, 2);
    le(&b, (uint32_t) size, 4);
    le(&b, (uint32_t) at, 4);
    le(&b, 0, 2);
    return from_buf(&b);
}

// ---- images ---------------------------------------------------------------------------------

HELPER blob png_of(const unsigned char *px, int w, int h, int channels)
{
    png_image im;
    memset(&im, 0, sizeof(im));
    im.version = PNG_IMAGE_VERSION;
    im.width = (unsigned) w;
    im.height = (unsigned) h;
    im.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
    png_alloc_size_t n = 1 << 16;
    unsigned char *p = malloc(n);
    ck_assert(png_image_write_to_memory(&im, p, &n, 0, px, 0, NULL));
    return (blob){ p, n };
}

HELPER blob jpeg_of(unsigned char *px, int w, int h)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    c.err = jpeg_std_error(&err);
    jpeg_create_compress(&c);
    unsigned char *out = NULL;
    unsigned long n = 0;
    jpeg_mem_dest(&c, &out, &n);
    c.image_width = (unsigned) w;
    c.image_height = (unsigned) h;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 100, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = px + (size_t) c.next_scanline * (size_t) w * 3;
        (void) jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    return (blob){ out, n };
}

#endif
