#include "executor/ops/stack.h"

#include <inttypes.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/move.h"

static ppq_shape without_axis(const ppq_shape *s, int axis)
{
    ppq_shape r = { .rank = s->rank - 1 };
    for (int i = 0; i < r.rank; i++)
        r.dim[i] = s->dim[i + (i >= axis)];
    return r;
}

ppq_status ppq_unstack(ppq_kernel_ctx *c, const ppq_tensor *x, int axis, int64_t index,
                       ppq_tensor *out)
{
    const ppq_shape s = without_axis(&x->shape, axis);
    const size_t es = ppq_dtype_size(x->dtype);
    if (!es || (axis && x->dtype == PPQ_DT_STRING))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "elements of %s are not supported",
                               ppq_dtype_name(x->dtype));
    if (axis == 0) {
        *out = ppq_tensor_ref(x);
        out->shape = s;
        out->offset += (size_t) index * ppq_shape_bytes(&s, x->dtype);
        return PPQ_OK;
    }
    if (ppq_tensor_alloc_pool(out, x->dtype, &s, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a slice");
    int64_t stride[PPQ_MAX_RANK], rest[PPQ_MAX_RANK];
    ppq_shape_strides(&x->shape, stride);
    for (int i = 0; i < s.rank; i++)
        rest[i] = stride[i + (i >= axis)];
    ppq_copy_dense(ppq_tensor_data(out), ppq_element(x, index * stride[axis]), rest, s.dim, s.rank,
                   es);
    return PPQ_OK;
}

void ppq_stack_fini(ppq_stack *s)
{
    ppq_tensor_unref(&s->data);
}

// The number of rounds is not known beforehand, so room doubles.
static ppq_status reserve(ppq_kernel_ctx *c, ppq_stack *s)
{
    if (s->n < s->room)
        return PPQ_OK;
    const int64_t room = s->room ? 2 * s->room : 8;
    const int64_t bytes = ppq_dim_mul(room, (int64_t) s->element_bytes);
    ppq_tensor more;
    if (bytes < 0)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "%" PRId64 " elements are too many", room);
    PPQ_TRY(ppq_kernel_temp(c, (size_t) bytes, &more));
    if (s->n)
        memcpy(ppq_tensor_data(&more), ppq_tensor_data(&s->data), (size_t) s->n * s->element_bytes);
    ppq_tensor_unref(&s->data);
    s->data = more;
    s->room = room;
    return PPQ_OK;
}

ppq_status ppq_stack_push(ppq_kernel_ctx *c, ppq_stack *s, const ppq_tensor *t)
{
    char a[192], b[192];
    if (s->n == 0) {
        s->dtype = t->dtype;
        s->element = t->shape;
        s->element_bytes = ppq_tensor_bytes(t);
    }
    if (!ppq_dtype_size(t->dtype) || t->dtype == PPQ_DT_STRING)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "collecting %s is not supported",
                               ppq_dtype_name(t->dtype));
    if (t->dtype != s->dtype || !ppq_shape_equal(&t->shape, &s->element))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "round %" PRId64 " yields %s %s, the rounds before it %s %s", s->n,
                               ppq_dtype_name(t->dtype), ppq_shape_str(&t->shape, a, sizeof(a)),
                               ppq_dtype_name(s->dtype), ppq_shape_str(&s->element, b, sizeof(b)));
    PPQ_TRY(reserve(c, s));
    if (s->element_bytes)
        memcpy((char *) ppq_tensor_data(&s->data) + (size_t) s->n * s->element_bytes,
               ppq_tensor_data(t), s->element_bytes);
    s->n++;
    return PPQ_OK;
}

// Without a single round, dimensions that the model does not tell are 0.
static void describe(const ppq_stack *s, const ppq_var *declared, ppq_dtype *dt, ppq_shape *element)
{
    *dt = s->n ? s->dtype : declared->dtype != PPQ_DT_NONE ? declared->dtype : PPQ_DT_F32;
    *element = s->n ? s->element : declared->shape;
    element->rank = PPQ_MAX(element->rank, 0);
    for (int i = 0; i < element->rank; i++)
        element->dim[i] = PPQ_MAX(element->dim[i], 0);
}

ppq_status ppq_stack_store(ppq_kernel_ctx *c, const ppq_stack *s, const ppq_var *declared,
                           int64_t axis, bool reverse, int slot)
{
    ppq_shape element, all;
    ppq_dtype dt;
    int at;
    describe(s, declared, &dt, &element);
    if (element.rank == PPQ_MAX_RANK)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "rank %d is too large", element.rank + 1);
    all.rank = element.rank + 1;
    if (!ppq_axis_normalize(axis, all.rank, &at))
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE,
                               "an output axis is %" PRId64 ", the legal range is [%d, %d)", axis,
                               -all.rank, all.rank);
    int64_t stride[PPQ_MAX_RANK], dense[PPQ_MAX_RANK];
    ppq_shape_strides(&element, dense);
    const int64_t numel = ppq_shape_numel(&element);
    for (int i = 0; i < all.rank; i++) {
        const int from = i - (i > at);
        all.dim[i] = i == at ? s->n : element.dim[from];
        stride[i] = i != at ? dense[from] : reverse ? -numel : numel;
    }
    PPQ_TRY(ppq_kernel_alloc(c, slot, dt, &all));
    if (ppq_shape_numel(&all) == 0)
        return PPQ_OK;
    const size_t es = ppq_dtype_size(dt), first = reverse ? (size_t) (s->n - 1) : 0;
    const char *src = (const char *) ppq_tensor_data(&s->data) + first * s->element_bytes;
    ppq_copy_dense(ppq_tensor_data(&c->out[slot]), src, stride, all.dim, all.rank, es);
    return PPQ_OK;
}
