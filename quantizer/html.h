#ifndef PPQ_QUANTIZER_HTML_H
#define PPQ_QUANTIZER_HTML_H

#include "core/io.h"

// Pieces of a page that is HTML and well-formed XML at once.

// Text from outside: markup is escaped, and what XML cannot hold (control characters, bytes that
// are no UTF-8) becomes U+FFFD. Of very long texts the end is left out.
void ppq_html_text(ppq_buf *b, const char *text);

// <h2 id="id">title</h2> in a <section>, which the next call or the end closes.
void ppq_html_begin(ppq_buf *b, const char *title);
void ppq_html_section(ppq_buf *b, const char *id, const char *title);
void ppq_html_end(ppq_buf *b);

// A table whose rows are opened by the first cell: open, row, cells..., row, cells..., close.
// Headings are separated by '|'; one that begins with '#' is over numbers. A page without scripts
// shows tables in their order; with them a click on a heading sorts.
void ppq_html_table_open(ppq_buf *b, const char *headings);
void ppq_html_row(ppq_buf *b);
void ppq_html_cell(ppq_buf *b, const char *text);
void ppq_html_number(ppq_buf *b, const char *format, double v);
void ppq_html_table_close(ppq_buf *b);

// A line of a table without headings: what, and its value.
void ppq_html_fact(ppq_buf *b, const char *what, const char *format, ...) PPQ_PRINTF(3, 4);

#endif
