#ifndef PPQ_CLI_MACHINE_H
#define PPQ_CLI_MACHINE_H

#include <stdbool.h>

// What the machine is, as far as it tells; texts are empty and numbers 0 where it does not.

typedef struct cli_machine {
    char cpu[128];      // model name
    char affinity[128]; // "0-3,8": processors this process may use
    int n_processors;   // of these
    bool vnni, amx;
    int turbo; // 1 on, 0 off, -1 unknown
    char governor[32];
    double mhz; // now
} cli_machine;

void cli_machine_read(cli_machine *m);
const char *cli_build(void); // "gcc 12.2.0, optimised"

// Bytes of this process in memory, now and at most since the last reset; 0 where unknown. Not
// every system can reset.
double cli_memory_now(void);
double cli_memory_peak(void);
void cli_memory_reset_peak(void);

// Reads and writes memory until nothing else is left in any cache.
void cli_empty_caches(void);

#endif
