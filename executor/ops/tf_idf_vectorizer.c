#include <inttypes.h>

#include "executor/ops/convert.h"
#include "executor/ops/text.h"
#include "executor/ops/types.h"

// Counts known n-grams in each row of tokens: Y[row, ngram_indexes[i]] is how often n-gram i of the
// pool occurs, with up to max_skip_count tokens between its own; weighted if the mode says so.

enum mode { TF, IDF, TFIDF };

// Tokens are compared as bytes, integers as those of an int64.
typedef struct vectorizer {
    const ppq_string *pool;
    int64_t n_pool;
    const int64_t *start, *index; // first token of n-grams of each size; output per n-gram
    int64_t n_sizes, n_grams;
    int64_t min, max, skip, width; // width of the output
    uint32_t *slot;                // hash table: n-gram number + 1
    size_t n_slots;                // power of two
    const int64_t *first;          // [n_grams] first token
    const int64_t *size;           // [n_grams] tokens
} vectorizer;

static ppq_status width_of(const ppq_args *a, int64_t *out)
{
    const int64_t *index;
    const size_t n = ppq_op_attr_ints(ppq_args_op(a), "ngram_indexes", &index);
    int64_t last = -1;
    for (size_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] >= INT32_MAX)
            return ppq_args_fail(a, "ngram_indexes[%zu] is %" PRId64 ", the legal range is [0, %d)",
                                 i, index[i], INT32_MAX);
        last = PPQ_MAX(last, index[i]);
    }
    *out = last + 1;
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape s = c->in_shape[0];
    int64_t width = 0;
    PPQ_TRY(width_of(&a, &width));
    if (s.rank == 0 || s.rank > 2)
        return ppq_infer_fail(c, "the input must have one or two dimensions");
    if (s.rank > 0)
        s.dim[s.rank - 1] = width;
    return ppq_infer_out(c, 0, PPQ_DT_F32, &s);
}

// Integers as strings of eight bytes.
static const ppq_string *as_text(ppq_arena *a, const int64_t *v, int64_t n)
{
    ppq_string *s = ppq_new_n(a, ppq_string, (size_t) n + 1);
    for (int64_t i = 0; i < n; i++)
        s[i] = (ppq_string){ (const char *) (v + i), sizeof(*v) };
    return s;
}

static ppq_status tokens(ppq_kernel_ctx *c, vectorizer *v, const ppq_string **x)
{
    const int64_t n = ppq_shape_numel(&c->in[0]->shape), *ints;
    const ppq_attr *strings = ppq_op_attr(c->op, "pool_strings");
    const ppq_dtype dt = c->in[0]->dtype;
    if (dt == PPQ_DT_STRING && strings && strings->kind == PPQ_ATTR_STRINGS) {
        v->pool = strings->u.strings;
        v->n_pool = (int64_t) strings->count;
        *x = ppq_strings(c->in[0]);
        return PPQ_OK;
    }
    v->n_pool = (int64_t) ppq_op_attr_ints(c->op, "pool_int64s", &ints);
    if ((dt != PPQ_DT_I64 && dt != PPQ_DT_I32) || !v->n_pool)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL, "it has no pool of n-grams for an input of %s",
                               ppq_dtype_name(dt));
    int64_t *wide = ppq_new_n(c->scratch, int64_t, (size_t) n + 1);
    ppq_load_i64(c->in[0], 0, n, wide);
    *x = as_text(c->scratch, wide, n);
    v->pool = as_text(c->scratch, ints, v->n_pool);
    return PPQ_OK;
}

static uint64_t hash_token(uint64_t h, ppq_string s)
{
    for (size_t i = 0; i < s.size; i++)
        h = (h ^ (unsigned char) s.data[i]) * UINT64_C(0x100000001b3);
    return (h ^ s.size) * UINT64_C(0x9e3779b97f4a7c15);
}

// The slot of the n-gram x[0], x[step], ... of `size` tokens, or the free one where it belongs.
static uint32_t *find(const vectorizer *v, const ppq_string *x, int64_t step, int64_t size)
{
    uint64_t h = (uint64_t) size;
    for (int64_t i = 0; i < size; i++)
        h = hash_token(h, x[i * step]);
    for (size_t at = (size_t) (h >> 20) & (v->n_slots - 1);; at = (at + 1) & (v->n_slots - 1)) {
        uint32_t *slot = &v->slot[at];
        if (!*slot)
            return slot;
        const int64_t gram = *slot - 1;
        bool same = v->size[gram] == size;
        for (int64_t i = 0; i < size && same; i++)
            same = ppq_string_same(v->pool[v->first[gram] + i], x[i * step]);
        if (same)
            return slot;
    }
}

static ppq_status check(ppq_kernel_ctx *c, const vectorizer *v)
{
    int64_t grams = 0;
    for (int64_t i = 0; i < v->n_sizes; i++) {
        const int64_t end = i + 1 < v->n_sizes ? v->start[i + 1] : v->n_pool;
        if (v->start[i] < 0 || end > v->n_pool || end < v->start[i] ||
            (end - v->start[i]) % (i + 1))
            return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                                   "ngram_counts does not cut the pool of %" PRId64 " into n-grams",
                                   v->n_pool);
        grams += (end - v->start[i]) / (i + 1);
    }
    if (grams != v->n_grams)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "it has %" PRId64 " n-grams and %" PRId64 " ngram_indexes", grams,
                               v->n_grams);
    if (v->min < 1 || v->max < v->min || v->max > v->n_sizes || v->skip < 0)
        return ppq_kernel_fail(c, PPQ_ERR_MODEL,
                               "n-grams of %" PRId64 " to %" PRId64 " tokens, at most %" PRId64
                               " skipped, are not in the pool",
                               v->min, v->max, v->skip);
    return PPQ_OK;
}

static ppq_status open_pool(ppq_kernel_ctx *c, vectorizer *v)
{
    v->n_sizes = (int64_t) ppq_op_attr_ints(c->op, "ngram_counts", &v->start);
    v->n_grams = (int64_t) ppq_op_attr_ints(c->op, "ngram_indexes", &v->index);
    v->min = ppq_op_attr_int(c->op, "min_gram_length", 1);
    v->max = ppq_op_attr_int(c->op, "max_gram_length", 1);
    v->skip = ppq_op_attr_int(c->op, "max_skip_count", 0);
    PPQ_TRY(check(c, v));
    int64_t *first = ppq_new_n(c->scratch, int64_t, (size_t) v->n_grams + 1);
    int64_t *size = ppq_new_n(c->scratch, int64_t, (size_t) v->n_grams + 1);
    v->first = first;
    v->size = size;
    for (v->n_slots = 16; v->n_slots < 2 * (size_t) v->n_grams; v->n_slots *= 2)
        continue;
    v->slot = ppq_new_n(c->scratch, uint32_t, v->n_slots);
    int64_t gram = 0;
    for (int64_t k = 1; k <= v->n_sizes; k++) {
        const int64_t end = k < v->n_sizes ? v->start[k] : v->n_pool;
        for (int64_t at = v->start[k - 1]; at < end; at += k, gram++) {
            first[gram] = at;
            size[gram] = k;
            *find(v, v->pool + at, 1, k) = (uint32_t) gram + 1;
        }
    }
    return PPQ_OK;
}

static void count_row(const vectorizer *v, const ppq_string *x, int64_t n, float *y)
{
    for (int64_t size = v->min; size <= v->max; size++)
        // One token has nothing between its own.
        for (int64_t step = 1; step <= (size == 1 ? 1 : v->skip + 1); step++) {
            if (size > 1 && step > (n - 1) / (size - 1))
                break; // longer than the row
            for (int64_t at = 0; at + step * (size - 1) < n; at++) {
                const uint32_t gram = *find(v, x + at, step, size);
                if (gram)
                    y[v->index[gram - 1]] += 1;
            }
        }
}

static void weigh(ppq_kernel_ctx *c, enum mode mode, float *y, int64_t width)
{
    const ppq_attr *w = ppq_op_attr(c->op, "weights");
    for (int64_t i = 0; i < width && mode != TF; i++) {
        const bool given = w && w->kind == PPQ_ATTR_FLOATS && (size_t) i < w->count;
        y[i] = (mode == IDF ? (float) (y[i] > 0) : y[i]) * (given ? w->u.floats[i] : 1);
    }
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    static const char *const modes[] = { "TF", "IDF", "TFIDF", NULL };
    const ppq_args a = ppq_args_run(c);
    const ppq_shape *s = &c->in[0]->shape;
    const int64_t columns = s->dim[s->rank - 1], rows = s->rank == 2 ? s->dim[0] : 1;
    const ppq_string *x = NULL;
    vectorizer v = { 0 };
    int mode;
    PPQ_TRY(ppq_args_choice(&a, "mode", modes, &mode));
    PPQ_TRY(width_of(&a, &v.width));
    PPQ_TRY(tokens(c, &v, &x));
    PPQ_TRY(open_pool(c, &v));
    float *y = ppq_f32(&c->out[0]);
    for (int64_t r = 0; r < rows; r++, y += v.width) {
        for (int64_t i = 0; i < v.width; i++)
            y[i] = 0;
        count_row(&v, x + r * columns, columns, y);
        weigh(c, (enum mode) mode, y, v.width);
    }
    return PPQ_OK;
}

const ppq_op_def ppq_op_tf_idf_vectorizer = {
    .type = "TfIdfVectorizer",
    .domain = "",
    .opset_min = 9,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .fp32_in = 0x1,
    .infer = infer,
    .forward = forward,
};
