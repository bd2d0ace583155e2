#ifndef PPQ_QUANTIZER_REPORT_H
#define PPQ_QUANTIZER_REPORT_H

#include "core/io.h"
#include "ppq/ppq.h"
#include "quantizer/session.h"

// Texts for people and JSON for programs, about a session.

// The closing summary of ppq-quantize.
void ppq_report(const ppq_session *s, bool json, ppq_buf *out);
// The same and more as one HTML page, also well-formed XML. Its size is bounded: of large models
// the worst layers are shown and the page says what is left out.
void ppq_report_html(const ppq_session *s, ppq_buf *out);
// Ops the platform could quantize that run in float, each told as a warning; how many.
size_t ppq_report_float_ops(const ppq_session *s, ppq_diag *d);
// The views of ppq-inspect.
PPQ_NODISCARD ppq_status ppq_inspect(const ppq_session *s, ppq_view view, bool json, ppq_buf *out);

#endif
