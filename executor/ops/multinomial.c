#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/random.h"

// For each row of unnormalized log-probabilities, sample_size classes drawn from it.

static ppq_status plan(const ppq_args *a, ppq_dtype *dt, ppq_shape *out)
{
    const ppq_shape *s = ppq_args_shape(a, 0);
    const int64_t type = ppq_op_attr_int(ppq_args_op(a), "dtype", PPQ_DT_I32);
    const int64_t samples = ppq_op_attr_int(ppq_args_op(a), "sample_size", 1);
    if (type != PPQ_DT_I32 && type != PPQ_DT_I64)
        return ppq_args_fail(a, "dtype is %" PRId64 ", expected int32 or int64", type);
    if (samples < 0 || (s->rank >= 0 && s->rank != 2))
        return ppq_args_fail(a, "%" PRId64 " samples of an input of rank %d, expected rank 2",
                             samples, s->rank);
    *dt = (ppq_dtype) type;
    *out = (ppq_shape){ 2, { s->rank < 0 ? PPQ_DIM_UNKNOWN : s->dim[0], samples } };
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_dtype dt = PPQ_DT_NONE;
    ppq_shape out;
    PPQ_TRY(plan(&a, &dt, &out));
    return ppq_infer_out(c, 0, dt, &out);
}

// sums[i]: weight of the classes up to i, the likeliest weighing 1.
static void add_up(const ppq_tensor *x, int64_t row, int64_t n, double *sums)
{
    double top = -HUGE_VAL, sum = 0;
    ppq_load_f64(x, row * n, n, sums);
    for (int64_t i = 0; i < n; i++)
        top = fmax(top, sums[i]);
    for (int64_t i = 0; i < n; i++)
        sums[i] = sum += sums[i] == top ? 1 : exp(sums[i] - top);
}

static int64_t draw(ppq_rng *rng, const double *sums, int64_t n)
{
    const double at = ppq_rng_uniform(rng) * sums[n - 1];
    int64_t i = 0;
    while (i < n - 1 && !(at < sums[i]))
        i++;
    return i;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    const ppq_tensor *x = c->in[0];
    ppq_dtype dt = PPQ_DT_NONE;
    ppq_shape out;
    PPQ_TRY(plan(&a, &dt, &out));
    PPQ_TRY(ppq_run_out(c, 0, dt, &out));
    const int64_t n = x->shape.dim[1];
    if (!ppq_dtype_is_float(x->dtype) || (n == 0 && ppq_shape_numel(&out)))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "there are no log-probabilities to draw from");
    const float seed = ppq_op_attr_float(c->op, "seed", 0);
    uint32_t bits;
    memcpy(&bits, &seed, sizeof(bits));
    ppq_rng rng = ppq_rng_seed(bits, c->op->id);
    double *sums = ppq_new_n(c->scratch, double, (size_t) n + 1);
    for (int64_t r = 0; n > 0 && r < out.dim[0]; r++) {
        add_up(x, r, n, sums);
        for (int64_t i = 0; i < out.dim[1]; i++) {
            const int64_t class = draw(&rng, sums, n);
            ppq_store_i64(&c->out[0], r * out.dim[1] + i, 1, &class);
        }
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_multinomial = {
    .type = "Multinomial",
    .domain = "",
    .opset_min = 7,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_RANDOM | PPQ_OP_NO_LINKS | PPQ_OP_SOI_SOURCE,
    .soi_out = 0x1,
    .infer = infer,
    .forward = forward,
};
