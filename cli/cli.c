#include "cli.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const cli_option cli_common[] = {
    { "help", 'h', NULL, "this text" },
    { "version", 0, NULL, "version of ppq and of oneDNN" },
    { "quiet", 'q', NULL, "errors only" },
    { "verbose", 'v', NULL, "notes too" },
    { "json", 0, NULL, "print the result as one JSON document" },
    { "progress", 0, "auto|always|never",
      "progress on stderr (auto: bar on a terminal, else lines)" },
    { "list-platforms", 0, NULL, "platforms" },
    { "list-dispatchers", 0, NULL, "dispatchers" },
    { "list-observers", 0, NULL, "calibration methods" },
    { "list-formats", 0, NULL, "export formats" },
    { "list-passes", 0, NULL, "passes" },
    { "list-ops", 0, NULL, "operators this build can run" },
    { 0 },
};

static void interrupted(int sig)
{
    ppq_emergency_cleanup();
    _exit(128 + sig);
}

double cli_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

void cli_init(cli *c)
{
    struct sigaction sa = { .sa_handler = interrupted };
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGHUP, &sa, NULL);
#ifdef __GLIBC__
    // Weights come and go: what is freed goes back to the system rather than into holes.
    (void) mallopt(M_MMAP_THRESHOLD, 1 << 18);
#endif
    c->at = 1;
    c->started = cli_now();
    pthread_mutex_init(&c->lock, NULL);
}

static void print_options(const cli_option *o)
{
    for (; o->name; o++) {
        char left[64];
        snprintf(left, sizeof(left), "%s%c%s --%s %s", o->letter ? "-" : " ",
                 o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
                 o->value ? o->value : "");
        printf("  %-34s %s\n", left, o->help);
    }
}

static void print_help(const cli *c)
{
    printf("usage: %s\n\n%s\n\noptions:\n", c->usage, c->about);
    print_options(c->options);
    printf("\ncommon:\n");
    print_options(cli_common);
    printf("\nexamples:\n%s", c->examples);
}

int cli_take_model(const cli *c, const char **model, const char *value)
{
    if (*model)
        return cli_usage_error(c, "one model at a time: '%s' and '%s'", *model, value);
    *model = value;
    return CLI_OPTION;
}

int cli_usage_error(const cli *c, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s: ", c->command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, " (see %s --help)\n", c->command);
    return CLI_ERROR;
}

void cli_print_list(const cli *c, ppq_kind kind)
{
    (void) c;
    for (size_t i = 0;; i++) {
        const ppq_entry e = ppq_list(kind, i);
        if (!e.name)
            return;
        printf("%-24s %s\n", e.name, e.summary);
        for (size_t k = 0;; k++) {
            const ppq_entry_option o = ppq_list_option(kind, i, k);
            if (!o.key)
                break;
            printf("    %s=%-*s %s (%s)\n", o.key, 19 - (int) strlen(o.key), o.value, o.summary,
                   o.legal);
        }
    }
}

static const cli_option *find(const cli_option *o, const char *name, size_t n, char letter)
{
    for (; o->name; o++)
        if (letter ? o->letter == letter : strlen(o->name) == n && strncmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

// Switches that are the same everywhere. Returns CLI_OPTION when it was none of them.
static int common_switch(cli *c, const cli_option *o, const char *value)
{
    static const struct {
        const char *name;
        ppq_kind kind;
    } lists[] = {
        { "list-platforms", PPQ_KIND_PLATFORM }, { "list-dispatchers", PPQ_KIND_DISPATCHER },
        { "list-observers", PPQ_KIND_OBSERVER }, { "list-formats", PPQ_KIND_FORMAT },
        { "list-passes", PPQ_KIND_PASS },        { "list-ops", PPQ_KIND_OP },
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
        if (strcmp(o->name, lists[i].name) == 0) {
            cli_print_list(c, lists[i].kind);
            return CLI_DONE;
        }
    if (strcmp(o->name, "help") == 0) {
        print_help(c);
        return CLI_DONE;
    }
    if (strcmp(o->name, "version") == 0) {
        printf("%s %s (oneDNN %s)\n", c->command, ppq_version(), ppq_library_version());
        return CLI_DONE;
    }
    if (strcmp(o->name, "quiet") == 0)
        c->quiet = true;
    else if (strcmp(o->name, "verbose") == 0)
        c->verbose++;
    else if (strcmp(o->name, "json") == 0)
        c->json = true;
    else if (strcmp(value, "auto") == 0 || strcmp(value, "always") == 0 ||
             strcmp(value, "never") == 0)
        c->progress = value[1] == 'u' ? 0 : value[0] == 'a' ? 1 : 2;
    else
        return cli_usage_error(c, "--progress is '%s', legal are auto, always and never", value);
    return CLI_END;
}

int cli_next(cli *c, const cli_option **option, const char **value)
{
    while (c->at < c->argc) {
        const char *arg = c->argv[c->at++];
        if (arg[0] != '-' || !arg[1]) {
            *value = arg;
            return CLI_ARGUMENT;
        }
        const bool is_long = arg[1] == '-';
        const char *name = arg + (is_long ? 2 : 1);
        const char *eq = is_long ? strchr(name, '=') : NULL;
        const size_t n = eq ? (size_t) (eq - name) : strlen(name);
        if (!is_long && name[1])
            return cli_usage_error(c, "'%s' is no option: short options are one letter", arg);
        bool common = false;
        const cli_option *o = find(c->options, name, n, is_long ? 0 : name[0]);
        if (!o) {
            o = find(cli_common, name, n, is_long ? 0 : name[0]);
            common = true;
        }
        if (!o)
            return cli_usage_error(c, "there is no option '%s'", arg);
        *value = NULL;
        if (o->value) {
            if (!eq && c->at >= c->argc)
                return cli_usage_error(c, "option '%s' needs a value: %s", arg, o->value);
            *value = eq ? eq + 1 : c->argv[c->at++];
        } else if (eq) {
            return cli_usage_error(c, "option '--%s' takes no value", o->name);
        }
        *option = o;
        if (!common)
            return CLI_OPTION;
        const int r = common_switch(c, o, *value);
        if (r != CLI_END)
            return r;
    }
    return CLI_END;
}

int cli_parse(cli *c, int (*option)(void *user, const cli_option *o, const char *value),
              int (*argument)(void *user, const char *value), void *user)
{
    const cli_option *o;
    const char *v;
    for (;;) {
        int r = cli_next(c, &o, &v);
        if (r == CLI_OPTION)
            r = option(user, o, v);
        else if (r == CLI_ARGUMENT)
            r = argument(user, v);
        if (r <= 0)
            return r;
    }
}

// ---- messages and progress ------------------------------------------------------------------

void cli_progress_end(cli *c)
{
    if (c->line_open)
        fputs("\r\033[K", stderr);
    c->line_open = false;
}

static void message(void *user, const ppq_message *m)
{
    cli *c = user;
    static const char *const levels[] = { "note", "warning", "error" };
    if ((m->level == PPQ_LEVEL_NOTE && !c->verbose) || (m->level != PPQ_LEVEL_ERROR && c->quiet))
        return;
    cli_progress_end(c);
    fprintf(stderr, "%s: %s: %s\n", c->command, levels[m->level], m->text);
}

// A phase that begins, or begins again, has a clock of its own.
static void note_progress(cli *c, const char *phase, int64_t done, double t)
{
    if (!c->phase || strcmp(c->phase, phase) != 0 || 2 * done < c->done)
        c->started = t;
    c->phase = phase;
    c->done = done;
}

static void show_progress(cli *c, const char *phase, int64_t done, int64_t total)
{
    const bool terminal = isatty(2), last = done == total;
    const double t = cli_now();
    note_progress(c, phase, done, t);
    if (c->shown > 0 && t - c->shown < (terminal ? 0.1 : 3.0) && !(last && terminal))
        return;
    if (!terminal && c->progress == 0 && t - c->started < 3.0)
        return;
    c->shown = t;
    const double spent = t - c->started, rate = spent > 0 ? (double) done / spent : 0;
    const double left = rate > 0 ? (double) (total - done) / rate : 0;
    if (!terminal) {
        fprintf(stderr, "%s: %s %lld/%lld, %.1f/s, %.0f s left\n", c->command, phase,
                (long long) done, (long long) total, rate, left);
        return;
    }
    char bar[25];
    const int full = total > 0 ? (int) (24 * done / total) : 24;
    for (int i = 0; i < 24; i++)
        bar[i] = i < full ? '#' : '.';
    bar[24] = 0;
    fprintf(stderr, "\r%s [%s] %lld/%lld  %.1f/s  %.0f s left\033[K", phase, bar, (long long) done,
            (long long) total, rate, left);
    c->line_open = true;
    if (last)
        cli_progress_end(c);
}

// Comes from any thread; one that finds another at it need not wait.
static void progress(void *user, const char *phase, int64_t done, int64_t total)
{
    cli *c = user;
    if (c->quiet || c->progress == 2 || pthread_mutex_trylock(&c->lock) != 0)
        return;
    show_progress(c, phase, done, total);
    pthread_mutex_unlock(&c->lock);
}

ppq_callbacks cli_callbacks(cli *c)
{
    return (ppq_callbacks){ c, message, progress };
}

void cli_print(void *user, const char *text, size_t n)
{
    (void) user;
    fwrite(text, 1, n, stdout);
}
