#ifndef PPQ_PARSER_PBMEM_H
#define PPQ_PARSER_PBMEM_H

#include <protobuf-c/protobuf-c.h>

#include "core/base.h"

// Memory for unpacked protobuf messages: allocations only ever die together, so message fields
// may be pointed at memory of any other owner. Refuses (NULL) beyond `limit` bytes, which bounds
// what a small hostile file can make protobuf-c ask for.
typedef struct ppq_pbmem {
    ProtobufCAllocator allocator; // hand this to protobuf-c
    struct ppq_pbmem_block *blocks, *big;
    size_t used, limit;
} ppq_pbmem;

void ppq_pbmem_init(ppq_pbmem *m, size_t limit);
void ppq_pbmem_fini(ppq_pbmem *m);
void *ppq_pbmem_alloc(ppq_pbmem *m, size_t n); // not zeroed; NULL when refused
// Gives back one allocation of at least PPQ_PBMEM_BIG bytes.
#define PPQ_PBMEM_BIG ((size_t) 1 << 20)
void ppq_pbmem_release_big(ppq_pbmem *m, void *p);

#endif
