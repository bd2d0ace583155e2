#include "executor/engine/kernels/cpu.h"

#include <assert.h>
#include <string.h>

static const char *const names[PPQ_ISA_COUNT] = {
    [PPQ_ISA_PORTABLE] = "portable", [PPQ_ISA_AVX2] = "avx2", [PPQ_ISA_AVX512] = "avx512",
    [PPQ_ISA_VNNI] = "vnni",         [PPQ_ISA_VBMI] = "vbmi",
};

#if defined(__x86_64__) && defined(__GNUC__)
// The builtin also asks whether the operating system saves the wide registers.
ppq_isa ppq_isa_detect(void)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return PPQ_ISA_PORTABLE;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
        return PPQ_ISA_AVX2;
    if (!__builtin_cpu_supports("avx512vnni"))
        return PPQ_ISA_AVX512;
    return __builtin_cpu_supports("avx512vbmi") ? PPQ_ISA_VBMI : PPQ_ISA_VNNI;
}
#else
ppq_isa ppq_isa_detect(void)
{
    return PPQ_ISA_PORTABLE;
}
#endif

const char *ppq_isa_name(ppq_isa isa)
{
    assert(isa >= PPQ_ISA_PORTABLE && isa < PPQ_ISA_COUNT);
    return names[isa];
}

bool ppq_isa_find(const char *name, ppq_isa *out)
{
    for (int i = 0; i < PPQ_ISA_COUNT; i++)
        if (!strcmp(names[i], name)) {
            *out = (ppq_isa) i;
            return true;
        }
    return false;
}
