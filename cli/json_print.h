#ifndef PPQ_CLI_JSON_PRINT_H
#define PPQ_CLI_JSON_PRINT_H

#include "cli/cli.h"

// Prints one JSON document on stdout, indented, in the order of the calls. `key` is NULL inside
// arrays and at the top.

typedef struct cli_json {
    int depth;
    bool more; // something stands before in the same brackets
} cli_json;

void cli_json_open(cli_json *j, const char *key, char bracket);        // '{' or '['
void cli_json_close(cli_json *j, char bracket);                        // '}' or ']'
void cli_json_string(cli_json *j, const char *key, const char *value); // NULL: null
void cli_json_number(cli_json *j, const char *key, double value);      // not finite: null
void cli_json_bool(cli_json *j, const char *key, bool value);

#endif
