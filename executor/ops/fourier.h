#ifndef PPQ_EXECUTOR_OPS_FOURIER_H
#define PPQ_EXECUTOR_OPS_FOURIER_H

#include "core/base.h"

typedef struct ppq_complex {
    double re, im;
} ppq_complex;

// Discrete Fourier transform of n values, unscaled; `inverse` only turns the sign of the exponent.
// `temp` holds n more, `root` n: ppq_fourier_roots.
void ppq_fourier_roots(ppq_complex *root, int64_t n, bool inverse);
void ppq_fourier(const ppq_complex *x, ppq_complex *y, int64_t n, const ppq_complex *root,
                 ppq_complex *temp);

#endif
