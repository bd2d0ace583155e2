#include "executor/dnnl/compat/lib.h"

// Memory descriptors: ours to the library's.

dnnl_data_type_t ppq_desc_type(ppq_dtype dt)
{
    switch ((int) dt) {
    case PPQ_DT_F32:
        return dnnl_f32;
    case PPQ_DT_F16:
        return dnnl_f16;
    case PPQ_DT_BF16:
        return dnnl_bf16;
    case PPQ_DT_I32:
        return dnnl_s32;
    case PPQ_DT_I8:
        return dnnl_s8;
    case PPQ_DT_U8:
        return dnnl_u8;
    default:
        return dnnl_data_type_undef;
    }
}

int ppq_desc_arg(int arg)
{
    static const int args[] = {
        [PPQ_DNNL_SRC] = DNNL_ARG_SRC,         [PPQ_DNNL_SRC_1] = DNNL_ARG_SRC_1,
        [PPQ_DNNL_WEIGHTS] = DNNL_ARG_WEIGHTS, [PPQ_DNNL_BIAS] = DNNL_ARG_BIAS,
        [PPQ_DNNL_DST] = DNNL_ARG_DST,         [PPQ_DNNL_SCALE] = DNNL_ARG_SCALE,
        [PPQ_DNNL_SHIFT] = DNNL_ARG_SHIFT,     [PPQ_DNNL_SCRATCH] = DNNL_ARG_SCRATCHPAD,
    };
    if (arg >= PPQ_DNNL_POST)
        return DNNL_ARG_ATTR_MULTIPLE_POST_OP(arg - PPQ_DNNL_POST) | DNNL_ARG_SRC_1;
    return args[arg];
}

ppq_desc_ref ppq_desc_chosen(const ppq_dnnl_op *op, int arg)
{
    return dnnl_primitive_desc_query_md(op->pd, dnnl_query_exec_arg_md, ppq_desc_arg(arg));
}

dnnl_status_t ppq_desc_init(ppq_desc *m, const ppq_dnnl_md *md)
{
    *m = (ppq_desc){ .valid = false };
    if (md->format == PPQ_DNNL_LIKE) {
        const ppq_desc_ref from = ppq_desc_chosen(md->like, md->like_arg);
        return from ? ppq_lib_desc_copy(m, from) : dnnl_invalid_arguments;
    }
    if (md->dtype == PPQ_DT_NONE)
        return dnnl_success;
    const dnnl_data_type_t dt = ppq_desc_type(md->dtype);
    if (dt == dnnl_data_type_undef || md->rank < 1 || md->rank > PPQ_DNNL_DIMS)
        return dnnl_unimplemented;
    return ppq_lib_desc_create(m, md, dt);
}

ppq_dnnl_md ppq_dnnl_md_of(ppq_dtype dt, const ppq_shape *s, ppq_layout layout)
{
    ppq_dnnl_md md = { .dtype = dt, .rank = PPQ_MAX(s->rank, 1), .dim = { 1 }, .stride = { 1 } };
    int64_t step = 1;
    if (layout == PPQ_LAYOUT_CHANNELS_LAST && s->rank >= 3) {
        md.stride[1] = 1;
        step = s->dim[1];
    }
    for (int i = s->rank - 1; i >= 0; i--) {
        md.dim[i] = s->dim[i];
        if (i == 1 && layout == PPQ_LAYOUT_CHANNELS_LAST && s->rank >= 3)
            continue;
        md.stride[i] = step;
        step *= s->dim[i];
    }
    return md;
}

ppq_dnnl_md ppq_dnnl_md_any(const ppq_dnnl_md *like)
{
    ppq_dnnl_md md = *like;
    md.format = PPQ_DNNL_ANY;
    return md;
}

ppq_dnnl_md ppq_dnnl_md_like(const ppq_dnnl_op *op, int arg)
{
    return (ppq_dnnl_md){ .format = PPQ_DNNL_LIKE, .like = op, .like_arg = arg };
}
