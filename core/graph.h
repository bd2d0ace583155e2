#ifndef PPQ_CORE_GRAPH_H
#define PPQ_CORE_GRAPH_H

#include "core/arena.h"
#include "core/diag.h"
#include "core/tensor.h"
#include "core/tqc.h"

// BaseGraph: ops and the variables between them, as ONNX has them.
//
// Ownership: the graph's arena owns every op, var, name, attribute and TQC; constants are
// reference-counted tensors held by their var. Fields are readable by anyone; topology is
// written only by ppq_graph_* functions, each of which leaves a graph that verifies.
// Not thread-safe for writers; any number of readers.

typedef struct ppq_graph ppq_graph;
typedef struct ppq_op ppq_op;
typedef struct ppq_var ppq_var;
struct ppq_op_def;
struct ppq_platform;

typedef struct ppq_blob {
    const unsigned char *data;
    size_t size;
} ppq_blob;

typedef enum ppq_attr_kind {
    PPQ_ATTR_INT,
    PPQ_ATTR_FLOAT,
    PPQ_ATTR_STRING,
    PPQ_ATTR_TENSOR,
    PPQ_ATTR_INTS,
    PPQ_ATTR_FLOATS,
    PPQ_ATTR_STRINGS,
    PPQ_ATTR_RAW, // graphs, sparse tensors, types: a whole serialized AttributeProto
} ppq_attr_kind;

typedef struct ppq_attr {
    const char *name;
    ppq_attr_kind kind;
    size_t count; // 1 for the scalar kinds
    union {
        int64_t i;
        float f;
        ppq_string s;
        const ppq_tensor *t; // owned by the graph
        const int64_t *ints;
        const float *floats;
        const ppq_string *strings;
        ppq_blob raw;
    } u;
} ppq_attr;

// One edge end. A list of (op, slot) rather than a list of ops: Mul(x, x) is two uses.
typedef struct ppq_use {
    ppq_op *op;
    int32_t slot;
} ppq_use;

struct ppq_var {
    uint32_t id;      // index in graph->vars; changes only in ppq_graph_compact
    const char *name; // unique in the graph
    ppq_dtype dtype;  // NONE until known
    ppq_shape shape;  // rank -1 until known
    ppq_tensor value; // constants only (buf NULL otherwise)
    ppq_use producer; // {NULL, 0} for graph inputs and constants
    ppq_use *uses;    // in order of insertion
    int32_t n_uses, cap_uses;
    bool is_input, is_output; // of the graph
    bool dead;                // removed; gone after ppq_graph_compact
    ppq_blob type_proto;      // graph inputs, outputs and value_info: ValueInfoProto as read, minus name
    ppq_blob tensor_extra;    // constants: what of the TensorProto the fields above do not hold
};

// Where an op runs.
typedef enum ppq_place {
    PPQ_PLACE_UNSET,
    PPQ_PLACE_FP32,
    PPQ_PLACE_SOI, // shape or index: host, exact
    PPQ_PLACE_QUANT,
    PPQ_PLACE_COUNT
} ppq_place;

const char *ppq_place_name(ppq_place p); // "unset", "fp32", "soi", "quant"

struct ppq_op {
    uint32_t id;               // index in graph->ops; changes only in ppq_graph_compact
    const char *name;          // unique in the graph
    const char *type, *domain; // as in ONNX; domain "" is ai.onnx
    const struct ppq_op_def *def; // NULL: unknown op, passed through
    ppq_attr *attrs;
    int32_t n_attrs;
    int32_t n_in, n_out;
    int32_t n_implicit; // outer variables that the op's subgraphs read
    ppq_var **in;       // [n_in + n_implicit]; NULL entry = optional input left out
    ppq_var **out;      // [n_out]; NULL entry = optional output left out
    bool dead;
    ppq_blob extra; // NodeProto as read, minus inputs, outputs, attributes, name, type, domain

    // Quantization plane.
    ppq_place place;
    const char *place_reason;   // why it is there; one phrase, static or in the graph's arena
    ppq_tqc **tqc_in, **tqc_out; // parallel to in/out; NULL unless place is QUANT
};

typedef struct ppq_opset {
    const char *domain;
    int64_t version;
} ppq_opset;

struct ppq_graph {
    ppq_arena *arena;
    const char *name;
    ppq_op **ops; // [n_ops]; in file order, which need not be topological
    size_t n_ops, cap_ops;
    ppq_var **vars; // [n_vars]
    size_t n_vars, cap_vars;
    ppq_var **inputs; // without initializers
    int32_t n_inputs, cap_inputs;
    ppq_var **outputs;
    int32_t n_outputs, cap_outputs;
    ppq_opset *opsets;
    int32_t n_opsets;
    int64_t ir_version;
    const char **symbols; // names of symbolic dimensions; see PPQ_DIM_SYMBOL
    int32_t n_symbols, cap_symbols;
    uint32_t n_tqcs;       // next TQC id
    ppq_blob model_extra;  // ModelProto as read, minus graph and opset_import and ir_version
    ppq_blob graph_extra;  // GraphProto as read, minus nodes, initializers, inputs, outputs, value_info, name
    bool had_external_data;
    const char *source; // path of the model, for messages; "" when unknown
    struct ppq_map *op_names, *var_names;
};

ppq_graph *ppq_graph_create(void);
void ppq_graph_destroy(ppq_graph *g); // NULL is fine
// Deep in structure, shares constant storage. Ids and order are kept. `g` must be compact.
PPQ_NODISCARD ppq_status ppq_graph_clone(const ppq_graph *g, ppq_graph **out, ppq_diag *d);

// Adds an op with `n_in` empty input and `n_out` empty output slots. `name` NULL or taken: a free
// name is made from it.
ppq_op *ppq_graph_add_op(ppq_graph *g, const char *domain, const char *type, const char *name,
                         int32_t n_in, int32_t n_out);
// `name` NULL or taken: a free name is made from it.
ppq_var *ppq_graph_add_var(ppq_graph *g, const char *name);
// A constant; takes the caller's reference of *take_value and zeroes it.
ppq_var *ppq_graph_add_const(ppq_graph *g, const char *name, ppq_tensor *take_value);
// Replaces a constant's value (dtype and shape of the var follow); takes the reference.
void ppq_var_set_value(ppq_var *v, ppq_tensor *take_value);

ppq_op *ppq_graph_find_op(const ppq_graph *g, const char *name);   // NULL if absent
ppq_var *ppq_graph_find_var(const ppq_graph *g, const char *name); // NULL if absent
void ppq_graph_rename_var(ppq_graph *g, ppq_var *v, const char *name); // `name` must be free

// Slots below n_in + n_implicit. v NULL = leave out. The old use, if any, is dropped.
void ppq_graph_set_input(ppq_graph *g, ppq_op *op, int32_t slot, ppq_var *v);
void ppq_graph_set_output(ppq_graph *g, ppq_op *op, int32_t slot, ppq_var *v);
// Changes the number of (explicit) inputs; new slots are empty, dropped ones lose their use.
void ppq_graph_resize_inputs(ppq_graph *g, ppq_op *op, int32_t n_in);
void ppq_graph_resize_outputs(ppq_graph *g, ppq_op *op, int32_t n_out);
void ppq_graph_mark_input(ppq_graph *g, ppq_var *v);
void ppq_graph_mark_output(ppq_graph *g, ppq_var *v);
// Every use of `from` becomes a use of `to`; graph outputs are not touched.
void ppq_graph_replace_uses(ppq_graph *g, ppq_var *from, ppq_var *to);
// Detaches all edges; the op and its now unreferenced outputs are dead.
void ppq_graph_remove_op(ppq_graph *g, ppq_op *op);
// Removes an op whose output `out_slot` equals its input `in_slot`. A graph output keeps its name:
// then the producer writes it directly. Returns false, and changes nothing, when both ends are
// fixed (graph input or constant straight to a graph output, or both ends graph outputs).
bool ppq_graph_bypass_op(ppq_graph *g, ppq_op *op, int32_t in_slot, int32_t out_slot);
// Drops dead ops and vars and constants nobody uses, and renumbers ids. Linear.
void ppq_graph_compact(ppq_graph *g);

// Every structural invariant; the first violation is reported.
PPQ_NODISCARD ppq_status ppq_graph_verify(const ppq_graph *g, ppq_diag *d);
// Live ops in topological order: the lowest id first among those that are ready, so a file
// that is sorted keeps its order. A cycle is PPQ_ERR_MODEL and names its ops.
PPQ_NODISCARD ppq_status ppq_graph_topo(const ppq_graph *g, ppq_arena *a, ppq_op ***ops, size_t *n,
                                        ppq_diag *d);
// 0 when the domain is not imported. "" and "ai.onnx" are the same domain.
int64_t ppq_graph_opset(const ppq_graph *g, const char *domain);
void ppq_graph_set_opset(ppq_graph *g, const char *domain, int64_t version);
// The dimension value for a symbol name, adding it when new.
int64_t ppq_graph_symbol(ppq_graph *g, const char *name);

static inline bool ppq_var_is_const(const ppq_var *v)
{
    return v && v->value.buf;
}

static inline bool ppq_op_is(const ppq_op *op, const char *type)
{
    return op->domain[0] == 0 && __builtin_strcmp(op->type, type) == 0;
}

const ppq_attr *ppq_op_attr(const ppq_op *op, const char *name); // NULL if absent
// The attribute's value, or `fallback` when it is absent or of another kind.
int64_t ppq_op_attr_int(const ppq_op *op, const char *name, int64_t fallback);
float ppq_op_attr_float(const ppq_op *op, const char *name, float fallback);
bool ppq_op_attr_is(const ppq_op *op, const char *name, const char *value); // string attribute
// Points *out at the values and returns how many; 0 and NULL when absent.
size_t ppq_op_attr_ints(const ppq_op *op, const char *name, const int64_t **out);
// Sets or replaces. Arrays and strings are copied.
void ppq_op_set_int(ppq_graph *g, ppq_op *op, const char *name, int64_t v);
void ppq_op_set_float(ppq_graph *g, ppq_op *op, const char *name, float v);
void ppq_op_set_string(ppq_graph *g, ppq_op *op, const char *name, const char *v);
void ppq_op_set_ints(ppq_graph *g, ppq_op *op, const char *name, const int64_t *v, size_t n);
void ppq_op_set_floats(ppq_graph *g, ppq_op *op, const char *name, const float *v, size_t n);
void ppq_op_set_tensor(ppq_graph *g, ppq_op *op, const char *name, ppq_tensor *take_value);
void ppq_op_set_attr(ppq_graph *g, ppq_op *op, const ppq_attr *a); // copies name and payload
void ppq_op_remove_attr(ppq_op *op, const char *name);

// Reads a constant of any integer type (or float with integral values) as int64. Returns the
// count, or -1 when `v` is no constant or holds something else. Writes at most `cap` values.
int64_t ppq_const_ints(const ppq_tensor *t, int64_t *out, int64_t cap);
// Reads a one-element tensor of any real type; false if it is not one.
bool ppq_const_scalar(const ppq_tensor *t, double *out);

// A fresh TQC, owned by the graph, root of itself, state INITIAL.
ppq_tqc *ppq_graph_new_tqc(ppq_graph *g, const ppq_qfmt *fmt);

#endif
