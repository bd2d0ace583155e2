#include "passes/channel_groups.h"

#include <stdlib.h>

#include "passes/rewrite.h"

struct ppq_channel_groups {
    int64_t *first;  // [n_vars + 1], the slot of a var's channel 0; n slots as first[id + 1] says
    int32_t *parent; // [slots] while ties are made; then the group, or -1
    bool *pinned;    // [slots], of roots
    int32_t n_groups;
};

// ---- layers ---------------------------------------------------------------------------------

static bool own_const(const ppq_op *op, int32_t slot)
{
    return ppq_const_f32(op, slot) && op->in[slot]->n_uses == 1 && !op->in[slot]->is_output;
}

static bool known(const ppq_shape *s)
{
    return ppq_shape_numel(s) > 0;
}

static ppq_layer_weight conv_weight(const ppq_op *op, const ppq_shape *w)
{
    const int64_t group = ppq_op_attr_int(op, "group", 1);
    const bool transposed = ppq_op_is(op, "ConvTranspose");
    ppq_layer_weight x = { .rows = w->dim[0], .cols = w->dim[1], .row_is_out = !transposed };
    x.taps = ppq_shape_numel(w) / (x.rows * x.cols);
    x.rows_per_group = group >= 1 && x.rows % group == 0 ? x.rows / group : 0;
    x.outs = transposed ? x.cols * group : x.rows;
    x.ins = transposed ? x.rows : x.cols * group;
    return x;
}

static ppq_layer_weight matrix_weight(const ppq_op *op, const ppq_shape *w)
{
    const bool trans = ppq_op_is(op, "Gemm") && ppq_op_attr_int(op, "transB", 0);
    return (ppq_layer_weight){ .rows = w->dim[0],
                               .cols = w->dim[1],
                               .taps = 1,
                               .rows_per_group = w->dim[0],
                               .row_is_out = trans,
                               .outs = w->dim[!trans],
                               .ins = w->dim[trans] };
}

bool ppq_layer_weight_of(const ppq_op *op, ppq_layer_weight *out)
{
    const bool conv = ppq_op_is(op, "Conv") || ppq_op_is(op, "ConvTranspose");
    const bool gemm = ppq_op_is(op, "Gemm") && !ppq_op_attr_int(op, "transA", 0);
    if (!(conv || gemm || ppq_op_is(op, "MatMul")) || op->n_in < 2 || op->n_out != 1 ||
        !op->in[0] || !op->out[0] || !own_const(op, 1))
        return false;
    const ppq_shape *w = &op->in[1]->value.shape;
    if (!known(w) || (conv ? w->rank < 3 : w->rank != 2 || op->in[0]->shape.rank != 2))
        return false;
    *out = conv ? conv_weight(op, w) : matrix_weight(op, w);
    const bool bias = op->n_in > 2 && op->in[2];
    return out->rows_per_group > 0 &&
           (!bias || (own_const(op, 2) && ppq_shape_numel(&op->in[2]->value.shape) == out->outs));
}

// ---- ties -----------------------------------------------------------------------------------

static int64_t channels_of(const ppq_channel_groups *c, const ppq_var *v)
{
    return v ? c->first[v->id + 1] - c->first[v->id] : 0;
}

static int32_t root_of(int32_t *parent, int32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

static void tie_slots(ppq_channel_groups *c, int64_t a, int64_t b)
{
    const int32_t x = root_of(c->parent, (int32_t) a), y = root_of(c->parent, (int32_t) b);
    const int32_t root = PPQ_MIN(x, y);
    c->pinned[root] = c->pinned[x] || c->pinned[y];
    c->parent[PPQ_MAX(x, y)] = root;
}

static void pin(ppq_channel_groups *c, const ppq_var *v)
{
    for (int64_t i = 0; i < channels_of(c, v); i++)
        c->pinned[root_of(c->parent, (int32_t) (c->first[v->id] + i))] = true;
}

// Channel from_a + i * step_a of `a` and from_b + i of `b`, for i in [0, n).
static void tie(ppq_channel_groups *c, const ppq_var *a, int64_t from_a, int64_t step_a,
                const ppq_var *b, int64_t from_b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        tie_slots(c, c->first[a->id] + from_a + i * step_a, c->first[b->id] + from_b + i);
}

// All channels, one to one. False when that is not what they are.
static bool tie_all(ppq_channel_groups *c, const ppq_var *a, const ppq_var *b)
{
    const int64_t n = channels_of(c, a);
    if (!n || channels_of(c, b) != n)
        return false;
    tie(c, a, 0, 1, b, 0, n);
    return true;
}

static bool one_of(const ppq_op *op, const char *const *types)
{
    for (; *types; types++)
        if (ppq_op_is(op, *types))
            return true;
    return false;
}

// f(k x) = k f(x) for its first input; the others only say how.
static bool homogeneous(const ppq_op *op)
{
    static const char *const types[] = { "Relu",        "LeakyRelu",         "MaxPool",
                                         "AveragePool", "GlobalAveragePool", "GlobalMaxPool",
                                         "Identity",    "Dropout",           NULL };
    if (op->n_out != 1)
        return false;
    if (ppq_op_is(op, "PRelu"))
        return op->n_in > 1 && ppq_var_is_const(op->in[1]);
    if (ppq_op_is(op, "Resize"))
        return !ppq_op_attr_is(op, "coordinate_transformation_mode", "tf_crop_and_resize");
    return one_of(op, types);
}

// Other modes repeat what is there.
static bool pads_with_zero(const ppq_op *op)
{
    double value = 0;
    if (ppq_op_attr(op, "mode") && !ppq_op_attr_is(op, "mode", "constant"))
        return true;
    if (op->n_in < 3 || !op->in[2])
        return true;
    return ppq_var_is_const(op->in[2]) && ppq_const_scalar(&op->in[2]->value, &value) &&
           !(value < 0 || value > 0);
}

// Pads nothing in front of the channels and nothing behind.
static bool tie_pad(ppq_channel_groups *c, const ppq_op *op)
{
    int64_t pads[2 * PPQ_MAX_RANK];
    const int rank = op->in[0]->shape.rank;
    if (!pads_with_zero(op) || (op->n_in > 3 && op->in[3]) || !ppq_var_is_const(op->in[1]) ||
        ppq_const_ints(&op->in[1]->value, pads, PPQ_COUNT(pads)) != 2 * rank)
        return false;
    return !pads[1] && !pads[rank + 1] && tie_all(c, op->in[0], op->out[0]);
}

// Sums, and what else is homogeneous in all inputs together.
static bool tie_sum(ppq_channel_groups *c, const ppq_op *op)
{
    const ppq_var *out = op->out[0];
    bool fits = true;
    for (int32_t i = 0; i < op->n_in; i++)
        fits &= op->in[i] && op->in[i]->shape.rank == out->shape.rank &&
                channels_of(c, op->in[i]) == channels_of(c, out);
    for (int32_t i = 0; fits && i < op->n_in; i++)
        fits = tie_all(c, op->in[i], out);
    return fits;
}

// A constant factor, or a gate that another rule pins.
static bool fixed_factor(const ppq_var *v)
{
    static const char *const gates[] = { "Sigmoid", "HardSigmoid", "Softmax", "Tanh", NULL };
    return ppq_var_is_const(v) || (v->producer.op && one_of(v->producer.op, gates));
}

static bool tie_product(ppq_channel_groups *c, const ppq_op *op)
{
    if (op->n_in != 2 || !op->in[0] || !op->in[1])
        return false;
    const bool second = fixed_factor(op->in[1]);
    if (!second && (ppq_op_is(op, "Div") || !fixed_factor(op->in[0])))
        return false;
    const ppq_var *x = op->in[!second], *gate = op->in[second];
    pin(c, gate);
    return x != gate && x->shape.rank == op->out[0]->shape.rank && tie_all(c, x, op->out[0]);
}

static int normal_axis(const ppq_op *op, int64_t fallback)
{
    int axis;
    return op->in[0] && ppq_axis_normalize(ppq_op_attr_int(op, "axis", fallback),
                                           op->in[0]->shape.rank, &axis)
               ? axis
               : -1;
}

// Parts that lie behind each other in `whole`, along `axis`.
static bool tie_parts(ppq_channel_groups *c, const ppq_var *whole, ppq_var *const *part, int32_t n,
                      int axis)
{
    const int64_t channels = channels_of(c, whole);
    int64_t sum = 0;
    bool alike = true;
    for (int32_t i = 0; i < n; i++) {
        const int64_t own = channels_of(c, part[i]);
        if (!own)
            return false;
        sum += own;
        alike &= own == channels;
    }
    if (axis < 1 || (axis == 1 ? sum != channels : !alike))
        return false;
    int64_t at = 0;
    for (int32_t i = 0; i < n; i++) {
        const int64_t own = channels_of(c, part[i]);
        tie(c, whole, at, 1, part[i], 0, own);
        at += axis == 1 ? own : 0;
    }
    return true;
}

// Starts, ends, axes and steps of a Slice. How many there are, or 0 when that is not constant.
static int64_t slice_args(const ppq_op *op, int64_t v[4][PPQ_MAX_RANK])
{
    enum { STARTS, ENDS, AXES, STEPS, N };
    int64_t n = 0;
    for (int k = STARTS; k < N; k++) {
        const ppq_var *arg = k + 1 < op->n_in ? op->in[k + 1] : NULL;
        if (arg && !ppq_var_is_const(arg))
            return 0;
        const int64_t count = arg ? ppq_const_ints(&arg->value, v[k], PPQ_MAX_RANK) : n;
        if (count < 1 || count > PPQ_MAX_RANK || (k != STARTS && count != n))
            return 0;
        n = count;
        for (int64_t i = 0; !arg && i < n; i++)
            v[k][i] = k == AXES ? i : 1;
    }
    return n;
}

static bool tie_slice(ppq_channel_groups *c, const ppq_op *op)
{
    int64_t v[4][PPQ_MAX_RANK];
    const int64_t n = slice_args(op, v);
    const int64_t ins = channels_of(c, op->in[0]), outs = channels_of(c, op->out[0]);
    for (int64_t i = 0; i < n; i++) {
        int axis;
        if (!ppq_axis_normalize(v[2][i], op->in[0]->shape.rank, &axis))
            return false;
        if (axis != 1)
            continue;
        const int64_t step = v[3][i];
        int64_t start = v[0][i] < 0 ? v[0][i] + ins : v[0][i];
        start = PPQ_MIN(PPQ_MAX(start, 0), ins - 1);
        if (!outs || step < -ins || step > ins)
            return false;
        const int64_t last = start + (outs - 1) * step;
        if (last < 0 || last >= ins)
            return false;
        tie(c, op->in[0], start, step, op->out[0], 0, outs);
        return true;
    }
    return n && tie_all(c, op->in[0], op->out[0]);
}

static bool same_samples(const ppq_var *a, const ppq_var *b)
{
    const int64_t n = a->shape.dim[0], numel = ppq_shape_numel(&a->shape);
    return n == b->shape.dim[0] &&
           (n > 0 ? numel > 0 && numel == ppq_shape_numel(&b->shape) : n != PPQ_DIM_UNKNOWN);
}

// Channels that are cut into equal parts, or joined from neighbours.
static bool tie_reshape(ppq_channel_groups *c, const ppq_op *op)
{
    const ppq_var *x = op->in[0], *y = op->out[0];
    const int64_t a = channels_of(c, x), b = channels_of(c, y);
    if (!a || !b || (a % b && b % a) || !same_samples(x, y))
        return false;
    const ppq_var *few = a < b ? x : y, *many = a < b ? y : x;
    const int64_t each = PPQ_MAX(a, b) / PPQ_MIN(a, b);
    for (int64_t i = 0; i < PPQ_MAX(a, b); i++)
        tie_slots(c, c->first[few->id] + i / each, c->first[many->id] + i);
    return true;
}

// [N, a b, ...] seen as [N, a, b, ...] for a moment, to be seen as [N, b a, ...]: channels are
// shuffled. The op that undoes the view, or NULL.
static const ppq_op *shuffle_end(const ppq_op *op)
{
    const ppq_op *turn = ppq_only_reader(op->out[0]);
    const ppq_op *end = turn && ppq_op_is(turn, "Transpose") ? ppq_only_reader(turn->out[0]) : NULL;
    const int64_t *perm;
    if (!end || !ppq_op_is(end, "Reshape") || !ppq_op_is(op, "Reshape"))
        return NULL;
    const ppq_shape *x = &op->in[0]->shape, *y = &op->out[0]->shape, *z = &end->out[0]->shape;
    const size_t n = ppq_op_attr_ints(turn, "perm", &perm);
    bool fits = y->rank >= 3 && n == (size_t) y->rank && x->rank == y->rank - 1 &&
                z->rank == x->rank && ppq_shape_numel(x) > 0;
    for (int i = 0; fits && i < y->rank; i++)
        fits = perm[i] == (i == 1 ? 2 : i == 2 ? 1 : i);
    for (int i = 0; fits && i < x->rank; i++)
        fits = z->dim[i] == x->dim[i] && (i == 1 || x->dim[i] == y->dim[i ? i + 1 : 0]);
    return fits && y->dim[1] > 0 && y->dim[1] * y->dim[2] == x->dim[1] ? end : NULL;
}

static bool tie_shuffle(ppq_channel_groups *c, const ppq_op *op, const ppq_op *end)
{
    const ppq_var *x = op->in[0], *z = end->out[0];
    const int64_t a = op->out[0]->shape.dim[1], b = op->out[0]->shape.dim[2];
    if (channels_of(c, x) != a * b || channels_of(c, z) != a * b)
        return false;
    for (int64_t i = 0; i < a; i++)
        for (int64_t j = 0; j < b; j++)
            tie_slots(c, c->first[x->id] + i * b + j, c->first[z->id] + j * a + i);
    return true;
}

// Whether `op` is in the middle or at the end of a shuffle: its first op has made the ties.
static bool shuffled_already(const ppq_op *op)
{
    for (int up = 0; up < 2 && op->in[0] && op->in[0]->producer.op; up++) {
        const ppq_op *prev = op->in[0]->producer.op;
        if (ppq_op_is(prev, "Reshape") && prev->n_in > 0 && prev->in[0] && prev->out[0] &&
            ppq_op_is(op, "Transpose"))
            return shuffle_end(prev) != NULL;
        if (!ppq_op_is(prev, "Transpose") || !ppq_op_is(op, "Reshape"))
            return false;
        op = prev;
    }
    return false;
}

// A product with a constant matrix along one of the last two axes, behind the channels.
static bool tie_spatial_product(ppq_channel_groups *c, const ppq_op *op)
{
    const bool left = ppq_var_is_const(op->in[0]);
    const ppq_var *x = op->in[left], *m = op->in[!left];
    return ppq_var_is_const(m) && m->value.shape.rank == 2 && x->shape.rank >= 4 &&
           tie_all(c, x, op->out[0]);
}

static bool tie_op(ppq_channel_groups *c, const ppq_op *op)
{
    static const char *const sums[] = { "Add", "Sub", "Sum", "Max", "Min", NULL };
    static const char *const products[] = { "Mul", "Div", NULL };
    static const char *const views[] = { "Reshape", "Flatten", "Squeeze", "Unsqueeze", NULL };
    if (op->n_in < 1 || !op->in[0] || op->n_out < 1 || !op->out[0] || op->n_implicit)
        return false;
    const ppq_op *end = shuffle_end(op);
    if (end)
        return tie_shuffle(c, op, end);
    if (shuffled_already(op))
        return true;
    if (homogeneous(op))
        return tie_all(c, op->in[0], op->out[0]);
    return one_of(op, sums)       ? tie_sum(c, op)
           : one_of(op, products) ? tie_product(c, op)
           : one_of(op, views)    ? tie_reshape(c, op)
           : ppq_op_is(op, "Concat")
               ? tie_parts(c, op->out[0], op->in, op->n_in, normal_axis(op, 0))
           : ppq_op_is(op, "Split")
               ? tie_parts(c, op->in[0], op->out, op->n_out, normal_axis(op, 0))
           : ppq_op_is(op, "Slice")  ? tie_slice(c, op)
           : ppq_op_is(op, "Pad")    ? tie_pad(c, op)
           : ppq_op_is(op, "MatMul") ? tie_spatial_product(c, op)
                                     : false;
}

static bool ends_at(const ppq_channel_groups *c, const ppq_op *op)
{
    ppq_layer_weight w;
    return ppq_layer_weight_of(op, &w) && channels_of(c, op->out[0]) == w.outs &&
           (channels_of(c, op->in[0]) == w.ins || !channels_of(c, op->in[0]));
}

static void add_op(ppq_channel_groups *c, const ppq_op *op)
{
    if (ends_at(c, op) || tie_op(c, op))
        return;
    for (int32_t i = 0; i < op->n_in + op->n_implicit; i++)
        pin(c, op->in[i]);
    for (int32_t i = 0; i < op->n_out; i++)
        pin(c, op->out[i]);
}

// ---- all of them ----------------------------------------------------------------------------

// Shapes are claims of the model: memory must not follow them without bound.
enum { MOST_CHANNELS = 1 << 16, MOST_SLOTS = 1 << 26 };

static bool has_channels(const ppq_var *v)
{
    return !v->dead && v->producer.op && v->dtype == PPQ_DT_F32 && v->shape.rank >= 2 &&
           v->shape.dim[1] > 0 && v->shape.dim[1] <= MOST_CHANNELS;
}

// Slots become numbers of groups, in the order of their first channels.
static void number_groups(ppq_channel_groups *c, int64_t n_slots)
{
    for (int64_t i = 0; i < n_slots; i++) {
        const int32_t parent = c->parent[i];
        // A root is the lowest slot of its group: what lies below has its number already.
        const int32_t root = parent == i ? parent : root_of(c->parent, parent);
        c->parent[i] = root;
    }
    for (int64_t i = 0; i < n_slots; i++) {
        const int32_t root = c->parent[i];
        c->parent[i] = root != i ? c->parent[root] : c->pinned[i] ? -1 : c->n_groups++;
    }
}

ppq_status ppq_channel_groups_create(const ppq_graph *g, ppq_channel_groups **out, ppq_diag *d)
{
    ppq_channel_groups *c = calloc(1, sizeof(*c));
    int64_t n = 0;
    if (c)
        c->first = calloc(g->n_vars + 1, sizeof(*c->first));
    for (size_t i = 0; c && c->first && i < g->n_vars; i++) {
        const int64_t channels = has_channels(g->vars[i]) ? g->vars[i]->shape.dim[1] : 0;
        n += channels <= MOST_SLOTS - n ? channels : 0;
        c->first[i + 1] = n;
    }
    if (c) {
        c->parent = calloc((size_t) n + 1, sizeof(*c->parent));
        c->pinned = calloc((size_t) n + 1, sizeof(*c->pinned));
    }
    if (!c || !c->first || !c->parent || !c->pinned) {
        ppq_channel_groups_destroy(c);
        return ppq_fail(d, PPQ_ERR_NOMEM, (ppq_loc){ .stage = "equalize" },
                        "no memory for %lld channels", (long long) n);
    }
    for (int64_t i = 0; i < n; i++)
        c->parent[i] = (int32_t) i;
    for (size_t i = 0; i < g->n_ops; i++)
        if (!g->ops[i]->dead)
            add_op(c, g->ops[i]);
    for (int32_t i = 0; i < g->n_outputs; i++)
        pin(c, g->outputs[i]);
    number_groups(c, n);
    *out = c;
    return PPQ_OK;
}

void ppq_channel_groups_destroy(ppq_channel_groups *c)
{
    if (!c)
        return;
    free(c->first);
    free(c->parent);
    free(c->pinned);
    free(c);
}

int32_t ppq_channel_groups_count(const ppq_channel_groups *c)
{
    return c->n_groups;
}

const int32_t *ppq_channel_groups_of(const ppq_channel_groups *c, const ppq_var *v,
                                     int64_t *channels)
{
    *channels = channels_of(c, v);
    const int32_t *group = c->parent + c->first[v->id];
    for (int64_t i = 0; i < *channels; i++)
        if (group[i] >= 0)
            return group;
    return NULL;
}

// ---- scaling --------------------------------------------------------------------------------

static float factor_of(const int32_t *group, int64_t channel, const float *k)
{
    return group && group[channel] >= 0 ? k[group[channel]] : 1;
}

static bool moves(const int32_t *group, int64_t n, const float *k)
{
    for (int64_t i = 0; group && i < n; i++)
        if (group[i] >= 0 && (k[group[i]] < 1 || k[group[i]] > 1))
            return true;
    return false;
}

static ppq_status divide_layer(const ppq_op *op, const ppq_layer_weight *x, const int32_t *in,
                               const int32_t *out, const float *k)
{
    const bool bias = op->n_in > 2 && op->in[2];
    PPQ_TRY(ppq_tensor_make_unique(&op->in[1]->value));
    if (bias)
        PPQ_TRY(ppq_tensor_make_unique(&op->in[2]->value));
    float *w = ppq_f32(&op->in[1]->value);
    for (int64_t row = 0; row < x->rows; row++) {
        const ppq_layer_row r = ppq_layer_row_of(x, row);
        for (int64_t col = 0; col < x->cols; col++, w += x->taps) {
            const float by = factor_of(in, r.in + col * r.in_step, k) /
                             factor_of(out, r.out + col * r.out_step, k);
            for (int64_t t = 0; t < x->taps; t++)
                w[t] *= by;
        }
    }
    for (int64_t o = 0; bias && o < x->outs; o++)
        ppq_f32(&op->in[2]->value)[o] /= factor_of(out, o, k);
    return PPQ_OK;
}

ppq_status ppq_channel_groups_divide(const ppq_channel_groups *c, ppq_graph *g, const float *k)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const ppq_op *op = g->ops[i];
        ppq_layer_weight x;
        if (op->dead || !ppq_layer_weight_of(op, &x))
            continue;
        int64_t ins, outs;
        const int32_t *in = ppq_channel_groups_of(c, op->in[0], &ins);
        const int32_t *out = ppq_channel_groups_of(c, op->out[0], &outs);
        if (moves(in, ins, k) || moves(out, outs, k))
            PPQ_TRY(divide_layer(op, &x, in, out, k));
    }
    return PPQ_OK;
}
