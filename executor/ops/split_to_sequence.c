#include <inttypes.h>

#include "executor/ops/container.h"
#include "executor/ops/move.h"

// The input cut along `axis`: into parts of the given sizes, of one size (the last may be
// smaller), or of size 1, then without the axis when `keepdims` is 0.

typedef struct cut {
    int axis;
    int64_t dim, n, each; // parts; size of each where `sizes` is NULL
    const int64_t *sizes;
    bool drop_axis;
} cut;

static ppq_status open_sizes(ppq_kernel_ctx *c, cut *k)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *s = ppq_args_shape(&a, 1);
    const int64_t cap = s->rank < 0 ? 0 : ppq_shape_numel(s);
    int64_t *sizes = ppq_new_n(c->scratch, int64_t, (size_t) cap + 1), count, sum = 0;
    PPQ_TRY(ppq_args_ints(&a, 1, sizes, cap, &count));
    if (s->rank == 1) {
        for (int64_t i = 0; i < count; i++) {
            if (sizes[i] < 0)
                return ppq_args_fail(&a, "a part has the size %" PRId64 ", expected at least 0",
                                     sizes[i]);
            sum = sum < 0 ? sum : ppq_dim_add(sum, sizes[i]);
        }
        if (sum != k->dim)
            return ppq_args_fail(
                &a, "the parts add up to %" PRId64 ", but the dimension is %" PRId64, sum, k->dim);
        k->sizes = sizes;
        k->n = count;
        return PPQ_OK;
    }
    k->each = count > 0 ? sizes[0] : 1;
    if (k->each < 1)
        return ppq_args_fail(&a, "parts have the size %" PRId64 ", expected at least 1", k->each);
    k->n = k->dim / k->each + (k->dim % k->each != 0);
    return PPQ_OK;
}

static ppq_status open_cut(ppq_kernel_ctx *c, cut *k)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    *k = (cut){ 0 };
    if (!ppq_dtype_size(x->dtype))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "elements of %s are not supported",
                               ppq_dtype_name(x->dtype));
    PPQ_TRY(ppq_args_axis(&a, ppq_op_attr_int(c->op, "axis", 0), x->shape.rank, &k->axis));
    k->dim = x->shape.dim[k->axis];
    k->drop_axis = !ppq_args_has(&a, 1) && ppq_op_attr_int(c->op, "keepdims", 1) == 0;
    return open_sizes(c, k);
}

static ppq_status take_part(ppq_kernel_ctx *c, const cut *k, int64_t from, int64_t size,
                            ppq_tensor *out)
{
    const ppq_tensor *x = c->in[0];
    ppq_shape s = x->shape;
    int64_t stride[PPQ_MAX_RANK];
    ppq_shape_strides(&x->shape, stride);
    s.dim[k->axis] = size;
    if (ppq_tensor_alloc_pool(out, x->dtype, &s, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a part");
    if (ppq_shape_numel(&s))
        ppq_copy_dense(ppq_tensor_data(out), ppq_element(x, from * stride[k->axis]), stride, s.dim,
                       s.rank, ppq_dtype_size(x->dtype));
    if (k->drop_axis) {
        for (int i = k->axis; i + 1 < s.rank; i++)
            out->shape.dim[i] = s.dim[i + 1];
        out->shape.rank--;
    }
    // The part's own characters, not the input's.
    if (x->dtype == PPQ_DT_STRING) {
        ppq_tensor other = ppq_tensor_ref(out); // no longer unique: copies
        const ppq_status st = ppq_tensor_make_unique(out);
        ppq_tensor_unref(&other);
        if (st != PPQ_OK)
            return ppq_kernel_fail(c, st, "cannot allocate the strings of a part");
    }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    cut k;
    PPQ_TRY(open_cut(c, &k));
    ppq_tensor *parts = ppq_new_n(c->scratch, ppq_tensor, (size_t) k.n + 1);
    ppq_status st = PPQ_OK;
    int64_t from = 0;
    for (int64_t i = 0; i < k.n && st == PPQ_OK; i++) {
        const int64_t size = k.sizes ? k.sizes[i] : PPQ_MIN(k.each, k.dim - from);
        st = take_part(c, &k, from, size, &parts[i]);
        from += size;
    }
    if (st == PPQ_OK)
        st = ppq_run_pack(c, 0, PPQ_DT_SEQUENCE, parts, k.n);
    for (int64_t i = 0; i < k.n; i++)
        ppq_tensor_unref(&parts[i]);
    return st;
}

const ppq_op_def ppq_op_split_to_sequence = {
    .type = "SplitToSequence",
    .domain = "",
    .opset_min = 11,
    .in_min = 1,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_RANDOM, // no constant can be a sequence
    .fp32_in = 0x1,
    .soi_in = 0x2,
    .fp32_out = 0x1,
    .infer = ppq_infer_sequences,
    .forward = forward,
};
