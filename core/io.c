#define _POSIX_C_SOURCE 200809L
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void reserve(ppq_buf *b, size_t more)
{
    if (b->cap - b->n > more)
        return;
    const size_t cap = PPQ_MAX(b->n + more + 1, b->cap * 2 + 64);
    b->data = realloc(b->data, cap);
    if (!b->data)
        abort();
    b->cap = cap;
}

void ppq_buf_append(ppq_buf *b, const void *data, size_t n)
{
    reserve(b, n);
    if (n)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    b->data[b->n] = 0;
}

void ppq_buf_printf(ppq_buf *b, const char *fmt, ...)
{
    va_list ap, aq;
    va_start(ap, fmt);
    va_copy(aq, ap);
    const int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0) {
        reserve(b, (size_t) n);
        vsnprintf(b->data + b->n, (size_t) n + 1, fmt, aq);
        b->n += (size_t) n;
    }
    va_end(aq);
}

const char *ppq_buf_str(ppq_buf *b)
{
    reserve(b, 0);
    b->data[b->n] = 0;
    return b->data;
}

void ppq_buf_free(ppq_buf *b)
{
    free(b->data);
    *b = (ppq_buf){ 0 };
}

// Temporaries that exist right now. Only a signal handler needs them outside their ppq_file, so
// they are the process's business, like the file system itself.
enum { MAX_OPEN = 32 };
static _Atomic(const char *) open_temps[MAX_OPEN];

struct ppq_file {
    char *path, *temp; // temp NULL: written in place, or committed
    int fd;
    int seat; // in open_temps, -1 when it was full
};

static ppq_status io_error(const char *what, const char *path, ppq_diag *d)
{
    return ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "io" }, "%s '%s': %s", what, path,
                    strerror(errno));
}

static void open_temp(ppq_file *f)
{
    const size_t n = strlen(f->path) + 16;
    f->temp = malloc(n);
    if (!f->temp)
        abort();
    snprintf(f->temp, n, "%s.XXXXXX", f->path);
    f->fd = mkstemp(f->temp);
    if (f->fd < 0) {
        free(f->temp);
        f->temp = NULL;
        return;
    }
    const mode_t mask = umask(0);
    umask(mask);
    (void) fchmod(f->fd, 0666 & ~mask);
    for (int i = 0; i < MAX_OPEN && f->seat < 0; i++) {
        const char *none = NULL;
        if (atomic_compare_exchange_strong(&open_temps[i], &none, f->temp))
            f->seat = i;
    }
}

ppq_status ppq_file_create(const char *path, ppq_file **out, ppq_diag *d)
{
    struct stat sb;
    const bool exists = stat(path, &sb) == 0;
    if (exists && S_ISDIR(sb.st_mode)) {
        errno = EISDIR;
        return io_error("cannot write", path, d);
    }
    ppq_file *f = calloc(1, sizeof(*f));
    if (!f || !(f->path = strdup(path)))
        abort();
    f->seat = -1;
    // A device or pipe is written to, never replaced.
    if (exists && !S_ISREG(sb.st_mode))
        f->fd = open(path, O_WRONLY | O_CLOEXEC);
    else
        open_temp(f);
    if (f->fd < 0) {
        const ppq_status st = io_error("cannot write", path, d);
        ppq_file_destroy(f);
        return st;
    }
    *out = f;
    return PPQ_OK;
}

ppq_status ppq_file_write(ppq_file *f, const void *data, size_t n, ppq_diag *d)
{
    const char *p = data;
    while (n) {
        const ssize_t k = write(f->fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return io_error("cannot write", f->path, d);
        p += k;
        n -= (size_t) k;
    }
    return PPQ_OK;
}

ppq_status ppq_file_finish(ppq_file *f, ppq_diag *d)
{
    const int fd = f->fd;
    f->fd = -1;
    if (fd >= 0 && close(fd) != 0)
        return io_error("cannot write", f->path, d);
    return PPQ_OK;
}

ppq_status ppq_file_commit(ppq_file *f, ppq_diag *d)
{
    PPQ_TRY(ppq_file_finish(f, d));
    if (f->temp && rename(f->temp, f->path) != 0)
        return io_error("cannot write", f->path, d);
    if (f->seat >= 0)
        atomic_store(&open_temps[f->seat], NULL);
    f->seat = -1;
    free(f->temp);
    f->temp = NULL;
    return PPQ_OK;
}

void ppq_file_destroy(ppq_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->temp)
        unlink(f->temp);
    if (f->seat >= 0)
        atomic_store(&open_temps[f->seat], NULL);
    free(f->temp);
    free(f->path);
    free(f);
}

ppq_status ppq_file_write_text(const char *path, const ppq_buf *text, ppq_diag *d)
{
    ppq_file *f;
    PPQ_TRY(ppq_file_create(path, &f, d));
    ppq_status st = text->n ? ppq_file_write(f, text->data, text->n, d) : PPQ_OK;
    if (st == PPQ_OK)
        st = ppq_file_commit(f, d);
    ppq_file_destroy(f);
    return st;
}

void ppq_file_emergency_cleanup(void)
{
    for (int i = 0; i < MAX_OPEN; i++) {
        const char *t = atomic_load(&open_temps[i]);
        if (t)
            unlink(t);
    }
}

ppq_status ppq_file_read(const char *path, size_t max_bytes, char **out, size_t *n, ppq_diag *d)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return io_error("cannot read", path, d);
    struct stat sb;
    char *buf = NULL;
    ppq_status st = PPQ_OK;
    if (fstat(fd, &sb) != 0) {
        st = io_error("cannot read", path, d);
    } else if (!S_ISREG(sb.st_mode)) {
        st = ppq_fail(d, PPQ_ERR_IO, (ppq_loc){ .stage = "io" }, "'%s' is not a file", path);
    } else if ((uint64_t) sb.st_size > max_bytes) {
        st = ppq_fail(d, PPQ_ERR_DATA, (ppq_loc){ .stage = "io" },
                      "'%s' has %llu bytes, more than the %zu allowed", path,
                      (unsigned long long) sb.st_size, max_bytes);
    } else if (!(buf = malloc((size_t) sb.st_size + 1))) {
        st = ppq_fail(d, PPQ_ERR_NOMEM, (ppq_loc){ .stage = "io" }, "no memory for '%s'", path);
    }
    size_t got = 0;
    while (st == PPQ_OK && got < (size_t) sb.st_size) {
        const ssize_t k = read(fd, buf + got, (size_t) sb.st_size - got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            st = io_error("cannot read", path, d);
        if (k <= 0)
            break;
        got += (size_t) k;
    }
    close(fd);
    if (st != PPQ_OK) {
        free(buf);
        return st;
    }
    buf[got] = 0;
    *out = buf;
    *n = got;
    return PPQ_OK;
}
