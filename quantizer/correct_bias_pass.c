#include "quantizer/correct_bias_pass.h"

#include "core/calib_source.h"
#include "quantizer/correct_bias.h"

// Bias correction as a pass: its second step. The first needs means of the float model and is part
// of the float reference.

typedef struct options {
    int samples;
} options;

// Means need few samples: they average over positions already.
static const options defaults = { .samples = 8 };
static const ppq_opt opts[] = {
    { "samples", "samples that means are taken from", PPQ_OPT_INT, offsetof(options, samples), 1,
      1000000, NULL },
    { 0 },
};

extern const ppq_pass ppq_pass_correct_bias;

int ppq_correction_samples(const ppq_settings *s)
{
    const options *o = ppq_settings_pass_params(s, &ppq_pass_correct_bias);
    return s ? PPQ_MAX(s->analyse, o->samples) : o->samples;
}

static ppq_status run(const ppq_pass_env *env, const void *params)
{
    (void) params;
    const int64_t n = PPQ_MIN(ppq_correction_samples(env->settings), env->data->n_samples);
    return ppq_correct_activations(env->graph, env->float_run, n, env->n_threads, env->diag);
}

const ppq_pass ppq_pass_correct_bias = {
    .name = "correct-bias",
    .summary = "take the mean of quantization errors out of biases",
    .needs = PPQ_FACT_CALIB_A,
    .needs_data = true,
    .opts = opts,
    .defaults = &defaults,
    .params_size = sizeof(defaults),
    .run = run,
};
