#ifndef PPQ_CORE_JSON_H
#define PPQ_CORE_JSON_H

#include "core/arena.h"
#include "core/diag.h"
#include "core/io.h"

// ---- reading --------------------------------------------------------------------------------

typedef enum ppq_json_kind {
    PPQ_JSON_NULL,
    PPQ_JSON_BOOL,
    PPQ_JSON_NUMBER,
    PPQ_JSON_STRING,
    PPQ_JSON_ARRAY,
    PPQ_JSON_OBJECT
} ppq_json_kind;

// A parsed document; immutable, owned by the arena it was parsed into.
typedef struct ppq_json {
    ppq_json_kind kind;
    const char *key;    // in an object, else NULL
    const char *string; // STRING
    double number;      // NUMBER; 0 or 1 for BOOL
    struct ppq_json *child, *next;
} ppq_json;

// `name` is for messages. Depth is limited; trailing text is an error.
PPQ_NODISCARD ppq_status ppq_json_parse(const char *text, size_t n, const char *name, ppq_arena *a,
                                        const ppq_json **out, ppq_diag *d);
const ppq_json *ppq_json_get(const ppq_json *object, const char *key); // NULL if absent

// ---- writing --------------------------------------------------------------------------------

// Writes text in the order of the calls, indented by two spaces. Numbers are the shortest that
// read back as the same float; a float always has a '.' or an exponent, so that readers that go by
// the literal see a real.
typedef struct ppq_json_writer {
    ppq_buf *out;
    int depth;
    bool first, compact; // compact: the current array is on one line
} ppq_json_writer;

ppq_json_writer ppq_json_writer_init(ppq_buf *out);
// `key` NULL inside arrays and at the top.
void ppq_json_open(ppq_json_writer *w, const char *key, char bracket); // '{' or '['
void ppq_json_open_line(ppq_json_writer *w, const char *key);          // '[', kept on one line
void ppq_json_close(ppq_json_writer *w, char bracket);                 // '}' or ']'
void ppq_json_string(ppq_json_writer *w, const char *key, const char *value);
void ppq_json_int(ppq_json_writer *w, const char *key, int64_t value);
void ppq_json_float(ppq_json_writer *w, const char *key, float value);
void ppq_json_double(ppq_json_writer *w, const char *key, double value);
void ppq_json_bool(ppq_json_writer *w, const char *key, bool value);

#endif
