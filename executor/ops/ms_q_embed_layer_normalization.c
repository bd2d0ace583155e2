#include "executor/ops/embed_norm.h"

// The embeddings of a BERT model; tables are stored integers.

enum { MASK = 7, SLOTS = 18 };

static const ppq_embed_norm slots = { .word = { 2, 8, 13 },
                                      .position = { 3, 9, 14 },
                                      .segment = { 4, 10, 15 },
                                      .gamma = { 5, 11, 16 },
                                      .beta = { 6, 12, 17 },
                                      .mask = MASK,
                                      .positions = -1 };

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_embed_norm(c, &slots);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    static const int needed[] = { 2, 3, 5, 6, 8, 9, 11, 12 };
    for (size_t i = 0; i < PPQ_COUNT(needed); i++)
        if (needed[i] >= c->op->n_in || !c->in[needed[i]])
            return ppq_kernel_fail(c, PPQ_ERR_MODEL, "input %d is missing", needed[i]);
    return ppq_run_embed_norm(c, &slots);
}

const ppq_op_def ppq_op_ms_q_embed_layer_normalization = {
    .type = "QEmbedLayerNormalization",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 1,
    .in_max = SLOTS,
    .out_min = 1,
    .out_max = 2,
    .soi_in = 0x83,     // ids, segments, mask
    .fp32_in = 0x3ff7c, // tables
    .soi_out = 0x2,     // counts
    .infer = infer,
    .forward = forward,
};
