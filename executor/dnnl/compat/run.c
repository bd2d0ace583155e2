#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "executor/dnnl/compat/lib.h"

// Operations that exist: what they are, calling them, packing their constants.

enum { MAX_ARGS = 24 };

struct ppq_dnnl_call {
    const ppq_dnnl_op *op;
    dnnl_stream_t stream;
    dnnl_exec_arg_t args[MAX_ARGS];
    int n; // the first op->n_fixed are borrowed from it
};

void ppq_dnnl_op_destroy(ppq_dnnl_op *op)
{
    if (!op)
        return;
    for (int i = 0; i < op->n_fixed; i++)
        dnnl_memory_destroy(op->fixed[i].memory);
    if (op->primitive)
        dnnl_primitive_destroy(op->primitive);
    if (op->pd)
        dnnl_primitive_desc_destroy(op->pd);
    if (op->engine)
        dnnl_engine_destroy(op->engine);
    free(op->wei_scale);
    free(op);
}

const char *ppq_dnnl_impl(const ppq_dnnl_op *op)
{
    const char *s = "";
    return dnnl_primitive_desc_query(op->pd, dnnl_query_impl_info_str, 0, (void *) &s) ==
                   dnnl_success
               ? s
               : "";
}

size_t ppq_dnnl_arg_bytes(const ppq_dnnl_op *op, int arg)
{
    const ppq_desc_ref m = ppq_desc_chosen(op, arg);
    return m ? dnnl_memory_desc_get_size(m) : 0;
}

size_t ppq_dnnl_scratch_bytes(const ppq_dnnl_op *op)
{
    const ppq_desc_ref m = dnnl_primitive_desc_query_md(op->pd, dnnl_query_scratchpad_md, 0);
    return m ? dnnl_memory_desc_get_size(m) : 0;
}

// ---- running -------------------------------------------------------------------------------

ppq_status ppq_dnnl_call_create(const ppq_dnnl_op *op, ppq_dnnl_call **out)
{
    ppq_dnnl_call *call = calloc(1, sizeof(*call));
    if (!call)
        return PPQ_ERR_NOMEM;
    const dnnl_status_t st =
        dnnl_stream_create(&call->stream, op->engine, dnnl_stream_default_flags);
    if (st != dnnl_success) {
        free(call);
        return ppq_lib_status(st);
    }
    call->op = op;
    call->n = op->n_fixed;
    memcpy(call->args, op->fixed, sizeof(op->fixed));
    *out = call;
    return PPQ_OK;
}

ppq_status ppq_dnnl_call_set(ppq_dnnl_call *call, int arg, void *data)
{
    const int id = ppq_desc_arg(arg);
    for (int i = call->op->n_fixed; i < call->n; i++)
        if (call->args[i].arg == id)
            return ppq_lib_status(dnnl_memory_set_data_handle(call->args[i].memory, data));
    ppq_desc_ref m = arg == PPQ_DNNL_SCRATCH
                         ? dnnl_primitive_desc_query_md(call->op->pd, dnnl_query_scratchpad_md, 0)
                         : ppq_desc_chosen(call->op, arg);
    assert(m && call->n < MAX_ARGS);
    dnnl_memory_t memory;
    const dnnl_status_t st = dnnl_memory_create(&memory, m, call->op->engine, data);
    if (st == dnnl_success)
        call->args[call->n++] = (dnnl_exec_arg_t){ id, memory };
    return ppq_lib_status(st);
}

ppq_status ppq_dnnl_call_run(ppq_dnnl_call *call)
{
    const int before = ppq_dnnl_get_threads(), wanted = call->op->n_threads;
    if (before != wanted)
        ppq_dnnl_set_threads(wanted);
    dnnl_status_t st =
        dnnl_primitive_execute(call->op->primitive, call->stream, call->n, call->args);
    if (st == dnnl_success)
        st = dnnl_stream_wait(call->stream);
    if (before != wanted)
        ppq_dnnl_set_threads(before);
    return ppq_lib_status(st);
}

void ppq_dnnl_call_destroy(ppq_dnnl_call *call)
{
    if (!call)
        return;
    for (int i = call->op->n_fixed; i < call->n; i++)
        dnnl_memory_destroy(call->args[i].memory);
    dnnl_stream_destroy(call->stream);
    free(call);
}

ppq_status ppq_dnnl_exec(const ppq_dnnl_op *op, const ppq_dnnl_bind *bind, int n, void *scratch)
{
    ppq_dnnl_call *call;
    PPQ_TRY(ppq_dnnl_call_create(op, &call));
    ppq_status st = PPQ_OK;
    for (int i = 0; st == PPQ_OK && i < n; i++)
        if (bind[i].data)
            st = ppq_dnnl_call_set(call, bind[i].arg, (void *) (uintptr_t) bind[i].data);
    if (st == PPQ_OK && scratch)
        st = ppq_dnnl_call_set(call, PPQ_DNNL_SCRATCH, scratch);
    if (st == PPQ_OK)
        st = ppq_dnnl_call_run(call);
    ppq_dnnl_call_destroy(call);
    return st;
}

// ---- packing -------------------------------------------------------------------------------

static ppq_status run_reorder(const ppq_dnnl_op *op, const void *src, const void *dst)
{
    const ppq_dnnl_bind bind[] = { { PPQ_DNNL_SRC, src }, { PPQ_DNNL_DST, dst } };
    const size_t bytes = ppq_dnnl_scratch_bytes(op);
    if (!bytes)
        return ppq_dnnl_exec(op, bind, PPQ_COUNT(bind), NULL);
    // Weights that carry compensations need scratch, and 2.x does not check that it is there.
    const ppq_shape s = ppq_shape_1d((int64_t) bytes);
    ppq_tensor scratch;
    PPQ_TRY(ppq_tensor_alloc(&scratch, PPQ_DT_U8, &s));
    const ppq_status st = ppq_dnnl_exec(op, bind, PPQ_COUNT(bind), ppq_tensor_data(&scratch));
    ppq_tensor_unref(&scratch);
    return st;
}

static bool same_layout(const ppq_dnnl_op *op, int arg, const ppq_dnnl_md *md)
{
    ppq_desc m;
    const bool same = ppq_desc_init(&m, md) == dnnl_success && m.valid &&
                      dnnl_memory_desc_equal(ppq_lib_desc_ref(&m), ppq_desc_chosen(op, arg));
    ppq_lib_desc_fini(&m);
    return same;
}

ppq_status ppq_dnnl_pack(const ppq_dnnl_op *op, int arg, const ppq_dnnl_md *md, const ppq_tensor *t,
                         ppq_tensor *out)
{
    if (same_layout(op, arg, md)) {
        *out = ppq_tensor_ref(t);
        return PPQ_OK;
    }
    const ppq_shape s = ppq_shape_1d((int64_t) ppq_dnnl_arg_bytes(op, arg));
    const ppq_dnnl_md to = ppq_dnnl_md_like(op, arg);
    ppq_dnnl_op *reorder;
    ppq_tensor packed;
    PPQ_TRY(ppq_dnnl_reorder(md, &to, NULL, &reorder));
    ppq_status st = ppq_tensor_alloc(&packed, PPQ_DT_U8, &s);
    if (st == PPQ_OK) {
        st = run_reorder(reorder, ppq_tensor_data(t), ppq_tensor_data(&packed));
        if (st == PPQ_OK)
            *out = packed;
        else
            ppq_tensor_unref(&packed);
    }
    ppq_dnnl_op_destroy(reorder);
    return st;
}
