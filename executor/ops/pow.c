#include <float.h>

#include "executor/ops/backward.h"
#include "executor/ops/binary.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"

// Z = X ^ Y in X's type; Y may be of any other. Integers to integers are exact and wrap;
// everything else is calculated in X's float type, or in double when X is an integer.

static int64_t ipow(int64_t base, int64_t exp)
{
    if (exp < 0) // the quotient 1 / base ^ -exp towards zero
        return base == 1 ? 1 : base == -1 ? (exp % 2 ? -1 : 1) : 0;
    uint64_t r = 1, b = (uint64_t) base;
    for (; exp; exp >>= 1, b *= b)
        if (exp & 1)
            r *= b;
    return (int64_t) r;
}

// Squares are by far the most frequent powers.
BINARY_FLOAT_LOOP(F32, float, b == 2 ? a * a : pow(a, b))
BINARY_FLOAT_LOOP(F64, double, b == 2 ? a * a : pow(a, b))
BINARY_FLOAT_LOOP(I64, int64_t, ipow(a, b))

// One exponent for all, and one that needs no logarithm. False: it does.
#define POW_LOOP(exponent, ...)           \
    if (b == (exponent)) {                \
        for (int64_t i = 0; i < n; i++) { \
            const float a = x[i];         \
            y[i] = (__VA_ARGS__);         \
        }                                 \
        return true;                      \
    }
static bool simple_power(const float *x, float b, float *y, int64_t n)
{
    POW_LOOP(2, a * a)
    POW_LOOP(3, a * a * a)
    POW_LOOP(-1, 1 / a)
    // Both zeros give 0 and both infinities infinity.
    POW_LOOP(0.5f, a < -FLT_MAX ? -a : sqrt(a) + 0)
    return false;
}

static void power_f32(const ppq_tensor *a, const ppq_tensor *b, ppq_tensor *z)
{
    const int64_t n = ppq_shape_numel(&z->shape);
    if (ppq_shape_numel(&b->shape) != 1 || ppq_shape_numel(&a->shape) != n ||
        !simple_power(ppq_f32(a), ppq_f32(b)[0], ppq_f32(z), n))
        ppq_binary_apply(loop_F32, a, b, z);
}

// An exponent is hardly ever trained, and then of bases above 0 only.
BINARY_SLOPE_LOOPS(b == 2 ? 2 * a : b == 0 ? 0 : b * pow(a, b - 1), a > 0 ? pow(a, b) * log(a) : 0)

static ppq_status as_type(ppq_kernel_ctx *c, const ppq_tensor *t, ppq_dtype dt, ppq_tensor *out)
{
    if (t->dtype == dt) {
        *out = ppq_tensor_ref(t);
        return PPQ_OK;
    }
    if (ppq_tensor_alloc_pool(out, dt, &t->shape, c->pool) != PPQ_OK)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a copy as %s",
                               ppq_dtype_name(dt));
    out->layout = t->layout;
    ppq_convert(t, out, PPQ_CONVERT_DEFAULT);
    return PPQ_OK;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_dtype x = c->in[0]->dtype, y = c->in[1]->dtype;
    if (!ppq_convert_knows(x) || !ppq_convert_knows(y))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "%s to the power of %s is not supported",
                               ppq_dtype_name(x), ppq_dtype_name(y));
    const bool exact = ppq_dtype_is_integer(x) && ppq_dtype_is_integer(y);
    const ppq_dtype dt = exact                                     ? PPQ_DT_I64
                         : x == PPQ_DT_F32 || ppq_dtype_is_half(x) ? PPQ_DT_F32
                                                                   : PPQ_DT_F64;
    ppq_tensor a = { 0 }, b = { 0 }, z = { 0 };
    ppq_status st;
    if ((st = as_type(c, c->in[0], dt, &a)) != PPQ_OK ||
        (st = as_type(c, c->in[1], dt, &b)) != PPQ_OK)
        goto fail;
    if (dt == x) {
        z = ppq_tensor_ref(&c->out[0]);
    } else if (ppq_tensor_alloc_pool(&z, dt, &c->out[0].shape, c->pool) != PPQ_OK) {
        st =
            ppq_kernel_fail(c, PPQ_ERR_NOMEM, "cannot allocate a result as %s", ppq_dtype_name(dt));
        goto fail;
    }
    if (dt == PPQ_DT_F32)
        power_f32(&a, &b, &z);
    else
        ppq_binary_apply(exact ? loop_I64 : loop_F64, &a, &b, &z);
    if (dt != x)
        ppq_convert(&z, &c->out[0], PPQ_CONVERT_DEFAULT);
fail:
    ppq_tensor_unref(&a);
    ppq_tensor_unref(&b);
    ppq_tensor_unref(&z);
    return st;
}

static ppq_status backward(ppq_backward_ctx *c)
{
    ppq_kernel_ctx k;
    bool idle;
    PPQ_TRY(ppq_backward_begin(c, &k, &idle));
    if (idle)
        return PPQ_OK;
    if (c->in[0]->dtype != PPQ_DT_F32 || !ppq_convert_knows(c->in[1]->dtype))
        return ppq_kernel_fail(&k, PPQ_ERR_UNSUPPORTED,
                               "gradients of %s to the power of %s are not calculated",
                               ppq_dtype_name(c->in[0]->dtype), ppq_dtype_name(c->in[1]->dtype));
    ppq_tensor b;
    PPQ_TRY(as_type(&k, c->in[1], PPQ_DT_F32, &b));
    const ppq_status st = ppq_binary_backward(c, c->in[0], &b, loop_SLOPE_A, loop_SLOPE_B);
    ppq_tensor_unref(&b);
    return st;
}

const ppq_op_def ppq_op_pow = BINARY_BACKWARD_DEF("Pow", 1, 0, ppq_infer_broadcast, backward);
