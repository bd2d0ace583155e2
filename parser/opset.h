#ifndef PPQ_PARSER_OPSET_H
#define PPQ_PARSER_OPSET_H

#include "core/graph.h"
#include "parser/onnx.pb-c.h"
#include "parser/site.h"

// Domains a model may import. Each costs a search per op.
#define PPQ_MAX_DOMAINS 256

static inline const char *ppq_opset_domain(const Onnx__OperatorSetIdProto *o)
{
    return o->domain ? o->domain : "";
}

static inline ppq_status ppq_opset_check(const Onnx__OperatorSetIdProto *o, const ppq_site *s)
{
    if (o->version < 1)
        return ppq_site_fail(s, PPQ_ERR_MODEL,
                             "opset version of domain '%s' is %lld, must be 1 or more",
                             ppq_opset_domain(o), (long long) o->version);
    return PPQ_OK;
}

// Adds a domain the graph does not import yet.
static inline ppq_status ppq_opset_import(ppq_graph *g, const Onnx__OperatorSetIdProto *o,
                                          const ppq_site *s)
{
    PPQ_TRY(ppq_opset_check(o, s));
    if (g->n_opsets == PPQ_MAX_DOMAINS)
        return ppq_site_fail(s, PPQ_ERR_UNSUPPORTED, "it imports more than %d domains",
                             PPQ_MAX_DOMAINS);
    ppq_graph_set_opset(g, ppq_opset_domain(o), o->version);
    return PPQ_OK;
}

#endif
