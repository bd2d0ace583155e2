#include "core/option.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

static ppq_status bad(ppq_diag *d, const char *owner, const ppq_opt *o, const char *value,
                      const char *want)
{
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                    "%s: option %s is '%s', expected %s", owner, o->key, value, want);
}

static ppq_status set_number(const char *owner, const ppq_opt *o, char *at, const char *value,
                             ppq_diag *d)
{
    char *end;
    errno = 0;
    const double x = strtod(value, &end);
    if (end == value || *end || errno || isnan(x))
        return bad(d, owner, o, value, "a number");
    if (!(o->min >= 0 && o->min <= 0 && o->max >= 0 && o->max <= 0) && (x < o->min || x > o->max))
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                        "%s: option %s is %s, legal is %g to %g", owner, o->key, value, o->min,
                        o->max);
    if (o->type == PPQ_OPT_INT) {
        if (x != floor(x) || fabs(x) > 2147483647.0)
            return bad(d, owner, o, value, "an integer");
        *(int *) (void *) at = (int) x;
    } else {
        *(double *) (void *) at = x;
    }
    return PPQ_OK;
}

static ppq_status one_of(ppq_diag *d, const char *owner, const ppq_opt *o, const char *value)
{
    char legal[256];
    size_t n = 0;
    for (int i = 0; o->names[i] && n < sizeof(legal); i++)
        n += (size_t) snprintf(legal + n, sizeof(legal) - n, "%s%s", i ? ", " : "", o->names[i]);
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                    "%s: option %s is '%s', legal are %s", owner, o->key, value, legal);
}

static ppq_status unknown(ppq_diag *d, const char *owner, const ppq_opt *opts, const char *key)
{
    const char *best = NULL;
    int least = 1 << 20;
    for (const ppq_opt *o = opts; o && o->key; o++) {
        const int n = ppq_edit_distance(key, o->key);
        if (n < least) {
            least = n;
            best = o->key;
        }
    }
    if (!best)
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                        "%s: there is no option '%s': there are none", owner, key);
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "options" },
                    "%s: there is no option '%s'; the nearest is '%s'", owner, key, best);
}

ppq_status ppq_opts_set(const char *owner, const ppq_opt *opts, void *params, const char *key,
                        const char *value, ppq_diag *d)
{
    for (const ppq_opt *o = opts; o && o->key; o++) {
        if (strcmp(o->key, key) != 0)
            continue;
        char *at = (char *) params + o->offset;
        switch (o->type) {
        case PPQ_OPT_BOOL:
            if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
                return bad(d, owner, o, value, "true or false");
            *(bool *) at = value[0] == 't';
            return PPQ_OK;
        case PPQ_OPT_INT:
        case PPQ_OPT_FLOAT:
            return set_number(owner, o, at, value, d);
        case PPQ_OPT_ENUM:
            for (int i = 0; o->names[i]; i++)
                if (strcmp(o->names[i], value) == 0) {
                    *(int *) (void *) at = i;
                    return PPQ_OK;
                }
            return one_of(d, owner, o, value);
        }
    }
    return unknown(d, owner, opts, key);
}
