// The one arithmetic of quantization.

#include "core/quantfn.h"
#include "tests/unit/harness.h"

static const ppq_qparam u8 = { .scale = 0.5f, .offset = 3, .qmin = 0, .qmax = 255 };

// ---- rounding -------------------------------------------------------------------------------

START_TEST(roundings_break_ties_as_named)
{
    static const double x[] = { -2.5, -1.5, -0.5, 0.5, 1.5, 2.5 };
    static const double want[PPQ_ROUND_COUNT][PPQ_COUNT(x)] = {
        [PPQ_ROUND_HALF_EVEN] = { -2, -2, 0, 0, 2, 2 },
        [PPQ_ROUND_HALF_UP] = { -2, -1, 0, 1, 2, 3 },
        [PPQ_ROUND_HALF_DOWN] = { -3, -2, -1, 0, 1, 2 },
        [PPQ_ROUND_HALF_TO_ZERO] = { -2, -1, 0, 0, 1, 2 },
        [PPQ_ROUND_HALF_FROM_ZERO] = { -3, -2, -1, 1, 2, 3 },
        [PPQ_ROUND_TO_NEAR_INT] = { -3, -2, -1, 1, 2, 3 },
        [PPQ_ROUND_UP] = { -2, -1, 0, 1, 2, 3 },
    };
    for (size_t i = 0; i < PPQ_COUNT(x); i++)
        ck_assert_msg(!(ppq_round(x[i], (ppq_rounding) _i) < want[_i][i]) &&
                          !(ppq_round(x[i], (ppq_rounding) _i) > want[_i][i]),
                      "%s of %g is %g", ppq_rounding_name((ppq_rounding) _i), x[i],
                      ppq_round(x[i], (ppq_rounding) _i));
}
END_TEST

START_TEST(roundings_go_to_a_neighbour)
{
    ppq_rng r = ppq_rng_seed(2, (uint64_t) _i);
    for (int k = 0; k < 10000; k++) {
        const double x = 1000 * ppq_rng_normal(&r), y = ppq_round(x, (ppq_rounding) _i);
        ck_assert(y >= floor(x) && y <= ceil(x));
        if (_i != PPQ_ROUND_UP)
            ck_assert(fabs(y - x) <= 0.5);
    }
}
END_TEST

// Exact ties x = (k + 1/2) * scale tell a true division from a product with the reciprocal.
START_TEST(division_is_true_on_exact_ties)
{
    ppq_rng r = ppq_rng_seed(3, 0);
    int ties = 0, reciprocal_differs = 0;
    for (int k = 0; k < 200000; k++) {
        const float scale = (float) (1e-3 + ppq_rng_uniform(&r));
        const int64_t step = (int64_t) (ppq_rng_u64(&r) % 200) - 100;
        const float x = (float) (((double) step + 0.5) * (double) scale);
        const ppq_qparam p = { .scale = scale, .qmin = -128, .qmax = 127 };
        // float32 quotient by way of a wider one: the quotient of two floats rounds once.
        const float quotient = (float) ((long double) x / (long double) scale);
        const int32_t want = (int32_t) rintl((long double) quotient);
        int32_t got;
        ppq_quantize_i32(&x, &got, 1, &p);
        ck_assert_int_eq(got, want);
        ties += fabsf(quotient - truncf(quotient)) == 0.5f;
        reciprocal_differs += (int32_t) rintf(x * (1 / scale)) != want;
    }
    ck_assert_int_gt(ties, 100000);
    ck_assert_int_gt(reciprocal_differs, 1000); // else this test could not fail
}
END_TEST

// ---- special values -------------------------------------------------------------------------

START_TEST(nan_and_infinities_stay_in_the_range)
{
    const float x[] = { NAN, INFINITY, -INFINITY, 3e38f, -3e38f };
    const int32_t want[] = { 0, 255, 0, 255, 0 };
    ppq_qparam p = u8;
    p.rounding = (ppq_rounding) _i;
    int32_t q[PPQ_COUNT(x)];
    float y[PPQ_COUNT(x)];
    ppq_quantize_i32(x, q, PPQ_COUNT(x), &p);
    ppq_fake_quant(x, y, PPQ_COUNT(x), &p);
    for (size_t i = 0; i < PPQ_COUNT(x); i++) {
        ck_assert_int_eq(q[i], want[i]);
        SAME(y[i], ((float) want[i] - 3) * 0.5f);
    }
}
END_TEST

START_TEST(bias_uses_all_of_32_bits)
{
    const ppq_qparam p = {
        .scale = 1, .qmin = -2147483647.0, .qmax = 2147483647.0, .rounding = (ppq_rounding) _i
    };
    const float x[] = { 2147483520.0f, 4e9f, -4e9f, 16777216.0f, -16777217.0f, NAN, INFINITY };
    const int32_t want[] = { 2147483520, 2147483647,  -2147483647, 16777216,
                             -16777216,  -2147483647, 2147483647 };
    int32_t q[PPQ_COUNT(x)];
    ppq_quantize_i32(x, q, PPQ_COUNT(x), &p);
    for (size_t i = 0; i < PPQ_COUNT(x); i++)
        ck_assert_int_eq(q[i], want[i]);
}
END_TEST

// ---- laws -----------------------------------------------------------------------------------

// Rounding up moves values that are on the grid only to within rounding: not a law there.
START_TEST(quantizing_twice_changes_nothing)
{
    enum { N = 4000 };
    static const double range[][2] = { { 0, 255 }, { -128, 127 },     { -127, 127 },
                                       { 0, 15 },  { -32768, 32767 }, { -2097152, 2097151 } };
    if (_i == PPQ_ROUND_UP)
        return;
    ppq_rng r = ppq_rng_seed(4, (uint64_t) _i);
    static float x[N], y[N], z[N];
    static int32_t q[N], again[N];
    for (size_t k = 0; k < PPQ_COUNT(range); k++) {
        const double lo = range[k][0], hi = range[k][1];
        const ppq_qparam p = { (float) (1e-4 + ppq_rng_uniform(&r)),
                               (float) rint(lo + (hi - lo) * ppq_rng_uniform(&r)), lo, hi,
                               (ppq_rounding) _i };
        for (int i = 0; i < N; i++)
            x[i] = (float) ((hi - lo) * (double) p.scale * ppq_rng_normal(&r));
        ppq_quantize_i32(x, q, N, &p);
        ppq_fake_quant(x, y, N, &p);
        ppq_quantize_i32(y, again, N, &p);
        ppq_fake_quant(y, z, N, &p);
        ck_assert_mem_eq(q, again, sizeof(q));
        ck_assert_mem_eq(y, z, sizeof(y));
        for (int i = 0; i < N; i++) {
            ck_assert(q[i] >= lo && q[i] <= hi);
            SAME(y[i], ((float) q[i] - p.offset) * p.scale);
        }
    }
}
END_TEST

START_TEST(in_place_and_long_arrays_agree_with_single_values)
{
    enum { N = 3001 };
    static float x[N], y[N];
    ppq_rng r = ppq_rng_seed(5, 0);
    for (int i = 0; i < N; i++)
        x[i] = (float) (40 * ppq_rng_normal(&r));
    memcpy(y, x, sizeof(y));
    ppq_qparam p = u8;
    p.rounding = (ppq_rounding) _i;
    ppq_fake_quant(y, y, N, &p);
    double error = 0;
    for (int i = 0; i < N; i++) {
        float one;
        ppq_fake_quant(&x[i], &one, 1, &p);
        ck_assert_mem_eq(&one, &y[i], sizeof(one));
        error += ((double) one - (double) x[i]) * ((double) one - (double) x[i]);
    }
    ck_assert_double_eq_tol(ppq_quant_error(x, N, &p), error, 1e-9 * error);
}
END_TEST

// ---- tensors --------------------------------------------------------------------------------

static ppq_tqc *channel_tqc(world *w, uint32_t n, int8_t axis, double lo, double hi)
{
    const ppq_qfmt f = { .props = PPQ_Q_PER_CHANNEL | PPQ_Q_LINEAR | PPQ_Q_ASYMMETRIC,
                         .bits = 32,
                         .axis = axis,
                         .qmin = lo,
                         .qmax = hi };
    ppq_tqc *t = ppq_graph_new_tqc(w->g, &f);
    float *scale = ppq_new_n(w->a, float, n), *offset = ppq_new_n(w->a, float, n);
    for (uint32_t c = 0; c < n; c++) {
        scale[c] = 0.01f * (float) (c + 1);
        offset[c] = (float) c;
    }
    OK(w->d, ppq_tqc_set_state(t, PPQ_QS_ACTIVATED, w->d));
    OK(w->d, ppq_tqc_set_params(t, w->g->arena, n, scale, offset, w->d));
    return t;
}

START_TEST(channels_have_their_own_parameters_along_any_axis)
{
    world w = world_new();
    const ppq_shape s = SHAPE(2, 3, 4, 5);
    const int axis = _i < 4 ? _i : _i - 8; // counted from the end, too
    const int at = _i & 3;
    ppq_tqc *t = channel_tqc(&w, (uint32_t) s.dim[at], (int8_t) axis, -128, 127);
    ppq_tensor x = tensor_normal(s, 6), y = tensor_new(PPQ_DT_F32, s), q;
    OK(w.d, ppq_tqc_fake_quant(t, &x, &y));
    OK(w.d, ppq_tqc_quantize(t, &x, &q));
    ck_assert_int_eq(q.dtype, PPQ_DT_I8);
    int64_t stride[PPQ_MAX_RANK];
    ppq_shape_strides(&s, stride);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++) {
        const ppq_qparam p = ppq_tqc_param(t, (uint32_t) (i / stride[at] % s.dim[at]));
        float want;
        int32_t want_q;
        ppq_fake_quant(&ppq_f32(&x)[i], &want, 1, &p);
        ppq_quantize_i32(&ppq_f32(&x)[i], &want_q, 1, &p);
        ck_assert_mem_eq(&want, &ppq_f32(&y)[i], sizeof(want));
        ck_assert_int_eq(((const int8_t *) ppq_tensor_data(&q))[i], want_q);
    }
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&y);
    ppq_tensor_unref(&q);
    world_end(&w);
}
END_TEST

START_TEST(layout_does_not_change_values)
{
    world w = world_new();
    const ppq_shape s = SHAPE(2, 5, 3, 4);
    ppq_tqc *t = channel_tqc(&w, 5, 1, 0, 255);
    ppq_tensor x = tensor_normal(s, 7), plain = tensor_new(PPQ_DT_F32, s), last, back;
    OK(w.d, ppq_tqc_fake_quant(t, &x, &plain));
    OK(w.d, ppq_tensor_to_layout(&x, PPQ_LAYOUT_CHANNELS_LAST, NULL, &last));
    OK(w.d, ppq_tqc_fake_quant(t, &last, &last));
    OK(w.d, ppq_tensor_to_layout(&last, PPQ_LAYOUT_PLAIN, NULL, &back));
    ck_assert(ppq_tensor_equal(&plain, &back));
    // Another axis cannot be walked in that order.
    t->fmt.axis = 0;
    ck_assert_int_eq(ppq_tqc_fake_quant(t, &last, &last), PPQ_ERR_SHAPE);
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&plain);
    ppq_tensor_unref(&last);
    ppq_tensor_unref(&back);
    world_end(&w);
}
END_TEST

START_TEST(parameters_that_do_not_fit_the_tensor_are_refused)
{
    world w = world_new();
    ppq_tqc *t = channel_tqc(&w, 4, 1, 0, 255);
    ppq_tensor x = tensor_normal(SHAPE(4, 3), 8), q = { 0 };
    ck_assert_int_eq(ppq_tqc_quantize(t, &x, &q), PPQ_ERR_SHAPE);
    ck_assert_int_eq(ppq_tqc_fake_quant(t, &x, &x), PPQ_ERR_SHAPE);
    t->fmt.axis = 5;
    ck_assert_int_eq(ppq_tqc_quantize(t, &x, &q), PPQ_ERR_SHAPE);
    ck_assert_ptr_null(q.buf);
    const ppq_tqc *fresh = ppq_graph_new_tqc(w.g, &t->fmt);
    ck_assert_int_eq(ppq_tqc_quantize(fresh, &x, &q), PPQ_ERR_STATE);
    ppq_tensor_unref(&x);
    world_end(&w);
}
END_TEST

START_TEST(storage_holds_every_value_of_the_range)
{
    static const struct {
        double lo, hi;
        ppq_dtype dt;
    } cases[] = {
        { 0, 255, PPQ_DT_U8 },
        { 0, 15, PPQ_DT_U8 },
        { -128, 127, PPQ_DT_I8 },
        { -127, 127, PPQ_DT_I8 },
        { 0, 65535, PPQ_DT_U16 },
        { -32768, 32767, PPQ_DT_I16 },
        { -129, 127, PPQ_DT_I16 },
        { -40000, 40000, PPQ_DT_I32 },
        { -2147483647.0, 2147483647.0, PPQ_DT_I32 },
    };
    world w = world_new();
    const float one = 1, zero = 0;
    ppq_tensor x = tensor_f32(SHAPE(3), (const float[]){ -4e9f, 4e9f, 1 });
    ppq_qfmt f = { .props = PPQ_Q_PER_TENSOR | PPQ_Q_LINEAR | PPQ_Q_ASYMMETRIC, .bits = 32 };
    f.qmin = cases[_i].lo;
    f.qmax = cases[_i].hi;
    ppq_tqc *t = ppq_graph_new_tqc(w.g, &f);
    OK(w.d, ppq_tqc_set_params(t, w.g->arena, 1, &one, &zero, w.d));
    ppq_tensor q;
    OK(w.d, ppq_tqc_quantize(t, &x, &q));
    ck_assert_int_eq(q.dtype, cases[_i].dt);
    ck_assert_int_eq(ppq_qfmt_dtype(&f), cases[_i].dt);
    for (int i = 0; i < 3; i++) {
        int64_t got[3];
        ck_assert_int_eq(ppq_const_ints(&q, got, 3), 3);
        ck_assert_int_eq(got[i], (int64_t) (i == 2 ? 1 : i ? f.qmax : f.qmin));
    }
    ppq_tensor_unref(&x);
    ppq_tensor_unref(&q);
    world_end(&w);
}
END_TEST

// ---- 16-bit floats --------------------------------------------------------------------------

START_TEST(sixteen_bit_floats_survive_a_round_trip)
{
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = ppq_f16_to_f32((uint16_t) h), b = ppq_bf16_to_f32((uint16_t) h);
        if (isnan(f))
            ck_assert(isnan(ppq_f16_to_f32(ppq_f32_to_f16(f))));
        else
            ck_assert_uint_eq(ppq_f32_to_f16(f), h);
        if (isnan(b))
            ck_assert(isnan(ppq_bf16_to_f32(ppq_f32_to_bf16(b))));
        else
            ck_assert_uint_eq(ppq_f32_to_bf16(b), h);
    }
}
END_TEST

// Between neighbours the nearer wins, and the even one in the middle.
START_TEST(sixteen_bit_floats_round_to_nearest_even)
{
    for (uint32_t h = 0; h < 0x7bffu; h++) {
        const double lo = (double) ppq_f16_to_f32((uint16_t) h);
        const double hi = (double) ppq_f16_to_f32((uint16_t) (h + 1)), mid = (lo + hi) / 2;
        ck_assert(lo < hi);
        ck_assert_uint_eq(ppq_f32_to_f16((float) mid), h & 1 ? h + 1 : h);
        ck_assert_uint_eq(ppq_f32_to_f16(nextafterf((float) mid, 0)), h);
        ck_assert_uint_eq(ppq_f32_to_f16(nextafterf((float) mid, INFINITY)), h + 1);
    }
    for (uint32_t h = 0x0080; h < 0x7f7fu; h++) {
        const double mid = ((double) ppq_bf16_to_f32((uint16_t) h) +
                            (double) ppq_bf16_to_f32((uint16_t) (h + 1))) /
                           2;
        ck_assert_uint_eq(ppq_f32_to_bf16((float) mid), h & 1 ? h + 1 : h);
    }
    ck_assert_uint_eq(ppq_f32_to_f16(65520), 0x7c00);
    ck_assert_uint_eq(ppq_f32_to_f16(65519), 0x7bff);
    ck_assert_uint_eq(ppq_f32_to_f16(1e-30f), 0);
    ck_assert_uint_eq(ppq_f32_to_f16(-1e-30f), 0x8000);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { roundings_break_ties_as_named, PPQ_ROUND_COUNT },
        { roundings_go_to_a_neighbour, PPQ_ROUND_COUNT },
        { division_is_true_on_exact_ties, 1 },
        { nan_and_infinities_stay_in_the_range, PPQ_ROUND_COUNT },
        { bias_uses_all_of_32_bits, PPQ_ROUND_COUNT },
        { quantizing_twice_changes_nothing, PPQ_ROUND_COUNT },
        { in_place_and_long_arrays_agree_with_single_values, PPQ_ROUND_COUNT },
        { channels_have_their_own_parameters_along_any_axis, 8 },
        { layout_does_not_change_values, 1 },
        { parameters_that_do_not_fit_the_tensor_are_refused, 1 },
        { storage_holds_every_value_of_the_range, 9 },
        { sixteen_bit_floats_survive_a_round_trip, 1 },
        { sixteen_bit_floats_round_to_nearest_even, 1 },
    };
    return run_tests("quantfn", tests, PPQ_COUNT(tests));
}
