#ifndef PPQ_EXPORTER_TQC_JSON_H
#define PPQ_EXPORTER_TQC_JSON_H

#include "core/json.h"
#include "core/tqc.h"

// Members of an open JSON object that tell a TQC, as docs/FORMATS.md describes them.

// bits, dtype, qmin, qmax, rounding, properties
void ppq_json_qfmt(ppq_json_writer *w, const ppq_tqc *t);
// scale and zero_point, arrays with axis for per-channel formats; nothing before calibration
void ppq_json_qparams(ppq_json_writer *w, const ppq_tqc *t);
// id, state, quantized_by, format, observer and parameters, as far as the state has them
void ppq_json_tqc(ppq_json_writer *w, const ppq_tqc *t);

#endif
