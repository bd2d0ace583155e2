#include <string.h>

#include "core/op_def.h"

// op_list.h is written by meson from the list in executor/ops/meson.build.
#define X(name) extern const ppq_op_def ppq_op_##name;
#include "op_list.h"
#undef X

const ppq_op_def *const ppq_builtin_ops[] = {
#define X(name) &ppq_op_##name,
#include "op_list.h"
#undef X
    NULL,
};

const ppq_op_def *ppq_op_def_find(const char *domain, const char *type)
{
    for (const ppq_op_def *const *d = ppq_builtin_ops; *d; d++)
        if (strcmp((*d)->type, type) == 0 && strcmp((*d)->domain, domain) == 0)
            return *d;
    return NULL;
}

static int edit_distance(const char *a, const char *b)
{
    enum { MAX = 48 };
    const size_t na = strlen(a), nb = strlen(b);
    if (na >= MAX || nb >= MAX)
        return MAX;
    int row[MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = (int) j;
    for (size_t i = 1; i <= na; i++) {
        int diag = row[0];
        row[0] = (int) i;
        for (size_t j = 1; j <= nb; j++) {
            const int up = row[j], sub = diag + (a[i - 1] != b[j - 1]);
            row[j] = PPQ_MIN(sub, PPQ_MIN(up, row[j - 1]) + 1);
            diag = up;
        }
    }
    return row[nb];
}

const char *ppq_op_def_nearest(const char *type)
{
    const char *best = NULL;
    int best_d = 3;
    for (const ppq_op_def *const *d = ppq_builtin_ops; *d; d++) {
        const int e = edit_distance(type, (*d)->type);
        if (e < best_d) {
            best_d = e;
            best = (*d)->type;
        }
    }
    return best;
}
