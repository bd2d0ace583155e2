#include "executor/engine/plan.h"

#define X(name) extern const ppq_rule ppq_rule_##name;
#include "lowering_list.h"
#undef X

const ppq_rule *const ppq_builtin_rules[] = {
#define X(name) &ppq_rule_##name,
#include "lowering_list.h"
#undef X
    NULL
};
