// Any bytes: a graph or one message, never more. A graph can be normalized or is refused with
// messages, and what is written of it can be read again.
//
// With libFuzzer this is the target; without, a program that replays files and folders of files.

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/io.h"
#include "exporter/onnx_writer.h"
#include "parser/load.h"
#include "parser/normalize/normalize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

#ifndef PPQ_LIBFUZZER
static size_t replay(const char *path)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return 0;
    size_t n = 0;
    if (S_ISDIR(sb.st_mode)) {
        DIR *dir = opendir(path);
        for (struct dirent *e; dir && (e = readdir(dir));) {
            ppq_buf name = { 0 };
            ppq_buf_printf(&name, "%s/%s", path, e->d_name);
            n += e->d_name[0] == '.' ? 0 : replay(name.data);
            ppq_buf_free(&name);
        }
        if (dir)
            closedir(dir);
        return n;
    }
    char *bytes;
    size_t size;
    if (ppq_file_read(path, (size_t) 1 << 28, &bytes, &size, NULL) != PPQ_OK)
        return 0;
    (void) LLVMFuzzerTestOneInput((const uint8_t *) bytes, size);
    free(bytes);
    return 1;
}

int main(int argc, char **argv)
{
    size_t n = 0;
    for (int i = 1; i < argc; i++)
        n += replay(argv[i]);
    printf("%zu files replayed\n", n);
    return n ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif
