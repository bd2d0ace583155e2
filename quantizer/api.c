#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "executor/dnnl/compat.h"
#include "ppq/ppq.h"
#include "quantizer/api_common.h"
#include "quantizer/data/data.h"
#include "quantizer/fallback.h"
#include "quantizer/init.h"
#include "quantizer/input_shape.h"
#include "quantizer/report.h"
#include "quantizer/rescue.h"
#include "quantizer/session.h"

// The public API over the session. Everything below it speaks ppq_status; here it becomes the
// result that commands exit with.

const char *ppq_version(void)
{
    return PPQ_VERSION;
}

const char *ppq_library_version(void)
{
    return ppq_dnnl_version();
}

void ppq_emergency_cleanup(void)
{
    ppq_file_emergency_cleanup();
}

ppq_result ppq_result_of(ppq_status st)
{
    switch (st) {
    case PPQ_OK:
        return PPQ_RESULT_OK;
    case PPQ_ERR_ARG:
        return PPQ_RESULT_USAGE;
    case PPQ_ERR_IO:
        return PPQ_RESULT_IO;
    case PPQ_ERR_MODEL:
    case PPQ_ERR_UNSUPPORTED:
    case PPQ_ERR_SHAPE:
    case PPQ_ERR_STATE:
    case PPQ_ERR_NUMERIC:
    case PPQ_ERR_DATA:
    case PPQ_ERR_NOMEM:
    case PPQ_STATUS_COUNT:
        break;
    }
    return PPQ_RESULT_BAD;
}

void ppq_forward_message(void *user, const ppq_diag_item *i)
{
    const ppq_callbacks *cb = user;
    static const ppq_level levels[] = { [PPQ_SEV_NOTE] = PPQ_LEVEL_NOTE,
                                        [PPQ_SEV_WARN] = PPQ_LEVEL_WARNING,
                                        [PPQ_SEV_ERROR] = PPQ_LEVEL_ERROR };
    const ppq_message m = { levels[i->severity], i->msg, i->loc.stage, i->loc.op, i->loc.var };
    if (cb->message)
        cb->message(cb->user, &m);
}

// ---- lists ----------------------------------------------------------------------------------

#define ENTRY(list)                                                        \
    do {                                                                   \
        for (size_t k = 0; (list)[k]; k++)                                 \
            if (k == i)                                                    \
                return (ppq_entry){ (list)[k]->name, (list)[k]->summary }; \
        return (ppq_entry){ NULL, NULL };                                  \
    } while (0)

ppq_entry ppq_list(ppq_kind kind, size_t i)
{
    switch (kind) {
    case PPQ_KIND_PLATFORM:
        ENTRY(ppq_builtin_platforms);
    case PPQ_KIND_DISPATCHER:
        ENTRY(ppq_builtin_dispatchers);
    case PPQ_KIND_OBSERVER:
        ENTRY(ppq_builtin_observers);
    case PPQ_KIND_FORMAT:
        ENTRY(ppq_builtin_exporters);
    case PPQ_KIND_PASS:
        ENTRY(ppq_builtin_passes);
    case PPQ_KIND_OP:
        for (size_t k = 0; ppq_builtin_ops[k]; k++)
            if (k == i)
                return (ppq_entry){ ppq_builtin_ops[k]->type, ppq_builtin_ops[k]->domain };
        break;
    }
    return (ppq_entry){ NULL, NULL };
}

static void describe(const ppq_opt *o, const char *at, ppq_entry_option *out)
{
    const char *kind = o->type == PPQ_OPT_INT ? "integer" : "number";
    size_t n = 0;
    switch (o->type) {
    case PPQ_OPT_BOOL:
        snprintf(out->value, sizeof(out->value), "%s", *(const bool *) at ? "true" : "false");
        snprintf(out->legal, sizeof(out->legal), "true or false");
        return;
    case PPQ_OPT_ENUM:
        snprintf(out->value, sizeof(out->value), "%s", o->names[*(const int *) (const void *) at]);
        for (int i = 0; o->names[i] && n < sizeof(out->legal); i++)
            n += (size_t) snprintf(out->legal + n, sizeof(out->legal) - n, "%s%s", i ? ", " : "",
                                   o->names[i]);
        return;
    case PPQ_OPT_INT:
        snprintf(out->value, sizeof(out->value), "%d", *(const int *) (const void *) at);
        break;
    case PPQ_OPT_FLOAT:
        snprintf(out->value, sizeof(out->value), "%g", *(const double *) (const void *) at);
        break;
    }
    if (o->min < o->max)
        snprintf(out->legal, sizeof(out->legal), "%s, %.10g to %.10g", kind, o->min, o->max);
    else
        snprintf(out->legal, sizeof(out->legal), "%s", kind);
}

ppq_entry_option ppq_list_option(ppq_kind kind, size_t i, size_t k)
{
    ppq_entry_option out = { .key = NULL };
    size_t n = 0;
    while (kind == PPQ_KIND_PASS && n < i && ppq_builtin_passes[n])
        n++;
    const ppq_pass *p = kind == PPQ_KIND_PASS ? ppq_builtin_passes[n] : NULL;
    const ppq_opt *o = p ? p->opts : NULL;
    while (o && o->key && k > 0) {
        o++;
        k--;
    }
    if (!o || !o->key)
        return out;
    out.key = o->key;
    out.summary = o->help;
    describe(o, (const char *) p->defaults + o->offset, &out);
    return out;
}

// ---- texts ----------------------------------------------------------------------------------

ppq_result ppq_text_save(const ppq_callbacks *cb, const char *path, const char *text)
{
    ppq_callbacks own = *cb;
    ppq_diag *d = ppq_diag_create(ppq_forward_message, &own);
    const ppq_buf b = { (char *) (uintptr_t) text, strlen(text), 0 };
    const ppq_status st = ppq_file_write_text(path, &b, d);
    ppq_diag_destroy(d);
    return ppq_result_of(st);
}

// One value of a configuration file as text.
static ppq_result give_option(const ppq_json *j, const char *key, ppq_option_fn option, void *user)
{
    ppq_buf b = { 0 };
    if (j->kind == PPQ_JSON_STRING)
        ppq_buf_printf(&b, "%s", j->string);
    else if (j->kind == PPQ_JSON_NUMBER)
        ppq_buf_printf(&b, "%.17g", j->number);
    else
        ppq_buf_printf(&b, j->number > 0 ? "true" : "false");
    const ppq_result r = option(user, key, ppq_buf_str(&b));
    ppq_buf_free(&b);
    return r;
}

ppq_result ppq_config_read(const ppq_callbacks *cb, const char *path, ppq_option_fn option,
                           void *user)
{
    ppq_callbacks own = *cb;
    ppq_diag *d = ppq_diag_create(ppq_forward_message, &own);
    ppq_arena *a = ppq_arena_create("config");
    char *text = NULL;
    size_t n = 0;
    const ppq_json *j = NULL;
    ppq_status st = ppq_file_read(path, 1 << 24, &text, &n, d);
    if (st == PPQ_OK)
        st = ppq_json_parse(text, n, path, a, &j, d);
    if (st == PPQ_OK && j->kind != PPQ_JSON_OBJECT)
        st = ppq_fail(d, PPQ_ERR_DATA, (ppq_loc){ .stage = "--config" },
                      "'%s' holds no JSON object of options", path);
    ppq_result r = ppq_result_of(st);
    for (const ppq_json *k = r == PPQ_RESULT_OK ? j->child : NULL; k && r == PPQ_RESULT_OK;
         k = k->next) {
        if (k->kind != PPQ_JSON_ARRAY)
            r = give_option(k, k->key, option, user);
        for (const ppq_json *e = k->kind == PPQ_JSON_ARRAY ? k->child : NULL;
             e && r == PPQ_RESULT_OK; e = e->next)
            r = give_option(e, k->key, option, user);
    }
    free(text);
    ppq_arena_destroy(a);
    ppq_diag_destroy(d);
    return r;
}

// ---- jobs -----------------------------------------------------------------------------------

struct ppq_job {
    ppq_callbacks cb;
    ppq_diag *diag;
    ppq_settings *settings;
    ppq_session *session;
    ppq_data *data;
    bool prepared, quantized, has_data;
};

ppq_result ppq_job_create(const ppq_callbacks *cb, ppq_job **out)
{
    ppq_job *j = calloc(1, sizeof(*j));
    if (!j)
        return PPQ_RESULT_BAD;
    if (cb)
        j->cb = *cb;
    j->diag = ppq_diag_create(ppq_forward_message, &j->cb);
    j->settings = ppq_settings_create();
    *out = j;
    return PPQ_RESULT_OK;
}

void ppq_job_destroy(ppq_job *j)
{
    if (!j)
        return;
    ppq_data_destroy(j->data);
    ppq_session_destroy(j->session);
    ppq_settings_destroy(j->settings);
    ppq_diag_destroy(j->diag);
    free(j);
}

ppq_result ppq_job_set(ppq_job *j, const char *key, const char *value)
{
    return ppq_result_of(ppq_settings_set(j->settings, key, value, j->diag));
}

static ppq_result out_of_order(ppq_job *j, const char *what)
{
    return ppq_result_of(ppq_fail(j->diag, PPQ_ERR_ARG, (ppq_loc){ .stage = "api" },
                                  "%s is called out of order", what));
}

static void report_progress(void *user, const char *phase, int64_t done, int64_t total)
{
    const ppq_job *j = user;
    if (j->cb.progress)
        j->cb.progress(j->cb.user, phase, done, total);
}

ppq_result ppq_job_load(ppq_job *j, const char *model_path)
{
    if (j->session)
        return out_of_order(j, "ppq_job_load");
    ppq_status st = ppq_session_create(j->settings, j->diag, &j->session);
    if (st != PPQ_OK)
        return ppq_result_of(st);
    j->session->progress = (ppq_progress){ j, report_progress };
    return ppq_result_of(ppq_session_load(j->session, model_path));
}

ppq_result ppq_job_input_shape(ppq_job *j, const char *spec)
{
    if (!j->session || j->prepared)
        return out_of_order(j, "ppq_job_input_shape");
    return ppq_result_of(ppq_session_input_shape(j->session, spec));
}

static ppq_status ensure_data(ppq_job *j, const char *preprocess, const char *dtype)
{
    if (j->data)
        return PPQ_OK;
    const ppq_data_opts o = { preprocess, dtype, j->settings->steps, j->settings->batch };
    return ppq_data_create(j->session->graph, &o, &j->data, j->diag);
}

ppq_result ppq_job_data(ppq_job *j, const char *spec, const char *preprocess, const char *dtype)
{
    if (!j->session || j->quantized)
        return out_of_order(j, "ppq_job_data");
    ppq_status st = ensure_data(j, preprocess, dtype);
    if (st == PPQ_OK)
        st = ppq_data_add(j->data, spec, j->diag);
    j->has_data = st == PPQ_OK;
    return ppq_result_of(st);
}

ppq_result ppq_job_random(ppq_job *j, int n)
{
    if (!j->session || j->quantized)
        return out_of_order(j, "ppq_job_random");
    ppq_status st = ensure_data(j, NULL, NULL);
    if (st == PPQ_OK)
        st = ppq_data_random(j->data, n, j->settings->seed, j->diag);
    j->has_data = st == PPQ_OK;
    return ppq_result_of(st);
}

int ppq_job_is_quantized(const ppq_job *j)
{
    return j->session && j->session->graph && ppq_session_quantized_ops(j->session, NULL) > 0;
}

ppq_result ppq_job_prepare(ppq_job *j)
{
    if (!j->session || j->prepared)
        return out_of_order(j, "ppq_job_prepare");
    const ppq_status st = ppq_session_prepare(j->session);
    j->prepared = st == PPQ_OK;
    return ppq_result_of(st);
}

static ppq_status quantize_again(ppq_job *j, const ppq_calib_source *source)
{
    PPQ_TRY(ppq_session_reload(j->session));
    ppq_data_set_graph(j->data, j->session->graph);
    return ppq_session_quantize(j->session, source);
}

// Equalization goes by a few samples, which may not show what others hold. Where outputs suffer,
// it stays only if they are no better without it.
static ppq_status doubt_equalization(ppq_job *j, const ppq_calib_source *source)
{
    const double margin = 1; // dB
    if (!ppq_needs_rescue(j->session) || !ppq_session_runs(j->session, "equalize"))
        return PPQ_OK;
    const double with = ppq_analysis_worst_output(j->session->analysis);
    PPQ_TRY(ppq_settings_set(j->settings, "no-pass", "equalize", j->diag));
    PPQ_TRY(quantize_again(j, source));
    const double without = ppq_analysis_worst_output(j->session->analysis);
    if (without > with + margin) {
        ppq_warn(j->diag, (ppq_loc){ .stage = "rescue" },
                 "an output has %.1f dB with equalized channels and %.1f dB without: they are left "
                 "as they are; more samples for it (--pass equalize,samples=N) may help, "
                 "--no-rescue equalizes all the same",
                 with, without);
        return PPQ_OK;
    }
    j->settings->pass_off.n--;
    return quantize_again(j, source);
}

// Again, as long as there are ops that int8 ruins, or that cost outputs too much.
static ppq_status quantize(ppq_job *j, const ppq_calib_source *source)
{
    enum { ROUNDS = 4 };
    PPQ_TRY(ppq_session_quantize(j->session, source));
    if (!j->settings->rescue)
        return PPQ_OK;
    PPQ_TRY(doubt_equalization(j, source));
    for (int i = 0; i < ROUNDS && ppq_find_ruined(j->session); i++)
        PPQ_TRY(quantize_again(j, source));
    for (int i = 0; i < ROUNDS; i++) {
        size_t n;
        PPQ_TRY(ppq_fall_back(j->session, &n));
        if (!n)
            break;
        PPQ_TRY(quantize_again(j, source));
    }
    return PPQ_OK;
}

ppq_result ppq_job_quantize(ppq_job *j)
{
    if (!j->session || j->quantized)
        return out_of_order(j, "ppq_job_quantize");
    if (!j->has_data)
        return ppq_result_of(ppq_fail(j->diag, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                                      "calibration data is missing: give -c PATH, or --random N"));
    ppq_status st = ppq_data_finish(j->data, j->diag);
    if (st == PPQ_OK && !j->prepared) {
        const ppq_result r = ppq_job_prepare(j);
        if (r != PPQ_RESULT_OK)
            return r;
    }
    if (st == PPQ_OK) {
        const ppq_calib_source source = ppq_data_source(j->data);
        st = quantize(j, &source);
    }
    j->quantized = st == PPQ_OK;
    return ppq_result_of(st);
}

ppq_result ppq_job_export(ppq_job *j, const char *format, const char *path)
{
    if (!j->quantized)
        return out_of_order(j, "ppq_job_export");
    if (!format)
        format = j->settings->format ? j->settings->format : j->session->platform->exporter;
    return ppq_result_of(ppq_session_export(j->session, format, path));
}

void ppq_job_report(ppq_job *j, int json, ppq_text_fn write, void *user)
{
    ppq_buf b = { 0 };
    ppq_report(j->session, json != 0, &b);
    write(user, ppq_buf_str(&b), b.n);
    ppq_buf_free(&b);
}

ppq_result ppq_job_save_report(ppq_job *j)
{
    if (!j->quantized)
        return out_of_order(j, "ppq_job_save_report");
    if (!j->settings->report)
        return PPQ_RESULT_OK;
    ppq_buf b = { 0 };
    ppq_report_html(j->session, &b);
    const ppq_status st = ppq_file_write_text(j->settings->report, &b, j->diag);
    ppq_buf_free(&b);
    return ppq_result_of(st);
}

ppq_result ppq_job_verdict(ppq_job *j)
{
    if (!j->settings->strict || !j->session)
        return PPQ_RESULT_OK;
    return ppq_report_float_ops(j->session, j->diag) ? PPQ_RESULT_MISSED : PPQ_RESULT_OK;
}

ppq_result ppq_job_inspect(ppq_job *j, ppq_view view, int json, ppq_text_fn write, void *user)
{
    if (!j->session || !j->session->graph)
        return out_of_order(j, "ppq_job_inspect");
    ppq_buf b = { 0 };
    ppq_status st = j->prepared ? PPQ_OK : ppq_session_infer(j->session);
    if (st == PPQ_OK)
        st = ppq_inspect(j->session, view, json != 0, &b);
    if (st == PPQ_OK)
        write(user, ppq_buf_str(&b), b.n);
    ppq_buf_free(&b);
    return ppq_result_of(st);
}
