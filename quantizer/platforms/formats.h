#ifndef PPQ_QUANTIZER_PLATFORMS_FORMATS_H
#define PPQ_QUANTIZER_PLATFORMS_FORMATS_H

#include "core/ext.h"

// Formats that several platforms share, as initializers.

#define PPQ_FMT(p, b, lo, hi) \
    { .props = (p), .bits = (b), .rounding = PPQ_ROUND_HALF_EVEN, .qmin = (lo), .qmax = (hi) }
#define PPQ_FMT_U8_ASYM \
    PPQ_FMT(PPQ_Q_ASYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 8, 0, 255)
#define PPQ_FMT_S8_SYM PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 8, -128, 127)
#define PPQ_FMT_S8_SYM_CHANNEL \
    PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_CHANNEL, 8, -128, 127)
// 255 levels: -128 is left out, so that a product with it cannot occur.
#define PPQ_FMT_S8_NARROW PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_TENSOR, 8, -127, 127)
#define PPQ_FMT_S8_NARROW_CHANNEL \
    PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_CHANNEL, 8, -127, 127)
#define PPQ_FMT_S32_BIAS_CHANNEL                                                          \
    PPQ_FMT(PPQ_Q_SYMMETRIC | PPQ_Q_LINEAR | PPQ_Q_PER_CHANNEL, 32, -2147483647.0, 2147483647.0)

// Rules: a constant weight in `slot`, quantized per output channel at its whole range.
#define PPQ_RULE_WEIGHT(type, slot_, fmt_)                                   \
    {                                                                        \
        (type), PPQ_IN, (slot_), true, PPQ_QS_INITIAL, &(fmt_), PPQ_AXIS_OUT_CHANNEL, "minmax" \
    }
#define PPQ_RULE_FLOAT(type, slot_)                                                          \
    {                                                                                        \
        (type), PPQ_IN, (slot_), false, PPQ_QS_FP32, NULL, PPQ_AXIS_NONE, NULL               \
    }
#define PPQ_RULE_BIAS(type, fmt_)                                                            \
    {                                                                                        \
        (type), PPQ_IN, 2, true, PPQ_QS_PASSIVE_INIT, &(fmt_), PPQ_AXIS_NONE, NULL           \
    }

#endif
