#include "core/op_def.h"

// kernel_list.h is written by meson from the list in executor/dnnl/meson.build.
#define X(name) extern const ppq_kernel ppq_kernel_##name;
#include "kernel_list.h"
#undef X

const ppq_kernel *const ppq_builtin_kernels[] = {
#define X(name) &ppq_kernel_##name,
#include "kernel_list.h"
#undef X
    NULL,
};
