#include "parser/tensor_file.h"

#include <stdlib.h>

#include "parser/tensor_proto.h"

typedef struct value_file {
    ppq_pbmem mem;
    ppq_site site;
} value_file;

static ppq_status holds_no(const value_file *f, const char *message)
{
    return ppq_fail(f->site.diag, PPQ_ERR_DATA, (ppq_loc){ .stage = "data" }, "'%s' holds no %s",
                    f->site.source, message);
}

static ppq_status read_one(value_file *f, Onnx__TensorProto *t, ppq_tensor *out)
{
    const ppq_tensor_reader r = { .mem = &f->mem };
    return ppq_tensor_read(&r, t, &f->site, out);
}

static ppq_status pack(const value_file *f, ppq_dtype dt, ppq_tensor *items, size_t n,
                       ppq_tensor *out)
{
    const ppq_status st = ppq_container_pack(out, dt, items, (int64_t) n);
    return st == PPQ_OK
               ? st
               : ppq_site_fail(&f->site, st, "its %zu values make no %s", n, ppq_dtype_name(dt));
}

static ppq_status read_sequence(value_file *f, const Onnx__SequenceProto *s, ppq_tensor *out)
{
    if (s->base.n_unknown_fields)
        return ppq_site_fail(&f->site, PPQ_ERR_UNSUPPORTED,
                             "it is a sequence of other things than "
                             "tensors");
    ppq_tensor *items = calloc(s->n_tensor_values + 1, sizeof(*items));
    if (!items)
        return ppq_site_fail(&f->site, PPQ_ERR_NOMEM, "no memory for its %zu values",
                             s->n_tensor_values);
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < s->n_tensor_values && st == PPQ_OK; i++)
        st = read_one(f, s->tensor_values[i], &items[i]);
    if (st == PPQ_OK)
        st = pack(f, PPQ_DT_SEQUENCE, items, s->n_tensor_values, out);
    for (size_t i = 0; i < s->n_tensor_values; i++)
        ppq_tensor_unref(&items[i]);
    free(items);
    return st;
}

static ppq_status read_optional(value_file *f, const Onnx__OptionalProto *o, ppq_tensor *out)
{
    if (o->base.n_unknown_fields)
        return ppq_site_fail(&f->site, PPQ_ERR_UNSUPPORTED,
                             "it is an optional of other things than tensors and sequences");
    ppq_tensor item = { 0 };
    if (o->tensor_value)
        PPQ_TRY(read_one(f, o->tensor_value, &item));
    else if (o->sequence_value)
        PPQ_TRY(read_sequence(f, o->sequence_value, &item));
    return pack(f, PPQ_DT_OPTIONAL, &item, item.buf != NULL, out);
}

static ppq_status read_value(value_file *f, ppq_dtype dt, const void *bytes, size_t n,
                             ppq_tensor *out)
{
    if (dt == PPQ_DT_SEQUENCE) {
        Onnx__SequenceProto *s = onnx__sequence_proto__unpack(&f->mem.allocator, n, bytes);
        return s ? read_sequence(f, s, out) : holds_no(f, "SequenceProto");
    }
    if (dt == PPQ_DT_OPTIONAL) {
        Onnx__OptionalProto *o = onnx__optional_proto__unpack(&f->mem.allocator, n, bytes);
        return o ? read_optional(f, o, out) : holds_no(f, "OptionalProto");
    }
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(&f->mem.allocator, n, bytes);
    return t ? read_one(f, t, out) : holds_no(f, "TensorProto");
}

ppq_status ppq_parse_value_bytes(ppq_dtype dt, const void *bytes, size_t n, const char *source,
                                 ppq_tensor *out, ppq_diag *d)
{
    value_file f = { .site = { .source = source, .diag = d } };
    ppq_pbmem_init(&f.mem, (size_t) 1 << 30);
    const ppq_status st = read_value(&f, dt, bytes, n, out);
    ppq_pbmem_fini(&f.mem);
    return st;
}

ppq_status ppq_parse_tensor_bytes(const void *bytes, size_t n, const char *source, ppq_tensor *out,
                                  ppq_diag *d)
{
    return ppq_parse_value_bytes(PPQ_DT_NONE, bytes, n, source, out, d);
}
