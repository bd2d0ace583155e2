#include "executor/engine/kernels/recurrent_loops.h"

const ppq_recurrent_math *ppq_recurrent_math_for(ppq_isa isa)
{
    return ppq_recurrent_math_pick(isa);
}
