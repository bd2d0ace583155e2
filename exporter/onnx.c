#include "core/ext.h"
#include "exporter/onnx_writer.h"

// The model as it is after the float rewrites and baking: plain float operators, constants that
// carry their quantized values. For backends that take scales from a file of their own.

static ppq_status write(const ppq_export_env *e)
{
    const ppq_onnx_write_opts o = { .external = e->graph->had_external_data };
    return ppq_onnx_write_file(e->graph, e->path, &o, e->diag);
}

const ppq_exporter ppq_exporter_onnx = {
    .name = "onnx",
    .summary = "ONNX with float operators, for backends that read scales from another file",
    .suffix = ".onnx",
    .write = write,
};
