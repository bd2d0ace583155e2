#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/io.h"
#include "parser/tensor_file.h"
#include "quantizer/data/data.h"
#include "quantizer/data/format.h"

ppq_status ppq_data_fail(ppq_diag *d, const char *name, const char *fmt, ...)
{
    char text[700];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return ppq_fail(d, PPQ_ERR_DATA, (ppq_loc){ .stage = "data" }, "'%s': %s", name, text);
}

ppq_status ppq_view_open(const char *path, ppq_view *out, ppq_diag *d)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat sb;
    if (fd < 0 || fstat(fd, &sb) != 0) {
        const int e = errno;
        if (fd >= 0)
            close(fd);
        return ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "data" }, "cannot read '%s': %s", path,
                        strerror(e));
    }
    void *p = MAP_FAILED;
    const size_t n = (size_t) sb.st_size;
    if (S_ISREG(sb.st_mode) && n)
        p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (p == MAP_FAILED)
        return ppq_data_fail(d, path, S_ISREG(sb.st_mode) ? "the file is empty" : "not a file");
    *out = (ppq_view){ p, n };
    return PPQ_OK;
}

void ppq_view_close(ppq_view *v)
{
    if (v->data)
        munmap((void *) (uintptr_t) v->data, v->size);
    *v = (ppq_view){ 0 };
}

// ---- header ---------------------------------------------------------------------------------

// The text of a Python dict literal, one key of which is looked up.
static const char *dict_value(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (!at)
        return NULL;
    at += strlen(key);
    at += strspn(at, "'\": ");
    return at;
}

static ppq_dtype descr_dtype(const char *s, bool *swap)
{
    static const struct {
        const char *code;
        ppq_dtype dt;
    } codes[] = {
        { "f4", PPQ_DT_F32 }, { "f8", PPQ_DT_F64 }, { "f2", PPQ_DT_F16 }, { "i1", PPQ_DT_I8 },
        { "i2", PPQ_DT_I16 }, { "i4", PPQ_DT_I32 }, { "i8", PPQ_DT_I64 }, { "u1", PPQ_DT_U8 },
        { "u2", PPQ_DT_U16 }, { "u4", PPQ_DT_U32 }, { "u8", PPQ_DT_U64 }, { "b1", PPQ_DT_BOOL },
    };
    *swap = s[0] == '>';
    for (size_t i = 0; s[0] && i < PPQ_COUNT(codes); i++)
        if (strchr("<>|=", s[0]) && strncmp(s + 1, codes[i].code, 2) == 0)
            return codes[i].dt;
    return PPQ_DT_NONE;
}

static bool parse_shape(const char *s, ppq_shape *out)
{
    *out = (ppq_shape){ .rank = 0 };
    if (*s++ != '(')
        return false;
    for (;;) {
        s += strspn(s, " ,");
        if (*s == ')')
            return true;
        char *end;
        const long long v = strtoll(s, &end, 10);
        if (end == s || v < 0 || out->rank == PPQ_MAX_RANK)
            return false;
        out->dim[out->rank++] = v;
        s = *end == 'L' ? end + 1 : end;
    }
}

ppq_status ppq_npy_header(const unsigned char *p, size_t n, const char *name, ppq_npy *out,
                          ppq_diag *d)
{
    if (n < 10 || memcmp(p, "\x93NUMPY", 6) != 0)
        return ppq_data_fail(d, name, "no .npy file");
    const bool wide = p[6] >= 2;
    if (p[6] < 1 || p[6] > 3 || (wide && n < 12))
        return ppq_data_fail(d, name, ".npy version %d is not known", p[6]);
    const size_t length = wide ? p[8] | (size_t) p[9] << 8 | (size_t) p[10] << 16 |
                                     (size_t) p[11] << 24
                               : p[8] | (size_t) p[9] << 8;
    const size_t start = wide ? 12 : 10;
    if (length > n - start || length > 65536)
        return ppq_data_fail(d, name, "the .npy header is cut off");
    char *text = strndup((const char *) p + start, length);
    if (!text)
        abort();
    const char *descr = dict_value(text, "'descr'"), *order = dict_value(text, "'fortran_order'");
    const char *shape = dict_value(text, "'shape'");
    ppq_npy h = { .at = start + length };
    ppq_status st = PPQ_OK;
    if (!descr || !order || !shape || !parse_shape(shape, &h.shape))
        st = ppq_data_fail(d, name, "the .npy header cannot be read, or has more than %d dimensions",
                           PPQ_MAX_RANK);
    else if ((h.dtype = descr_dtype(descr, &h.swap)) == PPQ_DT_NONE)
        st = ppq_data_fail(d, name, "element type '%.8s' is not supported", descr);
    else
        h.fortran = strncmp(order, "True", 4) == 0;
    free(text);
    if (st != PPQ_OK)
        return st;
    const size_t bytes = ppq_shape_bytes(&h.shape, h.dtype);
    if (bytes == SIZE_MAX || bytes > n - h.at) {
        char b[128];
        return ppq_data_fail(d, name, "cut off: shape %s needs %zu bytes, %zu are there",
                             ppq_shape_str(&h.shape, b, sizeof(b)), bytes, n - h.at);
    }
    *out = h;
    return PPQ_OK;
}

// ---- elements -------------------------------------------------------------------------------

static void swap_bytes(unsigned char *p, size_t n, size_t es)
{
    for (size_t i = 0; i + es <= n; i += es)
        for (size_t k = 0; k < es / 2; k++) {
            const unsigned char t = p[i + k];
            p[i + k] = p[i + es - 1 - k];
            p[i + es - 1 - k] = t;
        }
}

// Column-major to row-major.
static void reorder(const unsigned char *src, const ppq_shape *s, size_t es, unsigned char *dst)
{
    int64_t index[PPQ_MAX_RANK] = { 0 }, stride[PPQ_MAX_RANK], step = 1;
    for (int i = 0; i < s->rank; i++) {
        stride[i] = step;
        step *= s->dim[i];
    }
    for (int64_t k = 0; k < step; k++) {
        int64_t at = 0;
        for (int i = 0; i < s->rank; i++)
            at += index[i] * stride[i];
        memcpy(dst + (size_t) k * es, src + (size_t) at * es, es);
        for (int i = s->rank - 1; i >= 0 && ++index[i] == s->dim[i]; i--)
            index[i] = 0;
    }
}

ppq_status ppq_npy_decode(const unsigned char *p, size_t n, const char *name, int64_t row,
                          ppq_tensor *out, ppq_diag *d)
{
    ppq_npy h;
    PPQ_TRY(ppq_npy_header(p, n, name, &h, d));
    const size_t es = ppq_dtype_size(h.dtype);
    ppq_shape s = h.shape;
    size_t at = h.at;
    const bool slice = row >= 0 && s.rank > 0;
    if (slice && row >= s.dim[0])
        return ppq_data_fail(d, name, "row %lld of %lld does not exist", (long long) row,
                             (long long) s.dim[0]);
    if (slice && !h.fortran) {
        s.dim[0] = 1;
        at += (size_t) row * ppq_shape_bytes(&s, h.dtype);
    }
    ppq_tensor t;
    const ppq_status st = ppq_tensor_alloc(&t, h.dtype, &s);
    if (st != PPQ_OK)
        return ppq_data_fail(d, name, "no memory for its values");
    if (h.fortran)
        reorder(p + at, &s, es, ppq_tensor_data(&t));
    else
        memcpy(ppq_tensor_data(&t), p + at, ppq_tensor_bytes(&t));
    if (h.swap)
        swap_bytes(ppq_tensor_data(&t), ppq_tensor_bytes(&t), es);
    if (slice && h.fortran) {
        s.dim[0] = 1;
        const size_t bytes = ppq_shape_bytes(&s, h.dtype);
        memmove(ppq_tensor_data(&t), (char *) ppq_tensor_data(&t) + (size_t) row * bytes, bytes);
        t.shape = s;
    }
    *out = t;
    return PPQ_OK;
}

static bool ends_with(const char *s, const char *suffix)
{
    const size_t n = strlen(s), k = strlen(suffix);
    return n >= k && strcmp(s + n - k, suffix) == 0;
}

ppq_status ppq_tensor_load(const char *path, ppq_tensor *out, ppq_diag *d)
{
    ppq_view v;
    PPQ_TRY(ppq_view_open(path, &v, d));
    const ppq_status st = ends_with(path, ".pb")
                              ? ppq_parse_tensor_bytes(v.data, v.size, path, out, d)
                              : ppq_npy_decode(v.data, v.size, path, -1, out, d);
    ppq_view_close(&v);
    return st;
}

ppq_status ppq_npy_save(const char *path, const ppq_tensor *t, ppq_diag *d)
{
    static const char *const codes[PPQ_DT_COUNT] = {
        [PPQ_DT_F32] = "<f4", [PPQ_DT_F64] = "<f8", [PPQ_DT_F16] = "<f2", [PPQ_DT_I8] = "|i1",
        [PPQ_DT_I16] = "<i2", [PPQ_DT_I32] = "<i4", [PPQ_DT_I64] = "<i8", [PPQ_DT_U8] = "|u1",
        [PPQ_DT_U16] = "<u2", [PPQ_DT_U32] = "<u4", [PPQ_DT_U64] = "<u8", [PPQ_DT_BOOL] = "|b1",
    };
    if (!codes[t->dtype])
        return ppq_data_fail(d, path, ".npy cannot hold %s", ppq_dtype_name(t->dtype));
    ppq_buf b = { 0 };
    ppq_buf_append(&b, "\x93NUMPY\x01\x00\x00\x00", 10);
    ppq_buf_printf(&b, "{'descr': '%s', 'fortran_order': False, 'shape': (", codes[t->dtype]);
    for (int i = 0; i < t->shape.rank; i++)
        ppq_buf_printf(&b, "%lld,%s", (long long) t->shape.dim[i],
                       i + 1 < t->shape.rank ? " " : "");
    ppq_buf_printf(&b, "), }");
    while ((b.n + 1) % 64)
        ppq_buf_append(&b, " ", 1);
    ppq_buf_append(&b, "\n", 1);
    b.data[8] = (char) ((b.n - 10) & 255);
    b.data[9] = (char) ((b.n - 10) >> 8);
    ppq_file *f;
    ppq_status st = ppq_file_create(path, &f, d);
    if (st == PPQ_OK) {
        st = ppq_file_write(f, b.data, b.n, d);
        if (st == PPQ_OK && ppq_tensor_bytes(t))
            st = ppq_file_write(f, ppq_tensor_data(t), ppq_tensor_bytes(t), d);
        if (st == PPQ_OK)
            st = ppq_file_commit(f, d);
        ppq_file_destroy(f);
    }
    ppq_buf_free(&b);
    return st;
}
