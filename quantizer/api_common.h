#ifndef PPQ_QUANTIZER_API_COMMON_H
#define PPQ_QUANTIZER_API_COMMON_H

#include "core/diag.h"
#include "ppq/ppq.h"

// Where the inner interfaces become the public one.

ppq_result ppq_result_of(ppq_status st);
// A diagnostics sink; `user` is a ppq_callbacks that outlives the diagnostics.
void ppq_forward_message(void *user, const ppq_diag_item *i);

#endif
