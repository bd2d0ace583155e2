#ifndef PPQ_CLI_TABLE_H
#define PPQ_CLI_TABLE_H

#include "cli/cli.h"

// A table of text on stdout: columns as wide as their widest cell, numbers to the right.

enum { CLI_TABLE_COLUMNS = 16, CLI_TABLE_CELL = 96 };

typedef struct cli_table {
    int n_columns;
    struct {
        const char *title;
        bool left;
    } column[CLI_TABLE_COLUMNS];
    char (*cell)[CLI_TABLE_CELL]; // row by row
    size_t n, cap;
} cli_table;

// The titles' array ends with NULL; a title that starts with '<' heads a column of text.
void cli_table_init(cli_table *t, const char *const *titles);
// The next cell, row by row. Longer text loses its beginning.
void cli_table_add(cli_table *t, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
// Prints the table and empties it.
void cli_table_print(cli_table *t);

#endif
