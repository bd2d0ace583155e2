#ifndef PPQ_EXECUTOR_DNNL_COMPAT_LIB_H
#define PPQ_EXECUTOR_DNNL_COMPAT_LIB_H

// The inside of the seam. library.c, desc.c, make.c and run.c are written once for every version of
// oneDNN; what versions spell differently is a function ppq_lib_*, of which v2.c and v3.c have one
// each. meson compiles the one that fits.

#include <dnnl.h>

#include "executor/dnnl/compat.h"

// ---- descriptors ---------------------------------------------------------------------------

// By value in 2.x and by handle in 3.x.
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t ppq_desc_ref;
#else
typedef const dnnl_memory_desc_t *ppq_desc_ref;
#endif

typedef struct ppq_desc {
    dnnl_memory_desc_t d;
    bool valid; // false: there is no such operand
} ppq_desc;

dnnl_data_type_t ppq_desc_type(ppq_dtype dt);
int ppq_desc_arg(int arg); // the library's number of a ppq_dnnl_arg
// *m stays invalid, and that is success, when there is no such operand.
dnnl_status_t ppq_desc_init(ppq_desc *m, const ppq_dnnl_md *md);
ppq_desc_ref ppq_desc_chosen(const ppq_dnnl_op *op, int arg); // NULL: op has no such argument

ppq_desc_ref ppq_lib_desc_ref(const ppq_desc *m); // NULL when invalid
// A descriptor as md->format says, strided or any.
dnnl_status_t ppq_lib_desc_create(ppq_desc *m, const ppq_dnnl_md *md, dnnl_data_type_t dt);
dnnl_status_t ppq_lib_desc_copy(ppq_desc *m, ppq_desc_ref from);
void ppq_lib_desc_fini(ppq_desc *m); // an invalid one is fine

// ---- operations ----------------------------------------------------------------------------

// Only creation and execution can fail, and after validation only for want of memory or of an
// implementation.
ppq_status ppq_lib_status(dnnl_status_t s);

enum { PPQ_LIB_FIXED = 6 };

struct ppq_dnnl_op {
    int n_threads;
    dnnl_engine_t engine;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t primitive;
    // Scales and zero points, which 3.x reads at run time. They belong to the operation, as in 2.x.
    dnnl_exec_arg_t fixed[PPQ_LIB_FIXED];
    int n_fixed;
    ppq_dnnl_quant quant;
    float *wei_scale;
};

// What constructors work on: an operation to be, its attributes, its descriptors.
typedef struct ppq_maker {
    ppq_dnnl_op *op;
    dnnl_primitive_attr_t attr;
    ppq_desc src, weights, bias, dst;
    bool allow_reference;
} ppq_maker;

// Each sets k->op->pd.
dnnl_status_t ppq_lib_conv(ppq_maker *k, bool transposed, const ppq_dnnl_window *w,
                           const dnnl_dims_t dilation);
dnnl_status_t ppq_lib_matmul(ppq_maker *k);
dnnl_status_t ppq_lib_inner_product(ppq_maker *k);
dnnl_status_t ppq_lib_pool(ppq_maker *k, dnnl_alg_kind_t alg, const ppq_dnnl_window *w,
                           const dnnl_dims_t dilation);
dnnl_status_t ppq_lib_eltwise(ppq_maker *k, dnnl_alg_kind_t alg, float alpha, float beta);
dnnl_status_t ppq_lib_binary(ppq_maker *k, dnnl_alg_kind_t alg); // of src and weights
dnnl_status_t ppq_lib_softmax(ppq_maker *k, bool log, int axis);
dnnl_status_t ppq_lib_layer_norm(ppq_maker *k, float epsilon, unsigned flags);

// ---- attributes ----------------------------------------------------------------------------

// Which dimension of the weights has one scale per index.
typedef enum ppq_scale_dim {
    PPQ_SCALE_NONE, // there are no weights
    PPQ_SCALE_FIRST,
    PPQ_SCALE_GROUPED, // the second one, behind groups
    PPQ_SCALE_LAST,
} ppq_scale_dim;

// `rank` is that of the output.
dnnl_status_t ppq_lib_set_quant(ppq_maker *k, const ppq_dnnl_attr *a, ppq_scale_dim dim, int rank);

// Post-ops are stated in real units. They see numbers that are `post` times as large, and a last
// one has to multiply by `last`.
typedef struct ppq_lib_units {
    float post, last;
} ppq_lib_units;

ppq_lib_units ppq_lib_units_of(const ppq_dnnl_attr *a);
dnnl_status_t ppq_lib_append_sum(dnnl_post_ops_t ops, float scale, int32_t zero,
                                 dnnl_data_type_t dt);
dnnl_status_t ppq_lib_append_eltwise(dnnl_post_ops_t ops, dnnl_alg_kind_t alg, float alpha,
                                     float beta);

// Has no VNNI either, and is unknown to 3.x.
bool ppq_lib_is_xeon_phi(dnnl_cpu_isa_t isa);

#endif
