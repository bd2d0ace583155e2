#ifndef PPQ_QUANTIZER_SESSION_H
#define PPQ_QUANTIZER_SESSION_H

#include "core/calib_source.h"
#include "core/ext.h"
#include "core/settings.h"
#include "quantizer/analyse.h"
#include "quantizer/histograms.h"

// The conductor: one model from file to quantized graph. Call in order: create, load, (fix_shape),
// prepare, quantize, export. Every step reports through `diag`.

enum { PPQ_MAX_PHASES = 48 };

typedef struct ppq_phase_time {
    const char *name;
    double seconds;
} ppq_phase_time;

typedef struct ppq_session {
    ppq_settings *settings; // borrowed
    ppq_diag *diag;         // borrowed
    ppq_progress progress;
    const ppq_platform *platform;
    char *path; // of the model
    ppq_graph *graph;
    const ppq_calib_source *data;    // borrowed; while quantize runs
    struct ppq_float_run *float_run; // NULL but while activations are calibrated and corrected
    ppq_analysis *analysis;          // NULL before quantize
    ppq_histograms histograms;       // empty unless a report is asked for
    // [n_vars] of the graph: biases before they were corrected for the rounding of activations, for
    // trying ops in float; NULL where that was not done
    ppq_tensor *biases;
    size_t n_biases;
    ppq_phase_time phases[PPQ_MAX_PHASES];
    int n_phases;
    int n_dumps;
    int n_threads;
    int64_t n_samples;
    uint64_t fingerprint; // of the model file
    size_t file_bytes;    // of the model file
} ppq_session;

PPQ_NODISCARD ppq_status ppq_session_create(ppq_settings *s, ppq_diag *d, ppq_session **out);
void ppq_session_destroy(ppq_session *s); // NULL is fine

PPQ_NODISCARD ppq_status ppq_session_load(ppq_session *s, const char *path);
// Whether quantizing runs a pass that is optional: listed by the platform or asked for, not left
// out.
bool ppq_session_runs(const ppq_session *s, const char *pass);
// Loads the model again, gives its inputs the shapes that they have now, and prepares it with the
// settings as they are.
PPQ_NODISCARD ppq_status ppq_session_reload(ppq_session *s);
// Gives a graph input a shape; dimensions below zero keep what the model says.
PPQ_NODISCARD ppq_status ppq_session_fix_shape(ppq_session *s, const char *input,
                                               const ppq_shape *shape);
// Shapes and types as far as they follow from the inputs.
PPQ_NODISCARD ppq_status ppq_session_infer(ppq_session *s);
// Folds what depends on constants only: for running a model as it is.
PPQ_NODISCARD ppq_status ppq_session_fold(ppq_session *s);
// Q and DQ ops, and the first one's name (may be NULL).
size_t ppq_session_quantized_ops(const ppq_session *s, const char **first);
// Float rewrites and placement. A model that carries Q/DQ pairs already is refused.
PPQ_NODISCARD ppq_status ppq_session_prepare(ppq_session *s);
// Calibration and everything after it.
PPQ_NODISCARD ppq_status ppq_session_quantize(ppq_session *s, const ppq_calib_source *data);
PPQ_NODISCARD ppq_status ppq_session_export(ppq_session *s, const char *exporter, const char *path);

// Seconds, for phases: one that began at `since` ends now. Time of phases of one name adds up.
double ppq_session_clock(void);
void ppq_session_phase_done(ppq_session *s, const char *name, double since);

// A hash of a file's bytes: FNV-1a in eight lanes.
PPQ_NODISCARD ppq_status ppq_file_fingerprint(const char *path, uint64_t *hash, size_t *bytes,
                                              ppq_diag *d);

#endif
