#ifndef PPQ_EXECUTOR_OPS_PATTERN_H
#define PPQ_EXECUTOR_OPS_PATTERN_H

#include "core/arena.h"
#include "core/tensor.h"

// Whether a whole text matches a regular expression in the syntax of RE2, in time proportional to
// the text. Not supported: Unicode classes (\p) and (?i) with letters beyond ASCII.
typedef struct ppq_pattern ppq_pattern;

// The result lives in `a` and is used by one thread at a time. On failure *why is one static
// phrase: PPQ_ERR_MODEL for an expression that RE2 refuses too, PPQ_ERR_UNSUPPORTED otherwise.
PPQ_NODISCARD ppq_status ppq_pattern_compile(ppq_string pattern, ppq_arena *a, ppq_pattern **out,
                                             const char **why);
// Text is UTF-8; bytes that are not match nothing.
bool ppq_pattern_matches(ppq_pattern *r, ppq_string text);

#endif
