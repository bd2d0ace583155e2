#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cli_table_init(cli_table *t, const char *const *titles)
{
    *t = (cli_table){ .n_columns = 0 };
    for (; titles[t->n_columns] && t->n_columns < CLI_TABLE_COLUMNS; t->n_columns++) {
        const char *title = titles[t->n_columns];
        t->column[t->n_columns].left = title[0] == '<';
        t->column[t->n_columns].title = title + (title[0] == '<');
    }
}

void cli_table_add(cli_table *t, const char *fmt, ...)
{
    enum { LONGEST = 4096 };
    char text[LONGEST];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cell = realloc(t->cell, t->cap * sizeof(*t->cell));
        if (!t->cell)
            abort();
    }
    const size_t n = strlen(text);
    char *cell = t->cell[t->n++];
    if (n < CLI_TABLE_CELL)
        memcpy(cell, text, n + 1);
    else
        snprintf(cell, CLI_TABLE_CELL, "...%s", text + n - (CLI_TABLE_CELL - 4));
}

static int width_of(const cli_table *t, int column)
{
    size_t width = strlen(t->column[column].title);
    for (size_t i = (size_t) column; i < t->n; i += (size_t) t->n_columns) {
        const size_t n = strlen(t->cell[i]);
        width = n > width ? n : width;
    }
    return (int) width;
}

static void print_cell(const cli_table *t, int column, int width, const char *text)
{
    const bool last = column + 1 == t->n_columns;
    printf("%s%*s%s", column ? "  " : "", t->column[column].left ? (last ? 0 : -width) : width,
           text, last ? "\n" : "");
}

void cli_table_print(cli_table *t)
{
    int width[CLI_TABLE_COLUMNS];
    for (int c = 0; c < t->n_columns; c++)
        width[c] = width_of(t, c);
    for (int c = 0; c < t->n_columns; c++)
        print_cell(t, c, width[c], t->column[c].title);
    for (size_t i = 0; i < t->n; i++) {
        const int c = (int) (i % (size_t) t->n_columns);
        print_cell(t, c, width[c], t->cell[i]);
    }
    free(t->cell);
    t->cell = NULL;
    t->n = t->cap = 0;
}
