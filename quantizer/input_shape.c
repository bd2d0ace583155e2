#include "quantizer/input_shape.h"

#include <stdlib.h>
#include <string.h>

static const ppq_loc here = { .stage = "--input-shape" };

static ppq_status parse_shape(const char *text, ppq_shape *s, ppq_diag *d)
{
    *s = (ppq_shape){ .rank = 0 };
    for (const char *p = text;;) {
        char *end;
        const long long v = *p == '?' ? -1 : strtoll(p, &end, 10);
        if (*p == '?')
            end = (char *) (uintptr_t) (p + 1);
        if (end == p || (*p != '?' && v < 0) || s->rank == PPQ_MAX_RANK)
            break;
        s->dim[s->rank++] = v;
        if (!*end)
            return PPQ_OK;
        if (*end != 'x')
            break;
        p = end + 1;
    }
    return ppq_fail(d, PPQ_ERR_ARG, here, "--input-shape has '%s', expected sizes like 1x3x224x224",
                    text);
}

ppq_status ppq_session_input_shape(ppq_session *s, const char *spec)
{
    const ppq_graph *g = s->graph;
    const char *cut = strrchr(spec, ':');
    ppq_shape shape;
    PPQ_TRY(parse_shape(cut ? cut + 1 : spec, &shape, s->diag));
    if (!cut && g->n_inputs != 1)
        return ppq_fail(s->diag, PPQ_ERR_ARG, here,
                        "the model has %d inputs: --input-shape needs NAME:SHAPE", g->n_inputs);
    char *name = cut ? strndup(spec, (size_t) (cut - spec)) : strdup(g->inputs[0]->name);
    if (!name)
        abort();
    const ppq_status st = ppq_session_fix_shape(s, name, &shape);
    free(name);
    return st;
}
