#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const cli_option options[] = {
    { "calib", 'c', "PATH|NAME=PATH",
      "calibration inputs: a file or folder; repeat for several inputs" },
    { "random", 0, "N", "N random samples instead (scales will be wrong for real data)" },
    { "input-shape", 0, "NAME:1x3x224x224", "fix dynamic dimensions; ? keeps one" },
    { "preprocess", 0, "SPEC|FILE",
      "for images: resize=256,crop=224,mean=...,std=...,scale=255,..." },
    { "dtype", 0, "NAME", "element type of .bin and .raw files" },
    { "steps", 'n', "N", "use at most N samples (default 512)" },
    { "batch", 'b', "N", "samples per run (default 1)" },
    { "output", 'o', "OUT.onnx", "int8 model (default MODEL.int8.onnx)" },
    { "scales", 0, "OUT.json", "scale file (default: the output with .json)" },
    { "report", 0, "OUT.html", "a page with errors per layer, histograms and ranges" },
    { "platform", 'p', "NAME", "target (default onnxruntime)" },
    { "dispatcher", 'd', "NAME", "which ops go to int8 (default: the platform's)" },
    { "method", 'm', "NAME", "calibration of activations (default: the platform's)" },
    { "weight-method", 0, "NAME", "calibration of weights (default: the platform's)" },
    { "weight-bits", 0, "8|7", "7: exact in runtimes whose int8 products saturate without VNNI" },
    { "format", 'f', "NAME", "format of the output (default: the platform's)" },
    { "export", 0, "NAME=FILE", "another deploy format beside it; repeatable" },
    { "op-types", 0, "A,B", "quantize only these types" },
    { "exclude", 0, "NAME|/regex/", "keep these ops in float; repeatable" },
    { "skip-ids", 0, "3,17", "keep these ops in float, by id (see ppq-inspect --ops)" },
    { "dispatch", 0, "FILE", "places of single ops: lines 'name quant|fp32|soi', # comments" },
    { "align-elementwise", 0, "HOW", "none, input, output or large" },
    { "align-concat", 0, "HOW", "none, input, output or large" },
    { "align-pool", 0, "HOW", "none, input, output or large" },
    { "align-resize", 0, "HOW", "none, input, output or large" },
    { "pass", 0, "NAME[,K=V...]", "run a pass, or set its options (see --list-passes)" },
    { "no-pass", 0, "NAME,...", "leave a pass out" },
    { "no-bias-correction", 0, NULL, "leave biases as they are" },
    { "no-rescue", 0, NULL, "keep ops in int8 that it ruins" },
    { "target-snr", 0, "DB",
      "ops go back to float until outputs have it (default 14, 0: none do)" },
    { "analyse", 0, "N", "samples of the closing comparison with float (default 4, 0: none)" },
    { "threads", 0, "N", "default: physical cores" },
    { "seed", 0, "N", "of random numbers" },
    { "config", 0, "FILE.json", "options from a file; later ones win" },
    { "save-config", 0, "FILE.json", "write the options that were used" },
    { "debug-dir", 0, "DIR", "the graph after every pass, as .dot and .txt" },
    { "strict", 0, NULL,
      "status 3 when a Conv, Gemm or MatMul that could run in int8 stays in float" },
    { 0 },
};

typedef struct repeated {
    const char *at[256];
    size_t n;
} repeated;

typedef struct job {
    cli c;
    const char *model, *output, *scales, *preprocess, *dtype, *random, *format, *save_config;
    struct {
        const char *key;
        char *value;
    } used[1024]; // options in order: what they point to, and what --save-config writes
    size_t n_used;
    repeated calib, shapes, exports;
    ppq_job *job;
} job;

static int push(job *j, repeated *r, const char *v)
{
    if (r->n == sizeof(r->at) / sizeof(r->at[0]))
        return cli_usage_error(&j->c, "an option is repeated more than %zu times", r->n);
    r->at[r->n++] = v;
    return CLI_OPTION;
}

// Lines "name place"; '#' starts a comment line. A JSON object {"name": "place"} reads the same
// once quotes, braces, colons and commas are blanks.
static ppq_result read_dispatch(job *j, const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "ppq-quantize: error: cannot read '%s': %s\n", path, strerror(errno));
        return PPQ_RESULT_IO;
    }
    char line[4096];
    ppq_result r = PPQ_RESULT_OK;
    while (r == PPQ_RESULT_OK && fgets(line, sizeof(line), f)) {
        char *p = line + strspn(line, " \t{}\r\n");
        size_t n = strlen(p);
        while (n && strchr(" \t\r\n,}", p[n - 1]))
            p[--n] = 0;
        if (!n || *p == '#')
            continue;
        char *name = p, *place;
        if (*p == '"') {
            char *close = strchr(p + 1, '"');
            place = close ? strchr(close, ':') : NULL;
            if (!close || !place) {
                r = (ppq_result) ppq_job_set(j->job, "dispatch", p);
                continue;
            }
            *close = 0;
            name = p + 1;
            place += 1 + strspn(place + 1, " \t\"");
            place[strcspn(place, "\"")] = 0;
            char joined[4200];
            snprintf(joined, sizeof(joined), "%s %s", name, place);
            r = ppq_job_set(j->job, "dispatch", joined);
        } else {
            r = ppq_job_set(j->job, "dispatch", p);
        }
    }
    fclose(f);
    return r;
}

static int take(void *user, const cli_option *o, const char *v);

// An option out of a configuration file.
static ppq_result take_from_file(void *user, const char *key, const char *value)
{
    job *j = user;
    for (const cli_option *o = options; o->name; o++) {
        if (strcmp(o->name, key) != 0 || strcmp(key, "config") == 0)
            continue;
        if (!o->value && strcmp(value, "false") == 0)
            return PPQ_RESULT_OK;
        const int r = take(j, o, o->value ? value : NULL);
        return r > 0 ? PPQ_RESULT_OK : r <= -10 ? (ppq_result) (-10 - r) : PPQ_RESULT_USAGE;
    }
    (void) cli_usage_error(&j->c, "--config has no option '%s'", key);
    return PPQ_RESULT_USAGE;
}

static void json_quoted(char **at, const char *end, const char *s)
{
    for (*(*at)++ = '"'; *s && end - *at > 8; s++) {
        if (*s == '"' || *s == '\\')
            *(*at)++ = '\\';
        if ((unsigned char) *s < 0x20)
            *at += snprintf(*at, 7, "\\u%04x", (unsigned) *s);
        else
            *(*at)++ = *s;
    }
    *(*at)++ = '"';
}

// {"key": ["value", ...], ...}: every option once, its values in order.
static ppq_result save_config(job *j, const ppq_callbacks *cb)
{
    size_t size = 64;
    for (size_t i = 0; i < j->n_used; i++)
        size += 6 * strlen(j->used[i].value) + strlen(j->used[i].key) + 16;
    char *text = malloc(size), *at = text;
    if (!text)
        abort();
    *at++ = '{';
    bool first = true;
    for (size_t i = 0; i < j->n_used; i++) {
        bool seen = strcmp(j->used[i].key, "save-config") == 0;
        for (size_t k = 0; k < i; k++)
            seen |= strcmp(j->used[k].key, j->used[i].key) == 0;
        if (seen)
            continue;
        at += snprintf(at, (size_t) (text + size - at), "%s\n  \"%s\": [", first ? "" : ",",
                       j->used[i].key);
        first = false;
        for (size_t k = i; k < j->n_used; k++)
            if (strcmp(j->used[k].key, j->used[i].key) == 0) {
                if (k > i)
                    *at++ = ',';
                json_quoted(&at, text + size, j->used[k].value);
            }
        *at++ = ']';
    }
    (void) snprintf(at, (size_t) (text + size - at), "\n}\n");
    const ppq_result r = ppq_text_save(cb, j->save_config, text);
    free(text);
    return r;
}

// Options of the command itself; all others are the library's settings.
static int take(void *user, const cli_option *o, const char *v)
{
    job *j = user;
    if (strcmp(o->name, "config") == 0) {
        const ppq_callbacks cb = cli_callbacks(&j->c);
        const ppq_result r = ppq_config_read(&cb, v, take_from_file, j);
        return r == PPQ_RESULT_OK ? CLI_OPTION : -10 - (int) r;
    }
    if (j->n_used == sizeof(j->used) / sizeof(j->used[0]))
        return cli_usage_error(&j->c, "there are more than %zu options", j->n_used);
    j->used[j->n_used].key = o->name;
    j->used[j->n_used].value = strdup(v ? v : "true");
    if (!j->used[j->n_used].value)
        abort();
    v = j->used[j->n_used++].value;
    const struct {
        const char *name;
        const char **at;
    } single[] = {
        { "output", &j->output },           { "scales", &j->scales },
        { "preprocess", &j->preprocess },   { "dtype", &j->dtype },
        { "random", &j->random },           { "format", &j->format },
        { "save-config", &j->save_config },
    };
    for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++)
        if (strcmp(o->name, single[i].name) == 0) {
            *single[i].at = v;
            return CLI_OPTION;
        }
    if (strcmp(o->name, "calib") == 0)
        return push(j, &j->calib, v);
    if (strcmp(o->name, "input-shape") == 0)
        return push(j, &j->shapes, v);
    if (strcmp(o->name, "export") == 0)
        return push(j, &j->exports, v);
    const ppq_result r =
        strcmp(o->name, "dispatch") == 0 ? read_dispatch(j, v) : ppq_job_set(j->job, o->name, v);
    return r == PPQ_RESULT_OK ? CLI_OPTION : -10 - (int) r;
}

static int take_model(void *user, const char *v)
{
    job *j = user;
    return cli_take_model(&j->c, &j->model, v);
}

// MODEL.onnx -> MODEL<suffix>; anything else gets it appended.
static char *with_suffix(const char *path, const char *suffix)
{
    size_t n = strlen(path);
    if (n > 5 && strcmp(path + n - 5, ".onnx") == 0)
        n -= 5;
    char *s = malloc(n + strlen(suffix) + 1);
    if (!s)
        abort();
    memcpy(s, path, n);
    memcpy(s + n, suffix, strlen(suffix) + 1);
    return s;
}

static ppq_result load_data(job *j)
{
    ppq_result r = PPQ_RESULT_OK;
    if (j->random) {
        char *end;
        const long n = strtol(j->random, &end, 10);
        if (*end || n < 1 || n > 1000000) {
            (void) cli_usage_error(&j->c, "--random is '%s', legal are 1 to 1000000", j->random);
            return PPQ_RESULT_USAGE;
        }
        if (!j->c.quiet)
            fprintf(stderr, "ppq-quantize: warning: calibrating with random numbers: the scales "
                            "fit no real data\n");
        return ppq_job_random(j->job, (int) n);
    }
    for (size_t i = 0; i < j->calib.n && r == PPQ_RESULT_OK; i++)
        r = ppq_job_data(j->job, j->calib.at[i], j->preprocess, j->dtype);
    return r;
}

static ppq_result write_exports(job *j)
{
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 0; i < j->exports.n && r == PPQ_RESULT_OK; i++) {
        const char *eq = strchr(j->exports.at[i], '=');
        if (!eq || eq == j->exports.at[i] || !eq[1]) {
            (void) cli_usage_error(&j->c, "--export is '%s', expected NAME=FILE", j->exports.at[i]);
            return PPQ_RESULT_USAGE;
        }
        char name[64];
        snprintf(name, sizeof(name), "%.*s", (int) (eq - j->exports.at[i]), j->exports.at[i]);
        r = ppq_job_export(j->job, name, eq + 1);
    }
    return r;
}

static ppq_result run(job *j)
{
    ppq_result r = ppq_job_load(j->job, j->model);
    for (size_t i = 0; i < j->shapes.n && r == PPQ_RESULT_OK; i++)
        r = ppq_job_input_shape(j->job, j->shapes.at[i]);
    if (r == PPQ_RESULT_OK)
        r = load_data(j);
    if (r == PPQ_RESULT_OK)
        r = ppq_job_quantize(j->job);
    cli_progress_end(&j->c);
    if (r != PPQ_RESULT_OK)
        return r;
    char *out = j->output ? strdup(j->output) : with_suffix(j->model, ".int8.onnx");
    char *scales = j->scales ? strdup(j->scales) : with_suffix(out, ".json");
    if (!out || !scales)
        abort();
    r = ppq_job_export(j->job, j->format, out);
    if (r == PPQ_RESULT_OK)
        r = ppq_job_export(j->job, "json", scales);
    if (r == PPQ_RESULT_OK)
        r = write_exports(j);
    if (r == PPQ_RESULT_OK)
        r = ppq_job_save_report(j->job);
    if (r == PPQ_RESULT_OK && (!j->c.quiet || j->c.json)) {
        if (!j->c.json)
            printf("wrote %s and %s\n", out, scales);
        ppq_job_report(j->job, j->c.json, cli_print, NULL);
    }
    free(out);
    free(scales);
    if (r == PPQ_RESULT_OK && j->save_config) {
        const ppq_callbacks cb = cli_callbacks(&j->c);
        r = save_config(j, &cb);
    }
    return r == PPQ_RESULT_OK ? ppq_job_verdict(j->job) : r;
}

int main(int argc, char **argv)
{
    static job j;
    j = (job){ .c = { .command = "ppq-quantize",
                      .usage = "ppq-quantize MODEL.onnx -c DATA -o OUT.onnx [options]",
                      .about = "Quantizes a float ONNX model to int8 from calibration data.",
                      .examples =
                          "  ppq-quantize model.onnx -c calib/ -o model.int8.onnx\n"
                          "  ppq-quantize resnet.onnx -c photos/ --preprocess resize=256,crop=224,"
                          "scale=255,mean=0.485:0.456:0.406,std=0.229:0.224:0.225\n"
                          "  ppq-quantize bert.onnx -c data.npz --exclude /pooler/ -m minmax\n",
                      .options = options,
                      .argc = argc,
                      .argv = argv } };
    cli_init(&j.c);
    const ppq_callbacks cb = cli_callbacks(&j.c);
    if (ppq_job_create(&cb, &j.job) != PPQ_RESULT_OK)
        return PPQ_RESULT_BAD;
    int status = cli_parse(&j.c, take, take_model, &j);
    if (status == CLI_END && !j.model)
        status = cli_usage_error(&j.c, "which model?");
    if (status == CLI_END)
        status = (int) run(&j);
    else
        status = status == CLI_DONE ? 0 : status <= -10 ? -10 - status : PPQ_RESULT_USAGE;
    ppq_job_destroy(j.job);
    for (size_t i = 0; i < j.n_used; i++)
        free(j.used[i].value);
    return status;
}
