#ifndef PPQ_EXECUTOR_OPS_SELF_ATTENTION_H
#define PPQ_EXECUTOR_OPS_SELF_ATTENTION_H

#include "executor/ops/heads.h"

// Attention and QAttention of domain com.microsoft: query, key and value are one product of the
// input with merged weights, plus a bias.

typedef struct ppq_self_attention {
    int mask, past, bias, attention_bias; // slots; negative: the operator has none
} ppq_self_attention;

ppq_status ppq_infer_self_attention(ppq_infer_ctx *c, const ppq_self_attention *s);
// `product`: float32 (batch, steps, columns), without the bias.
ppq_status ppq_run_self_attention(ppq_kernel_ctx *c, const ppq_self_attention *s,
                                  const ppq_tensor *product);

#endif
