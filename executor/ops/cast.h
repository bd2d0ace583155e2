#ifndef PPQ_EXECUTOR_OPS_CAST_H
#define PPQ_EXECUTOR_OPS_CAST_H

#include "core/op_def.h"

// Cast and CastLike: input 0 as the type `to`, numbers from and to strings too.

ppq_status ppq_infer_cast(ppq_infer_ctx *c, ppq_dtype to);
ppq_status ppq_run_cast(ppq_kernel_ctx *c, ppq_dtype to);

#endif
