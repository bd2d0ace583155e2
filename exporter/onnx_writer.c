#include "exporter/onnx_writer.h"

#include <stdlib.h>
#include <string.h>

#include "core/io.h"
#include "parser/encode.h"

// What fits in one protobuf message.
#define MAX_MODEL_BYTES ((uint64_t) INT32_MAX)

static ppq_status send(const ppq_pieces *p, const ppq_sink *sink, ppq_diag *d)
{
    for (size_t i = 0; i < p->n; i++)
        PPQ_TRY(sink->write(sink->user, p->v[i].data, p->v[i].size, d));
    return PPQ_OK;
}

static ppq_status check_size(const ppq_encoding *e, ppq_diag *d)
{
    if (e->model.bytes <= MAX_MODEL_BYTES)
        return PPQ_OK;
    return ppq_fail(d, PPQ_ERR_UNSUPPORTED, (ppq_loc){ .stage = "write" },
                    "the model takes %llu bytes, an ONNX file holds at most %llu",
                    (unsigned long long) e->model.bytes, (unsigned long long) MAX_MODEL_BYTES);
}

static ppq_status encode(const ppq_graph *g, const ppq_onnx_write_opts *o, const char *location,
                         ppq_encoding *out, ppq_diag *d)
{
    const ppq_encode_opts eo = {
        .location = location,
        .external_min = o && o->external_min ? o->external_min : 1024,
    };
    PPQ_TRY(ppq_encode_model(g, &eo, out, d));
    const ppq_status st = check_size(out, d);
    if (st != PPQ_OK)
        ppq_encoding_fini(out);
    return st;
}

ppq_status ppq_onnx_write(const ppq_graph *g, const ppq_onnx_write_opts *o, const char *location,
                          const ppq_sink *model, const ppq_sink *data, ppq_diag *d)
{
    ppq_encoding e;
    PPQ_TRY(encode(g, o, data ? location : NULL, &e, d));
    ppq_status st = data ? send(&e.data, data, d) : PPQ_OK;
    if (st == PPQ_OK)
        st = send(&e.model, model, d);
    ppq_encoding_fini(&e);
    return st;
}

ppq_status ppq_onnx_write_bytes(const ppq_graph *g, void **bytes, size_t *n, ppq_diag *d)
{
    ppq_encoding e;
    PPQ_TRY(encode(g, NULL, NULL, &e, d));
    const size_t size = (size_t) e.model.bytes;
    unsigned char *p = malloc(size + 1);
    size_t at = 0;
    for (size_t i = 0; p && i < e.model.n; at += e.model.v[i++].size)
        memcpy(p + at, e.model.v[i].data, e.model.v[i].size);
    ppq_encoding_fini(&e);
    if (!p)
        return ppq_fail(d, PPQ_ERR_NOMEM, (ppq_loc){ .stage = "write" },
                        "no memory for a model of %zu bytes", size);
    *bytes = p;
    *n = size;
    return PPQ_OK;
}

// ---- files ----------------------------------------------------------------------------------

// Gathers small pieces, of which a model has thousands, into fewer writes.
struct buffered {
    ppq_file *file;
    size_t n;
    unsigned char bytes[1 << 16];
};

static ppq_status flush(struct buffered *b, ppq_diag *d)
{
    const size_t n = b->n;
    b->n = 0;
    return n ? ppq_file_write(b->file, b->bytes, n, d) : PPQ_OK;
}

static ppq_status write_buffered(void *user, const void *bytes, size_t n, ppq_diag *d)
{
    struct buffered *b = user;
    if (n > sizeof(b->bytes) - b->n)
        PPQ_TRY(flush(b, d));
    if (n > sizeof(b->bytes))
        return ppq_file_write(b->file, bytes, n, d);
    memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
    return PPQ_OK;
}

static ppq_status write_pieces(const char *path, const ppq_pieces *pieces, ppq_file **out,
                               ppq_diag *d)
{
    ppq_file *f;
    PPQ_TRY(ppq_file_create(path, &f, d));
    struct buffered *b = malloc(sizeof(*b));
    if (!b)
        abort();
    b->file = f;
    b->n = 0;
    ppq_status st = send(pieces, &(ppq_sink){ write_buffered, b }, d);
    if (st == PPQ_OK)
        st = flush(b, d);
    if (st == PPQ_OK)
        st = ppq_file_finish(f, d);
    free(b);
    if (st == PPQ_OK)
        *out = f;
    else
        ppq_file_destroy(f);
    return st;
}

// Everything that can fail for lack of space or permission happens before the first rename.
static ppq_status write_pair(const ppq_encoding *e, const char *path, const char *data_path,
                             ppq_diag *d)
{
    ppq_file *model = NULL, *data = NULL;
    ppq_status st = PPQ_OK;
    if (e->data.n)
        st = write_pieces(data_path, &e->data, &data, d);
    if (st == PPQ_OK)
        st = write_pieces(path, &e->model, &model, d);
    if (st == PPQ_OK && data)
        st = ppq_file_commit(data, d);
    if (st == PPQ_OK)
        st = ppq_file_commit(model, d);
    ppq_file_destroy(model);
    ppq_file_destroy(data);
    return st;
}

static bool needs_external(const ppq_graph *g)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < g->n_vars; i++)
        bytes += ppq_tensor_bytes(&g->vars[i]->value);
    // Leaves room for structure, which is far smaller.
    return bytes > MAX_MODEL_BYTES - ((uint64_t) 64 << 20);
}

ppq_status ppq_onnx_write_file(const ppq_graph *g, const char *path, const ppq_onnx_write_opts *o,
                               ppq_diag *d)
{
    ppq_buf data_path = { 0 };
    ppq_buf_printf(&data_path, "%s.data", path);
    const char *slash = strrchr(data_path.data, '/');
    const char *location = slash ? slash + 1 : data_path.data;
    const bool external = (o && o->external) || needs_external(g);
    ppq_encoding e;
    ppq_status st = encode(g, o, external ? location : NULL, &e, d);
    if (st == PPQ_OK) {
        st = write_pair(&e, path, data_path.data, d);
        ppq_encoding_fini(&e);
    }
    ppq_buf_free(&data_path);
    return st;
}
