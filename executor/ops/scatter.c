#include "executor/ops/scatter.h"

#include <inttypes.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/real.h"
#include "executor/ops/types.h"

static const char *const reductions[] = { "none", "add", "mul", "max", "min", NULL };
enum { NONE, ADD, MUL, MAX, MIN };

ppq_status ppq_args_elements(const ppq_args *a, int *axis)
{
    const ppq_shape *x = ppq_args_shape(a, 0), *idx = ppq_args_shape(a, 1);
    *axis = 0;
    if (x->rank < 0)
        return PPQ_OK;
    PPQ_TRY(ppq_args_axis(a, ppq_op_attr_int(ppq_args_op(a), "axis", 0), x->rank, axis));
    bool fits = idx->rank < 0 || idx->rank == x->rank;
    for (int i = 0; fits && i < idx->rank; i++)
        fits = i == *axis || x->dim[i] < 0 || idx->dim[i] <= x->dim[i];
    if (!fits) {
        char b1[192], b2[192];
        return ppq_args_fail(a, "indices of shape %s do not fit data of shape %s",
                             ppq_shape_str(idx, b1, sizeof(b1)), ppq_shape_str(x, b2, sizeof(b2)));
    }
    return PPQ_OK;
}

ppq_status ppq_places_elements(ppq_kernel_ctx *c, int axis, ppq_places *out)
{
    const ppq_shape *x = &c->in[0]->shape, *idx = &c->in[1]->shape;
    int64_t stride[PPQ_MAX_RANK], at[PPQ_MAX_RANK] = { 0 };
    *out = (ppq_places){ .n = ppq_shape_numel(idx), .slice = 1 };
    PPQ_TRY(ppq_run_indices(c, 1, x->dim[axis], &out->offsets));
    int64_t *v = ppq_tensor_data(&out->offsets);
    ppq_shape_strides(x, stride);
    const int last = idx->rank - 1;
    for (int64_t i = 0; i < out->n; i += idx->dim[last]) {
        int64_t base = 0;
        for (int k = 0; k < last; k++)
            base += k == axis ? 0 : at[k] * stride[k];
        for (int64_t k = 0; k < idx->dim[last]; k++)
            v[i + k] = base + v[i + k] * stride[axis] + (last == axis ? 0 : k);
        for (int k = last - 1; k >= 0 && ++at[k] == idx->dim[k]; k--)
            at[k] = 0;
    }
    return PPQ_OK;
}

// Turns one tuple of coordinates into an offset.
static ppq_status tuple_offset(ppq_kernel_ctx *c, const int64_t *tuple, int64_t depth,
                               const int64_t *dim, const int64_t *stride, int64_t *out)
{
    *out = 0;
    for (int64_t k = 0; k < depth; k++) {
        if (tuple[k] < -dim[k] || tuple[k] >= dim[k])
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                                   "index %" PRId64 " (coordinate %" PRId64
                                   " of an entry of input 1) is outside [%" PRId64 ", %" PRId64 ")",
                                   tuple[k], k, -dim[k], dim[k]);
        *out += (tuple[k] < 0 ? tuple[k] + dim[k] : tuple[k]) * stride[k];
    }
    return PPQ_OK;
}

ppq_status ppq_places_slices(ppq_kernel_ctx *c, int batch, ppq_places *out)
{
    const ppq_shape *x = &c->in[0]->shape, *idx = &c->in[1]->shape;
    if (c->in[1]->dtype != PPQ_DT_I64 && c->in[1]->dtype != PPQ_DT_I32)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "indices are %s, expected int64 or int32",
                               ppq_dtype_name(c->in[1]->dtype));
    const int64_t depth = idx->dim[idx->rank - 1];
    ppq_places p = { .n = ppq_dims_product(idx, 0, idx->rank - 1),
                     .slice = ppq_dims_product(x, batch + (int) depth, x->rank) };
    const int64_t batches = ppq_dims_product(x, 0, batch);
    const int64_t per_batch = batches ? p.n / batches : 0;
    const int64_t batch_stride = ppq_dims_product(x, batch, x->rank);
    int64_t stride[PPQ_MAX_RANK + 1], tuple[PPQ_MAX_RANK];
    ppq_shape_strides(x, stride);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) p.n * sizeof(int64_t), &p.offsets));
    int64_t *v = ppq_tensor_data(&p.offsets);
    for (int64_t i = 0; i < p.n; i++) {
        ppq_load_i64(c->in[1], i * depth, depth, tuple);
        const ppq_status st = tuple_offset(c, tuple, depth, x->dim + batch, stride + batch, &v[i]);
        if (st != PPQ_OK) {
            ppq_tensor_unref(&p.offsets);
            return st;
        }
        v[i] += i / per_batch * batch_stride;
    }
    *out = p;
    return PPQ_OK;
}

static void put(const ppq_places *p, const ppq_tensor *updates, ppq_tensor *y)
{
    const int64_t *at = ppq_tensor_data(&p->offsets);
    const size_t bytes = (size_t) p->slice * ppq_dtype_size(y->dtype);
    for (int64_t i = 0; i < p->n && bytes; i++)
        memcpy(ppq_element(y, at[i]), ppq_element(updates, i * p->slice), bytes);
}

#define COMBINE(id, type, ...)                                                     \
    static void combine_##id(const ppq_places *p, int how, const type *u, type *y) \
    {                                                                              \
        const int64_t *at = ppq_tensor_data(&p->offsets);                          \
        for (int64_t i = 0; i < p->n; i++)                                         \
            for (int64_t k = 0; k < p->slice; k++) {                               \
                const type v = *u++;                                               \
                type *d = &y[at[i] + k];                                           \
                switch (how) {                                                     \
                case ADD:                                                          \
                    *d = (type) ((__VA_ARGS__) *d + (__VA_ARGS__) v);              \
                    break;                                                         \
                case MUL:                                                          \
                    *d = (type) ((__VA_ARGS__) *d * (__VA_ARGS__) v);              \
                    break;                                                         \
                case MAX:                                                          \
                    *d = v > *d ? v : *d;                                          \
                    break;                                                         \
                default:                                                           \
                    *d = v < *d ? v : *d;                                          \
                    break;                                                         \
                }                                                                  \
            }                                                                      \
    }
TYPES_INT(COMBINE, uint64_t)
COMBINE(F32, float, float)
COMBINE(F64, double, double)

#define COMBINE_CASE(id, type, ...)                                                   \
    case PPQ_DT_##id:                                                                 \
        combine_##id(p, how, ppq_tensor_data(c->in[2]), ppq_tensor_data(&c->out[0])); \
        return PPQ_OK;

static ppq_status scatter(ppq_kernel_ctx *c, const ppq_places *p)
{
    const ppq_args a = ppq_args_run(c);
    int how;
    PPQ_TRY(ppq_args_choice(&a, "reduction", reductions, &how));
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &c->in[0]->shape));
    if (c->in[2]->dtype != c->in[0]->dtype)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "data is %s and updates are %s",
                               ppq_dtype_name(c->in[0]->dtype), ppq_dtype_name(c->in[2]->dtype));
    if (ppq_shape_numel(&c->in[2]->shape) != p->n * p->slice)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "updates have %" PRId64 " elements, the indices name %" PRId64,
                               ppq_shape_numel(&c->in[2]->shape), p->n * p->slice);
    if (ppq_tensor_bytes(c->in[0]))
        memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(c->in[0]), ppq_tensor_bytes(c->in[0]));
    if (how == NONE) {
        put(p, c->in[2], &c->out[0]);
        return PPQ_OK;
    }
    switch ((int) c->in[0]->dtype) {
        TYPES_INT(COMBINE_CASE, 0)
        TYPES_FLOAT(COMBINE_CASE, 0)
    default:
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "a reduction of %s is not supported",
                               ppq_dtype_name(c->in[0]->dtype));
    }
}

ppq_status ppq_run_scatter(ppq_kernel_ctx *c, ppq_places *take_places)
{
    const ppq_status st = scatter(c, take_places);
    ppq_tensor_unref(&take_places->offsets);
    return st;
}

ppq_status ppq_infer_scatter(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    int how;
    PPQ_TRY(ppq_args_choice(&a, "reduction", reductions, &how));
    return ppq_infer_same(c);
}

ppq_status ppq_run_scatter_typed(ppq_kernel_ctx *c, ppq_status (*run)(ppq_kernel_ctx *c))
{
    const bool moves =
        !ppq_op_attr(c->op, "reduction") || ppq_op_attr_is(c->op, "reduction", "none");
    return moves ? ppq_run_moved(c, 0, run) : ppq_run_widened(c, run);
}
