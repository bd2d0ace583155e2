#ifndef PPQ_EXECUTOR_OPS_STORED_PRODUCT_H
#define PPQ_EXECUTOR_OPS_STORED_PRODUCT_H

#include "executor/ops/stored.h"

// Matrix products of stored integers that give float32, with a bias per column.

ppq_status ppq_infer_stored_product(ppq_infer_ctx *c);
// `a` is float64 already and stays the caller's; the bias is in slot `bias`.
ppq_status ppq_run_stored_product(ppq_kernel_ctx *c, const ppq_tensor *a, ppq_stored_arg b,
                                  int bias);

#endif
