#include "quantizer/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantizer/api_common.h"
#include "quantizer/net.h"

struct ppq_samples {
    ppq_net *net;
    ppq_data *data;
};

static ppq_status create(ppq_net *n, const ppq_samples_opts *o, ppq_samples **out)
{
    ppq_samples *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->net = n;
    const ppq_data_opts d = { o->preprocess, o->dtype, 0, ppq_net_batch(n) };
    const ppq_status st = ppq_data_create(ppq_net_graph(n), &d, &s->data, ppq_net_diag(n));
    if (st == PPQ_OK)
        *out = s;
    else
        ppq_samples_destroy(s);
    return st;
}

static ppq_result finish(ppq_samples *s, ppq_status st, ppq_samples **out)
{
    if (st == PPQ_OK)
        st = ppq_data_finish(s->data, ppq_net_diag(s->net));
    if (st == PPQ_OK)
        *out = s;
    else
        ppq_samples_destroy(s);
    return ppq_result_of(st);
}

ppq_result ppq_samples_open(ppq_net *n, const char *const *specs, size_t n_specs,
                            const ppq_samples_opts *o, ppq_samples **out)
{
    ppq_samples *s;
    ppq_status st = create(n, o, &s);
    if (st != PPQ_OK)
        return ppq_result_of(st);
    for (size_t i = 0; i < n_specs && st == PPQ_OK; i++)
        st = ppq_data_add(s->data, specs[i], ppq_net_diag(n));
    return finish(s, st, out);
}

ppq_result ppq_samples_random(ppq_net *n, int64_t count, uint64_t seed, ppq_samples **out)
{
    ppq_samples *s;
    const ppq_status st = create(n, &(ppq_samples_opts){ .dtype = NULL }, &s);
    if (st != PPQ_OK)
        return ppq_result_of(st);
    return finish(s, ppq_data_random(s->data, count, seed, ppq_net_diag(n)), out);
}

void ppq_samples_destroy(ppq_samples *s)
{
    if (!s)
        return;
    ppq_data_destroy(s->data);
    free(s);
}

ppq_data *ppq_samples_data(const ppq_samples *s)
{
    return s->data;
}

int64_t ppq_samples_count(const ppq_samples *s)
{
    return ppq_data_count(s->data);
}

void ppq_samples_name(const ppq_samples *s, int64_t i, char *text, size_t size)
{
    int64_t row = -1;
    const char *path = ppq_data_file(s->data, i, &row);
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    if (!name)
        snprintf(text, size, "%lld", (long long) i);
    else if (row < 0)
        snprintf(text, size, "%s", name);
    else
        snprintf(text, size, "%s[%lld]", name, (long long) row);
}

int64_t ppq_samples_label(const ppq_samples *s, int64_t i)
{
    return ppq_data_label(s->data, i);
}

int64_t ppq_samples_n_runs(const ppq_samples *s)
{
    return ppq_data_source(s->data).n_samples;
}

ppq_result ppq_samples_get(ppq_samples *s, int64_t run, ppq_array *in)
{
    const size_t n = ppq_net_n_inputs(s->net);
    ppq_tensor *t = calloc(n + 1, sizeof(*t));
    if (!t)
        abort();
    const ppq_calib_source source = ppq_data_source(s->data);
    ppq_status st = source.get(source.user, run, t, ppq_net_diag(s->net));
    size_t made = 0;
    while (made < n && st == PPQ_OK) {
        st = ppq_array_of(&t[made], &in[made]);
        made += st == PPQ_OK;
    }
    if (st != PPQ_OK)
        for (size_t i = 0; i < made; i++)
            ppq_array_free(&in[i]);
    for (size_t i = 0; i < n; i++)
        ppq_tensor_unref(&t[i]);
    free(t);
    return ppq_result_of(st);
}
