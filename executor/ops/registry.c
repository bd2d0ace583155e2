#include <string.h>

#include "core/op_def.h"
#include "core/text.h"

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

const char *ppq_op_def_nearest(const char *type)
{
    const char *best = NULL;
    int best_d = 3;
    for (const ppq_op_def *const *d = ppq_builtin_ops; *d; d++) {
        const int e = ppq_edit_distance(type, (*d)->type);
        if (e < best_d) {
            best_d = e;
            best = (*d)->type;
        }
    }
    return best;
}
