#ifndef PPQ_CLI_DIFFERENCE_H
#define PPQ_CLI_DIFFERENCE_H

#include "cli/cli.h"
#include "cli/json_print.h"

// How far two arrays of the same name are apart.

typedef enum cli_difference_kind {
    CLI_NOT_COMPARABLE, // another type or size, or a type without a measure
    CLI_NUMBERS,        // float32
    CLI_QUANTA,         // uint8, int8
} cli_difference_kind;

typedef struct cli_difference {
    cli_difference_kind kind;
    size_t n; // elements
    // NUMBERS. SNR in dB, 300 when nothing differs. Rows of the last dimension whose largest
    // element is at the same place, and all rows; both 0 for rows of one.
    double worst, snr, cosine;
    size_t rows_agree, rows;
    // QUANTA: the largest difference, and how many elements differ
    int quanta;
    size_t differ;
} cli_difference;

cli_difference cli_compare(const ppq_array *a, const ppq_array *b);
// One line, or one JSON object.
void cli_difference_print(const char *name, const cli_difference *d);
void cli_difference_json(cli_json *w, const char *name, const cli_difference *d);

#endif
