#include "cli/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Reads the rest of the first line that starts with `key`, behind a colon if there is one.
static bool find_line(const char *path, const char *key, char *out, size_t size)
{
    enum { LONGEST = 8192 };
    char line[LONGEST];
    FILE *f = fopen(path, "r");
    bool found = false;
    while (f && !found && fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *p = line + strlen(key);
        p += strspn(p, " \t:");
        snprintf(out, size, "%.*s", (int) strcspn(p, "\n"), p);
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

static bool has_word(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p += n)
        if ((p == text || p[-1] == ' ') && (!p[n] || p[n] == ' '))
            return true;
    return false;
}

// Processors in a list like "0-3,8".
static int count_list(const char *p)
{
    int n = 0;
    while (*p >= '0' && *p <= '9') {
        char *end;
        const long first = strtol(p, &end, 10);
        const long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        n += (int) (last - first + 1);
        p = end + (*end == ',');
    }
    return n;
}

static int read_turbo(void)
{
    char text[16];
    if (find_line("/sys/devices/system/cpu/intel_pstate/no_turbo", "", text, sizeof(text)))
        return text[0] == '0';
    if (find_line("/sys/devices/system/cpu/cpufreq/boost", "", text, sizeof(text)))
        return text[0] == '1';
    return -1;
}

void cli_machine_read(cli_machine *m)
{
    enum { LONGEST = 8192 };
    char text[LONGEST] = "";
    *m = (cli_machine){ .turbo = read_turbo() };
    (void) find_line("/proc/cpuinfo", "model name", m->cpu, sizeof(m->cpu));
    if (find_line("/proc/cpuinfo", "flags", text, sizeof(text))) {
        m->vnni = has_word(text, "avx512_vnni") || has_word(text, "avx_vnni");
        m->amx = has_word(text, "amx_int8");
    }
    if (find_line("/proc/cpuinfo", "cpu MHz", text, sizeof(text)))
        m->mhz = strtod(text, NULL);
    (void) find_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", m->governor,
                     sizeof(m->governor));
    if (find_line("/proc/self/status", "Cpus_allowed_list", m->affinity, sizeof(m->affinity)))
        m->n_processors = count_list(m->affinity);
    else
        m->n_processors = (int) sysconf(_SC_NPROCESSORS_ONLN);
}

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#if defined(__OPTIMIZE__)
#define OPTIMISED "optimised"
#else
#define OPTIMISED "not optimised"
#endif
#if defined(NDEBUG)
#define ASSERTIONS ""
#else
#define ASSERTIONS ", with assertions"
#endif

const char *cli_build(void)
{
    return COMPILER ", " OPTIMISED ASSERTIONS;
}

static double status_bytes(const char *key)
{
    char text[64];
    return find_line("/proc/self/status", key, text, sizeof(text)) ? 1024 * strtod(text, NULL) : 0;
}

double cli_memory_now(void)
{
    return status_bytes("VmRSS");
}

double cli_memory_peak(void)
{
    return status_bytes("VmHWM");
}

void cli_memory_reset_peak(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (!f)
        return;
    fputs("5", f);
    fclose(f);
}

static size_t cache_bytes(void)
{
    enum { AT_LEAST = 64 << 20 };
    long bytes = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
    return bytes > AT_LEAST / 2 ? 2 * (size_t) bytes : AT_LEAST;
}

void cli_empty_caches(void)
{
    enum { LINE = 64 };
    static volatile unsigned char *memory;
    static size_t n;
    if (!memory) {
        n = cache_bytes();
        memory = calloc(n, 1);
    }
    for (size_t i = 0; memory && i < n; i += LINE)
        memory[i]++;
}
