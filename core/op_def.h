#ifndef PPQ_CORE_OP_DEF_H
#define PPQ_CORE_OP_DEF_H

#include "core/graph.h"

// The meaning of one ONNX operator over real numbers: shapes and values. Knows nothing of
// quantization. One file per operator under executor/ops, named after it in snake case.
//
// The parser brings every model to the spelling of opset 13 or newer (parser/normalize), so an
// operator reads the attribute *and* the input form where 13..newest differ, and looks at
// `ctx->opset` where the same spelling changed its meaning.

// Facts passes and platforms ask about, instead of keeping lists of type names.
typedef enum ppq_trait {
    PPQ_OP_COMPUTE = 1 << 0,     // Conv, Gemm, MatMul: multiplies and sums, starts a fusion
    PPQ_OP_ACTIVATION = 1 << 1,  // clamps (Relu, Clip): a quantizer's own range can do it
    PPQ_OP_PASSIVE = 1 << 2,     // moves or selects values, never makes new ones: keeps its input's scale
    PPQ_OP_ELEMENTWISE = 1 << 3, // Add, Sub, Sum: inputs may be aligned to one scale
    PPQ_OP_CONCAT = 1 << 4,
    PPQ_OP_POOL = 1 << 5,        // averages
    PPQ_OP_SOI_SOURCE = 1 << 6,  // yields shapes or indices from data (Shape, TopK, NonMaxSuppression)
    PPQ_OP_NO_LINKS = 1 << 7,    // no output carries an input's values (Shape, Equal, NonZero)
    PPQ_OP_LAYOUT_FREE = 1 << 8, // output element i depends on element i of the inputs only
    PPQ_OP_RANDOM = 1 << 9,      // never folded
    PPQ_OP_CHANNELS_LAST = 1 << 10, // forward itself accepts and yields channels-last tensors
    PPQ_OP_CONTAINERS = 1 << 11, // inputs may be sequences or optionals; others are given tensors
    PPQ_OP_FILLS = 1 << 12,      // PASSIVE, but may bring in a value of its own (Pad)
    PPQ_OP_RESAMPLES = 1 << 13,  // selects values when its `mode` is "nearest", else makes new ones
} ppq_trait;

// What a slot carries. DATA may be quantized, the others never.
typedef enum ppq_plane { PPQ_PLANE_DATA, PPQ_PLANE_SOI, PPQ_PLANE_FP32 } ppq_plane;

// Shape and type inference. Called both before running (dimensions may be unknown or symbolic,
// most values missing) and at run time (everything known). Must cope with PPQ_DIM_UNKNOWN and
// rank -1: what cannot be known yet is left as it is preset. Outputs are preset to rank -1, NONE.
// An error here is a model error: PPQ_ERR_SHAPE with a message, via ppq_infer_fail.
typedef struct ppq_infer_ctx {
    const ppq_op *op;
    int64_t opset;                     // version of the op's domain
    const ppq_tensor *const *in_value; // [n_in] non-NULL where the value is known
    const ppq_shape *in_shape;         // [n_in] rank -1 when unknown or absent
    const ppq_dtype *in_dtype;         // [n_in]
    const bool *has_in;                // [n_in] false: optional input left out
    ppq_shape *out_shape;              // [n_out]
    ppq_dtype *out_dtype;              // [n_out]
    ppq_diag *diag;
} ppq_infer_ctx;

// One execution. Every input is dense; layout is PLAIN unless the op has LAYOUT_FREE (then all
// inputs of rank >= 3 share one layout and one shape) or CHANNELS_LAST.
typedef struct ppq_kernel_ctx {
    const ppq_op *op;
    int64_t opset;
    const ppq_tensor *const *in; // [n_in] NULL where optional and absent
    // [n_out] allocated, contents unspecified, when infer gave the full shape; otherwise
    // buf is NULL and forward calls ppq_kernel_alloc. Not wanted outputs are allocated too.
    ppq_tensor *out;
    ppq_arena *scratch; // for small things; zeroed; reset afterwards
    ppq_pool *pool;     // for big things: ppq_kernel_temp
    ppq_diag *diag;
    int n_threads; // threads this call may use
    // For ops with graphs in their attributes; NULL outside an executor. See executor/subgraph.h.
    const ppq_tensor *const *captured; // [n_implicit] values of the outer variables, PLAIN
    const struct ppq_subgraphs *subgraphs;
} ppq_kernel_ctx;

// Gradients of one execution, for training with quantization in the loop. float32 and PLAIN.
typedef struct ppq_backward_ctx {
    const ppq_op *op;
    int64_t opset;
    const ppq_tensor *const *in;       // [n_in] as forward had them
    const ppq_tensor *const *out;      // [n_out] what forward gave; NULL where it was not kept
    const ppq_tensor *const *grad_out; // [n_out] of the loss with respect to out; NULL: zero
    // [n_in] to be filled, allocated with the input's shape and zeroed; buf NULL: not wanted.
    ppq_tensor *grad_in;
    ppq_arena *scratch;
    ppq_pool *pool;
    ppq_diag *diag;
    int n_threads;
} ppq_backward_ctx;

typedef struct ppq_op_def {
    const char *type, *domain;   // domain "" is ai.onnx
    int16_t opset_min;           // first opset (of that domain) with this op
    int8_t in_min, in_max;       // in_max -1 = variadic
    int8_t out_min, out_max;     // out_max -1 = variadic
    uint32_t traits;             // ppq_trait
    uint32_t soi_in, fp32_in;    // bit i: input i is PPQ_PLANE_SOI / FP32
    uint32_t soi_out, fp32_out;  // bit i: output i
    ppq_status (*infer)(ppq_infer_ctx *c);
    ppq_status (*forward)(ppq_kernel_ctx *c); // plain C; the oracle for every other kernel
    ppq_status (*backward)(ppq_backward_ctx *c); // NULL: no gradient passes through
} ppq_op_def;

// Shapes, types and constants a faster kernel is made for.
typedef struct ppq_kernel_spec {
    const ppq_op *op;
    int64_t opset;
    const ppq_shape *in_shape;         // [n_in] all known
    const ppq_dtype *in_dtype;         // [n_in]
    const bool *has_in;                // [n_in]
    const ppq_tensor *const *in_const; // [n_in] the values that never change, as the op will see them
    const ppq_shape *out_shape;        // [n_out]
    const ppq_dtype *out_dtype;        // [n_out]
    int n_threads;
} ppq_kernel_spec;

// A faster implementation of the same meaning. Tried in list order; the first that supports the
// spec and prepares wins; the op's own forward is always last.
typedef struct ppq_kernel {
    const char *name;    // "dnnl-conv"
    const char *op_type; // of domain ""
    // Takes its first input and gives its first output channels-last (rank >= 3); other inputs and
    // outputs of rank >= 3 too.
    bool channels_last;
    bool (*supports)(const ppq_kernel_spec *s);
    // Packs constants. The state is immutable afterwards and shared by threads. PPQ_ERR_UNSUPPORTED
    // sends the op to the next kernel, silently.
    ppq_status (*prepare)(const ppq_kernel_spec *s, void **state, ppq_diag *d);
    // Must not read inputs that were given as in_const: prepare packed them, they may be gone.
    ppq_status (*forward)(const void *state, ppq_kernel_ctx *c);
    void (*release)(void *state); // NULL is fine
} ppq_kernel;

extern const ppq_op_def *const ppq_builtin_ops[];     // NULL-terminated
extern const ppq_kernel *const ppq_builtin_kernels[]; // NULL-terminated
// For running a model: an op that this build does not know is PPQ_ERR_UNSUPPORTED, wrong numbers of
// inputs and outputs of a known one are PPQ_ERR_MODEL.
PPQ_NODISCARD ppq_status ppq_op_check_known(const ppq_op *op, ppq_diag *d);
PPQ_NODISCARD ppq_status ppq_op_check_arity(const ppq_op *op, ppq_diag *d);
// Refuses containers where `op` expects tensors: PPQ_ERR_SHAPE. in_dtype: [n_in], NONE where absent.
PPQ_NODISCARD ppq_status ppq_op_check_kinds(const ppq_op *op, const ppq_dtype *in_dtype,
                                            ppq_diag *d);
// NULL when this build does not know the op.
const ppq_op_def *ppq_op_def_find(const char *domain, const char *type);
const char *ppq_op_def_nearest(const char *type); // a known type spelled alike, or NULL

static inline bool ppq_op_has_trait(const ppq_op *op, ppq_trait t)
{
    return op->def && (op->def->traits & (uint32_t) t);
}
// Whether every element of the outputs is one of the inputs', also seen as the integers of a grid.
bool ppq_op_selects(const ppq_op *op);
// Planes of a slot; DATA for unknown ops.
ppq_plane ppq_op_in_plane(const ppq_op *op, int slot);
ppq_plane ppq_op_out_plane(const ppq_op *op, int slot);

// ---- helpers for op files -------------------------------------------------------------------

ppq_status ppq_infer_fail(ppq_infer_ctx *c, const char *fmt, ...) PPQ_PRINTF(2, 3);
ppq_status ppq_kernel_fail(ppq_kernel_ctx *c, ppq_status code, const char *fmt, ...)
    PPQ_PRINTF(3, 4);
// Allocates output i (replacing what is there).
PPQ_NODISCARD ppq_status ppq_kernel_alloc(ppq_kernel_ctx *c, int i, ppq_dtype dt,
                                          const ppq_shape *s);
// A temporary of `bytes`; the caller unrefs it.
PPQ_NODISCARD ppq_status ppq_kernel_temp(ppq_kernel_ctx *c, size_t bytes, ppq_tensor *out);
// out[0] = in[0]'s shape and type.
ppq_status ppq_infer_same(ppq_infer_ctx *c);
// Multidirectional broadcast of all present inputs' shapes; dtype of the first.
ppq_status ppq_infer_broadcast(ppq_infer_ctx *c);
// Broadcasts `b` into `*acc`. False when they cannot be broadcast.
bool ppq_shape_broadcast(ppq_shape *acc, const ppq_shape *b);
// Element strides of a tensor of shape `s` read as if broadcast to `to`: 0 where repeated.
void ppq_broadcast_strides(const ppq_shape *s, const ppq_shape *to, int64_t *strides);
// axis in [-rank, rank) -> [0, rank); false outside.
bool ppq_axis_normalize(int64_t axis, int rank, int *out);

#endif
