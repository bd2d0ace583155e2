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

bool ppq_key_before(const void *user, int64_t a, int64_t b)
{
    const uint64_t *key = user;
    return key[a] != key[b] ? key[a] < key[b] : a < b;
}

// Restores a heap whose root, the last in order, was replaced.
static void sift_down(int64_t *heap, int64_t n, int64_t at, ppq_before before, const void *user)
{
    const int64_t v = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && before(user, heap[child], heap[child + 1]))
            child++;
        if (!before(user, v, heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = v;
}

void ppq_select_first(int64_t *v, int64_t n, int64_t k, ppq_before before, const void *user)
{
    if (k <= 0)
        return;
    for (int64_t i = k / 2; i-- > 0;)
        sift_down(v, k, i, before, user);
    for (int64_t i = k; i < n; i++)
        if (before(user, v[i], v[0])) {
            v[0] = v[i];
            sift_down(v, k, 0, before, user);
        }
    for (int64_t i = k - 1; i > 0; i--) {
        const int64_t last = v[0];
        v[0] = v[i];
        v[i] = last;
        sift_down(v, i, 0, before, user);
    }
}
