#include "core/ext.h"

#define X(name) extern const ppq_dispatcher ppq_dispatcher_##name;
#include "dispatcher_list.h"
#undef X

const ppq_dispatcher *const ppq_builtin_dispatchers[] = {
#define X(name) &ppq_dispatcher_##name,
#include "dispatcher_list.h"
#undef X
    NULL,
};
