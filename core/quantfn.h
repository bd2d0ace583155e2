#ifndef PPQ_CORE_QUANTFN_H
#define PPQ_CORE_QUANTFN_H

#include "core/tensor.h"
#include "core/tqc.h"

// The only arithmetic of quantization in the project: exporters, the simulation, the engine and
// the tests all call it, so they cannot drift apart.
//
//     q = clip(round(x / scale) + offset, qmin, qmax)        x' = (q - offset) * scale
//
// in float32 with a true division (a multiplication by 1/scale differs on ties), as ONNX
// QuantizeLinear and DequantizeLinear define it. Formats wider than 24 bits round in double. NaN
// becomes qmin.

// One value rounded to an integer.
double ppq_round(double x, ppq_rounding r);

typedef struct ppq_qparam {
    float scale, offset;
    double qmin, qmax;
    ppq_rounding rounding;
} ppq_qparam;

// Channel `c`'s parameters, read through the root. The root must have parameters.
ppq_qparam ppq_tqc_param(const ppq_tqc *t, uint32_t c);
// Channels of the parameters, read through the root; 0 before calibration.
uint32_t ppq_tqc_n(const ppq_tqc *t);

// Arrays. src and dst may be the same.
void ppq_fake_quant(const float *src, float *dst, int64_t n, const ppq_qparam *p);
void ppq_quantize_i32(const float *src, int32_t *dst, int64_t n, const ppq_qparam *p);
// sum over src of (x' - x)^2 without writing x'.
double ppq_quant_error(const float *src, int64_t n, const ppq_qparam *p);

// Tensors, float32 in any layout. `dst` of fake_quant may be `src` itself; otherwise it must be
// allocated, of the same shape and layout. PPQ_ERR_SHAPE when a per-channel TQC does not fit.
PPQ_NODISCARD ppq_status ppq_tqc_fake_quant(const ppq_tqc *t, const ppq_tensor *src,
                                            ppq_tensor *dst);
// The integers a file stores: U8, I8, U16, I16 or I32, as the format's range asks.
ppq_dtype ppq_qfmt_dtype(const ppq_qfmt *f);
PPQ_NODISCARD ppq_status ppq_tqc_quantize(const ppq_tqc *t, const ppq_tensor *src,
                                          ppq_tensor *out);

#endif
