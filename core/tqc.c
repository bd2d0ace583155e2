#include "core/tqc.h"

#include <math.h>
#include <string.h>

static const char *const state_names[PPQ_QS_COUNT] = {
    "initial", "activated", "baked", "overlapped", "passive-init", "passive", "passive-baked", "fp32",
};

#define BIT(s) (1u << PPQ_QS_##s)
// Row: from; bits: to.
static const uint32_t legal[PPQ_QS_COUNT] = {
    [PPQ_QS_INITIAL] = BIT(ACTIVATED) | BIT(OVERLAPPED) | BIT(PASSIVE_INIT) | BIT(PASSIVE) | BIT(FP32),
    [PPQ_QS_ACTIVATED] = BIT(ACTIVATED) | BIT(BAKED) | BIT(OVERLAPPED) | BIT(PASSIVE) | BIT(FP32),
    [PPQ_QS_BAKED] = BIT(ACTIVATED),
    [PPQ_QS_OVERLAPPED] = BIT(OVERLAPPED) | BIT(PASSIVE) | BIT(FP32),
    [PPQ_QS_PASSIVE_INIT] = BIT(PASSIVE) | BIT(OVERLAPPED) | BIT(FP32),
    [PPQ_QS_PASSIVE] = BIT(PASSIVE) | BIT(PASSIVE_BAKED) | BIT(OVERLAPPED) | BIT(FP32),
    [PPQ_QS_PASSIVE_BAKED] = BIT(PASSIVE),
    [PPQ_QS_FP32] = BIT(FP32),
};

const char *ppq_qstate_name(ppq_qstate s)
{
    return (unsigned) s < PPQ_QS_COUNT ? state_names[s] : "?";
}

const char *ppq_rounding_name(ppq_rounding r)
{
    static const char *const names[PPQ_ROUND_COUNT] = {
        "half-even", "half-up", "half-down", "half-to-zero", "half-from-zero", "near-int", "up",
    };
    return (unsigned) r < PPQ_ROUND_COUNT ? names[r] : "?";
}

static bool exactly_one(uint32_t props, uint32_t a, uint32_t b)
{
    return !!(props & a) != !!(props & b);
}

bool ppq_qfmt_check(const ppq_qfmt *f)
{
    return exactly_one(f->props, PPQ_Q_PER_TENSOR, PPQ_Q_PER_CHANNEL) &&
           exactly_one(f->props, PPQ_Q_LINEAR, PPQ_Q_FLOATING) &&
           exactly_one(f->props, PPQ_Q_SYMMETRIC, PPQ_Q_ASYMMETRIC) && f->bits >= 2 &&
           f->bits <= 32 && (unsigned) f->rounding < PPQ_ROUND_COUNT && f->qmin < f->qmax &&
           f->qmax - f->qmin < ldexp(1.0, f->bits) &&
           !!(f->props & PPQ_Q_FLOATING) == (f->exp_bits > 0);
}

ppq_tqc *ppq_tqc_root(ppq_tqc *t)
{
    while (t->parent != t)
        t = t->parent;
    return t;
}

const ppq_tqc *ppq_tqc_root_const(const ppq_tqc *t)
{
    while (t->parent != t)
        t = t->parent;
    return t;
}

static const ppq_loc here = { .stage = "tqc" };

ppq_status ppq_tqc_set_state(ppq_tqc *t, ppq_qstate to, ppq_diag *d)
{
    if (!(legal[t->state] & (1u << to)))
        return ppq_fail(d, PPQ_ERR_STATE, here, "TQC %u cannot go from state %s to %s",
                        (unsigned) t->id, ppq_qstate_name(t->state), ppq_qstate_name(to));
    t->state = to;
    return PPQ_OK;
}

ppq_status ppq_tqc_overlap(ppq_tqc *child, ppq_tqc *by, ppq_diag *d)
{
    ppq_tqc *root = ppq_tqc_root(by);
    if (ppq_tqc_root(child) == root)
        return PPQ_OK;
    ppq_tqc *old = ppq_tqc_root(child);
    if (!(legal[old->state] & BIT(OVERLAPPED)) || !(legal[child->state] & BIT(OVERLAPPED)))
        return ppq_fail(d, PPQ_ERR_STATE, here, "TQC %u in state %s cannot be overlapped",
                        (unsigned) child->id, ppq_qstate_name(child->state));
    // Whatever followed the child's old root follows the new one: they are one group.
    old->parent = root;
    old->state = PPQ_QS_OVERLAPPED;
    child->state = PPQ_QS_OVERLAPPED;
    return PPQ_OK;
}

ppq_status ppq_tqc_follow(ppq_tqc *child, ppq_tqc *master, ppq_diag *d)
{
    ppq_tqc *root = ppq_tqc_root(master);
    if (child == root)
        return PPQ_OK;
    if (root->parent != root || ppq_tqc_root(child) == child) {
        // A master that hangs below its child would make a loop.
        for (const ppq_tqc *p = master; p->parent != p; p = p->parent)
            if (p->parent == child)
                return ppq_fail(d, PPQ_ERR_STATE, here, "TQC %u would follow itself",
                                (unsigned) child->id);
    }
    PPQ_TRY(ppq_tqc_set_state(child, PPQ_QS_PASSIVE, d));
    child->parent = root;
    return PPQ_OK;
}

ppq_status ppq_tqc_set_params(ppq_tqc *t, ppq_arena *a, uint32_t n, const float *scale,
                              const float *offset, ppq_diag *d)
{
    if (t->parent != t || t->state == PPQ_QS_BAKED || t->state == PPQ_QS_PASSIVE_BAKED ||
        t->state == PPQ_QS_OVERLAPPED || t->state == PPQ_QS_FP32)
        return ppq_fail(d, PPQ_ERR_STATE, here, "TQC %u in state %s does not own its parameters",
                        (unsigned) t->id, ppq_qstate_name(t->state));
    for (uint32_t i = 0; i < n; i++)
        if (!(scale[i] > 0) || !isfinite(scale[i]) || !isfinite(offset[i]) ||
            offset[i] != rintf(offset[i]))
            return ppq_fail(d, PPQ_ERR_NUMERIC, here,
                            "scale %g and offset %g are no quantization parameters (channel %u)",
                            (double) scale[i], (double) offset[i], (unsigned) i);
    t->scale = ppq_new_n(a, float, n);
    t->offset = ppq_new_n(a, float, n);
    memcpy(t->scale, scale, n * sizeof(float));
    memcpy(t->offset, offset, n * sizeof(float));
    t->n = n;
    return PPQ_OK;
}

ppq_status ppq_tqc_detach(ppq_tqc *t, ppq_arena *a, uint32_t n, const float *scale,
                          const float *offset, ppq_diag *d)
{
    PPQ_TRY(ppq_tqc_set_state(t, PPQ_QS_PASSIVE, d));
    t->parent = t;
    return ppq_tqc_set_params(t, a, n, scale, offset, d);
}

bool ppq_tqc_is_active(const ppq_tqc *t)
{
    return t && (t->state == PPQ_QS_ACTIVATED || t->state == PPQ_QS_PASSIVE);
}

bool ppq_qfmt_equal(const ppq_qfmt *a, const ppq_qfmt *b)
{
    return a->props == b->props && a->bits == b->bits && a->exp_bits == b->exp_bits &&
           a->rounding == b->rounding && a->axis == b->axis &&
           !(a->qmin < b->qmin || a->qmin > b->qmin) && !(a->qmax < b->qmax || a->qmax > b->qmax);
}
