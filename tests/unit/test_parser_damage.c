// Reading damaged files: an error or a sound graph.

#include "exporter/onnx_writer.h"
#include "tests/unit/harness.h"
#include "tests/unit/model_fixture.h"

// ---- damaged files --------------------------------------------------------------------------

static uint64_t rng_state = 0x9e3779b97f4a7c15u;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t) (rng_state >> 33) % below;
}

// Something of everything.
static uint8_t *seed_model(fixture *f, size_t *n)
{
    fx_node(f, "Conv", "x,w", "a");
    fx_ints(f, f->graph->node[0], "pads", 2, (const int64_t[]){ 1, 1 });
    fx_float(f, fx_node(f, "LeakyRelu", "a", "b"), "alpha", 0.25f);
    fx_string(f, f->graph->node[1], "auto_pad", "SAME_UPPER");
    Onnx__NodeProto *cond = fx_node(f, "If", "c", "y");
    fx_node_in(f, fx_graph(f, cond, "then_branch"), "Neg", "b", "t");
    fx_int(f, fx_node(f, "Constant", "", "k"), "value_int", 7);
    fx_init(f, "w", 1, fx_three, 12, (const float[]){ 1, 2, 3 });
    fx_init(f, "c", PPQ_DT_BOOL, fx_scalar, 1, "\1");
    FX_PUSH(f, f->graph, value_info, fx_value(f, "b", 1, (const int64_t[]){ 2, 3, -1 }));
    FX_PUSH(f, f->graph, sparse_initializer,
            fx_sparse(f, "sp", fx_two, 1, (const float[]){ 3 }, (const int64_t[]){ 1 }, 1));
    return fx_pack(f, n);
}

// Any bytes at all give a graph or one message.
static void survives(const uint8_t *p, size_t n)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_graph *g = NULL;
    const ppq_status st = ppq_parse_bytes(p, n, NULL, "damaged.onnx", &g, d);
    ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_ERROR), st != PPQ_OK);
    ck_assert((st == PPQ_OK) == (g != NULL));
    if (g) {
        void *bytes;
        size_t size;
        ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &size, d), PPQ_OK);
        ppq_graph *again = NULL;
        ck_assert_msg(ppq_parse_bytes(bytes, size, NULL, "written.onnx", &again, d) == PPQ_OK, "%s",
                      fx_first_error(d));
        ppq_graph_destroy(again);
        free(bytes);
    }
    ppq_graph_destroy(g);
    ppq_diag_destroy(d);
}

START_TEST(test_truncated)
{
    fixture f = fx_begin(13);
    size_t n;
    const uint8_t *p = seed_model(&f, &n);
    for (size_t k = 0; k <= n; k++) {
        uint8_t *exact = malloc(k ? k : 1);
        memcpy(exact, p, k);
        survives(exact, k);
        free(exact);
    }
    fx_end(&f);
}
END_TEST

START_TEST(test_mutated)
{
    fixture f = fx_begin(13);
    size_t n;
    const uint8_t *p = seed_model(&f, &n);
    uint8_t *m = malloc(n + 8);
    for (int round = 0; round < 6000; round++) {
        size_t k = n;
        memcpy(m, p, n);
        for (uint32_t i = 0, edits = 1 + rng(4); i < edits; i++) {
            const size_t at = rng((uint32_t) k);
            switch (rng(4)) {
            case 0:
                m[at] ^= (uint8_t) (1u << rng(8));
                break;
            case 1:
                m[at] = (uint8_t) rng(256);
                break;
            case 2:
                memmove(m + at, m + at + 1, k - at - 1);
                k--;
                break;
            default:
                if (k < n + 8) {
                    memmove(m + at + 1, m + at, k - at);
                    k++;
                }
            }
        }
        survives(m, k);
    }
    free(m);
    fx_end(&f);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { test_truncated, 1 },
        { test_mutated, 1 },
    };
    return run_tests("parser_damage", tests, PPQ_COUNT(tests));
}
