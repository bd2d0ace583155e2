#ifndef PPQ_QUANTIZER_DATA_DATA_H
#define PPQ_QUANTIZER_DATA_DATA_H

#include "core/calib_source.h"
#include "core/graph.h"

// Calibration and evaluation data from files. Samples are read when they are asked for; only names
// are kept.
//
// A specification is "PATH" or "NAME=PATH" (NAME: a graph input). PATH is a file or a folder;
// a folder's entries are samples in name order (bytewise):
//   .npy .npz .pb .bin .raw .jpg .jpeg .png     one sample, of the only input (or NAME)
//   .npz                                        keys are input names; any number of inputs
//   NNNN.<input>.npy or NNNN_<input>.npy        several inputs: one sample per NNNN
//   sub-folders named after the inputs          one sample per name found in all of them
//   test_data_set_N/input_K.pb                  ONNX test folders, K in graph order
//   a packed classification file                int64 N; N x float32[input]; N x int64 labels
// A leading batch dimension of 1 may be left out. Several samples may be stacked along the first
// dimension of one .npy when the model's batch dimension is free or 1: each row is one sample.

typedef struct ppq_data ppq_data;

typedef struct ppq_data_opts {
    const char *preprocess; // specification or JSON file, for images; NULL: none, images refused
    const char *dtype;      // of .bin and .raw; NULL: the input's own type
    int64_t max_samples;    // most samples used, evenly the first ones; 0: all
    int batch;              // samples joined into one run, >= 1
} ppq_data_opts;

// The graph is borrowed and must outlive the data.
PPQ_NODISCARD ppq_status ppq_data_create(const ppq_graph *g, const ppq_data_opts *o, ppq_data **out,
                                         ppq_diag *d);
void ppq_data_destroy(ppq_data *data); // NULL is fine
PPQ_NODISCARD ppq_status ppq_data_add(ppq_data *data, const char *spec, ppq_diag *d);
// Checks that every graph input has data and that the counts agree. Call once, after all adds.
PPQ_NODISCARD ppq_status ppq_data_finish(ppq_data *data, ppq_diag *d);
// n random samples instead of files: standard normal for float inputs, zeros for others.
PPQ_NODISCARD ppq_status ppq_data_random(ppq_data *data, int64_t n, uint64_t seed, ppq_diag *d);
// Labels of a packed classification file: sample i's, or -1 when there are none.
int64_t ppq_data_label(const ppq_data *data, int64_t i);
int64_t ppq_data_count(const ppq_data *data);
// The file of sample i, of the first input; *row: which sample of a file that holds several, else
// -1. NULL for random samples.
const char *ppq_data_file(const ppq_data *data, int64_t i, int64_t *row);
// Keeps these samples only, in this order. After finish.
void ppq_data_select(ppq_data *data, const int64_t *keep, int64_t n);

// The same inputs of another graph, from now on.
void ppq_data_set_graph(ppq_data *data, const ppq_graph *g);

// A view to run from; `data` must outlive it. Every tensor is checked against the input's type,
// rank and shape and for NaN and infinity: an error names the file.
ppq_calib_source ppq_data_source(ppq_data *data);

// ---- single files ---------------------------------------------------------------------------

// .npy (v1-v3, C or Fortran order, little and big endian) or .pb (TensorProto) by suffix.
PPQ_NODISCARD ppq_status ppq_tensor_load(const char *path, ppq_tensor *out, ppq_diag *d);
PPQ_NODISCARD ppq_status ppq_npy_save(const char *path, const ppq_tensor *t, ppq_diag *d);

#endif
