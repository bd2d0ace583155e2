#ifndef PPQ_EXECUTOR_EXEC_H
#define PPQ_EXECUTOR_EXEC_H

#include "core/ext.h"

// Runs a graph in float32; in SIMULATE mode it also quantizes and dequantizes at every active TQC:
// the reference for what a quantized model means. Reads the graph, never writes it. The graph must
// be compact and stay unchanged while the executor lives.
typedef struct ppq_exec ppq_exec;

typedef enum ppq_exec_mode { PPQ_EXEC_FLOAT, PPQ_EXEC_SIMULATE } ppq_exec_mode;

typedef struct ppq_exec_opts {
    ppq_exec_mode mode;
    bool reference; // plain C only, no faster kernels
    int n_threads;  // threads one run may use; 0 = 1
    // Simulating with a part of the graph in float. Borrowed while the executor lives; NULL: none.
    const bool *in_float;        // [n_ops] by id: quantizers that nobody else reads through are left out
    const ppq_tensor *constants; // [n_vars] by id, in place of the graph's own where buf is set
} ppq_exec_opts;

// Watches tensors while a graph runs. `tensor` is called for every input and output slot of every
// op for which `wants` says true (NULL: all): inputs before the op runs, outputs after. `raw` is
// the value before the slot's TQC, `quant` after it (the same tensor where nothing quantizes). Both
// may be channels-last. Called from the thread that runs.
typedef struct ppq_exec_hook {
    void *user;
    bool (*wants)(void *user, const ppq_op *op, ppq_side side, int slot);
    ppq_status (*tensor)(void *user, const ppq_op *op, ppq_side side, int slot,
                         const ppq_tensor *raw, const ppq_tensor *quant);
} ppq_exec_hook;

// Fails, listing all of them, when ops that are needed for the outputs are unknown to this build.
PPQ_NODISCARD ppq_status ppq_exec_create(const ppq_graph *g, const ppq_exec_opts *o, ppq_exec **out,
                                         ppq_diag *d);
void ppq_exec_destroy(ppq_exec *e); // NULL is fine

// feeds: one tensor per graph input, in order. fetches: one per graph output; allocated, PLAIN;
// the caller unrefs each. Several threads may run one executor at the same time, and give the
// same bytes as one after the other.
PPQ_NODISCARD ppq_status ppq_exec_run(ppq_exec *e, const ppq_tensor *feeds, ppq_tensor *fetches,
                                      const ppq_exec_hook *hook, ppq_diag *d);

// Whether `t` may be fed to graph input `v` of the given shape, unknown dimensions fitting any.
PPQ_NODISCARD ppq_status ppq_exec_check_feed(const ppq_var *v, const ppq_shape *shape,
                                             const ppq_tensor *t, ppq_diag *d);

// Runs one op's plain forward on given inputs ([n_in], NULL = left out). outs: [n_out], the caller
// unrefs each. For constant folding.
PPQ_NODISCARD ppq_status ppq_op_eval(const ppq_op *op, int64_t opset, const ppq_tensor *const *in,
                                     ppq_tensor *outs, ppq_diag *d);

// Whether an op computes a constant that nothing but other ops reads.
bool ppq_op_is_foldable(const ppq_op *op);
// Puts what such an op computes in its place. On failure nothing has changed; nothing changes either
// where the results have more than `most` bytes and more than four times what they come from.
PPQ_NODISCARD ppq_status ppq_op_fold(ppq_graph *g, ppq_op *op, size_t most, ppq_diag *d);

// Name of the kernel that ran op `id` last: "plain", "dnnl-conv", ...; "" before.
const char *ppq_exec_kernel_name(const ppq_exec *e, uint32_t id);

#endif
