#ifndef PPQ_PARSER_SITE_H
#define PPQ_PARSER_SITE_H

#include "core/diag.h"

// Where in which file a message is about. `op` and `var` may be NULL.
typedef struct ppq_site {
    const char *source; // path of the model
    const char *op, *var;
    ppq_diag *diag;
} ppq_site;

// "model.onnx: op 'conv1': ..." or "model.onnx: tensor 'w': ..."; the op is named before the
// tensor.
void ppq_site_error(const ppq_site *s, ppq_status code, const char *fmt, ...) PPQ_PRINTF(3, 4);
// Reports and yields `code`, a constant, so that the compiler sees that it is not PPQ_OK.
#define ppq_site_fail(s, code, ...) (ppq_site_error((s), (code), __VA_ARGS__), (code))
void ppq_site_warn(const ppq_site *s, const char *fmt, ...) PPQ_PRINTF(2, 3);

#endif
