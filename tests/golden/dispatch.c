#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/io.h"
#include "core/json.h"
#include "parser/load.h"
#include "parser/normalize/normalize.h"
#include "quantizer/init.h"
#include "quantizer/session.h"

// Compares the dispatchers with PPQ's own answers: dispatch differences.txt DIR, where DIR holds one folder per
// case with model.onnx and dispatch.json. Every difference must be explained by a line of
// differences.txt: "case dispatcher op-name-or-* our-place ppq-place reason".

typedef struct difference {
    char case_name[64], dispatcher[32], op[256], ours[16], theirs[16];
    bool used;
} difference;

static difference known[4096];
static size_t n_known;

static void print_message(void *user, const ppq_diag_item *i)
{
    (void) user;
    if (i->severity == PPQ_SEV_ERROR)
        fprintf(stderr, "%s\n", i->msg);
}

static bool load_known(const char *path)
{
    FILE *f = fopen(path, "r");
    char line[1024];
    if (!f)
        return false;
    while (fgets(line, sizeof(line), f)) {
        difference *k = &known[n_known];
        if (line[0] != '#' && n_known < PPQ_COUNT(known) &&
            sscanf(line, "%63s %31s %255s %15s %15s", k->case_name, k->dispatcher, k->op, k->ours,
                   k->theirs) == 5)
            n_known++;
    }
    fclose(f);
    return true;
}

static bool explained(const char *case_name, const char *dispatcher, const char *op,
                      const char *ours, const char *theirs)
{
    for (size_t i = 0; i < n_known; i++) {
        difference *k = &known[i];
        if ((strcmp(k->case_name, case_name) == 0 || strcmp(k->case_name, "*") == 0) &&
            (strcmp(k->dispatcher, dispatcher) == 0 || strcmp(k->dispatcher, "*") == 0) &&
            (strcmp(k->op, op) == 0 || strcmp(k->op, "*") == 0) && strcmp(k->ours, ours) == 0 &&
            strcmp(k->theirs, theirs) == 0) {
            k->used = true;
            return true;
        }
    }
    return false;
}

static const char *place_in_ppq(const char *name)
{
    return strcmp(name, "SOI") == 0 ? "soi" : strcmp(name, "FP32") == 0 ? "fp32" : "quant";
}

typedef struct score {
    int compared, differ, unexplained;
} score;

static void compare(const ppq_graph *g, const ppq_json *table, const char *case_name,
                    const char *dispatcher, score *s)
{
    for (const ppq_json *j = table->child; j; j = j->next) {
        const ppq_op *op = ppq_graph_find_op(g, j->key);
        // Folded or merged before dispatch here: docs/PARITY.md.
        if (!op)
            continue;
        const char *ours = ppq_place_name(op->place), *theirs = place_in_ppq(j->string);
        s->compared++;
        if (strcmp(ours, theirs) == 0)
            continue;
        s->differ++;
        if (explained(case_name, dispatcher, op->name, ours, theirs))
            continue;
        s->unexplained++;
        printf("  %s %s %s %s %s %s\n", case_name, dispatcher, op->name, ours, theirs, op->type);
    }
}

// The final table of one platform, or NULL where PPQ failed.
static const ppq_json *golden_table(const ppq_json *all, const char *dispatcher,
                                    const char *platform)
{
    const ppq_json *list = ppq_json_get(all, dispatcher);
    for (const ppq_json *e = list ? list->child : NULL; e; e = e->next) {
        const ppq_json *final = ppq_json_get(e, "final");
        const ppq_json *t = ppq_json_get(final, platform);
        if (t)
            return t;
    }
    return NULL;
}

static ppq_status run_case(const char *dir, const char *name, const char *platform,
                           const char *ppq_platform_name, const char *dispatcher,
                           const char *ppq_dispatcher_name, score *s, ppq_diag *d)
{
    char path[1024];
    char *text = NULL;
    size_t n;
    const ppq_json *all;
    snprintf(path, sizeof(path), "%s/%s/dispatch.json", dir, name);
    PPQ_TRY(ppq_file_read(path, 1u << 28, &text, &n, d));
    ppq_arena *a = ppq_arena_create("golden");
    ppq_settings *settings = ppq_settings_create();
    ppq_session *session = NULL;
    ppq_status st = ppq_json_parse(text, n, path, a, &all, d);
    const ppq_json *table = st == PPQ_OK ? golden_table(all, ppq_dispatcher_name, ppq_platform_name)
                                         : NULL;
    if (table) {
        snprintf(path, sizeof(path), "%s/%s/model.onnx", dir, name);
        st = ppq_settings_set(settings, "platform", platform, d);
        if (st == PPQ_OK)
            st = ppq_settings_set(settings, "dispatcher", dispatcher, d);
        if (st == PPQ_OK)
            st = ppq_session_create(settings, d, &session);
        if (st == PPQ_OK)
            st = ppq_session_load(session, path);
        if (st == PPQ_OK)
            st = ppq_session_prepare(session);
        if (st == PPQ_OK)
            compare(session->graph, table, name, dispatcher, s);
    }
    ppq_session_destroy(session);
    ppq_settings_destroy(settings);
    ppq_arena_destroy(a);
    free(text);
    return st;
}

int main(int argc, char **argv)
{
    static const char *const cases[] = {
        "activations",     "concat_branches", "conv_bn_relu_chain", "detection_nms",
        "multi_input",     "real_mobilenet_v2", "real_rfb320",      "real_squeezenet",
        "residual_add",    "resize_sizes",    "shape_reshape",      "transformer_block",
    };
    static const char *const dispatchers[][2] = {
        { "conservative", "conservative" }, { "aggressive", "aggresive" }, { "pplnn", "pplnn" },
        { "allin", "allin" },               { "pointwise", "pointwise" },  { "perseus", "perseus" },
    };
    static const char *const platforms[][2] = {
        { "ppl-cuda-int8", "PPL_CUDA_INT8" },
        { "trt-int8", "TRT_INT8" },
    };
    if (argc < 3 || !load_known(argv[1])) {
        fprintf(stderr, "usage: dispatch differences.txt GOLDEN-DIR\n");
        return 2;
    }
    ppq_diag *d = ppq_diag_create(print_message, NULL);
    int failed = 0;
    for (size_t k = 0; k < PPQ_COUNT(dispatchers); k++) {
        score s = { 0 };
        for (size_t c = 0; c < PPQ_COUNT(cases); c++)
            for (size_t p = 0; p < PPQ_COUNT(platforms); p++)
                if (run_case(argv[2], cases[c], platforms[p][0], platforms[p][1],
                             dispatchers[k][0], dispatchers[k][1], &s, d) != PPQ_OK)
                    failed++;
        printf("%-14s %d places compared, %d differ, %d unexplained\n", dispatchers[k][0],
               s.compared, s.differ, s.unexplained);
        failed += s.unexplained;
    }
    for (size_t i = 0; i < n_known; i++)
        if (!known[i].used) {
            printf("differences.txt: '%s %s %s' no longer differs\n", known[i].case_name,
                   known[i].dispatcher, known[i].op);
            failed++;
        }
    ppq_diag_destroy(d);
    return failed ? 1 : 0;
}
