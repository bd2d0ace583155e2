#include "core/weight_layout.h"

#include <math.h>
#include <string.h>

bool ppq_weight_sums_of(const ppq_op *op, const ppq_shape *w, ppq_weight_sums *out)
{
    const ppq_weight_axis x = ppq_weight_axis_of(op, w);
    if (x.axis < 0 || x.group < 1 || !ppq_shape_known(w) || ppq_shape_numel(w) == 0)
        return false;
    int64_t taps = 1;
    for (int i = 2; i < w->rank; i++)
        taps *= w->dim[i];
    ppq_weight_sums s = { .groups = 1, .taps = taps };
    s.outs = w->dim[x.axis];
    s.ins = w->dim[1 - x.axis];
    s.out_step = x.axis == 0 ? s.ins * taps : taps;
    s.in_step = x.axis == 0 ? taps : s.outs * taps;
    // Groups of a transposed convolution share the channels of its weight's second axis.
    if (ppq_op_is(op, "ConvTranspose")) {
        if (s.ins % x.group)
            return false;
        s.groups = x.group;
        s.ins /= x.group;
        s.group_step = s.ins * s.in_step;
    }
    s.depthwise = s.ins == 1 && x.group == x.channels;
    *out = s;
    return true;
}

// Element k of what is summed, window positions first.
static float at(const ppq_weight_sums *s, const float *w, int64_t k)
{
    return w[k / s->ins + k % s->ins * s->in_step];
}

static float largest(const ppq_weight_sums *s, const float *w)
{
    float top = 0;
    for (int64_t i = 0; i + 1 < s->ins; i += 2)
        for (int64_t t = 0; t < s->taps; t++) {
            const float *p = w + i * s->in_step + t;
            top = fmaxf(top, fabsf(p[0] + p[s->in_step]));
        }
    for (int64_t k = 0; s->ins % 2 && k + 1 < s->ins * s->taps; k += 2)
        top = fmaxf(top, fabsf(at(s, w, k) + at(s, w, k + 1)));
    return top;
}

// Of a matrix whose rows are inputs, in the order of memory.
static void largest_in_columns(const ppq_weight_sums *s, const float *w, float *restrict top)
{
    for (int64_t i = 0; i + 1 < s->ins; i += 2) {
        const float *restrict p = w + i * s->in_step, *restrict q = p + s->in_step;
        for (int64_t o = 0; o < s->outs; o++) {
            const float sum = fabsf(p[o] + q[o]);
            top[o] = sum > top[o] ? sum : top[o];
        }
    }
}

void ppq_weight_pairs(const ppq_weight_sums *s, const float *w, float *top)
{
    memset(top, 0, (size_t) s->outs * sizeof(*top));
    if (s->depthwise)
        return;
    if (s->out_step == 1) {
        largest_in_columns(s, w, top);
        return;
    }
    for (int64_t g = 0; g < s->groups; g++)
        for (int64_t o = 0; o < s->outs; o++)
            top[o] = fmaxf(top[o], largest(s, w + g * s->group_step + o * s->out_step));
}
