#ifndef PPQ_CORE_TENSOR_H
#define PPQ_CORE_TENSOR_H

#include "core/base.h"

// Highest rank of a tensor. ONNX sets no limit; deeper tensors are refused by the parser.
#define PPQ_MAX_RANK 8

// An unknown dimension. Values below it are symbols: PPQ_DIM_SYMBOL(k) is the k-th entry of
// the graph's symbol table, so two dimensions with the same symbol are known to be equal.
#define PPQ_DIM_UNKNOWN   (-1)
#define PPQ_DIM_SYMBOL(k) (-2 - (int64_t) (k))

// clang-format off
// X(enum suffix, ONNX TensorProto.DataType, bits per element, printable name)
#define PPQ_DTYPES(X)                                                                      \
    X(F32, 1, 32, "float32")   X(U8, 2, 8, "uint8")      X(I8, 3, 8, "int8")               \
    X(U16, 4, 16, "uint16")    X(I16, 5, 16, "int16")    X(I32, 6, 32, "int32")            \
    X(I64, 7, 64, "int64")     X(STRING, 8, 128, "string") X(BOOL, 9, 8, "bool")           \
    X(F16, 10, 16, "float16")  X(F64, 11, 64, "float64") X(U32, 12, 32, "uint32")          \
    X(U64, 13, 64, "uint64")   X(C64, 14, 64, "complex64") X(C128, 15, 128, "complex128")  \
    X(BF16, 16, 16, "bfloat16") X(F8E4M3FN, 17, 8, "float8e4m3fn")                         \
    X(F8E4M3FNUZ, 18, 8, "float8e4m3fnuz") X(F8E5M2, 19, 8, "float8e5m2")                  \
    X(F8E5M2FNUZ, 20, 8, "float8e5m2fnuz") X(U4, 21, 4, "uint4") X(I4, 22, 4, "int4")      \
    X(F4E2M1, 23, 4, "float4e2m1") X(F8E8M0, 24, 8, "float8e8m0")                          \
    X(U2, 25, 2, "uint2")      X(I2, 26, 2, "int2")
// clang-format on

// Values are those of TensorProto.DataType, but for the two containers at the end.
typedef enum ppq_dtype {
    PPQ_DT_NONE = 0,
#define X(id, onnx, bits, name) PPQ_DT_##id = (onnx),
    PPQ_DTYPES(X)
#undef X
        PPQ_DT_ONNX_END, // behind the last element type
    PPQ_DT_SEQUENCE = 62,
    PPQ_DT_OPTIONAL,
    PPQ_DT_COUNT
} ppq_dtype;

// One element of a PPQ_DT_STRING tensor. `data` points into the tensor's own buffer.
typedef struct ppq_string {
    const char *data; // not NUL-terminated
    size_t size;
} ppq_string;

typedef struct ppq_shape {
    int32_t rank;              // [0, PPQ_MAX_RANK]; 0 is a scalar; -1: not even the rank is known
    int64_t dim[PPQ_MAX_RANK]; // >= 0, PPQ_DIM_UNKNOWN or a symbol
} ppq_shape;

// Order of the elements in memory. CHANNELS_LAST exists only inside the executor: the logical
// shape stays N,C,spatial... and the bytes are ordered N,spatial...,C (rank >= 3).
typedef enum ppq_layout { PPQ_LAYOUT_PLAIN, PPQ_LAYOUT_CHANNELS_LAST } ppq_layout;

// Reference-counted, 64-byte aligned bytes, padded so that a 64-byte vector load at the last
// element is legal.
typedef struct ppq_buffer ppq_buffer;

// Recycles buffers: a buffer allocated through a pool goes back to it when its last reference
// goes. Thread-safe. Destroying a pool is legal while its buffers live: they are then freed.
typedef struct ppq_pool ppq_pool;
ppq_pool *ppq_pool_create(void);
void ppq_pool_destroy(ppq_pool *p); // NULL is fine

// A dense view. Copy the struct and call ppq_tensor_ref to share; a writer calls
// ppq_tensor_make_unique first (copy-on-write). A zeroed struct is "no tensor".
typedef struct ppq_tensor {
    ppq_dtype dtype;
    ppq_layout layout;
    ppq_shape shape; // fully known
    ppq_buffer *buf;
    size_t offset; // bytes into buf; keeps the element type's alignment
} ppq_tensor;

// Contents are unspecified (not zeroed). PPQ_ERR_SHAPE when the shape is not fully known,
// PPQ_ERR_NOMEM when it cannot be had. `pool` may be NULL.
PPQ_NODISCARD ppq_status ppq_tensor_alloc(ppq_tensor *out, ppq_dtype dtype, const ppq_shape *shape);
PPQ_NODISCARD ppq_status ppq_tensor_alloc_pool(ppq_tensor *out, ppq_dtype dtype,
                                               const ppq_shape *shape, ppq_pool *pool);
// A tensor of bytes owned by somebody else, alive until `release(user)` (may be NULL) is called.
// `data` must be aligned for dtype.
PPQ_NODISCARD ppq_status ppq_tensor_borrow(ppq_tensor *out, ppq_dtype dtype, const ppq_shape *shape,
                                           void *borrow_data, void (*release)(void *user),
                                           void *user);
ppq_tensor ppq_tensor_ref(const ppq_tensor *t);
void ppq_tensor_unref(ppq_tensor *t); // NULL or zeroed is fine; zeroes *t
PPQ_NODISCARD ppq_status ppq_tensor_make_unique(ppq_tensor *t);
bool ppq_tensor_is_unique(const ppq_tensor *t); // nobody else holds its buffer
size_t ppq_tensor_bytes(const ppq_tensor *t);
// The same elements under another shape of equal element count; shares the buffer. PLAIN only.
PPQ_NODISCARD ppq_status ppq_tensor_reshape(const ppq_tensor *t, const ppq_shape *shape,
                                            ppq_tensor *out);
// Copies a tensor into the other layout.
PPQ_NODISCARD ppq_status ppq_tensor_to_layout(const ppq_tensor *t, ppq_layout layout,
                                              ppq_pool *pool, ppq_tensor *out);
void *ppq_tensor_data(const ppq_tensor *t);
bool ppq_tensor_equal(const ppq_tensor *a, const ppq_tensor *b); // dtype, shape and bytes

// Containers: values of ONNX that hold tensors. A sequence has shape [n] and n items, all tensors;
// an optional has shape [0] or [1] and as many items, a tensor or a sequence. Items are PLAIN and
// never change; the buffer owns one reference of each. A container has no bytes (0) and no
// alignment: only the functions below, ref, unref, make_unique, is_unique and equal take one.
static inline bool ppq_dtype_is_container(ppq_dtype dt)
{
    return dt == PPQ_DT_SEQUENCE || dt == PPQ_DT_OPTIONAL;
}
// Takes one reference of each item, even on failure, and zeroes them. PPQ_ERR_SHAPE when a
// container of type `dt` cannot hold these items, PPQ_ERR_NOMEM.
PPQ_NODISCARD ppq_status ppq_container_pack(ppq_tensor *out, ppq_dtype dt, ppq_tensor *take_items,
                                            int64_t n);
int64_t ppq_container_count(const ppq_tensor *t);
const ppq_tensor *ppq_container_items(const ppq_tensor *t); // borrowed

unsigned ppq_dtype_bits(ppq_dtype dt);     // 0 for NONE and containers
size_t ppq_dtype_size(ppq_dtype dt);       // bytes of one element; 0 below 8 bits
const char *ppq_dtype_name(ppq_dtype dt);  // "float32"
ppq_dtype ppq_dtype_find(const char *name, size_t n); // by printable name; NONE when unknown
bool ppq_dtype_valid(int onnx_type); // an element type
bool ppq_dtype_is_float(ppq_dtype dt); // f16, bf16, f32, f64

// -1 if any dimension is unknown or the product overflows.
int64_t ppq_shape_numel(const ppq_shape *s);
bool ppq_shape_known(const ppq_shape *s);
bool ppq_shape_equal(const ppq_shape *a, const ppq_shape *b);
// Bytes of a dense tensor, sub-byte types packed; SIZE_MAX on overflow or unknown shape.
size_t ppq_shape_bytes(const ppq_shape *s, ppq_dtype dt);
// Writes "1x3x224x224" (symbols as "?") and returns buf. 128 bytes hold any shape.
const char *ppq_shape_str(const ppq_shape *s, char *buf, size_t n);
// Row-major strides in elements.
void ppq_shape_strides(const ppq_shape *s, int64_t *strides);
static inline ppq_shape ppq_shape_1d(int64_t n)
{
    return (ppq_shape){ .rank = 1, .dim = { n } };
}

// IEEE half and bfloat16, round to nearest even.
float ppq_f16_to_f32(uint16_t h);
uint16_t ppq_f32_to_f16(float f);
float ppq_bf16_to_f32(uint16_t h);
uint16_t ppq_f32_to_bf16(float f);

static inline float *ppq_f32(const ppq_tensor *t)
{
    return (float *) ppq_tensor_data(t);
}

static inline int64_t *ppq_i64(const ppq_tensor *t)
{
    return (int64_t *) ppq_tensor_data(t);
}

#endif
