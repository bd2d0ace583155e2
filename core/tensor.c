#include "core/tensor.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAD 64 // vector over-read

struct ppq_buffer {
    atomic_int refs;
    size_t size, capacity;
    unsigned char *data;
    ppq_pool *pool;      // NULL: plain heap
    ppq_buffer *next;    // in the pool's free list
    void (*release)(void *user); // borrowed bytes
    void *user;
    bool borrowed;
    size_t n_items; // of a container: tensors in `data`
};

struct ppq_pool {
    pthread_mutex_t lock;
    ppq_buffer *free;
    size_t live; // buffers out of the pool
    bool dead;   // destroyed while buffers are out
};

ppq_pool *ppq_pool_create(void)
{
    ppq_pool *p = calloc(1, sizeof(*p));
    if (!p)
        abort();
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

static void buffer_free(ppq_buffer *b)
{
    ppq_tensor *items = (ppq_tensor *) (void *) b->data;
    for (size_t i = 0; i < b->n_items; i++)
        ppq_tensor_unref(&items[i]);
    if (b->borrowed) {
        if (b->release)
            b->release(b->user);
    } else {
        free(b->data);
    }
    free(b);
}

static void pool_free(ppq_pool *p)
{
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void ppq_pool_destroy(ppq_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    for (ppq_buffer *b = p->free; b;) {
        ppq_buffer *next = b->next;
        buffer_free(b);
        b = next;
    }
    p->free = NULL;
    p->dead = true;
    const bool last = p->live == 0;
    pthread_mutex_unlock(&p->lock);
    if (last)
        pool_free(p);
}

static void pool_put(ppq_pool *p, ppq_buffer *b)
{
    pthread_mutex_lock(&p->lock);
    p->live--;
    const bool dead = p->dead, last = dead && p->live == 0;
    if (!dead) {
        b->next = p->free;
        p->free = b;
    }
    pthread_mutex_unlock(&p->lock);
    if (dead)
        buffer_free(b);
    if (last)
        pool_free(p);
}

// The smallest free buffer that holds `bytes` and wastes at most half of itself.
static ppq_buffer *pool_get(ppq_pool *p, size_t bytes)
{
    pthread_mutex_lock(&p->lock);
    ppq_buffer **best = NULL;
    for (ppq_buffer **at = &p->free; *at; at = &(*at)->next) {
        const size_t cap = (*at)->capacity;
        if (cap >= bytes && cap / 2 <= bytes + 4096 && (!best || cap < (*best)->capacity))
            best = at;
    }
    ppq_buffer *b = best ? *best : NULL;
    if (b)
        *best = b->next;
    p->live++;
    pthread_mutex_unlock(&p->lock);
    return b;
}

static void pool_forget(ppq_pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->live--;
    pthread_mutex_unlock(&p->lock);
}

unsigned ppq_dtype_bits(ppq_dtype dt)
{
    static const unsigned char bits[PPQ_DT_COUNT] = {
#define X(id, onnx, b, name) [onnx] = (b),
        PPQ_DTYPES(X)
#undef X
    };
    return (unsigned) dt < PPQ_DT_COUNT ? bits[dt] : 0;
}

size_t ppq_dtype_size(ppq_dtype dt)
{
    return ppq_dtype_bits(dt) / 8;
}

static const char *const dtype_names[PPQ_DT_COUNT] = {
#define X(id, onnx, b, name) [onnx] = (name),
    PPQ_DTYPES(X)
#undef X
    [PPQ_DT_SEQUENCE] = "sequence",
    [PPQ_DT_OPTIONAL] = "optional",
};

const char *ppq_dtype_name(ppq_dtype dt)
{
    return (unsigned) dt < PPQ_DT_COUNT && dtype_names[dt] ? dtype_names[dt] : "undefined";
}

ppq_dtype ppq_dtype_find(const char *name, size_t n)
{
    for (int i = 1; i < PPQ_DT_ONNX_END; i++)
        if (strlen(dtype_names[i]) == n && memcmp(dtype_names[i], name, n) == 0)
            return (ppq_dtype) i;
    return PPQ_DT_NONE;
}

bool ppq_dtype_valid(int onnx_type)
{
    return onnx_type > 0 && onnx_type < PPQ_DT_ONNX_END;
}

bool ppq_dtype_is_float(ppq_dtype dt)
{
    return dt == PPQ_DT_F32 || dt == PPQ_DT_F16 || dt == PPQ_DT_BF16 || dt == PPQ_DT_F64;
}

int64_t ppq_shape_numel(const ppq_shape *s)
{
    int64_t n = 1;
    bool zero = false;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0)
            return -1;
        zero |= s->dim[i] == 0;
    }
    if (zero)
        return 0;
    for (int i = 0; i < s->rank; i++) {
        if (n > INT64_MAX / s->dim[i])
            return -1;
        n *= s->dim[i];
    }
    return s->rank < 0 ? -1 : n;
}

bool ppq_shape_known(const ppq_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0)
            return false;
    return s->rank >= 0;
}

bool ppq_shape_equal(const ppq_shape *a, const ppq_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

size_t ppq_shape_bytes(const ppq_shape *s, ppq_dtype dt)
{
    const int64_t n = ppq_shape_numel(s);
    const unsigned bits = ppq_dtype_bits(dt);
    if (n < 0 || !bits || (uint64_t) n > SIZE_MAX / 32)
        return SIZE_MAX;
    return ((size_t) n * bits + 7) / 8;
}

const char *ppq_shape_str(const ppq_shape *s, char *buf, size_t n)
{
    if (n == 0)
        return buf;
    buf[0] = 0;
    if (s->rank < 0)
        snprintf(buf, n, "unknown");
    else if (s->rank == 0)
        snprintf(buf, n, "scalar");
    size_t at = 0;
    for (int i = 0; i < s->rank && at < n; i++) {
        const int k = s->dim[i] < 0 ? snprintf(buf + at, n - at, "%s?", i ? "x" : "")
                                    : snprintf(buf + at, n - at, "%s%lld", i ? "x" : "",
                                               (long long) s->dim[i]);
        at += (size_t) (k > 0 ? k : 0);
    }
    return buf;
}

void ppq_shape_strides(const ppq_shape *s, int64_t *strides)
{
    int64_t n = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        strides[i] = n;
        n = (int64_t) ((uint64_t) n * (uint64_t) s->dim[i]); // wraps when another one is 0
    }
}

ppq_status ppq_tensor_alloc(ppq_tensor *out, ppq_dtype dtype, const ppq_shape *shape)
{
    return ppq_tensor_alloc_pool(out, dtype, shape, NULL);
}

ppq_status ppq_tensor_alloc_pool(ppq_tensor *out, ppq_dtype dtype, const ppq_shape *shape,
                                 ppq_pool *pool)
{
    if (!ppq_dtype_bits(dtype) || !ppq_shape_known(shape))
        return PPQ_ERR_SHAPE;
    const size_t bytes = ppq_shape_bytes(shape, dtype);
    if (bytes > SIZE_MAX / 4)
        return PPQ_ERR_NOMEM;
    ppq_buffer *b = pool ? pool_get(pool, bytes) : NULL;
    if (!b) {
        const size_t cap = (bytes + PAD + 63) & ~(size_t) 63;
        b = calloc(1, sizeof(*b));
        if (b)
            b->data = aligned_alloc(64, cap);
        if (!b || !b->data) {
            free(b);
            if (pool)
                pool_forget(pool);
            return PPQ_ERR_NOMEM;
        }
        b->capacity = cap - PAD;
        b->pool = pool;
    }
    b->size = bytes;
    memset(b->data + bytes, 0, PAD);
    atomic_init(&b->refs, 1);
    *out = (ppq_tensor){ .dtype = dtype, .shape = *shape, .buf = b };
    return PPQ_OK;
}

ppq_status ppq_tensor_borrow(ppq_tensor *out, ppq_dtype dtype, const ppq_shape *shape,
                             void *borrow_data, void (*release)(void *user), void *user)
{
    const size_t bytes = ppq_shape_bytes(shape, dtype);
    if (bytes == SIZE_MAX)
        return PPQ_ERR_SHAPE;
    ppq_buffer *b = calloc(1, sizeof(*b));
    if (!b)
        return PPQ_ERR_NOMEM;
    *b = (ppq_buffer){ .size = bytes,
                       .capacity = bytes,
                       .data = borrow_data,
                       .release = release,
                       .user = user,
                       .borrowed = true };
    atomic_init(&b->refs, 1);
    *out = (ppq_tensor){ .dtype = dtype, .shape = *shape, .buf = b };
    return PPQ_OK;
}

ppq_tensor ppq_tensor_ref(const ppq_tensor *t)
{
    if (t->buf)
        atomic_fetch_add_explicit(&t->buf->refs, 1, memory_order_relaxed);
    return *t;
}

void ppq_tensor_unref(ppq_tensor *t)
{
    if (!t || !t->buf)
        return;
    ppq_buffer *b = t->buf;
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        if (b->pool)
            pool_put(b->pool, b);
        else
            buffer_free(b);
    }
    *t = (ppq_tensor){ 0 };
}

bool ppq_tensor_is_unique(const ppq_tensor *t)
{
    return t->buf && !t->buf->borrowed &&
           atomic_load_explicit(&t->buf->refs, memory_order_acquire) == 1;
}

// A string tensor's text lies behind the array, in the same buffer: the copy's entries must point
// into the copy.
static ppq_status copy_strings(ppq_tensor *t)
{
    const int64_t n = ppq_shape_numel(&t->shape);
    const ppq_string *src = ppq_tensor_data(t);
    size_t text = 0;
    for (int64_t i = 0; i < n; i++)
        text += src[i].size;
    const size_t head = (size_t) n * sizeof(*src);
    const ppq_shape bytes = ppq_shape_1d((int64_t) (head + text));
    ppq_tensor c;
    PPQ_TRY(ppq_tensor_alloc(&c, PPQ_DT_U8, &bytes));
    ppq_string *dst = ppq_tensor_data(&c);
    char *at = (char *) dst + head;
    for (int64_t i = 0; i < n; i++) {
        if (src[i].size)
            memcpy(at, src[i].data, src[i].size);
        dst[i] = (ppq_string){ at, src[i].size };
        at += src[i].size;
    }
    c.dtype = PPQ_DT_STRING;
    c.shape = t->shape;
    ppq_tensor_unref(t);
    *t = c;
    return PPQ_OK;
}

// ---- containers -----------------------------------------------------------------------------

static bool may_hold(ppq_dtype container, const ppq_tensor *item)
{
    const bool tensor = item->buf && !ppq_dtype_is_container(item->dtype);
    return item->layout == PPQ_LAYOUT_PLAIN &&
           (tensor || (item->buf && container == PPQ_DT_OPTIONAL && item->dtype == PPQ_DT_SEQUENCE));
}

ppq_status ppq_container_pack(ppq_tensor *out, ppq_dtype dt, ppq_tensor *take_items, int64_t n)
{
    assert(ppq_dtype_is_container(dt) && n >= 0);
    const ppq_shape shape = ppq_shape_1d(n);
    ppq_status st = dt == PPQ_DT_OPTIONAL && n > 1 ? PPQ_ERR_SHAPE : PPQ_OK;
    for (int64_t i = 0; i < n && st == PPQ_OK; i++)
        st = may_hold(dt, &take_items[i]) ? PPQ_OK : PPQ_ERR_SHAPE;
    ppq_tensor t;
    const ppq_shape bytes = ppq_shape_1d(n * (int64_t) sizeof(*take_items));
    if (st == PPQ_OK)
        st = ppq_tensor_alloc(&t, PPQ_DT_U8, &bytes);
    if (st != PPQ_OK) {
        for (int64_t i = 0; i < n; i++)
            ppq_tensor_unref(&take_items[i]);
        return st;
    }
    if (n) {
        memcpy(ppq_tensor_data(&t), take_items, (size_t) bytes.dim[0]);
        memset(take_items, 0, (size_t) bytes.dim[0]);
    }
    t.buf->n_items = (size_t) n;
    t.dtype = dt;
    t.shape = shape;
    *out = t;
    return PPQ_OK;
}

int64_t ppq_container_count(const ppq_tensor *t)
{
    assert(ppq_dtype_is_container(t->dtype));
    return t->buf ? (int64_t) t->buf->n_items : 0;
}

const ppq_tensor *ppq_container_items(const ppq_tensor *t)
{
    assert(ppq_dtype_is_container(t->dtype));
    return ppq_tensor_data(t);
}

static ppq_status copy_container(ppq_tensor *t)
{
    const int64_t n = ppq_container_count(t);
    ppq_tensor *items = calloc((size_t) n + 1, sizeof(*items)), c;
    if (!items)
        return PPQ_ERR_NOMEM;
    for (int64_t i = 0; i < n; i++)
        items[i] = ppq_tensor_ref(&ppq_container_items(t)[i]);
    const ppq_status st = ppq_container_pack(&c, t->dtype, items, n);
    free(items);
    PPQ_TRY(st);
    ppq_tensor_unref(t);
    *t = c;
    return PPQ_OK;
}

static bool same_items(const ppq_tensor *a, const ppq_tensor *b)
{
    for (int64_t i = 0; i < ppq_container_count(a); i++)
        if (!ppq_tensor_equal(&ppq_container_items(a)[i], &ppq_container_items(b)[i]))
            return false;
    return true;
}

ppq_status ppq_tensor_make_unique(ppq_tensor *t)
{
    if (ppq_tensor_is_unique(t))
        return PPQ_OK;
    if (ppq_dtype_is_container(t->dtype))
        return copy_container(t);
    if (t->dtype == PPQ_DT_STRING)
        return copy_strings(t);
    ppq_tensor c;
    PPQ_TRY(ppq_tensor_alloc(&c, t->dtype, &t->shape));
    c.layout = t->layout;
    memcpy(ppq_tensor_data(&c), ppq_tensor_data(t), ppq_tensor_bytes(t));
    ppq_tensor_unref(t);
    *t = c;
    return PPQ_OK;
}

size_t ppq_tensor_bytes(const ppq_tensor *t)
{
    return t->buf && !ppq_dtype_is_container(t->dtype) ? ppq_shape_bytes(&t->shape, t->dtype) : 0;
}

ppq_status ppq_tensor_reshape(const ppq_tensor *t, const ppq_shape *shape, ppq_tensor *out)
{
    if (t->layout != PPQ_LAYOUT_PLAIN || ppq_shape_numel(shape) < 0 ||
        ppq_shape_numel(shape) != ppq_shape_numel(&t->shape))
        return PPQ_ERR_SHAPE;
    ppq_tensor r = ppq_tensor_ref(t);
    r.shape = *shape;
    *out = r;
    return PPQ_OK;
}

// Transposes each N-slice, rows x cols -> cols x rows, in tiles that stay in L1.
static void transpose_2d(const unsigned char *src, unsigned char *dst, int64_t rows, int64_t cols,
                         size_t es)
{
    enum { TILE = 16 };
    for (int64_t r0 = 0; r0 < rows; r0 += TILE)
        for (int64_t c0 = 0; c0 < cols; c0 += TILE) {
            const int64_t r1 = r0 + TILE < rows ? r0 + TILE : rows;
            const int64_t c1 = c0 + TILE < cols ? c0 + TILE : cols;
            if (es == 4) {
                const uint32_t *s = (const uint32_t *) (const void *) src;
                uint32_t *d = (uint32_t *) (void *) dst;
                for (int64_t c = c0; c < c1; c++)
                    for (int64_t r = r0; r < r1; r++)
                        d[c * rows + r] = s[r * cols + c];
            } else {
                for (int64_t c = c0; c < c1; c++)
                    for (int64_t r = r0; r < r1; r++)
                        memcpy(dst + (size_t) (c * rows + r) * es,
                               src + (size_t) (r * cols + c) * es, es);
            }
        }
}

ppq_status ppq_tensor_to_layout(const ppq_tensor *t, ppq_layout layout, ppq_pool *pool,
                                ppq_tensor *out)
{
    if (t->layout == layout) {
        *out = ppq_tensor_ref(t);
        return PPQ_OK;
    }
    const size_t es = ppq_dtype_size(t->dtype);
    if (t->shape.rank < 3 || !es)
        return PPQ_ERR_SHAPE;
    ppq_tensor r;
    PPQ_TRY(ppq_tensor_alloc_pool(&r, t->dtype, &t->shape, pool));
    r.layout = layout;
    int64_t spatial = 1;
    for (int i = 2; i < t->shape.rank; i++)
        spatial *= t->shape.dim[i];
    const int64_t c = t->shape.dim[1];
    const int64_t rows = layout == PPQ_LAYOUT_CHANNELS_LAST ? c : spatial;
    const int64_t cols = layout == PPQ_LAYOUT_CHANNELS_LAST ? spatial : c;
    for (int64_t n = 0; n < t->shape.dim[0]; n++) {
        const size_t at = (size_t) (n * c * spatial) * es;
        transpose_2d((const unsigned char *) ppq_tensor_data(t) + at,
                     (unsigned char *) ppq_tensor_data(&r) + at, rows, cols, es);
    }
    *out = r;
    return PPQ_OK;
}

void *ppq_tensor_data(const ppq_tensor *t)
{
    assert(t && t->buf);
    return t->buf->data + t->offset;
}

bool ppq_tensor_equal(const ppq_tensor *a, const ppq_tensor *b)
{
    if (a->dtype != b->dtype || a->layout != b->layout || !ppq_shape_equal(&a->shape, &b->shape))
        return false;
    if (!a->buf || !b->buf)
        return a->buf == b->buf;
    if (ppq_dtype_is_container(a->dtype))
        return same_items(a, b);
    if (a->dtype != PPQ_DT_STRING)
        return memcmp(ppq_tensor_data(a), ppq_tensor_data(b), ppq_tensor_bytes(a)) == 0;
    const ppq_string *x = ppq_tensor_data(a), *y = ppq_tensor_data(b);
    for (int64_t i = 0; i < ppq_shape_numel(&a->shape); i++)
        if (x[i].size != y[i].size || memcmp(x[i].data, y[i].data, x[i].size) != 0)
            return false;
    return true;
}

float ppq_f16_to_f32(uint16_t h)
{
    const uint32_t sign = (uint32_t) (h & 0x8000u) << 16, exp = (h >> 10) & 31u;
    uint32_t man = h & 1023u, bits;
    if (exp == 31) {
        bits = sign | 0x7f800000u | man << 13;
    } else if (exp) {
        bits = sign | (exp + 112) << 23 | man << 13;
    } else if (man) {
        uint32_t e = 113;
        while (!(man & 1024u)) {
            man <<= 1;
            e--;
        }
        bits = sign | e << 23 | (man & 1023u) << 13;
    } else {
        bits = sign;
    }
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

uint16_t ppq_f32_to_f16(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof(b));
    const uint32_t sign = (b >> 16) & 0x8000u, abs = b & 0x7fffffffu;
    if (abs >= 0x7f800000u)
        return (uint16_t) (sign | 0x7c00u | (abs > 0x7f800000u ? 0x200u : 0));
    if (abs >= 0x477ff000u) // rounds to 65536 or more
        return (uint16_t) (sign | 0x7c00u);
    if (abs < 0x33000001u) // half of the smallest subnormal or less
        return (uint16_t) sign;
    uint32_t man, shift, base;
    if (abs < 0x38800000u) { // subnormal
        shift = 126 - (abs >> 23);
        man = (abs & 0x7fffffu) | 0x800000u;
        base = 0;
    } else {
        shift = 13;
        man = abs & 0x7fffffu;
        base = ((abs >> 23) - 112) << 10;
    }
    const uint32_t q = man >> shift, rest = man & ((1u << shift) - 1), half = 1u << (shift - 1);
    return (uint16_t) (sign | (base + q + (rest > half || (rest == half && (q & 1u)) ? 1u : 0u)));
}

float ppq_bf16_to_f32(uint16_t h)
{
    const uint32_t bits = (uint32_t) h << 16;
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

uint16_t ppq_f32_to_bf16(float f)
{
    uint32_t b;
    memcpy(&b, &f, sizeof(b));
    if ((b & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t) (b >> 16 | 0x40u);
    return (uint16_t) ((b + 0x7fffu + ((b >> 16) & 1u)) >> 16);
}
