#include "exporter/tqc_json.h"

#include "core/ext.h"
#include "core/quantfn.h"

static const char *const prop_names[] = { "per-tensor", "per-channel", "linear",     "floating",
                                          "symmetric",  "asymmetric",  "power-of-2", "dynamic" };

void ppq_json_qparams(ppq_json_writer *w, const ppq_tqc *t)
{
    const uint32_t n = ppq_tqc_n(t);
    if (!n)
        return;
    const bool channels = t->fmt.props & PPQ_Q_PER_CHANNEL;
    if (!channels) {
        const ppq_qparam p = ppq_tqc_param(t, 0);
        ppq_json_float(w, "scale", p.scale);
        ppq_json_int(w, "zero_point", (int64_t) p.offset);
        return;
    }
    ppq_json_int(w, "axis", t->fmt.axis);
    ppq_json_open_line(w, "scale");
    for (uint32_t c = 0; c < n; c++)
        ppq_json_float(w, NULL, ppq_tqc_param(t, c).scale);
    ppq_json_close(w, ']');
    ppq_json_open_line(w, "zero_point");
    for (uint32_t c = 0; c < n; c++)
        ppq_json_int(w, NULL, (int64_t) ppq_tqc_param(t, c).offset);
    ppq_json_close(w, ']');
}

void ppq_json_qfmt(ppq_json_writer *w, const ppq_tqc *t)
{
    ppq_json_int(w, "bits", t->fmt.bits);
    ppq_json_string(w, "dtype", ppq_dtype_name(ppq_qfmt_dtype(&t->fmt)));
    ppq_json_int(w, "qmin", (int64_t) t->fmt.qmin);
    ppq_json_int(w, "qmax", (int64_t) t->fmt.qmax);
    ppq_json_string(w, "rounding", ppq_rounding_name(t->fmt.rounding));
    ppq_json_open_line(w, "properties");
    for (unsigned i = 0; i < PPQ_COUNT(prop_names); i++)
        if (t->fmt.props & 1u << i)
            ppq_json_string(w, NULL, prop_names[i]);
    ppq_json_close(w, ']');
}

void ppq_json_tqc(ppq_json_writer *w, const ppq_tqc *t)
{
    ppq_json_int(w, "id", t->id);
    ppq_json_string(w, "state", ppq_qstate_name(t->state));
    if (t->parent != t)
        ppq_json_int(w, "quantized_by", ppq_tqc_root_const(t)->id);
    if (t->state == PPQ_QS_FP32)
        return;
    ppq_json_qfmt(w, t);
    if (t->observer && t->state != PPQ_QS_PASSIVE && t->state != PPQ_QS_PASSIVE_BAKED)
        ppq_json_string(w, "observer", t->observer->name);
    ppq_json_qparams(w, t);
}
