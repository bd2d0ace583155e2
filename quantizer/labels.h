#ifndef PPQ_QUANTIZER_LABELS_H
#define PPQ_QUANTIZER_LABELS_H

#include "quantizer/data/data.h"
#include "quantizer/metrics.h"

// What the results for samples should be, from files:
//   classes  .npy of integers in the order of the samples; a text file of lines "label" in that
//            order, or "name label"; none: the labels of a packed file
//   boxes    a text file of lines "name class" and four numbers; a folder of <name>.txt with lines
//            "class" and four numbers; a sample nobody names has no boxes
//   tensors  a folder of .npy, .pb and .png, by name when any name is a sample's, else in name
//            order; an .npy whose rows are the samples
// A name is that of the sample's file, with or without folder and suffix. Blank lines and those
// that start with '#' do not count; columns are cut by blanks, tabs, commas.
typedef struct ppq_labels ppq_labels;

typedef enum ppq_label_kind {
    PPQ_LABEL_CLASSES,
    PPQ_LABEL_BOXES,
    PPQ_LABEL_TENSORS
} ppq_label_kind;

// What a box's four numbers are: two corners, corner and size, centre and size.
typedef enum ppq_box_order {
    PPQ_BOX_ORDER_CORNERS,
    PPQ_BOX_ORDER_CORNER_SIZE,
    PPQ_BOX_ORDER_CENTRE_SIZE
} ppq_box_order;

// Keeps in `data` only the samples that have a label, of these the first `max` (0: all).
PPQ_NODISCARD ppq_status ppq_labels_open(ppq_label_kind kind, const char *path, ppq_box_order boxes,
                                         int64_t max, ppq_data *data, ppq_labels **out,
                                         ppq_diag *d);
void ppq_labels_destroy(ppq_labels *l); // NULL is fine
int64_t ppq_labels_class(const ppq_labels *l, int64_t sample);
// All boxes; may be reordered.
ppq_box *ppq_labels_boxes(ppq_labels *l, size_t *n);
PPQ_NODISCARD ppq_status ppq_labels_tensor(const ppq_labels *l, int64_t sample, ppq_tensor *out,
                                           ppq_diag *d);

// The box that four numbers mean; the rest is zero.
ppq_box ppq_box_from(ppq_box_order order, const float *v);

#endif
