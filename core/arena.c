#include "core/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    size_t used, size;
    max_align_t data[];
};

struct ppq_arena {
    const char *tag;
    struct block *head;
};

static void oom(const char *tag, size_t n)
{
    fprintf(stderr, "ppq: out of memory in arena '%s' (%zu bytes)\n", tag, n);
    abort();
}

ppq_arena *ppq_arena_create(const char *tag)
{
    ppq_arena *a = calloc(1, sizeof(*a));
    if (!a)
        oom(tag, sizeof(*a));
    a->tag = tag;
    return a;
}

static void free_blocks(struct block *b)
{
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void ppq_arena_reset(ppq_arena *a)
{
    struct block *b = a->head;
    if (!b)
        return;
    free_blocks(b->next);
    b->next = NULL;
    memset(b->data, 0, b->used); // what is handed out is zero
    b->used = 0;
}

void ppq_arena_destroy(ppq_arena *a)
{
    if (!a)
        return;
    free_blocks(a->head);
    free(a);
}

void *ppq_arena_zalloc(ppq_arena *a, size_t count, size_t size, size_t align)
{
    assert(align && align <= alignof(max_align_t) && (align & (align - 1)) == 0);
    if (size && count > (SIZE_MAX / 2) / size)
        oom(a->tag, SIZE_MAX);
    const size_t bytes = count * size;
    struct block *b = a->head;
    size_t at = b ? (b->used + align - 1) & ~(align - 1) : 0;
    if (!b || at > b->size || b->size - at < bytes) {
        const size_t cap = bytes > 64 * 1024 ? bytes : 64 * 1024;
        b = calloc(1, sizeof(*b) + cap);
        if (!b)
            oom(a->tag, cap);
        b->size = cap;
        b->next = a->head;
        a->head = b;
        at = 0;
    }
    b->used = at + bytes;
    return (unsigned char *) b->data + at;
}

char *ppq_arena_printf(ppq_arena *a, const char *fmt, ...)
{
    va_list ap, aq;
    va_start(ap, fmt);
    va_copy(aq, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *s = ppq_arena_zalloc(a, (size_t) n + 1, 1, 1);
    vsnprintf(s, (size_t) n + 1, fmt, aq);
    va_end(aq);
    return s;
}
