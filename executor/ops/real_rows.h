// Row arithmetic for element type T; functions are called NAME(...). Included by real.c only,
// once per type.

static inline double NAME(load)(const void *x, int64_t i)
{
    return (double) ((const T *) x)[i];
}

static inline void NAME(store)(void *y, int64_t i, double v)
{
    ((T *) y)[i] = (T) v;
}

static double NAME(max)(const void *x, int64_t n)
{
    const T *v = x;
    T m = -T_MAX;
    for (int64_t i = 0; i < n; i++)
        m = v[i] > m ? v[i] : m;
    return (double) m;
}

// Independent partial sums keep the adders busy; their order is fixed.
static double NAME(sum)(const void *x, int64_t n, int64_t stride)
{
    const T *v = x;
    double part[LANES] = { 0 };
    int64_t i = 0;
    for (; stride == 1 && i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            part[k] += (double) v[i + k];
    for (; i < n; i++)
        part[0] += (double) v[i * stride];
    return add_lanes(part);
}

static double NAME(sum_sq)(const void *x, int64_t n, double mean)
{
    const T *v = x;
    double part[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            const double d = (double) v[i + k] - mean;
            part[k] += d * d;
        }
    for (; i < n; i++)
        part[0] += ((double) v[i] - mean) * ((double) v[i] - mean);
    return add_lanes(part);
}

static double NAME(sum_pow)(const void *x, int64_t n, int64_t stride, double p)
{
    const T *v = x;
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        s += abs_pow((double) v[i * stride], p);
    return s;
}

static void NAME(affine)(void *y, const void *x, int64_t n, double scale, double shift)
{
    const T *restrict src = x;
    T *restrict dst = y;
    const T a = (T) scale, b = (T) shift;
    for (int64_t i = 0; i < n; i++)
        dst[i] = src[i] * a + b;
}

static void NAME(normalize)(void *y, const void *x, int64_t n, double mean, double inv,
                            const void *scale, const void *bias)
{
    const T *restrict src = x, *restrict a = scale, *restrict b = bias;
    T *restrict dst = y;
    const T m = (T) mean, r = (T) inv;
    if (b)
        for (int64_t i = 0; i < n; i++)
            dst[i] = (src[i] - m) * r * a[i] + b[i];
    else
        for (int64_t i = 0; i < n; i++)
            dst[i] = (src[i] - m) * r * a[i];
}

static void NAME(scale)(void *y, const void *x, int64_t n, int64_t stride, double divisor)
{
    const T *src = x;
    T *dst = y;
    for (int64_t i = 0; i < n; i++)
        dst[i * stride] = (T) ((double) src[i * stride] / divisor);
}

static T NAME(row_max)(const T *x, int64_t n, int64_t stride)
{
    T m = -T_INF;
    for (int64_t i = 0; i < n; i++)
        m = x[i * stride] > m ? x[i * stride] : m;
    return m;
}

static void NAME(softmax)(void *y, const void *x, int64_t n, int64_t stride)
{
    const T *src = x;
    T *dst = y;
    const T m = NAME(row_max)(src, n, stride);
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const T e = T_EXP(src[i * stride] - m);
        dst[i * stride] = e;
        sum += (double) e;
    }
    const T inv = (T) (1.0 / sum);
    for (int64_t i = 0; i < n; i++)
        dst[i * stride] *= inv;
}

static void NAME(log_softmax)(void *y, const void *x, int64_t n, int64_t stride)
{
    const T *src = x;
    T *dst = y;
    const T m = NAME(row_max)(src, n, stride);
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double) T_EXP(src[i * stride] - m);
    const double log_sum = log(sum);
    for (int64_t i = 0; i < n; i++)
        dst[i * stride] = (T) ((double) (src[i * stride] - m) - log_sum);
}

static const ppq_real NAME(table) = {
    .size = sizeof(T),
    .load = NAME(load),
    .store = NAME(store),
    .max = NAME(max),
    .sum = NAME(sum),
    .sum_sq = NAME(sum_sq),
    .sum_pow = NAME(sum_pow),
    .affine = NAME(affine),
    .normalize = NAME(normalize),
    .scale = NAME(scale),
    .softmax = NAME(softmax),
    .log_softmax = NAME(log_softmax),
};

#undef T
#undef T_EXP
#undef T_INF
#undef T_MAX
#undef NAME
