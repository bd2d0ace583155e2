#ifndef PPQ_TESTS_FUZZ_REPLAY_H
#define PPQ_TESTS_FUZZ_REPLAY_H

// The entry of libFuzzer, and the program that replays files and folders of files where there is no
// libFuzzer. Included once, by a target.

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

#endif
