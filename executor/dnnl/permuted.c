#include "executor/dnnl/nhwc.h"

// Resize, Pad and Slice, channels-last. They treat dimensions one by one, so their plain forward
// gives the right bytes when it is told that the dimensions are N, spatial..., C and the inputs
// that speak of dimensions are put into that order.

enum { MAX_IN = 5, MAX_VALUES = 2 * PPQ_MAX_RANK };

// Where dimension d of N, C, spatial... is in N, spatial..., C.
static int64_t moved(int64_t d, int rank)
{
    d += d < 0 ? rank : 0;
    return d == 0 ? 0 : d == 1 ? rank - 1 : d - 1;
}

static ppq_shape moved_shape(const ppq_shape *s)
{
    ppq_shape r = { .rank = s->rank };
    for (int i = 0; i < s->rank; i++)
        r.dim[moved(i, s->rank)] = s->dim[i];
    return r;
}

// The call as the plain forward sees it.
typedef struct view {
    ppq_kernel_ctx *c;
    const ppq_tensor *in[MAX_IN];
    ppq_tensor x, y;
    ppq_tensor own[MAX_IN]; // inputs that were rewritten
} view;

static void view_init(view *v, ppq_kernel_ctx *c)
{
    *v = (view){ .c = c, .x = *c->in[0], .y = ppq_tensor_ref(&c->out[0]) };
    for (int i = 0; i < c->op->n_in; i++)
        v->in[i] = c->in[i];
    v->x.layout = v->y.layout = PPQ_LAYOUT_PLAIN;
    v->x.shape = moved_shape(&v->x.shape);
    v->y.shape = moved_shape(&v->y.shape);
    v->in[0] = &v->x;
}

// Runs the plain forward and takes its output.
static ppq_status view_run(view *v, ppq_status st)
{
    ppq_kernel_ctx c = *v->c;
    c.in = v->in;
    c.out = &v->y;
    if (st == PPQ_OK)
        st = c.op->def->forward(&c);
    if (st == PPQ_OK) {
        const ppq_shape shape = v->c->out[0].shape;
        ppq_tensor_unref(&v->c->out[0]);
        v->c->out[0] = v->y;
        v->c->out[0].shape = shape;
        v->c->out[0].layout = PPQ_LAYOUT_CHANNELS_LAST;
    } else {
        ppq_tensor_unref(&v->y);
    }
    for (int i = 0; i < MAX_IN; i++)
        ppq_tensor_unref(&v->own[i]);
    return st;
}

// Replaces input `slot`, whose elements of `size` bytes speak of one dimension each, `parts` times
// over (pads: before and after).
static ppq_status move_values(view *v, int slot, int parts)
{
    const ppq_tensor *t = slot < v->c->op->n_in ? v->in[slot] : NULL;
    const int rank = v->x.shape.rank;
    if (!t || ppq_shape_numel(&t->shape) != (int64_t) parts * rank)
        return PPQ_OK;
    const size_t size = ppq_dtype_size(t->dtype);
    PPQ_TRY(ppq_tensor_alloc_pool(&v->own[slot], t->dtype, &t->shape, v->c->pool));
    const char *from = ppq_tensor_data(t);
    char *to = ppq_tensor_data(&v->own[slot]);
    for (int i = 0; i < parts * rank; i++) {
        const size_t at = (size_t) (i / rank * rank + moved(i % rank, rank));
        for (size_t k = 0; k < size; k++)
            to[at * size + k] = from[(size_t) i * size + k];
    }
    v->in[slot] = &v->own[slot];
    return PPQ_OK;
}

// Replaces input `slot`, which lists dimensions. Where it is left out the first `n` are meant, and
// then it is made.
static ppq_status move_axes(view *v, int slot, int64_t n)
{
    int64_t axes[MAX_VALUES];
    const ppq_tensor *t = slot < v->c->op->n_in ? v->in[slot] : NULL;
    if (t)
        n = ppq_const_ints(t, axes, MAX_VALUES);
    if (n < 0 || n > MAX_VALUES)
        return ppq_kernel_fail(v->c, PPQ_ERR_SHAPE, "input %d does not list axes", slot);
    const ppq_shape s = ppq_shape_1d(n);
    PPQ_TRY(ppq_tensor_alloc_pool(&v->own[slot], PPQ_DT_I64, &s, v->c->pool));
    for (int64_t i = 0; i < n; i++)
        ppq_i64(&v->own[slot])[i] = moved(t ? axes[i] : i, v->x.shape.rank);
    v->in[slot] = &v->own[slot];
    return PPQ_OK;
}

static bool is_image(const ppq_kernel_spec *s)
{
    return s->in_dtype[0] == PPQ_DT_F32 && s->in_shape[0].rank >= 4 && !s->in_const[0] &&
           s->op->n_in <= MAX_IN && !ppq_op_attr(s->op, "axes");
}

static bool supports_resize(const ppq_kernel_spec *s)
{
    return is_image(s) && !ppq_op_attr_is(s->op, "coordinate_transformation_mode",
                                          "tf_crop_and_resize"); // roi
}

static ppq_status resize(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    view v;
    view_init(&v, c);
    ppq_status st = move_values(&v, 2, 1);
    if (st == PPQ_OK)
        st = move_values(&v, 3, 1);
    return view_run(&v, st);
}

static ppq_status pad(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    view v;
    view_init(&v, c);
    const bool some = c->op->n_in > 3 && c->in[3];
    return view_run(&v, some ? move_axes(&v, 3, 0) : move_values(&v, 1, 2));
}

// Its axes input must have a slot, even when it is left out.
static bool supports_slice(const ppq_kernel_spec *s)
{
    return is_image(s) && s->op->n_in > 3;
}

static ppq_status slice(const void *state, ppq_kernel_ctx *c)
{
    (void) state;
    view v;
    view_init(&v, c);
    return view_run(&v, move_axes(&v, 3, ppq_shape_numel(&c->in[1]->shape)));
}

const ppq_kernel ppq_kernel_resize = {
    .name = "nhwc-resize",
    .op_type = "Resize",
    .channels_last = true,
    .supports = supports_resize,
    .prepare = ppq_prepare_nothing,
    .forward = resize,
};

const ppq_kernel ppq_kernel_pad = {
    .name = "nhwc-pad",
    .op_type = "Pad",
    .channels_last = true,
    .supports = is_image,
    .prepare = ppq_prepare_nothing,
    .forward = pad,
};

const ppq_kernel ppq_kernel_slice = {
    .name = "nhwc-slice",
    .op_type = "Slice",
    .channels_last = true,
    .supports = supports_slice,
    .prepare = ppq_prepare_nothing,
    .forward = slice,
};
