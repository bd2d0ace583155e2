// Any bytes: a graph or one message, never more. A graph can be normalized or is refused with
// messages, and what is written of it can be read again.
//
// With libFuzzer this is the target; without, a program that replays files and folders of files.

#include "exporter/onnx_writer.h"
#include "parser/load.h"
#include "parser/normalize/normalize.h"
#include "tests/fuzz/replay.h"

static void require(bool ok, const char *what, const ppq_diag *d)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_parser: %s\n", what);
    for (size_t i = 0; i < ppq_diag_count(d, PPQ_SEV_NOTE); i++)
        fprintf(stderr, "  %s\n", ppq_diag_at(d, i)->msg);
    abort();
}

static void write_and_read(const ppq_graph *g)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    void *bytes;
    size_t n;
    ppq_graph *again;
    require(ppq_onnx_write_bytes(g, &bytes, &n, d) == PPQ_OK, "a graph cannot be written", d);
    require(ppq_parse_bytes(bytes, n, NULL, "written", &again, d) == PPQ_OK,
            "a written graph cannot be read", d);
    ppq_graph_destroy(again);
    free(bytes);
    ppq_diag_destroy(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ppq_diag *d = ppq_diag_create(NULL, NULL);
    ppq_graph *g;
    const ppq_status st = ppq_parse_bytes(data, size, NULL, "fuzz", &g, d);
    require(ppq_diag_count(d, PPQ_SEV_ERROR) == (st != PPQ_OK), "not one message for one failure",
            d);
    if (st == PPQ_OK) {
        write_and_read(g);
        const ppq_status normal = ppq_normalize(g, d);
        require((normal == PPQ_OK) == !ppq_diag_count(d, PPQ_SEV_ERROR),
                "normalizing fails without a message, or not with one", d);
        if (normal == PPQ_OK) {
            require(ppq_graph_verify(g, d) == PPQ_OK, "a normalized graph does not verify", d);
            write_and_read(g);
        }
        ppq_graph_destroy(g);
    }
    ppq_diag_destroy(d);
    return 0;
}
