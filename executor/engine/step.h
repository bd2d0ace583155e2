#ifndef PPQ_EXECUTOR_ENGINE_STEP_H
#define PPQ_EXECUTOR_ENGINE_STEP_H

#include "executor/engine/quant_view.h"

// Steps that every rule uses. Each appends one step and returns the value it writes.

// The same bytes in a storage of their own.
PPQ_NODISCARD ppq_status ppq_step_copy(ppq_plan *p, const ppq_op *op, int32_t in, int32_t *out);
// A HELD value whose shape is known after all, in planned memory.
PPQ_NODISCARD ppq_status ppq_step_settle(ppq_plan *p, int32_t in, ppq_dtype dt, const ppq_shape *s,
                                         int32_t *out);
// In the other layout; shares the bytes where the layouts do not differ.
PPQ_NODISCARD ppq_status ppq_step_relayout(ppq_plan *p, int32_t in, ppq_layout layout,
                                           int32_t *out);
// With the top bit of every byte inverted.
PPQ_NODISCARD ppq_status ppq_step_flip(ppq_plan *p, int32_t in, int32_t *out);
// float32 -> uint8 of grid `g`, in the given layout.
PPQ_NODISCARD ppq_status ppq_step_quantize(ppq_plan *p, const ppq_op *op, int32_t in,
                                           const ppq_grid *g, ppq_layout layout, int32_t *out);
// uint8 of grid `g` -> float32, in the layout it has.
PPQ_NODISCARD ppq_status ppq_step_dequantize(ppq_plan *p, const ppq_op *op, int32_t in,
                                             const ppq_grid *g, int32_t *out);

#endif
