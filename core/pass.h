#ifndef PPQ_CORE_PASS_H
#define PPQ_CORE_PASS_H

#include "core/graph.h"
#include "core/option.h"

struct ppq_platform;
struct ppq_calib_source;
struct ppq_settings;

// What is true of a graph. A pipeline whose facts do not line up is refused before any data is
// read.
typedef enum ppq_fact {
    PPQ_FACT_NORMALIZED = 1 << 0, // opset 13 or newer, one spelling per op
    PPQ_FACT_SHAPES = 1 << 1,     // shapes inferred as far as they can be
    PPQ_FACT_PLACED = 1 << 2,     // every op has a place
    PPQ_FACT_TQC = 1 << 3,        // every QUANT op has its TQCs
    PPQ_FACT_CALIB_W = 1 << 4,    // parameter TQCs have left INITIAL
    PPQ_FACT_CALIB_A = 1 << 5,    // activation TQCs have left INITIAL
    PPQ_FACT_PASSIVE = 1 << 6,    // bias TQCs are resolved
    PPQ_FACT_BAKED = 1 << 7,      // parameters carry their quantized values
} ppq_fact;

typedef struct ppq_pass_env {
    ppq_graph *graph;
    const struct ppq_platform *platform;
    const struct ppq_settings *settings; // may be NULL: defaults
    const struct ppq_calib_source *data; // NULL unless the pass sets needs_data
    struct ppq_float_run *float_run;     // over `data`, as calibration used it; NULL likewise
    int n_threads;
    ppq_arena *scratch; // reset when the pass returns
    ppq_diag *diag;
} ppq_pass_env;

typedef struct ppq_pass {
    const char *name;              // kebab-case, as on the command line
    const char *summary;           // one line for --list-passes
    uint32_t needs, gives, breaks; // ppq_fact
    bool needs_data;
    const ppq_opt *opts;  // terminated by {0}; NULL if it takes none
    const void *defaults; // params_size bytes
    size_t params_size;
    ppq_status (*run)(const ppq_pass_env *env, const void *params);
} ppq_pass;

typedef struct ppq_pass_step {
    const ppq_pass *pass;
    const void *params; // NULL = pass->defaults
} ppq_pass_step;

extern const ppq_pass *const ppq_builtin_passes[]; // NULL-terminated, in pipeline order
const ppq_pass *ppq_pass_find(const char *name);   // NULL if unknown
const char *ppq_pass_nearest(const char *name);    // of the pass spelled most alike
// Reports every fact that a step needs and nothing before it gives.
PPQ_NODISCARD ppq_status ppq_pipeline_check(const ppq_pass_step *s, size_t n, uint32_t have,
                                            ppq_diag *d);

#endif
