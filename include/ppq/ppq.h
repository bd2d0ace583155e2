#ifndef PPQ_PPQ_H
#define PPQ_PPQ_H

// libppq: post-training quantization of ONNX models. This header is all that the commands use.
//
// Rules that hold everywhere:
//  - A function that can fail returns a ppq_result; what went wrong has then been told to the
//    message callback, in full. Results are untouched on failure.
//  - *_create pairs with *_destroy; *_destroy(NULL) is fine.
//  - Strings and arrays passed in are copied.
//  - An object is used by one thread at a time; different objects by different threads at once.
//  - Files appear whole or not at all.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PPQ_API __attribute__((visibility("default")))
#else
#define PPQ_API
#endif

// Also the exit status of the commands.
typedef enum ppq_result {
    PPQ_RESULT_OK = 0,
    PPQ_RESULT_USAGE = 1,  // an option is unknown, out of range or names nothing
    PPQ_RESULT_BAD = 2,    // the model, the data or the configuration is bad
    PPQ_RESULT_MISSED = 3, // the result misses what --strict asked for
    PPQ_RESULT_IO = 4,     // reading or writing a file failed
} ppq_result;

typedef enum ppq_level { PPQ_LEVEL_NOTE, PPQ_LEVEL_WARNING, PPQ_LEVEL_ERROR } ppq_level;

// One sentence, without a trailing period. stage, op and tensor may be NULL.
typedef struct ppq_message {
    ppq_level level;
    const char *text, *stage, *op, *tensor;
} ppq_message;

// Called from any thread, one call at a time.
typedef struct ppq_callbacks {
    void *user;
    void (*message)(void *user, const ppq_message *m);
    void (*progress)(void *user, const char *phase, int64_t done, int64_t total);
} ppq_callbacks;

// Text in pieces, in order.
typedef void (*ppq_text_fn)(void *user, const char *text, size_t n);

PPQ_API const char *ppq_version(void);         // "0.1.0"
PPQ_API const char *ppq_library_version(void); // of oneDNN
// Removes unfinished output files; may be called from a signal handler.
PPQ_API void ppq_emergency_cleanup(void);

// Writes a text file, whole or not at all.
PPQ_API ppq_result ppq_text_save(const ppq_callbacks *cb, const char *path, const char *text);
// Reads a JSON object of options: calls option(user, key, value) for every value in order, once per
// element of an array; true is "true". A result other than OK ends the reading and is returned.
typedef ppq_result (*ppq_option_fn)(void *user, const char *key, const char *value);
PPQ_API ppq_result ppq_config_read(const ppq_callbacks *cb, const char *path, ppq_option_fn option,
                                   void *user);

// ---- what there is to choose from -----------------------------------------------------------

typedef enum ppq_kind {
    PPQ_KIND_PLATFORM,
    PPQ_KIND_DISPATCHER,
    PPQ_KIND_OBSERVER,
    PPQ_KIND_FORMAT,
    PPQ_KIND_PASS,
    PPQ_KIND_OP,
} ppq_kind;

typedef struct ppq_entry {
    const char *name, *summary;
} ppq_entry;

// Entry i of a list, in order; {NULL, NULL} beyond its end.
PPQ_API ppq_entry ppq_list(ppq_kind kind, size_t i);

// Option k of entry i, as in "--pass NAME,key=value"; key NULL beyond the last.
typedef struct ppq_entry_option {
    const char *key, *summary;
    char value[32];  // the default
    char legal[128]; // "integer, 1 to 1000"
} ppq_entry_option;

PPQ_API ppq_entry_option ppq_list_option(ppq_kind kind, size_t i, size_t k);

// ---- a quantization job ---------------------------------------------------------------------

// Order of calls: create, set (any number), load, input_shape (any), data (any) or random,
// quantize, export (any), report.
typedef struct ppq_job ppq_job;

PPQ_API ppq_result ppq_job_create(const ppq_callbacks *cb, ppq_job **out);
PPQ_API void ppq_job_destroy(ppq_job *j);
// `key` is the long name of a ppq-quantize option without dashes: "platform", "method", "exclude".
PPQ_API ppq_result ppq_job_set(ppq_job *j, const char *key, const char *value);
PPQ_API ppq_result ppq_job_load(ppq_job *j, const char *model_path);
// "NAME:1x3x224x224", "1x3x224x224" for a model with one input; "?" keeps a dimension.
PPQ_API ppq_result ppq_job_input_shape(ppq_job *j, const char *spec);
// "PATH" or "NAME=PATH"; see the data section of ppq-quantize(1). `preprocess` is for images and
// may be NULL.
PPQ_API ppq_result ppq_job_data(ppq_job *j, const char *spec, const char *preprocess,
                                const char *dtype);
PPQ_API ppq_result ppq_job_random(ppq_job *j, int n);
// Whether the loaded model carries Q/DQ pairs already: it can be inspected, not prepared.
PPQ_API int ppq_job_is_quantized(const ppq_job *j);
// Rewrites and placement only; quantize does it when it was not done.
PPQ_API ppq_result ppq_job_prepare(ppq_job *j);
PPQ_API ppq_result ppq_job_quantize(ppq_job *j);
// `format` NULL: the platform's default.
PPQ_API ppq_result ppq_job_export(ppq_job *j, const char *format, const char *path);
// The closing summary, as text or as one JSON document.
PPQ_API void ppq_job_report(ppq_job *j, int json, ppq_text_fn write, void *user);
// Writes the HTML page that key "report" named; nothing when it was not set before quantize.
PPQ_API ppq_result ppq_job_save_report(ppq_job *j);
// PPQ_RESULT_MISSED when --strict was set and an op that the platform could quantize runs in float.
PPQ_API ppq_result ppq_job_verdict(ppq_job *j);

typedef enum ppq_view {
    PPQ_VIEW_SUMMARY, // ops by type and place, parameters, MACs, inputs and outputs
    PPQ_VIEW_OPS,     // every op's place and the reason
    PPQ_VIEW_DOT,     // Graphviz
    PPQ_VIEW_TQC,     // every op with its quantization parameters
    PPQ_VIEW_FUSION,  // what ONNX Runtime will fuse
} ppq_view;

// After load (FUSION, and everything of a model that carries Q/DQ pairs) or prepare.
PPQ_API ppq_result ppq_job_inspect(ppq_job *j, ppq_view view, int json, ppq_text_fn write,
                                   void *user);

// ---- running a model ------------------------------------------------------------------------

enum { PPQ_ARRAY_RANK = 8 };

// A dense row-major array; `data` belongs to whoever made it.
typedef struct ppq_array {
    int dtype; // TensorProto.DataType: 1 float32, 7 int64, ...
    int rank;
    int64_t dim[PPQ_ARRAY_RANK];
    void *data;
    size_t bytes;
    void *owner; // of data, for ppq_array_free; NULL in arrays of your own
} ppq_array;

// .npy or .pb (TensorProto). Free with ppq_array_free.
PPQ_API ppq_result ppq_array_load(const ppq_callbacks *cb, const char *path, ppq_array *out);
PPQ_API ppq_result ppq_array_save(const ppq_callbacks *cb, const char *path, const ppq_array *a);
PPQ_API void ppq_array_free(ppq_array *a);

typedef enum ppq_engine_kind {
    PPQ_ENGINE_FAST,      // for real: integers where the model has them, everything fused
    PPQ_ENGINE_SIMULATE,  // float kernels, QuantizeLinear and DequantizeLinear computed as they say
    PPQ_ENGINE_REFERENCE, // plain C
} ppq_engine_kind;

typedef struct ppq_net_opts {
    ppq_engine_kind engine;
    int threads;     // 0: 1
    const char *isa; // "avx2", "avx512", "vnni": use no more than this, in the whole process, from
                     // the first model on; NULL or "native": whatever the CPU has
    int saturate;    // let 8-bit sums saturate where this CPU's fastest kernels do
    int eager;       // integers even for ops that are faster in float
    int onednn_only; // convolutions by oneDNN's kernels only, none of our own
    int winograd;    // float convolutions may trade digits for speed; FAST only
    int profile;     // measure every step; FAST only
    int batch;       // samples joined into one run; above 1, a first dimension that the model fixes
                     // at one becomes free
    const char *const *input_shapes; // as in ppq_job_input_shape
    size_t n_input_shapes;
} ppq_net_opts;

// A model to run. Plans are made per set of input shapes, at the first run with those.
typedef struct ppq_net ppq_net;

PPQ_API ppq_result ppq_net_open(const ppq_callbacks *cb, const char *model_path,
                                const ppq_net_opts *o, ppq_net **out);
// The same with engine and threads only.
PPQ_API ppq_result ppq_net_load(const ppq_callbacks *cb, const char *model_path,
                                ppq_engine_kind engine, int threads, ppq_net **out);
PPQ_API void ppq_net_destroy(ppq_net *n);
PPQ_API size_t ppq_net_n_inputs(const ppq_net *n);
PPQ_API size_t ppq_net_n_outputs(const ppq_net *n);
PPQ_API const char *ppq_net_input(const ppq_net *n, size_t i);
PPQ_API const char *ppq_net_output(const ppq_net *n, size_t i);
// Type and shape that the model gives input i; rank -1 and dimensions -1 are open. dims: room for
// PPQ_ARRAY_RANK.
PPQ_API void ppq_net_input_shape(const ppq_net *n, size_t i, int *dtype, int *rank, int64_t *dims);
// in: [n_inputs], read in place; out: [n_outputs], free each with ppq_array_free. `watch` (may be
// NULL) sees the tensors of type float32, uint8 and int8 that exist while the model runs, by name.
typedef void (*ppq_watch_fn)(void *user, const char *tensor, const ppq_array *value);
PPQ_API ppq_result ppq_net_run(ppq_net *n, const ppq_array *in, ppq_array *out, ppq_watch_fn watch,
                               void *user);

// The instruction set that oneDNN uses ("avx2", "avx512_vnni"). exact: sums of 8-bit products never
// saturate.
PPQ_API const char *ppq_isa_in_use(int *exact);

// What the FAST engine made of the model, for the shapes of the last run. Names may be NULL.
typedef struct ppq_net_info {
    size_t n_steps, n_int8; // steps of the plan, those that compute on integers
    size_t n_fused;         // ops taken into another op's step
    size_t n_exact;         // ops that take a slower kernel because the fastest would saturate
    size_t n_saturating;    // steps whose 8-bit sums could saturate on this CPU
    const char *saturating; // the first such op
    size_t n_left_float;    // quantized ops that run in float because that is faster
    const char *left_float; // the first such op
    size_t activation_bytes, weight_bytes;
} ppq_net_info;
// One step; `seconds` is the sum over all runs when opts.profile was set. Steps of one group (not
// 0) follow each other and run at the same time; their time is the first's.
typedef struct ppq_net_step {
    const char *op, *type, *kernel;
    int int8, group;
    double macs, seconds;
} ppq_net_step;
// 0 before the first run, or beyond the last step.
PPQ_API int ppq_net_get_info(const ppq_net *n, ppq_net_info *out);
PPQ_API int ppq_net_get_step(const ppq_net *n, size_t i, ppq_net_step *out);

// ---- ONNX test folders ----------------------------------------------------------------------

typedef struct ppq_test_opts {
    ppq_engine_kind engine;
    int threads; // 0: 1
    // |got - expected| <= atol * (largest magnitude expected, at least 1) + rtol * |expected|; two
    // last places of float16 and bfloat16 are let through always.
    double rtol, atol;
} ppq_test_opts;

// Told of every test_data_set_N; `difference` NULL: the outputs are as expected.
typedef void (*ppq_test_fn)(void *user, const char *data_set, const char *difference);
// Runs FOLDER/model.onnx on the input_K.pb of every FOLDER/test_data_set_N, and compares with its
// output_K.pb: tensors of any type, sequences and optionals. PPQ_RESULT_MISSED: outputs differ.
PPQ_API ppq_result ppq_test_run(const ppq_callbacks *cb, const char *folder, const ppq_test_opts *o,
                                ppq_test_fn see, void *user);

// ---- samples --------------------------------------------------------------------------------

// Inputs for a net, from files; see the data section of ppq-quantize(1). The net must outlive them.
typedef struct ppq_samples ppq_samples;

typedef struct ppq_samples_opts {
    const char *preprocess; // for images; NULL: none
    const char *dtype;      // of .bin and .raw files; NULL: the input's
} ppq_samples_opts;

// specs: "PATH" or "NAME=PATH".
PPQ_API ppq_result ppq_samples_open(ppq_net *n, const char *const *specs, size_t n_specs,
                                    const ppq_samples_opts *o, ppq_samples **out);
// Standard normal numbers for float inputs, zeros for others.
PPQ_API ppq_result ppq_samples_random(ppq_net *n, int64_t count, uint64_t seed, ppq_samples **out);
PPQ_API void ppq_samples_destroy(ppq_samples *s);
PPQ_API int64_t ppq_samples_count(const ppq_samples *s);
// The file's name without its folder; "x.npy[3]" of a file that holds several. Fills `text`.
PPQ_API void ppq_samples_name(const ppq_samples *s, int64_t i, char *text, size_t size);
// The label that a packed classification file carries, or -1.
PPQ_API int64_t ppq_samples_label(const ppq_samples *s, int64_t i);
// Runs there are with the net's batch; the last may have fewer samples.
PPQ_API int64_t ppq_samples_n_runs(const ppq_samples *s);
// Inputs of a run: [n_inputs], free each with ppq_array_free.
PPQ_API ppq_result ppq_samples_get(ppq_samples *s, int64_t run, ppq_array *in);

// ---- scores ---------------------------------------------------------------------------------

typedef enum ppq_task {
    PPQ_TASK_CLASSIFY, // scores per class: top-1, top-5
    PPQ_TASK_SEGMENT,  // scores per class and pixel, or classes: mean IoU, pixel accuracy
    PPQ_TASK_DETECT,   // boxes: mAP
    PPQ_TASK_REGRESS,  // numbers: PSNR, SNR, MSE
} ppq_task;

// Order of a box's four numbers: corners, corner and size, centre and size.
typedef enum ppq_box_format { PPQ_BOX_XYXY, PPQ_BOX_XYWH, PPQ_BOX_CXCYWH } ppq_box_format;

// What is given to ppq_score_open; see ppq-eval(1) for the files that hold labels.
typedef struct ppq_score_opts {
    ppq_task task;
    const char *labels;   // file or folder; NULL: those that the data carries
    const char *output;   // that is scored; NULL: the first
    int64_t max_samples;  // 0: all
    int64_t label_offset; // classify: added to every label
    int64_t n_classes;    // segment; 0: as many as the output has
    int has_ignore;       // segment: positions labelled `ignore` do not count
    int64_t ignore;
    // detect: outputs by name, or boxes NULL: rows x1 y1 x2 y2 score class of `output`
    const char *boxes, *scores, *classes;
    ppq_box_format box_format, label_format;
    double box_width, box_height; // found boxes are divided by these; 0: 1
    double min_score;             // only boxes with a larger one count
    double nms;                   // suppress boxes of one class that overlap by more; 0: none
    double peak;                  // regress, of PSNR; 0: the range of what is expected
} ppq_score_opts;

typedef struct ppq_metric {
    const char *name; // "top-1"
    const char *unit; // "%", "dB" or ""
    double value;
    int lower_is_better;
} ppq_metric;

enum { PPQ_MAX_METRICS = 4 };

// How good a net's outputs are. Reads the labels, and keeps only those samples that have one.
typedef struct ppq_score ppq_score;

PPQ_API ppq_result ppq_score_open(ppq_net *n, ppq_samples *s, const ppq_score_opts *o,
                                  ppq_score **out);
PPQ_API void ppq_score_destroy(ppq_score *s);
// The outputs of one run of the samples.
PPQ_API ppq_result ppq_score_add(ppq_score *s, int64_t run, const ppq_array *out);
// Fills out[PPQ_MAX_METRICS], the one that counts first, and *n.
PPQ_API ppq_result ppq_score_get(ppq_score *s, ppq_metric *out, size_t *n);

#ifdef __cplusplus
}
#endif
#endif
