#include "executor/ops/order.h"

#include <math.h>
#include <string.h>

#include "executor/ops/convert.h"
#include "executor/ops/types.h"

#define SIGN (UINT64_C(1) << 63)

uint64_t ppq_order_key(const ppq_tensor *t, int64_t i)
{
    if (ppq_dtype_is_integer(t->dtype)) {
        int64_t v;
        ppq_load_i64(t, i, 1, &v);
        return t->dtype == PPQ_DT_U64 ? (uint64_t) v : (uint64_t) v ^ SIGN;
    }
    double v;
    uint64_t bits;
    ppq_load_f64(t, i, 1, &v);
    if (isnan(v))
        return UINT64_MAX;
    v = v == 0 ? 0 : v; // -0
    memcpy(&bits, &v, sizeof(bits));
    return bits & SIGN ? ~bits : bits | SIGN;
}

static bool before(const ppq_ranked *a, const ppq_ranked *b)
{
    return a->key != b->key ? a->key < b->key : a->index < b->index;
}

// Restores a heap whose root, the last in order, was replaced.
static void sift_down(ppq_ranked *heap, int64_t n, int64_t at)
{
    const ppq_ranked v = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && before(&heap[child], &heap[child + 1]))
            child++;
        if (!before(&v, &heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = v;
}

void ppq_select_first(ppq_ranked *v, int64_t n, int64_t k)
{
    if (k <= 0)
        return;
    for (int64_t i = k / 2; i-- > 0;)
        sift_down(v, k, i);
    for (int64_t i = k; i < n; i++)
        if (before(&v[i], &v[0])) {
            v[0] = v[i];
            sift_down(v, k, 0);
        }
    for (int64_t i = k - 1; i > 0; i--) {
        const ppq_ranked last = v[0];
        v[0] = v[i];
        v[i] = last;
        sift_down(v, i, 0);
    }
}
