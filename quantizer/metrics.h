#ifndef PPQ_QUANTIZER_METRICS_H
#define PPQ_QUANTIZER_METRICS_H

#include "core/diag.h"

// How good results are: pure functions of numbers. A NaN among results is PPQ_ERR_NUMERIC, a label
// out of range PPQ_ERR_DATA. `what` names results and labels in messages: "sample 'a.png'".

// ---- classification -------------------------------------------------------------------------

// How many of n scores are ahead of the label's: those larger, and equal ones before it. 0: top-1.
PPQ_NODISCARD ppq_status ppq_metric_rank(const float *scores, int64_t n, int64_t label,
                                         const char *what, int64_t *rank, ppq_diag *d);

// ---- segmentation ---------------------------------------------------------------------------

// The class of each position: of several planes [classes][positions] the first with the largest
// score, of a single one whether it is above 0.5.
PPQ_NODISCARD ppq_status ppq_metric_classes(const float *scores, int64_t classes, int64_t positions,
                                            const char *what, int32_t *out, ppq_diag *d);
// Adds to confusion[classes * truth + found]. Positions whose truth is *ignore (may be NULL) do
// not count.
PPQ_NODISCARD ppq_status ppq_metric_confusion_add(const int32_t *found, const int32_t *truth,
                                                  int64_t n, int64_t classes, const int64_t *ignore,
                                                  const char *what, int64_t *confusion,
                                                  ppq_diag *d);
// Intersection over union, averaged over the classes that occur in the truth; share of positions
// that are right. 0 when nothing was added.
double ppq_metric_mean_iou(const int64_t *confusion, int64_t classes);
double ppq_metric_position_accuracy(const int64_t *confusion, int64_t classes);

// ---- detection ------------------------------------------------------------------------------

// Corners in any unit, the same for found boxes and true ones. Reversed corners: an empty box.
typedef struct ppq_box {
    float x1, y1, x2, y2;
    float score; // of true boxes: unused
    int64_t class_id, sample;
} ppq_box;

double ppq_metric_box_iou(const ppq_box *a, const ppq_box *b);
// Of boxes of one class and sample that overlap by more than `iou`, only the one with the largest
// score stays. Sorts by score and returns how many stay, at the front.
size_t ppq_metric_suppress(ppq_box *boxes, size_t n, double iou);

typedef struct ppq_average_precision {
    double at_50;    // at an overlap of 0.5
    double at_50_95; // the average over overlaps of 0.5, 0.55, ..., 0.95
} ppq_average_precision;

// Precision at 101 recalls, averaged over them and over the classes that occur in the truth, as
// COCO does it; of equal scores the earlier box counts first. Reorders both arrays.
PPQ_NODISCARD ppq_status ppq_metric_average_precision(ppq_box *found, size_t n_found,
                                                      ppq_box *truth, size_t n_truth,
                                                      ppq_average_precision *out, ppq_diag *d);

// ---- regression -----------------------------------------------------------------------------

typedef struct ppq_metric_error {
    double noise, signal, low, high; // sums of squares; range of what was expected
    int64_t n;
} ppq_metric_error;

// Adds n numbers to *e, which starts zeroed.
PPQ_NODISCARD ppq_status ppq_metric_error_add(ppq_metric_error *e, const float *got,
                                              const float *expected, int64_t n, const char *what,
                                              ppq_diag *d);
double ppq_metric_mse(const ppq_metric_error *e);
// In dB, 300 without any error. peak 0: the range of what was expected.
double ppq_metric_psnr(const ppq_metric_error *e, double peak);
double ppq_metric_snr(const ppq_metric_error *e);

#endif
