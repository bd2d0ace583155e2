#ifndef PPQ_EXECUTOR_OPS_EMBED_NORM_H
#define PPQ_EXECUTOR_OPS_EMBED_NORM_H

#include "executor/ops/args.h"

// Y = normalize(word[id] + position[p] + segment[s]) * gamma + beta: what a BERT model begins with.
// Outputs: Y, how many tokens of each batch count, the sum before it is normalized.

typedef struct ppq_embed_table {
    int value, scale, zero; // slots; without scale: stored as it is
} ppq_embed_table;

typedef struct ppq_embed_norm {
    ppq_embed_table word, position, segment, gamma, beta;
    int mask, positions; // slots; negative: the operator has none
} ppq_embed_norm;

ppq_status ppq_infer_embed_norm(ppq_infer_ctx *c, const ppq_embed_norm *e);
ppq_status ppq_run_embed_norm(ppq_kernel_ctx *c, const ppq_embed_norm *e);

#endif
