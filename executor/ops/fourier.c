#include "executor/ops/fourier.h"

#include <math.h>

void ppq_fourier_roots(ppq_complex *root, int64_t n, bool inverse)
{
    const double step = (inverse ? 2 : -2) * 3.14159265358979323846 / (double) n;
    for (int64_t i = 0; i < n; i++)
        root[i] = (ppq_complex){ cos(step * (double) i), sin(step * (double) i) };
}

static ppq_complex add_product(ppq_complex s, ppq_complex a, ppq_complex b)
{
    return (ppq_complex){ s.re + a.re * b.re - a.im * b.im, s.im + a.re * b.im + a.im * b.re };
}

// n values of x, `stride` apart; the roots of `stride` * n are given. Halves even lengths, and sums
// odd ones as they stand.
static void transform(const ppq_complex *x, int64_t stride, ppq_complex *y, int64_t n,
                      const ppq_complex *root, ppq_complex *temp)
{
    if (n % 2) {
        for (int64_t k = 0; k < n; k++) {
            ppq_complex s = { 0, 0 };
            for (int64_t i = 0, at = 0; i < n; i++, at = (at + k) % n)
                s = add_product(s, x[i * stride], root[at * stride]);
            y[k] = s;
        }
        return;
    }
    const int64_t half = n / 2;
    transform(x, 2 * stride, temp, half, root, y);
    transform(x + stride, 2 * stride, temp + half, half, root, y + half);
    for (int64_t k = 0; k < half; k++) {
        const ppq_complex r = root[k * stride], minus = { -r.re, -r.im };
        y[k] = add_product(temp[k], temp[half + k], r);
        y[half + k] = add_product(temp[k], temp[half + k], minus);
    }
}

void ppq_fourier(const ppq_complex *x, ppq_complex *y, int64_t n, const ppq_complex *root,
                 ppq_complex *temp)
{
    if (n > 0)
        transform(x, 1, y, n, root, temp);
}
