#define _DEFAULT_SOURCE
#include "parser/mapping.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static ppq_status cannot_read(const char *path, const char *why, ppq_diag *d)
{
    return ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "parse" }, "cannot read '%s': %s", path,
                    why);
}

static ppq_status map_fd(int fd, const char *path, ppq_mapping *out, ppq_diag *d)
{
    struct stat sb;
    if (fstat(fd, &sb) != 0)
        return cannot_read(path, strerror(errno), d);
    if (S_ISDIR(sb.st_mode))
        return cannot_read(path, "it is a folder", d);
    if (!S_ISREG(sb.st_mode))
        return cannot_read(path, "it is not a regular file", d);
    if ((uintmax_t) sb.st_size > SIZE_MAX / 2)
        return cannot_read(path, "it is too large for this machine", d);
    ppq_mapping m = { .size = (size_t) sb.st_size, .owned = true };
    if (m.size) {
        void *p = mmap(NULL, m.size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            return cannot_read(path, strerror(errno), d);
        m.data = p;
    }
    *out = m;
    return PPQ_OK;
}

ppq_status ppq_mapping_open(const char *path, ppq_mapping *out, ppq_diag *d)
{
    // Non-blocking, or a pipe nobody writes to would hang here.
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot_read(path, strerror(errno), d);
    const ppq_status st = map_fd(fd, path, out, d);
    close(fd);
    return st;
}

void ppq_mapping_close(ppq_mapping *m)
{
    if (m->owned && m->data)
        munmap((void *) (uintptr_t) m->data, m->size);
    *m = (ppq_mapping){ 0 };
}

void ppq_mapping_forget(const ppq_mapping *m)
{
    if (m->owned && m->data)
        (void) madvise((void *) (uintptr_t) m->data, m->size, MADV_DONTNEED);
}

void ppq_mapping_copy(const ppq_mapping *m, void *dst, const unsigned char *src, size_t n)
{
    enum { CHUNK = 8 << 20 };
    assert(n <= m->size && (size_t) (src - m->data) <= m->size - n);
    const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < n; at += CHUNK) {
        const size_t k = PPQ_MIN(n - at, (size_t) CHUNK);
        memcpy((unsigned char *) dst + at, src + at, k);
        // Whole pages inside the chunk; a neighbour may still need the ragged ends.
        const uintptr_t lo = ((uintptr_t) (src + at) + page - 1) & ~(page - 1);
        const uintptr_t hi = (uintptr_t) (src + at + k) & ~(page - 1);
        if (m->owned && lo < hi)
            (void) madvise((void *) lo, hi - lo, MADV_DONTNEED);
    }
}
