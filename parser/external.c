#define _XOPEN_SOURCE 700
#include "parser/external.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

struct file {
    struct file *next;
    const char *location;
    ppq_mapping map;
};

struct ppq_external {
    ppq_arena *arena;
    const char *dir;
    char *real_dir; // resolved on first use
    struct file *files;
};

ppq_external *ppq_external_create(const char *dir)
{
    ppq_arena *a = ppq_arena_create("external");
    ppq_external *e = ppq_new(a, ppq_external);
    e->arena = a;
    e->dir = dir ? ppq_arena_printf(a, "%s", dir[0] ? dir : ".") : NULL;
    return e;
}

void ppq_external_destroy(ppq_external *e)
{
    if (!e)
        return;
    for (struct file *f = e->files; f; f = f->next)
        ppq_mapping_close(&f->map);
    free(e->real_dir);
    ppq_arena_destroy(e->arena);
}

// Refuses by spelling what no file system is asked about.
static ppq_status check_location(const char *location, const ppq_site *s)
{
    if (!location || !location[0])
        return ppq_site_fail(s, PPQ_ERR_MODEL, "its external data has no 'location'");
    if (location[0] == '/')
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "external location '%s' is absolute, not below the model's folder",
                             location);
    if (strlen(location) >= PATH_MAX)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "its external location has %zu characters, at most %d are possible",
                             strlen(location), PATH_MAX - 1);
    for (const char *p = location; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
            return ppq_site_fail(s, PPQ_ERR_MODEL,
                                 "external location '%s' leaves the model's folder", location);
    }
    return PPQ_OK;
}

static bool is_below(const char *path, const char *dir)
{
    const size_t n = strlen(dir);
    return strcmp(dir, "/") == 0 || (strncmp(path, dir, n) == 0 && path[n] == '/');
}

static ppq_status open_file(ppq_external *e, const char *location, const ppq_site *s,
                            const ppq_mapping **out)
{
    for (const struct file *f = e->files; f; f = f->next)
        if (strcmp(f->location, location) == 0) {
            *out = &f->map;
            return PPQ_OK;
        }
    if (!e->real_dir && !(e->real_dir = realpath(e->dir, NULL)))
        return ppq_site_fail(s, PPQ_ERR_IO, "external data: cannot resolve folder '%s': %s", e->dir,
                             strerror(errno));
    char *real = realpath(ppq_arena_printf(e->arena, "%s/%s", e->dir, location), NULL);
    if (!real)
        return ppq_site_fail(s, PPQ_ERR_IO, "external data: cannot read '%s': %s", location,
                             strerror(errno));
    ppq_status st = PPQ_OK;
    struct file *f = ppq_new(e->arena, struct file);
    if (!is_below(real, e->real_dir))
        st = ppq_site_fail(s, PPQ_ERR_MODEL,
                           "external location '%s' is a link that leaves the model's folder",
                           location);
    else
        st = ppq_mapping_open(real, &f->map, s->diag);
    free(real);
    PPQ_TRY(st);
    f->location = ppq_arena_printf(e->arena, "%s", location);
    f->next = e->files;
    e->files = f;
    *out = &f->map;
    return PPQ_OK;
}

static ppq_status parse_size(const char *key, const char *text, const ppq_site *s, uint64_t *out)
{
    uint64_t x = 0;
    bool ok = text && text[0];
    for (const char *p = text; ok && *p; p++) {
        ok = *p >= '0' && *p <= '9' && x <= (INT64_MAX - 9) / 10;
        x = x * 10 + (uint64_t) (*p - '0');
    }
    if (!ok)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "external %s '%s' is not a number of bytes", key,
                             text ? text : "");
    *out = x;
    return PPQ_OK;
}

ppq_status ppq_external_find(ppq_external *e, const Onnx__TensorProto *t, const ppq_site *s,
                             size_t want, ppq_external_range *out)
{
    const char *location = NULL;
    uint64_t offset = 0, length = want;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const Onnx__StringStringEntryProto *kv = t->external_data[i];
        if (!kv->key)
            continue;
        if (strcmp(kv->key, "location") == 0)
            location = kv->value;
        else if (strcmp(kv->key, "offset") == 0)
            PPQ_TRY(parse_size("offset", kv->value, s, &offset));
        else if (strcmp(kv->key, "length") == 0)
            PPQ_TRY(parse_size("length", kv->value, s, &length));
    }
    PPQ_TRY(check_location(location, s));
    if (!e->dir)
        return ppq_site_fail(
            s, PPQ_ERR_MODEL,
            "external data '%s' cannot be read, the model does not come from a folder", location);
    if (length != want)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "external length is %llu bytes, its shape and type need %zu",
                             (unsigned long long) length, want);
    const ppq_mapping *map;
    PPQ_TRY(open_file(e, location, s, &map));
    if (offset > map->size || want > map->size - offset)
        return ppq_site_fail(
            s, PPQ_ERR_MODEL, "external bytes %llu to %llu are wanted, file '%s' has %zu",
            (unsigned long long) offset, (unsigned long long) offset + want, location, map->size);
    *out = (ppq_external_range){ map, want ? map->data + offset : NULL, want };
    return PPQ_OK;
}
