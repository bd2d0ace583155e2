#include "quantizer/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const ppq_loc here = { .stage = "metrics" };

static ppq_status check_number(float x, int64_t at, const char *what, ppq_diag *d)
{
    if (!isnan(x))
        return PPQ_OK;
    return ppq_fail(d, PPQ_ERR_NUMERIC, here, "result %lld of %s is NaN", (long long) at, what);
}

static ppq_status check_label(int64_t label, int64_t classes, const char *what, ppq_diag *d)
{
    if (label >= 0 && label < classes)
        return PPQ_OK;
    return ppq_fail(d, PPQ_ERR_DATA, here, "the label of %s is %lld, legal are 0 to %lld", what,
                    (long long) label, (long long) classes - 1);
}

// ---- classification -------------------------------------------------------------------------

ppq_status ppq_metric_rank(const float *scores, int64_t n, int64_t label, const char *what,
                           int64_t *rank, ppq_diag *d)
{
    PPQ_TRY(check_label(label, n, what, d));
    int64_t ahead = 0;
    for (int64_t i = 0; i < n; i++) {
        PPQ_TRY(check_number(scores[i], i, what, d));
        ahead += i < label ? scores[i] >= scores[label] : scores[i] > scores[label];
    }
    *rank = ahead;
    return PPQ_OK;
}

// ---- segmentation ---------------------------------------------------------------------------

ppq_status ppq_metric_classes(const float *scores, int64_t classes, int64_t positions,
                              const char *what, int32_t *out, ppq_diag *d)
{
    for (int64_t i = 0; i < classes * positions; i++)
        PPQ_TRY(check_number(scores[i], i, what, d));
    for (int64_t p = 0; p < positions; p++) {
        int32_t best = 0;
        for (int32_t c = 1; c < classes; c++)
            if (scores[c * positions + p] > scores[best * positions + p])
                best = c;
        out[p] = classes == 1 ? scores[p] > 0.5f : best;
    }
    return PPQ_OK;
}

ppq_status ppq_metric_confusion_add(const int32_t *found, const int32_t *truth, int64_t n,
                                    int64_t classes, const int64_t *ignore, const char *what,
                                    int64_t *confusion, ppq_diag *d)
{
    for (int64_t i = 0; i < n; i++) {
        if (ignore && truth[i] == *ignore)
            continue;
        PPQ_TRY(check_label(truth[i], classes, what, d));
        if (found[i] < 0 || found[i] >= classes)
            return ppq_fail(d, PPQ_ERR_DATA, here,
                            "result %lld of %s is class %d, legal are 0 to %lld", (long long) i,
                            what, (int) found[i], (long long) classes - 1);
        confusion[truth[i] * classes + found[i]]++;
    }
    return PPQ_OK;
}

double ppq_metric_mean_iou(const int64_t *confusion, int64_t classes)
{
    double sum = 0;
    int64_t present = 0;
    for (int64_t c = 0; c < classes; c++) {
        int64_t truth = 0, found = 0;
        for (int64_t k = 0; k < classes; k++) {
            truth += confusion[c * classes + k];
            found += confusion[k * classes + c];
        }
        const int64_t both = confusion[c * classes + c];
        if (!truth)
            continue;
        sum += (double) both / (double) (truth + found - both);
        present++;
    }
    return present ? sum / (double) present : 0;
}

double ppq_metric_position_accuracy(const int64_t *confusion, int64_t classes)
{
    int64_t right = 0, all = 0;
    for (int64_t i = 0; i < classes * classes; i++) {
        all += confusion[i];
        right += i % (classes + 1) == 0 ? confusion[i] : 0;
    }
    return all ? (double) right / (double) all : 0;
}

// ---- detection ------------------------------------------------------------------------------

static double side(float low, float high)
{
    return fmax(0, (double) high - (double) low);
}

double ppq_metric_box_iou(const ppq_box *a, const ppq_box *b)
{
    const double both = side(fmaxf(a->x1, b->x1), fminf(a->x2, b->x2)) *
                        side(fmaxf(a->y1, b->y1), fminf(a->y2, b->y2));
    const double all =
        side(a->x1, a->x2) * side(a->y1, a->y2) + side(b->x1, b->x2) * side(b->y1, b->y2) - both;
    return all > 0 ? both / all : 0;
}

// Sorts boxes without changing the order of equal ones.
static void sort_boxes(ppq_box *b, size_t n, bool (*before)(const ppq_box *, const ppq_box *),
                       ppq_box *spare)
{
    if (n < 2)
        return;
    const size_t half = n / 2;
    sort_boxes(b, half, before, spare);
    sort_boxes(b + half, n - half, before, spare);
    memcpy(spare, b, half * sizeof(*b));
    for (size_t left = 0, right = half, to = 0; left < half; to++)
        b[to] = right < n && before(&b[right], &spare[left]) ? b[right++] : spare[left++];
}

static bool larger_score(const ppq_box *a, const ppq_box *b)
{
    return a->score > b->score;
}

static bool by_class(const ppq_box *a, const ppq_box *b)
{
    return a->class_id != b->class_id ? a->class_id < b->class_id : a->score > b->score;
}

static bool by_class_and_sample(const ppq_box *a, const ppq_box *b)
{
    return a->class_id != b->class_id ? a->class_id < b->class_id : a->sample < b->sample;
}

static void sort_all(ppq_box *b, size_t n, bool (*before)(const ppq_box *, const ppq_box *))
{
    ppq_box *spare = calloc(n / 2 + 1, sizeof(*spare));
    if (!spare)
        abort();
    sort_boxes(b, n, before, spare);
    free(spare);
}

size_t ppq_metric_suppress(ppq_box *boxes, size_t n, double iou)
{
    size_t kept = 0;
    sort_all(boxes, n, larger_score);
    for (size_t i = 0; i < n; i++) {
        bool stays = true;
        for (size_t k = 0; k < kept && stays; k++)
            stays = boxes[k].class_id != boxes[i].class_id || boxes[k].sample != boxes[i].sample ||
                    ppq_metric_box_iou(&boxes[k], &boxes[i]) <= iou;
        if (stays)
            boxes[kept++] = boxes[i];
    }
    return kept;
}

// The first of n boxes, sorted by sample, that is of `sample` or a later one.
static size_t first_of_sample(const ppq_box *b, size_t n, int64_t sample)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (b[mid].sample < sample)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

// Whether a found box is right: takes the true box that it overlaps most, among those nobody took.
static bool take(const ppq_box *found, const ppq_box *truth, size_t n_truth, double overlap,
                 bool *taken)
{
    size_t best = n_truth;
    double most = overlap;
    for (size_t i = first_of_sample(truth, n_truth, found->sample);
         i < n_truth && truth[i].sample == found->sample; i++) {
        const double iou = taken[i] ? -1 : ppq_metric_box_iou(found, &truth[i]);
        if (iou >= most && (best == n_truth || iou > most)) {
            best = i;
            most = iou;
        }
    }
    if (best < n_truth)
        taken[best] = true;
    return best < n_truth;
}

// Average precision of one class: found in the order of scores, truth in that of samples.
// precision, taken: room for n_found and n_truth.
static double class_precision(const ppq_box *found, size_t n_found, const ppq_box *truth,
                              size_t n_truth, double overlap, double *precision, bool *taken)
{
    enum { RECALLS = 101 };
    if (!n_found)
        return 0;
    size_t *right = calloc(n_found, sizeof(*right));
    if (!right)
        abort();
    memset(taken, 0, n_truth * sizeof(*taken));
    size_t hits = 0;
    for (size_t i = 0; i < n_found; i++) {
        hits += take(&found[i], truth, n_truth, overlap, taken);
        right[i] = hits;
        precision[i] = (double) hits / (double) (i + 1);
    }
    for (size_t i = n_found - 1; i > 0; i--)
        precision[i - 1] = fmax(precision[i - 1], precision[i]);
    double sum = 0;
    size_t at = 0;
    for (int r = 0; r < RECALLS; r++) {
        const double recall = (double) r / (RECALLS - 1);
        while (at < n_found && (double) right[at] / (double) n_truth < recall)
            at++;
        sum += at < n_found ? precision[at] : 0;
    }
    free(right);
    return sum / RECALLS;
}

static size_t same_class(const ppq_box *b, size_t n, int64_t class_id)
{
    size_t k = 0;
    while (k < n && b[k].class_id == class_id)
        k++;
    return k;
}

ppq_status ppq_metric_average_precision(ppq_box *found, size_t n_found, ppq_box *truth,
                                        size_t n_truth, ppq_average_precision *out, ppq_diag *d)
{
    enum { OVERLAPS = 10 };
    if (!n_truth)
        return ppq_fail(d, PPQ_ERR_DATA, here, "the labels hold no boxes");
    for (size_t i = 0; i < n_found; i++) {
        const ppq_box *b = &found[i];
        if (isnan(b->x1) || isnan(b->y1) || isnan(b->x2) || isnan(b->y2) || isnan(b->score))
            return ppq_fail(d, PPQ_ERR_NUMERIC, here, "found box %zu has a NaN", i);
    }
    double *precision = calloc(n_found + 1, sizeof(*precision));
    bool *taken = calloc(n_truth, sizeof(*taken));
    if (!precision || !taken)
        abort();
    sort_all(found, n_found, by_class);
    sort_all(truth, n_truth, by_class_and_sample);
    size_t f = 0, n_classes = 0;
    double sum[OVERLAPS] = { 0 };
    for (size_t t = 0; t < n_truth; n_classes++) {
        const int64_t c = truth[t].class_id;
        const size_t n = same_class(truth + t, n_truth - t, c);
        while (f < n_found && found[f].class_id < c)
            f++;
        const ppq_box *const of_class = n_found ? found + f : NULL;
        const size_t m = same_class(of_class, n_found - f, c);
        for (int k = 0; k < OVERLAPS; k++)
            sum[k] +=
                class_precision(of_class, m, truth + t, n, (50 + 5 * k) / 100.0, precision, taken);
        t += n;
    }
    free(precision);
    free(taken);
    *out = (ppq_average_precision){ .at_50 = sum[0] / (double) n_classes };
    for (int k = 0; k < OVERLAPS; k++)
        out->at_50_95 += sum[k] / (double) n_classes / OVERLAPS;
    return PPQ_OK;
}

// ---- regression -----------------------------------------------------------------------------

ppq_status ppq_metric_error_add(ppq_metric_error *e, const float *got, const float *expected,
                                int64_t n, const char *what, ppq_diag *d)
{
    for (int64_t i = 0; i < n; i++) {
        PPQ_TRY(check_number(got[i], i, what, d));
        if (!isfinite(expected[i]))
            return ppq_fail(d, PPQ_ERR_NUMERIC, here, "number %lld of what %s should give is %g",
                            (long long) i, what, (double) expected[i]);
        const double x = (double) expected[i], off = (double) got[i] - x;
        e->noise += off * off;
        e->signal += x * x;
        e->low = e->n ? fmin(e->low, x) : x;
        e->high = e->n ? fmax(e->high, x) : x;
        e->n++;
    }
    return PPQ_OK;
}

double ppq_metric_mse(const ppq_metric_error *e)
{
    return e->n ? e->noise / (double) e->n : 0;
}

static double decibel(double signal, double noise)
{
    enum { BEST = 300 };
    if (!(noise > 0))
        return BEST;
    return signal > 0 ? fmin(BEST, 10 * log10(signal / noise)) : -BEST;
}

double ppq_metric_psnr(const ppq_metric_error *e, double peak)
{
    assert(peak >= 0);
    const double p = peak > 0 ? peak : e->high - e->low;
    return decibel(p * p, ppq_metric_mse(e));
}

double ppq_metric_snr(const ppq_metric_error *e)
{
    return decibel(e->signal, e->noise);
}
