#ifndef PPQ_EXECUTOR_ENGINE_KERNELS_CPU_H
#define PPQ_EXECUTOR_ENGINE_KERNELS_CPU_H

#include "core/base.h"

// Which instructions the kernels of this folder may use. Each level includes those before it and
// gives the same bytes; a kernel that has nothing special for a level uses the one below. Every
// kernel takes the level as an argument, so that a caller can cap it: any level up to
// ppq_isa_detect() is legal.
typedef enum ppq_isa {
    PPQ_ISA_PORTABLE, // plain C
    PPQ_ISA_AVX2,
    PPQ_ISA_AVX512, // F, BW, VL, DQ
    PPQ_ISA_VNNI,
    PPQ_ISA_VBMI,
    PPQ_ISA_COUNT
} ppq_isa;

// The highest level that this processor and its operating system offer.
ppq_isa ppq_isa_detect(void);
const char *ppq_isa_name(ppq_isa isa); // "avx512"
// False when there is no such level.
PPQ_NODISCARD bool ppq_isa_find(const char *name, ppq_isa *out);

#endif
