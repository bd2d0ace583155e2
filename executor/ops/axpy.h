// y[j] += a[j] * x for up to four rows y[j] that share x: the inner loop of the matrix products.
// A template: include with T, the element type, and NAME(x), which makes function names.

struct NAME(rows) {
    T *y[4], a[4];
    int n;
};

static inline void NAME(axpy4)(T *const *row, const T *a, const T *restrict x, int64_t n)
{
    T *restrict y0 = row[0], *restrict y1 = row[1], *restrict y2 = row[2], *restrict y3 = row[3];
    const T a0 = a[0], a1 = a[1], a2 = a[2], a3 = a[3];
    for (int64_t i = 0; i < n; i++) {
        const T v = x[i];
        y0[i] += a0 * v;
        y1[i] += a1 * v;
        y2[i] += a2 * v;
        y3[i] += a3 * v;
    }
}

// On the n elements from `at` on.
static inline void NAME(axpy)(const struct NAME(rows) * r, int64_t at, const T *restrict x,
                              int64_t n)
{
    if (r->n == 4) {
        T *const row[4] = { r->y[0] + at, r->y[1] + at, r->y[2] + at, r->y[3] + at };
        NAME(axpy4)(row, r->a, x, n);
        return;
    }
    for (int j = 0; j < r->n; j++) {
        T *restrict y = r->y[j] + at;
        for (int64_t i = 0; i < n; i++)
            y[i] += r->a[j] * x[i];
    }
}

// The same with steps between the elements of y and of x.
static inline void NAME(axpy_steps)(const struct NAME(rows) * r, int64_t at, int64_t y_step,
                                    const T *x, int64_t x_step, int64_t n)
{
    for (int j = 0; j < r->n; j++)
        for (int64_t i = 0; i < n; i++)
            r->y[j][at + i * y_step] += r->a[j] * x[i * x_step];
}
