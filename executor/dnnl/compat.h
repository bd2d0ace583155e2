#ifndef PPQ_EXECUTOR_DNNL_COMPAT_H
#define PPQ_EXECUTOR_DNNL_COMPAT_H

#include "core/tensor.h"

// The seam to oneDNN: compat/ alone includes its header and knows that 2.x and 3.x differ.
//
// Quantization is stated once, in real units, and lowered to whatever the library wants. Shapes,
// strides and paddings are ONNX's: row-major logical order N,C,spatial, dilation 1 is dense.
//
// An operation keeps the number of threads that the thread which creates it has set. It is
// immutable: any number of threads may run it, each through a call of its own. The library lets the
// number of threads decide how some sums are split, so only operations of one thread promise the
// same bytes on the same machine; ppq_dnnl_parallel makes the best of those.

typedef struct ppq_dnnl_op ppq_dnnl_op;
typedef struct ppq_dnnl_call ppq_dnnl_call;

const char *ppq_dnnl_version(void); // "2.6.3"
// False where products of uint8 and int8 are added in saturating 16 bits (no VNNI): then int8
// results are exact only for weights in [-64, 63].
bool ppq_dnnl_exact_u8s8(void);
typedef enum ppq_dnnl_isa {
    PPQ_DNNL_ISA_SSE41,
    PPQ_DNNL_ISA_AVX2,
    PPQ_DNNL_ISA_AVX512,
    PPQ_DNNL_ISA_VNNI
} ppq_dnnl_isa;
// Caps what the library uses, for the process; false once it is in use.
bool ppq_dnnl_cap_isa(ppq_dnnl_isa isa);
const char *ppq_dnnl_isa_name(void); // in effect: "avx2", "avx512_core_vnni", ...
// Threads of the operations that the calling thread creates and runs from now on.
void ppq_dnnl_set_threads(int n);
int ppq_dnnl_get_threads(void);
// Calls fn(user, i, worker) for every i in [0, n) from up to n_threads of the library's own
// threads, worker in [0, n_threads). Operations run in it use one thread each.
void ppq_dnnl_parallel(int n_threads, int64_t n, void (*fn)(void *user, int64_t i, int worker),
                       void *user);

// ---- memory descriptors --------------------------------------------------------------------

enum { PPQ_DNNL_DIMS = 12 };

typedef enum ppq_dnnl_arg {
    PPQ_DNNL_SRC,
    PPQ_DNNL_SRC_1, // second operand of a binary operation
    PPQ_DNNL_WEIGHTS,
    PPQ_DNNL_BIAS,
    PPQ_DNNL_DST,
    PPQ_DNNL_SCALE,
    PPQ_DNNL_SHIFT,
    PPQ_DNNL_SCRATCH,
    PPQ_DNNL_POST, // PPQ_DNNL_POST + i: operand of post-op i, a binary one
} ppq_dnnl_arg;

typedef enum ppq_dnnl_format {
    PPQ_DNNL_STRIDED, // as `stride` says
    PPQ_DNNL_ANY,     // the operation chooses
    PPQ_DNNL_LIKE,    // what operation `like` chose for its argument `like_arg`
} ppq_dnnl_format;

// A plain value. dtype NONE: there is no such operand.
typedef struct ppq_dnnl_md {
    ppq_dtype dtype;
    ppq_dnnl_format format;
    int rank;
    int64_t dim[PPQ_DNNL_DIMS], stride[PPQ_DNNL_DIMS];
    const ppq_dnnl_op *like;
    int like_arg;
} ppq_dnnl_md;

// A dense tensor in either layout; a scalar becomes a vector of one element.
ppq_dnnl_md ppq_dnnl_md_of(ppq_dtype dt, const ppq_shape *s, ppq_layout layout);
ppq_dnnl_md ppq_dnnl_md_any(const ppq_dnnl_md *like);
ppq_dnnl_md ppq_dnnl_md_like(const ppq_dnnl_op *op, int arg);
size_t ppq_dnnl_arg_bytes(const ppq_dnnl_op *op, int arg);

// ---- attributes ----------------------------------------------------------------------------

typedef enum ppq_dnnl_alg {
    PPQ_DNNL_RELU,   // alpha: slope below zero
    PPQ_DNNL_CLIP,   // to [alpha, beta]
    PPQ_DNNL_LINEAR, // alpha * x + beta
    PPQ_DNNL_LOGISTIC,
    PPQ_DNNL_TANH,
    PPQ_DNNL_ELU, // alpha
    PPQ_DNNL_EXP,
    PPQ_DNNL_GELU_ERF,
    PPQ_DNNL_SWISH, // x * logistic(alpha * x)
    PPQ_DNNL_HARD_SWISH,
    PPQ_DNNL_ROUND, // to the nearest integer, ties to even
    PPQ_DNNL_ADD,   // from here on binary
    PPQ_DNNL_SUB,
    PPQ_DNNL_MUL,
    PPQ_DNNL_DIV,
    PPQ_DNNL_MAX,
    PPQ_DNNL_MIN,
} ppq_dnnl_alg;

typedef enum ppq_dnnl_post_kind {
    PPQ_DNNL_POST_SUM,     // + (dst - zero) * scale, dst read as `dtype` (NONE: as it is)
    PPQ_DNNL_POST_ELTWISE, // alg(alpha, beta)
    PPQ_DNNL_POST_BINARY,  // alg with operand `md`
} ppq_dnnl_post_kind;

typedef struct ppq_dnnl_post {
    ppq_dnnl_post_kind kind;
    ppq_dnnl_alg alg;
    float alpha, beta;
    float scale;
    int32_t zero;
    ppq_dtype dtype;
    ppq_dnnl_md md;
} ppq_dnnl_post;

// dst = clip(round(post(src_scale * wei_scale * sum((src - src_zero) * wei) + bias) / dst_scale)
//            + dst_zero). The arrays are copied.
typedef struct ppq_dnnl_quant {
    float src_scale, dst_scale;
    int32_t src_zero, dst_zero;
    const float *wei_scale; // per output channel, or one
    int32_t wei_zero;       // of matrix products with one scale only
    int64_t n_wei_scale;
} ppq_dnnl_quant;

typedef struct ppq_dnnl_attr {
    const ppq_dnnl_quant *quant; // NULL: float
    const ppq_dnnl_post *post;
    int n_post;
} ppq_dnnl_attr;

// The bias as an operation with this quantization reads it, from a bias in real units.
void ppq_dnnl_bias(const ppq_dnnl_quant *q, const float *bias, int64_t n, float *out);

// ---- operations ----------------------------------------------------------------------------

// Each returns PPQ_ERR_UNSUPPORTED when the library has nothing for it, or nothing but its slow
// reference implementation. `attr` may be NULL.

typedef struct ppq_dnnl_window {
    int n; // spatial dimensions
    int64_t kernel[PPQ_DNNL_DIMS], stride[PPQ_DNNL_DIMS], dilation[PPQ_DNNL_DIMS];
    int64_t pad_lo[PPQ_DNNL_DIMS], pad_hi[PPQ_DNNL_DIMS];
} ppq_dnnl_window;

typedef struct ppq_dnnl_operands {
    ppq_dnnl_md src, weights, bias, dst;
} ppq_dnnl_operands;

// Weights are [groups,] out, in, spatial; with a leading group dimension when `grouped`.
PPQ_NODISCARD ppq_status ppq_dnnl_conv(const ppq_dnnl_operands *m, const ppq_dnnl_window *w,
                                       bool grouped, bool transposed, const ppq_dnnl_attr *attr,
                                       ppq_dnnl_op **out);
// Weights are the right matrix. Batch dimensions of size 1 are repeated; so is the bias.
PPQ_NODISCARD ppq_status ppq_dnnl_matmul(const ppq_dnnl_operands *m, const ppq_dnnl_attr *attr,
                                         ppq_dnnl_op **out);
// src N x C [x spatial], weights O x C [x spatial], dst N x O.
PPQ_NODISCARD ppq_status ppq_dnnl_inner_product(const ppq_dnnl_operands *m,
                                                const ppq_dnnl_attr *attr, ppq_dnnl_op **out);
typedef enum ppq_dnnl_pool_kind {
    PPQ_DNNL_POOL_MAX,
    PPQ_DNNL_POOL_AVG,        // padding is not counted
    PPQ_DNNL_POOL_AVG_PADDED, // padding counts as zeros
} ppq_dnnl_pool_kind;
PPQ_NODISCARD ppq_status ppq_dnnl_pool(ppq_dnnl_pool_kind kind, const ppq_dnnl_md *src,
                                       const ppq_dnnl_md *dst, const ppq_dnnl_window *w,
                                       ppq_dnnl_op **out);
PPQ_NODISCARD ppq_status ppq_dnnl_eltwise(ppq_dnnl_alg alg, float alpha, float beta,
                                          const ppq_dnnl_md *md, ppq_dnnl_op **out);
// b's dimensions are those of a, or 1.
PPQ_NODISCARD ppq_status ppq_dnnl_binary(ppq_dnnl_alg alg, const ppq_dnnl_md *a,
                                         const ppq_dnnl_md *b, const ppq_dnnl_md *dst,
                                         const ppq_dnnl_attr *attr, ppq_dnnl_op **out);
PPQ_NODISCARD ppq_status ppq_dnnl_softmax(const ppq_dnnl_md *md, int axis, bool log,
                                          ppq_dnnl_op **out);
// Over the last dimension, with scale and shift.
PPQ_NODISCARD ppq_status ppq_dnnl_layer_norm(const ppq_dnnl_md *md, float epsilon,
                                             ppq_dnnl_op **out);
// dst = (src - src_zero) * src_scale / dst_scale + dst_zero; q NULL: a copy, or a conversion.
PPQ_NODISCARD ppq_status ppq_dnnl_reorder(const ppq_dnnl_md *src, const ppq_dnnl_md *dst,
                                          const ppq_dnnl_quant *q, ppq_dnnl_op **out);
void ppq_dnnl_op_destroy(ppq_dnnl_op *op);            // NULL is fine
const char *ppq_dnnl_impl(const ppq_dnnl_op *op);     // "jit:avx2"
size_t ppq_dnnl_scratch_bytes(const ppq_dnnl_op *op); // what PPQ_DNNL_SCRATCH needs; may be 0

// The bytes of constant `t`, described by `md`, in the layout `op` wants for `arg`. Shares t's
// buffer when that is the layout already.
PPQ_NODISCARD ppq_status ppq_dnnl_pack(const ppq_dnnl_op *op, int arg, const ppq_dnnl_md *md,
                                       const ppq_tensor *t, ppq_tensor *out);

// ---- running -------------------------------------------------------------------------------

// Arguments of one execution; cheap to make (about a microsecond), reusable, one thread at a time.
PPQ_NODISCARD ppq_status ppq_dnnl_call_create(const ppq_dnnl_op *op, ppq_dnnl_call **out);
// Binds or rebinds an argument. The operation must have it.
PPQ_NODISCARD ppq_status ppq_dnnl_call_set(ppq_dnnl_call *call, int arg, void *data);
PPQ_NODISCARD ppq_status ppq_dnnl_call_run(ppq_dnnl_call *call); // done when it returns
void ppq_dnnl_call_destroy(ppq_dnnl_call *call);                 // NULL is fine

typedef struct ppq_dnnl_bind {
    int arg;
    const void *data; // the destination too; NULL: left out
} ppq_dnnl_bind;

// One execution on the bound arguments; `scratch` may be NULL when none is needed.
PPQ_NODISCARD ppq_status ppq_dnnl_exec(const ppq_dnnl_op *op, const ppq_dnnl_bind *bind, int n,
                                       void *scratch);

#endif
