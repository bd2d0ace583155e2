// States, groups and formats of quantization configs.

#include "core/quantfn.h"
#include "quantizer/platforms/formats.h"
#include "tests/unit/harness.h"

static const ppq_qfmt u8 = PPQ_FMT_U8_ASYM;

static ppq_tqc *with_state(world *w, ppq_qstate s)
{
    ppq_tqc *t = ppq_graph_new_tqc(w->g, &u8);
    t->state = s;
    return t;
}

static void give(world *w, ppq_tqc *t, float scale)
{
    const float offset = 0;
    OK(w->d, ppq_tqc_set_params(t, w->g->arena, 1, &scale, &offset, w->d));
}

// ---- states ---------------------------------------------------------------------------------

// Every pair, legal or not, as docs say it: rows from, columns to, in the order of ppq_qstate.
START_TEST(every_transition_is_allowed_or_refused)
{
    static const char *const table[PPQ_QS_COUNT] = {
        // I A B O p P b F
        [PPQ_QS_INITIAL] = ".A.OpP.F",       [PPQ_QS_ACTIVATED] = ".ABO.P.F",
        [PPQ_QS_BAKED] = ".A......",         [PPQ_QS_OVERLAPPED] = "...O.P.F",
        [PPQ_QS_PASSIVE_INIT] = "...O.P.F",  [PPQ_QS_PASSIVE] = "...O.PbF",
        [PPQ_QS_PASSIVE_BAKED] = ".....P..", [PPQ_QS_FP32] = ".......F",
    };
    world w = world_new();
    for (int to = 0; to < PPQ_QS_COUNT; to++) {
        ppq_tqc *t = with_state(&w, (ppq_qstate) _i);
        if (table[_i][to] != '.') {
            OK(w.d, ppq_tqc_set_state(t, (ppq_qstate) to, w.d));
            ck_assert_int_eq(t->state, to);
        } else {
            FAILS(w.d, ppq_tqc_set_state(t, (ppq_qstate) to, w.d), PPQ_ERR_STATE,
                  ppq_qstate_name((ppq_qstate) to));
            ck_assert_int_eq(t->state, _i);
        }
    }
    world_end(&w);
}
END_TEST

START_TEST(states_have_names_of_their_own)
{
    for (int a = 0; a < PPQ_QS_COUNT; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(ppq_qstate_name((ppq_qstate) a), ppq_qstate_name((ppq_qstate) b));
    for (int a = 0; a < PPQ_ROUND_COUNT; a++)
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(ppq_rounding_name((ppq_rounding) a),
                             ppq_rounding_name((ppq_rounding) b));
}
END_TEST

START_TEST(active_is_who_quantizes_now)
{
    world w = world_new();
    ck_assert(!ppq_tqc_is_active(NULL));
    for (int s = 0; s < PPQ_QS_COUNT; s++)
        ck_assert_int_eq(ppq_tqc_is_active(with_state(&w, (ppq_qstate) s)),
                         s == PPQ_QS_ACTIVATED || s == PPQ_QS_PASSIVE);
    world_end(&w);
}
END_TEST

// ---- groups ---------------------------------------------------------------------------------

START_TEST(an_overlapped_group_has_one_root)
{
    world w = world_new();
    ppq_tqc *a = with_state(&w, PPQ_QS_INITIAL), *b = with_state(&w, PPQ_QS_INITIAL);
    ppq_tqc *c = with_state(&w, PPQ_QS_INITIAL), *d = with_state(&w, PPQ_QS_INITIAL);
    OK(w.d, ppq_tqc_overlap(a, b, w.d));
    OK(w.d, ppq_tqc_overlap(c, d, w.d));
    OK(w.d, ppq_tqc_overlap(b, c, w.d)); // groups merge
    OK(w.d, ppq_tqc_overlap(a, d, w.d)); // already together
    for (int i = 0; i < 4; i++) {
        ppq_tqc *t = (ppq_tqc *[]){ a, b, c, d }[i];
        ck_assert_ptr_eq(ppq_tqc_root(t), d);
        ck_assert_int_eq(t->state, t == d ? PPQ_QS_INITIAL : PPQ_QS_OVERLAPPED);
    }
    give(&w, d, 0.25f);
    ck_assert_uint_eq(ppq_tqc_n(a), 1);
    SAME(ppq_tqc_param(a, 0).scale, 0.25f);
    world_end(&w);
}
END_TEST

START_TEST(overlap_with_a_baked_or_float_tensor_is_refused)
{
    world w = world_new();
    ppq_tqc *by = with_state(&w, PPQ_QS_INITIAL), *baked = with_state(&w, PPQ_QS_BAKED);
    ppq_tqc *fp32 = with_state(&w, PPQ_QS_FP32);
    FAILS(w.d, ppq_tqc_overlap(baked, by, w.d), PPQ_ERR_STATE, "baked");
    FAILS(w.d, ppq_tqc_overlap(fp32, by, w.d), PPQ_ERR_STATE, "fp32");
    ck_assert_ptr_eq(ppq_tqc_root(baked), baked);
    ck_assert_int_eq(fp32->state, PPQ_QS_FP32);
    world_end(&w);
}
END_TEST

START_TEST(a_follower_quantizes_with_its_masters_parameters)
{
    world w = world_new();
    ppq_tqc *master = with_state(&w, PPQ_QS_ACTIVATED), *t = with_state(&w, PPQ_QS_ACTIVATED);
    give(&w, master, 0.5f);
    give(&w, t, 2);
    OK(w.d, ppq_tqc_follow(t, master, w.d));
    ck_assert_int_eq(t->state, PPQ_QS_PASSIVE);
    ck_assert(ppq_tqc_is_active(t) && ppq_tqc_is_active(master));
    SAME(ppq_tqc_param(t, 0).scale, 0.5f);
    const float one = 1, zero = 0;
    FAILS(w.d, ppq_tqc_set_params(t, w.g->arena, 1, &one, &zero, w.d), PPQ_ERR_STATE, "own");
    world_end(&w);
}
END_TEST

START_TEST(nobody_follows_itself)
{
    world w = world_new();
    ppq_tqc *t[4];
    for (int i = 0; i < 4; i++)
        t[i] = with_state(&w, PPQ_QS_ACTIVATED);
    OK(w.d, ppq_tqc_follow(t[0], t[0], w.d));
    ck_assert_int_eq(t[0]->state, PPQ_QS_ACTIVATED);
    for (int i = 0; i < 3; i++)
        OK(w.d, ppq_tqc_follow(t[i], t[i + 1], w.d));
    // t[3] is the root of all; whatever is asked, walking to the root must end.
    for (int i = 0; i < 4; i++) {
        (void) !ppq_tqc_follow(t[3], t[i], w.d);
        for (int k = 0; k < 4; k++)
            ck_assert_ptr_eq(ppq_tqc_root(t[k]), t[3]);
    }
    world_end(&w);
}
END_TEST

// Random joins never make a loop: roots can always be found.
START_TEST(random_groups_keep_a_root)
{
    enum { N = 40 };
    world w = world_new();
    ppq_tqc *t[N];
    ppq_rng r = ppq_rng_seed(11, (uint64_t) _i);
    for (int i = 0; i < N; i++)
        t[i] = with_state(&w, PPQ_QS_ACTIVATED);
    const float one = 1, zero = 0;
    for (int step = 0; step < 400; step++) {
        ppq_tqc *a = t[ppq_rng_u64(&r) % N], *b = t[ppq_rng_u64(&r) % N];
        switch (ppq_rng_u64(&r) % 4) {
        case 0:
            (void) !ppq_tqc_overlap(a, b, NULL);
            break;
        case 1:
            (void) !ppq_tqc_detach(a, w.g->arena, 1, &one, &zero, NULL);
            break;
        default:
            (void) !ppq_tqc_follow(a, b, NULL);
        }
        for (int i = 0; i < N; i++) {
            const ppq_tqc *p = t[i];
            int depth = 0;
            for (; p->parent != p && depth <= N; p = p->parent)
                depth++;
            ck_assert_int_le(depth, N);
        }
    }
    world_end(&w);
}
END_TEST

START_TEST(a_detached_config_owns_what_it_was_given)
{
    world w = world_new();
    ppq_tqc *root = with_state(&w, PPQ_QS_ACTIVATED), *t = with_state(&w, PPQ_QS_INITIAL);
    give(&w, root, 0.5f);
    OK(w.d, ppq_tqc_overlap(t, root, w.d));
    const float scale = 3, offset = 7;
    OK(w.d, ppq_tqc_detach(t, w.g->arena, 1, &scale, &offset, w.d));
    ck_assert_ptr_eq(ppq_tqc_root(t), t);
    ck_assert_int_eq(t->state, PPQ_QS_PASSIVE);
    SAME(ppq_tqc_param(t, 0).scale, 3);
    SAME(ppq_tqc_param(root, 0).scale, 0.5f);
    world_end(&w);
}
END_TEST

START_TEST(parameters_must_make_sense)
{
    static const float bad[][2] = { { 0, 0 },    { -1, 0 },       { NAN, 0 }, { INFINITY, 0 },
                                    { 1, 0.5f }, { 1, INFINITY }, { 1, NAN } };
    world w = world_new();
    ppq_tqc *t = with_state(&w, PPQ_QS_ACTIVATED);
    give(&w, t, 1);
    FAILS(w.d, ppq_tqc_set_params(t, w.g->arena, 1, &bad[_i][0], &bad[_i][1], w.d), PPQ_ERR_NUMERIC,
          "channel 0");
    SAME(t->scale[0], 1);
    world_end(&w);
}
END_TEST

START_TEST(parameters_are_copied)
{
    world w = world_new();
    ppq_tqc *t = with_state(&w, PPQ_QS_ACTIVATED);
    float scale[2] = { 1, 2 }, offset[2] = { 3, 4 };
    OK(w.d, ppq_tqc_set_params(t, w.g->arena, 2, scale, offset, w.d));
    scale[1] = 9;
    offset[1] = 9;
    SAME(t->scale[1], 2);
    SAME(t->offset[1], 4);
    world_end(&w);
}
END_TEST

// ---- formats --------------------------------------------------------------------------------

START_TEST(a_well_formed_format_passes)
{
    static const ppq_qfmt good[] = { PPQ_FMT_U8_ASYM,           PPQ_FMT_S8_SYM,
                                     PPQ_FMT_S8_SYM_CHANNEL,    PPQ_FMT_S8_NARROW,
                                     PPQ_FMT_S8_NARROW_CHANNEL, PPQ_FMT_S32_BIAS_CHANNEL };
    for (size_t i = 0; i < PPQ_COUNT(good); i++)
        ck_assert(ppq_qfmt_check(&good[i]));
}
END_TEST

START_TEST(a_malformed_format_is_refused)
{
    const ppq_qfmt good = PPQ_FMT_U8_ASYM;
    ppq_qfmt f = good;
    switch (_i) {
    case 0:
        f.props |= PPQ_Q_PER_CHANNEL;
        break;
    case 1:
        f.props &= ~(uint32_t) PPQ_Q_PER_TENSOR;
        break;
    case 2:
        f.props |= PPQ_Q_SYMMETRIC;
        break;
    case 3:
        f.props &= ~(uint32_t) PPQ_Q_LINEAR;
        break;
    case 4:
        f.bits = 1;
        break;
    case 5:
        f.bits = 33;
        break;
    case 6:
        f.qmin = 255;
        break;
    case 7:
        f.qmax = 256;
        break; // more steps than bits
    case 8:
        f.rounding = PPQ_ROUND_COUNT;
        break;
    case 9:
        f.exp_bits = 4;
        break;
    case 10:
        f.props = (f.props & ~(uint32_t) PPQ_Q_LINEAR) | PPQ_Q_FLOATING;
        break;
    case 11:
        f.qmax = (double) NAN;
        break;
    }
    ck_assert(ppq_qfmt_check(&good));
    ck_assert(!ppq_qfmt_check(&f));
    ck_assert(!ppq_qfmt_equal(&f, &good));
    ck_assert(ppq_qfmt_equal(&good, &good));
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { every_transition_is_allowed_or_refused, PPQ_QS_COUNT },
        { states_have_names_of_their_own, 1 },
        { active_is_who_quantizes_now, 1 },
        { an_overlapped_group_has_one_root, 1 },
        { overlap_with_a_baked_or_float_tensor_is_refused, 1 },
        { a_follower_quantizes_with_its_masters_parameters, 1 },
        { nobody_follows_itself, 1 },
        { random_groups_keep_a_root, 8 },
        { a_detached_config_owns_what_it_was_given, 1 },
        { parameters_must_make_sense, 7 },
        { parameters_are_copied, 1 },
        { a_well_formed_format_passes, 1 },
        { a_malformed_format_is_refused, 11 },
    };
    return run_tests("tqc", tests, PPQ_COUNT(tests));
}
