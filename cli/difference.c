#include "cli/difference.h"

#include <math.h>
#include <stdlib.h>

enum { FLOAT32 = 1, UINT8 = 2, INT8 = 3 }; // TensorProto.DataType

static cli_difference compare_quanta(const ppq_array *a, const ppq_array *b)
{
    const unsigned char *x = a->data, *y = b->data;
    const int flip = a->dtype == INT8 ? 0x80 : 0; // keeps the order of int8 as unsigned
    cli_difference r = { .kind = CLI_QUANTA, .n = a->bytes };
    for (size_t i = 0; i < a->bytes; i++) {
        const int d = abs((x[i] ^ flip) - (y[i] ^ flip));
        r.differ += d > 0;
        r.quanta = d > r.quanta ? d : r.quanta;
    }
    return r;
}

static size_t largest(const float *x, size_t n)
{
    size_t at = 0;
    for (size_t i = 1; i < n; i++)
        at = x[i] > x[at] ? i : at;
    return at;
}

static cli_difference compare_numbers(const ppq_array *a, const ppq_array *b)
{
    const float *x = a->data, *y = b->data;
    cli_difference r = { .kind = CLI_NUMBERS, .n = a->bytes / sizeof(float) };
    double signal = 0, noise = 0, dot = 0, norm = 0;
    for (size_t i = 0; i < r.n; i++) {
        const double p = (double) x[i], q = (double) y[i];
        r.worst = fmax(r.worst, fabs(p - q));
        signal += p * p;
        norm += q * q;
        noise += (p - q) * (p - q);
        dot += p * q;
    }
    const double d = sqrt(signal) * sqrt(norm);
    r.snr = noise > 0 ? 10 * log10(signal / noise) : 300;
    r.cosine = d > 0 ? dot / d : 1;
    const size_t row = a->rank > 0 && a->dim[a->rank - 1] > 0 ? (size_t) a->dim[a->rank - 1] : 1;
    for (size_t at = 0; at + row <= r.n && row > 1; at += row, r.rows++)
        r.rows_agree += largest(x + at, row) == largest(y + at, row);
    return r;
}

cli_difference cli_compare(const ppq_array *a, const ppq_array *b)
{
    if (a->dtype != b->dtype || a->bytes != b->bytes)
        return (cli_difference){ .kind = CLI_NOT_COMPARABLE };
    if (a->dtype == FLOAT32)
        return compare_numbers(a, b);
    if (a->dtype == UINT8 || a->dtype == INT8)
        return compare_quanta(a, b);
    return (cli_difference){ .kind = CLI_NOT_COMPARABLE };
}

void cli_difference_print(const char *name, const cli_difference *d)
{
    switch (d->kind) {
    case CLI_NUMBERS:
        printf("%-40s max-abs %-10.4g SNR %7.2f dB  cosine %.6f", name, d->worst, d->snr,
               d->cosine);
        if (d->rows)
            printf("  argmax %zu/%zu", d->rows_agree, d->rows);
        printf("\n");
        break;
    case CLI_QUANTA:
        printf("%-40s quanta  %-10d %zu of %zu differ\n", name, d->quanta, d->differ, d->n);
        break;
    case CLI_NOT_COMPARABLE:
        printf("%-40s not comparable: another type or size\n", name);
        break;
    }
}

void cli_difference_json(cli_json *w, const char *name, const cli_difference *d)
{
    cli_json_open(w, NULL, '{');
    cli_json_string(w, "name", name);
    cli_json_bool(w, "comparable", d->kind != CLI_NOT_COMPARABLE);
    if (d->kind == CLI_NUMBERS) {
        cli_json_number(w, "max_abs", d->worst);
        cli_json_number(w, "snr_db", d->snr);
        cli_json_number(w, "cosine", d->cosine);
        cli_json_number(w, "rows", (double) d->rows);
        cli_json_number(w, "rows_with_same_argmax", (double) d->rows_agree);
    } else if (d->kind == CLI_QUANTA) {
        cli_json_number(w, "max_quanta", d->quanta);
        cli_json_number(w, "elements", (double) d->n);
        cli_json_number(w, "elements_that_differ", (double) d->differ);
    }
    cli_json_close(w, '}');
}
