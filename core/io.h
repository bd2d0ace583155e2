#ifndef PPQ_CORE_IO_H
#define PPQ_CORE_IO_H

#include "core/diag.h"

// A growing byte or text buffer. Running out of memory aborts: contents are bounded by what the
// caller already holds.
typedef struct ppq_buf {
    char *data; // NUL-terminated when n > 0 or after ppq_buf_str
    size_t n, cap;
} ppq_buf;

void ppq_buf_append(ppq_buf *b, const void *data, size_t n);
void ppq_buf_printf(ppq_buf *b, const char *fmt, ...) PPQ_PRINTF(2, 3);
const char *ppq_buf_str(ppq_buf *b); // never NULL
void ppq_buf_free(ppq_buf *b);

// Output files appear whole or not at all: bytes go to a temporary file in the same folder, which
// commit renames. Destroying an uncommitted file removes the temporary.
typedef struct ppq_file ppq_file;
PPQ_NODISCARD ppq_status ppq_file_create(const char *path, ppq_file **out, ppq_diag *d);
PPQ_NODISCARD ppq_status ppq_file_write(ppq_file *f, const void *data, size_t n, ppq_diag *d);
// Flushes to disk; after it only rename can fail.
PPQ_NODISCARD ppq_status ppq_file_finish(ppq_file *f, ppq_diag *d);
PPQ_NODISCARD ppq_status ppq_file_commit(ppq_file *f, ppq_diag *d);
void ppq_file_destroy(ppq_file *f); // NULL is fine
// Removes the temporaries of every file that is open; async-signal-safe, for Ctrl-C handlers.
void ppq_file_emergency_cleanup(void);

// A whole text in one go.
PPQ_NODISCARD ppq_status ppq_file_write_text(const char *path, const ppq_buf *text, ppq_diag *d);

// The whole file; the caller frees *out with free(). NUL-terminated beyond n.
PPQ_NODISCARD ppq_status ppq_file_read(const char *path, size_t max_bytes, char **out, size_t *n,
                                       ppq_diag *d);

#endif
