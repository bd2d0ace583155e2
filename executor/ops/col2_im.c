#include <inttypes.h>
#include <string.h>

#include "executor/ops/doubled.h"
#include "executor/ops/real.h"
#include "executor/ops/window.h"

// Adds sliding blocks, one per column, where they came from in an image: (N, C * block, L) becomes
// (N, C, image).

typedef struct geometry {
    int n;
    int64_t image[PPQ_MAX_SPATIAL], block[PPQ_MAX_SPATIAL], steps[PPQ_MAX_SPATIAL];
    int64_t pad[2 * PPQ_MAX_SPATIAL], stride[PPQ_MAX_SPATIAL], dilation[PPQ_MAX_SPATIAL];
    int64_t block_size, n_steps;
} geometry;

static ppq_status measure(const ppq_args *a, geometry *g)
{
    PPQ_TRY(ppq_args_attr_ints(a, "strides", g->n, 1, g->stride));
    PPQ_TRY(ppq_args_attr_ints(a, "dilations", g->n, 1, g->dilation));
    PPQ_TRY(ppq_args_attr_ints(a, "pads", 2 * g->n, 0, g->pad));
    g->block_size = g->n_steps = 1;
    for (int i = 0; i < g->n; i++) {
        enum { MOST = INT32_MAX };
        const int64_t lo = g->pad[i], hi = g->pad[g->n + i];
        if (g->image[i] < 1 || g->block[i] < 1 || g->stride[i] < 1 || g->dilation[i] < 1 ||
            lo < 0 || hi < 0 || g->image[i] > MOST || g->block[i] > MOST || g->stride[i] > MOST ||
            g->dilation[i] > MOST || lo > MOST || hi > MOST)
            return ppq_args_fail(a, "a size, stride, dilation or pad of dimension %d is illegal",
                                 i);
        const int64_t room = g->image[i] + lo + hi - (g->block[i] - 1) * g->dilation[i] - 1;
        g->steps[i] = room < 0 ? 0 : room / g->stride[i] + 1;
        g->block_size = ppq_dim_mul(g->block_size, g->block[i]);
        g->n_steps = ppq_dim_mul(g->n_steps, g->steps[i]);
    }
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, geometry *g, ppq_shape *out)
{
    const ppq_shape *x = ppq_args_shape(a, 0);
    int64_t n_image, n_block, steps = PPQ_DIM_UNKNOWN;
    PPQ_TRY(ppq_args_ints(a, 1, g->image, PPQ_MAX_SPATIAL, &n_image));
    PPQ_TRY(ppq_args_ints(a, 2, g->block, PPQ_MAX_SPATIAL, &n_block));
    *out = (ppq_shape){ .rank = -1 };
    if (x->rank >= 0 && x->rank != 3)
        return ppq_args_fail(a, "the input has rank %d, expected 3", x->rank);
    if (n_image < 0 || n_block < 0)
        return PPQ_OK;
    if (n_image != n_block || n_image < 1)
        return ppq_args_fail(a,
                             "image_shape and block_shape have %" PRId64 " and %" PRId64 " values",
                             n_image, n_block);
    g->n = (int) n_image;
    PPQ_TRY(measure(a, g));
    int64_t channels = PPQ_DIM_UNKNOWN;
    if (x->rank == 3) {
        if ((x->dim[1] >= 0 && (g->block_size < 1 || x->dim[1] % g->block_size)) ||
            !ppq_dim_merge(x->dim[2], g->n_steps, &steps))
            return ppq_args_fail(a,
                                 "%" PRId64 " rows and %" PRId64 " columns are not what blocks of "
                                 "%" PRId64 " at %" PRId64 " places have",
                                 x->dim[1], x->dim[2], g->block_size, g->n_steps);
        channels = x->dim[1] >= 0 ? x->dim[1] / g->block_size : PPQ_DIM_UNKNOWN;
    }
    *out = (ppq_shape){ g->n + 2, { x->rank == 3 ? x->dim[0] : PPQ_DIM_UNKNOWN, channels } };
    memcpy(out->dim + 2, g->image, (size_t) g->n * sizeof(*g->image));
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    geometry g = { 0 };
    ppq_shape out;
    PPQ_TRY(ppq_infer_floats(c, 3, 1));
    PPQ_TRY(plan(&a, &g, &out));
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// Where element `k` of the block at step `s` belongs; -1 in the padding.
static int64_t place(const geometry *g, int64_t k, int64_t s)
{
    int64_t at = 0, stride = 1;
    bool inside = true;
    for (int i = g->n - 1; i >= 0; i--) {
        const int64_t p =
            s % g->steps[i] * g->stride[i] + k % g->block[i] * g->dilation[i] - g->pad[i];
        inside &= p >= 0 && p < g->image[i];
        at += p * stride;
        stride *= g->image[i];
        s /= g->steps[i];
        k /= g->block[i];
    }
    return inside ? at : -1;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    geometry g = { 0 };
    ppq_shape out;
    PPQ_TRY(plan(&a, &g, &out));
    const int64_t plane = ppq_dims_product(&out, 2, out.rank);
    const double *x = ppq_f64(c->in[0]);
    double *y = ppq_f64(&c->out[0]);
    memset(y, 0, ppq_tensor_bytes(&c->out[0]));
    for (int64_t p = 0; p < out.dim[0] * out.dim[1]; p++)
        for (int64_t k = 0; k < g.block_size; k++)
            for (int64_t s = 0; s < g.n_steps; s++) {
                const int64_t at = place(&g, k, s);
                if (at >= 0)
                    y[p * plane + at] += x[(p * g.block_size + k) * g.n_steps + s];
            }
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_doubled(c, run);
}

const ppq_op_def ppq_op_col2_im = {
    .type = "Col2Im",
    .domain = "",
    .opset_min = 18,
    .in_min = 3,
    .in_max = 3,
    .out_min = 1,
    .out_max = 1,
    .soi_in = 0x6, // image and block shape
    .infer = infer,
    .forward = forward,
};
