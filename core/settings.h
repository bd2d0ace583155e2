#ifndef PPQ_CORE_SETTINGS_H
#define PPQ_CORE_SETTINGS_H

#include "core/arena.h"
#include "core/diag.h"

// Everything a quantization job can be told, as the command line and configuration files name it.
// Strings live in the settings' own arena.

typedef struct ppq_strings {
    const char **at;
    size_t n;
} ppq_strings;

// A placement by the user: name "quant", "fp32" or "soi" for an op.
typedef struct ppq_place_override {
    const char *op, *place;
} ppq_place_override;

struct ppq_pass;

// Options that a pass was given; `params` is of the pass's own type.
typedef struct ppq_pass_setting {
    const struct ppq_pass *pass;
    void *params;
} ppq_pass_setting;

typedef struct ppq_settings {
    ppq_arena *arena;
    const char *platform;      // "onnxruntime"
    const char *dispatcher;    // NULL: the platform's
    const char *method;        // observer of activations; NULL: the platform's
    const char *weight_method; // NULL: the platform's
    const char *format;        // exporter; NULL: the platform's
    int steps;                 // most samples used
    int batch;                 // samples per run; 1
    int threads;               // 0: physical cores
    int weight_bits;           // 8, or 7 for CPUs whose int8 products saturate
    uint64_t seed;
    int align_elementwise, align_concat, align_pool, align_resize; // ppq_align, -1: the platform's
    int analyse;          // samples of the closing comparison with float; 0: none
    bool bias_correction; // on unless switched off
    bool rescue;          // ops that int8 ruins go back to float; on unless switched off
    int target_snr;       // dB that outputs keep, if need be with ops in float; 0: whatever they have
    bool strict;
    const char *report;    // HTML page; NULL: none
    const char *debug_dir; // NULL: no dumps
    ppq_strings op_types, exclude, pass_on, pass_off;
    ppq_strings rescued;           // names of ops that the rescue keeps in float
    ppq_strings pass_args;         // of --pass, as given
    ppq_pass_setting *pass_params; // [n_pass_params]
    size_t n_pass_params;
    ppq_place_override *place; // [n_place]
    size_t n_place;
    int64_t *skip_ids; // [n_skip_ids]
    size_t n_skip_ids;
} ppq_settings;

ppq_settings *ppq_settings_create(void);
void ppq_settings_destroy(ppq_settings *s); // NULL is fine
// `key` is an option's long name without dashes ("align-concat"); repeatable ones accumulate.
// PPQ_ERR_ARG for an unknown key or value, naming the legal ones.
PPQ_NODISCARD ppq_status ppq_settings_set(ppq_settings *s, const char *key, const char *value,
                                          ppq_diag *d);
// Adds a name to `rescued`.
void ppq_settings_rescue(ppq_settings *s, const char *op);
// What pass `p` runs with; its defaults where `s` is NULL or has nothing for it.
const void *ppq_settings_pass_params(const ppq_settings *s, const struct ppq_pass *p);

#endif
