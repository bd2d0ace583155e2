#ifndef PPQ_EXECUTOR_OPS_WINDOW_H
#define PPQ_EXECUTOR_OPS_WINDOW_H

#include "core/op_def.h"

// Sliding windows: the spatial half of convolutions and pools, one entry per spatial dimension.

#define PPQ_MAX_SPATIAL (PPQ_MAX_RANK - 2)

// Why attributes and shapes do not fit together: one phrase, no period.
typedef struct ppq_reason {
    char text[200];
} ppq_reason;

// Writes the phrase and returns false, so `return ppq_because(...)` is one line.
bool ppq_because(ppq_reason *why, const char *fmt, ...) PPQ_PRINTF(2, 3);

typedef struct ppq_window {
    int n;                        // spatial dimensions, [1, PPQ_MAX_SPATIAL]
    int64_t in[PPQ_MAX_SPATIAL];  // negative: not known yet
    int64_t out[PPQ_MAX_SPATIAL]; // negative: not known yet
    int64_t kernel[PPQ_MAX_SPATIAL], stride[PPQ_MAX_SPATIAL], dilation[PPQ_MAX_SPATIAL];
    int64_t pad_lo[PPQ_MAX_SPATIAL], pad_hi[PPQ_MAX_SPATIAL];
} ppq_window;

// Reads the attributes strides, dilations, pads, auto_pad, kernel_shape and ceil_mode and sizes
// the output. `in` are the spatial dimensions of the input. `kernel` are those of the weights,
// or NULL when kernel_shape is the only source. False with a reason when they do not fit.
bool ppq_window_init(ppq_window *w, const ppq_op *op, int n, const int64_t *in,
                     const int64_t *kernel, ppq_reason *why);
// The same for ConvTranspose, with output_shape and output_padding: `in` is what the gradient
// of a convolution would read, `out` is larger.
bool ppq_window_init_transposed(ppq_window *w, const ppq_op *op, int n, const int64_t *in,
                                const int64_t *kernel, ppq_reason *why);

static inline int64_t ppq_window_extent(const ppq_window *w, int d)
{
    return (w->kernel[d] - 1) * w->dilation[d] + 1;
}

// The same window over two dimensions: one dimension is an image of height 1. w->n is 1 or 2.
ppq_window ppq_window_as_image(const ppq_window *w);

// The i in [0, count) with 0 <= i * stride + offset < limit are [*lo, *hi).
void ppq_span(int64_t offset, int64_t stride, int64_t count, int64_t limit, int64_t *lo,
              int64_t *hi);

// A row of the kernel and the row of the input it meets: element offsets within one channel.
typedef struct ppq_tap {
    int64_t src, kernel;
} ppq_tap;

// Most taps that the next two functions can list; every dimension of `w` must be
// known and the input it reads must exist in memory.
int64_t ppq_window_max_taps(const ppq_window *w);
// Lists the taps of the output row at coordinates `at` (every spatial dimension but the last)
// that lie inside the input, in kernel order, and returns how many.
int64_t ppq_window_taps(const ppq_window *w, const int64_t *at, ppq_tap *taps);
int64_t ppq_window_taps_transposed(const ppq_window *w, const int64_t *at, ppq_tap *taps);

// Steps `at`, the coordinates of a row-major walk over dim[0..n), to the next place; false after
// the last.
static inline bool ppq_next(int n, const int64_t *dim, int64_t *at)
{
    for (int i = n - 1; i >= 0; i--) {
        if (++at[i] < dim[i])
            return true;
        at[i] = 0;
    }
    return false;
}

// 0 when it overflows: only a tensor without elements can have such dimensions.
static inline int64_t ppq_product(int n, const int64_t *dim)
{
    int64_t p = 1;
    for (int i = 0; i < n; i++)
        if (__builtin_mul_overflow(p, dim[i], &p))
            return 0;
    return p;
}

#endif
