#include "core/ext.h"

#define X(name) extern const ppq_exporter ppq_exporter_##name;
#include "exporter_list.h"
#undef X

const ppq_exporter *const ppq_builtin_exporters[] = {
#define X(name) &ppq_exporter_##name,
#include "exporter_list.h"
#undef X
    NULL,
};
