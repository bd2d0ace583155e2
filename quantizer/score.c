#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantizer/api_common.h"
#include "quantizer/labels.h"
#include "quantizer/net.h"
#include "quantizer/samples.h"

// Outputs of runs against labels, sample by sample, for the public API.

struct ppq_score {
    ppq_net *net;
    ppq_samples *samples;
    ppq_score_opts o; // without its strings
    ppq_labels *labels;
    size_t output;                 // that is scored
    size_t boxes, scores, classes; // detect
    bool box_parts, has_classes;   // boxes come as several outputs
    int64_t n;                     // samples so far
    int64_t top1, top5, n_scores;  // classify
    int64_t *confusion, n_classes; // segment
    ppq_box *found;                // detect
    size_t n_found, cap_found;
    ppq_metric_error error; // regress
};

static const ppq_loc here = { .stage = "score" };

static const ppq_label_kind label_kinds[] = {
    [PPQ_TASK_CLASSIFY] = PPQ_LABEL_CLASSES,
    [PPQ_TASK_SEGMENT] = PPQ_LABEL_TENSORS,
    [PPQ_TASK_DETECT] = PPQ_LABEL_BOXES,
    [PPQ_TASK_REGRESS] = PPQ_LABEL_TENSORS,
};
static const ppq_box_order box_orders[] = {
    [PPQ_BOX_XYXY] = PPQ_BOX_ORDER_CORNERS,
    [PPQ_BOX_XYWH] = PPQ_BOX_ORDER_CORNER_SIZE,
    [PPQ_BOX_CXCYWH] = PPQ_BOX_ORDER_CENTRE_SIZE,
};

// ---- opening --------------------------------------------------------------------------------

static ppq_status find_output(ppq_score *s, const char *option, const char *name, size_t *at)
{
    *at = 0;
    if (!name)
        return PPQ_OK;
    for (size_t i = 0; i < ppq_net_n_outputs(s->net); i++)
        if (strcmp(ppq_net_output(s->net, i), name) == 0) {
            *at = i;
            return PPQ_OK;
        }
    return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_ARG, here,
                    "%s names '%s', which is no output; the first is '%s'", option, name,
                    ppq_net_output(s->net, 0));
}

static ppq_status find_outputs(ppq_score *s, const ppq_score_opts *o)
{
    PPQ_TRY(find_output(s, "--output", o->output, &s->output));
    if (o->task != PPQ_TASK_DETECT)
        return PPQ_OK;
    if (!o->boxes != !o->scores)
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_ARG, here,
                        "--boxes and --scores go together");
    s->box_parts = o->boxes != NULL;
    s->has_classes = o->classes != NULL;
    PPQ_TRY(find_output(s, "--boxes", o->boxes, &s->boxes));
    PPQ_TRY(find_output(s, "--scores", o->scores, &s->scores));
    return find_output(s, "--classes", o->classes, &s->classes);
}

ppq_result ppq_score_open(ppq_net *n, ppq_samples *samples, const ppq_score_opts *o,
                          ppq_score **out)
{
    ppq_score *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    *s = (ppq_score){ .net = n, .samples = samples, .o = *o };
    s->o.labels = s->o.output = s->o.boxes = s->o.scores = s->o.classes = NULL;
    ppq_status st = find_outputs(s, o);
    if (st == PPQ_OK)
        st =
            ppq_labels_open(label_kinds[o->task], o->labels, box_orders[o->label_format],
                            o->max_samples, ppq_samples_data(samples), &s->labels, ppq_net_diag(n));
    if (st != PPQ_OK) {
        ppq_score_destroy(s);
        return ppq_result_of(st);
    }
    *out = s;
    return PPQ_RESULT_OK;
}

void ppq_score_destroy(ppq_score *s)
{
    if (!s)
        return;
    ppq_labels_destroy(s->labels);
    free(s->confusion);
    free(s->found);
    free(s);
}

// ---- one sample's part of an output ---------------------------------------------------------

typedef struct part {
    int dtype, rank;
    int64_t dim[PPQ_ARRAY_RANK], n; // elements
    const unsigned char *data;
} part;

static part part_of(const ppq_array *a, int64_t row, int64_t rows)
{
    part p = { .dtype = a->dtype, .rank = a->rank, .n = 1 };
    memcpy(p.dim, a->dim, sizeof(p.dim));
    if (rows > 1)
        p.dim[0] = 1;
    for (int i = 0; i < p.rank; i++)
        p.n *= p.dim[i];
    p.data = (const unsigned char *) a->data + (size_t) row * (a->bytes / (size_t) rows);
    return p;
}

// Dimensions that count: without ones in front, of which at least `least` stay.
static void drop_ones(part *p, int least)
{
    while (p->rank > least && p->dim[0] == 1) {
        p->rank--;
        memmove(p->dim, p->dim + 1, (size_t) p->rank * sizeof(p->dim[0]));
    }
}

#define EACH(T)                     \
    for (int64_t i = 0; i < n; i++) \
    out[i] = (float) ((const T *) (const void *) data)[i]

// Elements of any common type as float. The caller frees *numbers.
static ppq_status to_floats(ppq_score *s, int dtype, const void *data, int64_t n, const char *what,
                            float **numbers)
{
    float *out = malloc((size_t) PPQ_MAX(n, 1) * sizeof(*out));
    if (!out)
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_NOMEM, here,
                        "no memory for %lld numbers of %s", (long long) n, what);
    if (dtype == PPQ_DT_F32)
        memcpy(out, data, (size_t) n * sizeof(*out));
    else if (dtype == PPQ_DT_F64)
        EACH(double);
    else if (dtype == PPQ_DT_U8 || dtype == PPQ_DT_BOOL)
        EACH(uint8_t);
    else if (dtype == PPQ_DT_I8)
        EACH(int8_t);
    else if (dtype == PPQ_DT_I32)
        EACH(int32_t);
    else if (dtype == PPQ_DT_I64)
        EACH(int64_t);
    else if (dtype == PPQ_DT_F16)
        for (int64_t i = 0; i < n; i++)
            out[i] = ppq_f16_to_f32(((const uint16_t *) data)[i]);
    else {
        free(out);
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_UNSUPPORTED, here,
                        "%s holds %s, which cannot be scored", what,
                        ppq_dtype_valid(dtype) ? ppq_dtype_name((ppq_dtype) dtype) : "no tensor");
    }
    *numbers = out;
    return PPQ_OK;
}

static ppq_status part_floats(ppq_score *s, const part *p, const char *what, float **numbers)
{
    return to_floats(s, p->dtype, p->data, p->n, what, numbers);
}

static ppq_status refuse_shape(ppq_score *s, const part *p, const char *what, const char *expected)
{
    char b[128];
    ppq_shape shape = { .rank = p->rank };
    memcpy(shape.dim, p->dim, sizeof(p->dim));
    return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_SHAPE, here, "%s has an output of shape %s, %s",
                    what, ppq_shape_str(&shape, b, sizeof(b)), expected);
}

// ---- classification -------------------------------------------------------------------------

// The offset does not move labels that no model has anyway: the sum could overflow.
static int64_t label_of(const ppq_score *s, int64_t sample)
{
    const int64_t label = ppq_labels_class(s->labels, sample);
    return label >= INT32_MIN && label <= INT32_MAX ? label + s->o.label_offset : label;
}

static ppq_status add_classify(ppq_score *s, int64_t sample, const part *p, const char *what)
{
    float *scores;
    int64_t rank = 0;
    PPQ_TRY(part_floats(s, p, what, &scores));
    const ppq_status st =
        ppq_metric_rank(scores, p->n, label_of(s, sample), what, &rank, ppq_net_diag(s->net));
    free(scores);
    PPQ_TRY(st);
    s->top1 += rank < 1;
    s->top5 += rank < 5;
    s->n_scores = p->n;
    return PPQ_OK;
}

// ---- segmentation ---------------------------------------------------------------------------

// Classes of one sample, a plane of height x width.
typedef struct class_map {
    int32_t *at;
    int64_t height, width;
} class_map;

static ppq_status int_map(ppq_score *s, int dtype, const void *data, const char *what, class_map *m)
{
    float *x;
    const int64_t n = m->height * m->width;
    PPQ_TRY(to_floats(s, dtype, data, n, what, &x));
    for (int64_t i = 0; i < n; i++)
        m->at[i] = x[i] >= -1e6f && x[i] <= 1e6f ? (int32_t) x[i] : -1;
    free(x);
    return PPQ_OK;
}

static ppq_status new_map(ppq_score *s, int64_t height, int64_t width, class_map *m)
{
    *m = (class_map){ calloc((size_t) PPQ_MAX(height * width, 1), sizeof(int32_t)), height, width };
    if (m->at)
        return PPQ_OK;
    return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_NOMEM, here, "no memory for %lld x %lld classes",
                    (long long) height, (long long) width);
}

static ppq_status found_classes(ppq_score *s, const part *p, int64_t planes, const char *what,
                                class_map *m)
{
    PPQ_TRY(new_map(s, p->dim[p->rank - 2], p->dim[p->rank - 1], m));
    if (!ppq_dtype_is_float((ppq_dtype) p->dtype))
        return int_map(s, p->dtype, p->data, what, m);
    float *scores;
    PPQ_TRY(part_floats(s, p, what, &scores));
    const ppq_status st =
        ppq_metric_classes(scores, planes, m->height * m->width, what, m->at, ppq_net_diag(s->net));
    free(scores);
    return st;
}

static ppq_status true_classes(ppq_score *s, int64_t sample, const char *what, class_map *m)
{
    ppq_tensor t = { 0 };
    PPQ_TRY(ppq_labels_tensor(s->labels, sample, &t, ppq_net_diag(s->net)));
    part p = { .dtype = (int) t.dtype, .rank = t.shape.rank, .data = ppq_tensor_data(&t) };
    memcpy(p.dim, t.shape.dim, sizeof(p.dim));
    drop_ones(&p, 2);
    ppq_status st = PPQ_OK;
    if (p.rank != 2)
        st = refuse_shape(s, &p, "a mask", "expected height and width");
    else if (ppq_dtype_is_float(t.dtype))
        st = ppq_fail(ppq_net_diag(s->net), PPQ_ERR_DATA, here,
                      "the mask of %s holds %s, expected integers", what, ppq_dtype_name(t.dtype));
    if (st == PPQ_OK)
        st = new_map(s, p.dim[0], p.dim[1], m);
    if (st == PPQ_OK)
        st = int_map(s, p.dtype, p.data, what, m);
    ppq_tensor_unref(&t);
    return st;
}

// Takes the nearest class for every position of the mask, when the sizes differ.
static ppq_status resize(ppq_score *s, class_map *m, int64_t height, int64_t width)
{
    class_map to;
    if (m->height == height && m->width == width)
        return PPQ_OK;
    PPQ_TRY(new_map(s, height, width, &to));
    for (int64_t y = 0; y < height; y++)
        for (int64_t x = 0; x < width; x++)
            to.at[y * width + x] = m->at[(2 * y + 1) * m->height / (2 * height) * m->width +
                                         (2 * x + 1) * m->width / (2 * width)];
    free(m->at);
    *m = to;
    return PPQ_OK;
}

static ppq_status count_classes(ppq_score *s, const part *p, int64_t planes, const char *what)
{
    enum { MOST = 65536 };
    const bool scores = ppq_dtype_is_float((ppq_dtype) p->dtype);
    const int64_t have = scores ? PPQ_MAX(planes, 2) : s->o.n_classes;
    if (p->rank < 2 || p->rank > 3 || p->n < 1 || (!scores && planes > 1))
        return refuse_shape(s, p, what,
                            "expected class x height x width scores, or height x width classes");
    if (!have)
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_ARG, here,
                        "the model's output holds classes: give their number, --classes N");
    if (have > MOST || (s->o.n_classes && s->o.n_classes != have))
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_ARG, here,
                        "the model's output has %lld classes, --classes says %lld",
                        (long long) have, (long long) s->o.n_classes);
    if (!s->confusion)
        s->confusion = calloc((size_t) (have * have), sizeof(*s->confusion));
    if (!s->confusion)
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_NOMEM, here, "no memory for %lld classes",
                        (long long) have);
    s->n_classes = have;
    return PPQ_OK;
}

static ppq_status add_segment(ppq_score *s, int64_t sample, part *p, const char *what)
{
    drop_ones(p, 2);
    const int64_t planes = p->rank == 3 ? p->dim[0] : 1;
    class_map found = { NULL, 0, 0 }, truth = { NULL, 0, 0 };
    ppq_status st = count_classes(s, p, planes, what);
    if (st == PPQ_OK)
        st = found_classes(s, p, planes, what, &found);
    if (st == PPQ_OK)
        st = true_classes(s, sample, what, &truth);
    if (st == PPQ_OK)
        st = resize(s, &found, truth.height, truth.width);
    if (st == PPQ_OK)
        st = ppq_metric_confusion_add(found.at, truth.at, truth.height * truth.width, s->n_classes,
                                      s->o.has_ignore ? &s->o.ignore : NULL, what, s->confusion,
                                      ppq_net_diag(s->net));
    free(found.at);
    free(truth.at);
    return st;
}

// ---- detection ------------------------------------------------------------------------------

static ppq_status push_box(ppq_score *s, const float *v, float score, int64_t class_id,
                           int64_t sample, const char *what)
{
    if (isnan(score) || isnan(v[0]) || isnan(v[1]) || isnan(v[2]) || isnan(v[3]))
        return ppq_fail(ppq_net_diag(s->net), PPQ_ERR_NUMERIC, here, "a box of %s has a NaN", what);
    if (!((double) score > s->o.min_score) || class_id < 0)
        return PPQ_OK;
    if (s->n_found == s->cap_found) {
        s->cap_found = s->cap_found ? 2 * s->cap_found : 1024;
        s->found = realloc(s->found, s->cap_found * sizeof(*s->found));
        if (!s->found)
            abort();
    }
    ppq_box b = ppq_box_from(box_orders[s->o.box_format], v);
    const float w = (float) (s->o.box_width > 0 ? s->o.box_width : 1);
    const float h = (float) (s->o.box_height > 0 ? s->o.box_height : 1);
    b.x1 /= w;
    b.x2 /= w;
    b.y1 /= h;
    b.y2 /= h;
    b.score = score;
    b.class_id = class_id;
    b.sample = sample;
    s->found[s->n_found++] = b;
    return PPQ_OK;
}

static int64_t class_of(float x)
{
    return x >= 0 && x < 1e9f ? (int64_t) x : -1;
}

static ppq_status add_rows(ppq_score *s, int64_t sample, const part *p, const char *what)
{
    enum { COLUMNS = 6 };
    float *v;
    if (p->rank < 1 || p->dim[p->rank - 1] != COLUMNS)
        return refuse_shape(s, p, what,
                            "expected rows of x1 y1 x2 y2 score class; other outputs are named by "
                            "--boxes and --scores, raw ones need decoding in the model");
    PPQ_TRY(part_floats(s, p, what, &v));
    ppq_status st = PPQ_OK;
    for (int64_t i = 0; i < p->n && st == PPQ_OK; i += COLUMNS)
        st = push_box(s, v + i, v[i + 4], class_of(v[i + 5]), sample, what);
    free(v);
    return st;
}

// boxes [n][4], scores [n][n_classes]; classes [n] or NULL.
static ppq_status add_parts(ppq_score *s, int64_t sample, const float *boxes, int64_t n,
                            const float *scores, int64_t n_classes, const float *classes,
                            const char *what)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t c = 0; c < n_classes; c++)
            PPQ_TRY(push_box(s, boxes + 4 * i, scores[i * n_classes + c],
                             classes ? class_of(classes[i]) : c, sample, what));
    return PPQ_OK;
}

static ppq_status add_outputs(ppq_score *s, int64_t sample, const part *boxes, const part *scores,
                              const part *classes, const char *what)
{
    const int64_t n = boxes->n / 4;
    if (boxes->n % 4 || (n && scores->n % n) || (!n && scores->n))
        return refuse_shape(s, boxes, what, "expected four numbers per box, and scores for each");
    if (classes && (classes->n != n || scores->n != n))
        return refuse_shape(s, classes, what, "expected one class and one score per box");
    float *b = NULL, *x = NULL, *c = NULL;
    ppq_status st = part_floats(s, boxes, what, &b);
    if (st == PPQ_OK)
        st = part_floats(s, scores, what, &x);
    if (st == PPQ_OK && classes)
        st = part_floats(s, classes, what, &c);
    if (st == PPQ_OK)
        st = add_parts(s, sample, b, n, x, n ? scores->n / n : 0, c, what);
    free(b);
    free(x);
    free(c);
    return st;
}

static ppq_status add_detect(ppq_score *s, int64_t sample, const ppq_array *out, int64_t row,
                             int64_t rows, const char *what)
{
    const size_t before = s->n_found;
    if (s->box_parts) {
        const part boxes = part_of(&out[s->boxes], row, rows);
        const part scores = part_of(&out[s->scores], row, rows);
        const part classes = part_of(&out[s->classes], row, rows);
        PPQ_TRY(add_outputs(s, sample, &boxes, &scores, s->has_classes ? &classes : NULL, what));
    } else {
        const part p = part_of(&out[s->output], row, rows);
        PPQ_TRY(add_rows(s, sample, &p, what));
    }
    if (s->o.nms > 0 && s->n_found > before)
        s->n_found = before + ppq_metric_suppress(s->found + before, s->n_found - before, s->o.nms);
    return PPQ_OK;
}

// ---- regression -----------------------------------------------------------------------------

static ppq_status add_regress(ppq_score *s, int64_t sample, const part *p, const char *what)
{
    ppq_tensor t = { 0 };
    float *got = NULL, *expected = NULL;
    PPQ_TRY(ppq_labels_tensor(s->labels, sample, &t, ppq_net_diag(s->net)));
    const int64_t n = ppq_shape_numel(&t.shape);
    ppq_status st = PPQ_OK;
    if (n != p->n)
        st = ppq_fail(ppq_net_diag(s->net), PPQ_ERR_DATA, here,
                      "%s gives %lld numbers, its label holds %lld", what, (long long) p->n,
                      (long long) n);
    if (st == PPQ_OK)
        st = part_floats(s, p, what, &got);
    if (st == PPQ_OK)
        st = to_floats(s, (int) t.dtype, ppq_tensor_data(&t), n, what, &expected);
    if (st == PPQ_OK)
        st = ppq_metric_error_add(&s->error, got, expected, n, what, ppq_net_diag(s->net));
    free(got);
    free(expected);
    ppq_tensor_unref(&t);
    return st;
}

// ---- all ------------------------------------------------------------------------------------

static ppq_status add_sample(ppq_score *s, int64_t sample, const ppq_array *out, int64_t row,
                             int64_t rows)
{
    char name[256], what[300];
    ppq_samples_name(s->samples, sample, name, sizeof(name));
    snprintf(what, sizeof(what), "sample '%s'", name);
    part p = part_of(&out[s->output], row, rows);
    switch (s->o.task) {
    case PPQ_TASK_CLASSIFY:
        return add_classify(s, sample, &p, what);
    case PPQ_TASK_SEGMENT:
        return add_segment(s, sample, &p, what);
    case PPQ_TASK_DETECT:
        return add_detect(s, sample, out, row, rows, what);
    case PPQ_TASK_REGRESS:
        break;
    }
    return add_regress(s, sample, &p, what);
}

ppq_result ppq_score_add(ppq_score *s, int64_t run, const ppq_array *out)
{
    const int64_t batch = ppq_net_batch(s->net), first = run * batch;
    const int64_t rows = PPQ_MIN(batch, ppq_samples_count(s->samples) - first);
    ppq_status st = PPQ_OK;
    for (int64_t i = 0; i < rows && st == PPQ_OK; i++)
        st = add_sample(s, first + i, out, i, rows);
    s->n += st == PPQ_OK ? rows : 0;
    return ppq_result_of(st);
}

static double percent(int64_t part_, int64_t all)
{
    return 100.0 * (double) part_ / (double) all;
}

static ppq_status score_boxes(ppq_score *s, ppq_metric *out, size_t *n)
{
    size_t n_truth;
    ppq_average_precision p;
    ppq_box *truth = ppq_labels_boxes(s->labels, &n_truth);
    PPQ_TRY(ppq_metric_average_precision(s->found, s->n_found, truth, n_truth, &p,
                                         ppq_net_diag(s->net)));
    out[(*n)++] = (ppq_metric){ "mAP", "%", 100 * p.at_50_95, 0 };
    out[(*n)++] = (ppq_metric){ "mAP@0.5", "%", 100 * p.at_50, 0 };
    return PPQ_OK;
}

ppq_result ppq_score_get(ppq_score *s, ppq_metric *out, size_t *n)
{
    *n = 0;
    if (!s->n)
        return ppq_result_of(
            ppq_fail(ppq_net_diag(s->net), PPQ_ERR_DATA, here, "there are no samples"));
    switch (s->o.task) {
    case PPQ_TASK_CLASSIFY:
        out[(*n)++] = (ppq_metric){ "top-1", "%", percent(s->top1, s->n), 0 };
        if (s->n_scores > 5)
            out[(*n)++] = (ppq_metric){ "top-5", "%", percent(s->top5, s->n), 0 };
        break;
    case PPQ_TASK_SEGMENT:
        out[(*n)++] =
            (ppq_metric){ "mIoU", "%", 100 * ppq_metric_mean_iou(s->confusion, s->n_classes), 0 };
        out[(*n)++] =
            (ppq_metric){ "pixels", "%",
                          100 * ppq_metric_position_accuracy(s->confusion, s->n_classes), 0 };
        break;
    case PPQ_TASK_DETECT:
        return ppq_result_of(score_boxes(s, out, n));
    case PPQ_TASK_REGRESS:
        out[(*n)++] = (ppq_metric){ "PSNR", "dB", ppq_metric_psnr(&s->error, s->o.peak), 0 };
        out[(*n)++] = (ppq_metric){ "SNR", "dB", ppq_metric_snr(&s->error), 0 };
        out[(*n)++] = (ppq_metric){ "MSE", "", ppq_metric_mse(&s->error), 1 };
        break;
    }
    return PPQ_RESULT_OK;
}
