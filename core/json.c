#include "core/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ppq_json *convert(const cJSON *c, ppq_arena *a)
{
    ppq_json *j = ppq_new(a, ppq_json);
    j->key = c->string ? ppq_arena_printf(a, "%s", c->string) : NULL;
    if (cJSON_IsBool(c)) {
        j->kind = PPQ_JSON_BOOL;
        j->number = cJSON_IsTrue(c) ? 1 : 0;
    } else if (cJSON_IsNumber(c)) {
        j->kind = PPQ_JSON_NUMBER;
        j->number = c->valuedouble;
    } else if (cJSON_IsString(c)) {
        j->kind = PPQ_JSON_STRING;
        j->string = ppq_arena_printf(a, "%s", c->valuestring);
    } else if (cJSON_IsArray(c) || cJSON_IsObject(c)) {
        j->kind = cJSON_IsArray(c) ? PPQ_JSON_ARRAY : PPQ_JSON_OBJECT;
        ppq_json **tail = &j->child;
        for (const cJSON *k = c->child; k; k = k->next) {
            *tail = convert(k, a);
            tail = &(*tail)->next;
        }
    }
    return j;
}

ppq_status ppq_json_parse(const char *text, size_t n, const char *name, ppq_arena *a,
                          const ppq_json **out, ppq_diag *d)
{
    const char *end = NULL;
    cJSON *c = cJSON_ParseWithLengthOpts(text, n, &end, false);
    size_t at = end ? (size_t) (end - text) : 0;
    while (c && at < n && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    if (!c || at < n) {
        size_t line = 1;
        for (size_t i = 0; i < at && i < n; i++)
            line += text[i] == '\n';
        cJSON_Delete(c);
        return ppq_fail(d, PPQ_ERR_DATA, (ppq_loc){ .stage = "json" },
                        "'%s' is not JSON: unexpected text in line %zu", name, line);
    }
    *out = convert(c, a);
    cJSON_Delete(c);
    return PPQ_OK;
}

const ppq_json *ppq_json_get(const ppq_json *object, const char *key)
{
    if (!object || object->kind != PPQ_JSON_OBJECT)
        return NULL;
    for (const ppq_json *j = object->child; j; j = j->next)
        if (strcmp(j->key, key) == 0)
            return j;
    return NULL;
}

ppq_json_writer ppq_json_writer_init(ppq_buf *out)
{
    return (ppq_json_writer){ .out = out, .first = true };
}

static void quote(ppq_buf *b, const char *s)
{
    ppq_buf_append(b, "\"", 1);
    for (; *s; s++) {
        const unsigned char c = (unsigned char) *s;
        if (c == '"' || c == '\\')
            ppq_buf_printf(b, "\\%c", c);
        else if (c < 0x20)
            ppq_buf_printf(b, "\\u%04x", c);
        else
            ppq_buf_append(b, s, 1);
    }
    ppq_buf_append(b, "\"", 1);
}

static void start(ppq_json_writer *w, const char *key)
{
    if (!w->first)
        ppq_buf_printf(w->out, w->compact ? ", " : ",");
    if (w->depth && !w->compact)
        ppq_buf_printf(w->out, "\n%*s", 2 * w->depth, "");
    w->first = false;
    if (key) {
        quote(w->out, key);
        ppq_buf_printf(w->out, ": ");
    }
}

void ppq_json_open(ppq_json_writer *w, const char *key, char bracket)
{
    start(w, key);
    ppq_buf_append(w->out, &bracket, 1);
    w->depth++;
    w->first = true;
}

void ppq_json_open_line(ppq_json_writer *w, const char *key)
{
    ppq_json_open(w, key, '[');
    w->compact = true;
}

void ppq_json_close(ppq_json_writer *w, char bracket)
{
    w->depth--;
    if (!w->first && !w->compact)
        ppq_buf_printf(w->out, "\n%*s", 2 * w->depth, "");
    ppq_buf_append(w->out, &bracket, 1);
    if (!w->depth)
        ppq_buf_append(w->out, "\n", 1);
    w->first = false;
    w->compact = false;
}

void ppq_json_string(ppq_json_writer *w, const char *key, const char *value)
{
    start(w, key);
    quote(w->out, value);
}

void ppq_json_int(ppq_json_writer *w, const char *key, int64_t value)
{
    start(w, key);
    ppq_buf_printf(w->out, "%lld", (long long) value);
}

static bool reads_back(double v, int digits, bool single, char *buf, size_t size)
{
    snprintf(buf, size, "%.*g", digits, v);
    const double back = strtod(buf, NULL);
    return single ? !((float) back < (float) v || (float) back > (float) v)
                  : !(back < v || back > v);
}

// The shortest, from where most end: nearly all of the digits that are always enough.
static int digits_tried(double v, bool single)
{
    char buf[40];
    const int enough = single ? 9 : 17, least = enough - 3;
    int digits = enough - 1;
    while (digits >= least && reads_back(v, digits, single, buf, sizeof(buf)))
        digits--;
    return digits + 1;
}

// The same for a float of the usual sizes, by arithmetic: whether `digits` digits lie nearer to it
// than its neighbours do. 0: cannot tell.
static int digits_reckoned(float v)
{
    static const double power[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
    const double unsure = 1e-5; // products are exact to 1e-7
    if (!(v > 1e-13f && v < 1e5f))
        return 0;
    int left = 0; // of digits, behind the point
    while ((double) v * power[left] < 1e7)
        left++;
    const double below = ((double) v + (double) nextafterf(v, 0)) / 2;
    const double above = ((double) v + (double) nextafterf(v, INFINITY)) / 2;
    int digits = 8;
    for (; digits >= 6; digits--, left--) {
        const double x = (double) v * power[left], n = rint(x);
        const double inside = fmin(n - below * power[left], above * power[left] - n);
        if (fabs(inside) < unsure || fabs(fabs(x - n) - 0.5) < unsure)
            return 0;
        if (inside < 0)
            break;
    }
    return digits + 1;
}

// JSON has no infinities: they are written as null.
static void number(ppq_json_writer *w, const char *key, double v, bool single)
{
    start(w, key);
    if (!isfinite(v)) {
        ppq_buf_printf(w->out, "null");
        return;
    }
    char buf[40];
    const int reckoned = single ? digits_reckoned((float) v) : 0;
    snprintf(buf, sizeof(buf), "%.*g", reckoned ? reckoned : digits_tried(v, single), v);
    ppq_buf_append(w->out, buf, strlen(buf));
    if (!strpbrk(buf, ".e"))
        ppq_buf_append(w->out, ".0", 2);
}

void ppq_json_float(ppq_json_writer *w, const char *key, float value)
{
    number(w, key, (double) value, true);
}

void ppq_json_double(ppq_json_writer *w, const char *key, double value)
{
    number(w, key, value, false);
}

void ppq_json_bool(ppq_json_writer *w, const char *key, bool value)
{
    start(w, key);
    ppq_buf_printf(w->out, value ? "true" : "false");
}
