#include "core/ext.h"

#define X(name) extern const ppq_platform ppq_platform_##name;
#include "platform_list.h"
#undef X

const ppq_platform *const ppq_builtin_platforms[] = {
#define X(name) &ppq_platform_##name,
#include "platform_list.h"
#undef X
    NULL,
};
