#include "core/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct job {
    atomic_llong next;
    int64_t n;
    void (*fn)(void *user, int64_t i, int worker);
    void *user;
} job;

typedef struct seat {
    job *job;
    int worker;
} seat;

static void *work(void *arg)
{
    const seat *s = arg;
    for (;;) {
        const int64_t i = atomic_fetch_add_explicit(&s->job->next, 1, memory_order_relaxed);
        if (i >= s->job->n)
            return NULL;
        s->job->fn(s->job->user, i, s->worker);
    }
}

void ppq_parallel_for(int n_threads, int64_t n, void (*fn)(void *user, int64_t i, int worker),
                      void *user)
{
    enum { MAX = 256 };
    job j = { .n = n, .fn = fn, .user = user };
    atomic_init(&j.next, 0);
    const int want = (int) PPQ_MIN(PPQ_MIN((int64_t) n_threads, n), MAX);
    pthread_t id[MAX];
    seat seats[MAX];
    int started = 0;
    for (int i = 1; i < want; i++) {
        seats[started] = (seat){ &j, i };
        if (pthread_create(&id[started], NULL, work, &seats[started]) != 0)
            break; // fewer threads do the same work
        started++;
    }
    seat own = { &j, 0 };
    work(&own);
    for (int i = 0; i < started; i++)
        pthread_join(id[i], NULL);
}

// Counts the distinct first siblings that sysfs lists, so that SMT threads count once.
int ppq_physical_cores(void)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    int cores = 0;
    for (long i = 0; i < online; i++) {
        char path[96];
        snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%ld/topology/thread_siblings_list",
                 i);
        FILE *f = fopen(path, "r");
        long first = i;
        if (f) {
            if (fscanf(f, "%ld", &first) != 1)
                first = i;
            fclose(f);
        }
        cores += first == i;
    }
    return cores > 0 ? cores : online > 0 ? (int) online : 1;
}
