#ifndef PPQ_EXECUTOR_ENGINE_ENGINE_H
#define PPQ_EXECUTOR_ENGINE_ENGINE_H

#include "core/graph.h"
#include "executor/engine/kernels/cpu.h"

// Runs a model for real: a graph with QuantizeLinear/DequantizeLinear pairs becomes a plan of fused
// oneDNN operations and own kernels on integers, with packed weights and planned memory; what has
// no integer form runs in float between them, and a graph without pairs in float altogether.
//
// Meaning is that of the graph: what leaves a QuantizeLinear differs from the plain executor by at
// most one quantum, given the same integers at the step's inputs. On a CPU without VNNI oneDNN adds
// products of uint8 and int8 in saturating 16 bits: ops whose weights are large enough for that
// run by an exact kernel of our own, or in float where it has none, unless told to saturate.
//
// An engine is made for one set of input shapes, which must be known. It keeps what
// it needs of the graph's constants; the graph must outlive it. Its results do not depend on
// the number of threads.
typedef struct ppq_engine ppq_engine;

typedef struct ppq_engine_opts {
    int n_threads;    // 0: 1
    int isa;          // 1 + ppq_isa that our own kernels may use at most; 0: whatever there is
    bool saturate;    // let 8-bit sums saturate where the CPU's fastest kernels do
    bool eager;       // take every op to integers, even where a lone one costs more than it saves
    bool onednn_only; // no kernel of our own for a convolution that oneDNN can compute
    bool winograd;    // float convolutions may trade digits for speed, see docs/NUMERICS.md
    bool spend;       // weights go from the graph once they are packed: no other engine can be made
                      // of it
    const ppq_shape *shapes; // [g->n_inputs], of the inputs; NULL: those the graph states
    const bool *tapped;      // [g->n_vars] vars that must exist for the tap; NULL: none
} ppq_engine_opts;

typedef struct ppq_engine_info {
    size_t n_steps, n_int8, n_fused_ops;
    size_t n_exact;         // ops that take a slower kernel because the fastest would saturate
    size_t n_saturating;    // steps on integers whose sums could saturate on this CPU
    const char *saturating; // name of the first such op, or NULL
    size_t n_left_float;    // lone integer ops that run in float because that is faster
    const char *left_float; // name of the first, or NULL
    size_t arena_bytes, weight_bytes;
} ppq_engine_info;

// One step of the plan, for profiles.
typedef struct ppq_engine_step {
    const ppq_op *op;   // the op it computes, the first of those it fuses
    const char *kernel; // "conv jit:avx2", "depthwise", "quantize", ...
    bool int8;
    int group; // not 0: steps of one number are next to each other and run at the same time
    double macs;
} ppq_engine_step;

// Sees a var's value right after the step that computes it: float32, or the integers of a
// QuantizeLinear. The layout may be channels-last; the bytes are there during the call only.
// `wants` NULL: every var that exists.
typedef struct ppq_engine_tap {
    void *user;
    bool (*wants)(void *user, const ppq_var *v);
    ppq_status (*see)(void *user, const ppq_var *v, const ppq_tensor *value);
} ppq_engine_tap;

// Caps the instructions that oneDNN uses, for the process; false once it is in use.
bool ppq_engine_cap_isa(ppq_isa isa);
// What it uses: "avx2", "avx512_vnni", ...; exact: products of uint8 and int8 never saturate.
const char *ppq_engine_isa(bool *exact);

PPQ_NODISCARD ppq_status ppq_engine_create(const ppq_graph *g, const ppq_engine_opts *o,
                                           ppq_engine **out, ppq_diag *d);
void ppq_engine_destroy(ppq_engine *e); // NULL is fine
const ppq_engine_info *ppq_engine_get_info(const ppq_engine *e);
size_t ppq_engine_n_steps(const ppq_engine *e);
ppq_engine_step ppq_engine_get_step(const ppq_engine *e, size_t i);

// feeds: one tensor per graph input, PLAIN; fetches: one per graph output, allocated, PLAIN, the
// caller unrefs each. `tap` and `seconds` (time per step is added) may be NULL. Any number of
// threads may run one engine; each run has a context of its own, kept for the next. Without tap
// a second run allocates nothing, but for the fetches and ops whose shapes depend on values.
PPQ_NODISCARD ppq_status ppq_engine_run(ppq_engine *e, const ppq_tensor *feeds, ppq_tensor *fetches,
                                        const ppq_engine_tap *tap, double *seconds, ppq_diag *d);

#endif
