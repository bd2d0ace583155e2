#include <stdlib.h>
#include <string.h>

#include "cli/json_print.h"
#include "cli/machine.h"
#include "cli/model_options.h"
#include "cli/table.h"

static const cli_option options[] = {
    CLI_MODEL_OPTIONS,
    { "engine", 0, "engine|simulate|reference", "kernels (default engine; reference: plain C)" },
    { "onednn", 0, NULL, "convolutions by oneDNN's kernels only, none of our own" },
    { "float", 0, "direct|best", "best: float convolutions may trade digits for speed" },
    { "warmup", 0, "N", "runs before those that count (default 2)" },
    { "iterations", 0, "N", "runs; 0: two seconds per model, or all data once (default 0)" },
    { "compare", 0, NULL, "run the models in turns: the ratio holds when the machine drifts" },
    { "cold", 0, NULL, "empty the caches before every run" },
    { "profile", 0, NULL, "time per op and per kernel" },
    { "seed", 0, "N", "of random inputs (default 0)" },
    { 0 },
};

static const char *const float_names[] = { "direct", "best", NULL };

// What one model's runs gave.
typedef struct model {
    const char *path;
    ppq_net *net;
    ppq_samples *samples;
    ppq_array *in, *out;
    int64_t n_runs;         // runs of the data, all of the full batch
    double open_s, first_s; // until the model is open; until the first result after that
    double memory;          // bytes that opening and running it took
    double *seconds;        // per run
    size_t n, cap, total;   // runs that count; all runs
    double ratio[3];        // to the first model: median, and with --compare p10 and p90
    bool has_info;
    ppq_net_info info;
    ppq_net_step *steps; // --profile; those of one group are one
    size_t n_steps;
    double *before; // seconds of each step before the runs that count
    char saturating[128], left_float[128];
} model;

typedef struct job {
    cli c;
    ppq_callbacks cb;
    cli_model_options m;
    int engine;
    long warmup, iterations, seed;
    bool in_turns, cold, profile;
    model models[CLI_MAX_MODELS];
    double peak_memory;
} job;

static int take(void *user, const cli_option *o, const char *v)
{
    enum { MOST = 1000000000 };
    job *j = user;
    const int r = cli_model_option(&j->c, &j->m, o, v);
    if (r != CLI_END)
        return r;
    if (strcmp(o->name, "engine") == 0)
        return cli_take_name(&j->c, o, v, cli_engine_names, &j->engine);
    if (strcmp(o->name, "float") == 0)
        return cli_take_name(&j->c, o, v, float_names, &j->m.net.winograd);
    if (strcmp(o->name, "warmup") == 0)
        return cli_take_int(&j->c, o, v, 0, MOST, &j->warmup);
    if (strcmp(o->name, "iterations") == 0)
        return cli_take_int(&j->c, o, v, 0, MOST, &j->iterations);
    if (strcmp(o->name, "seed") == 0)
        return cli_take_int(&j->c, o, v, 0, MOST, &j->seed);
    if (strcmp(o->name, "onednn") == 0) {
        j->m.net.onednn_only = 1;
        return CLI_OPTION;
    }
    *(strcmp(o->name, "compare") == 0 ? &j->in_turns
      : strcmp(o->name, "cold") == 0  ? &j->cold
                                      : &j->profile) = true;
    return CLI_OPTION;
}

static int take_argument(void *user, const char *v)
{
    job *j = user;
    return cli_model_argument(&j->c, &j->m, v);
}

// ---- running --------------------------------------------------------------------------------

static void note_peak(job *j)
{
    const double now = cli_memory_peak();
    j->peak_memory = now > j->peak_memory ? now : j->peak_memory;
}

static ppq_result open_samples(job *j, model *m)
{
    const int batch = j->m.net.batch;
    if (!j->m.n_data)
        return ppq_samples_random(m->net, batch, (uint64_t) j->seed, &m->samples);
    const ppq_result r =
        ppq_samples_open(m->net, j->m.data, j->m.n_data, &j->m.samples, &m->samples);
    if (r != PPQ_RESULT_OK)
        return r;
    if (ppq_samples_count(m->samples) >= batch)
        return PPQ_RESULT_OK;
    fprintf(stderr, "ppq-bench: error: the data holds %lld samples, fewer than --batch %d\n",
            (long long) ppq_samples_count(m->samples), batch);
    return PPQ_RESULT_BAD;
}

// One run; its inputs are there already when there is one set of them only.
static ppq_result run_once(model *m, double *seconds)
{
    const size_t ni = ppq_net_n_inputs(m->net);
    if (m->n_runs > 1 || !m->total) {
        cli_arrays_clear(m->in, ni);
        const ppq_result r = ppq_samples_get(m->samples, (int64_t) m->total % m->n_runs, m->in);
        if (r != PPQ_RESULT_OK)
            return r;
    }
    const double start = cli_now();
    const ppq_result r = ppq_net_run(m->net, m->in, m->out, NULL, NULL);
    *seconds = cli_now() - start;
    if (r == PPQ_RESULT_OK)
        cli_arrays_clear(m->out, ppq_net_n_outputs(m->net));
    m->total++;
    return r;
}

static void note_steps(model *m)
{
    ppq_net_info info;
    ppq_net_step s;
    if (!ppq_net_get_info(m->net, &info))
        return;
    m->before = calloc(info.n_steps + 1, sizeof(*m->before));
    if (!m->before)
        abort();
    for (size_t i = 0; i < info.n_steps; i++)
        if (ppq_net_get_step(m->net, i, &s))
            m->before[i] = s.seconds;
}

static ppq_result open_model(job *j, model *m)
{
    double ignored;
    note_peak(j);
    cli_memory_reset_peak();
    const double before = cli_memory_now(), start = cli_now();
    ppq_result r = ppq_net_open(&j->cb, m->path, &j->m.net, &m->net);
    m->open_s = cli_now() - start;
    if (r == PPQ_RESULT_OK)
        r = open_samples(j, m);
    if (r != PPQ_RESULT_OK)
        return r;
    m->n_runs = ppq_samples_count(m->samples) / j->m.net.batch;
    m->in = cli_arrays_new(ppq_net_n_inputs(m->net));
    m->out = cli_arrays_new(ppq_net_n_outputs(m->net));
    r = run_once(m, &m->first_s);
    for (long i = 0; i < j->warmup && r == PPQ_RESULT_OK; i++)
        r = run_once(m, &ignored);
    const double took = cli_memory_peak() - before;
    m->memory = took > 0 ? took : 0;
    note_peak(j);
    if (j->profile && r == PPQ_RESULT_OK)
        note_steps(m);
    return r;
}

static void keep_time(model *m, double seconds)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 1024;
        m->seconds = realloc(m->seconds, m->cap * sizeof(*m->seconds));
        if (!m->seconds)
            abort();
    }
    m->seconds[m->n++] = seconds;
}

// Whether models that have run `rounds` times since `start` run once more.
static bool goes_on(const job *j, const model *m, size_t n, long rounds, double start)
{
    enum { SECONDS = 2, AT_LEAST = 3 };
    if (j->iterations)
        return rounds < j->iterations;
    if (j->m.n_data)
        return rounds < m->n_runs;
    return rounds < AT_LEAST || cli_now() - start < SECONDS * (double) n;
}

static ppq_result measure(job *j, model *m, size_t n)
{
    const double start = cli_now();
    for (long round = 0; goes_on(j, m, n, round, start); round++)
        for (size_t i = 0; i < n; i++) {
            double seconds;
            if (j->cold)
                cli_empty_caches();
            const ppq_result r = run_once(&m[i], &seconds);
            if (r != PPQ_RESULT_OK)
                return r;
            keep_time(&m[i], seconds);
        }
    return PPQ_RESULT_OK;
}

static void keep_name(char *to, size_t size, const char **name)
{
    if (!*name)
        return;
    snprintf(to, size, "%s", *name);
    *name = to;
}

// What is known of the plan, before the net goes; the steps' texts go with it.
static void keep_info(model *m)
{
    m->has_info = ppq_net_get_info(m->net, &m->info);
    keep_name(m->saturating, sizeof(m->saturating), &m->info.saturating);
    keep_name(m->left_float, sizeof(m->left_float), &m->info.left_float);
}

// Whether it is a further part of the step before.
static bool is_part(const model *m, const ppq_net_step *s)
{
    return s->group && m->n_steps && m->steps[m->n_steps - 1].group == s->group;
}

static void keep_steps(model *m)
{
    if (!m->has_info || !m->before || !m->n)
        return;
    m->steps = calloc(m->info.n_steps + 1, sizeof(*m->steps));
    if (!m->steps)
        abort();
    for (size_t i = 0; i < m->info.n_steps; i++) {
        ppq_net_step s;
        if (!ppq_net_get_step(m->net, i, &s))
            continue;
        s.seconds = (s.seconds - m->before[i]) / (double) m->n;
        if (is_part(m, &s)) {
            m->steps[m->n_steps - 1].seconds += s.seconds;
            m->steps[m->n_steps - 1].macs += s.macs;
            continue;
        }
        s.op = strdup(s.op ? s.op : "");
        s.type = strdup(s.type ? s.type : "");
        s.kernel = strdup(s.kernel ? s.kernel : "");
        if (!s.op || !s.type || !s.kernel)
            abort();
        m->steps[m->n_steps++] = s;
    }
}

static void close_model(job *j, model *m)
{
    if (m->net) {
        keep_info(m);
        if (j->profile)
            keep_steps(m);
        if (m->in)
            cli_arrays_clear(m->in, ppq_net_n_inputs(m->net));
    }
    free(m->in);
    free(m->out);
    ppq_samples_destroy(m->samples);
    ppq_net_destroy(m->net);
    m->in = m->out = NULL;
    m->samples = NULL;
    m->net = NULL;
}

// Opens, runs and closes n models that run in turns.
static ppq_result run_group(job *j, model *m, size_t n)
{
    ppq_result r = PPQ_RESULT_OK;
    for (size_t i = 0; i < n && r == PPQ_RESULT_OK; i++)
        r = open_model(j, &m[i]);
    if (r == PPQ_RESULT_OK)
        r = measure(j, m, n);
    for (size_t i = 0; i < n; i++)
        close_model(j, &m[i]);
    return r;
}

// How much faster than the first model: of runs in turns, round by round.
static void work_out_ratios(job *j)
{
    model *first = &j->models[0];
    for (size_t i = 0; i < j->m.n_models; i++) {
        model *m = &j->models[i];
        if (j->in_turns) {
            double *each = calloc(m->n + 1, sizeof(*each));
            if (!each)
                abort();
            for (size_t k = 0; k < m->n; k++)
                each[k] = first->seconds[k] / m->seconds[k];
            m->ratio[0] = cli_quantile(each, m->n, 0.5);
            m->ratio[1] = cli_quantile(each, m->n, 0.1);
            m->ratio[2] = cli_quantile(each, m->n, 0.9);
            free(each);
        }
    }
    // Medians sort the times.
    for (size_t i = 0; i < j->m.n_models && !j->in_turns; i++)
        j->models[i].ratio[0] = cli_quantile(first->seconds, first->n, 0.5) /
                                cli_quantile(j->models[i].seconds, j->models[i].n, 0.5);
}

static ppq_result run_all(job *j)
{
    ppq_result r = PPQ_RESULT_OK;
    const size_t group = j->in_turns ? j->m.n_models : 1;
    for (size_t i = 0; i < j->m.n_models; i++)
        j->models[i].path = j->m.models[i];
    for (size_t i = 0; i < j->m.n_models && r == PPQ_RESULT_OK; i += group)
        r = run_group(j, &j->models[i], group);
    if (r == PPQ_RESULT_OK)
        work_out_ratios(j);
    return r;
}

// ---- profiles -------------------------------------------------------------------------------

typedef struct kernel_sum {
    const char *kernel;
    size_t n;
    double seconds, macs;
} kernel_sum;

static int by_time(const void *a, const void *b)
{
    const kernel_sum *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

// Steps by kernel, the slowest first; the caller frees.
static kernel_sum *sum_kernels(const model *m, size_t *n)
{
    kernel_sum *k = calloc(m->n_steps + 1, sizeof(*k));
    if (!k)
        abort();
    *n = 0;
    for (size_t i = 0; i < m->n_steps; i++) {
        const ppq_net_step *s = &m->steps[i];
        size_t at = 0;
        while (at < *n && strcmp(k[at].kernel, s->kernel) != 0)
            at++;
        *n += at == *n;
        k[at].kernel = s->kernel;
        k[at].n++;
        k[at].seconds += s->seconds;
        k[at].macs += s->macs;
    }
    qsort(k, *n, sizeof(*k), by_time);
    return k;
}

static double gops(double macs, double seconds)
{
    return seconds > 0 ? 2e-9 * macs / seconds : 0;
}

static double sum_seconds(const model *m)
{
    double sum = 0;
    for (size_t i = 0; i < m->n_steps; i++)
        sum += m->steps[i].seconds;
    return sum;
}

static void print_profile(const model *m)
{
    static const char *const per_op[] = { "ms",      "share", "GOPS", "<int8",
                                          "<kernel", "<type", "<op",  NULL };
    static const char *const per_kernel[] = { "ms", "share", "GOPS", "steps", "<kernel", NULL };
    const double all = sum_seconds(m);
    cli_table t;
    printf("\n%s\n", m->path);
    cli_table_init(&t, per_op);
    for (size_t i = 0; i < m->n_steps; i++) {
        const ppq_net_step *s = &m->steps[i];
        cli_table_add(&t, "%.4f", 1e3 * s->seconds);
        cli_table_add(&t, "%.1f %%", all > 0 ? 100 * s->seconds / all : 0);
        cli_table_add(&t, "%.1f", gops(s->macs, s->seconds));
        cli_table_add(&t, "%s", s->int8 ? "int8" : "");
        cli_table_add(&t, "%s", s->kernel);
        cli_table_add(&t, "%s", s->type);
        cli_table_add(&t, "%s", s->op);
    }
    cli_table_print(&t);
    printf("\n");
    size_t n;
    kernel_sum *k = sum_kernels(m, &n);
    cli_table_init(&t, per_kernel);
    for (size_t i = 0; i < n; i++) {
        cli_table_add(&t, "%.4f", 1e3 * k[i].seconds);
        cli_table_add(&t, "%.1f %%", all > 0 ? 100 * k[i].seconds / all : 0);
        cli_table_add(&t, "%.1f", gops(k[i].macs, k[i].seconds));
        cli_table_add(&t, "%zu", k[i].n);
        cli_table_add(&t, "%s", k[i].kernel);
    }
    cli_table_print(&t);
    free(k);
}

// ---- text -----------------------------------------------------------------------------------

static const char *yes_no(bool b)
{
    return b ? "yes" : "no";
}

static void print_machine(const job *j, const cli_machine *m)
{
    int exact;
    const char *isa = ppq_isa_in_use(&exact);
    printf("CPU      %s, %d processors (%s), VNNI %s, AMX %s", m->cpu[0] ? m->cpu : "unknown",
           m->n_processors, m->affinity[0] ? m->affinity : "?", yes_no(m->vnni), yes_no(m->amx));
    if (m->turbo >= 0)
        printf(", turbo %s", m->turbo ? "on" : "off");
    if (m->governor[0])
        printf(", governor %s", m->governor);
    if (m->mhz > 0)
        printf(", %.2f GHz", m->mhz / 1000);
    printf("\nlibrary  ppq %s (%s), oneDNN %s with %s, 8-bit products %s\n", ppq_version(),
           cli_build(), ppq_library_version(), isa, exact ? "exact" : "saturate");
    printf("runs     %s%s, batch %d, %d thread%s, %ld warm-up, %s%s%s%s\n\n",
           cli_engine_names[j->engine], j->m.net.winograd ? ", best float" : "", j->m.net.batch,
           j->m.net.threads, j->m.net.threads == 1 ? "" : "s", j->warmup,
           j->m.n_data ? "data from files" : "random inputs", j->in_turns ? ", in turns" : "",
           j->cold ? ", cold caches" : "", j->m.net.onednn_only ? ", oneDNN's convolutions" : "");
}

static void print_models(job *j)
{
    static const char *const titles[] = { "<model",    "median ms", "min ms", "p90 ms",
                                          "samples/s", "ratio",     "runs",   "open ms",
                                          "first ms",  "memory MB", NULL };
    cli_table t;
    cli_table_init(&t, titles);
    for (size_t i = 0; i < j->m.n_models; i++) {
        model *m = &j->models[i];
        const double median = cli_quantile(m->seconds, m->n, 0.5);
        cli_table_add(&t, "%s", m->path);
        cli_table_add(&t, "%.3f", 1e3 * median);
        cli_table_add(&t, "%.3f", 1e3 * cli_quantile(m->seconds, m->n, 0));
        cli_table_add(&t, "%.3f", 1e3 * cli_quantile(m->seconds, m->n, 0.9));
        cli_table_add(&t, "%.1f", j->m.net.batch / median);
        if (j->in_turns)
            cli_table_add(&t, "%.2f (%.2f-%.2f)", m->ratio[0], m->ratio[1], m->ratio[2]);
        else
            cli_table_add(&t, "%.2f", m->ratio[0]);
        cli_table_add(&t, "%zu", m->n);
        cli_table_add(&t, "%.1f", 1e3 * m->open_s);
        cli_table_add(&t, "%.1f", 1e3 * m->first_s);
        cli_table_add(&t, "%.1f", m->memory / 1e6);
    }
    cli_table_print(&t);
}

static void print_plans(const job *j)
{
    printf("\n");
    for (size_t i = 0; i < j->m.n_models; i++) {
        const model *m = &j->models[i];
        if (!m->has_info)
            continue;
        printf("%s: %zu steps, %zu on integers, %zu ops fused into others", m->path,
               m->info.n_steps, m->info.n_int8, m->info.n_fused);
        if (m->info.n_left_float)
            printf(", %zu lone quantized ops in float for speed (the first '%s')",
                   m->info.n_left_float, m->info.left_float);
        if (m->info.n_exact)
            printf(", %zu by slower exact kernels, as 8-bit sums saturate on this CPU",
                   m->info.n_exact);
        printf("\n");
    }
    printf("peak memory of the process: %.1f MB\n", j->peak_memory / 1e6);
}

// ---- JSON -----------------------------------------------------------------------------------

static void json_machine(cli_json *w, const cli_machine *m)
{
    int exact;
    const char *isa = ppq_isa_in_use(&exact);
    cli_json_open(w, "machine", '{');
    cli_json_string(w, "cpu", m->cpu[0] ? m->cpu : NULL);
    cli_json_number(w, "processors", m->n_processors);
    cli_json_string(w, "affinity", m->affinity[0] ? m->affinity : NULL);
    cli_json_bool(w, "vnni", m->vnni);
    cli_json_bool(w, "amx", m->amx);
    cli_json_string(w, "turbo", m->turbo < 0 ? NULL : m->turbo ? "on" : "off");
    cli_json_string(w, "governor", m->governor[0] ? m->governor : NULL);
    cli_json_number(w, "mhz", m->mhz);
    cli_json_string(w, "isa", isa);
    cli_json_bool(w, "exact_products", exact);
    cli_json_string(w, "ppq", ppq_version());
    cli_json_string(w, "build", cli_build());
    cli_json_string(w, "onednn", ppq_library_version());
    cli_json_close(w, '}');
}

static void json_settings(cli_json *w, const job *j)
{
    cli_json_open(w, "settings", '{');
    cli_json_string(w, "engine", cli_engine_names[j->engine]);
    cli_json_string(w, "float", float_names[j->m.net.winograd]);
    cli_json_number(w, "batch", j->m.net.batch);
    cli_json_number(w, "threads", j->m.net.threads);
    cli_json_number(w, "warmup", (double) j->warmup);
    cli_json_bool(w, "random_inputs", !j->m.n_data);
    cli_json_bool(w, "in_turns", j->in_turns);
    cli_json_bool(w, "cold_caches", j->cold);
    cli_json_bool(w, "onednn_only", j->m.net.onednn_only);
    cli_json_close(w, '}');
}

static void json_plan(cli_json *w, const model *m)
{
    cli_json_open(w, "plan", '{');
    cli_json_number(w, "steps", (double) m->info.n_steps);
    cli_json_number(w, "int8_steps", (double) m->info.n_int8);
    cli_json_number(w, "fused_ops", (double) m->info.n_fused);
    cli_json_number(w, "left_float", (double) m->info.n_left_float);
    cli_json_string(w, "first_left_float", m->info.left_float);
    cli_json_number(w, "exact_ops", (double) m->info.n_exact);
    cli_json_number(w, "saturating_steps", (double) m->info.n_saturating);
    cli_json_string(w, "first_saturating", m->info.saturating);
    cli_json_number(w, "activation_bytes", (double) m->info.activation_bytes);
    cli_json_number(w, "weight_bytes", (double) m->info.weight_bytes);
    cli_json_close(w, '}');
}

static void json_profile(cli_json *w, const model *m)
{
    cli_json_open(w, "profile", '[');
    for (size_t i = 0; i < m->n_steps; i++) {
        const ppq_net_step *s = &m->steps[i];
        cli_json_open(w, NULL, '{');
        cli_json_string(w, "op", s->op);
        cli_json_string(w, "type", s->type);
        cli_json_string(w, "kernel", s->kernel);
        cli_json_bool(w, "int8", s->int8);
        cli_json_number(w, "ms", 1e3 * s->seconds);
        cli_json_number(w, "macs", s->macs);
        cli_json_number(w, "gops", gops(s->macs, s->seconds));
        cli_json_close(w, '}');
    }
    cli_json_close(w, ']');
    size_t n;
    kernel_sum *k = sum_kernels(m, &n);
    cli_json_open(w, "kernels", '[');
    for (size_t i = 0; i < n; i++) {
        cli_json_open(w, NULL, '{');
        cli_json_string(w, "kernel", k[i].kernel);
        cli_json_number(w, "steps", (double) k[i].n);
        cli_json_number(w, "ms", 1e3 * k[i].seconds);
        cli_json_number(w, "gops", gops(k[i].macs, k[i].seconds));
        cli_json_close(w, '}');
    }
    cli_json_close(w, ']');
    free(k);
}

static void json_model(cli_json *w, const job *j, model *m)
{
    const double median = cli_quantile(m->seconds, m->n, 0.5);
    cli_json_open(w, NULL, '{');
    cli_json_string(w, "model", m->path);
    cli_json_number(w, "runs", (double) m->n);
    cli_json_number(w, "median_ms", 1e3 * median);
    cli_json_number(w, "min_ms", 1e3 * cli_quantile(m->seconds, m->n, 0));
    cli_json_number(w, "p90_ms", 1e3 * cli_quantile(m->seconds, m->n, 0.9));
    cli_json_number(w, "samples_per_second", j->m.net.batch / median);
    cli_json_number(w, "ratio", m->ratio[0]);
    if (j->in_turns) {
        cli_json_number(w, "ratio_p10", m->ratio[1]);
        cli_json_number(w, "ratio_p90", m->ratio[2]);
    }
    cli_json_number(w, "open_ms", 1e3 * m->open_s);
    cli_json_number(w, "first_ms", 1e3 * m->first_s);
    cli_json_number(w, "memory_bytes", m->memory);
    if (m->has_info)
        json_plan(w, m);
    if (m->steps)
        json_profile(w, m);
    cli_json_close(w, '}');
}

// ---- all ------------------------------------------------------------------------------------

static void print_results(job *j)
{
    cli_machine machine;
    cli_machine_read(&machine);
    if (!j->c.json) {
        print_machine(j, &machine);
        print_models(j);
        print_plans(j);
        for (size_t i = 0; i < j->m.n_models; i++)
            if (j->models[i].steps)
                print_profile(&j->models[i]);
        return;
    }
    cli_json w = { 0 };
    cli_json_open(&w, NULL, '{');
    json_machine(&w, &machine);
    json_settings(&w, j);
    cli_json_open(&w, "models", '[');
    for (size_t i = 0; i < j->m.n_models; i++)
        json_model(&w, j, &j->models[i]);
    cli_json_close(&w, ']');
    cli_json_number(&w, "peak_memory_bytes", j->peak_memory);
    cli_json_close(&w, '}');
}

static void free_models(job *j)
{
    for (size_t i = 0; i < j->m.n_models; i++) {
        model *m = &j->models[i];
        for (size_t k = 0; k < m->n_steps; k++) {
            free((void *) (uintptr_t) m->steps[k].op);
            free((void *) (uintptr_t) m->steps[k].type);
            free((void *) (uintptr_t) m->steps[k].kernel);
        }
        free(m->steps);
        free(m->before);
        free(m->seconds);
    }
}

static int check(job *j)
{
    if (!j->m.n_models)
        return cli_usage_error(&j->c, "which model?");
    if (j->in_turns && j->m.n_models < 2)
        return cli_usage_error(&j->c, "--compare needs two models or more");
    if (j->profile && j->engine != PPQ_ENGINE_FAST)
        return cli_usage_error(&j->c, "--profile goes with --engine engine only");
    return CLI_END;
}

int main(int argc, char **argv)
{
    static job j;
    j = (job){
        .c = { .command = "ppq-bench",
               .usage = "ppq-bench MODEL.onnx [OTHER.onnx ...] [options]",
               .about = "Measures how fast models run: latency, throughput, start-up, memory.",
               .examples = "  ppq-bench model.onnx model.int8.onnx --compare\n"
                           "  ppq-bench model.int8.onnx --profile\n"
                           "  ppq-bench model.onnx -b 8 -t 2 --input-shape 1x3x224x224 --json\n",
               .options = options,
               .argc = argc,
               .argv = argv },
        .m = { .net = { .batch = 1, .threads = 1 } },
        .warmup = 2
    };
    cli_init(&j.c);
    j.cb = cli_callbacks(&j.c);
    int status = cli_parse(&j.c, take, take_argument, &j);
    if (status == CLI_END)
        status = check(&j);
    if (status != CLI_END)
        return status == CLI_DONE ? 0 : PPQ_RESULT_USAGE;
    j.m.net.engine = (ppq_engine_kind) j.engine;
    j.m.net.profile = j.profile;
    j.m.net.input_shapes = j.m.shapes;
    j.m.net.n_input_shapes = j.m.n_shapes;
    const ppq_result r = run_all(&j);
    if (r == PPQ_RESULT_OK) {
        for (size_t i = 0; i < j.m.n_models; i++)
            cli_warn_of_saturation(&j.c, j.models[i].path, &j.models[i].info);
        if (!j.c.quiet || j.c.json)
            print_results(&j);
    }
    free_models(&j);
    return (int) r;
}
