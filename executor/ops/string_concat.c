#include "executor/ops/text.h"

// Z = X followed by Y, element by element

static ppq_status infer(ppq_infer_ctx *c)
{
    PPQ_TRY(ppq_infer_strings(c, 2));
    PPQ_TRY(ppq_infer_broadcast(c));
    c->out_dtype[0] = PPQ_DT_STRING;
    return PPQ_OK;
}

typedef struct pairs {
    const ppq_string *x, *y;
    int64_t x_stride[PPQ_MAX_RANK], y_stride[PPQ_MAX_RANK];
} pairs;

// Operands of element i of the output.
static void pair_at(const pairs *p, const ppq_shape *s, int64_t i, ppq_string *x, ppq_string *y)
{
    int64_t at_x = 0, at_y = 0;
    for (int k = s->rank - 1; k >= 0; k--) {
        const int64_t index = i % s->dim[k];
        at_x += index * p->x_stride[k];
        at_y += index * p->y_stride[k];
        i /= s->dim[k];
    }
    *x = p->x[at_x];
    *y = p->y[at_y];
}

static void put(char **at, ppq_string s)
{
    if (s.size)
        memcpy(*at, s.data, s.size);
    *at += s.size;
}

static ppq_status forward(ppq_kernel_ctx *c)
{
    const ppq_shape *s = &c->out[0].shape;
    const int64_t n = ppq_shape_numel(s);
    pairs p = { ppq_strings(c->in[0]), ppq_strings(c->in[1]), { 0 }, { 0 } };
    ppq_broadcast_strides(&c->in[0]->shape, s, p.x_stride);
    ppq_broadcast_strides(&c->in[1]->shape, s, p.y_stride);
    ppq_string x, y, *z = ppq_tensor_data(&c->out[0]);
    size_t bytes = 0;
    for (int64_t i = 0; i < n; i++) {
        pair_at(&p, s, i, &x, &y);
        z[i] = (ppq_string){ NULL, x.size + y.size };
        if (z[i].size > SIZE_MAX / 8 - bytes)
            return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "the strings are too large");
        bytes += z[i].size;
    }
    ppq_tensor text;
    PPQ_TRY(ppq_kernel_temp(c, bytes, &text));
    char *at = ppq_tensor_data(&text);
    for (int64_t i = 0; i < n; i++) {
        pair_at(&p, s, i, &x, &y);
        z[i].data = at;
        put(&at, x);
        put(&at, y);
    }
    const ppq_status st = ppq_run_own_strings(c, 0);
    ppq_tensor_unref(&text);
    return st;
}

const ppq_op_def ppq_op_string_concat = {
    .type = "StringConcat",
    .domain = "",
    .opset_min = 20,
    .in_min = 2,
    .in_max = 2,
    .out_min = 1,
    .out_max = 1,
    .fp32_in = 0x3,
    .fp32_out = 0x1,
    .infer = infer,
    .forward = forward,
};
