// Metrics against values worked out by hand.

#include "quantizer/metrics.h"
#include "tests/unit/harness.h"

static ppq_diag *messages;

static void start(void)
{
    messages = ppq_diag_create(NULL, NULL);
}

static void stop(void)
{
    ppq_diag_destroy(messages);
}

static int64_t rank_of(const float *scores, int64_t n, int64_t label)
{
    int64_t rank = -1;
    OK(messages, ppq_metric_rank(scores, n, label, "sample 'a'", &rank, messages));
    return rank;
}

// ---- classification -------------------------------------------------------------------------

START_TEST(ranks_count_what_is_ahead)
{
    const float scores[] = { 0.1f, 0.7f, -3, 0.5f };
    const int64_t want[] = { 2, 0, 3, 1 };
    for (int64_t label = 0; label < 4; label++)
        ck_assert_int_eq(rank_of(scores, 4, label), want[label]);
    ck_assert_int_eq(rank_of(scores, 1, 0), 0);
}
END_TEST

START_TEST(of_equal_scores_the_first_is_ahead)
{
    const float scores[] = { 1, 2, 2, 2, 0 };
    const int64_t want[] = { 3, 0, 1, 2, 4 };
    for (int64_t label = 0; label < 5; label++)
        ck_assert_int_eq(rank_of(scores, 5, label), want[label]);
}
END_TEST

START_TEST(infinite_scores_have_a_place)
{
    const float scores[] = { -INFINITY, 3, INFINITY };
    ck_assert_int_eq(rank_of(scores, 3, 2), 0);
    ck_assert_int_eq(rank_of(scores, 3, 0), 2);
}
END_TEST

START_TEST(ranks_refuse_what_is_wrong)
{
    const float scores[] = { 1, NAN, 2 };
    int64_t rank = 7;
    FAILS(messages, ppq_metric_rank(scores, 3, 0, "sample 'a'", &rank, messages), PPQ_ERR_NUMERIC,
          "result 1 of sample 'a' is NaN");
    FAILS(messages, ppq_metric_rank(scores, 3, 3, "sample 'a'", &rank, messages), PPQ_ERR_DATA,
          "is 3, legal are 0 to 2");
    FAILS(messages, ppq_metric_rank(scores, 3, -1, "sample 'a'", &rank, messages), PPQ_ERR_DATA,
          "is -1");
    ck_assert_int_eq(rank, 7);
}
END_TEST

// ---- segmentation ---------------------------------------------------------------------------

START_TEST(the_largest_plane_is_the_class)
{
    const float scores[] = { 1, 5, 2, /**/ 3, 5, 1, /**/ 2, 4, 2 };
    int32_t out[3];
    OK(messages, ppq_metric_classes(scores, 3, 3, "a", out, messages));
    ck_assert_int_eq(out[0], 1);
    ck_assert_int_eq(out[1], 0);
    ck_assert_int_eq(out[2], 0);
}
END_TEST

START_TEST(a_single_plane_is_compared_with_a_half)
{
    const float scores[] = { 0.2f, 0.5f, 0.6f };
    int32_t out[3];
    OK(messages, ppq_metric_classes(scores, 1, 3, "a", out, messages));
    ck_assert_int_eq(out[0] + 10 * out[1] + 100 * out[2], 100);
    const float bad[] = { 0.2f, NAN, 0.6f };
    FAILS(messages, ppq_metric_classes(bad, 1, 3, "a", out, messages), PPQ_ERR_NUMERIC, "result 1");
}
END_TEST

START_TEST(intersection_over_union)
{
    // Class 0: 2 of 3 found, 1 wrongly; class 1: 1 of 2, 1 wrongly.
    const int32_t truth[] = { 0, 0, 0, 1, 1 }, found[] = { 0, 0, 1, 1, 0 };
    int64_t c[4] = { 0 };
    OK(messages, ppq_metric_confusion_add(found, truth, 5, 2, NULL, "a", c, messages));
    NEAR(ppq_metric_mean_iou(c, 2), (2.0 / 4 + 1.0 / 3) / 2, 1e-15);
    NEAR(ppq_metric_position_accuracy(c, 2), 0.6, 1e-15);
    // Adding the same again changes no ratio.
    OK(messages, ppq_metric_confusion_add(found, truth, 5, 2, NULL, "a", c, messages));
    NEAR(ppq_metric_mean_iou(c, 2), (2.0 / 4 + 1.0 / 3) / 2, 1e-15);
}
END_TEST

START_TEST(ignored_positions_do_not_count)
{
    const int32_t truth[] = { 0, 255, 1, 255 }, found[] = { 0, 0, 1, 1 };
    const int64_t ignore = 255;
    int64_t c[4] = { 0 };
    OK(messages, ppq_metric_confusion_add(found, truth, 4, 2, &ignore, "a", c, messages));
    NEAR(ppq_metric_mean_iou(c, 2), 1, 0);
    FAILS(messages, ppq_metric_confusion_add(found, truth, 4, 2, NULL, "mask 'a'", c, messages),
          PPQ_ERR_DATA, "the label of mask 'a' is 255, legal are 0 to 1");
}
END_TEST

START_TEST(classes_without_truth_do_not_count)
{
    // Class 2 is found once but never true; class 3 neither.
    const int32_t truth[] = { 0, 0, 1, 1 }, found[] = { 0, 2, 1, 1 };
    int64_t c[16] = { 0 };
    OK(messages, ppq_metric_confusion_add(found, truth, 4, 4, NULL, "a", c, messages));
    NEAR(ppq_metric_mean_iou(c, 4), (0.5 + 1) / 2, 1e-15);
    const int64_t none[4] = { 0 };
    NEAR(ppq_metric_mean_iou(none, 2), 0, 0);
    NEAR(ppq_metric_position_accuracy(none, 2), 0, 0);
}
END_TEST

START_TEST(found_classes_must_be_legal)
{
    const int32_t truth[] = { 0 }, found[] = { 2 };
    int64_t c[4] = { 0 };
    FAILS(messages, ppq_metric_confusion_add(found, truth, 1, 2, NULL, "a", c, messages),
          PPQ_ERR_DATA, "result 0 of a is class 2");
}
END_TEST

// ---- detection ------------------------------------------------------------------------------

static ppq_box box(float x1, float y1, float x2, float y2, float score, int64_t c, int64_t sample)
{
    return (ppq_box){ x1, y1, x2, y2, score, c, sample };
}

static ppq_average_precision precision(ppq_box *found, size_t n, ppq_box *truth, size_t m)
{
    ppq_average_precision out = { 0 };
    OK(messages, ppq_metric_average_precision(found, n, truth, m, &out, messages));
    return out;
}

START_TEST(overlap_of_boxes)
{
    const ppq_box a = box(0, 0, 2, 2, 0, 0, 0), b = box(1, 1, 3, 3, 0, 0, 0);
    const ppq_box far = box(5, 5, 6, 6, 0, 0, 0), reversed = box(2, 2, 0, 0, 0, 0, 0);
    NEAR(ppq_metric_box_iou(&a, &a), 1, 0);
    NEAR(ppq_metric_box_iou(&a, &b), 1.0 / 7, 1e-12);
    NEAR(ppq_metric_box_iou(&a, &far), 0, 0);
    NEAR(ppq_metric_box_iou(&a, &reversed), 0, 0);
    NEAR(ppq_metric_box_iou(&reversed, &reversed), 0, 0);
}
END_TEST

START_TEST(perfect_boxes)
{
    ppq_box found[] = { box(0, 0, 1, 1, 0.9f, 0, 0), box(2, 2, 3, 3, 0.8f, 1, 1) };
    ppq_box truth[] = { box(2, 2, 3, 3, 0, 1, 1), box(0, 0, 1, 1, 0, 0, 0) };
    const ppq_average_precision p = precision(found, 2, truth, 2);
    NEAR(p.at_50, 1, 1e-12);
    NEAR(p.at_50_95, 1, 1e-12);
}
END_TEST

START_TEST(nothing_found)
{
    ppq_box truth[] = { box(0, 0, 1, 1, 0, 0, 0) };
    NEAR(precision(NULL, 0, truth, 1).at_50_95, 0, 0);
    ppq_box found[] = { box(0, 0, 1, 1, 1, 0, 0) };
    ppq_average_precision out;
    FAILS(messages, ppq_metric_average_precision(found, 1, NULL, 0, &out, messages), PPQ_ERR_DATA,
          "no boxes");
}
END_TEST

START_TEST(precision_falls_with_wrong_boxes)
{
    // Right, wrong, right of two true boxes: precision 1 up to recall 0.5 (51 recalls), then 2/3.
    ppq_box found[] = { box(0, 0, 1, 1, 0.9f, 0, 0), box(7, 7, 8, 8, 0.8f, 0, 0),
                        box(2, 2, 3, 3, 0.7f, 0, 0) };
    ppq_box truth[] = { box(0, 0, 1, 1, 0, 0, 0), box(2, 2, 3, 3, 0, 0, 0) };
    NEAR(precision(found, 3, truth, 2).at_50, (51 + 50 * 2.0 / 3) / 101, 1e-12);
}
END_TEST

START_TEST(a_true_box_is_found_once)
{
    // The second finding of the same box is wrong: it comes last and costs nothing. When it comes
    // first for its score, the other is the wrong one.
    ppq_box found[] = { box(0, 0, 1, 1, 0.9f, 0, 0), box(0, 0, 1, 1, 0.8f, 0, 0) };
    ppq_box truth[] = { box(0, 0, 1, 1, 0, 0, 0), box(4, 4, 5, 5, 0, 0, 0) };
    NEAR(precision(found, 2, truth, 2).at_50, 51.0 / 101, 1e-12);
}
END_TEST

START_TEST(other_samples_and_classes_are_apart)
{
    ppq_box found[] = { box(0, 0, 1, 1, 0.9f, 0, 1), box(0, 0, 1, 1, 0.9f, 3, 0),
                        box(0, 0, 1, 1, 0.5f, 1, 0) };
    ppq_box truth[] = { box(0, 0, 1, 1, 0, 0, 0), box(0, 0, 1, 1, 0, 1, 0) };
    // Class 0 is found in another sample; class 1 is right; class 3 does not occur.
    NEAR(precision(found, 3, truth, 2).at_50, 0.5, 1e-12);
}
END_TEST

START_TEST(overlap_decides)
{
    // IoU 0.8: right for seven of ten overlaps, 0.5 to 0.8.
    ppq_box found[] = { box(0, 0, 8, 1, 1, 0, 0) };
    ppq_box truth[] = { box(0, 0, 10, 1, 0, 0, 0) };
    const ppq_average_precision p = precision(found, 1, truth, 1);
    NEAR(p.at_50, 1, 1e-12);
    NEAR(p.at_50_95, 0.7, 1e-12);
}
END_TEST

START_TEST(the_best_overlap_is_taken)
{
    // The first found box fits both; it takes the one it fits better and leaves the other.
    ppq_box found[] = { box(0, 0, 10, 1, 0.9f, 0, 0), box(0, 0, 7, 1, 0.8f, 0, 0) };
    ppq_box truth[] = { box(0, 0, 7, 1, 0, 0, 0), box(0, 0, 10, 1, 0, 0, 0) };
    NEAR(precision(found, 2, truth, 2).at_50_95, 1, 1e-12);
}
END_TEST

START_TEST(boxes_with_nan)
{
    ppq_box found[] = { box(0, 0, 1, NAN, 1, 0, 0) }, truth[] = { box(0, 0, 1, 1, 0, 0, 0) };
    ppq_average_precision out;
    FAILS(messages, ppq_metric_average_precision(found, 1, truth, 1, &out, messages),
          PPQ_ERR_NUMERIC, "NaN");
}
END_TEST

START_TEST(overlapping_boxes_are_suppressed)
{
    ppq_box b[] = { box(0, 0, 10, 1, 0.5f, 0, 0), box(0, 0, 9, 1, 0.9f, 0, 0),
                    box(0, 0, 10, 1, 0.4f, 1, 0), box(0, 0, 10, 1, 0.3f, 0, 1),
                    box(20, 0, 30, 1, 0.2f, 0, 0) };
    ck_assert_uint_eq(ppq_metric_suppress(b, 5, 0.5), 4);
    SAME(b[0].score, 0.9f);
    SAME(b[1].score, 0.4f);
    SAME(b[3].score, 0.2f);
    ck_assert_uint_eq(ppq_metric_suppress(NULL, 0, 0.5), 0);
}
END_TEST

// ---- regression -----------------------------------------------------------------------------

START_TEST(errors_in_decibel)
{
    const float got[] = { 1, 2, 3, 6 }, expected[] = { 1, 2, 3, 4 };
    ppq_metric_error e = { 0 };
    OK(messages, ppq_metric_error_add(&e, got, expected, 2, "a", messages));
    OK(messages, ppq_metric_error_add(&e, got + 2, expected + 2, 2, "a", messages));
    NEAR(ppq_metric_mse(&e), 1, 1e-15);
    NEAR(ppq_metric_psnr(&e, 0), 10 * log10(9), 1e-12);
    NEAR(ppq_metric_psnr(&e, 255), 20 * log10(255), 1e-12);
    NEAR(ppq_metric_snr(&e), 10 * log10(30 / 4.0), 1e-12);
}
END_TEST

START_TEST(no_error_and_no_signal)
{
    const float zero[] = { 0, 0 }, one[] = { 1, 1 };
    ppq_metric_error same = { 0 }, silent = { 0 };
    OK(messages, ppq_metric_error_add(&same, one, one, 2, "a", messages));
    NEAR(ppq_metric_psnr(&same, 0), 300, 0);
    NEAR(ppq_metric_snr(&same), 300, 0);
    OK(messages, ppq_metric_error_add(&silent, one, zero, 2, "a", messages));
    NEAR(ppq_metric_snr(&silent), -300, 0);
    NEAR(ppq_metric_mse(&(ppq_metric_error){ 0 }), 0, 0);
}
END_TEST

START_TEST(errors_of_what_is_no_number)
{
    const float nan[] = { 1, NAN }, one[] = { 1, 1 }, inf[] = { INFINITY, 1 };
    ppq_metric_error e = { 0 };
    FAILS(messages, ppq_metric_error_add(&e, nan, one, 2, "sample 'a'", messages), PPQ_ERR_NUMERIC,
          "result 1 of sample 'a' is NaN");
    FAILS(messages, ppq_metric_error_add(&e, one, inf, 2, "sample 'a'", messages), PPQ_ERR_NUMERIC,
          "inf");
}
END_TEST

// Each test has messages of its own.
int main(void)
{
    const TTest *const tests[] = {
        ranks_count_what_is_ahead,
        of_equal_scores_the_first_is_ahead,
        infinite_scores_have_a_place,
        ranks_refuse_what_is_wrong,
        the_largest_plane_is_the_class,
        a_single_plane_is_compared_with_a_half,
        intersection_over_union,
        ignored_positions_do_not_count,
        classes_without_truth_do_not_count,
        found_classes_must_be_legal,
        overlap_of_boxes,
        perfect_boxes,
        nothing_found,
        precision_falls_with_wrong_boxes,
        a_true_box_is_found_once,
        other_samples_and_classes_are_apart,
        overlap_decides,
        the_best_overlap_is_taken,
        boxes_with_nan,
        overlapping_boxes_are_suppressed,
        errors_in_decibel,
        no_error_and_no_signal,
        errors_of_what_is_no_number,
    };
    Suite *s = suite_create("metrics");
    TCase *tc = tcase_create("metrics");
    tcase_add_checked_fixture(tc, start, stop);
    for (size_t i = 0; i < PPQ_COUNT(tests); i++)
        tcase_add_test(tc, tests[i]);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
