#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/product.h"
#include "executor/ops/real.h"

// Y = softmax(scale Q K' + bias) V for every head, in float32. Several query heads may share one
// head of keys and values; earlier keys and values may come in front of the new ones.

enum { Q, K, V, MASK, PAST_K, PAST_V, VALID }; // inputs
enum { Y, PRESENT_K, PRESENT_V, SCORES };      // outputs
enum { RAW, CAPPED, BIASED, WEIGHTS };         // what SCORES shows

typedef struct attention {
    int64_t batch, heads, kv_heads; // negative where not known yet
    int64_t steps, kv_steps, past, total;
    int64_t size, v_size;
    bool packed; // rank 3: (B, S, heads * size)
} attention;

static ppq_status split(const ppq_args *a, int slot, int64_t *heads, int64_t *batch, int64_t *steps,
                        int64_t *size)
{
    const ppq_shape *s = ppq_args_shape(a, slot);
    if (s->rank < 0)
        return PPQ_OK;
    bool fits = (s->rank == 3 || s->rank == 4) && ppq_dim_merge(*batch, s->dim[0], batch) &&
                ppq_dim_merge(*steps, s->dim[s->rank - 2], steps);
    int64_t each = s->dim[s->rank > 0 ? s->rank - 1 : 0];
    if (fits && s->rank == 4)
        fits = ppq_dim_merge(*heads, s->dim[1], heads);
    else if (fits && each >= 0) {
        fits = *heads > 0 && each % *heads == 0;
        each = fits ? each / *heads : 0;
    }
    char b[192];
    if (!fits || !ppq_dim_merge(*size, each, size))
        return ppq_args_fail(a,
                             "input %d of shape %s does not fit %" PRId64 " heads and the others",
                             slot, ppq_shape_str(s, b, sizeof(b)), *heads);
    return PPQ_OK;
}

static ppq_status plan(const ppq_args *a, attention *t)
{
    const int64_t u = PPQ_DIM_UNKNOWN;
    const ppq_op *op = ppq_args_op(a);
    const bool packed = ppq_args_shape(a, Q)->rank == 3;
    *t = (attention){ u, u, u, u, u, 0, u, u, u, packed };
    if (packed) {
        t->heads = ppq_op_attr_int(op, "q_num_heads", 0);
        t->kv_heads = ppq_op_attr_int(op, "kv_num_heads", 0);
    }
    PPQ_TRY(split(a, Q, &t->heads, &t->batch, &t->steps, &t->size));
    PPQ_TRY(split(a, K, &t->kv_heads, &t->batch, &t->kv_steps, &t->size));
    PPQ_TRY(split(a, V, &t->kv_heads, &t->batch, &t->kv_steps, &t->v_size));
    if (ppq_args_has(a, PAST_K)) {
        t->past = u;
        if (ppq_args_shape(a, PAST_K)->rank == 3 || ppq_args_shape(a, PAST_V)->rank == 3)
            return ppq_args_fail(a, "past keys and values must have rank 4");
        PPQ_TRY(split(a, PAST_K, &t->kv_heads, &t->batch, &t->past, &t->size));
        PPQ_TRY(split(a, PAST_V, &t->kv_heads, &t->batch, &t->past, &t->v_size));
    }
    if (t->heads >= 0 && t->kv_heads >= 0 && (t->kv_heads == 0 || t->heads % t->kv_heads))
        return ppq_args_fail(a, "%" PRId64 " query heads cannot share %" PRId64 " others", t->heads,
                             t->kv_heads);
    t->total = ppq_dim_add(t->past, t->kv_steps);
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    attention t;
    PPQ_TRY(ppq_infer_floats(c, 3, 3));
    PPQ_TRY(plan(&a, &t));
    ppq_shape y = { .rank = -1 };
    if (t.packed)
        y = (ppq_shape){ 3, { t.batch, t.steps, ppq_dim_mul(t.heads, t.v_size) } };
    else if (c->in_shape[Q].rank == 4)
        y = (ppq_shape){ 4, { t.batch, t.heads, t.steps, t.v_size } };
    const ppq_shape key = { 4, { t.batch, t.kv_heads, t.total, t.size } };
    const ppq_shape value = { 4, { t.batch, t.kv_heads, t.total, t.v_size } };
    const ppq_shape scores = { 4, { t.batch, t.heads, t.steps, t.total } };
    PPQ_TRY(ppq_infer_out(c, Y, c->in_dtype[Q], &y));
    PPQ_TRY(ppq_infer_out(c, PRESENT_K, c->in_dtype[K], &key));
    PPQ_TRY(ppq_infer_out(c, PRESENT_V, c->in_dtype[V], &value));
    return ppq_infer_out(c, SCORES, c->in_dtype[Q], &scores);
}

// ---- running --------------------------------------------------------------------------------

// What the heads have in common, and buffers for one of them.
typedef struct work {
    const attention *t;
    ppq_kernel_ctx *c;
    ppq_gemm_fn gemm;
    double scale, softcap;
    bool causal;
    int64_t left, right; // window; negative: unbounded
    int show;
    int64_t mask_stride[4], mask_columns;
    float *key, *key_t, *value; // [total, size], [size, total], [total, v_size]
    float *query, *scores, *y;  // [steps, size], [steps, total], [steps, v_size]
} work;

static const ppq_tensor *input(const work *w, int slot)
{
    return slot < w->c->op->n_in ? w->c->in[slot] : NULL;
}

// The rows of head `h` of a tensor of `n` rows, of either rank.
static void load_head(const ppq_tensor *x, int64_t b, int64_t h, int64_t heads, int64_t n,
                      int64_t size, float *dst)
{
    const bool packed = x->shape.rank == 3;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = packed ? (b * n + i) * heads + h : (b * heads + h) * n + i;
        memcpy(dst + i * size, ppq_f32(x) + row * size, (size_t) size * sizeof(*dst));
    }
}

// Keys or values: the earlier ones, then the new ones; also stored as the present ones.
static void load_kv(const work *w, int64_t b, int64_t h, int slot, int past_slot, int64_t size,
                    float *dst, int present)
{
    const attention *t = w->t;
    if (input(w, past_slot))
        load_head(input(w, past_slot), b, h, t->kv_heads, t->past, size, dst);
    load_head(input(w, slot), b, h, t->kv_heads, t->kv_steps, size, dst + t->past * size);
    if (present < w->c->op->n_out)
        memcpy(ppq_f32(&w->c->out[present]) + (b * t->kv_heads + h) * t->total * size, dst,
               (size_t) (t->total * size) * sizeof(*dst));
}

static void show_scores(const work *w, int64_t b, int64_t h, int stage)
{
    const int64_t n = w->t->steps * w->t->total;
    if (SCORES < w->c->op->n_out && w->show == stage)
        memcpy(ppq_f32(&w->c->out[SCORES]) + (b * w->t->heads + h) * n, w->scores,
               (size_t) n * sizeof(float));
}

static float mask_at(const work *w, const ppq_tensor *m, int64_t at, int64_t j)
{
    if (j >= w->mask_columns)
        return -INFINITY;
    at += j * w->mask_stride[3];
    if (m->dtype == PPQ_DT_BOOL)
        return ((const uint8_t *) ppq_tensor_data(m))[at] ? 0 : -INFINITY;
    return ppq_f32(m)[at];
}

// Excludes keys that are padding, outside the window or masked.
static void add_bias(const work *w, int64_t b, int64_t h)
{
    const attention *t = w->t;
    const ppq_tensor *mask = input(w, MASK), *valid = input(w, VALID);
    int64_t known = t->total, offset = t->past;
    if (valid) {
        ppq_load_i64(valid, b, 1, &known);
        offset = known - t->steps;
    }
    for (int64_t i = 0; i < t->steps; i++) {
        float *row = w->scores + i * t->total;
        const int64_t at = b * w->mask_stride[0] + h * w->mask_stride[1] + i * w->mask_stride[2];
        const int64_t p = offset + i;
        for (int64_t j = 0; j < t->total; j++) {
            const bool out = j >= known || (w->causal && j > p) ||
                             (w->left >= 0 && j < p - w->left) ||
                             (w->right >= 0 && j > p + w->right);
            row[j] = out ? -INFINITY : mask ? row[j] + mask_at(w, mask, at, j) : row[j];
        }
    }
}

// A row without any key left is zero.
static void softmax_row(float *row, int64_t n)
{
    float top = -INFINITY;
    double sum = 0;
    for (int64_t j = 0; j < n; j++)
        top = row[j] > top ? row[j] : top;
    for (int64_t j = 0; j < n; j++) {
        row[j] = isinf(top) ? 0 : expf(row[j] - top);
        sum += (double) row[j];
    }
    const float inverse = sum > 0 ? (float) (1 / sum) : 0;
    for (int64_t j = 0; j < n; j++)
        row[j] *= inverse;
}

static void store_head(const work *w, int64_t b, int64_t h)
{
    const attention *t = w->t;
    for (int64_t i = 0; i < t->steps; i++) {
        const int64_t row =
            t->packed ? (b * t->steps + i) * t->heads + h : (b * t->heads + h) * t->steps + i;
        memcpy(ppq_f32(&w->c->out[Y]) + row * t->v_size, w->y + i * t->v_size,
               (size_t) t->v_size * sizeof(float));
    }
}

static void run_head(const work *w, int64_t b, int64_t h)
{
    const attention *t = w->t;
    const int64_t n = t->steps * t->total;
    load_head(input(w, Q), b, h, t->heads, t->steps, t->size, w->query);
    for (int64_t i = 0; i < t->steps * t->size; i++)
        w->query[i] = (float) ((double) w->query[i] * w->scale);
    w->gemm(t->steps, t->total, t->size, w->query, t->size, 1, w->key_t, w->scores);
    show_scores(w, b, h, RAW);
    for (int64_t i = 0; w->softcap > 0 && i < n; i++)
        w->scores[i] = (float) (w->softcap * tanh((double) w->scores[i] / w->softcap));
    show_scores(w, b, h, CAPPED);
    add_bias(w, b, h);
    show_scores(w, b, h, BIASED);
    for (int64_t i = 0; i < t->steps; i++)
        softmax_row(w->scores + i * t->total, t->total);
    show_scores(w, b, h, WEIGHTS);
    w->gemm(t->steps, t->v_size, t->total, w->scores, t->total, 1, w->value, w->y);
    store_head(w, b, h);
}

static void run_batch(const work *w, int64_t b)
{
    const attention *t = w->t;
    const int64_t shared = t->heads / t->kv_heads;
    const int64_t stride[] = { 1, t->size }, dim[] = { t->size, t->total };
    for (int64_t k = 0; k < t->kv_heads; k++) {
        load_kv(w, b, k, K, PAST_K, t->size, w->key, PRESENT_K);
        load_kv(w, b, k, V, PAST_V, t->v_size, w->value, PRESENT_V);
        ppq_copy_dense(w->key_t, w->key, stride, dim, 2, sizeof(float));
        for (int64_t h = k * shared; h < (k + 1) * shared; h++)
            run_head(w, b, h);
    }
}

// The mask broadcasts to (batch, heads, steps, total), but may have fewer columns.
static ppq_status open_mask(work *w)
{
    const attention *t = w->t;
    const ppq_tensor *m = input(w, MASK);
    if (!m)
        return PPQ_OK;
    ppq_shape s = m->shape, to = { 4, { t->batch, t->heads, t->steps, t->total } };
    bool fits = s.rank >= 1 && s.rank <= 4 && (m->dtype == PPQ_DT_BOOL || m->dtype == PPQ_DT_F32);
    if (fits) {
        const int64_t last = s.dim[s.rank - 1];
        w->mask_columns = last == 1 ? t->total : last;
        to.dim[3] = w->mask_columns;
        ppq_shape all = to;
        fits = ppq_shape_broadcast(&all, &s) && ppq_shape_equal(&all, &to);
    }
    if (!fits)
        return ppq_kernel_fail(w->c, PPQ_ERR_SHAPE, "the mask does not fit the scores");
    ppq_broadcast_strides(&s, &to, w->mask_stride);
    return PPQ_OK;
}

static ppq_status check_valid(const work *w)
{
    const ppq_tensor *v = input(w, VALID);
    if (v && (v->dtype != PPQ_DT_I64 || ppq_shape_numel(&v->shape) != w->t->batch))
        return ppq_kernel_fail(w->c, PPQ_ERR_SHAPE, "nonpad_kv_seqlen is not int64 per batch");
    return PPQ_OK;
}

static ppq_status allocate(work *w, ppq_tensor *memory)
{
    const attention *t = w->t;
    const struct {
        float **at;
        int64_t rows, columns;
    } part[] = { { &w->key, t->total, t->size },     { &w->key_t, t->total, t->size },
                 { &w->value, t->total, t->v_size }, { &w->query, t->steps, t->size },
                 { &w->scores, t->steps, t->total }, { &w->y, t->steps, t->v_size } };
    int64_t n = 0;
    for (size_t i = 0; i < PPQ_COUNT(part); i++)
        n = ppq_dim_add(n, ppq_dim_mul(part[i].rows, part[i].columns));
    n = ppq_dim_mul(n, (int64_t) sizeof(float));
    if (n < 0)
        return ppq_kernel_fail(w->c, PPQ_ERR_NOMEM, "its buffers would be too large");
    PPQ_TRY(ppq_kernel_temp(w->c, (size_t) n, memory));
    float *next = ppq_tensor_data(memory);
    for (size_t i = 0; i < PPQ_COUNT(part); i++) {
        *part[i].at = next;
        next += part[i].rows * part[i].columns;
    }
    return PPQ_OK;
}

static ppq_status run(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    attention t;
    PPQ_TRY(plan(&a, &t));
    if (ppq_args_has(&a, PAST_K) != ppq_args_has(&a, PAST_V))
        return ppq_args_fail(&a, "past keys and past values must be given together");
    for (int i = Q; i <= V; i++)
        if (c->in[i]->dtype != PPQ_DT_F32)
            return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "float64 is not supported");
    work w = { .t = &t, .c = c, .gemm = ppq_gemm_of(PPQ_DT_F32) };
    const double natural = t.size > 0 ? 1 / sqrt((double) t.size) : 1;
    w.scale = ppq_op_attr(c->op, "scale") ? (double) ppq_op_attr_float(c->op, "scale", 1) : natural;
    w.softcap = (double) ppq_op_attr_float(c->op, "softcap", 0);
    w.causal = ppq_op_attr_int(c->op, "is_causal", 0) != 0;
    w.left = PPQ_MIN(ppq_op_attr_int(c->op, "left_window_size", -1), INT32_MAX);
    w.right = PPQ_MIN(ppq_op_attr_int(c->op, "right_window_size", -1), INT32_MAX);
    w.show = (int) PPQ_MIN(PPQ_MAX(ppq_op_attr_int(c->op, "qk_matmul_output_mode", 0), 0), WEIGHTS);
    ppq_tensor memory;
    PPQ_TRY(open_mask(&w));
    PPQ_TRY(check_valid(&w));
    PPQ_TRY(allocate(&w, &memory));
    for (int64_t b = 0; b < t.batch; b++)
        run_batch(&w, b);
    ppq_tensor_unref(&memory);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    return ppq_run_widened(c, run);
}

const ppq_op_def ppq_op_attention = {
    .type = "Attention",
    .domain = "",
    .opset_min = 23,
    .in_min = 3,
    .in_max = 7,
    .out_min = 1,
    .out_max = 4,
    .fp32_in = 0x48, // mask, nonpad_kv_seqlen
    .infer = infer,
    .forward = forward,
};
