#include "quantizer/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Bytes of the UTF-8 sequence at s, or 0 when it is none or stands for what XML forbids.
static size_t sequence(const unsigned char *s)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const size_t n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (n <= 1)
        return n && (s[0] >= 0x20 || s[0] == '\t' || s[0] == '\n') && s[0] != 0x7f ? 1 : 0;
    uint32_t c = s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3f);
    }
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    return c >= least[n] && c <= 0x10ffff && !surrogate && (c & 0xfffe) != 0xfffe ? n : 0;
}

// Bytes of a name that help anybody.
enum { LONGEST = 400 };

void ppq_html_text(ppq_buf *b, const char *text)
{
    static const char *const escapes[] = {
        ['<'] = "&lt;", ['>'] = "&gt;", ['&'] = "&amp;", ['"'] = "&quot;"
    };
    for (const unsigned char *s = (const unsigned char *) text; *s;) {
        if (s - (const unsigned char *) text > LONGEST) {
            ppq_buf_printf(b, "...");
            return;
        }
        const size_t n = sequence(s);
        const char *escape = n == 1 && *s < PPQ_COUNT(escapes) ? escapes[*s] : NULL;
        if (!n)
            escape = "\xef\xbf\xbd";
        if (escape)
            ppq_buf_append(b, escape, strlen(escape));
        else
            ppq_buf_append(b, s, n);
        s += n ? n : 1;
    }
}

// Colours follow the reader's: `currentColor` draws, two hues mean something.
static const char style[] =
    ":root{color-scheme:light dark;--int:#2a7ae2;--float:#e0862a;--faint:#8884}"
    "body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.2rem}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:.15rem .7rem .15rem 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--faint);overflow-wrap:anywhere}"
    "th{white-space:nowrap}td.n,th.n{text-align:right;white-space:nowrap;overflow-wrap:normal}"
    "table.s th{cursor:pointer}.scroll{max-height:36rem;overflow:auto}"
    ".grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(21rem,1fr));gap:1rem}"
    "figure{margin:0}figcaption{font-size:.8rem;overflow-wrap:anywhere}svg{width:100%;height:auto}"
    "svg text{font:11px system-ui,sans-serif;fill:currentColor}"
    ".bar{fill:var(--int)}.cut{fill:var(--float)}.range{fill:var(--faint)}"
    ".line{stroke:currentColor;stroke-width:1}.clip{stroke:var(--float);stroke-width:1.5}"
    ".note{font-size:.85rem;opacity:.8}";

// Free of '<' and '&', so that it needs no escaping in either language.
static const char script[] =
    "document.querySelectorAll('table.s th').forEach(function(h){h.onclick=function(){"
    "var t=h.closest('table').tBodies[0],i=h.cellIndex,up=h.dataset.up!=='1';"
    "h.dataset.up=up?'1':'0';Array.from(t.rows).sort(function(a,b){"
    "var x=a.cells[i].textContent,y=b.cells[i].textContent,d=x-y;"
    "if(isNaN(d)){d=x.localeCompare(y)}return up?d:-d}).forEach(function(r){t.appendChild(r)})}})";

void ppq_html_begin(ppq_buf *b, const char *title)
{
    ppq_buf_printf(b, "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n"
                      "<head><meta charset=\"utf-8\"/><meta name=\"viewport\" "
                      "content=\"width=device-width\"/>\n<title>");
    ppq_html_text(b, title);
    ppq_buf_printf(b, "</title>\n<style>%s</style></head>\n<body>\n<section>\n<h1>", style);
    ppq_html_text(b, title);
    ppq_buf_printf(b, "</h1>\n");
}

void ppq_html_section(ppq_buf *b, const char *id, const char *title)
{
    ppq_buf_printf(b, "</section>\n<section id=\"%s\">\n<h2>%s</h2>\n", id, title);
}

void ppq_html_end(ppq_buf *b)
{
    ppq_buf_printf(b, "</section>\n<script>%s</script>\n</body></html>\n", script);
}

void ppq_html_table_open(ppq_buf *b, const char *headings)
{
    ppq_buf_printf(b, "<div class=\"scroll\"><table class=\"s\"><thead><tr>");
    for (const char *h = headings; *h;) {
        const size_t n = strcspn(h, "|");
        const bool number = *h == '#';
        ppq_buf_printf(b, "<th%s>%.*s</th>", number ? " class=\"n\"" : "", (int) (n - number),
                       h + number);
        h += n + (h[n] == '|');
    }
    // The first row closes an empty one, as every row closes the one before it.
    ppq_buf_printf(b, "</tr></thead>\n<tbody>");
}

void ppq_html_row(ppq_buf *b)
{
    const bool first = b->n >= 7 && memcmp(b->data + b->n - 7, "<tbody>", 7) == 0;
    ppq_buf_printf(b, "%s<tr>", first ? "" : "</tr>\n");
}

void ppq_html_cell(ppq_buf *b, const char *text)
{
    ppq_buf_printf(b, "<td>");
    ppq_html_text(b, text);
    ppq_buf_printf(b, "</td>");
}

void ppq_html_number(ppq_buf *b, const char *format, double v)
{
    char text[64];
    snprintf(text, sizeof(text), format, v);
    ppq_buf_printf(b, "<td class=\"n\">%s</td>", text);
}

void ppq_html_table_close(ppq_buf *b)
{
    const bool empty = b->n >= 7 && memcmp(b->data + b->n - 7, "<tbody>", 7) == 0;
    ppq_buf_printf(b, "%s</tbody></table></div>\n", empty ? "" : "</tr>");
}

void ppq_html_fact(ppq_buf *b, const char *what, const char *format, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    ppq_buf_printf(b, "<tr><th>%s</th><td>", what);
    ppq_html_text(b, text);
    ppq_buf_printf(b, "</td></tr>\n");
}
