#ifndef PPQ_QUANTIZER_DATA_FORMAT_H
#define PPQ_QUANTIZER_DATA_FORMAT_H

#include "core/arena.h"
#include "core/diag.h"
#include "core/tensor.h"

// File formats of samples. `name` is the file's, for messages.

// A file mapped read-only.
typedef struct ppq_view {
    const unsigned char *data;
    size_t size;
} ppq_view;

PPQ_NODISCARD ppq_status ppq_view_open(const char *path, ppq_view *out, ppq_diag *d);
void ppq_view_close(ppq_view *v);
ppq_status ppq_data_fail(ppq_diag *d, const char *name, const char *fmt, ...) PPQ_PRINTF(3, 4);

// ---- .npy -----------------------------------------------------------------------------------

typedef struct ppq_npy {
    ppq_dtype dtype;
    ppq_shape shape;
    bool fortran, swap; // column-major; other byte order than this machine's
    size_t at;          // offset of the first element
} ppq_npy;

PPQ_NODISCARD ppq_status ppq_npy_header(const unsigned char *p, size_t n, const char *name,
                                        ppq_npy *out, ppq_diag *d);
// row >= 0: that slice of the first dimension, which stays with size 1.
PPQ_NODISCARD ppq_status ppq_npy_decode(const unsigned char *p, size_t n, const char *name,
                                        int64_t row, ppq_tensor *out, ppq_diag *d);

// ---- .npz -----------------------------------------------------------------------------------

// The .npy inside under `key`; the caller frees *bytes. PPQ_ERR_DATA, naming the keys there are,
// when it is missing.
PPQ_NODISCARD ppq_status ppq_npz_entry(const unsigned char *p, size_t n, const char *name,
                                       const char *key, unsigned char **bytes, size_t *size,
                                       ppq_diag *d);
// Key i without its .npy, in the arena; NULL beyond the last or when the file is broken.
const char *ppq_npz_key(const unsigned char *p, size_t n, size_t i, ppq_arena *a);

// ---- images ---------------------------------------------------------------------------------

// 8-bit pixels, row by row, channels interleaved (1 or 3). The caller frees.
typedef struct ppq_image {
    unsigned char *pixels;
    int width, height, channels;
} ppq_image;

PPQ_NODISCARD ppq_status ppq_image_decode(const unsigned char *p, size_t n, const char *name,
                                          ppq_image *out, ppq_diag *d);

typedef enum ppq_filter { PPQ_FILTER_BILINEAR, PPQ_FILTER_NEAREST, PPQ_FILTER_BICUBIC } ppq_filter;

typedef struct ppq_preprocess {
    int resize_short, resize_w, resize_h; // 0: not asked for
    int letterbox_w, letterbox_h;
    int crop_w, crop_h;
    ppq_filter method;
    bool nhwc, bgr, gray;
    float scale, pad, mean[3], std[3];
} ppq_preprocess;

// "resize=256,crop=224,mean=0.485:0.456:0.406,..." or the name of a JSON file with these keys.
PPQ_NODISCARD ppq_status ppq_preprocess_parse(const char *spec, ppq_preprocess *out, ppq_diag *d);
// value = ((pixel / scale) - mean) / std; shape [1, C, H, W], or [1, H, W, C] for nhwc.
PPQ_NODISCARD ppq_status ppq_preprocess_apply(const ppq_preprocess *p, const ppq_image *image,
                                              const char *name, ppq_tensor *out, ppq_diag *d);

#endif
