#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor/ops/args.h"
#include "executor/ops/cast.h"
#include "executor/ops/convert.h"
#include "executor/ops/move.h"
#include "executor/ops/types.h"

enum { TEXT = 32 }; // bytes that hold any number

ppq_status ppq_infer_cast(ppq_infer_ctx *c, ppq_dtype to)
{
    if (to == PPQ_DT_C64 || to == PPQ_DT_C128)
        return ppq_infer_fail(c, "a cast to %s is not supported", ppq_dtype_name(to));
    return ppq_infer_out(c, 0, to, &c->in_shape[0]);
}

// The shortest decimal that reads back as the same number.
static int print_float(double v, bool is_double, char *buf)
{
    if (isnan(v))
        return snprintf(buf, TEXT, "NaN");
    if (isinf(v))
        return snprintf(buf, TEXT, v < 0 ? "-INF" : "INF");
    int n = 0;
    for (int digits = 1; digits <= 17; digits++) {
        n = snprintf(buf, TEXT, "%.*g", digits, v);
        if (is_double ? strtod(buf, NULL) == v : strtof(buf, NULL) == (float) v)
            break;
    }
    return n;
}

static int print_element(const ppq_tensor *t, int64_t i, char *buf)
{
    if (t->dtype == PPQ_DT_U64)
        return snprintf(buf, TEXT, "%llu",
                        (unsigned long long) ((const uint64_t *) ppq_tensor_data(t))[i]);
    if (ppq_dtype_is_integer(t->dtype)) {
        int64_t v;
        ppq_load_i64(t, i, 1, &v);
        return snprintf(buf, TEXT, "%lld", (long long) v);
    }
    double v;
    ppq_load_f64(t, i, 1, &v);
    return print_float(v, t->dtype == PPQ_DT_F64, buf);
}

static ppq_status to_strings(ppq_kernel_ctx *c)
{
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    if (n > INT64_MAX / TEXT / 2)
        return ppq_kernel_fail(c, PPQ_ERR_NOMEM, "the strings are too large");
    ppq_tensor text;
    PPQ_TRY(ppq_kernel_temp(c, (size_t) n * TEXT, &text));
    char *buf = ppq_tensor_data(&text);
    ppq_string *y = ppq_tensor_data(&c->out[0]);
    for (int64_t i = 0; i < n; i++) {
        const int len = print_element(c->in[0], i, buf + i * TEXT);
        y[i] = (ppq_string){ buf + i * TEXT, (size_t) len };
    }
    const ppq_status st = ppq_run_own_strings(c, 0);
    ppq_tensor_unref(&text);
    return st;
}

static ppq_status from_strings(ppq_kernel_ctx *c)
{
    const int64_t n = ppq_shape_numel(&c->in[0]->shape);
    const ppq_string *x = ppq_tensor_data(c->in[0]);
    const bool exact = ppq_dtype_is_integer(c->out[0].dtype);
    for (int64_t i = 0; i < n; i++) {
        char buf[128], *end = buf;
        const size_t len = PPQ_MIN(x[i].size, sizeof(buf) - 1);
        if (len)
            memcpy(buf, x[i].data, len);
        buf[len] = 0;
        const int64_t whole = exact ? (int64_t) strtoll(buf, &end, 10) : 0;
        const bool is_whole = exact && end != buf && !*end;
        const double v = strtod(buf, &end);
        if (end == buf || *end || len < x[i].size)
            return ppq_kernel_fail(c, PPQ_ERR_DATA, "element %lld, \"%.40s\", is not a number",
                                   (long long) i, buf);
        if (is_whole)
            ppq_store_i64(&c->out[0], i, 1, &whole);
        else
            ppq_store_f64(&c->out[0], i, 1, &v, PPQ_CONVERT_DEFAULT);
    }
    return PPQ_OK;
}

ppq_status ppq_run_cast(ppq_kernel_ctx *c, ppq_dtype to)
{
    const ppq_tensor *x = c->in[0];
    PPQ_TRY(ppq_run_out(c, 0, to, &x->shape));
    if (x->dtype == to)
        return ppq_run_copy(c, &x->shape);
    if (x->dtype == PPQ_DT_STRING && ppq_convert_knows(to))
        return from_strings(c);
    if (!ppq_convert_knows(x->dtype) || (!ppq_convert_knows(to) && to != PPQ_DT_STRING))
        return ppq_kernel_fail(c, PPQ_ERR_UNSUPPORTED, "a cast from %s to %s is not supported",
                               ppq_dtype_name(x->dtype), ppq_dtype_name(to));
    if (to == PPQ_DT_STRING)
        return to_strings(c);
    const ppq_convert_mode mode = {
        .saturate = ppq_op_attr_int(c->op, "saturate", 1) != 0,
        .round_e8m0 = ppq_op_attr_is(c->op, "round_mode", "down")      ? -1
                      : ppq_op_attr_is(c->op, "round_mode", "nearest") ? 0
                                                                       : 1,
    };
    ppq_convert(x, &c->out[0], mode);
    return PPQ_OK;
}
