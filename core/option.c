#include "core/option.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static ppq_status bad(ppq_diag *d, const ppq_opt *o, const char *value, const char *want)
{
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" }, "option %s is '%s', expected %s",
                    o->key, value, want);
}

static ppq_status set_number(const ppq_opt *o, char *at, const char *value, ppq_diag *d)
{
    char *end;
    errno = 0;
    const double x = strtod(value, &end);
    if (end == value || *end || errno || isnan(x))
        return bad(d, o, value, "a number");
    if (!(o->min >= 0 && o->min <= 0 && o->max >= 0 && o->max <= 0) && (x < o->min || x > o->max))
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                        "option %s is %s, legal is %g to %g", o->key, value, o->min, o->max);
    if (o->type == PPQ_OPT_INT) {
        if (x != floor(x) || fabs(x) > 2147483647.0)
            return bad(d, o, value, "an integer");
        *(int *) (void *) at = (int) x;
    } else {
        *(double *) (void *) at = x;
    }
    return PPQ_OK;
}

ppq_status ppq_opts_set(const ppq_opt *opts, void *params, const char *key, const char *value,
                        ppq_diag *d)
{
    for (const ppq_opt *o = opts; o && o->key; o++) {
        if (strcmp(o->key, key) != 0)
            continue;
        char *at = (char *) params + o->offset;
        switch (o->type) {
        case PPQ_OPT_BOOL:
            if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
                return bad(d, o, value, "true or false");
            *(bool *) at = value[0] == 't';
            return PPQ_OK;
        case PPQ_OPT_INT:
        case PPQ_OPT_FLOAT:
            return set_number(o, at, value, d);
        case PPQ_OPT_ENUM:
            for (int i = 0; o->names[i]; i++)
                if (strcmp(o->names[i], value) == 0) {
                    *(int *) (void *) at = i;
                    return PPQ_OK;
                }
            return bad(d, o, value, "one of its listed values");
        }
    }
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" }, "there is no option '%s'", key);
}
