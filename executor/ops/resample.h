#ifndef PPQ_EXECUTOR_OPS_RESAMPLE_H
#define PPQ_EXECUTOR_OPS_RESAMPLE_H

#include "core/op_def.h"

// Resampling a tensor one axis after the other, as Resize defines it.

typedef enum ppq_resample_mode { PPQ_NEAREST, PPQ_LINEAR, PPQ_CUBIC } ppq_resample_mode;

typedef enum ppq_resample_coord {
    PPQ_COORD_HALF_PIXEL,
    PPQ_COORD_HALF_PIXEL_SYMMETRIC,
    PPQ_COORD_PYTORCH_HALF_PIXEL,
    PPQ_COORD_ALIGN_CORNERS,
    PPQ_COORD_ASYMMETRIC,
    PPQ_COORD_TF_CROP_AND_RESIZE,
    PPQ_COORD_TF_HALF_PIXEL_FOR_NN,
} ppq_resample_coord;

typedef enum ppq_resample_round {
    PPQ_ROUND_PREFER_FLOOR,
    PPQ_ROUND_PREFER_CEIL,
    PPQ_ROUND_FLOOR,
    PPQ_ROUND_CEIL,
} ppq_resample_round;

typedef struct ppq_resample {
    ppq_resample_mode mode;
    ppq_resample_coord coord;
    ppq_resample_round round;
    double cubic_a, outside_value;
    bool antialias, exclude_outside;
} ppq_resample;

typedef struct ppq_resample_axis {
    int axis;
    int64_t in, out;
    double scale, roi_start, roi_end;
} ppq_resample_axis;

// out[0] = in[0] resampled along `axes`; out[0] has its final shape, and every dimension that is
// not resampled is the same. Types: any for PPQ_NEAREST, else float32, float64 and integers.
ppq_status ppq_resample_run(ppq_kernel_ctx *c, const ppq_resample *r, const ppq_resample_axis *axes,
                            int n_axes);

// The gradient of in[0], float32, likewise.
ppq_status ppq_resample_backward(ppq_backward_ctx *c, ppq_kernel_ctx *k, const ppq_resample *r,
                                 const ppq_resample_axis *axes, int n_axes);

#endif
