#ifndef PPQ_EXECUTOR_ENGINE_PLAN_H
#define PPQ_EXECUTOR_ENGINE_PLAN_H

#include "core/op_def.h"
#include "executor/dnnl/compat.h"
#include "executor/engine/engine.h"
#include "executor/engine/kernels/cpu.h"

// A plan: values (tensors that exist while it runs), the storages they lie in, and steps.
//
// Tensors of rank 3 and more are plain or channels-last, and a var may have a value in each.
// Quantized activations are uint8 always: an int8 tensor is stored with its top bit inverted
// ("flipped"), its zero point 128 higher, which is the same number and the faster one.
//
// QuantizeLinear and DequantizeLinear with one scale are lazy: they make no step of their own until
// a step asks for their value, so what rules take in costs nothing.

typedef struct ppq_plan ppq_plan;
typedef struct ppq_step ppq_step;
typedef struct ppq_call ppq_call;

enum { PPQ_NO_VALUE = -1 };

typedef enum ppq_storage_kind {
    PPQ_STORAGE_ARENA, // planned memory
    PPQ_STORAGE_CONST,
    PPQ_STORAGE_FEED, // the caller's tensor
    PPQ_STORAGE_HELD, // allocated while running: its size depends on values
} ppq_storage_kind;

typedef struct ppq_storage {
    ppq_storage_kind kind;
    size_t bytes, offset; // ARENA
    int32_t first, last;  // steps that write and read it, once planned
    ppq_tensor constant;  // CONST
    int32_t feed;         // FEED
    bool shared;          // more than one var lies in it
} ppq_storage;

typedef struct ppq_value {
    int32_t id, storage;
    int32_t next;       // another value of the same var, or PPQ_NO_VALUE
    int32_t of;         // the value whose bytes these are, or PPQ_NO_VALUE
    const ppq_var *var; // NULL: of the plan's own
    ppq_dtype dtype;
    ppq_shape shape; // rank -1: HELD
    ppq_layout layout;
    bool flipped;
    bool tapped;    // the one of its var's values that a tap sees
    int32_t writer; // step; PPQ_NO_VALUE for feeds and constants
} ppq_value;

typedef struct ppq_bind {
    int arg;                    // ppq_dnnl_arg
    int32_t value;              // or PPQ_NO_VALUE:
    const ppq_tensor *constant; // of the step's own
    size_t offset;              // bytes from the beginning
} ppq_bind;

enum { PPQ_STEP_VALUES = 8, PPQ_STEP_BINDS = 12 };

// The run function reads the step and the call's memory only: steps are shared by threads.
struct ppq_step {
    char kernel[48];
    const ppq_op *op;
    ppq_status (*run)(const ppq_step *s, ppq_call *c);
    void (*release)(void *state);
    void *state;
    int32_t *in, *out; // values it reads and writes
    int32_t n_in, n_out;
    ppq_dnnl_op *dnnl; // owned; NULL for kernels of our own
    ppq_bind bind[PPQ_STEP_BINDS];
    int n_bind;
    ppq_tensor packed[2];  // weights and bias in the form the kernel wants
    size_t scratch;        // bytes that the step needs as a whole: see ppq_call_scratch
    size_t thread_scratch; // and each of its threads, a multiple of 64: see ppq_rows
    size_t scratch_at;     // where both begin
    int32_t group; // steps of one group (not 0) follow each other and may run at the same time
    double macs;
    int32_t index; // in the plan, once it is finished
    bool int8, rebind, dead;
};

struct ppq_plan {
    const ppq_graph *g;
    ppq_engine_opts o;
    ppq_isa isa;
    ppq_diag *d;
    ppq_arena *arena;
    ppq_op **order;
    size_t n_order;
    bool *done;       // per op id: lowered, or needed by nobody
    bool *unmoored;   // per var id: its shape depends on values
    int32_t *first;   // per var id: its first value
    ppq_shape *shape; // per var id, as the plan itself inferred
    ppq_dtype *dtype; // per var id
    ppq_tensor
        *known; // per var id: a value that follows from shapes and constants; no buffer: none
    ppq_value **values;
    size_t n_values, cap_values;
    ppq_storage **storages;
    size_t n_storages, cap_storages;
    ppq_step **steps;
    size_t n_steps, cap_steps;
    int32_t n_groups;
    int32_t *outputs; // value per graph output
    size_t arena_bytes, scratch_bytes;
    ppq_engine_info info;
};

// Keeps a constant that a rule made, for as long as the plan.
const ppq_tensor *ppq_plan_keep(ppq_plan *p, ppq_tensor *take);

// ---- values ---------------------------------------------------------------------------------

// The value of `v` when it is a constant or known before running; NULL otherwise.
const ppq_tensor *ppq_plan_known(const ppq_plan *p, const ppq_var *v);
// Computes `v` once and for all when it is the DequantizeLinear of constants: what rules do not
// take as integers. Then it is known.
PPQ_NODISCARD ppq_status ppq_plan_learn(ppq_plan *p, const ppq_var *v);

static inline ppq_value *ppq_plan_value(const ppq_plan *p, int32_t id)
{
    return p->values[id];
}

// A new value with planned memory of its own. `var` may be NULL.
int32_t ppq_plan_new_value(ppq_plan *p, const ppq_var *var, ppq_dtype dt, const ppq_shape *s,
                           ppq_layout layout);
// A new value in the storage of another, of the same number of bytes.
int32_t ppq_plan_new_alias(ppq_plan *p, const ppq_var *var, ppq_dtype dt, const ppq_shape *s,
                           ppq_layout layout, int32_t of);

typedef enum ppq_want {
    PPQ_WANT_PLAIN,
    PPQ_WANT_LAST,
    PPQ_WANT_ANY, // whichever it has
} ppq_want;

// A value of `v` in the wanted layout, made by a conversion or by a lazy op when there is none yet.
// `packed`: int8 comes flipped, as uint8; otherwise it is as the graph says. PPQ_ERR_UNSUPPORTED
// when the var has no value.
PPQ_NODISCARD ppq_status ppq_plan_read(ppq_plan *p, const ppq_var *v, ppq_want want, bool packed,
                                       int32_t *out);
// The layout PPQ_WANT_ANY gives; PLAIN when there is no value yet.
ppq_layout ppq_plan_layout(const ppq_plan *p, const ppq_var *v);
// Whether nothing but ops that are done, or in `also` (NULL-terminated), reads `v`, directly or
// through lazy ops.
bool ppq_plan_read_by_done_only(const ppq_plan *p, const ppq_var *v, const ppq_op *const *also);

// ---- steps ----------------------------------------------------------------------------------

// Appends a step; `in` and `out` are copied. The plan owns it.
ppq_step *ppq_plan_add_step(ppq_plan *p, const ppq_op *op, const char *kernel,
                            ppq_status (*run)(const ppq_step *s, ppq_call *c), const int32_t *in,
                            int n_in, const int32_t *out, int n_out);
// A step that executes a oneDNN operation, which it takes over. The kernel's name gets the
// implementation's. Arguments follow by ppq_step_bind.
ppq_step *ppq_plan_add_dnnl(ppq_plan *p, const ppq_op *op, const char *kernel,
                            ppq_dnnl_op *take_dnnl, const int32_t *in, int n_in, const int32_t *out,
                            int n_out);
void ppq_step_bind(ppq_step *s, int arg, int32_t value);
void ppq_step_bind_const(ppq_step *s, int arg, const ppq_tensor *constant); // borrowed
void ppq_step_bind_part(ppq_step *s, int arg, int32_t value, size_t offset);
// What kernels of our own may use.
static inline ppq_isa ppq_plan_isa(const ppq_plan *p)
{
    return p->isa;
}
static inline void ppq_plan_done(ppq_plan *p, const ppq_op *op)
{
    p->done[op->id] = true;
}

// Frees what the step owns.
void ppq_step_fini(ppq_step *s);

// ---- running --------------------------------------------------------------------------------

// The bytes of a value.
void *ppq_call_data(const ppq_call *c, int32_t value);
// The same as a tensor, borrowed from the call. Layout and type are the value's.
const ppq_tensor *ppq_call_tensor(ppq_call *c, int32_t value);
void *ppq_call_scratch(const ppq_call *c, const ppq_step *s); // s->scratch bytes, 64-byte aligned
int ppq_call_threads(const ppq_call *c);
ppq_isa ppq_call_isa(const ppq_call *c); // of the plan
ppq_diag *ppq_call_diag(const ppq_call *c);
ppq_arena *ppq_call_arena(const ppq_call *c); // reset after each step
ppq_pool *ppq_call_pool(const ppq_call *c);
// HELD values: gives the call a tensor to keep until the value's last reader is through.
void ppq_call_hold(ppq_call *c, int32_t value, ppq_tensor *take);
// fn(user, begin, end) over [0, n), cut into at most one piece per thread.
void ppq_call_split(const ppq_call *c, int64_t n,
                    void (*fn)(void *user, int64_t begin, int64_t end), void *user);

// What a kernel works on, a part of its rows at a time.
typedef struct ppq_rows {
    const void *state;                // the step's
    const unsigned char *src, *src_1; // its first two inputs; NULL: there is no second
    unsigned char *dst;               // its first output
    unsigned char *scratch;           // thread_scratch bytes for this part alone, 64-byte aligned
} ppq_rows;
// fn over rows [0, n) of whatever the step's kernel counts, cut as by ppq_call_split.
ppq_status ppq_call_rows(ppq_call *c, const ppq_step *s, int64_t n,
                         void (*fn)(const ppq_rows *x, int64_t begin, int64_t end));

// ---- rules ----------------------------------------------------------------------------------

// Turns an op, and what can be fused behind it, into steps. Tried in list order; the last takes
// anything. PPQ_ERR_UNSUPPORTED: not this one; whatever it made by then is dropped if nobody
// reads it.
typedef struct ppq_rule {
    const char *name, *summary;
    const char *const *types; // NULL-terminated op types of domain ""; NULL: any op
    ppq_status (*lower)(ppq_plan *p, const ppq_op *op);
    bool own; // a kernel of our own for what a later rule would give to oneDNN: see opts.onednn_only
} ppq_rule;

extern const ppq_rule *const ppq_builtin_rules[]; // NULL-terminated

#endif
