#include "executor/ops/text.h"

// Each string cut into parts, along a new last dimension that is filled up with empty strings, and
// how many parts there are. Without a delimiter, runs of white space separate.

enum { PARTS, COUNTS };

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_strings(c, 1));
    ppq_shape parts = c->in_shape[0];
    if (parts.rank == PPQ_MAX_RANK)
        return ppq_infer_fail(c, "rank %d is too large", parts.rank + 1);
    if (parts.rank >= 0)
        parts.dim[parts.rank++] = PPQ_DIM_UNKNOWN;
    PPQ_TRY(ppq_infer_out(c, PARTS, PPQ_DT_STRING, &parts));
    return ppq_infer_out(c, COUNTS, PPQ_DT_I64, &c->in_shape[0]);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static ppq_string rest_of(ppq_string s, size_t from)
{
    return (ppq_string){ s.size ? s.data + from : s.data, s.size - from };
}

static ppq_string skip_space(ppq_string s)
{
    size_t i = 0;
    while (i < s.size && is_space(s.data[i]))
        i++;
    return rest_of(s, i);
}

// Where the first part ends and how long the separator behind it is; false when there is none.
static bool find_cut(ppq_string s, ppq_string delimiter, size_t *end, size_t *length)
{
    for (size_t i = 0; i + PPQ_MAX(delimiter.size, 1) <= s.size; i++) {
        const bool hit = delimiter.size ? memcmp(s.data + i, delimiter.data, delimiter.size) == 0
                                        : is_space(s.data[i]);
        if (hit) {
            *end = i;
            *length = delimiter.size ? delimiter.size : 1;
            return true;
        }
    }
    return false;
}

// Returns how many parts s has; stores them if `parts` is not NULL.
static int64_t split(ppq_string s, ppq_string delimiter, int64_t max_cuts, ppq_string *parts)
{
    int64_t n = 0;
    if (!delimiter.size)
        s = skip_space(s);
    for (size_t end, length; n < max_cuts && find_cut(s, delimiter, &end, &length); n++) {
        if (parts)
            parts[n] = (ppq_string){ s.data, end };
        s = rest_of(s, end + length);
        if (!delimiter.size)
            s = skip_space(s);
    }
    if (!delimiter.size && !s.size)
        return n;
    if (parts)
        parts[n] = s;
    return n + 1;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_string *x = ppq_strings(c->in[0]), delimiter = ppq_attr_text(c->op, "delimiter");
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    const int64_t most = ppq_op_attr_int(c->op, "maxsplit", -1);
    const int64_t max_cuts = most < 0 ? INT64_MAX : most;
    ppq_shape shape = c->in[0]->shape;
    int64_t widest = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t count = split(x[i], delimiter, max_cuts, NULL);
        widest = PPQ_MAX(widest, count);
        if (c->op->n_out > COUNTS)
            ppq_i64(&c->out[COUNTS])[i] = count;
    }
    if (shape.rank == PPQ_MAX_RANK)
        return ppq_kernel_fail(c, PPQ_ERR_SHAPE, "rank %d is too large", shape.rank + 1);
    shape.dim[shape.rank++] = widest;
    PPQ_TRY(ppq_run_out(c, PARTS, PPQ_DT_STRING, &shape));
    ppq_string *y = ppq_tensor_data(&c->out[PARTS]);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = split(x[i], delimiter, max_cuts, y + i * widest); k < widest; k++)
            y[i * widest + k] = (ppq_string){ NULL, 0 };
    return ppq_run_own_strings(c, PARTS);
}

const ppq_op_def ppq_op_string_split = {
    .type = "StringSplit",
    .domain = "",
    .opset_min = 20,
    .in_min = 1,
    .in_max = 1,
    .out_min = 1,
    .out_max = 2,
    .fp32_in = 0x1,
    .fp32_out = 0x1,
    .soi_out = 0x2,
    .infer = infer,
    .forward = forward,
};
