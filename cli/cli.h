#ifndef PPQ_CLI_CLI_H
#define PPQ_CLI_CLI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include "ppq/ppq.h"

// What the commands share: option parsing, messages, progress, lists.

typedef struct cli_option {
    const char *name; // long, without dashes
    char letter;      // 0: none
    const char *value; // what its value is called in --help; NULL: a switch
    const char *help;
} cli_option;

// The options every command has; a command's own table comes first.
extern const cli_option cli_common[];

typedef struct cli {
    const char *command, *usage, *about, *examples;
    const cli_option *options; // terminated by {0}
    int argc;
    char **argv;
    int at;                 // next argument
    bool quiet, json;
    int verbose;
    int progress;           // 0 auto, 1 always, 2 never
    // Progress line state.
    double started, shown; // seconds: when the present phase began, when it was shown last
    const char *phase;
    int64_t done;
    pthread_mutex_t lock; // of what progress keeps
    bool line_open;
} cli;

// Installs Ctrl-C handling. Call first.
void cli_init(cli *c);

enum { CLI_END = 0, CLI_OPTION = 1, CLI_ARGUMENT = 2, CLI_ERROR = -1, CLI_DONE = -2 };

// The next option (its table entry and value) or plain argument. Handles the common switches
// itself: CLI_DONE after --help, --version and the like. CLI_ERROR after a message.
int cli_next(cli *c, const cli_option **option, const char **value);

// Hands every option and plain argument to the callbacks, which return CLI_OPTION or an error. Returns
// CLI_END, CLI_DONE or the error.
int cli_parse(cli *c, int (*option)(void *user, const cli_option *o, const char *value),
              int (*argument)(void *user, const char *value), void *user);

// The one model of a command that takes no more: CLI_OPTION, or CLI_ERROR after a message.
int cli_take_model(const cli *c, const char **model, const char *value);

int cli_usage_error(const cli *c, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

// Callbacks that print: messages to stderr, progress to stderr.
ppq_callbacks cli_callbacks(cli *c);
void cli_progress_end(cli *c);
// A ppq_text_fn that writes to stdout.
void cli_print(void *user, const char *text, size_t n);
void cli_print_list(const cli *c, ppq_kind kind);
double cli_now(void); // seconds

#endif
