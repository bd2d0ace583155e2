#include "core/ext.h"

#define X(name) extern const ppq_observer ppq_observer_##name;
#include "observer_list.h"
#undef X

const ppq_observer *const ppq_builtin_observers[] = {
#define X(name) &ppq_observer_##name,
#include "observer_list.h"
#undef X
    NULL,
};
