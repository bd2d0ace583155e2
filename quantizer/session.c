#include "quantizer/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/parallel.h"
#include "parser/load.h"
#include "parser/normalize/normalize.h"
#include "quantizer/calibrate.h"
#include "quantizer/correct_bias.h"
#include "quantizer/correct_bias_pass.h"
#include "quantizer/dump.h"
#include "quantizer/init.h"

double ppq_session_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

void ppq_session_phase_done(ppq_session *s, const char *name, double since)
{
    const double spent = ppq_session_clock() - since;
    for (int i = 0; i < s->n_phases; i++)
        if (strcmp(s->phases[i].name, name) == 0) {
            s->phases[i].seconds += spent;
            return;
        }
    if (s->n_phases < PPQ_MAX_PHASES)
        s->phases[s->n_phases++] = (ppq_phase_time){ name, spent };
}

ppq_status ppq_session_create(ppq_settings *settings, ppq_diag *d, ppq_session **out)
{
    const ppq_platform *p = ppq_platform_find(settings->platform);
    const ppq_loc loc = { .stage = "options" };
    if (!p)
        return ppq_fail(d, PPQ_ERR_ARG, loc, "there is no platform '%s' (see --list-platforms)",
                        settings->platform);
    if (settings->dispatcher && !ppq_dispatcher_find(settings->dispatcher))
        return ppq_fail(d, PPQ_ERR_ARG, loc, "there is no dispatcher '%s' (see --list-dispatchers)",
                        settings->dispatcher);
    if (settings->method && !ppq_observer_find(settings->method))
        return ppq_fail(d, PPQ_ERR_ARG, loc, "there is no observer '%s' (see --list-observers)",
                        settings->method);
    if (settings->weight_method && !ppq_observer_find(settings->weight_method))
        return ppq_fail(d, PPQ_ERR_ARG, loc, "there is no observer '%s' (see --list-observers)",
                        settings->weight_method);
    ppq_session *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->settings = settings;
    s->diag = d;
    s->platform = p;
    s->n_threads = settings->threads > 0 ? settings->threads : ppq_physical_cores();
    *out = s;
    return PPQ_OK;
}

static void drop_biases(ppq_session *s)
{
    for (size_t i = 0; i < s->n_biases; i++)
        ppq_tensor_unref(&s->biases[i]);
    free(s->biases);
    s->biases = NULL;
    s->n_biases = 0;
}

static void keep_biases(ppq_session *s)
{
    drop_biases(s);
    s->n_biases = s->graph->n_vars;
    s->biases = calloc(s->n_biases + 1, sizeof(*s->biases));
    if (!s->biases)
        abort();
    ppq_corrected_biases(s->graph, s->biases);
}

static void close_float_run(ppq_session *s)
{
    ppq_float_run_destroy(s->float_run);
    s->float_run = NULL;
}

void ppq_session_destroy(ppq_session *s)
{
    if (!s)
        return;
    close_float_run(s);
    drop_biases(s);
    ppq_analysis_destroy(s->analysis);
    ppq_histograms_fini(&s->histograms);
    ppq_graph_destroy(s->graph);
    free(s->path);
    free(s);
}

ppq_status ppq_file_fingerprint(const char *path, uint64_t *hash, size_t *bytes, ppq_diag *d)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "io" }, "cannot read '%s': %s", path,
                        strerror(errno));
    // Eight lanes, so that hashing runs at the speed of memory.
    uint64_t lane[8];
    for (int i = 0; i < 8; i++)
        lane[i] = 0xcbf29ce484222325u + (uint64_t) i;
    uint64_t block[4096];
    size_t total = 0;
    ssize_t n;
    while ((n = read(fd, block, sizeof(block))) > 0) {
        memset((char *) block + n, 0, sizeof(block) - (size_t) n);
        for (size_t i = 0; i < ((size_t) n + 63) / 64 * 8; i++)
            lane[i & 7] = (lane[i & 7] ^ block[i]) * 0x100000001b3u;
        total += (size_t) n;
    }
    close(fd);
    if (n < 0)
        return ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "io" }, "cannot read '%s': %s", path,
                        strerror(errno));
    uint64_t h = 0xcbf29ce484222325u ^ total;
    for (int i = 0; i < 8; i++)
        h = (h ^ lane[i] ^ (lane[i] >> 32)) * 0x100000001b3u;
    *hash = h;
    *bytes = total;
    return PPQ_OK;
}

ppq_status ppq_session_load(ppq_session *s, const char *path)
{
    const double t = ppq_session_clock();
    PPQ_TRY(ppq_parse_file(path, &s->graph, s->diag));
    PPQ_TRY(ppq_normalize(s->graph, s->diag));
    PPQ_TRY(ppq_graph_verify(s->graph, s->diag));
    PPQ_TRY(ppq_file_fingerprint(path, &s->fingerprint, &s->file_bytes, s->diag));
    if (!s->path)
        s->path = strdup(path);
    if (!s->path)
        abort();
    ppq_session_phase_done(s, "load", t);
    return PPQ_OK;
}

static ppq_status load_again(ppq_session *s)
{
    ppq_graph *old = s->graph;
    s->graph = NULL;
    const ppq_status st = ppq_session_load(s, s->path);
    for (int32_t i = 0; st == PPQ_OK && i < old->n_inputs; i++)
        s->graph->inputs[i]->shape = old->inputs[i]->shape;
    ppq_graph_destroy(old);
    return st;
}

ppq_status ppq_session_reload(ppq_session *s)
{
    drop_biases(s);
    ppq_analysis_destroy(s->analysis);
    s->analysis = NULL;
    ppq_histograms_fini(&s->histograms);
    PPQ_TRY(load_again(s));
    return ppq_session_prepare(s);
}

ppq_status ppq_session_fix_shape(ppq_session *s, const char *input, const ppq_shape *shape)
{
    const ppq_loc loc = { .stage = "--input-shape", .var = input };
    for (int32_t i = 0; i < s->graph->n_inputs; i++) {
        ppq_var *v = s->graph->inputs[i];
        if (strcmp(v->name, input) != 0)
            continue;
        if (v->shape.rank >= 0 && v->shape.rank != shape->rank)
            return ppq_fail(s->diag, PPQ_ERR_ARG, loc,
                            "--input-shape gives '%s' %d dimensions, the model has %d", input,
                            shape->rank, v->shape.rank);
        for (int k = 0; k < shape->rank; k++)
            if (v->shape.rank >= 0 && v->shape.dim[k] >= 0 && shape->dim[k] >= 0 &&
                v->shape.dim[k] != shape->dim[k])
                return ppq_fail(s->diag, PPQ_ERR_ARG, loc,
                                "--input-shape gives dimension %d of '%s' the size %lld, the model "
                                "fixes it at %lld",
                                k, input, (long long) shape->dim[k], (long long) v->shape.dim[k]);
        for (int k = 0; k < shape->rank; k++)
            if (v->shape.rank < 0 || shape->dim[k] >= 0)
                v->shape.dim[k] = shape->dim[k];
        v->shape.rank = shape->rank;
        return PPQ_OK;
    }
    return ppq_fail(
        s->diag, PPQ_ERR_ARG, loc, "--input-shape names '%s', the model's inputs are '%s'%s", input,
        s->graph->n_inputs ? s->graph->inputs[0]->name : "", s->graph->n_inputs > 1 ? ", ..." : "");
}

// ---- the pipeline ---------------------------------------------------------------------------

static bool names(const ppq_strings *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->at[i], name) == 0)
            return true;
    return false;
}

static bool pass_is_off(const ppq_session *s, const char *name)
{
    return names(&s->settings->pass_off, name);
}

// By the platform, or asked for.
static bool platform_lists(const ppq_session *s, const char *name)
{
    for (const char *const *p = s->platform->passes; p && *p; p++)
        if (strcmp(*p, name) == 0)
            return true;
    return names(&s->settings->pass_on, name);
}

static ppq_status run_pass(ppq_session *s, const char *name)
{
    const ppq_pass *p = ppq_pass_find(name);
    const double t = ppq_session_clock();
    ppq_arena *scratch = ppq_arena_create(name);
    const ppq_pass_env env = { .graph = s->graph,
                               .platform = s->platform,
                               .settings = s->settings,
                               .data = p->needs_data ? s->data : NULL,
                               .float_run = p->needs_data ? s->float_run : NULL,
                               .n_threads = s->n_threads,
                               .scratch = scratch,
                               .diag = s->diag };
    ppq_status st = p->run(&env, ppq_settings_pass_params(s->settings, p));
    ppq_arena_destroy(scratch);
    if (st == PPQ_OK && s->settings->debug_dir)
        st = ppq_dump_graph(s->graph, s->settings->debug_dir, s->n_dumps++, name, s->diag);
    ppq_session_phase_done(s, p->name, t);
    return st;
}

// Passes that every platform wants, unless they are switched off.
static ppq_status run_common(ppq_session *s, const char *const *list)
{
    for (; *list; list++)
        if (!pass_is_off(s, *list))
            PPQ_TRY(run_pass(s, *list));
    return PPQ_OK;
}

bool ppq_session_runs(const ppq_session *s, const char *pass)
{
    return platform_lists(s, pass) && !pass_is_off(s, pass);
}

static ppq_status run_listed(ppq_session *s, const char *name)
{
    return ppq_session_runs(s, name) ? run_pass(s, name) : PPQ_OK;
}

ppq_status ppq_session_infer(ppq_session *s)
{
    return run_pass(s, "infer-shapes");
}

ppq_status ppq_session_fold(ppq_session *s)
{
    static const char *const rewrites[] = { "infer-shapes", "fold-constants", NULL };
    return run_common(s, rewrites);
}

size_t ppq_session_quantized_ops(const ppq_session *s, const char **first)
{
    size_t n = 0;
    for (size_t i = s->graph->n_ops; i-- > 0;)
        if (ppq_op_is(s->graph->ops[i], "QuantizeLinear") ||
            ppq_op_is(s->graph->ops[i], "DequantizeLinear")) {
            n++;
            if (first)
                *first = s->graph->ops[i]->name;
        }
    return n;
}

static ppq_status refuse_quantized(const ppq_session *s)
{
    const char *first = "";
    const size_t n = ppq_session_quantized_ops(s, &first);
    if (!n)
        return PPQ_OK;
    return ppq_fail(s->diag, PPQ_ERR_MODEL, (ppq_loc){ .stage = "prepare", .op = first },
                    "the model is quantized already: it has %zu Q and DQ ops, the first is '%s'", n,
                    first);
}

ppq_status ppq_session_prepare(ppq_session *s)
{
    static const char *const rewrites[] = {
        "infer-shapes",      "fold-constants",     "remove-identity",
        "cancel-transposes", "fold-batch-norm",    "fold-bias",
        "simplify-gemm",     "batch-norm-to-conv", NULL
    };
    PPQ_TRY(refuse_quantized(s));
    PPQ_TRY(run_common(s, rewrites));
    const double t = ppq_session_clock();
    PPQ_TRY(ppq_place_ops(s->graph, s->platform, s->settings, s->diag));
    ppq_session_phase_done(s, "dispatch", t);
    return run_listed(s, "prune-islands");
}

static bool corrects_bias(const ppq_session *s)
{
    return s->settings->bias_correction && !pass_is_off(s, "correct-bias");
}

// One plan serves the calibration of activations and the correction of biases.
static ppq_status open_float_run(ppq_session *s, const ppq_means *means)
{
    bool *shown = calloc(s->graph->n_vars + 1, sizeof(*shown));
    if (!shown)
        abort();
    ppq_calibrate_wants(s->graph, shown);
    if (means)
        ppq_means_wants(means, shown);
    const ppq_status st =
        ppq_float_run_create(s->graph, s->data, shown, s->n_threads, &s->float_run, s->diag);
    free(shown);
    return st;
}

static ppq_status calibrate(ppq_session *s, const ppq_calib_source *data)
{
    double t = ppq_session_clock();
    PPQ_TRY(ppq_calibrate_parameters(s->graph, s->n_threads, s->diag));
    ppq_session_phase_done(s, "calibrate-parameters", t);
    PPQ_TRY(run_listed(s, "avoid-saturation"));
    t = ppq_session_clock();
    const int64_t n = PPQ_MIN(ppq_correction_samples(s->settings), data->n_samples);
    ppq_means *means = corrects_bias(s) ? ppq_means_create(s->graph, n) : NULL;
    ppq_status st = ppq_analysis_reference(s->graph, data, s->settings->analyse, s->n_threads,
                                           means, &s->analysis, s->diag);
    if (st == PPQ_OK && means)
        st = ppq_correct_weights(s->graph, means, s->n_threads, s->diag);
    ppq_session_phase_done(s, "float-reference", t);
    // Activations are measured behind the weights that will be deployed.
    if (st == PPQ_OK)
        st = run_pass(s, "bake-parameters");
    t = ppq_session_clock();
    if (st == PPQ_OK)
        st = open_float_run(s, means);
    ppq_means_destroy(means);
    PPQ_TRY(st);
    PPQ_TRY(ppq_calibrate_activations(s->graph, s->float_run, data->n_samples, s->n_threads,
                                      &s->progress, s->settings->report ? &s->histograms : NULL,
                                      s->diag));
    ppq_session_phase_done(s, "calibrate-activations", t);
    return PPQ_OK;
}

ppq_status ppq_session_quantize(ppq_session *s, const ppq_calib_source *data)
{
    static const char *const finish[] = { "passive-parameters", "bake-parameters", NULL };
    s->n_samples = data->n_samples;
    s->data = data;
    PPQ_TRY(run_pass(s, "split-parameters"));
    PPQ_TRY(run_listed(s, "equalize"));
    PPQ_TRY(ppq_init_tqcs(s->graph, s->platform, s->settings, s->diag));
    PPQ_TRY(run_listed(s, "quantize-linear-bias"));
    if (!pass_is_off(s, "fuse-activations"))
        PPQ_TRY(run_pass(s, "fuse-activations"));
    if (!pass_is_off(s, "simplify-tqc"))
        PPQ_TRY(run_pass(s, "simplify-tqc"));
    PPQ_TRY(run_listed(s, "float-outputs"));
    PPQ_TRY(calibrate(s, data));
    PPQ_TRY(run_common(s, (const char *const[]){ "align", NULL }));
    if (corrects_bias(s)) {
        keep_biases(s);
        PPQ_TRY(run_pass(s, "correct-bias"));
    }
    close_float_run(s);
    PPQ_TRY(run_common(s, finish));
    const double t = ppq_session_clock();
    PPQ_TRY(ppq_analysis_simulate(s->analysis, s->diag));
    ppq_session_phase_done(s, "analyse", t);
    return PPQ_OK;
}

ppq_status ppq_session_export(ppq_session *s, const char *exporter, const char *path)
{
    const ppq_exporter *x = ppq_exporter_find(exporter);
    if (!x)
        return ppq_fail(s->diag, PPQ_ERR_ARG, (ppq_loc){ .stage = "export" },
                        "there is no format '%s' (see --list-formats)", exporter);
    const double t = ppq_session_clock();
    const ppq_export_env e = { .graph = s->graph,
                               .platform = s->platform,
                               .settings = s->settings,
                               .path = path,
                               .fingerprint = s->fingerprint,
                               .n_samples = s->n_samples,
                               .diag = s->diag };
    if (x->check)
        PPQ_TRY(x->check(&e));
    PPQ_TRY(x->write(&e));
    ppq_session_phase_done(s, "export", t);
    return PPQ_OK;
}
