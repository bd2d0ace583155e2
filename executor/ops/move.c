#include "executor/ops/move.h"

#include <assert.h>
#include <string.h>

#include "executor/ops/convert.h"

typedef struct wide {
    uint64_t lo, hi;
} wide;

static bool joins(int64_t outer_stride, int64_t inner_stride, int64_t inner_dim)
{
    return outer_stride == inner_stride * inner_dim;
}

int ppq_dims_collapse(int rank, int64_t *dim, int64_t *const *strides, int n)
{
    int k = 0; // dimensions kept; dim[k - 1] is the last of them
    for (int i = 0; i < rank; i++) {
        if (dim[i] == 1)
            continue;
        bool join = k > 0;
        for (int j = 0; j < n && join; j++)
            join = joins(strides[j][k - 1], strides[j][i], dim[i]);
        const int to = join ? k - 1 : k++;
        dim[to] = join ? dim[to] * dim[i] : dim[i];
        for (int j = 0; j < n; j++)
            strides[j][to] = strides[j][i];
    }
    if (k == 0) {
        dim[0] = 1;
        for (int j = 0; j < n; j++)
            strides[j][0] = 1;
        k = 1;
    }
    return k;
}

#define STRIDED(type)                   \
    do {                                \
        type *d = dst;                  \
        const type *s = src;            \
        for (int64_t i = 0; i < n; i++) \
            d[i * ds] = s[i * ss];      \
    } while (0)

static void copy_strided(void *dst, int64_t ds, const void *src, int64_t ss, int64_t n, size_t es)
{
    switch (es) {
    case 1:
        STRIDED(uint8_t);
        break;
    case 2:
        STRIDED(uint16_t);
        break;
    case 4:
        STRIDED(uint32_t);
        break;
    case 8:
        STRIDED(uint64_t);
        break;
    default:
        STRIDED(wide);
        break;
    }
}

static void copy_row(void *dst, int64_t ds, const void *src, int64_t ss, int64_t n, size_t es)
{
    if (ds == 1 && ss == 1)
        memcpy(dst, src, (size_t) n * es);
    else if (ds == 1 && ss == 0)
        ppq_fill(dst, src, n, es);
    else
        copy_strided(dst, ds, src, ss, n, es);
}

// dst is dense along the last dimension and src along the one before: in tiles that stay in L1.
static void copy_tiles(unsigned char *dst, const int64_t *ds, const unsigned char *src,
                       const int64_t *ss, const int64_t *dim, size_t es)
{
    enum { TILE = 32 };
    const int64_t w = (int64_t) es;
    for (int64_t i0 = 0; i0 < dim[0]; i0 += TILE)
        for (int64_t j0 = 0; j0 < dim[1]; j0 += TILE) {
            const int64_t i1 = PPQ_MIN(i0 + TILE, dim[0]),
                          nj = PPQ_MIN(dim[1] - j0, (int64_t) TILE);
            for (int64_t i = i0; i < i1; i++)
                copy_strided(dst + (i * ds[0] + j0 * ds[1]) * w, ds[1],
                             src + (i * ss[0] + j0 * ss[1]) * w, ss[1], nj, es);
        }
}

static void swap(int64_t *v, int a, int b)
{
    const int64_t t = v[a];
    v[a] = v[b];
    v[b] = t;
}

void ppq_copy_nd(void *dst, const int64_t *dst_stride, const void *src, const int64_t *src_stride,
                 const int64_t *dim, int rank, size_t es)
{
    int64_t d[PPQ_MOVE_RANK], ds[PPQ_MOVE_RANK], ss[PPQ_MOVE_RANK];
    assert(rank <= PPQ_MOVE_RANK);
    for (int i = 0; i < rank; i++) {
        if (dim[i] == 0)
            return;
        d[i] = dim[i];
        ds[i] = dst_stride[i];
        ss[i] = src_stride[i];
    }
    const int r = ppq_dims_collapse(rank, d, (int64_t *const[]){ ds, ss }, 2);
    bool tiles = false;
    if (r >= 2 && ds[r - 1] == 1 && ss[r - 1] != 1 && ss[r - 1] != 0)
        for (int k = r - 2; k >= 0 && !tiles; k--)
            if (ss[k] == 1) {
                swap(d, k, r - 2);
                swap(ds, k, r - 2);
                swap(ss, k, r - 2);
                tiles = true;
            }
    const int outer = r - (tiles ? 2 : 1);
    int64_t at[PPQ_MOVE_RANK] = { 0 };
    unsigned char *to = dst;
    const unsigned char *from = src;
    const int64_t w = (int64_t) es;
    for (;;) {
        if (tiles)
            copy_tiles(to, ds + outer, from, ss + outer, d + outer, es);
        else
            copy_row(to, ds[outer], from, ss[outer], d[outer], es);
        int i = outer - 1;
        for (; i >= 0; i--) {
            to += ds[i] * w;
            from += ss[i] * w;
            if (++at[i] < d[i])
                break;
            to -= ds[i] * w * d[i];
            from -= ss[i] * w * d[i];
            at[i] = 0;
        }
        if (i < 0)
            return;
    }
}

void ppq_copy_dense(void *dst, const void *src, const int64_t *src_stride, const int64_t *dim,
                    int rank, size_t es)
{
    int64_t ds[PPQ_MOVE_RANK], n = 1;
    for (int i = 0; i < rank; i++)
        if (dim[i] == 0)
            return; // the others may be absurd
    for (int i = rank - 1; i >= 0; i--) {
        ds[i] = n;
        n *= dim[i];
    }
    ppq_copy_nd(dst, ds, src, src_stride, dim, rank, es);
}

#define MAPPED(type)                    \
    do {                                \
        type *d = dst;                  \
        const type *s = src;            \
        for (int64_t i = 0; i < n; i++) \
            d[i] = s[at[i]];            \
    } while (0)

static void copy_row_mapped(void *dst, const void *src, const int64_t *at, int64_t n, size_t es)
{
    switch (es) {
    case 1:
        MAPPED(uint8_t);
        break;
    case 2:
        MAPPED(uint16_t);
        break;
    case 4:
        MAPPED(uint32_t);
        break;
    case 8:
        MAPPED(uint64_t);
        break;
    default:
        MAPPED(wide);
        break;
    }
}

void ppq_copy_mapped(const ppq_tensor *src, ppq_tensor *dst, int64_t *const *table)
{
    const int last = dst->shape.rank - 1;
    const int64_t total = ppq_shape_numel(&dst->shape), row = dst->shape.dim[last];
    int64_t at[PPQ_MAX_RANK] = { 0 };
    for (int64_t done = 0; done < total; done += row) {
        int64_t base = 0;
        for (int i = 0; i < last; i++)
            base += table[i][at[i]];
        copy_row_mapped(ppq_element(dst, done), ppq_element(src, base), table[last], row,
                        ppq_dtype_size(dst->dtype));
        for (int i = last - 1; i >= 0 && ++at[i] == dst->shape.dim[i]; i--)
            at[i] = 0;
    }
}

void ppq_fill(void *dst, const void *element, int64_t n, size_t es)
{
    const void *src = element;
    const int64_t ds = 1, ss = 0;
    if (es == 1 && n > 0)
        memset(dst, *(const unsigned char *) element, (size_t) n);
    else
        copy_strided(dst, ds, src, ss, n, es);
}

ppq_status ppq_run_own_strings(ppq_kernel_ctx *c, int i)
{
    const ppq_tensor *t = &c->out[i];
    const ppq_string *s = ppq_tensor_data(t);
    const int64_t n = ppq_shape_numel(&t->shape);
    size_t chars = 0;
    for (int64_t k = 0; k < n; k++)
        chars += s[k].size;
    const size_t head = (size_t) n * sizeof(*s);
    const ppq_shape bytes = ppq_shape_1d((int64_t) (head + chars));
    ppq_tensor own;
    if (ppq_tensor_alloc_pool(&own, PPQ_DT_U8, &bytes, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate %zu bytes of strings",
                               head + chars);
    ppq_string *dst = ppq_tensor_data(&own);
    char *at = (char *) ppq_tensor_data(&own) + head;
    for (int64_t k = 0; k < n; k++) {
        if (s[k].size)
            memcpy(at, s[k].data, s[k].size);
        dst[k] = (ppq_string){ at, s[k].size };
        at += s[k].size;
    }
    own.dtype = PPQ_DT_STRING;
    own.shape = t->shape;
    ppq_tensor_unref(&c->out[i]);
    c->out[i] = own;
    return PPQ_OK;
}

// The integer type of the same width, whose codes are the elements.
static ppq_dtype packed_code(ppq_dtype dt)
{
    switch (ppq_dtype_bits(dt)) {
    case 2:
        return PPQ_DT_U2;
    case 4:
        return PPQ_DT_U4;
    default:
        return PPQ_DT_NONE;
    }
}

static ppq_status unpack(ppq_kernel_ctx *c, const ppq_tensor *from, ppq_tensor *to)
{
    ppq_tensor codes = *from;
    codes.dtype = packed_code(from->dtype);
    if (ppq_tensor_alloc_pool(to, PPQ_DT_U8, &from->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate an unpacked copy");
    ppq_convert(&codes, to, PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

static ppq_status run_unpacked(ppq_kernel_ctx *c, ppq_dtype dt,
                               ppq_status (*run)(ppq_kernel_ctx *c))
{
    const int n_in = c->op->n_in, n_out = c->op->n_out;
    ppq_tensor *in = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_in);
    ppq_tensor *out = ppq_new_n(c->scratch, ppq_tensor, (size_t) n_out);
    const ppq_tensor **in_ptr = ppq_new_n(c->scratch, const ppq_tensor *, (size_t) n_in);
    ppq_kernel_ctx wide_ctx = *c;
    wide_ctx.in = in_ptr;
    wide_ctx.out = out;
    ppq_status st = PPQ_OK;
    for (int i = 0; i < n_in; i++) {
        in_ptr[i] = c->in[i];
        if (!c->in[i] || c->in[i]->dtype != dt)
            continue;
        if ((st = unpack(c, c->in[i], &in[i])) != PPQ_OK)
            goto fail;
        in_ptr[i] = &in[i];
    }
    if ((st = run(&wide_ctx)) != PPQ_OK)
        goto fail;
    for (int i = 0; i < n_out; i++) {
        if (out[i].dtype != PPQ_DT_U8) {
            ppq_tensor_unref(&c->out[i]);
            c->out[i] = ppq_tensor_ref(&out[i]);
            continue;
        }
        if ((st = ppq_run_out(c, i, dt, &out[i].shape)) != PPQ_OK)
            goto fail;
        ppq_tensor codes = c->out[i];
        codes.dtype = packed_code(dt);
        ppq_convert(&out[i], &codes, PPQ_CONVERT_DEFAULT);
    }
fail:
    for (int i = 0; i < n_in; i++)
        ppq_tensor_unref(&in[i]);
    for (int i = 0; i < n_out; i++)
        ppq_tensor_unref(&out[i]);
    return st;
}

ppq_status ppq_run_moved(ppq_kernel_ctx *c, int slot, ppq_status (*run)(ppq_kernel_ctx *c))
{
    if (packed_code(c->in[slot]->dtype) != PPQ_DT_NONE)
        return run_unpacked(c, c->in[slot]->dtype, run);
    PPQ_TRY(run(c));
    for (int i = 0; i < c->op->n_out; i++)
        if (c->out[i].buf && c->out[i].dtype == PPQ_DT_STRING)
            PPQ_TRY(ppq_run_own_strings(c, i));
    return PPQ_OK;
}

ppq_status ppq_run_copy(ppq_kernel_ctx *c, const ppq_shape *s)
{
    PPQ_TRY(ppq_run_out(c, 0, c->in[0]->dtype, s));
    const size_t bytes = ppq_tensor_bytes(c->in[0]);
    if (ppq_shape_numel(s) != ppq_shape_numel(&c->in[0]->shape))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "the element counts of input and output differ");
    if (bytes)
        memcpy(ppq_tensor_data(&c->out[0]), ppq_tensor_data(c->in[0]), bytes);
    return c->in[0]->dtype == PPQ_DT_STRING ? ppq_run_own_strings(c, 0) : PPQ_OK;
}

ppq_status ppq_run_copy_plan(ppq_kernel_ctx *c, ppq_plan plan)
{
    const ppq_args a = ppq_args_run(c);
    ppq_shape out;
    PPQ_TRY(plan(&a, &out));
    return ppq_run_copy(c, &out);
}
