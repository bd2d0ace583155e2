// Runs ONNX backend tests: node_tests DIR... where each DIR holds model.onnx and test_data_set_N
// with input_K.pb and output_K.pb, or folders test_* that do. Prints a line per folder that is
// wrong and the totals.
//
// Options: -r plain C only (no faster kernels), -p also say what passes, -m N at least so many must
// pass, -x FILE lists what does not pass: lines of a name or pattern and the reason. Whatever else
// does not pass is wrong, and so is what is listed and passes.

#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io.h"
#include "executor/exec.h"
#include "executor/ops/convert.h"
#include "parser/load.h"
#include "parser/normalize/normalize.h"
#include "parser/tensor_file.h"

enum { MAX_IO = 256, MAX_LISTED = 64, MAX_LISTS = 4 };

typedef enum verdict { PASS, FAIL, SKIP } verdict; // SKIP: refused as unsupported

typedef struct totals {
    int passed, wrong, listed;
    bool reference, show_passed;
    char *list[MAX_LISTS]; // texts that `pattern` points into
    int n_lists;
    const char *pattern[MAX_LISTED];
    int n_patterns;
} totals;

static char why[1024]; // of the last FAIL or SKIP

static verdict because(verdict v, const char *text)
{
    snprintf(why, sizeof(why), "%s", text);
    return v;
}

static verdict because_diag(const ppq_diag *d)
{
    for (size_t i = 0; i < ppq_diag_count(d, PPQ_SEV_NOTE); i++) {
        const ppq_diag_item *item = ppq_diag_at(d, i);
        if (item->severity == PPQ_SEV_ERROR)
            return because(item->code == PPQ_ERR_UNSUPPORTED ? SKIP : FAIL, item->msg);
    }
    return because(FAIL, "failed without a message");
}

// ---- files ----------------------------------------------------------------------------------

static ppq_status read_value(const char *path, ppq_dtype dt, ppq_tensor *out, ppq_diag *d)
{
    char *bytes;
    size_t n;
    PPQ_TRY(ppq_file_read(path, (size_t) 1 << 30, &bytes, &n, d));
    const ppq_status st = ppq_parse_value_bytes(dt, bytes, n, path, out, d);
    free(bytes);
    return st;
}

// Old test data has bfloat16 as uint16.
static void fix_dtype(ppq_tensor *t, ppq_dtype wanted)
{
    if (t->dtype == PPQ_DT_U16 && wanted == PPQ_DT_BF16)
        t->dtype = PPQ_DT_BF16;
}

// ---- comparing ------------------------------------------------------------------------------

static double relative_tolerance(ppq_dtype dt)
{
    return dt == PPQ_DT_BF16 ? 0.015625 : dt == PPQ_DT_F16 ? 0.002 : 0.001; // two last places
}

// The largest finite magnitude, at least 1: sums cancel, and what is left of them is no better than
// their terms.
static double magnitude(const ppq_tensor *t)
{
    double top = 1;
    for (int64_t i = 0; i < ppq_shape_numel(&t->shape); i++) {
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

static verdict compare(const ppq_tensor *got, const ppq_tensor *want, int k);

static verdict compare_items(const ppq_tensor *got, const ppq_tensor *want, int k)
{
    verdict v = PASS;
    for (int64_t i = 0; i < ppq_container_count(want) && v == PASS; i++)
        v = compare(&ppq_container_items(got)[i], &ppq_container_items(want)[i], k);
    return v;
}

static verdict compare(const ppq_tensor *got, const ppq_tensor *want, int k)
{
    char a[192], b[192], text[512];
    if (got->dtype != want->dtype || !ppq_shape_equal(&got->shape, &want->shape)) {
        snprintf(text, sizeof(text), "output %d is %s %s, expected %s %s", k,
                 ppq_dtype_name(got->dtype), ppq_shape_str(&got->shape, a, sizeof(a)),
                 ppq_dtype_name(want->dtype), ppq_shape_str(&want->shape, b, sizeof(b)));
        return because(FAIL, text);
    }
    if (ppq_dtype_is_container(want->dtype))
        return compare_items(got, want, k);
    if (!ppq_convert_knows(want->dtype))
        return ppq_tensor_equal(got, want) ? PASS : because(FAIL, "the strings differ");
    const double atol = 1e-7 * magnitude(want), rtol = relative_tolerance(want->dtype);
    for (int64_t i = 0; i < ppq_shape_numel(&want->shape); i++) {
        double x, y;
        ppq_load_f64(got, i, 1, &x);
        ppq_load_f64(want, i, 1, &y);
        if (!close_enough(x, y, atol, rtol)) {
            snprintf(text, sizeof(text), "output %d [%lld] is %.9g, expected %.9g", k,
                     (long long) i, x, y);
            return because(FAIL, text);
        }
    }
    return PASS;
}

// ---- running --------------------------------------------------------------------------------

static verdict run_set(const ppq_graph *g, ppq_exec *e, const char *dir, ppq_diag *d)
{
    ppq_tensor feeds[MAX_IO] = { 0 }, got[MAX_IO] = { 0 };
    verdict v = PASS;
    char path[1200];
    for (int i = 0; i < g->n_inputs && v == PASS; i++) {
        snprintf(path, sizeof(path), "%s/input_%d.pb", dir, i);
        if (read_value(path, g->inputs[i]->dtype, &feeds[i], d) != PPQ_OK)
            v = because(SKIP, "an input cannot be read");
        fix_dtype(&feeds[i], g->inputs[i]->dtype);
    }
    if (v == PASS && ppq_exec_run(e, feeds, got, NULL, d) != PPQ_OK)
        v = because_diag(d);
    for (int i = 0; i < g->n_outputs && v == PASS; i++) {
        ppq_tensor want = { 0 };
        snprintf(path, sizeof(path), "%s/output_%d.pb", dir, i);
        if (read_value(path, got[i].dtype, &want, d) == PPQ_OK) {
            fix_dtype(&want, got[i].dtype);
            v = compare(&got[i], &want, i);
        } else {
            v = because(SKIP, "an output cannot be read");
        }
        ppq_tensor_unref(&want);
    }
    for (int i = 0; i < g->n_inputs; i++)
        ppq_tensor_unref(&feeds[i]);
    for (int i = 0; i < g->n_outputs; i++)
        ppq_tensor_unref(&got[i]);
    return v;
}

static verdict run_dir(const char *dir, const totals *t)
{
    char path[1100];
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_graph *g = NULL;
    ppq_exec *e = NULL;
    verdict v = PASS;
    snprintf(path, sizeof(path), "%s/model.onnx", dir);
    if (access(path, R_OK) != 0) {
        v = because(SKIP, "no model.onnx");
    } else if (ppq_parse_file(path, &g, d) != PPQ_OK || ppq_normalize(g, d) != PPQ_OK) {
        v = because_diag(d);
    } else if (g->n_inputs > MAX_IO || g->n_outputs > MAX_IO) {
        v = because(SKIP, "too many inputs or outputs");
    } else {
        const ppq_exec_opts o = { .reference = t->reference, .n_threads = 1 };
        ppq_graph_compact(g);
        if (ppq_exec_create(g, &o, &e, d) != PPQ_OK)
            v = because_diag(d);
    }
    for (int set = 0; v == PASS; set++) {
        snprintf(path, sizeof(path), "%s/test_data_set_%d", dir, set);
        if (access(path, R_OK) != 0)
            break;
        v = run_set(g, e, path, d);
    }
    ppq_exec_destroy(e);
    ppq_graph_destroy(g);
    ppq_diag_destroy(d);
    return v;
}

// ---- all ------------------------------------------------------------------------------------

static bool read_list(const char *path, totals *t)
{
    size_t n;
    if (t->n_lists == MAX_LISTS ||
        ppq_file_read(path, (size_t) 1 << 20, &t->list[t->n_lists], &n, NULL) != PPQ_OK)
        return false;
    for (char *line = t->list[t->n_lists++]; line && t->n_patterns < MAX_LISTED;) {
        char *end = strchr(line, '\n'), *space = line + strcspn(line, " \n");
        if (end)
            *end = 0;
        if (*line && *line != '#') {
            *space = 0;
            t->pattern[t->n_patterns++] = line;
        }
        line = end ? end + 1 : NULL;
    }
    return true;
}

static bool is_listed(const totals *t, const char *dir)
{
    const char *slash = strrchr(dir, '/'), *name = slash ? slash + 1 : dir;
    bool hit = false;
    for (int i = 0; i < t->n_patterns; i++)
        hit |= fnmatch(t->pattern[i], name, 0) == 0;
    return hit;
}

static void run_case(const char *dir, totals *t)
{
    why[0] = 0;
    const bool passed = run_dir(dir, t) == PASS, listed = is_listed(t, dir);
    t->passed += passed && !listed;
    t->listed += listed && !passed;
    t->wrong += listed == passed;
    if (listed && passed)
        printf("FAIL %s: listed, but passes\n", dir);
    else if (!listed && !passed)
        printf("FAIL %s: %s\n", dir, why);
    else if (passed && t->show_passed)
        printf("PASS %s\n", dir);
}

static int is_case(const struct dirent *e)
{
    return strncmp(e->d_name, "test_", 5) == 0;
}

// A folder of cases, or one case.
static void run_argument(const char *dir, totals *t)
{
    char path[1100];
    struct dirent **entry = NULL;
    snprintf(path, sizeof(path), "%s/model.onnx", dir);
    const int n = access(path, R_OK) == 0 ? -1 : scandir(dir, &entry, is_case, alphasort);
    if (n <= 0)
        run_case(dir, t);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, entry[i]->d_name);
        run_case(path, t);
        free(entry[i]);
    }
    free(entry);
}

int main(int argc, char **argv)
{
    totals t = { .passed = 0 };
    long wanted = 0;
    int opt;
    while ((opt = getopt(argc, argv, "rpm:x:")) != -1) {
        wanted = opt == 'm' ? strtol(optarg, NULL, 10) : wanted;
        t.reference |= opt == 'r';
        t.show_passed |= opt == 'p';
        if (opt == '?' || (opt == 'x' && !read_list(optarg, &t)))
            return EXIT_FAILURE;
    }
    for (int i = optind; i < argc; i++)
        run_argument(argv[i], &t);
    printf("%d passed, %d wrong, %d listed as not passing\n", t.passed, t.wrong, t.listed);
    for (int i = 0; i < t.n_lists; i++)
        free(t.list[i]);
    return t.wrong || t.passed < wanted ? EXIT_FAILURE : EXIT_SUCCESS;
}
