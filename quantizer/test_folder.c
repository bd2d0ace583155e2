#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/io.h"
#include "executor/ops/convert.h"
#include "parser/tensor_file.h"
#include "quantizer/api_common.h"
#include "quantizer/net.h"

// ---- comparing ------------------------------------------------------------------------------

typedef struct comparison {
    const ppq_test_opts *o;
    char difference[512]; // the first one found; empty: none
} comparison;

static double relative_tolerance(const ppq_test_opts *o, ppq_dtype dt)
{
    return fmax(o->rtol, dt == PPQ_DT_BF16 ? 0.015625 : dt == PPQ_DT_F16 ? 0.002 : 0);
}

// The largest finite magnitude, at least 1: sums cancel, and what is left of them is no better than
// their terms.
static double magnitude(const ppq_tensor *t)
{
    const int64_t n = ppq_shape_numel(&t->shape);
    double top = 1;
    for (int64_t i = 0; i < n; i++) {
        double v;
        ppq_load_f64(t, i, 1, &v);
        top = isfinite(v) ? fmax(top, fabs(v)) : top;
    }
    return top;
}

static bool close_enough(double got, double want, double atol, double rtol)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    return got == want || fabs(got - want) <= atol + rtol * fabs(want);
}

static void compare_numbers(comparison *c, const ppq_tensor *got, const ppq_tensor *want,
                            const char *name)
{
    const double atol = c->o->atol * magnitude(want), rtol = relative_tolerance(c->o, want->dtype);
    const int64_t n = ppq_shape_numel(&want->shape);
    for (int64_t i = 0; i < n; i++) {
        double x, y;
        ppq_load_f64(got, i, 1, &x);
        ppq_load_f64(want, i, 1, &y);
        if (close_enough(x, y, atol, rtol))
            continue;
        snprintf(c->difference, sizeof(c->difference),
                 "element %lld of '%s' is %.9g, expected %.9g", (long long) i, name, x, y);
        return;
    }
}

static void compare(comparison *c, const ppq_tensor *got, const ppq_tensor *want, const char *name)
{
    char a[128], b[128];
    if (got->dtype != want->dtype || !ppq_shape_equal(&got->shape, &want->shape)) {
        snprintf(c->difference, sizeof(c->difference), "'%s' is %s %s, expected %s %s", name,
                 ppq_dtype_name(got->dtype), ppq_shape_str(&got->shape, a, sizeof(a)),
                 ppq_dtype_name(want->dtype), ppq_shape_str(&want->shape, b, sizeof(b)));
    } else if (ppq_dtype_is_container(want->dtype)) {
        for (int64_t i = 0; i < ppq_container_count(want) && !c->difference[0]; i++)
            compare(c, &ppq_container_items(got)[i], &ppq_container_items(want)[i], name);
    } else if (ppq_convert_knows(want->dtype)) {
        compare_numbers(c, got, want, name);
    } else if (!ppq_tensor_equal(got, want)) {
        snprintf(c->difference, sizeof(c->difference), "the strings of '%s' differ", name);
    }
}

// ---- files ----------------------------------------------------------------------------------

// `dt` NONE: a tensor of any type.
static ppq_status read_value(const char *path, ppq_dtype dt, ppq_tensor *out, ppq_diag *d)
{
    char *bytes;
    size_t n;
    PPQ_TRY(ppq_file_read(path, (size_t) 1 << 30, &bytes, &n, d));
    const ppq_status st = ppq_parse_value_bytes(dt, bytes, n, path, out, d);
    free(bytes);
    // Old test data has bfloat16 as uint16.
    if (st == PPQ_OK && out->dtype == PPQ_DT_U16 && dt == PPQ_DT_BF16)
        out->dtype = PPQ_DT_BF16;
    return st;
}

// ---- running --------------------------------------------------------------------------------

typedef struct job {
    ppq_net *net;
    const ppq_graph *g;
    ppq_diag *d;
    comparison c;
} job;

static ppq_status check_outputs(job *j, const char *dir, const ppq_tensor *got)
{
    char path[1200];
    for (int i = 0; i < j->g->n_outputs && !j->c.difference[0]; i++) {
        snprintf(path, sizeof(path), "%s/output_%d.pb", dir, i);
        // Optional outputs at the end may have no file.
        if (access(path, F_OK) != 0)
            break;
        ppq_tensor want = { 0 };
        PPQ_TRY(read_value(path, got[i].dtype, &want, j->d));
        compare(&j->c, &got[i], &want, j->g->outputs[i]->name);
        ppq_tensor_unref(&want);
    }
    return PPQ_OK;
}

static ppq_status run_set(job *j, const char *dir)
{
    const size_t n_in = (size_t) j->g->n_inputs, n_out = (size_t) j->g->n_outputs;
    ppq_tensor *t = calloc(n_in + n_out + 1, sizeof(*t));
    if (!t)
        abort();
    char path[1200];
    ppq_status st = PPQ_OK;
    j->c.difference[0] = 0;
    for (size_t i = 0; i < n_in && st == PPQ_OK; i++) {
        snprintf(path, sizeof(path), "%s/input_%zu.pb", dir, i);
        st = read_value(path, j->g->inputs[i]->dtype, &t[i], j->d);
    }
    if (st == PPQ_OK)
        st = ppq_net_run_tensors(j->net, t, t + n_in);
    if (st == PPQ_OK)
        st = check_outputs(j, dir, t + n_in);
    for (size_t i = 0; i < n_in + n_out; i++)
        ppq_tensor_unref(&t[i]);
    free(t);
    return st;
}

ppq_result ppq_test_run(const ppq_callbacks *cb, const char *folder, const ppq_test_opts *o,
                        ppq_test_fn see, void *user)
{
    char path[1100];
    job j = { .c = { .o = o } };
    snprintf(path, sizeof(path), "%s/model.onnx", folder);
    ppq_result r = ppq_net_load(cb, path, o->engine, o->threads, &j.net);
    if (r != PPQ_RESULT_OK)
        return r;
    j.g = ppq_net_graph(j.net);
    j.d = ppq_net_diag(j.net);
    int sets = 0;
    for (;; sets++) {
        snprintf(path, sizeof(path), "%s/test_data_set_%d", folder, sets);
        if (access(path, F_OK) != 0)
            break;
        const ppq_status st = run_set(&j, path);
        if (st != PPQ_OK) {
            r = ppq_result_of(st);
            break;
        }
        see(user, path, j.c.difference[0] ? j.c.difference : NULL);
        r = j.c.difference[0] ? PPQ_RESULT_MISSED : r;
    }
    if (!sets && r == PPQ_RESULT_OK)
        r = ppq_result_of(ppq_fail(j.d, PPQ_ERR_IO, (ppq_loc){ .stage = "test" },
                                   "'%s' holds no test_data_set_0", folder));
    ppq_net_destroy(j.net);
    return r;
}
