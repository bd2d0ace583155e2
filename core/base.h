#ifndef PPQ_CORE_BASE_H
#define PPQ_CORE_BASE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PPQ_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define PPQ_NODISCARD    __attribute__((warn_unused_result))
#else
#define PPQ_PRINTF(f, a)
#define PPQ_NODISCARD
#endif

// One loop compiled for several vector widths; the widest that the CPU has runs. Contraction is off
// in the whole build, so all give the same bytes.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PPQ_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define PPQ_CLONES
#endif

#define PPQ_MIN(a, b)  ((a) < (b) ? (a) : (b))
#define PPQ_MAX(a, b)  ((a) > (b) ? (a) : (b))
#define PPQ_COUNT(a) (sizeof(a) / sizeof((a)[0]))

// Result of every function that can fail on valid use. Programming errors are
// not statuses: they hit assert().
typedef enum ppq_status {
    PPQ_OK = 0,
    PPQ_ERR_ARG,         // caller passed something the header forbids
    PPQ_ERR_MODEL,       // the model is malformed or inconsistent
    PPQ_ERR_UNSUPPORTED, // valid ONNX that this build cannot handle
    PPQ_ERR_SHAPE,       // shapes or dtypes do not fit together
    PPQ_ERR_STATE,       // right call, wrong time (e.g. bake before calibrate)
    PPQ_ERR_NUMERIC,     // NaN/Inf or a diverging optimization
    PPQ_ERR_DATA,        // calibration data missing or of the wrong shape
    PPQ_ERR_IO,
    PPQ_ERR_NOMEM, // only for sizes that come from the model or the data
    PPQ_STATUS_COUNT
} ppq_status;

const char *ppq_status_name(ppq_status s);

// For functions that own nothing. A function that owns something writes
// `if ((st = f()) != PPQ_OK) goto fail;` and has exactly one `fail:` label.
#define PPQ_TRY(expr)                      \
    do {                                   \
        const ppq_status try_st_ = (expr); \
        if (try_st_ != PPQ_OK)             \
            return try_st_;                \
    } while (0)

#endif
