#include "cli/model_options.h"

#include <stdlib.h>
#include <string.h>

const char *const cli_engine_names[] = { "engine", "simulate", "reference", NULL };

int cli_take_number(const cli *c, const cli_option *o, const char *value, double low, double high,
                    double *out)
{
    char *end;
    const double x = strtod(value, &end);
    if (end == value || *end || !(x >= low && x <= high))
        return cli_usage_error(c, "--%s is '%s', legal are %.10g to %.10g", o->name, value, low,
                               high);
    *out = x;
    return CLI_OPTION;
}

int cli_take_int(const cli *c, const cli_option *o, const char *value, long low, long high,
                 long *out)
{
    char *end;
    const long x = strtol(value, &end, 10);
    if (end == value || *end || x < low || x > high)
        return cli_usage_error(c, "--%s is '%s', legal are %ld to %ld", o->name, value, low, high);
    *out = x;
    return CLI_OPTION;
}

int cli_take_name(const cli *c, const cli_option *o, const char *value, const char *const *names,
                  int *out)
{
    char legal[256] = "";
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            *out = i;
            return CLI_OPTION;
        }
        const size_t n = strlen(legal);
        snprintf(legal + n, sizeof(legal) - n, "%s%s", i ? ", " : "", names[i]);
    }
    return cli_usage_error(c, "--%s is '%s', legal are %s", o->name, value, legal);
}

static int push(const cli *c, const cli_option *o, const char **list, size_t *n, size_t room,
                const char *value)
{
    if (*n == room)
        return cli_usage_error(c, "--%s is given more than %zu times", o->name, room);
    list[(*n)++] = value;
    return CLI_OPTION;
}

static int take_count(const cli *c, const cli_option *o, const char *value, long most, int *out)
{
    long n = 0;
    const int r = cli_take_int(c, o, value, 1, most, &n);
    *out = (int) n;
    return r;
}

int cli_model_option(const cli *c, cli_model_options *m, const cli_option *o, const char *value)
{
    enum { MOST_THREADS = 256, MOST_BATCH = 4096 };
    static const char *const isas[] = { "avx2", "avx512", "vnni", "native", NULL };
    int at;
    const char *name = o->name;
    if (strcmp(name, "data") == 0)
        return push(c, o, m->data, &m->n_data, sizeof(m->data) / sizeof(m->data[0]), value);
    if (strcmp(name, "input-shape") == 0)
        return push(c, o, m->shapes, &m->n_shapes, sizeof(m->shapes) / sizeof(m->shapes[0]), value);
    if (strcmp(name, "batch") == 0)
        return take_count(c, o, value, MOST_BATCH, &m->net.batch);
    if (strcmp(name, "threads") == 0)
        return take_count(c, o, value, MOST_THREADS, &m->net.threads);
    if (strcmp(name, "preprocess") == 0)
        m->samples.preprocess = value;
    else if (strcmp(name, "dtype") == 0)
        m->samples.dtype = value;
    else if (strcmp(name, "saturate") == 0)
        m->net.saturate = 1;
    else if (strcmp(name, "eager") == 0)
        m->net.eager = 1;
    else if (strcmp(name, "isa") != 0)
        return CLI_END;
    else if (cli_take_name(c, o, value, isas, &at) != CLI_OPTION)
        return CLI_ERROR;
    else
        m->net.isa = value;
    return CLI_OPTION;
}

int cli_model_argument(const cli *c, cli_model_options *m, const char *value)
{
    if (m->n_models == CLI_MAX_MODELS)
        return cli_usage_error(c, "more than %d models", CLI_MAX_MODELS);
    m->models[m->n_models++] = value;
    return CLI_OPTION;
}

void cli_warn_of_saturation(const cli *c, const char *path, const ppq_net_info *info)
{
    if (c->quiet || !info->n_saturating)
        return;
    fprintf(stderr,
            "%s: warning: sums of %zu steps of '%s' could saturate on this CPU, the first '%s'; "
            "they are exact without --saturate\n",
            c->command, info->n_saturating, path, info->saturating ? info->saturating : "");
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

double cli_quantile(double *v, size_t n, double share)
{
    if (!n)
        return 0;
    qsort(v, n, sizeof(*v), by_value);
    const double at = share * (double) (n - 1);
    const size_t low = (size_t) at, high = low + 1 < n ? low + 1 : low;
    return v[low] + (at - (double) low) * (v[high] - v[low]);
}

ppq_array *cli_arrays_new(size_t n)
{
    ppq_array *a = calloc(n + 1, sizeof(*a));
    if (!a)
        abort();
    return a;
}

void cli_arrays_clear(ppq_array *a, size_t n)
{
    for (size_t i = 0; a && i < n; i++)
        ppq_array_free(&a[i]);
}
