#ifndef PPQ_QUANTIZER_FALLBACK_H
#define PPQ_QUANTIZER_FALLBACK_H

#include "quantizer/session.h"

// Mixed precision by measurement. Rounding adds up over a deep network, and a few of its parts cost
// an output more than all the others: they fall back to float until every output has
// settings->target_snr and 2 dB more, as other samples than these may do worse.
//
// What a part costs is simulated: the closing comparison once more, on the same samples, with that
// part in float. Parts are runs of int8 ops in the order of execution, a twelfth of all each. The
// one that helps most is taken, then the next beside it, until the goal is reached; then as much of
// them as can is given back to int8, in halves down to single ops (of many ops: to fewer pieces).

// Adds names to settings->rescued, with a warning that says why, and returns how many; 0 when
// outputs have what they should, when nothing was compared, when no part helps by itself, or when
// more than half of the layers would have to go.
PPQ_NODISCARD ppq_status ppq_fall_back(ppq_session *s, size_t *n);

#endif
