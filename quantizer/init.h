#ifndef PPQ_QUANTIZER_INIT_H
#define PPQ_QUANTIZER_INIT_H

#include "core/ext.h"
#include "core/settings.h"

// Which ops the platform can quantize, and why it cannot the others. Both arrays are per op id;
// why_not is static or in the graph's arena.
void ppq_quantizable_ops(const ppq_graph *g, const ppq_platform *p, bool *can,
                         const char **why_not);

// Gives every op its place: the dispatcher's answer, then the user's (types, exclusions, explicit
// places). A name or pattern that matches nothing is an error that names the nearest op.
PPQ_NODISCARD ppq_status ppq_place_ops(ppq_graph *g, const ppq_platform *p, const ppq_settings *s,
                                       ppq_diag *d);

// Gives every slot of every QUANT op its TQC, from the platform's table.
PPQ_NODISCARD ppq_status ppq_init_tqcs(ppq_graph *g, const ppq_platform *p, const ppq_settings *s,
                                       ppq_diag *d);

const ppq_observer *ppq_observer_find(const char *name);     // NULL if unknown
const ppq_platform *ppq_platform_find(const char *name);     // NULL if unknown
const ppq_dispatcher *ppq_dispatcher_find(const char *name); // NULL if unknown
const ppq_exporter *ppq_exporter_find(const char *name);     // NULL if unknown

#endif
