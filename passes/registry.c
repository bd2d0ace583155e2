#include <string.h>

#include "core/pass.h"
#include "core/text.h"

#define X(name) extern const ppq_pass ppq_pass_##name;
#include "pass_list.h"
#undef X

const ppq_pass *const ppq_builtin_passes[] = {
#define X(name) &ppq_pass_##name,
#include "pass_list.h"
#undef X
    NULL,
};

const ppq_pass *ppq_pass_find(const char *name)
{
    for (const ppq_pass *const *p = ppq_builtin_passes; *p; p++)
        if (strcmp((*p)->name, name) == 0)
            return *p;
    return NULL;
}

const char *ppq_pass_nearest(const char *name)
{
    const char *best = "";
    int least = 1 << 20;
    for (const ppq_pass *const *p = ppq_builtin_passes; *p; p++) {
        const int n = ppq_edit_distance(name, (*p)->name);
        if (n < least) {
            least = n;
            best = (*p)->name;
        }
    }
    return best;
}

static const char *fact_name(uint32_t bit)
{
    static const char *const names[] = { "normalized", "shapes",        "placed",
                                         "tqc",        "calib-weights", "calib-activations",
                                         "passive",    "baked" };
    for (unsigned i = 0; i < PPQ_COUNT(names); i++)
        if (bit == 1u << i)
            return names[i];
    return "?";
}

ppq_status ppq_pipeline_check(const ppq_pass_step *s, size_t n, uint32_t have, ppq_diag *d)
{
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < n; i++) {
        const ppq_pass *p = s[i].pass;
        for (uint32_t miss = p->needs & ~have; miss; miss &= miss - 1)
            st = ppq_fail(d, PPQ_ERR_STATE, (ppq_loc){ .stage = p->name },
                          "pass %zu needs '%s', which nothing before it provides", i,
                          fact_name(miss & (~miss + 1)));
        have = (have & ~p->breaks) | p->gives;
    }
    return st;
}
