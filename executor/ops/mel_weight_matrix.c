#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"

// Triangular filters, evenly spaced on the mel scale, over the bins of a spectrum.

typedef struct mel {
    int64_t bins, bands; // rows, columns; negative: not known yet
    int64_t dft_length, sample_rate;
} mel;

static ppq_status plan(const ppq_args *a, ppq_dtype *dt, mel *m, ppq_shape *out)
{
    const int64_t type = ppq_op_attr_int(ppq_args_op(a), "output_datatype", PPQ_DT_F32);
    int64_t n_bands, n_length, n_rate;
    *dt = (ppq_dtype) type;
    *m = (mel){ -1, -1, -1, -1 };
    if (type < 1 || type >= PPQ_DT_COUNT || !ppq_convert_knows(*dt))
        return ppq_args_fail(a, "output_datatype %" PRId64 " is not a number type", type);
    PPQ_TRY(ppq_args_ints(a, 0, &m->bands, 1, &n_bands));
    PPQ_TRY(ppq_args_ints(a, 1, &m->dft_length, 1, &n_length));
    PPQ_TRY(ppq_args_ints(a, 2, &m->sample_rate, 1, &n_rate));
    if ((n_bands >= 0 && (m->bands < 1 || m->bands > INT32_MAX)) ||
        (n_length >= 0 && (m->dft_length < 1 || m->dft_length > INT32_MAX)) ||
        (n_rate >= 0 && m->sample_rate < 1))
        return ppq_args_fail(a, "bands, length and sample rate must be at least 1");
    if (n_length >= 0)
        m->bins = m->dft_length / 2 + 1;
    *out = (ppq_shape){ 2, { m->bins, m->bands } };
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_dtype dt;
    ppq_shape out;
    mel m;
    PPQ_TRY(plan(&a, &dt, &m, &out));
    return ppq_infer_out(c, 0, dt, &out);
}

// The bin that holds the i-th of bands + 2 points spaced evenly between two edges.
static int64_t edge_bin(const mel *m, const double *hertz, int64_t i)
{
    const double low = 2595 * log10(1 + hertz[0] / 700), high = 2595 * log10(1 + hertz[1] / 700);
    const double at = low + (double) i * (high - low) / (double) (m->bands + 2);
    const double bin = floor((double) (m->dft_length + 1) * 700 * (pow(10, at / 2595) - 1) /
                             (double) m->sample_rate);
    return bin > 0 ? (int64_t) PPQ_MIN(bin, 4294967296.0) : 0;
}

static void put(ppq_kernel_ctx *c, const mel *m, int64_t bin, int64_t band, double v)
{
    if (bin >= 0 && bin < m->bins)
        ppq_store_f64(&c->out[0], bin * m->bands + band, 1, &v, PPQ_CONVERT_DEFAULT);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_dtype dt;
    ppq_shape out;
    mel m;
    double hertz[2];
    PPQ_TRY(plan(&a, &dt, &m, &out));
    PPQ_TRY(ppq_run_out(c, 0, dt, &out));
    for (int i = 0; i < 2; i++)
        if (!ppq_const_scalar(c->in[3 + i], &hertz[i]))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is not one number", 3 + i);
    memset(ppq_tensor_data(&c->out[0]), 0, ppq_tensor_bytes(&c->out[0]));
    for (int64_t i = 0; i < m.bands; i++) {
        const int64_t low = edge_bin(&m, hertz, i), top = edge_bin(&m, hertz, i + 1);
        const int64_t high = edge_bin(&m, hertz, i + 2);
        if (low == top)
            put(c, &m, top, i, 1);
        for (int64_t k = low; k <= top && k < m.bins && top > low; k++)
            put(c, &m, k, i, (double) (k - low) / (double) (top - low));
        for (int64_t k = top; k < high && k < m.bins; k++)
            put(c, &m, k, i, (double) (high - k) / (double) (high - top));
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_mel_weight_matrix = {
    .type = "MelWeightMatrix",
    .domain = "",
    .opset_min = 17,
    .in_min = 5,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .soi_in = 0x7,   // bands, length, sample rate
    .fp32_in = 0x18, // edges
    .infer = infer,
    .forward = forward,
};
