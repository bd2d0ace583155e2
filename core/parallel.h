#ifndef PPQ_CORE_PARALLEL_H
#define PPQ_CORE_PARALLEL_H

#include "core/base.h"

// Calls fn(user, i, worker) for every i in [0, n), each once, from up to n_threads threads
// (worker in [0, n_threads)); returns when all are done. Which worker gets which i is not
// determined: results must not depend on it. Meant for coarse work.
void ppq_parallel_for(int n_threads, int64_t n, void (*fn)(void *user, int64_t i, int worker),
                      void *user);
int ppq_physical_cores(void); // at least 1

#endif
