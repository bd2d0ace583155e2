#ifndef PPQ_PARSER_MAPPING_H
#define PPQ_PARSER_MAPPING_H

#include "core/diag.h"

// A file mapped read-only. Bytes that have been copied out are given back to the page cache at
// once, so reading a model costs about one copy of its weights. A file that somebody else
// truncates while it is mapped ends the process (SIGBUS), as with every mapped file.
typedef struct ppq_mapping {
    const unsigned char *data; // NULL when size is 0
    size_t size;
    bool owned; // false: somebody else's memory, never unmapped
} ppq_mapping;

// A regular file only; folders, pipes and devices are refused.
PPQ_NODISCARD ppq_status ppq_mapping_open(const char *path, ppq_mapping *out, ppq_diag *d);
void ppq_mapping_close(ppq_mapping *m);
// Drops what has been read so far from memory; it is read again when needed.
void ppq_mapping_forget(const ppq_mapping *m);
// Copies n bytes that lie within the mapping and drops their pages.
void ppq_mapping_copy(const ppq_mapping *m, void *dst, const unsigned char *src, size_t n);

#endif
