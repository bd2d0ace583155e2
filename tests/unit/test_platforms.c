// Laws of the registered platforms, passes, dispatchers and exporters.

#include "core/settings.h"
#include "ppq/ppq.h"
#include "quantizer/init.h"
#include "tests/unit/harness.h"

// ---- names ----------------------------------------------------------------------------------

static void check_name(const char *name, const char *summary)
{
    ck_assert(name && name[0]);
    for (const char *p = name; *p; p++)
        ck_assert_msg((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-',
                      "'%s' is not kebab-case", name);
    ck_assert_msg(summary && summary[0] && !strchr(summary, '\n'), "%s has no summary", name);
    ck_assert_msg(summary[strlen(summary) - 1] != '.', "%s: a summary has no period", name);
}

#define NAMES_ARE_SOUND(list)                                       \
    do {                                                            \
        for (size_t i = 0; (list)[i]; i++) {                        \
            check_name((list)[i]->name, (list)[i]->summary);        \
            for (size_t k = 0; k < i; k++)                          \
                ck_assert_str_ne((list)[i]->name, (list)[k]->name); \
        }                                                           \
        ck_assert_ptr_nonnull((list)[0]);                           \
    } while (0)

START_TEST(names_are_unique_and_summaries_fit_a_line)
{
    NAMES_ARE_SOUND(ppq_builtin_platforms);
    NAMES_ARE_SOUND(ppq_builtin_dispatchers);
    NAMES_ARE_SOUND(ppq_builtin_observers);
    NAMES_ARE_SOUND(ppq_builtin_exporters);
    NAMES_ARE_SOUND(ppq_builtin_passes);
}
END_TEST

START_TEST(everything_is_found_by_its_name)
{
#define FOUND(kind)                                                         \
    for (size_t i = 0; ppq_builtin_##kind##s[i]; i++)                       \
        ck_assert_ptr_eq(ppq_##kind##_find(ppq_builtin_##kind##s[i]->name), \
                         ppq_builtin_##kind##s[i]);                         \
    ck_assert_ptr_null(ppq_##kind##_find("no-such-thing"))
    FOUND(platform);
    FOUND(dispatcher);
    FOUND(observer);
    FOUND(exporter);
#undef FOUND
    for (size_t i = 0; ppq_builtin_passes[i]; i++)
        ck_assert_ptr_eq(ppq_pass_find(ppq_builtin_passes[i]->name), ppq_builtin_passes[i]);
    ck_assert_ptr_null(ppq_pass_find("no-such-thing"));
}
END_TEST

// ---- platforms ------------------------------------------------------------------------------

START_TEST(formats_of_a_platform_are_well_formed)
{
    const ppq_platform *p = ppq_builtin_platforms[_i];
    ck_assert(p->activation && ppq_qfmt_check(p->activation));
    // Activations share one scale: their channels mix in the next op.
    ck_assert(p->activation->props & PPQ_Q_PER_TENSOR);
    for (size_t i = 0; i < p->n_rules; i++)
        if (p->rules[i].fmt)
            ck_assert_msg(ppq_qfmt_check(p->rules[i].fmt), "%s rule %zu", p->name, i);
}
END_TEST

START_TEST(defaults_of_a_platform_exist)
{
    const ppq_platform *p = ppq_builtin_platforms[_i];
    ck_assert_ptr_nonnull(ppq_observer_find(p->observer));
    ck_assert_ptr_nonnull(ppq_dispatcher_find(p->dispatcher));
    ck_assert_ptr_nonnull(ppq_exporter_find(p->exporter));
    for (const char *const *name = p->passes; name && *name; name++)
        ck_assert_msg(ppq_pass_find(*name) != NULL, "%s lists pass '%s'", p->name, *name);
    ck_assert(p->elementwise < PPQ_ALIGN_COUNT && p->concat < PPQ_ALIGN_COUNT &&
              p->pool < PPQ_ALIGN_COUNT && p->resize < PPQ_ALIGN_COUNT);
}
END_TEST

START_TEST(rules_of_a_platform_speak_of_what_exists)
{
    const ppq_platform *p = ppq_builtin_platforms[_i];
    for (size_t i = 0; i < p->n_rules; i++) {
        const ppq_qrule *r = &p->rules[i];
        const ppq_op_def *def = ppq_op_def_find("", r->op_type);
        bool listed = false;
        for (const char *const *t = p->quant_types; *t; t++)
            listed |= strcmp(*t, r->op_type) == 0;
        ck_assert_msg(listed, "%s has a rule for %s, which it does not quantize", p->name,
                      r->op_type);
        ck_assert_ptr_nonnull(def);
        const int slots = r->side == PPQ_IN ? def->in_max : def->out_max;
        ck_assert(r->slot >= -1 && (slots < 0 || r->slot < slots));
        ck_assert(r->state < PPQ_QS_COUNT);
        ck_assert(!r->observer || ppq_observer_find(r->observer));
        // A channel axis needs a format that has one, and the other way round.
        if (r->fmt && r->state == PPQ_QS_INITIAL)
            ck_assert_int_eq((r->fmt->props & PPQ_Q_PER_CHANNEL) != 0,
                             r->axis == PPQ_AXIS_OUT_CHANNEL);
    }
}
END_TEST

START_TEST(types_of_a_platform_are_listed_once)
{
    const ppq_platform *p = ppq_builtin_platforms[_i];
    for (size_t i = 0; p->quant_types[i]; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(p->quant_types[i], p->quant_types[k]);
}
END_TEST

// Every type a platform names is one this build can run, or one of PPQ's own or later inventions.
START_TEST(types_of_a_platform_are_spelled_right)
{
    static const char *const foreign[] = { "Attention", "Interp", "PPQBiasFusedMatMul", "Swish" };
    const ppq_platform *p = ppq_builtin_platforms[_i];
    const char *const *lists[] = { p->quant_types, p->fused_activations };
    for (size_t l = 0; l < 2; l++)
        for (const char *const *t = lists[l]; t && *t; t++) {
            bool known = ppq_op_def_find("", *t) != NULL;
            for (size_t i = 0; i < PPQ_COUNT(foreign); i++)
                known |= strcmp(*t, foreign[i]) == 0;
            ck_assert_msg(known, "%s names type '%s'", p->name, *t);
        }
}
END_TEST

// ---- configs of every type ------------------------------------------------------------------

static ppq_op *sample_op(world *w, const char *type)
{
    ppq_var *x = add_input(w, "x", SHAPE(1, 4, 8, 8));
    ppq_op *op = NULL;
    if (strcmp(type, "Conv") == 0 || strcmp(type, "ConvTranspose") == 0)
        op = add_op(w, type, x, add_const(w, "w", tensor_normal(SHAPE(4, 4, 1, 1), 1)),
                    add_const(w, "b", tensor_normal(SHAPE(4), 2)));
    else if (strcmp(type, "Gemm") == 0 || strcmp(type, "MatMul") == 0) {
        x->shape = SHAPE(2, 4);
        op = add_op(w, type, x, add_const(w, "w", tensor_normal(SHAPE(4, 6), 1)),
                    type[0] == 'G' ? add_const(w, "b", tensor_normal(SHAPE(6), 2)) : NULL);
    } else {
        const ppq_op_def *def = ppq_op_def_find("", type);
        op = add_op(w, type, x, def && def->in_min > 1 ? x : NULL, NULL);
    }
    op->out[0]->dtype = PPQ_DT_F32;
    ppq_graph_mark_output(w->g, op->out[0]);
    return op;
}

START_TEST(every_quantized_op_gets_sound_configs)
{
    const ppq_platform *p = ppq_builtin_platforms[_i];
    for (const char *const *type = p->quant_types; *type; type++) {
        world w = world_new();
        ppq_settings *s = ppq_settings_create();
        ppq_op *op = sample_op(&w, *type);
        op->place = PPQ_PLACE_QUANT;
        OK(w.d, ppq_init_tqcs(w.g, p, s, w.d));
        ck_assert(op->tqc_in && op->tqc_out);
        for (int32_t k = 0; k < op->n_in; k++) {
            const ppq_tqc *t = op->tqc_in[k];
            if (!t)
                continue;
            ck_assert_msg(ppq_qfmt_check(&t->fmt), "%s %s input %d", p->name, *type, k);
            ck_assert_ptr_eq(t->parent, t);
            ck_assert_uint_eq(t->n, 0);
            ck_assert_msg(t->state != PPQ_QS_INITIAL || t->observer, "%s %s input %d", p->name,
                          *type, k);
        }
        ck_assert_msg(op->tqc_out[0] != NULL, "%s %s output", p->name, *type);
        ppq_settings_destroy(s);
        world_end(&w);
    }
}
END_TEST

// ---- passes ---------------------------------------------------------------------------------

START_TEST(a_pass_declares_facts_that_exist)
{
    const ppq_pass *p = ppq_builtin_passes[_i];
    const uint32_t all = (PPQ_FACT_BAKED << 1) - 1;
    ck_assert(p->run != NULL);
    ck_assert_uint_eq((p->needs | p->gives | p->breaks) & ~all, 0);
    ck_assert_uint_eq(p->gives & p->breaks, 0);
    ck_assert_int_eq(p->params_size > 0, p->defaults != NULL);
}
END_TEST

// Every default is legal: setting it changes nothing.
START_TEST(options_of_a_pass_have_legal_defaults)
{
    const ppq_pass *p = ppq_builtin_passes[_i];
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ck_assert_int_eq(p->opts != NULL, p->defaults != NULL);
    unsigned char params[64];
    ck_assert_uint_le(p->params_size, sizeof(params));
    if (p->defaults)
        memcpy(params, p->defaults, p->params_size);
    for (size_t k = 0;; k++) {
        const ppq_entry_option o = ppq_list_option(PPQ_KIND_PASS, (size_t) _i, k);
        if (!o.key)
            break;
        ck_assert(o.summary[0] && o.legal[0]);
        OK(d, ppq_opts_set("pass", p->opts, params, o.key, o.value, d));
        ck_assert_mem_eq(params, p->defaults, p->params_size);
    }
    ppq_diag_destroy(d);
}
END_TEST

typedef struct knobs {
    bool on;
    int n, how;
    double x;
} knobs;

START_TEST(options_are_read_by_type)
{
    static const char *const how[] = { "fast", "exact", NULL };
    static const ppq_opt opts[] = {
        { "on", "a switch", PPQ_OPT_BOOL, offsetof(knobs, on), 0, 0, NULL },
        { "n", "a count", PPQ_OPT_INT, offsetof(knobs, n), -2, 9, NULL },
        { "x", "a number", PPQ_OPT_FLOAT, offsetof(knobs, x), 0, 0, NULL },
        { "how", "a choice", PPQ_OPT_ENUM, offsetof(knobs, how), 0, 0, how },
        { 0 },
    };
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    knobs k = { 0 };
    OK(d, ppq_opts_set("it", opts, &k, "on", "true", d));
    OK(d, ppq_opts_set("it", opts, &k, "n", "-2", d));
    OK(d, ppq_opts_set("it", opts, &k, "x", "1e9", d));
    OK(d, ppq_opts_set("it", opts, &k, "how", "exact", d));
    ck_assert(k.on && k.n == -2 && k.x > 9e8 && k.how == 1);
    FAILS(d, ppq_opts_set("it", opts, &k, "on", "yes", d), PPQ_ERR_ARG, "it: option on is 'yes'");
    FAILS(d, ppq_opts_set("it", opts, &k, "n", "10", d), PPQ_ERR_ARG, "-2 to 9");
    FAILS(d, ppq_opts_set("it", opts, &k, "n", "1.5", d), PPQ_ERR_ARG, "an integer");
    FAILS(d, ppq_opts_set("it", opts, &k, "x", "nan", d), PPQ_ERR_ARG, "a number");
    FAILS(d, ppq_opts_set("it", opts, &k, "how", "slow", d), PPQ_ERR_ARG, "fast, exact");
    FAILS(d, ppq_opts_set("it", opts, &k, "haw", "fast", d), PPQ_ERR_ARG, "nearest is 'how'");
    FAILS(d, ppq_opts_set("it", NULL, &k, "n", "1", d), PPQ_ERR_ARG, "there are none");
    ck_assert(k.on && k.n == -2 && k.x > 9e8 && k.how == 1);
    ppq_diag_destroy(d);
}
END_TEST

START_TEST(passes_take_options_from_settings)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_settings *s = ppq_settings_create();
    const ppq_pass *p = ppq_pass_find("equalize");
    ck_assert_ptr_eq(ppq_settings_pass_params(NULL, p), p->defaults);
    ck_assert_ptr_eq(ppq_settings_pass_params(s, p), p->defaults);
    OK(d, ppq_settings_set(s, "pass", "equalize,samples=8,limit=4,fold-bias", d));
    OK(d, ppq_settings_set(s, "pass", "equalize,limit=3", d));
    const void *params = ppq_settings_pass_params(s, p);
    ck_assert_ptr_ne(params, p->defaults);
    const int samples = 8;
    const double limit = 3;
    for (const ppq_opt *o = p->opts; o->key; o++)
        ck_assert(memcmp((const char *) params + o->offset,
                         o->type == PPQ_OPT_INT ? (const void *) &samples : &limit,
                         o->type == PPQ_OPT_INT ? sizeof(samples) : sizeof(limit)) == 0);
    ck_assert_uint_eq(s->pass_on.n, 3);
    FAILS(d, ppq_settings_set(s, "pass", "equalise", d), PPQ_ERR_ARG, "nearest is 'equalize'");
    FAILS(d, ppq_settings_set(s, "no-pass", "alined", d), PPQ_ERR_ARG, "nearest is 'align'");
    FAILS(d, ppq_settings_set(s, "pass", "a=1", d), PPQ_ERR_ARG, "before the name");
    FAILS(d, ppq_settings_set(s, "pass", "align,a=1", d), PPQ_ERR_ARG, "takes no options");
    FAILS(d, ppq_settings_set(s, "pass", "equalize,limi=1", d), PPQ_ERR_ARG, "--pass equalize");
    ppq_settings_destroy(s);
    ppq_diag_destroy(d);
}
END_TEST

START_TEST(a_pass_without_its_facts_is_refused)
{
    const ppq_pass *p = ppq_builtin_passes[_i];
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    const ppq_pass_step step = { p, NULL };
    OK(d, ppq_pipeline_check(&step, 1, p->needs, d));
    size_t missing = 0;
    for (uint32_t bit = 1; bit <= PPQ_FACT_BAKED; bit <<= 1) {
        if (!(p->needs & bit))
            continue;
        missing++;
        ck_assert_int_eq(ppq_pipeline_check(&step, 1, p->needs & ~bit, d), PPQ_ERR_STATE);
        ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_ERROR), missing);
        ck_assert_str_eq(ppq_diag_at(d, missing - 1)->loc.stage, p->name);
    }
    ck_assert_uint_gt(missing, 0);
    ppq_diag_destroy(d);
}
END_TEST

START_TEST(facts_come_and_go_along_a_pipeline)
{
    const ppq_pass gives = { .name = "gives", .gives = PPQ_FACT_SHAPES };
    const ppq_pass breaks = { .name = "breaks", .breaks = PPQ_FACT_SHAPES };
    const ppq_pass needs = { .name = "needs", .needs = PPQ_FACT_SHAPES | PPQ_FACT_TQC };
    const ppq_pass_step good[] = { { .pass = &gives }, { .pass = &needs } };
    const ppq_pass_step bad[] = { { &gives, NULL }, { &breaks, NULL }, { &needs, NULL } };
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    OK(d, ppq_pipeline_check(good, 2, PPQ_FACT_TQC, d));
    FAILS(d, ppq_pipeline_check(bad, 3, PPQ_FACT_TQC, d), PPQ_ERR_STATE, "shapes");
    // All that is missing is told, not only the first.
    ck_assert_int_eq(ppq_pipeline_check(bad, 3, 0, d), PPQ_ERR_STATE);
    ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_ERROR), 3);
    OK(d, ppq_pipeline_check(NULL, 0, 0, d));
    ppq_diag_destroy(d);
}
END_TEST

int main(void)
{
    const int platforms = REGISTRY_SIZE(ppq_builtin_platforms);
    const int passes = REGISTRY_SIZE(ppq_builtin_passes);
    const test_entry tests[] = {
        { names_are_unique_and_summaries_fit_a_line, 1 },
        { everything_is_found_by_its_name, 1 },
        { formats_of_a_platform_are_well_formed, platforms },
        { defaults_of_a_platform_exist, platforms },
        { rules_of_a_platform_speak_of_what_exists, platforms },
        { types_of_a_platform_are_listed_once, platforms },
        { types_of_a_platform_are_spelled_right, platforms },
        { every_quantized_op_gets_sound_configs, platforms },
        { a_pass_declares_facts_that_exist, passes },
        { options_of_a_pass_have_legal_defaults, passes },
        { options_are_read_by_type, 1 },
        { passes_take_options_from_settings, 1 },
        { a_pass_without_its_facts_is_refused, passes },
        { facts_come_and_go_along_a_pipeline, 1 },
    };
    return run_tests("platforms", tests, PPQ_COUNT(tests));
}
