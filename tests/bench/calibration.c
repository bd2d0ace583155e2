// Throughput of calibration, rendering included, as a share of plain float runs of the same engine,
// per observer, in turns within one process. One thread; CPU time, of which the least of all rounds
// counts, so that other work on the machine hardly does. Engines are made once per calibration:
// what that costs is taken off both sides.
//   calibration MODEL.onnx [SAMPLES | DATA [ROUNDS]]      SAMPLES random ones, or those of a folder

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "executor/engine/engine.h"
#include "quantizer/calibrate.h"
#include "quantizer/data/data.h"
#include "quantizer/init.h"
#include "quantizer/session.h"

enum { MAX_OBSERVERS = 16 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static void need(ppq_status st)
{
    if (st != PPQ_OK)
        exit(2);
}

typedef struct bench {
    ppq_session *session;
    ppq_settings *settings;
    ppq_data *data;
    ppq_calib_source source;
} bench;

// What a session does between making TQCs and calibrating: ops that fuse share theirs.
static void join_tqcs(const bench *b, ppq_diag *d)
{
    static const char *const names[] = { "fuse-activations", "simplify-tqc" };
    for (size_t i = 0; i < PPQ_COUNT(names); i++) {
        const ppq_pass *p = ppq_pass_find(names[i]);
        ppq_arena *scratch = ppq_arena_create(names[i]);
        const ppq_pass_env env = { .graph = b->session->graph,
                                   .platform = b->session->platform,
                                   .settings = b->settings,
                                   .n_threads = 1,
                                   .scratch = scratch,
                                   .diag = d };
        need(p->run(&env, ppq_settings_pass_params(b->settings, p)));
        ppq_arena_destroy(scratch);
    }
}

static bench bench_open(const char *model, const char *data, const char *method, ppq_diag *d)
{
    bench b;
    const ppq_data_opts o = { .batch = 1 };
    char *end;
    const long n = strtol(data, &end, 10);
    b.settings = ppq_settings_create();
    need(ppq_settings_set(b.settings, "method", method, d));
    need(ppq_session_create(b.settings, d, &b.session));
    need(ppq_session_load(b.session, model));
    need(ppq_session_prepare(b.session));
    need(ppq_data_create(b.session->graph, &o, &b.data, d));
    if (*end) {
        need(ppq_data_add(b.data, data, d));
        need(ppq_data_finish(b.data, d));
    } else {
        need(ppq_data_random(b.data, n, 1, d));
    }
    need(ppq_init_tqcs(b.session->graph, b.session->platform, b.settings, d));
    join_tqcs(&b, d);
    b.source = ppq_data_source(b.data);
    return b;
}

static void bench_close(bench *b)
{
    ppq_data_destroy(b->data);
    ppq_session_destroy(b->session);
    ppq_settings_destroy(b->settings);
}

static void unref_all(ppq_tensor *t, int32_t n)
{
    for (int32_t k = 0; k < n; k++)
        ppq_tensor_unref(&t[k]);
}

// Seconds of plain runs over all samples, and of making the engine.
static double run_plain(const bench *b, double *making, ppq_diag *d)
{
    const ppq_graph *g = b->session->graph;
    ppq_tensor *t = calloc((size_t) (g->n_inputs + g->n_outputs) + 1, sizeof(*t));
    ppq_shape *shapes = calloc((size_t) g->n_inputs + 1, sizeof(*shapes));
    if (!t || !shapes)
        exit(2);
    need(b->source.get(b->source.user, 0, t, d));
    for (int32_t k = 0; k < g->n_inputs; k++)
        shapes[k] = t[k].shape;
    unref_all(t, g->n_inputs);
    const ppq_engine_opts o = { .n_threads = 1, .shapes = shapes };
    ppq_engine *e;
    double start = now();
    need(ppq_engine_create(g, &o, &e, d));
    *making = now() - start;
    start = now();
    for (int64_t i = 0; i < b->source.n_samples; i++) {
        need(b->source.get(b->source.user, i, t, d));
        need(ppq_engine_run(e, t, t + g->n_inputs, NULL, NULL, d));
        unref_all(t, g->n_inputs + g->n_outputs);
    }
    const double spent = now() - start;
    ppq_engine_destroy(e);
    free(t);
    free(shapes);
    return spent;
}

static void calibrate(bench *b, ppq_diag *d)
{
    ppq_graph *g = b->session->graph;
    bool *shown = calloc(g->n_vars + 1, sizeof(*shown));
    if (!shown)
        exit(2);
    ppq_calibrate_wants(g, shown);
    ppq_float_run *run = NULL;
    need(ppq_float_run_create(g, &b->source, shown, 1, &run, d));
    need(ppq_calibrate_activations(g, run, b->source.n_samples, 1, NULL, NULL, d));
    ppq_float_run_destroy(run);
    free(shown);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 1;
    const char *data = argc > 2 ? argv[2] : "32";
    const long rounds = argc > 3 ? strtol(argv[3], NULL, 10) : 5;
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    double plain = HUGE_VAL, making = HUGE_VAL, spent[MAX_OBSERVERS];
    for (int k = 0; k < MAX_OBSERVERS; k++)
        spent[k] = HUGE_VAL;
    for (long r = 0; r < rounds; r++)
        for (int k = 0; k < MAX_OBSERVERS && ppq_builtin_observers[k]; k++) {
            bench b = bench_open(argv[1], data, ppq_builtin_observers[k]->name, d);
            double made;
            plain = fmin(plain, run_plain(&b, &made, d));
            making = fmin(making, made);
            const double start = now();
            calibrate(&b, d);
            spent[k] = fmin(spent[k], now() - start);
            bench_close(&b);
        }
    printf("plain runs %.3f ms, making an engine %.3f ms\n", 1e3 * plain, 1e3 * making);
    for (int k = 0; k < MAX_OBSERVERS && ppq_builtin_observers[k]; k++)
        printf("%-12s %5.1f %% of plain float runs (%.3f ms; %.1f %% with engines made)\n",
               ppq_builtin_observers[k]->name, 100 * plain / (spent[k] - making), 1e3 * spent[k],
               100 * (plain + making) / spent[k]);
    ppq_diag_destroy(d);
    return 0;
}
