#include "parser/tensor_proto.h"

#include <string.h>

// The typed list of a TensorProto that holds a data type, and how to turn it into bytes.
enum list { LIST_FLOAT, LIST_DOUBLE, LIST_INT32, LIST_INT64, LIST_UINT64, LIST_STRING, LIST_COUNT };

static enum list list_of(ppq_dtype dt)
{
    switch ((int) dt) {
    case PPQ_DT_F32:
    case PPQ_DT_C64:
        return LIST_FLOAT;
    case PPQ_DT_F64:
    case PPQ_DT_C128:
        return LIST_DOUBLE;
    case PPQ_DT_I64:
        return LIST_INT64;
    case PPQ_DT_U32:
    case PPQ_DT_U64:
        return LIST_UINT64;
    case PPQ_DT_STRING:
        return LIST_STRING;
    default:
        return LIST_INT32;
    }
}

static void *list_data(const Onnx__TensorProto *t, enum list which, size_t *n)
{
    switch (which) {
    case LIST_FLOAT:
        *n = t->n_float_data;
        return t->float_data;
    case LIST_DOUBLE:
        *n = t->n_double_data;
        return t->double_data;
    case LIST_INT32:
        *n = t->n_int32_data;
        return t->int32_data;
    case LIST_INT64:
        *n = t->n_int64_data;
        return t->int64_data;
    case LIST_UINT64:
        *n = t->n_uint64_data;
        return t->uint64_data;
    case LIST_STRING:
    case LIST_COUNT:
        break;
    }
    *n = t->n_string_data;
    return t->string_data;
}

static const struct {
    const char *name;
    size_t size;
} lists[LIST_COUNT] = {
    [LIST_FLOAT] = { "float_data", sizeof(float) },
    [LIST_DOUBLE] = { "double_data", sizeof(double) },
    [LIST_INT32] = { "int32_data", sizeof(int32_t) },
    [LIST_INT64] = { "int64_data", sizeof(int64_t) },
    [LIST_UINT64] = { "uint64_data", sizeof(uint64_t) },
    [LIST_STRING] = { "string_data", sizeof(ProtobufCBinaryData) },
};

// Entries a typed list must have: sub-byte types are packed a byte per entry, complex ones take
// two.
static size_t list_entries(ppq_dtype dt, size_t numel, size_t bytes)
{
    if (dt == PPQ_DT_C64 || dt == PPQ_DT_C128)
        return 2 * numel;
    return ppq_dtype_size(dt) ? numel : bytes;
}

// Entries narrower than their list are its low bytes (the host is little-endian).
static void narrow(unsigned char *dst, size_t width, const void *list, size_t stride, size_t n)
{
    if (width == stride) {
        memcpy(dst, list, n * width);
        return;
    }
    const unsigned char *src = list;
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i * width, src + i * stride, width);
}

static ppq_status no_memory(const ppq_site *s, size_t bytes)
{
    return ppq_site_fail(s, PPQ_ERR_NOMEM, "no memory for its %zu bytes", bytes);
}

static ppq_status read_shape(const int64_t *dims, size_t rank, const ppq_site *s, ppq_shape *out)
{
    if (rank > PPQ_MAX_RANK)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED,
                             "it has %zu dimensions, at most %d are handled", rank, PPQ_MAX_RANK);
    ppq_shape shape = { .rank = (int32_t) rank };
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return ppq_site_fail(s, PPQ_ERR_MODEL, "dimension %zu is %lld, must be 0 or more", i,
                                 (long long) dims[i]);
        shape.dim[i] = dims[i];
    }
    *out = shape;
    return PPQ_OK;
}

static ppq_status read_header(const Onnx__TensorProto *t, const ppq_site *s, ppq_dtype *dt,
                              ppq_shape *shape, size_t *bytes)
{
    if (!ppq_dtype_valid(t->data_type))
        return ppq_site_fail(s, t->data_type ? PPQ_ERR_UNSUPPORTED : PPQ_ERR_MODEL,
                             "its data type is %d, known are 1 to %d", t->data_type,
                             PPQ_DT_ONNX_END - 1);
    if (t->segment)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED, "it is stored in segments");
    *dt = (ppq_dtype) t->data_type;
    PPQ_TRY(read_shape(t->dims, t->n_dims, s, shape));
    *bytes = ppq_shape_bytes(shape, *dt);
    if (*bytes > SIZE_MAX / 4)
        return ppq_site_fail(s, PPQ_ERR_NOMEM, "its %zu dimensions multiply to too many elements",
                             t->n_dims);
    return PPQ_OK;
}

ppq_status ppq_tensor_from_strings(const ProtobufCBinaryData *strings, const ppq_shape *shape,
                                   ppq_tensor *out)
{
    const size_t n = (size_t) ppq_shape_numel(shape);
    size_t bytes = n * sizeof(ppq_string);
    for (size_t i = 0; i < n; i++)
        bytes += strings[i].len;
    // Allocated as the bytes it is: a string tensor's shape does not tell its size.
    ppq_tensor t;
    PPQ_TRY(ppq_tensor_alloc(&t, PPQ_DT_U8, &(ppq_shape){ .rank = 1, .dim = { (int64_t) bytes } }));
    t.dtype = PPQ_DT_STRING;
    t.shape = *shape;
    ppq_string *entry = ppq_tensor_data(&t);
    char *text = (char *) (entry + n);
    for (size_t i = 0; i < n; i++) {
        if (strings[i].len)
            memcpy(text, strings[i].data, strings[i].len);
        entry[i] = (ppq_string){ text, strings[i].len };
        text += strings[i].len;
    }
    *out = t;
    return PPQ_OK;
}

static ppq_status read_list(const ppq_tensor_reader *r, Onnx__TensorProto *t, ppq_dtype dt,
                            const ppq_shape *shape, size_t bytes, const ppq_site *s,
                            ppq_tensor *out)
{
    const enum list which = list_of(dt);
    const size_t numel = (size_t) ppq_shape_numel(shape);
    const size_t want = list_entries(dt, numel, bytes);
    size_t n;
    void *data = list_data(t, which, &n);
    if (n != want)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "it has %zu entries of %s, its shape and type %s need %zu", n,
                             lists[which].name, ppq_dtype_name(dt), want);
    if (dt == PPQ_DT_STRING)
        return ppq_tensor_from_strings(data, shape, out) == PPQ_OK ? PPQ_OK : no_memory(s, bytes);
    if (ppq_tensor_alloc(out, dt, shape) != PPQ_OK)
        return no_memory(s, bytes);
    if (n)
        narrow(ppq_tensor_data(out), bytes / n, data, lists[which].size, n);
    if (n * lists[which].size >= PPQ_PBMEM_BIG) {
        // The message was unpacked into r->mem, where a list this long is a block of its own.
        ppq_pbmem_release_big(r->mem, data);
        t->n_float_data = t->n_double_data = t->n_int32_data = 0;
        t->n_int64_data = t->n_uint64_data = 0;
    }
    return PPQ_OK;
}

static ppq_status read_bytes(const ppq_mapping *map, const unsigned char *src, ppq_dtype dt,
                             const ppq_shape *shape, size_t bytes, const ppq_site *s,
                             ppq_tensor *out)
{
    if (ppq_tensor_alloc(out, dt, shape) != PPQ_OK)
        return no_memory(s, bytes);
    const bool mapped = map && src >= map->data && src < map->data + map->size;
    if (mapped)
        ppq_mapping_copy(map, ppq_tensor_data(out), src, bytes);
    else if (bytes)
        memcpy(ppq_tensor_data(out), src, bytes);
    return PPQ_OK;
}

// How many of the places that can hold data do; all but one must be empty.
static int count_sources(const Onnx__TensorProto *t)
{
    int n = t->has_raw_data && t->raw_data.len;
    for (int i = 0; i < LIST_COUNT; i++) {
        size_t k;
        (void) list_data(t, (enum list) i, &k);
        n += k > 0;
    }
    return n;
}

static bool is_external(const Onnx__TensorProto *t)
{
    return t->has_data_location && t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

ppq_status ppq_tensor_read(const ppq_tensor_reader *r, Onnx__TensorProto *t, const ppq_site *s,
                           ppq_tensor *out)
{
    ppq_dtype dt;
    ppq_shape shape;
    size_t bytes;
    PPQ_TRY(read_header(t, s, &dt, &shape, &bytes));
    const int n_sources = count_sources(t);
    if (is_external(t)) {
        if (n_sources || dt == PPQ_DT_STRING)
            return ppq_site_fail(s, PPQ_ERR_MODEL, "it is external and %s",
                                 n_sources ? "has data of its own" : "holds strings");
        ppq_external_range range;
        PPQ_TRY(ppq_external_find(r->external, t, s, bytes, &range));
        return read_bytes(range.map, range.data, dt, &shape, bytes, s, out);
    }
    if (n_sources > 1)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "its data is stored in %d places, must be one",
                             n_sources);
    if (!t->has_raw_data || dt == PPQ_DT_STRING || (!t->raw_data.len && n_sources))
        return read_list(r, t, dt, &shape, bytes, s, out);
    if (t->raw_data.len != bytes)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "it has %zu bytes of raw_data, its shape and type %s need %zu",
                             t->raw_data.len, ppq_dtype_name(dt), bytes);
    return read_bytes(r->map, t->raw_data.data, dt, &shape, bytes, s, out);
}

ppq_status ppq_tensor_internalize(const ppq_tensor_reader *r, Onnx__TensorProto *t,
                                  const ppq_site *s)
{
    if (!is_external(t))
        return PPQ_OK;
    ppq_dtype dt;
    ppq_shape shape;
    size_t bytes;
    PPQ_TRY(read_header(t, s, &dt, &shape, &bytes));
    ppq_external_range range;
    PPQ_TRY(ppq_external_find(r->external, t, s, bytes, &range));
    void *p = ppq_pbmem_alloc(r->mem, bytes);
    if (!p)
        return no_memory(s, bytes);
    if (bytes)
        memcpy(p, range.data, bytes);
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){ bytes, p };
    t->has_data_location = false;
    t->n_external_data = 0;
    return PPQ_OK;
}

// The flat position of the k-th value; indices are flat themselves or a row per value.
static ppq_status sparse_position(const ppq_tensor *indices, size_t k, const ppq_shape *dense,
                                  const ppq_site *s, size_t *out)
{
    const bool flat = indices->shape.rank == 1;
    const int64_t *at = ppq_i64(indices) + k * (flat ? 1 : (size_t) dense->rank);
    const int64_t numel = ppq_shape_numel(dense);
    int64_t pos = 0;
    for (int i = 0; i < (flat ? 1 : dense->rank); i++) {
        const int64_t limit = flat ? numel : dense->dim[i];
        if (at[i] < 0 || at[i] >= limit)
            return ppq_site_fail(s, PPQ_ERR_MODEL, "sparse index %lld is outside [0, %lld]",
                                 (long long) at[i], (long long) limit - 1);
        pos = flat ? at[i] : pos * limit + at[i];
    }
    *out = (size_t) pos;
    return PPQ_OK;
}

static ppq_status scatter(const ppq_tensor *values, const ppq_tensor *indices,
                          const ppq_shape *dense, const ppq_site *s, ppq_tensor *out)
{
    const size_t bytes = ppq_shape_bytes(dense, values->dtype);
    const size_t size = ppq_dtype_size(values->dtype);
    if (!size || values->dtype == PPQ_DT_STRING || bytes > PPQ_SPARSE_MAX_BYTES)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED,
                             "sparse tensors of type %s with %zu dense bytes are not handled, "
                             "at most %zu bytes are",
                             ppq_dtype_name(values->dtype), bytes, PPQ_SPARSE_MAX_BYTES);
    const int64_t n = ppq_shape_numel(&values->shape);
    const ppq_shape *is = &indices->shape;
    const bool ok = values->shape.rank == 1 && indices->dtype == PPQ_DT_I64 &&
                    (is->rank == 1 || (is->rank == 2 && is->dim[1] == dense->rank)) &&
                    is->dim[0] == n;
    if (!ok)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "sparse values and indices do not fit: %lld values need int64 indices "
                             "of shape %lld or %lldx%d",
                             (long long) n, (long long) n, (long long) n, dense->rank);
    ppq_tensor t;
    if (ppq_tensor_alloc(&t, values->dtype, dense) != PPQ_OK)
        return no_memory(s, bytes);
    unsigned char *dst = ppq_tensor_data(&t);
    const unsigned char *src = ppq_tensor_data(values);
    if (bytes)
        memset(dst, 0, bytes);
    for (size_t k = 0; k < (size_t) n; k++) {
        size_t pos;
        const ppq_status st = sparse_position(indices, k, dense, s, &pos);
        if (st != PPQ_OK) {
            ppq_tensor_unref(&t);
            return st;
        }
        memcpy(dst + pos * size, src + k * size, size);
    }
    *out = t;
    return PPQ_OK;
}

ppq_status ppq_tensor_read_sparse(const ppq_tensor_reader *r, Onnx__SparseTensorProto *t,
                                  const ppq_site *s, ppq_tensor *out)
{
    ppq_shape dense;
    if (!t->values || !t->indices)
        return ppq_site_fail(s, PPQ_ERR_MODEL, "it is sparse and has no %s",
                             t->values ? "indices" : "values");
    PPQ_TRY(read_shape(t->dims, t->n_dims, s, &dense));
    ppq_tensor values = { 0 }, indices = { 0 };
    ppq_status st = ppq_tensor_read(r, t->values, s, &values);
    if (st == PPQ_OK)
        st = ppq_tensor_read(r, t->indices, s, &indices);
    if (st == PPQ_OK)
        st = scatter(&values, &indices, &dense, s, out);
    ppq_tensor_unref(&values);
    ppq_tensor_unref(&indices);
    return st;
}
