#include "parser/site.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/io.h"

static void PPQ_PRINTF(3, 0) compose(ppq_buf *b, const ppq_site *s, const char *fmt, va_list ap)
{
    char text[400];
    vsnprintf(text, sizeof(text), fmt, ap);
    ppq_buf_printf(b, "%.200s: ", s->source);
    if (s->op)
        ppq_buf_printf(b, "op '%.200s': ", s->op);
    else if (s->var)
        ppq_buf_printf(b, "tensor '%.200s': ", s->var);
    ppq_buf_printf(b, "%s", text);
}

void ppq_site_error(const ppq_site *s, ppq_status code, const char *fmt, ...)
{
    ppq_buf b = { 0 };
    va_list ap;
    va_start(ap, fmt);
    compose(&b, s, fmt, ap);
    va_end(ap);
    (void) ppq_fail(s->diag, code, (ppq_loc){ .stage = "parse", .op = s->op, .var = s->var }, "%s",
                    ppq_buf_str(&b));
    ppq_buf_free(&b);
}

void ppq_site_warn(const ppq_site *s, const char *fmt, ...)
{
    ppq_buf b = { 0 };
    va_list ap;
    va_start(ap, fmt);
    compose(&b, s, fmt, ap);
    va_end(ap);
    ppq_warn(s->diag, (ppq_loc){ .stage = "parse", .op = s->op, .var = s->var }, "%s",
             ppq_buf_str(&b));
    ppq_buf_free(&b);
}
