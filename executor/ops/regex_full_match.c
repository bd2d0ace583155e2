#include "executor/ops/pattern.h"
#include "executor/ops/text.h"

// Y = X matches the regular expression `pattern` as a whole

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_strings(c, 1));
    return ppq_infer_out(c, 0, PPQ_DT_BOOL, &c->in_shape[0]);
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_string pattern = ppq_attr_text(c->op, "pattern");
    const char *why = "";
    ppq_pattern *r;
    const ppq_status st = ppq_pattern_compile(pattern, c->scratch, &r, &why);
    if (st != PPQ_OK)
        return ppq_kernel_fail(c, st, "the pattern \"%.*s\" cannot be used: %s",
                               (int) PPQ_MIN(pattern.size, 80), pattern.size ? pattern.data : "",
                               why);
    const ppq_string *x = ppq_strings(c->in[0]);
    uint8_t *y = ppq_tensor_data(&c->out[0]);
    for (int64_t i = 0; i < ppq_shape_numel(&c->in[0]->shape); i++)
        y[i] = ppq_pattern_matches(r, x[i]);
    return PPQ_OK;
}

const ppq_op_def ppq_op_regex_full_match = {
    .type = "RegexFullMatch",
    .domain = "",
    .opset_min = 20,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 1,
    .traits = PPQ_OP_NO_LINKS,
    .fp32_in = 0x1,
    .fp32_out = 0x1,
    .infer = infer,
    .forward = forward,
};
