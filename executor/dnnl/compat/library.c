#include "executor/dnnl/compat/lib.h"

// The library as a whole: version, instruction sets, threads.

#define OMP (DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP)

#if OMP
// From the OpenMP runtime that oneDNN itself uses, which need not be this compiler's. The last one
// is what `#pragma omp parallel` becomes.
void omp_set_num_threads(int n);
int omp_get_max_threads(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);
void GOMP_parallel(void (*fn)(void *data), void *data, unsigned n_threads, unsigned flags);
#endif

ppq_status ppq_lib_status(dnnl_status_t s)
{
    return s == dnnl_success         ? PPQ_OK
           : s == dnnl_out_of_memory ? PPQ_ERR_NOMEM
                                     : PPQ_ERR_UNSUPPORTED;
}

const char *ppq_dnnl_version(void)
{
#define TEXT(x)       #x
#define DOTS(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)
    return DOTS(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
#undef DOTS
#undef TEXT
}

bool ppq_dnnl_exact_u8s8(void)
{
    const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    const bool saturates = isa == dnnl_cpu_isa_sse41 || isa == dnnl_cpu_isa_avx ||
                           isa == dnnl_cpu_isa_avx2 || isa == dnnl_cpu_isa_avx512_core ||
                           ppq_lib_is_xeon_phi(isa);
    return !saturates;
}

bool ppq_dnnl_cap_isa(ppq_dnnl_isa isa)
{
    static const dnnl_cpu_isa_t isas[] = {
        [PPQ_DNNL_ISA_SSE41] = dnnl_cpu_isa_sse41,
        [PPQ_DNNL_ISA_AVX2] = dnnl_cpu_isa_avx2,
        [PPQ_DNNL_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
        [PPQ_DNNL_ISA_VNNI] = dnnl_cpu_isa_avx512_core_vnni,
    };
    // The same cap again is no error.
    return dnnl_set_max_cpu_isa(isas[isa]) == dnnl_success;
}

const char *ppq_dnnl_isa_name(void)
{
    switch ((int) dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_sse41:
        return "sse4.1";
    case dnnl_cpu_isa_avx:
        return "avx";
    case dnnl_cpu_isa_avx2:
        return "avx2";
    case dnnl_cpu_isa_avx2_vnni:
        return "avx2_vnni";
    case dnnl_cpu_isa_avx512_core:
        return "avx512";
    case dnnl_cpu_isa_avx512_core_vnni:
        return "avx512_vnni";
    case dnnl_cpu_isa_avx512_core_bf16:
        return "avx512_bf16";
    default:
        return "avx512_bf16 or newer";
    }
}

// ---- threads -------------------------------------------------------------------------------

void ppq_dnnl_set_threads(int n)
{
#if OMP
    omp_set_num_threads(n);
#else
    (void) n;
#endif
}

int ppq_dnnl_get_threads(void)
{
#if OMP
    return omp_get_max_threads();
#else
    return 1;
#endif
}

#if OMP

typedef struct team {
    int64_t n;
    void (*fn)(void *user, int64_t i, int worker);
    void *user;
} team;

static void work(void *data)
{
    const team *t = data;
    const int worker = omp_get_thread_num(), step = omp_get_num_threads();
    for (int64_t i = worker; i < t->n; i += step)
        t->fn(t->user, i, worker);
}

#endif

void ppq_dnnl_parallel(int n_threads, int64_t n, void (*fn)(void *user, int64_t i, int worker),
                       void *user)
{
#if OMP
    const int64_t wanted = PPQ_MIN((int64_t) n_threads, n);
    if (wanted > 1) {
        team t = { n, fn, user };
        GOMP_parallel(work, &t, (unsigned) wanted, 0);
        return;
    }
#else
    (void) n_threads;
#endif
    for (int64_t i = 0; i < n; i++)
        fn(user, i, 0);
}
