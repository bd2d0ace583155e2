#ifndef PPQ_CORE_ARENA_H
#define PPQ_CORE_ARENA_H

#include "core/base.h"

// Bump allocator. Everything in it dies together; nothing in it is freed alone.
// Allocation never returns NULL: structural memory that runs out aborts (see
// docs/HACKING.md). Not thread-safe; one arena per thread.
typedef struct ppq_arena ppq_arena;

ppq_arena *ppq_arena_create(const char *tag);
void ppq_arena_destroy(ppq_arena *a); // NULL is fine
void ppq_arena_reset(ppq_arena *a);   // keeps one block for reuse
void *ppq_arena_zalloc(ppq_arena *a, size_t count, size_t size, size_t align);
char *ppq_arena_printf(ppq_arena *a, const char *fmt, ...) PPQ_PRINTF(2, 3);

#define ppq_new(a, T)      ((T *) ppq_arena_zalloc((a), 1, sizeof(T), alignof(T)))
#define ppq_new_n(a, T, n) ((T *) ppq_arena_zalloc((a), (n), sizeof(T), alignof(T)))

#endif
