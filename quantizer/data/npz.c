#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/io.h"
#include "quantizer/data/format.h"

// Zip archives as numpy writes them: stored or deflated entries, zip64 sizes allowed, no
// encryption and no spanning.

typedef struct entry {
    const unsigned char *name;
    size_t name_size;
    unsigned method;
    uint32_t crc;
    uint64_t packed, size, header; // header: offset of the local header
} entry;

static uint64_t le(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

// The end record, searched backwards over a comment of at most 64 KiB.
static bool find_directory(const unsigned char *p, size_t n, size_t *at, size_t *count)
{
    for (size_t back = 22; back <= n && back < 22 + 65536; back++) {
        const unsigned char *e = p + n - back;
        if (le(e, 4) != 0x06054b50)
            continue;
        uint64_t dir = le(e + 16, 4), k = le(e + 10, 2);
        if ((dir == 0xffffffffu || k == 0xffffu) && back + 20 <= n &&
            le(e - 20, 4) == 0x07064b50) {
            const uint64_t at64 = le(e - 20 + 8, 8);
            if (at64 > n || n - at64 < 56 || le(p + at64, 4) != 0x06064b50)
                return false;
            k = le(p + at64 + 32, 8);
            dir = le(p + at64 + 48, 8);
        }
        *at = (size_t) dir;
        *count = (size_t) k;
        return dir <= n;
    }
    return false;
}

static void read_zip64(const unsigned char *x, size_t n, entry *e)
{
    for (size_t i = 0; i + 4 <= n;) {
        const unsigned id = (unsigned) le(x + i, 2), size = (unsigned) le(x + i + 2, 2);
        const unsigned char *v = x + i + 4, *end = x + PPQ_MIN(n, i + 4 + size);
        uint64_t *fields[] = { &e->size, &e->packed, &e->header };
        for (int f = 0; id == 1 && f < 3; f++)
            if (*fields[f] == 0xffffffffu && end - v >= 8) {
                *fields[f] = le(v, 8);
                v += 8;
            }
        i += 4 + (size_t) size;
    }
}

// Entry at *at of the central directory; moves *at to the next.
static bool next_entry(const unsigned char *p, size_t n, size_t *at, entry *e)
{
    if (*at > n || n - *at < 46 || le(p + *at, 4) != 0x02014b50)
        return false;
    const unsigned char *h = p + *at;
    const size_t name = (size_t) le(h + 28, 2), extra = (size_t) le(h + 30, 2);
    const size_t all = 46 + name + extra + (size_t) le(h + 32, 2);
    if (all > n - *at)
        return false;
    *e = (entry){ h + 46, name, (unsigned) le(h + 10, 2), (uint32_t) le(h + 16, 4),
                  le(h + 20, 4), le(h + 24, 4), le(h + 42, 4) };
    read_zip64(h + 46 + name, extra, e);
    *at += all;
    return true;
}

static size_t key_size(const entry *e)
{
    return e->name_size > 4 && memcmp(e->name + e->name_size - 4, ".npy", 4) == 0
               ? e->name_size - 4
               : e->name_size;
}

const char *ppq_npz_key(const unsigned char *p, size_t n, size_t i, ppq_arena *a)
{
    size_t at, count;
    entry e;
    if (!find_directory(p, n, &at, &count) || i >= count)
        return NULL;
    for (size_t k = 0; k <= i; k++)
        if (!next_entry(p, n, &at, &e))
            return NULL;
    return ppq_arena_printf(a, "%.*s", (int) PPQ_MIN(key_size(&e), 4096), (const char *) e.name);
}

static ppq_status inflate_entry(const unsigned char *src, const entry *e, const char *name,
                                unsigned char *dst, ppq_diag *d)
{
    z_stream z = { 0 };
    if (inflateInit2(&z, -15) != Z_OK)
        return ppq_data_fail(d, name, "zlib cannot start");
    uint64_t in = 0, out = 0;
    int r = Z_OK;
    // avail fields are 32 bits wide.
    while (r == Z_OK) {
        z.next_in = (unsigned char *) (uintptr_t) (src + in);
        z.avail_in = (uInt) PPQ_MIN(e->packed - in, 1u << 30);
        z.next_out = dst + out;
        z.avail_out = (uInt) PPQ_MIN(e->size - out, 1u << 30);
        const uInt a = z.avail_in, b = z.avail_out;
        r = inflate(&z, Z_NO_FLUSH);
        in += a - z.avail_in;
        out += b - z.avail_out;
        if (r == Z_OK && a == z.avail_in && b == z.avail_out)
            break;
    }
    inflateEnd(&z);
    return r == Z_STREAM_END && out == e->size
               ? PPQ_OK
               : ppq_data_fail(d, name, "an entry cannot be decompressed");
}

static ppq_status unpack(const unsigned char *p, size_t n, const entry *e, const char *name,
                         unsigned char **bytes, size_t *size, ppq_diag *d)
{
    if (e->header > n || n - e->header < 30 || le(p + e->header, 4) != 0x04034b50)
        return ppq_data_fail(d, name, "the archive is damaged");
    const unsigned char *h = p + e->header;
    const size_t skip = 30 + (size_t) le(h + 26, 2) + (size_t) le(h + 28, 2);
    const size_t room = n - (size_t) e->header;
    if (skip > room || e->packed > room - skip)
        return ppq_data_fail(d, name, "the archive is cut off");
    if ((e->method != 0 && e->method != 8) || (e->method == 0 && e->size != e->packed))
        return ppq_data_fail(d, name, "compression method %u is not supported", e->method);
    // Deflate packs at most 1032 to 1.
    if (e->size > (uint64_t) SIZE_MAX / 2 || (e->method == 8 && e->size / 1100 > e->packed))
        return ppq_data_fail(d, name, "an entry claims %llu bytes",
                             (unsigned long long) e->size);
    unsigned char *out = malloc((size_t) e->size + 1);
    if (!out)
        return ppq_data_fail(d, name, "no memory for %llu bytes", (unsigned long long) e->size);
    ppq_status st = PPQ_OK;
    if (e->method == 8)
        st = inflate_entry(h + skip, e, name, out, d);
    else
        memcpy(out, h + skip, (size_t) e->size);
    if (st == PPQ_OK && crc32_z(crc32(0, NULL, 0), out, (size_t) e->size) != e->crc)
        st = ppq_data_fail(d, name, "an entry's checksum is wrong");
    if (st != PPQ_OK) {
        free(out);
        return st;
    }
    *bytes = out;
    *size = (size_t) e->size;
    return PPQ_OK;
}

ppq_status ppq_npz_entry(const unsigned char *p, size_t n, const char *name, const char *key,
                         unsigned char **bytes, size_t *size, ppq_diag *d)
{
    size_t at, count;
    if (!find_directory(p, n, &at, &count))
        return ppq_data_fail(d, name, "no .npz file");
    ppq_buf keys = { 0 };
    for (size_t i = 0; i < count; i++) {
        entry e;
        if (!next_entry(p, n, &at, &e)) {
            ppq_buf_free(&keys);
            return ppq_data_fail(d, name, "the archive's directory is damaged");
        }
        if (key_size(&e) == strlen(key) && memcmp(e.name, key, strlen(key)) == 0) {
            ppq_buf_free(&keys);
            return unpack(p, n, &e, name, bytes, size, d);
        }
        if (keys.n < 300)
            ppq_buf_printf(&keys, "%s%.*s", keys.n ? ", " : "", (int) PPQ_MIN(key_size(&e), 80),
                           (const char *) e.name);
    }
    const ppq_status st = ppq_data_fail(d, name, "has no array '%s', only %s", key,
                                        keys.n ? ppq_buf_str(&keys) : "none");
    ppq_buf_free(&keys);
    return st;
}
