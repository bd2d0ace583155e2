#include "executor/dnnl/product.h"

#include <stdlib.h>

struct ppq_dnnl_product {
    ppq_dnnl_matrices s;
    int64_t tile_m, tile_n;
    int64_t n_rows, n_cols; // tiles
    ppq_dnnl_op *op[2][2];  // for full and for last tiles: [rows][columns]
    ppq_tensor *packed;     // [n_cols][2 as op's rows], or NULL
    int64_t left_batch[PPQ_MAX_RANK], right_batch[PPQ_MAX_RANK]; // strides, in matrices
    size_t scratch;                                              // bytes of one worker
};

static int64_t round_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

// Four tiles or a multiple of it, which two or four threads share evenly, unless they get so small
// that the library gets slow.
static void choose_tiles(ppq_dnnl_product *p)
{
    const int64_t m = p->s.m, n = p->s.n;
    const int64_t parts = 4 * (1 + (n - 1) / 1024);
    p->tile_n = n < 128 ? n : PPQ_MAX(round_up((n + parts - 1) / parts, 16), 64);
    p->n_cols = (n + p->tile_n - 1) / p->tile_n;
    p->tile_m = p->n_cols >= 4 || m < 96 ? m : round_up((m + 3) / 4, 16);
    p->n_rows = (m + p->tile_m - 1) / p->tile_m;
}

static int64_t tile_size(int64_t whole, int64_t tile, int64_t i)
{
    return PPQ_MIN(tile, whole - i * tile);
}

// Whether tile i is the shorter last one.
static int is_last(int64_t whole, int64_t tile, int64_t i)
{
    return tile_size(whole, tile, i) < tile;
}

static ppq_dnnl_md matrix(int64_t rows, int64_t cols, int64_t row_step, int64_t col_step)
{
    return (ppq_dnnl_md){
        .dtype = PPQ_DT_F32, .rank = 2, .dim = { rows, cols }, .stride = { row_step, col_step }
    };
}

static ppq_dnnl_md right_md(const ppq_dnnl_product *p, int64_t cols)
{
    return matrix(p->s.k, cols, p->s.right_step[0], p->s.right_step[1]);
}

static ppq_status make_op(ppq_dnnl_product *p, int64_t row, int64_t col, bool pack)
{
    ppq_dnnl_op **op = &p->op[is_last(p->s.m, p->tile_m, row)][is_last(p->s.n, p->tile_n, col)];
    if (*op)
        return PPQ_OK;
    const int64_t rows = tile_size(p->s.m, p->tile_m, row);
    const int64_t cols = tile_size(p->s.n, p->tile_n, col);
    ppq_dnnl_operands m = { .src = matrix(rows, p->s.k, p->s.left_step[0], p->s.left_step[1]),
                            .weights = right_md(p, cols),
                            .dst = matrix(rows, cols, p->s.n, 1) };
    if (pack)
        m.weights = ppq_dnnl_md_any(&m.weights);
    if (p->s.bias)
        m.bias = matrix(1, cols, cols, 1);
    PPQ_TRY(ppq_dnnl_matmul(&m, NULL, op));
    const size_t bytes = (ppq_dnnl_scratch_bytes(*op) + 63) / 64 * 64;
    p->scratch = PPQ_MAX(p->scratch, bytes);
    return PPQ_OK;
}

// One thread each, whatever the caller has set.
static ppq_status make_ops(ppq_dnnl_product *p, bool pack)
{
    const int before = ppq_dnnl_get_threads();
    ppq_dnnl_set_threads(1);
    ppq_status st = PPQ_OK;
    for (int64_t i = 0; st == PPQ_OK && i < 4; i++)
        st = make_op(p, i & 1 ? p->n_rows - 1 : 0, i & 2 ? p->n_cols - 1 : 0, pack);
    ppq_dnnl_set_threads(before);
    return st;
}

static ppq_status pack_right(ppq_dnnl_product *p, const ppq_tensor *right)
{
    p->packed = calloc((size_t) p->n_cols * 2, sizeof(*p->packed));
    if (!p->packed)
        return PPQ_ERR_NOMEM;
    for (int64_t col = 0; col < p->n_cols; col++) {
        const ppq_dnnl_md md = right_md(p, tile_size(p->s.n, p->tile_n, col));
        ppq_tensor part = *right; // borrowed
        part.offset += (size_t) (col * p->tile_n * p->s.right_step[1]) * sizeof(float);
        for (int last = 0; last < 2; last++) {
            const ppq_dnnl_op *op = p->op[last][is_last(p->s.n, p->tile_n, col)];
            if (op)
                PPQ_TRY(
                    ppq_dnnl_pack(op, PPQ_DNNL_WEIGHTS, &md, &part, &p->packed[col * 2 + last]));
        }
    }
    return PPQ_OK;
}

ppq_status ppq_dnnl_product_create(const ppq_dnnl_matrices *m, const ppq_tensor *right,
                                   ppq_dnnl_product **out)
{
    ppq_dnnl_product *p = calloc(1, sizeof(*p));
    if (!p)
        return PPQ_ERR_NOMEM;
    p->s = *m;
    choose_tiles(p);
    ppq_broadcast_strides(&m->left_batch, &m->batch, p->left_batch);
    ppq_broadcast_strides(&m->right_batch, &m->batch, p->right_batch);
    const bool pack = right && ppq_shape_numel(&m->right_batch) == 1;
    ppq_status st = make_ops(p, pack);
    if (st == PPQ_OK && pack)
        st = pack_right(p, right);
    if (st == PPQ_OK)
        *out = p;
    else
        ppq_dnnl_product_destroy(p);
    return st;
}

void ppq_dnnl_product_destroy(ppq_dnnl_product *p)
{
    if (!p)
        return;
    for (int64_t i = 0; p->packed && i < p->n_cols * 2; i++)
        ppq_tensor_unref(&p->packed[i]);
    for (int i = 0; i < 4; i++)
        ppq_dnnl_op_destroy(p->op[i & 1][i >> 1]);
    free(p->packed);
    free(p);
}

// One execution.
typedef struct job {
    const ppq_dnnl_product *p;
    const float *left, *right, *bias;
    float *dst;
    unsigned char *scratch; // of every worker
    ppq_status *status;     // of every worker
} job;

// Tile i: batch, rows, columns.
static void run_tile(void *user, int64_t i, int worker)
{
    const job *j = user;
    const ppq_dnnl_product *p = j->p;
    const ppq_dnnl_matrices *s = &p->s;
    const int64_t col = i % p->n_cols, row = i / p->n_cols % p->n_rows;
    const int64_t b = i / (p->n_cols * p->n_rows);
    int64_t lb = 0, rb = 0, rest = b;
    for (int d = s->batch.rank - 1; d >= 0; d--) {
        lb += rest % s->batch.dim[d] * p->left_batch[d];
        rb += rest % s->batch.dim[d] * p->right_batch[d];
        rest /= s->batch.dim[d];
    }
    const int last_row = is_last(s->m, p->tile_m, row), last_col = is_last(s->n, p->tile_n, col);
    const float *right = p->packed
                             ? ppq_f32(&p->packed[col * 2 + last_row])
                             : j->right + rb * s->k * s->n + col * p->tile_n * s->right_step[1];
    const ppq_dnnl_bind bind[] = {
        { PPQ_DNNL_SRC, j->left + lb * s->m * s->k + row * p->tile_m * s->left_step[0] },
        { PPQ_DNNL_WEIGHTS, right },
        { PPQ_DNNL_DST, j->dst + b * s->m * s->n + row * p->tile_m * s->n + col * p->tile_n },
        { PPQ_DNNL_BIAS, j->bias ? j->bias + col * p->tile_n : NULL },
    };
    unsigned char *scratch = p->scratch ? j->scratch + (size_t) worker * p->scratch : NULL;
    const ppq_status st = ppq_dnnl_exec(p->op[last_row][last_col], bind, PPQ_COUNT(bind), scratch);
    if (st != PPQ_OK)
        j->status[worker] = st;
}

ppq_status ppq_dnnl_product_run(const ppq_dnnl_product *p, ppq_kernel_ctx *c,
                                const ppq_tensor *left, const ppq_tensor *right,
                                const ppq_tensor *bias, ppq_tensor *dst)
{
    const int64_t tiles = ppq_shape_numel(&p->s.batch) * p->n_rows * p->n_cols;
    ppq_tensor scratch;
    PPQ_TRY(ppq_kernel_temp(c, p->scratch * (size_t) c->n_threads, &scratch));
    job j = { .p = p,
              .left = ppq_f32(left),
              .right = ppq_f32(right),
              .bias = bias ? ppq_f32(bias) : NULL,
              .dst = ppq_f32(dst),
              .scratch = ppq_tensor_data(&scratch),
              .status = ppq_new_n(c->scratch, ppq_status, (size_t) c->n_threads) };
    ppq_dnnl_parallel(c->n_threads, tiles, run_tile, &j);
    ppq_tensor_unref(&scratch);
    for (int i = 0; i < c->n_threads; i++)
        if (j.status[i] != PPQ_OK)
            return ppq_kernel_fail(c, j.status[i], "oneDNN's %s failed",
                                   ppq_dnnl_impl(p->op[0][0]));
    return PPQ_OK;
}
