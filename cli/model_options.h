#ifndef PPQ_CLI_MODEL_OPTIONS_H
#define PPQ_CLI_MODEL_OPTIONS_H

#include "cli/cli.h"

// What commands share that run models over data.

enum { CLI_MAX_MODELS = 64 };

// Part of such a command's table of options.
#define CLI_MODEL_OPTIONS                                                                     \
    { "data", 'i', "PATH|NAME=PATH", "inputs: a file or folder; repeat for several inputs" }, \
        { "input-shape", 0, "NAME:1x3x224x224", "fix dynamic dimensions; ? keeps one" },      \
        { "preprocess", 0, "SPEC|FILE",                                                       \
          "for images: resize=256,crop=224,mean=...,std=...,scale=255,..." },                 \
        { "dtype", 0, "NAME", "element type of .bin and .raw files" },                        \
        { "batch", 'b', "N", "samples per run (default 1)" },                                 \
        { "threads", 't', "N", "default 1" },                                                 \
        { "isa", 0, "avx2|avx512|vnni|native", "use no more than these instructions" },       \
        { "saturate", 0, NULL, "let 8-bit sums saturate where that is faster on this CPU" },  \
    {                                                                                         \
        "eager", 0, NULL, "integers even for ops that are faster in float"                    \
    }

typedef struct cli_model_options {
    ppq_net_opts net;
    ppq_samples_opts samples;
    const char *data[64], *shapes[64];
    size_t n_data, n_shapes;
    const char *models[CLI_MAX_MODELS];
    size_t n_models;
} cli_model_options;

// CLI_OPTION: taken; CLI_END: it is none of these; CLI_ERROR after a message.
int cli_model_option(const cli *c, cli_model_options *m, const cli_option *o, const char *value);
int cli_model_argument(const cli *c, cli_model_options *m, const char *value);

// Options with numbers: CLI_OPTION, or CLI_ERROR after a message.
int cli_take_int(const cli *c, const cli_option *o, const char *value, long low, long high,
                 long *out);
int cli_take_number(const cli *c, const cli_option *o, const char *value, double low, double high,
                    double *out);
// The place of `value` among names (ends with NULL).
int cli_take_name(const cli *c, const cli_option *o, const char *value, const char *const *names,
                  int *out);

extern const char *const cli_engine_names[]; // by ppq_engine_kind
// Says what to do about a plan whose 8-bit sums could saturate on this CPU.
void cli_warn_of_saturation(const cli *c, const char *path, const ppq_net_info *info);
// Sorts `v`; share 0.5 is the median.
double cli_quantile(double *v, size_t n, double share);
// Arrays of a net: new ones are empty; freeing frees their contents too.
ppq_array *cli_arrays_new(size_t n);
void cli_arrays_clear(ppq_array *a, size_t n);

#endif
