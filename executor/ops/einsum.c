#include <string.h>

#include "executor/ops/equation.h"
#include "executor/ops/move.h"
#include "executor/ops/real.h"
#include "executor/ops/types.h"

// Einstein summation: every input's dimensions carry labels; equal labels are one index, and
// indices that the output does not name are summed over. Inputs are multiplied in from left to
// right, each step a batch of matrix products.

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_equation e;
    ppq_shape out = ppq_shape_unknown(-1);
    PPQ_TRY(ppq_equation_read(&a, &e));
    if (e.known) {
        out.rank = e.out.n;
        for (int i = 0; i < e.out.n; i++)
            out.dim[i] = e.size[e.out.at[i]];
    }
    return ppq_infer_out(c, 0, c->in_dtype[0], &out);
}

// Elements addressed by labels: stride 0 where a label does not matter.
typedef struct operand {
    ppq_tensor t;
    int64_t stride[PPQ_LABELS];
} operand;

// A label that is there twice walks the diagonal.
static operand operand_of(const ppq_tensor *t, const ppq_term *term)
{
    operand r = { .t = ppq_tensor_ref(t) };
    int64_t own[PPQ_MAX_RANK];
    ppq_shape_strides(&t->shape, own);
    for (int i = 0; i < term->n; i++)
        if (t->shape.dim[i] != 1)
            r.stride[term->at[i]] += own[i];
    return r;
}

typedef struct label_list {
    int n;
    ppq_label at[PPQ_LABELS];
} label_list;

static int64_t list_size(const ppq_equation *e, const label_list *l)
{
    int64_t n = 1;
    for (int i = 0; i < l->n; i++)
        n = ppq_dim_mul(n, e->size[l->at[i]]);
    return n;
}

// A dense copy whose dimensions are the labels of three lists.
static ppq_status pack(ppq_kernel_ctx *c, const ppq_equation *e, const operand *x,
                       const label_list *const lists[3], ppq_tensor *out)
{
    int64_t dim[PPQ_LABELS], stride[PPQ_LABELS], total = 1;
    const size_t es = ppq_dtype_size(x->t.dtype);
    int n = 0;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < lists[i]->n; k++) {
            dim[n] = e->size[lists[i]->at[k]];
            stride[n++] = x->stride[lists[i]->at[k]];
            total = ppq_dim_mul(total, dim[n - 1]);
        }
    if (n > PPQ_MOVE_RANK || total < 0 || (uint64_t) total > SIZE_MAX / 64)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "an intermediate result is too large");
    PPQ_TRY(ppq_kernel_temp(c, (size_t) total * es, out));
    ppq_copy_dense(ppq_tensor_data(out), ppq_tensor_data(&x->t), stride, dim, n, es);
    return PPQ_OK;
}

// [batch, m, k] x [batch, k, n] -> [batch, m, n]
#define PRODUCT(id, type, acc)                                                                   \
    static void product_##id(const void *pa, const void *pb, void *pd, int64_t batch, int64_t m, \
                             int64_t k, int64_t n)                                               \
    {                                                                                            \
        const type *a = pa, *b = pb;                                                             \
        type *d = pd;                                                                            \
        for (int64_t i = 0; i < batch * m; i++, a += k, d += n) {                                \
            const type *rows = b + i / m * k * n;                                                \
            for (int64_t j = 0; j < n; j++)                                                      \
                d[j] = 0;                                                                        \
            for (int64_t p = 0; p < k; p++)                                                      \
                for (int64_t j = 0; j < n; j++)                                                  \
                    d[j] = (type) ((acc) d[j] + (acc) a[p] * (acc) rows[p * n + j]);             \
        }                                                                                        \
    }
#define PRODUCT_INT(id, type, ...)   PRODUCT(id, type, uint64_t)
#define PRODUCT_FLOAT(id, type, ...) PRODUCT(id, type, type)
#define PRODUCT_ENTRY(id, type, ...) [PPQ_DT_##id] = product_##id,
TYPES_INT(PRODUCT_INT, 0)
TYPES_FLOAT(PRODUCT_FLOAT, 0)
static void (*const products[PPQ_DT_COUNT])(const void *a, const void *b, void *dst, int64_t batch,
                                            int64_t m, int64_t k,
                                            int64_t n) = { TYPES_REAL(PRODUCT_ENTRY, 0) };

// *a = a * b, summed over the labels that are not in `needed`. Takes b's tensor.
static ppq_status multiply(ppq_kernel_ctx *c, const ppq_equation *e, const bool *needed, operand *a,
                           operand *b)
{
    label_list batch = { 0 }, m = { 0 }, n = { 0 }, sum = { 0 };
    for (int l = 0; l < PPQ_LABELS; l++) {
        const bool in_a = a->stride[l] != 0, in_b = b->stride[l] != 0;
        if (!in_a && !in_b)
            continue;
        label_list *list = !needed[l] ? &sum : in_a && in_b ? &batch : in_a ? &m : &n;
        list->at[list->n++] = (ppq_label) l;
    }
    const ppq_dtype dt = a->t.dtype;
    operand r = { .stride = { 0 } };
    ppq_tensor pa = { 0 }, pb = { 0 };
    ppq_status st;
    if ((st = pack(c, e, a, (const label_list *const[]){ &batch, &m, &sum }, &pa)) != PPQ_OK ||
        (st = pack(c, e, b, (const label_list *const[]){ &batch, &sum, &n }, &pb)) != PPQ_OK)
        goto fail;
    const int64_t n_batch = list_size(e, &batch), n_m = list_size(e, &m), n_n = list_size(e, &n);
    const ppq_shape flat = ppq_shape_1d(ppq_dim_mul(ppq_dim_mul(n_batch, n_m), n_n));
    if ((st = ppq_tensor_alloc_pool(&r.t, dt, &flat, c->pool)) != PPQ_OK) {
        st = ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate an intermediate result");
        goto fail;
    }
    products[dt](ppq_tensor_data(&pa), ppq_tensor_data(&pb), ppq_tensor_data(&r.t), n_batch, n_m,
                 list_size(e, &sum), n_n);
    const label_list *const order[] = { &n, &m, &batch };
    int64_t stride = 1;
    for (int i = 0; i < 3; i++)
        for (int k = order[i]->n - 1; k >= 0; k--) {
            r.stride[order[i]->at[k]] = stride;
            stride *= e->size[order[i]->at[k]];
        }
fail:
    ppq_tensor_unref(&pa);
    ppq_tensor_unref(&pb);
    ppq_tensor_unref(&a->t);
    ppq_tensor_unref(&b->t);
    *a = r;
    return st;
}

// Labels that the output or an input after `i` still has.
static void find_needed(const ppq_equation *e, int n_in, int i, bool *needed)
{
    memset(needed, 0, PPQ_LABELS * sizeof(*needed));
    for (int k = 0; k < e->out.n; k++)
        needed[e->out.at[k]] = true;
    for (int t = i + 1; t < n_in; t++)
        for (int k = 0; k < e->in[t].n; k++)
            needed[e->in[t].at[k]] = true;
}

static ppq_status run_all(ppq_kernel_ctx *c, const ppq_equation *e)
{
    static const uint64_t bits_of_one[PPQ_DT_COUNT] = {
        [PPQ_DT_F32] = 0x3f800000, [PPQ_DT_F64] = 0x3ff0000000000000
    };
    const ppq_dtype dt = c->in[0]->dtype;
    const ppq_shape scalar = { .rank = 0 };
    bool needed[PPQ_LABELS];
    operand acc = { .stride = { 0 } };
    // A sum over labels happens when something is multiplied in; so start with 1.
    if (ppq_tensor_alloc_pool(&acc.t, dt, &scalar, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a scalar");
    const uint64_t one = bits_of_one[dt] ? bits_of_one[dt] : 1; // little endian
    memcpy(ppq_tensor_data(&acc.t), &one, ppq_dtype_size(dt));
    ppq_status st = PPQ_OK;
    for (int i = 0; i < c->op->n_in && st == PPQ_OK; i++) {
        operand x = operand_of(c->in[i], &e->in[i]);
        find_needed(e, c->op->n_in, i, needed);
        st = multiply(c, e, needed, &acc, &x);
    }
    if (st == PPQ_OK) {
        int64_t stride[PPQ_MAX_RANK];
        for (int i = 0; i < e->out.n; i++)
            stride[i] = acc.stride[e->out.at[i]];
        ppq_copy_dense(ppq_tensor_data(&c->out[0]), ppq_tensor_data(&acc.t), stride,
                       c->out[0].shape.dim, e->out.n, ppq_dtype_size(dt));
    }
    ppq_tensor_unref(&acc.t);
    return st;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    ppq_equation e;
    PPQ_TRY(ppq_equation_read(&a, &e));
    ppq_shape out = { .rank = e.out.n };
    for (int i = 0; i < e.out.n; i++)
        out.dim[i] = e.size[e.out.at[i]];
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, &out));
    for (int i = 0; i < c->op->n_in; i++)
        if (c->in[i]->dtype != c->in[0]->dtype || !products[c->in[i]->dtype])
            return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "input %d of %s is not supported", i,
                                   ppq_dtype_name(c->in[i]->dtype));
    for (int l = 0; l < PPQ_LABELS; l++)
        if (e.used[l] && e.size[l] == 0) { // sums of nothing
            if (ppq_tensor_bytes(&c->out[0]))
                memset(ppq_tensor_data(&c->out[0]), 0, ppq_tensor_bytes(&c->out[0]));
            return PPQ_OK;
        }
    return run_all(c, &e);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    for (int i = 0; i < c->op->n_in; i++)
        if (!c->in[i])
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is missing", i);
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_einsum = {
    .type = "Einsum",
    .domain = "",
    .opset_min = 12,
    .in_min = 1,
    .in_max = -1,
    .out_min = 1,
    .out_max = 1,
    .infer = infer,
    .forward = forward,
};
