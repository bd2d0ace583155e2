#include "core/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/pass.h"

ppq_settings *ppq_settings_create(void)
{
    ppq_arena *a = ppq_arena_create("settings");
    ppq_settings *s = ppq_new(a, ppq_settings);
    s->arena = a;
    s->platform = "onnxruntime";
    s->steps = 512;
    s->batch = 1;
    s->weight_bits = 8;
    s->analyse = 4;
    s->target_snr = 14;
    s->bias_correction = true;
    s->rescue = true;
    s->align_elementwise = s->align_concat = s->align_pool = s->align_resize = -1;
    return s;
}

void ppq_settings_destroy(ppq_settings *s)
{
    if (s)
        ppq_arena_destroy(s->arena);
}

static const ppq_loc here = { .stage = "options" };

static ppq_status set_int(const char *key, const char *value, long lo, long hi, int *out,
                          ppq_diag *d)
{
    char *end;
    errno = 0;
    const long x = strtol(value, &end, 10);
    if (end == value || *end || errno || x < lo || x > hi)
        return ppq_fail(d, PPQ_ERR_ARG, here, "--%s is '%s', legal is an integer from %ld to %ld",
                        key, value, lo, hi);
    *out = (int) x;
    return PPQ_OK;
}

static void push(ppq_settings *s, ppq_strings *list, const char *value, size_t n)
{
    const char **at = ppq_new_n(s->arena, const char *, list->n + 1);
    if (list->n)
        memcpy(at, list->at, list->n * sizeof(*at));
    at[list->n++] = ppq_arena_printf(s->arena, "%.*s", (int) n, value);
    list->at = at;
}

static void push_all(ppq_settings *s, ppq_strings *list, const char *value)
{
    while (*value) {
        const size_t n = strcspn(value, ",");
        if (n)
            push(s, list, value, n);
        value += n + (value[n] == ',');
    }
}

static ppq_status set_align(const char *key, const char *value, int *out, ppq_diag *d)
{
    static const char *const names[] = { "none", "input", "output", "large" };
    for (int i = 0; i < 4; i++)
        if (strcmp(value, names[i]) == 0) {
            *out = i;
            return PPQ_OK;
        }
    return ppq_fail(d, PPQ_ERR_ARG, here, "--%s is '%s', legal are none, input, output and large",
                    key, value);
}

static ppq_status push_ids(ppq_settings *s, const char *value, ppq_diag *d)
{
    ppq_strings ids = { 0 };
    push_all(s, &ids, value);
    for (size_t i = 0; i < ids.n; i++) {
        int x = 0;
        PPQ_TRY(set_int("skip-ids", ids.at[i], 0, INT32_MAX, &x, d));
        int64_t *at = ppq_new_n(s->arena, int64_t, s->n_skip_ids + 1);
        if (s->n_skip_ids)
            memcpy(at, s->skip_ids, s->n_skip_ids * sizeof(*at));
        at[s->n_skip_ids++] = x;
        s->skip_ids = at;
    }
    return PPQ_OK;
}

// "name place", split at the last blank: names may hold blanks.
static ppq_status push_place(ppq_settings *s, const char *value, ppq_diag *d)
{
    const char *cut = strrchr(value, ' ');
    if (!cut || cut == value || !cut[1])
        return ppq_fail(d, PPQ_ERR_ARG, here, "--dispatch has '%s', expected 'name place'", value);
    ppq_place_override *at = ppq_new_n(s->arena, ppq_place_override, s->n_place + 1);
    if (s->n_place)
        memcpy(at, s->place, s->n_place * sizeof(*at));
    at[s->n_place++] = (ppq_place_override){
        ppq_arena_printf(s->arena, "%.*s", (int) (cut - value), value),
        ppq_arena_printf(s->arena, "%s", cut + 1),
    };
    s->place = at;
    return PPQ_OK;
}

static ppq_status find_pass(const char *option, const char *name, const ppq_pass **out, ppq_diag *d)
{
    *out = ppq_pass_find(name);
    return *out ? PPQ_OK
                : ppq_fail(d, PPQ_ERR_ARG, here,
                           "%s: there is no pass '%s'; the nearest is '%s' (see --list-passes)",
                           option, name, ppq_pass_nearest(name));
}

static ppq_status push_passes(ppq_settings *s, ppq_strings *list, const char *key,
                              const char *value, ppq_diag *d)
{
    ppq_strings names = { 0 };
    const ppq_pass *p;
    push_all(s, &names, value);
    for (size_t i = 0; i < names.n; i++) {
        PPQ_TRY(find_pass(key, names.at[i], &p, d));
        push(s, list, p->name, strlen(p->name));
    }
    return PPQ_OK;
}

void ppq_settings_rescue(ppq_settings *s, const char *op)
{
    push(s, &s->rescued, op, strlen(op));
}

const void *ppq_settings_pass_params(const ppq_settings *s, const ppq_pass *p)
{
    for (size_t i = 0; s && i < s->n_pass_params; i++)
        if (s->pass_params[i].pass == p)
            return s->pass_params[i].params;
    return p->defaults;
}

// The options of a pass, for writing: its defaults at first.
static void *own_params(ppq_settings *s, const ppq_pass *p)
{
    for (size_t i = 0; i < s->n_pass_params; i++)
        if (s->pass_params[i].pass == p)
            return s->pass_params[i].params;
    ppq_pass_setting *at = ppq_new_n(s->arena, ppq_pass_setting, s->n_pass_params + 1);
    if (s->n_pass_params)
        memcpy(at, s->pass_params, s->n_pass_params * sizeof(*at));
    void *params = ppq_arena_zalloc(s->arena, 1, p->params_size, alignof(max_align_t));
    memcpy(params, p->defaults, p->params_size);
    at[s->n_pass_params++] = (ppq_pass_setting){ p, params };
    s->pass_params = at;
    return params;
}

// "key=value" for a pass.
static ppq_status set_pass_option(ppq_settings *s, const ppq_pass *p, const char *option,
                                  ppq_diag *d)
{
    const size_t n = strcspn(option, "=");
    const char *key = ppq_arena_printf(s->arena, "%.*s", (int) n, option);
    if (!p)
        return ppq_fail(d, PPQ_ERR_ARG, here, "--pass has '%s' before the name of a pass", option);
    if (!p->opts)
        return ppq_fail(d, PPQ_ERR_ARG, here, "--pass: '%s' takes no options, '%s' was given",
                        p->name, option);
    const char *owner = ppq_arena_printf(s->arena, "--pass %s", p->name);
    return ppq_opts_set(owner, p->opts, own_params(s, p), key, option + n + 1, d);
}

// "NAME[,key=value...]", any number of times.
static ppq_status push_pass_args(ppq_settings *s, const char *value, ppq_diag *d)
{
    ppq_strings parts = { 0 };
    const ppq_pass *p = NULL;
    push_all(s, &parts, value);
    for (size_t i = 0; i < parts.n; i++) {
        if (strchr(parts.at[i], '=')) {
            PPQ_TRY(set_pass_option(s, p, parts.at[i], d));
            continue;
        }
        PPQ_TRY(find_pass("--pass", parts.at[i], &p, d));
        push(s, &s->pass_on, p->name, strlen(p->name));
    }
    push(s, &s->pass_args, value, strlen(value));
    return PPQ_OK;
}

ppq_status ppq_settings_set(ppq_settings *s, const char *key, const char *value, ppq_diag *d)
{
    const struct {
        const char *key;
        const char **at;
    } strings[] = {
        { "platform", &s->platform }, { "dispatcher", &s->dispatcher },
        { "method", &s->method },     { "weight-method", &s->weight_method },
        { "format", &s->format },     { "debug-dir", &s->debug_dir },
        { "report", &s->report },
    };
    for (size_t i = 0; i < PPQ_COUNT(strings); i++)
        if (strcmp(strings[i].key, key) == 0) {
            *strings[i].at = ppq_arena_printf(s->arena, "%s", value);
            return PPQ_OK;
        }
    const struct {
        const char *key;
        int *at;
        long lo, hi;
    } ints[] = {
        { "steps", &s->steps, 1, 1000000 },  { "batch", &s->batch, 1, 4096 },
        { "threads", &s->threads, 1, 256 },  { "weight-bits", &s->weight_bits, 7, 8 },
        { "analyse", &s->analyse, 0, 1024 }, { "target-snr", &s->target_snr, 0, 100 },
    };
    for (size_t i = 0; i < PPQ_COUNT(ints); i++)
        if (strcmp(ints[i].key, key) == 0)
            return set_int(key, value, ints[i].lo, ints[i].hi, ints[i].at, d);
    const struct {
        const char *key;
        int *at;
    } aligns[] = {
        { "align-elementwise", &s->align_elementwise },
        { "align-concat", &s->align_concat },
        { "align-pool", &s->align_pool },
        { "align-resize", &s->align_resize },
    };
    for (size_t i = 0; i < PPQ_COUNT(aligns); i++)
        if (strcmp(aligns[i].key, key) == 0)
            return set_align(key, value, aligns[i].at, d);
    if (strcmp(key, "seed") == 0) {
        char *end;
        s->seed = strtoull(value, &end, 10);
        return end != value && !*end
                   ? PPQ_OK
                   : ppq_fail(d, PPQ_ERR_ARG, here, "--seed is '%s', expected an integer", value);
    }
    if (strcmp(key, "no-bias-correction") == 0)
        s->bias_correction = strcmp(value, "false") == 0;
    else if (strcmp(key, "no-rescue") == 0)
        s->rescue = strcmp(value, "false") == 0;
    else if (strcmp(key, "strict") == 0)
        s->strict = strcmp(value, "false") != 0;
    else if (strcmp(key, "op-types") == 0)
        push_all(s, &s->op_types, value);
    else if (strcmp(key, "exclude") == 0)
        push(s, &s->exclude, value, strlen(value));
    else if (strcmp(key, "pass") == 0)
        return push_pass_args(s, value, d);
    else if (strcmp(key, "no-pass") == 0)
        return push_passes(s, &s->pass_off, "--no-pass", value, d);
    else if (strcmp(key, "skip-ids") == 0)
        return push_ids(s, value, d);
    else if (strcmp(key, "dispatch") == 0)
        return push_place(s, value, d);
    else
        return ppq_fail(d, PPQ_ERR_ARG, here, "there is no option '%s'", key);
    return PPQ_OK;
}
