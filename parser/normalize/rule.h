#ifndef PPQ_PARSER_NORMALIZE_RULE_H
#define PPQ_PARSER_NORMALIZE_RULE_H

#include "core/graph.h"
#include "parser/site.h"

// What rules are written with. One rule per file; its name goes into meson.build.

typedef struct ppq_normalizer ppq_normalizer;

typedef struct ppq_normalize_rule {
    const char *name, *summary;
    const char *const *op_types; // NULL-terminated, of domain ""
    int16_t below;               // applies to models of an opset below this
    // Rewrites one op in place; may insert others around it. PPQ_ERR_UNSUPPORTED after reporting
    // what cannot be expressed: the other ops are still visited.
    ppq_status (*apply)(ppq_normalizer *n, ppq_op *op);
} ppq_normalize_rule;

extern const ppq_normalize_rule *const ppq_normalize_rules[]; // NULL-terminated

ppq_graph *ppq_normalizer_graph(const ppq_normalizer *n);
const char *ppq_normalizer_prefix(const ppq_normalizer *n); // of names rules make
int64_t ppq_normalizer_opset(const ppq_normalizer *n);      // the model was written for
// As far as inference and declarations know; rank -1 and NONE otherwise.
ppq_shape ppq_normalizer_shape(const ppq_normalizer *n, const ppq_var *v);
// The type of a tensor that must be a float.
ppq_dtype ppq_normalizer_float(const ppq_normalizer *n, const ppq_var *v);
ppq_site ppq_normalizer_site(const ppq_normalizer *n, const ppq_op *op);

// Reports against the op and yields PPQ_ERR_UNSUPPORTED.
#define PPQ_RULE_REFUSE(n, op, ...)                                                           \
    ppq_site_fail((const ppq_site[1]){ ppq_normalizer_site((n), (op)) }, PPQ_ERR_UNSUPPORTED, \
                  __VA_ARGS__)

// New constants, named "<op>_<what>".
PPQ_NODISCARD ppq_status ppq_rule_const(ppq_normalizer *n, const ppq_op *op, const char *what,
                                        ppq_dtype dtype, const ppq_shape *shape, const void *data,
                                        ppq_var **out);
// A scalar of any float type.
PPQ_NODISCARD ppq_status ppq_rule_scalar(ppq_normalizer *n, const ppq_op *op, const char *what,
                                         ppq_dtype dtype, float value, ppq_var **out);
// Turns an int or ints attribute into a 1-D int64 input; the slot must exist. No-op when the
// attribute is absent.
PPQ_NODISCARD ppq_status ppq_rule_attr_to_input(ppq_normalizer *n, ppq_op *op, const char *attr,
                                                int32_t slot);
// Puts an Unsqueeze before input `slot`, of rank `rank`, that appends n_ones dimensions of 1.
PPQ_NODISCARD ppq_status ppq_rule_append_ones(ppq_normalizer *n, ppq_op *op, int32_t slot, int rank,
                                              int n_ones);
// Grows an op to at least n_in inputs.
void ppq_rule_need_inputs(ppq_normalizer *n, ppq_op *op, int32_t n_in);
void ppq_rule_retype(ppq_op *op, const char *type);
// A new op "<op>_<type>" with empty slots.
ppq_op *ppq_rule_insert(ppq_normalizer *n, const ppq_op *op, const char *type, int32_t n_in,
                        int32_t n_out);
// A new var "<op>_<what>".
ppq_var *ppq_rule_var(ppq_normalizer *n, const ppq_op *op, const char *what);

#endif
