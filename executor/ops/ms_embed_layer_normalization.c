#include "executor/ops/embed_norm.h"

// The embeddings of a BERT model

enum { IDS, SEGMENTS, WORD, POSITION, SEGMENT, GAMMA, BETA, MASK, POSITIONS };

static const ppq_embed_norm slots = { .word = { WORD, -1, -1 },
                                      .position = { POSITION, -1, -1 },
                                      .segment = { SEGMENT, -1, -1 },
                                      .gamma = { GAMMA, -1, -1 },
                                      .beta = { BETA, -1, -1 },
                                      .mask = MASK,
                                      .positions = POSITIONS };

static ppq_status infer(ppq_infer_ctx *c)
{
    return ppq_infer_embed_norm(c, &slots);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    for (int i = WORD; i <= BETA; i++)
        if (i != SEGMENT && (i >= c->op->n_in || !c->in[i]))
            return ppq_kernel_fail(c, PPQ_ERR_MODEL, "input %d is missing", i);
    return ppq_run_embed_norm(c, &slots);
}

const ppq_op_def ppq_op_ms_embed_layer_normalization = {
    .type = "EmbedLayerNormalization",
    .domain = "com.microsoft",
    .opset_min = 1,
    .in_min = 1,
    .in_max = 9,
    .out_min = 1,
    .out_max = 3,
    .soi_in = 0x183, // ids, segments, mask, positions
    .fp32_in = 0x7c, // tables
    .soi_out = 0x2,  // counts
    .infer = infer,
    .forward = forward,
};
