#include "executor/engine/kernels/recurrent.h"

#include "executor/engine/kernels/dispatch.h"

PPQ_DECLARE_LOOPS(ppq_recurrent_math)

const ppq_recurrent_math *ppq_recurrent_math_for(ppq_isa isa)
{
    return ppq_recurrent_math_pick(isa);
}
