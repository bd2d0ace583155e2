#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_DISPATCH_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_DISPATCH_H

#include "executor/engine/kernels/cpu.h"

// The inner loops of a kernel are one source, <kernel>_loops.c, that meson compiles for every
// level (PPQ_ISA is its name) over the vocabulary of vec.h. Each object defines one table of
// functions, PPQ_LOOPS(stem); PPQ_DECLARE_LOOPS makes the function that picks among them.

#define PPQ_LOOPS_JOIN(stem, isa) stem##_##isa
#define PPQ_LOOPS_NAME(stem, isa) PPQ_LOOPS_JOIN(stem, isa)
#define PPQ_LOOPS(stem)           PPQ_LOOPS_NAME(stem, PPQ_ISA)

#if defined(__x86_64__) && defined(__GNUC__)
#define PPQ_DECLARE_LOOPS(stem)                                                              \
    extern const stem stem##_portable, stem##_avx2, stem##_avx512, stem##_vnni, stem##_vbmi; \
    static inline const stem *stem##_pick(ppq_isa isa)                                       \
    {                                                                                        \
        static const stem *const of[PPQ_ISA_COUNT] = { &stem##_portable, &stem##_avx2,       \
                                                       &stem##_avx512, &stem##_vnni,         \
                                                       &stem##_vbmi };                       \
        return of[isa];                                                                      \
    }
#else
#define PPQ_DECLARE_LOOPS(stem)                        \
    extern const stem stem##_portable;                 \
    static inline const stem *stem##_pick(ppq_isa isa) \
    {                                                  \
        (void) isa;                                    \
        return &stem##_portable;                       \
    }
#endif

#endif
