#ifndef PPQ_CORE_OPTION_H
#define PPQ_CORE_OPTION_H

#include "core/diag.h"

typedef enum ppq_opt_type {
    PPQ_OPT_BOOL,  // bool
    PPQ_OPT_INT,   // int
    PPQ_OPT_FLOAT, // double
    PPQ_OPT_ENUM,  // int, index into names
} ppq_opt_type;

// One option of something that is a list entry: how it is named, read and listed.
typedef struct ppq_opt {
    const char *key, *help;
    ppq_opt_type type;
    size_t offset;            // into the params struct
    double min, max;          // both 0: unlimited
    const char *const *names; // ENUM: NULL-terminated, index is the value
} ppq_opt;

// PPQ_ERR_ARG for an unknown key (the nearest is named) or a value out of range; *params is then
// untouched. `owner` begins the message.
PPQ_NODISCARD ppq_status ppq_opts_set(const char *owner, const ppq_opt *opts, void *params,
                                      const char *key, const char *value, ppq_diag *d);

#endif
