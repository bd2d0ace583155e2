#ifndef PPQ_EXECUTOR_OPS_ARGS_H
#define PPQ_EXECUTOR_OPS_ARGS_H

#include "core/op_def.h"

// What infer and forward have in common: an operator's geometry is worked out by one function
// that runs in both, with dimensions and values that may be unknown in the first.
// Exactly one of the two is set.
typedef struct ppq_args {
    ppq_infer_ctx *infer;
    ppq_kernel_ctx *run;
} ppq_args;

static inline ppq_args ppq_args_infer(ppq_infer_ctx *c)
{
    return (ppq_args){ .infer = c };
}

static inline ppq_args ppq_args_run(ppq_kernel_ctx *c)
{
    return (ppq_args){ .run = c };
}

const ppq_op *ppq_args_op(const ppq_args *a);
int64_t ppq_args_opset(const ppq_args *a);
bool ppq_args_has(const ppq_args *a, int i); // false for slots the op does not have
// Rank -1 when unknown or absent.
const ppq_shape *ppq_args_shape(const ppq_args *a, int i);
ppq_dtype ppq_args_dtype(const ppq_args *a, int i); // NONE when unknown or absent
// NULL when absent or not known yet.
const ppq_tensor *ppq_args_value(const ppq_args *a, int i);
// Records PPQ_ERR_SHAPE and returns it.
ppq_status ppq_args_fail(const ppq_args *a, const char *fmt, ...) PPQ_PRINTF(2, 3);

// Input i as at most `cap` integers. *n is -1 when the input is absent or not known yet.
ppq_status ppq_args_ints(const ppq_args *a, int i, int64_t *out, int64_t cap, int64_t *n);
// A list of integers that is attribute `name` in older and input `slot` in newer opsets.
// *n as above; the count of an attribute that is absent is 0 and *given false.
ppq_status ppq_args_list(const ppq_args *a, int slot, const char *name, int64_t *out, int64_t cap,
                         int64_t *n, bool *given);
// axis in [-rank, rank) of an input of that rank, to [0, rank).
ppq_status ppq_args_axis(const ppq_args *a, int64_t axis, int rank, int *out);
// The same for a list without repetitions; sets bits.
ppq_status ppq_args_axes(const ppq_args *a, const int64_t *axes, int64_t n, int rank,
                         uint32_t *mask);
// The position in NULL-terminated `names` of string attribute `name`; 0 when it is absent.
ppq_status ppq_args_choice(const ppq_args *a, const char *name, const char *const *names, int *out);

// The common value of two dimensions that must be equal; false when both are known and differ.
bool ppq_dim_merge(int64_t a, int64_t b, int64_t *out);
// a + b and a * b of dimensions: unknown when one is, or when there is overflow.
int64_t ppq_dim_add(int64_t a, int64_t b);
int64_t ppq_dim_mul(int64_t a, int64_t b);
int64_t ppq_dim_div(int64_t a, int64_t b); // b is known, and divides a when that is known too
// The dimensions [from, to) as one.
int64_t ppq_dims_product(const ppq_shape *s, int from, int to);
ppq_shape ppq_shape_unknown(int rank); // every dimension unknown
// Refuses an output of more dimensions than tensors can have.
ppq_status ppq_args_out_rank(const ppq_args *a, int rank);

// Infer's last step: refuses sizes that no tensor can have.
ppq_status ppq_infer_out(ppq_infer_ctx *c, int i, ppq_dtype dt, const ppq_shape *s);
// The same for output 0 of an operator whose output has the type of input 0.
typedef ppq_status (*ppq_plan)(const ppq_args *a, ppq_shape *out);
ppq_status ppq_infer_plan(ppq_infer_ctx *c, ppq_plan plan);
// The same where the plan works out an axis besides, and the type is that of input `slot`.
typedef ppq_status (*ppq_axis_plan)(const ppq_args *a, int *axis, ppq_shape *out);
ppq_status ppq_infer_axis_plan(ppq_infer_ctx *c, int slot, ppq_axis_plan plan);
// Forward's first step: output i has this type and shape, allocated if it was not.
ppq_status ppq_run_out(ppq_kernel_ctx *c, int i, ppq_dtype dt, const ppq_shape *s);
// The same for what ppq_infer_plan infers; gives the planned shape too.
ppq_status ppq_run_plan(ppq_kernel_ctx *c, ppq_plan plan, ppq_shape *out);

// Input `slot` as indices into a dimension of size `dim`: [-dim, dim) becomes [0, dim), anything
// else is an error that names it. *out is int64; the caller unrefs it.
ppq_status ppq_run_indices(ppq_kernel_ctx *c, int slot, int64_t dim, ppq_tensor *out);

#endif
