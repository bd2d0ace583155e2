#ifndef PPQ_EXPORTER_ONNX_WRITER_H
#define PPQ_EXPORTER_ONNX_WRITER_H

#include "core/graph.h"

// BaseGraph -> ONNX file. What the parser kept (doc strings, metadata, unknown fields, functions,
// subgraphs) is written back; the IR version is raised when the opset or a data type needs it.
// Exporters transform a clone of the graph and call this.

typedef struct ppq_onnx_write_opts {
    bool external;       // weights go to "<file name>.data" beside the model, as they do anyway
                         // when the model would exceed 2 GiB
    size_t external_min; // smallest weight in bytes that goes there; 0 means 1024
} ppq_onnx_write_opts;

// Where bytes go, in order. Not called with n == 0.
typedef struct ppq_sink {
    ppq_status (*write)(void *user, const void *bytes, size_t n, ppq_diag *d);
    void *user;
} ppq_sink;

// Streams the model without copying weights. `data` receives the external file, whose name in the
// model is `location`; both NULL: no external data, and PPQ_ERR_UNSUPPORTED beyond 2 GiB.
PPQ_NODISCARD ppq_status ppq_onnx_write(const ppq_graph *g, const ppq_onnx_write_opts *o,
                                        const char *location, const ppq_sink *model,
                                        const ppq_sink *data, ppq_diag *d);
// To memory, without external data; the caller frees *bytes with free().
PPQ_NODISCARD ppq_status ppq_onnx_write_bytes(const ppq_graph *g, void **bytes, size_t *n,
                                              ppq_diag *d);
// To `path` and, with external data, `path`.data: both files appear whole, or neither does and
// what was there before stays.
PPQ_NODISCARD ppq_status ppq_onnx_write_file(const ppq_graph *g, const char *path,
                                             const ppq_onnx_write_opts *o, ppq_diag *d);

#endif
