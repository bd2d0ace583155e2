#include <math.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/order.h"

// For every batch and class: the boxes by falling score, without those that overlap a better one
// too much. Rows of the output are (batch, class, box).

typedef struct limits {
    int64_t max_boxes;
    double iou, score;
    bool centered;
} limits;

static ppq_status plan(const ppq_args *a)
{
    const ppq_shape *boxes = ppq_args_shape(a, 0), *scores = ppq_args_shape(a, 1);
    char b1[192], b2[192];
    bool fits = true;
    int64_t d;
    if (boxes->rank >= 0)
        fits = boxes->rank == 3 && ppq_dim_merge(boxes->dim[2], 4, &d);
    if (scores->rank >= 0)
        fits = fits && scores->rank == 3;
    if (fits && boxes->rank >= 0 && scores->rank >= 0)
        fits = ppq_dim_merge(boxes->dim[0], scores->dim[0], &d) &&
               ppq_dim_merge(boxes->dim[1], scores->dim[2], &d);
    if (!fits)
        return ppq_args_fail(a, "boxes of shape %s and scores of shape %s do not fit together",
                             ppq_shape_str(boxes, b1, sizeof(b1)),
                             ppq_shape_str(scores, b2, sizeof(b2)));
    return PPQ_OK;
}

static ppq_status infer(ppq_infer_ctx *c)
{
    const ppq_args a = ppq_args_infer(c);
    ppq_shape out = { .rank = 2, .dim = { PPQ_DIM_UNKNOWN, 3 } };
    PPQ_TRY(plan(&a));
    return ppq_infer_out(c, 0, PPQ_DT_I64, &out);
}

static ppq_status read_limits(ppq_kernel_ctx *c, limits *l)
{
    const ppq_args a = ppq_args_run(c);
    double v[3] = { 0, 0, -(double) INFINITY };
    for (int i = 0; i < 3; i++)
        if (ppq_args_has(&a, i + 2) && !ppq_const_scalar(c->in[i + 2], &v[i]))
            return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "input %d is not one number", i + 2);
    *l = (limits){ v[0] > 0 ? (int64_t) fmin(v[0], 1e15) : 0, v[1], v[2],
                   ppq_op_attr_int(c->op, "center_point_box", 0) != 0 };
    return PPQ_OK;
}

typedef struct rect {
    double y0, x0, y1, x1;
} rect;

// Corners come in any order; a box by its center is (x, y, width, height).
static rect box_at(const float *p, bool centered)
{
    const double a = (double) p[0], b = (double) p[1], c = (double) p[2], d = (double) p[3];
    if (centered)
        return (rect){ b - d / 2, a - c / 2, b + d / 2, a + c / 2 };
    return (rect){ fmin(a, c), fmin(b, d), fmax(a, c), fmax(b, d) };
}

static double overlap(const rect *a, const rect *b)
{
    const double h = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    const double w = fmin(a->x1, b->x1) - fmax(a->x0, b->x0);
    if (h <= 0 || w <= 0)
        return 0;
    const double both = h * w, area = (a->y1 - a->y0) * (a->x1 - a->x0) +
                                      (b->y1 - b->y0) * (b->x1 - b->x0) - both;
    return area > 0 ? both / area : 0;
}

// Leaves the chosen candidates in front and returns how many.
static int64_t choose(const limits *l, const float *boxes, int64_t *v, int64_t n)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n && kept < l->max_boxes; i++) {
        const rect r = box_at(boxes + v[i] * 4, l->centered);
        bool keep = true;
        for (int64_t k = 0; k < kept && keep; k++) {
            const rect better = box_at(boxes + v[k] * 4, l->centered);
            keep = overlap(&r, &better) <= l->iou;
        }
        if (keep)
            v[kept++] = v[i];
    }
    return kept;
}

// Rows of one batch and class.
static int64_t select_class(ppq_kernel_ctx *c, const limits *l, int64_t batch, int64_t class,
                            int64_t *v, int64_t *out)
{
    const ppq_shape *s = &c->in[1]->shape;
    const int64_t n = s->dim[2], first = (batch * s->dim[1] + class) * n;
    const float *scores = ppq_f32(c->in[1]) + first, *boxes = ppq_f32(c->in[0]) + batch * n * 4;
    uint64_t *key = (uint64_t *) (v + n);
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++) {
        key[i] = ~ppq_order_key(c->in[1], first + i);
        if ((double) scores[i] > l->score)
            v[m++] = i;
    }
    ppq_select_first(v, m, m, ppq_key_before, key);
    m = choose(l, boxes, v, m);
    for (int64_t i = 0; i < m; i++) {
        *out++ = batch;
        *out++ = class;
        *out++ = v[i];
    }
    return m;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_args a = ppq_args_run(c);
    limits l = { 0 };
    PPQ_TRY(plan(&a));
    PPQ_TRY(read_limits(c, &l));
    if (c->in[0]->dtype != PPQ_DT_F32 || c->in[1]->dtype != PPQ_DT_F32)
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "boxes and scores must be float32");
    const ppq_shape *s = &c->in[1]->shape;
    const int64_t most =
        ppq_dim_mul(ppq_dim_mul(s->dim[0], s->dim[1]), PPQ_MIN(s->dim[2], l.max_boxes));
    ppq_tensor memory = { 0 }, rows = { 0 };
    ppq_status st;
    if ((st = ppq_kernel_temp(c, (size_t) s->dim[2] * 2 * sizeof(int64_t), &memory)) != PPQ_OK ||
        (st = ppq_kernel_temp(c, (size_t) most * 3 * sizeof(int64_t), &rows)) != PPQ_OK)
        goto fail;
    int64_t *out = ppq_tensor_data(&rows), n = 0;
    for (int64_t b = 0; b < s->dim[0]; b++)
        for (int64_t k = 0; k < s->dim[1]; k++)
            n += select_class(c, &l, b, k, ppq_tensor_data(&memory), out + 3 * n);
    const ppq_shape shape = { .rank = 2, .dim = { n, 3 } };
    if ((st = ppq_kernel_alloc(c, 0, PPQ_DT_I64, &shape)) == PPQ_OK && n)
        memcpy(ppq_tensor_data(&c->out[0]), out, (size_t) n * 3 * sizeof(int64_t));
fail:
    ppq_tensor_unref(&memory);
    ppq_tensor_unref(&rows);
    return st;
}

const ppq_op_def ppq_op_non_max_suppression = {
    .type = "NonMaxSuppression",
    .domain = "",
    .opset_min = 10,
    .in_min = 2,
    .in_max = 5,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_SOI_SOURCE | PPQ_OP_NO_LINKS,
    .soi_in = 0x1c, // max_output_boxes_per_class, iou_threshold, score_threshold
    .fp32_in = 0x2, // scores
    .infer = infer,
    .forward = forward,
};
