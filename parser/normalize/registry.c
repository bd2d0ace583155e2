#include "parser/normalize/rule.h"

// normalize_list.h is written by meson from the list in parser/normalize/meson.build.
#define X(name) extern const ppq_normalize_rule ppq_normalize_##name;
#include "normalize_list.h"
#undef X

const ppq_normalize_rule *const ppq_normalize_rules[] = {
#define X(name) &ppq_normalize_##name,
#include "normalize_list.h"
#undef X
    NULL,
};
