// Model files: external data, and writing whole or not at all.
#define _XOPEN_SOURCE 700

#include <signal.h>
#include <sys/resource.h>

#include "exporter/onnx_writer.h"
#include "tests/unit/harness.h"
#include "tests/unit/model_files.h"

// ---- external data --------------------------------------------------------------------------

static fixture external_model(const char *location, const char *offset, const char *length)
{
    fixture f = fx_begin(13);
    fx_node(&f, "Add", "x,w", "y");
    Onnx__TensorProto *t = fx_tensor(&f, "w", 1, fx_three);
    FX_PUSH(&f, f.graph, initializer, t);
    if (location)
        fx_external(&f, t, "location", location);
    if (offset)
        fx_external(&f, t, "offset", offset);
    if (length)
        fx_external(&f, t, "length", length);
    fx_external(&f, t, "checksum", "whatever");
    return f;
}

START_TEST(test_external_data)
{
    make_folder();
    const float data[] = { 0, 1, 2, 3 };
    fixture f = external_model("w.bin", "4", "12");
    write_file(in_folder(&f, "w.bin"), data, sizeof(data));
    size_t n;
    const uint8_t *p = fx_pack(&f, &n);
    write_file(in_folder(&f, "m.onnx"), p, n);
    ppq_graph *g;
    ck_assert_int_eq(ppq_parse_file(in_folder(&f, "m.onnx"), &g, f.d), PPQ_OK);
    ck_assert(g->had_external_data);
    ck_assert_int_eq(memcmp(ppq_f32(&ppq_graph_find_var(g, "w")->value), data + 1, 12), 0);

    // Written inline by default, beside the model on request.
    const ppq_onnx_write_opts pair = { .external = true, .external_min = 1 };
    ck_assert_int_eq(ppq_onnx_write_file(g, in_folder(&f, "pair.onnx"), &pair, f.d), PPQ_OK);
    ck_assert_int_eq(access(in_folder(&f, "pair.onnx.data"), R_OK), 0);
    ppq_graph *again;
    ck_assert_int_eq(ppq_parse_file(in_folder(&f, "pair.onnx"), &again, f.d), PPQ_OK);
    ck_assert(again->had_external_data);
    ck_assert(ppq_tensor_equal(&ppq_graph_find_var(g, "w")->value,
                               &ppq_graph_find_var(again, "w")->value));
    ppq_graph_destroy(again);
    ppq_graph_destroy(g);

    // A link inside the folder is fine, one that leaves it is not.
    ck_assert_int_eq(symlink("w.bin", in_folder(&f, "inside")), 0);
    ck_assert_int_eq(symlink("/etc/passwd", in_folder(&f, "outside")), 0);
    fx_end(&f);
    f = external_model("inside", "4", NULL);
    p = fx_pack(&f, &n);
    ppq_graph_destroy(fx_parse_bytes(&f, p, n, folder));
    fx_end(&f);
    remove_folder();
}
END_TEST

START_TEST(test_external_data_refused)
{
    static const struct {
        const char *location, *offset, *length;
        ppq_status code;
        const char *words;
    } t[] = {
        { "missing.bin", NULL, NULL, PPQ_ERR_IO, "'w',missing.bin,No such file" },
        { "../w.bin", NULL, NULL, PPQ_ERR_MODEL, "'w',leaves the model" },
        { "sub/../../w.bin", NULL, NULL, PPQ_ERR_MODEL, "'w',leaves the model" },
        { "..", NULL, NULL, PPQ_ERR_MODEL, "'w',leaves the model" },
        { "/etc/passwd", NULL, NULL, PPQ_ERR_MODEL, "'w',absolute" },
        { "outside", NULL, NULL, PPQ_ERR_MODEL, "'w',is a link that leaves" },
        { ".", NULL, NULL, PPQ_ERR_MODEL, "'w'" },
        { "dir", NULL, NULL, PPQ_ERR_IO, "is a folder" },
        { "", NULL, NULL, PPQ_ERR_MODEL, "'w',location" },
        { NULL, NULL, NULL, PPQ_ERR_MODEL, "'w',location" },
        { "w.bin", "5", "12", PPQ_ERR_MODEL, "'w',bytes 5 to 17,has 16" },
        { "w.bin", "18446744073709551615", NULL, PPQ_ERR_MODEL, "'w',offset" },
        { "w.bin", "922337203685477580", NULL, PPQ_ERR_MODEL, "'w',has 16" },
        { "w.bin", "-1", NULL, PPQ_ERR_MODEL, "offset '-1'" },
        { "w.bin", "1x", NULL, PPQ_ERR_MODEL, "offset '1x'" },
        { "w.bin", "", NULL, PPQ_ERR_MODEL, "offset ''" },
        { "w.bin", "0", "16", PPQ_ERR_MODEL, "'w',length is 16,need 12" },
        { "w.bin", "0", "8", PPQ_ERR_MODEL, "'w',length is 8,need 12" },
    };
    make_folder();
    fixture f = fx_begin(13);
    write_file(in_folder(&f, "w.bin"), "0123456789abcdef", 16);
    ck_assert_int_eq(symlink("/etc/passwd", in_folder(&f, "outside")), 0);
    ck_assert_int_eq(mkdir(in_folder(&f, "dir"), 0700), 0);
    fx_end(&f);
    for (size_t i = 0; i < PPQ_COUNT(t); i++) {
        f = external_model(t[i].location, t[i].offset, t[i].length);
        size_t n;
        const uint8_t *p = fx_pack(&f, &n);
        fx_refused_bytes(&f, p, n, folder, t[i].code, t[i].words);
        fx_end(&f);
    }
    f = external_model("w.bin", NULL, NULL);
    fx_refused(&f, PPQ_ERR_MODEL, "'w',does not come from a folder");
    remove_folder();
}
END_TEST

// ---- writing files --------------------------------------------------------------------------

START_TEST(test_write_failures_leave_nothing)
{
    make_folder();
    fixture f = fx_begin(13);
    fx_node(&f, "Add", "x,w", "y");
    fx_init(&f, "w", 1, fx_three, 12, NULL);
    ppq_graph *g = fx_parse(&f);
    const ppq_onnx_write_opts pair = { .external = true, .external_min = 1 };
    const char *const paths[] = { "no/such/folder.onnx", "dir" };
    ck_assert_int_eq(mkdir(in_folder(&f, "dir"), 0700), 0);
    for (size_t i = 0; i < PPQ_COUNT(paths); i++) {
        ppq_diag *d = ppq_diag_create(NULL, NULL);
        ck_assert_int_eq(ppq_onnx_write_file(g, in_folder(&f, paths[i]), &pair, d), PPQ_ERR_IO);
        ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_NOTE), 1);
        ppq_diag_destroy(d);
    }
    ck_assert_uint_eq(empty_folder(folder, false), 1);
    ppq_graph_destroy(g);
    fx_end(&f);
    remove_folder();
}
END_TEST

// A limit on the size of files stands in for a full disk.
START_TEST(test_disk_full)
{
    make_folder();
    fixture f = fx_begin(13);
    fx_node(&f, "Add", "x,w", "y");
    fx_init(&f, "w", 1, (const int64_t[]){ 1 << 18, -1 }, 1 << 20, NULL);
    ppq_graph *g = fx_parse(&f);
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (int external = 0; external < 2; external++) {
        ppq_diag *d = ppq_diag_create(NULL, NULL);
        const struct rlimit small = { 4096, before.rlim_max };
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        const ppq_status st = ppq_onnx_write_file(
            g, in_folder(&f, "m.onnx"), &(ppq_onnx_write_opts){ .external = external }, d);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
        ck_assert_int_eq(st, PPQ_ERR_IO);
        ck_assert_uint_eq(ppq_diag_count(d, PPQ_SEV_NOTE), 1);
        ck_assert_uint_eq(empty_folder(folder, false), 0);
        ppq_diag_destroy(d);
    }
    (void) signal(SIGXFSZ, handler);
    ppq_graph_destroy(g);
    fx_end(&f);
    remove_folder();
}
END_TEST

START_TEST(test_ir_version_is_raised)
{
    fixture f = fx_begin(13);
    f.model->ir_version = 3;
    fx_finish(&f);
    fx_init(&f, "w", PPQ_DT_I4, fx_one, 1, NULL);
    ppq_graph *g = fx_parse(&f);
    void *bytes;
    size_t n;
    ck_assert_int_eq(ppq_onnx_write_bytes(g, &bytes, &n, f.d), PPQ_OK);
    ppq_graph *again = fx_parse_bytes(&f, bytes, n, NULL);
    ck_assert_int_eq(again->ir_version, 10);
    ppq_graph_destroy(again);
    free(bytes);
    ppq_graph_destroy(g);
    fx_end(&f);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { test_external_data, 1 },
        { test_external_data_refused, 1 },
        { test_write_failures_leave_nothing, 1 },
        { test_disk_full, 1 },
        { test_ir_version_is_raised, 1 },
    };
    return run_tests("parser_files", tests, PPQ_COUNT(tests));
}
