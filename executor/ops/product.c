#include "executor/ops/product.h"

#include "core/parallel.h"
#include "executor/ops/move.h"

// Integers are multiplied unsigned: the same bits, and overflow wraps.

#define T       float
#define NAME(x) x##_f32
#include "executor/ops/gemm_rows.h"

#define T       double
#define NAME(x) x##_f64
#include "executor/ops/gemm_rows.h"

#define T       uint32_t
#define NAME(x) x##_u32
#include "executor/ops/gemm_rows.h"

#define T       uint64_t
#define NAME(x) x##_u64
#include "executor/ops/gemm_rows.h"

ppq_gemm_fn ppq_gemm_of(ppq_dtype dt)
{
    switch ((int) dt) {
    case PPQ_DT_F32:
        return gemm_f32;
    case PPQ_DT_F64:
        return gemm_f64;
    case PPQ_DT_I32:
    case PPQ_DT_U32:
        return gemm_u32;
    case PPQ_DT_I64:
    case PPQ_DT_U64:
        return gemm_u64;
    default:
        return NULL;
    }
}

static ppq_shape batch_of(const ppq_shape *s)
{
    ppq_shape b = *s;
    b.rank = PPQ_MAX(s->rank - 2, 0);
    return b;
}

bool ppq_product_shape_init(ppq_product_shape *p, const ppq_shape *a, const ppq_shape *b,
                            ppq_reason *why)
{
    *p = (ppq_product_shape){ .m = -1, .n = -1, .k = -1, .y.rank = -1 };
    if (a->rank == 0 || b->rank == 0)
        return ppq_because(why, "an input is a scalar, expected a vector or a matrix");
    if (a->rank < 0 || b->rank < 0)
        return true;
    const int64_t ka = a->dim[a->rank - 1];
    const int64_t kb = b->dim[b->rank > 1 ? b->rank - 2 : 0];
    p->m = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    p->n = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    p->k = ka >= 0 ? ka : kb;
    if (ka >= 0 && kb >= 0 && ka != kb)
        return ppq_because(why, "the inner dimensions %lld and %lld differ", (long long) ka,
                           (long long) kb);
    p->a = batch_of(a);
    p->b = batch_of(b);
    p->batch = p->a;
    if (!ppq_shape_broadcast(&p->batch, &p->b))
        return ppq_because(why, "the batch dimensions cannot be broadcast");
    p->y = p->batch;
    if (a->rank > 1)
        p->y.dim[p->y.rank++] = p->m;
    if (b->rank > 1)
        p->y.dim[p->y.rank++] = p->n;
    return true;
}

ppq_status ppq_product_infer(ppq_infer_ctx *c, int a, int b)
{
    ppq_product_shape p;
    ppq_reason why;
    if (!ppq_product_shape_init(&p, &c->in_shape[a], &c->in_shape[b], &why))
        return ppq_infer_fail(c, "%s", why.text);
    c->out_shape[0] = p.y;
    return PPQ_OK;
}

void ppq_product_run(const ppq_product_shape *p, ppq_gemm_fn gemm, size_t es, const void *a,
                     const void *b, void *y)
{
    if (ppq_shape_numel(&p->y) == 0)
        return;
    int64_t sa[PPQ_MAX_RANK], sb[PPQ_MAX_RANK], at[PPQ_MAX_RANK] = { 0 };
    ppq_broadcast_strides(&p->a, &p->batch, sa);
    ppq_broadcast_strides(&p->b, &p->batch, sb);
    unsigned char *dst = y;
    do {
        int64_t ia = 0, ib = 0;
        for (int d = 0; d < p->batch.rank; d++) {
            ia += at[d] * sa[d];
            ib += at[d] * sb[d];
        }
        gemm(p->m, p->n, p->k, (const unsigned char *) a + (size_t) (ia * p->m * p->k) * es, p->k,
             1, (const unsigned char *) b + (size_t) (ib * p->k * p->n) * es, dst);
        dst += (size_t) (p->m * p->n) * es;
    } while (ppq_next(p->batch.rank, p->batch.dim, at));
}

typedef struct row_blocks {
    int64_t rows, columns, depth, height;
    ppq_matrix a;
    const float *b;
    float *y;
} row_blocks;

static void run_block(void *user, int64_t i, int worker)
{
    (void) worker;
    const row_blocks *r = user;
    const int64_t first = i * r->height;
    gemm_f32(PPQ_MIN(r->height, r->rows - first), r->columns, r->depth, r->a.at + first * r->a.row,
             r->a.row, r->a.column, r->b, r->y + first * r->columns);
}

ppq_status ppq_product_f32(ppq_kernel_ctx *c, int64_t rows, int64_t columns, int64_t depth,
                           ppq_matrix a, ppq_matrix b, float *y)
{
    enum { SMALL = 1 << 16, UNROLLED = 4 }; // not worth a thread; rows that gemm takes at once
    ppq_tensor packed = { 0 };
    if (b.column != 1 || b.row != columns) {
        PPQ_TRY(ppq_kernel_temp(c, (size_t) (depth * columns) * sizeof(float), &packed));
        ppq_copy_dense(ppq_tensor_data(&packed), b.at, (const int64_t[]){ b.row, b.column },
                       (const int64_t[]){ depth, columns }, 2, sizeof(float));
        b.at = ppq_tensor_data(&packed);
    }
    row_blocks r = { rows, columns, depth, PPQ_MAX(rows, 1), a, b.at, y };
    if (rows * columns * depth > SMALL && c->n_threads > 1)
        r.height = (rows / c->n_threads + UNROLLED) / UNROLLED * UNROLLED;
    ppq_parallel_for(c->n_threads, (rows + r.height - 1) / r.height, run_block, &r);
    ppq_tensor_unref(&packed);
    return PPQ_OK;
}
