// Runs ONNX backend tests as ppq-run --test does: node_tests DIR... where each DIR holds model.onnx
// and test_data_set_N with input_K.pb and output_K.pb, or folders test_* that do. Prints a line per
// folder that is wrong and the totals.
//
// Options: -e engine|simulate|reference, -p also say what passes, -m N at least so many must pass,
// -x FILE lists what does not pass: lines of a name or pattern and the reason. Whatever else does
// not pass is wrong, and so is what is listed and passes.

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/io.h"
#include "ppq/ppq.h"

enum { MAX_LISTED = 64, MAX_LISTS = 4 };

typedef struct totals {
    int passed, wrong, listed;
    ppq_engine_kind engine;
    bool show_passed;
    char *list[MAX_LISTS]; // texts that `pattern` points into
    int n_lists;
    const char *pattern[MAX_LISTED];
    int n_patterns;
} totals;

static char why[1024]; // of the last failure

static void keep_message(void *user, const ppq_message *m)
{
    (void) user;
    if (m->level == PPQ_LEVEL_ERROR)
        snprintf(why, sizeof(why), "%s", m->text);
}

static void keep_difference(void *user, const char *data_set, const char *difference)
{
    (void) user;
    (void) data_set;
    if (difference)
        snprintf(why, sizeof(why), "%s", difference);
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
    const ppq_callbacks cb = { .message = keep_message };
    const ppq_test_opts o = { .engine = t->engine, .rtol = 1e-3, .atol = 1e-7 };
    snprintf(why, sizeof(why), "failed without a message");
    const bool passed = ppq_test_run(&cb, dir, &o, keep_difference, NULL) == PPQ_RESULT_OK;
    const bool listed = is_listed(t, dir);
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

static bool read_engine(const char *name, totals *t)
{
    static const char *const names[] = { [PPQ_ENGINE_FAST] = "engine",
                                         [PPQ_ENGINE_SIMULATE] = "simulate",
                                         [PPQ_ENGINE_REFERENCE] = "reference" };
    for (int i = 0; i < 3; i++)
        if (strcmp(names[i], name) == 0) {
            t->engine = (ppq_engine_kind) i;
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    totals t = { .passed = 0 };
    long wanted = 0;
    int opt;
    while ((opt = getopt(argc, argv, "e:pm:x:")) != -1) {
        wanted = opt == 'm' ? strtol(optarg, NULL, 10) : wanted;
        t.show_passed |= opt == 'p';
        if (opt == '?' || (opt == 'x' && !read_list(optarg, &t)) ||
            (opt == 'e' && !read_engine(optarg, &t)))
            return EXIT_FAILURE;
    }
    for (int i = optind; i < argc; i++)
        run_argument(argv[i], &t);
    printf("%d passed, %d wrong, %d listed as not passing\n", t.passed, t.wrong, t.listed);
    for (int i = 0; i < t.n_lists; i++)
        free(t.list[i]);
    return t.wrong || t.passed < wanted ? EXIT_FAILURE : EXIT_SUCCESS;
}
