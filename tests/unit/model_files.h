#ifndef PPQ_TESTS_UNIT_MODEL_FILES_H
#define PPQ_TESTS_UNIT_MODEL_FILES_H

// A folder for model files that goes with the test.

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/model_fixture.h"

// Of the test that runs; each is a process of its own.
FIXTURE char folder[64];

FIXTURE void make_folder(void)
{
    snprintf(folder, sizeof(folder), "/tmp/ppq-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

FIXTURE const char *in_folder(fixture *f, const char *name)
{
    return ppq_arena_printf(f->a, "%s/%s", folder, name);
}

FIXTURE void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(data, 1, n, file), n);
    ck_assert_int_eq(fclose(file), 0);
}

FIXTURE size_t empty_folder(const char *path, bool remove_files)
{
    DIR *dir = opendir(path);
    ck_assert_ptr_nonnull(dir);
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        char name[400];
        snprintf(name, sizeof(name), "%.60s/%.300s", path, e->d_name);
        n++;
        if (remove_files && unlink(name) != 0)
            (void) rmdir(name);
    }
    closedir(dir);
    return n;
}

FIXTURE void remove_folder(void)
{
    (void) empty_folder(folder, true);
    (void) rmdir(folder);
}

// Weight w is three floats in a file.

#endif
