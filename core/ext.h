#ifndef PPQ_CORE_EXT_H
#define PPQ_CORE_EXT_H

#include "core/op_def.h"
#include "core/pass.h"

// The interfaces of everything that is a list entry: dispatchers, observers, platforms,
// exporters. Each is a const struct in a file of its own; registries are link-time arrays.

// ---- scheduler/: where every op runs --------------------------------------------------------

typedef struct ppq_dispatcher {
    const char *name, *summary;
    // Writes place[op id] (QUANT, SOI or FP32) and reason[op id] (static or in `scratch`). Reads
    // the graph only. `quantizable[op id]` says whether the platform can quantize the op.
    ppq_status (*dispatch)(const ppq_graph *g, const bool *quantizable, ppq_place *place,
                           const char **reason, ppq_arena *scratch, ppq_diag *d);
} ppq_dispatcher;

extern const ppq_dispatcher *const ppq_builtin_dispatchers[]; // NULL-terminated

// ---- quantizer/observers/: statistics -> scale and offset -----------------------------------

// What an observer sees of a tensor: bounded memory, merged by integer addition and min/max, so
// the result does not depend on the order of the samples or on the number of threads.
typedef struct ppq_stats ppq_stats;

typedef struct ppq_observer {
    const char *name, *summary;
    bool histogram; // needs the distribution and not only the range
    // Scale (> 0, finite) and offset for one channel's statistics.
    ppq_status (*render)(const ppq_stats *s, const ppq_qfmt *fmt, float *scale, float *offset,
                         ppq_diag *d);
} ppq_observer;

extern const ppq_observer *const ppq_builtin_observers[]; // NULL-terminated

// ---- quantizer/platforms/: a target is data -------------------------------------------------

typedef enum ppq_align {
    PPQ_ALIGN_NONE,
    PPQ_ALIGN_INPUT,  // all take the first input's parameters
    PPQ_ALIGN_OUTPUT, // all take the output's parameters
    PPQ_ALIGN_LARGE,  // inputs take parameters that cover all inputs
    PPQ_ALIGN_COUNT
} ppq_align;
typedef enum ppq_side { PPQ_IN, PPQ_OUT } ppq_side;
typedef enum ppq_axis_rule {
    PPQ_AXIS_NONE,
    PPQ_AXIS_OUT_CHANNEL, // of the op's weight, from its attributes
} ppq_axis_rule;

// One override of the default TQC of a slot; later rules win.
typedef struct ppq_qrule {
    const char *op_type;
    ppq_side side;
    int8_t slot; // -1 = every slot
    bool constants_only;
    ppq_qstate state;    // state the TQC starts in
    const ppq_qfmt *fmt; // NULL = keep
    ppq_axis_rule axis;
    const char *observer; // NULL = keep
} ppq_qrule;

typedef struct ppq_platform {
    const char *name, *summary;
    const ppq_qfmt *activation;
    const char *observer;                 // default for activations
    const char *const *quant_types;       // NULL-terminated ONNX op types
    const char *const *fused_activations; // types absorbed behind any quantized op
    const ppq_qrule *rules;
    size_t n_rules;
    ppq_align elementwise, concat, pool, resize;
    const char *dispatcher, *exporter;  // defaults, by name
    const char *const *passes;          // NULL-terminated names, in order, beyond the common ones
    bool (*can_quantize)(const ppq_op *op, const char **why_not); // optional: what types cannot say
    const char *const *forecast;        // types the target runs as int8 when quantized; NULL: all
} ppq_platform;

extern const ppq_platform *const ppq_builtin_platforms[]; // NULL-terminated

// ---- exporter/: const graph in, files out ---------------------------------------------------

typedef struct ppq_export_env {
    const ppq_graph *graph; // quantized
    const ppq_platform *platform;
    const struct ppq_settings *settings; // may be NULL
    const char *path;                    // the file to write; siblings take its stem
    uint64_t fingerprint;                // of the float model's file
    int64_t n_samples;                   // of calibration
    ppq_diag *diag;
} ppq_export_env;

typedef struct ppq_exporter {
    const char *name, *summary, *suffix; // default suffix of the file, ".onnx"
    // Lists everything that the format cannot carry; optional.
    ppq_status (*check)(const ppq_export_env *e);
    ppq_status (*write)(const ppq_export_env *e);
} ppq_exporter;

extern const ppq_exporter *const ppq_builtin_exporters[]; // NULL-terminated

#endif
