#ifndef PPQ_CORE_TQC_H
#define PPQ_CORE_TQC_H

#include "core/arena.h"
#include "core/diag.h"

// Quantization properties; a format is a valid OR of them (ppq_qfmt_check).
typedef enum ppq_qprop {
    PPQ_Q_PER_TENSOR = 1 << 0,
    PPQ_Q_PER_CHANNEL = 1 << 1,
    PPQ_Q_LINEAR = 1 << 2,
    PPQ_Q_FLOATING = 1 << 3,
    PPQ_Q_SYMMETRIC = 1 << 4,
    PPQ_Q_ASYMMETRIC = 1 << 5,
    PPQ_Q_POW2 = 1 << 6,    // scale is 2^k
    PPQ_Q_DYNAMIC = 1 << 7, // scale is computed per batch
} ppq_qprop;

typedef enum ppq_rounding {
    PPQ_ROUND_HALF_EVEN,
    PPQ_ROUND_HALF_UP,
    PPQ_ROUND_HALF_DOWN,
    PPQ_ROUND_HALF_TO_ZERO,
    PPQ_ROUND_HALF_FROM_ZERO,
    PPQ_ROUND_TO_NEAR_INT,
    PPQ_ROUND_UP,
    PPQ_ROUND_COUNT
} ppq_rounding;

// How a tensor is quantized. Immutable once a TQC leaves PPQ_QS_INITIAL.
typedef struct ppq_qfmt {
    uint32_t props;   // ppq_qprop
    uint8_t bits;     // [2, 32]
    uint8_t exp_bits; // 0 unless FLOATING
    ppq_rounding rounding;
    int8_t axis;       // channel axis; ignored unless PER_CHANNEL
    double qmin, qmax; // inclusive, in quantized units (double holds any int32)
} ppq_qfmt;

// INITIAL -> ACTIVATED -> BAKED            owns scale and offset
// PASSIVE_INIT -> PASSIVE -> PASSIVE_BAKED  borrows them (bias, clip bounds)
// OVERLAPPED                                another TQC already quantizes this
// FP32                                      never quantized
// Legal edges are one table in core/tqc.c; any other transition is PPQ_ERR_STATE.
typedef enum ppq_qstate {
    PPQ_QS_INITIAL,
    PPQ_QS_ACTIVATED,
    PPQ_QS_BAKED,
    PPQ_QS_OVERLAPPED,
    PPQ_QS_PASSIVE_INIT,
    PPQ_QS_PASSIVE,
    PPQ_QS_PASSIVE_BAKED,
    PPQ_QS_FP32,
    PPQ_QS_COUNT
} ppq_qstate;

typedef enum ppq_visibility { PPQ_VIS_WHEN_ACTIVE, PPQ_VIS_FORCE, PPQ_VIS_INTERNAL } ppq_visibility;

const char *ppq_qstate_name(ppq_qstate s); // "initial", "activated", ...
const char *ppq_rounding_name(ppq_rounding r); // "half-even", ...
// True for a format that is well formed: exactly one of PER_TENSOR/PER_CHANNEL, LINEAR/FLOATING,
// SYMMETRIC/ASYMMETRIC; bits and range in their limits; qmin < qmax.
bool ppq_qfmt_check(const ppq_qfmt *f);

struct ppq_observer;

// Tensor quantization config: one per (op, slot, direction). Owned by the graph.
typedef struct ppq_tqc {
    uint32_t id; // dense; index for side tables. Identity is the id.
    ppq_qfmt fmt;
    ppq_qstate state;
    ppq_visibility visibility;
    struct ppq_tqc *parent; // self when root; see ppq_tqc_root
    const struct ppq_observer *observer;
    uint32_t n;    // 1, or the channel count; 0 before calibration
    float *scale;  // n values > 0, or NULL. Real = (q - offset) * scale
    float *offset; // n integral values, or NULL
} ppq_tqc;

// Follows parents to the TQC that owns the parameters.
ppq_tqc *ppq_tqc_root(ppq_tqc *t);
const ppq_tqc *ppq_tqc_root_const(const ppq_tqc *t);
// `child` stops quantizing; `by` does it for both (operator fusion).
PPQ_NODISCARD ppq_status ppq_tqc_overlap(ppq_tqc *child, ppq_tqc *by, ppq_diag *d);
// `child` keeps quantizing but with the parameters of `master` (alignment).
PPQ_NODISCARD ppq_status ppq_tqc_follow(ppq_tqc *child, ppq_tqc *master, ppq_diag *d);
// `t` leaves whatever group it is in and owns these parameters as PASSIVE (alignment).
PPQ_NODISCARD ppq_status ppq_tqc_detach(ppq_tqc *t, ppq_arena *a, uint32_t n, const float *scale,
                                        const float *offset, ppq_diag *d);
PPQ_NODISCARD ppq_status ppq_tqc_set_state(ppq_tqc *t, ppq_qstate to, ppq_diag *d);
// Copies n values each. Refused when `t` follows another TQC, is baked, OVERLAPPED or FP32.
PPQ_NODISCARD ppq_status ppq_tqc_set_params(ppq_tqc *t, ppq_arena *a, uint32_t n,
                                            const float *scale, const float *offset, ppq_diag *d);
bool ppq_tqc_is_active(const ppq_tqc *t); // NULL, or not ACTIVATED, PASSIVE: false
bool ppq_qfmt_equal(const ppq_qfmt *a, const ppq_qfmt *b);

#endif
