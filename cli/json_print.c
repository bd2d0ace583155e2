#include "cli/json_print.h"

#include <math.h>

static void print_string(const char *s)
{
    putchar('"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            printf("\\%c", *s);
        else if ((unsigned char) *s < 0x20)
            printf("\\u%04x", (unsigned) *s);
        else
            putchar(*s);
    }
    putchar('"');
}

// What comes before any value.
static void start(cli_json *j, const char *key)
{
    if (j->depth)
        printf("%s\n%*s", j->more ? "," : "", 2 * j->depth, "");
    j->more = true;
    if (!key)
        return;
    print_string(key);
    printf(": ");
}

void cli_json_open(cli_json *j, const char *key, char bracket)
{
    start(j, key);
    putchar(bracket);
    j->depth++;
    j->more = false;
}

void cli_json_close(cli_json *j, char bracket)
{
    j->depth--;
    if (j->more)
        printf("\n%*s", 2 * j->depth, "");
    putchar(bracket);
    j->more = true;
    if (!j->depth)
        putchar('\n');
}

void cli_json_string(cli_json *j, const char *key, const char *value)
{
    start(j, key);
    if (value)
        print_string(value);
    else
        printf("null");
}

void cli_json_number(cli_json *j, const char *key, double value)
{
    enum { EXACT = 1 << 30 };
    start(j, key);
    if (!isfinite(value))
        printf("null");
    else if (fabs(value) < EXACT && fabs(value - nearbyint(value)) <= 0)
        printf("%.0f", value);
    else
        printf("%.9g", value);
}

void cli_json_bool(cli_json *j, const char *key, bool value)
{
    start(j, key);
    printf(value ? "true" : "false");
}
