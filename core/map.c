#include "core/map.h"

#include <stdlib.h>
#include <string.h>

struct slot {
    const char *key; // NULL: never used
    void *value;     // NULL with a key: removed
    uint64_t hash;
};

struct ppq_map {
    struct slot *slots;
    size_t cap, used; // `used` counts removed slots too
};

static uint64_t hash_of(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++)
        h = (h ^ (unsigned char) *s) * 0x100000001b3u;
    return h ^ (h >> 29);
}

ppq_map *ppq_map_create(void)
{
    ppq_map *m = calloc(1, sizeof(*m));
    if (!m)
        abort();
    return m;
}

void ppq_map_destroy(ppq_map *m)
{
    if (!m)
        return;
    free(m->slots);
    free(m);
}

static struct slot *find(const ppq_map *m, const char *key, uint64_t h)
{
    for (size_t i = h & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct slot *s = &m->slots[i];
        if (!s->key || (s->hash == h && strcmp(s->key, key) == 0))
            return s;
    }
}

void *ppq_map_get(const ppq_map *m, const char *key)
{
    return m->cap ? find(m, key, hash_of(key))->value : NULL;
}

static void grow(ppq_map *m)
{
    ppq_map n = { .cap = m->cap ? 2 * m->cap : 64 };
    n.slots = calloc(n.cap, sizeof(*n.slots));
    if (!n.slots)
        abort();
    for (size_t i = 0; i < m->cap; i++)
        if (m->slots[i].key && m->slots[i].value) {
            *find(&n, m->slots[i].key, m->slots[i].hash) = m->slots[i];
            n.used++;
        }
    free(m->slots);
    *m = n;
}

void ppq_map_set(ppq_map *m, const char *key, void *value)
{
    if (!value && !m->cap)
        return;
    if (2 * (m->used + 1) > m->cap)
        grow(m);
    const uint64_t h = hash_of(key);
    struct slot *s = find(m, key, h);
    if (!s->key) {
        if (!value)
            return;
        m->used++;
    }
    // The newest key pointer wins: the old one may belong to something that goes away.
    *s = (struct slot){ key, value, h };
}
