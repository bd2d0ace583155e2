// y[j] += a[j] * x for up to four rows y[j] that share x: the inner loop of the matrix products.
// A template: include with T, the element type, and NAME(x), which makes function names.

static inline void NAME(axpy1)(T *restrict y, T a, const T *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

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

// Rows `y[j] + at`, j in [0, rows).
static inline void NAME(axpy)(T *const *y, int64_t at, int rows, const T *a, const T *x, int64_t n)
{
    if (rows == 4) {
        T *const row[4] = { y[0] + at, y[1] + at, y[2] + at, y[3] + at };
        NAME(axpy4)(row, a, x, n);
    } else {
        for (int j = 0; j < rows; j++)
            NAME(axpy1)(y[j] + at, a[j], x, n);
    }
}

// The same with steps between the elements of y and of x.
static inline void NAME(axpy_strided)(T *const *y, int64_t at, int64_t y_step, int rows, const T *a,
                                      const T *x, int64_t x_step, int64_t n)
{
    for (int j = 0; j < rows; j++)
        for (int64_t i = 0; i < n; i++)
            y[j][at + i * y_step] += a[j] * x[i * x_step];
}
