#include "parser/pbmem.h"

#include <stdlib.h>

struct ppq_pbmem_block {
    struct ppq_pbmem_block *next, *prev;
    size_t used, size;
    max_align_t data[];
};

enum { BLOCK = 256 * 1024, ALIGN = alignof(max_align_t) };

static void *allocate(void *user, size_t n)
{
    return ppq_pbmem_alloc(user, n);
}

static void release(void *user, void *p)
{
    (void) user;
    (void) p;
}

void ppq_pbmem_init(ppq_pbmem *m, size_t limit)
{
    *m = (ppq_pbmem){ .allocator = { allocate, release, m }, .limit = limit };
}

static void free_list(struct ppq_pbmem_block *b)
{
    while (b) {
        struct ppq_pbmem_block *next = b->next;
        free(b);
        b = next;
    }
}

void ppq_pbmem_fini(ppq_pbmem *m)
{
    free_list(m->blocks);
    free_list(m->big);
    m->blocks = m->big = NULL;
}

static void *push_block(struct ppq_pbmem_block **list, size_t size, size_t used)
{
    struct ppq_pbmem_block *b = malloc(sizeof(*b) + size);
    if (!b)
        return NULL;
    *b = (struct ppq_pbmem_block){ .next = *list, .used = used, .size = size };
    if (*list)
        (*list)->prev = b;
    *list = b;
    return b->data;
}

void *ppq_pbmem_alloc(ppq_pbmem *m, size_t n)
{
    if (n > m->limit - m->used)
        return NULL;
    const size_t need = (PPQ_MAX(n, (size_t) 1) + ALIGN - 1) & ~((size_t) ALIGN - 1);
    void *p;
    struct ppq_pbmem_block *b = m->blocks;
    if (n >= PPQ_PBMEM_BIG) {
        p = push_block(&m->big, need, need);
    } else if (b && b->size - b->used >= need) {
        p = (unsigned char *) b->data + b->used;
        b->used += need;
    } else {
        p = push_block(&m->blocks, PPQ_MAX(need, (size_t) BLOCK), need);
    }
    if (p)
        m->used += PPQ_MIN(need, m->limit - m->used);
    return p;
}

void ppq_pbmem_release_big(ppq_pbmem *m, void *p)
{
    struct ppq_pbmem_block *b =
        (void *) ((unsigned char *) p - offsetof(struct ppq_pbmem_block, data));
    if (b->prev)
        b->prev->next = b->next;
    else
        m->big = b->next;
    if (b->next)
        b->next->prev = b->prev;
    m->used -= PPQ_MIN(m->used, b->size);
    free(b);
}
