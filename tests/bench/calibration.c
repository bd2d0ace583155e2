// Throughput of calibration as a share of plain float runs, per observer, in turns within one
// process.
//   calibration MODEL.onnx [SAMPLES]

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "executor/exec.h"
#include "quantizer/calibrate.h"
#include "quantizer/data/data.h"
#include "quantizer/init.h"
#include "quantizer/session.h"

enum { ROUNDS = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t) n, sizeof(*v), by_value);
    return v[n / 2];
}

// Seconds of plain runs over all samples, one thread.
static double run_plain(const ppq_graph *g, const ppq_calib_source *s, ppq_diag *d)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .n_threads = 1 };
    ppq_exec *e;
    if (ppq_exec_create(g, &o, &e, d) != PPQ_OK)
        exit(2);
    ppq_tensor *t = calloc((size_t) (g->n_inputs + g->n_outputs), sizeof(*t));
    const double start = now();
    for (int64_t i = 0; i < s->n_samples; i++) {
        if (s->get(s->user, i, t, d) != PPQ_OK ||
            ppq_exec_run(e, t, t + g->n_inputs, NULL, d) != PPQ_OK)
            exit(2);
        for (int32_t k = 0; k < g->n_inputs + g->n_outputs; k++)
            ppq_tensor_unref(&t[k]);
    }
    const double spent = now() - start;
    free(t);
    ppq_exec_destroy(e);
    return spent;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 1;
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    double plain[ROUNDS], ratio[16][ROUNDS];
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; ppq_builtin_observers[k]; k++) {
            ppq_settings *s = ppq_settings_create();
            ppq_session *session;
            ppq_data *data;
            const ppq_data_opts o = { .batch = 1 };
            if (ppq_settings_set(s, "method", ppq_builtin_observers[k]->name, d) != PPQ_OK ||
                ppq_session_create(s, d, &session) != PPQ_OK ||
                ppq_session_load(session, argv[1]) != PPQ_OK ||
                ppq_session_prepare(session) != PPQ_OK ||
                ppq_data_create(session->graph, &o, &data, d) != PPQ_OK ||
                ppq_data_random(data, argc > 2 ? strtol(argv[2], NULL, 10) : 32, 1, d) != PPQ_OK ||
                ppq_init_tqcs(session->graph, session->platform, s, d) != PPQ_OK)
                return 2;
            const ppq_calib_source source = ppq_data_source(data);
            plain[r] = run_plain(session->graph, &source, d);
            const double start = now();
            if (ppq_calibrate_activations(session->graph, &source, 1, NULL, NULL, d) != PPQ_OK)
                return 2;
            ratio[k][r] = plain[r] / (now() - start);
            ppq_data_destroy(data);
            ppq_session_destroy(session);
            ppq_settings_destroy(s);
        }
    for (int k = 0; ppq_builtin_observers[k]; k++)
        printf("%-12s %5.1f %% of plain float runs\n", ppq_builtin_observers[k]->name,
               100 * median(ratio[k], ROUNDS));
    ppq_diag_destroy(d);
    return 0;
}
