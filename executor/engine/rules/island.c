#include "executor/engine/rules/island.h"

#include <stdlib.h>
#include <string.h>

#include "executor/exec.h"
#include "executor/subgraph.h"

// Any op, in float or whatever type it has, by the kernels and operators of the executor. Last in
// the list, and the only rule for ops whose shapes depend on values.

typedef struct island {
    const ppq_op *op;
    int64_t opset;
    const ppq_kernel *kernel;
    void *kernel_state;
    ppq_subgraphs *subgraphs;
} island;

static void release(void *state)
{
    island *s = state;
    if (s->kernel && s->kernel->release)
        s->kernel->release(s->kernel_state);
    ppq_subgraphs_destroy(s->subgraphs);
    free(s);
}

// ---- running --------------------------------------------------------------------------------

// Values of the op's inputs, and after them of what its subgraphs read.
static const ppq_tensor **inputs(const ppq_step *s, ppq_call *c, int32_t n)
{
    const ppq_tensor **in = ppq_new_n(ppq_call_arena(c), const ppq_tensor *, (size_t) n + 1);
    for (int32_t k = 0; k < n; k++)
        in[k] = s->in[k] == PPQ_NO_VALUE ? NULL : ppq_call_tensor(c, s->in[k]);
    return in;
}

static ppq_status forward(const island *i, ppq_call *c, const ppq_tensor **in, ppq_tensor *out)
{
    const ppq_op *op = i->op;
    ppq_kernel_ctx k = { .op = op,
                         .opset = i->opset,
                         .in = in,
                         .out = out,
                         .scratch = ppq_call_arena(c),
                         .pool = ppq_call_pool(c),
                         .diag = ppq_call_diag(c),
                         .n_threads = ppq_call_threads(c),
                         .captured = op->n_implicit ? in + op->n_in : NULL,
                         .subgraphs = i->subgraphs };
    return i->kernel ? i->kernel->forward(i->kernel_state, &k) : op->def->forward(&k);
}

static ppq_status run_fixed(const ppq_step *s, ppq_call *c)
{
    const island *i = s->state;
    ppq_tensor *out = ppq_new_n(ppq_call_arena(c), ppq_tensor, (size_t) s->n_out + 1);
    for (int32_t k = 0; k < s->n_out; k++)
        out[k] = ppq_tensor_ref(ppq_call_tensor(c, s->out[k]));
    const ppq_status st = forward(i, c, inputs(s, c, s->n_in), out);
    for (int32_t k = 0; k < s->n_out; k++) {
        // An op may hand on its input instead of filling the output.
        const ppq_tensor *want = ppq_call_tensor(c, s->out[k]);
        if (st == PPQ_OK && out[k].buf && ppq_tensor_data(&out[k]) != ppq_tensor_data(want))
            memcpy(ppq_tensor_data(want), ppq_tensor_data(&out[k]), ppq_tensor_bytes(want));
        ppq_tensor_unref(&out[k]);
    }
    return st;
}

static ppq_status infer(const island *i, ppq_call *c, const ppq_tensor **in, ppq_shape *shape,
                        ppq_dtype *dt)
{
    const ppq_op *op = i->op;
    ppq_arena *a = ppq_call_arena(c);
    const size_t n = (size_t) op->n_in + 1;
    ppq_shape *in_shape = ppq_new_n(a, ppq_shape, n);
    ppq_dtype *in_dt = ppq_new_n(a, ppq_dtype, n);
    bool *has = ppq_new_n(a, bool, n);
    for (int32_t k = 0; k < op->n_in; k++) {
        has[k] = in[k] != NULL;
        in_shape[k] = in[k] ? in[k]->shape : (ppq_shape){ .rank = -1 };
        in_dt[k] = in[k] ? in[k]->dtype : PPQ_DT_NONE;
    }
    for (int32_t k = 0; k < op->n_out; k++)
        shape[k].rank = -1;
    PPQ_TRY(ppq_op_check_kinds(op, in_dt, ppq_call_diag(c)));
    ppq_infer_ctx x = { op, i->opset, in, in_shape, in_dt, has, shape, dt, ppq_call_diag(c) };
    return op->def->infer(&x);
}

static ppq_status fill(const island *i, ppq_call *c, const ppq_tensor **in, ppq_tensor *out,
                       const ppq_shape *shape, const ppq_dtype *dt)
{
    for (int32_t k = 0; k < i->op->n_out; k++)
        if (dt[k] != PPQ_DT_NONE && !ppq_dtype_is_container(dt[k]) && ppq_shape_known(&shape[k]))
            PPQ_TRY(ppq_tensor_alloc_pool(&out[k], dt[k], &shape[k], ppq_call_pool(c)));
    PPQ_TRY(forward(i, c, in, out));
    for (int32_t k = 0; k < i->op->n_out; k++)
        if (i->op->out[k] && !out[k].buf)
            return ppq_fail(ppq_call_diag(c), PPQ_ERR_UNSUPPORTED,
                            (ppq_loc){ .stage = "run", .op = i->op->name },
                            "%s did not produce its output %d", i->op->type, k);
    return PPQ_OK;
}

static ppq_status run_held(const ppq_step *s, ppq_call *c)
{
    const island *i = s->state;
    ppq_arena *a = ppq_call_arena(c);
    const size_t n = (size_t) s->n_out + 1;
    const ppq_tensor **in = inputs(s, c, s->n_in);
    ppq_tensor *out = ppq_new_n(a, ppq_tensor, n);
    ppq_shape *shape = ppq_new_n(a, ppq_shape, n);
    ppq_dtype *dt = ppq_new_n(a, ppq_dtype, n);
    PPQ_TRY(infer(i, c, in, shape, dt));
    const ppq_status st = fill(i, c, in, out, shape, dt);
    for (int32_t k = 0; k < s->n_out; k++) {
        if (st == PPQ_OK && out[k].buf)
            ppq_call_hold(c, s->out[k], &out[k]);
        ppq_tensor_unref(&out[k]);
    }
    return st;
}

// ---- planning -------------------------------------------------------------------------------

static ppq_status make(ppq_plan *p, const ppq_op *op, const ppq_kernel *kernel, void *take_state,
                       island **out)
{
    island *s = calloc(1, sizeof(*s));
    if (!s)
        abort();
    s->op = op;
    s->opset = ppq_graph_opset(p->g, op->domain);
    s->kernel = kernel;
    s->kernel_state = take_state;
    if (ppq_subgraphs_any(op)) {
        const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .n_threads = p->o.n_threads };
        const ppq_status st = ppq_subgraphs_create(p->g, op, &o, &s->subgraphs, p->d);
        if (st != PPQ_OK) {
            release(s);
            return st;
        }
    }
    *out = s;
    return PPQ_OK;
}

static ppq_status add(ppq_plan *p, island *take, ppq_status (*run)(const ppq_step *, ppq_call *),
                      const int32_t *in, const int32_t *out)
{
    const ppq_op *op = take->op;
    ppq_step *s = ppq_plan_add_step(p, op, take->kernel ? take->kernel->name : "plain", run, in,
                                    op->n_in + op->n_implicit, out, op->n_out);
    s->state = take;
    s->release = release;
    return PPQ_OK;
}

ppq_status ppq_island_step(ppq_plan *p, const ppq_op *op, const ppq_kernel *kernel,
                           void *take_state, const int32_t *in, const int32_t *out)
{
    island *s;
    PPQ_TRY(make(p, op, kernel, take_state, &s));
    return add(p, s, run_fixed, in, out);
}

static bool has_elements(const ppq_plan *p, const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k] && ppq_shape_numel(&p->shape[op->in[k]->id]) == 0)
            return false;
    for (int32_t k = 0; k < op->n_out; k++)
        if (!op->out[k] || ppq_shape_numel(&p->shape[op->out[k]->id]) == 0)
            return false;
    return true;
}

static const ppq_kernel *choose(ppq_plan *p, const ppq_op *op, void **state)
{
    if (op->domain[0] || !has_elements(p, op))
        return NULL;
    const size_t ni = (size_t) op->n_in + 1, no = (size_t) op->n_out + 1;
    ppq_arena *a = p->arena;
    ppq_shape *in = ppq_new_n(a, ppq_shape, ni), *out = ppq_new_n(a, ppq_shape, no);
    ppq_dtype *in_dt = ppq_new_n(a, ppq_dtype, ni), *out_dt = ppq_new_n(a, ppq_dtype, no);
    bool *has = ppq_new_n(a, bool, ni);
    const ppq_tensor **value = ppq_new_n(a, const ppq_tensor *, ni);
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        has[k] = v != NULL;
        in[k] = v ? p->shape[v->id] : (ppq_shape){ .rank = -1 };
        in_dt[k] = v ? p->dtype[v->id] : PPQ_DT_NONE;
        value[k] = v ? ppq_plan_known(p, v) : NULL;
    }
    for (int32_t k = 0; k < op->n_out; k++) {
        out[k] = p->shape[op->out[k]->id];
        out_dt[k] = p->dtype[op->out[k]->id];
    }
    const ppq_kernel_spec spec = {
        op, ppq_graph_opset(p->g, ""), in, in_dt, has, value, out, out_dt, p->o.n_threads
    };
    for (const ppq_kernel *const *k = ppq_builtin_kernels; *k; k++)
        if (strcmp((*k)->op_type, op->type) == 0 && (*k)->supports(&spec) &&
            (*k)->prepare(&spec, state, p->d) == PPQ_OK)
            return *k;
    return NULL;
}

// Whether an elementwise op may run on channels-last data as it is: all big inputs have one shape,
// all others one element.
static bool layout_free_last(const ppq_plan *p, const ppq_op *op)
{
    const ppq_shape *big = NULL;
    bool last = false;
    if (!ppq_op_has_trait(op, PPQ_OP_LAYOUT_FREE))
        return false;
    for (int32_t k = 0; k < op->n_in; k++) {
        const ppq_var *v = op->in[k];
        if (!v)
            continue;
        const ppq_shape *s = &p->shape[v->id];
        if (s->rank < 3) {
            if (ppq_shape_numel(s) != 1)
                return false;
            continue;
        }
        if ((big && !ppq_shape_equal(big, s)) || ppq_plan_known(p, v))
            return false;
        big = s;
        last |= ppq_plan_layout(p, v) == PPQ_LAYOUT_CHANNELS_LAST;
    }
    return last && op->out[0] && ppq_shape_equal(&p->shape[op->out[0]->id], big);
}

// Reads all inputs; those of rank 3 and more as `want` says, constants plain.
static ppq_status read_inputs(ppq_plan *p, const ppq_op *op, ppq_want want, int32_t *in)
{
    for (int32_t k = 0; k < op->n_in + op->n_implicit; k++) {
        const ppq_var *v = op->in[k];
        in[k] = PPQ_NO_VALUE;
        if (v)
            PPQ_TRY(
                ppq_plan_read(p, v, ppq_plan_known(p, v) ? PPQ_WANT_PLAIN : want, false, &in[k]));
    }
    return PPQ_OK;
}

static bool is_fixed(const ppq_plan *p, const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_in + op->n_implicit; k++)
        if (op->in[k] && p->unmoored[op->in[k]->id])
            return false;
    for (int32_t k = 0; k < op->n_out; k++)
        if (op->out[k] && p->unmoored[op->out[k]->id])
            return false;
    return true;
}

// Outputs that nobody named still need memory to be written to.
static bool names_all_outputs(const ppq_op *op)
{
    for (int32_t k = 0; k < op->n_out; k++)
        if (!op->out[k])
            return false;
    return true;
}

static ppq_status lower_held(ppq_plan *p, const ppq_op *op, int32_t *in, int32_t *out)
{
    const ppq_shape unknown = { .rank = -1 };
    PPQ_TRY(read_inputs(p, op, PPQ_WANT_PLAIN, in));
    for (int32_t k = 0; k < op->n_out; k++)
        out[k] = ppq_plan_new_value(p, op->out[k], PPQ_DT_NONE, &unknown, PPQ_LAYOUT_PLAIN);
    island *s;
    PPQ_TRY(make(p, op, NULL, NULL, &s));
    ppq_plan_done(p, op);
    return add(p, s, run_held, in, out);
}

static ppq_status lower(ppq_plan *p, const ppq_op *op)
{
    int32_t *in = ppq_new_n(p->arena, int32_t, (size_t) (op->n_in + op->n_implicit) + 1);
    int32_t *out = ppq_new_n(p->arena, int32_t, (size_t) op->n_out + 1);
    if (!is_fixed(p, op) || !names_all_outputs(op))
        return lower_held(p, op, in, out);
    for (int32_t k = 0; k < op->n_in; k++)
        if (op->in[k])
            PPQ_TRY(ppq_plan_learn(p, op->in[k]));
    void *state = NULL;
    const ppq_kernel *kernel = choose(p, op, &state);
    const bool last = kernel ? kernel->channels_last : layout_free_last(p, op);
    const ppq_status st = read_inputs(p, op, last ? PPQ_WANT_LAST : PPQ_WANT_PLAIN, in);
    if (st != PPQ_OK) {
        if (kernel && kernel->release)
            kernel->release(state);
        return st;
    }
    for (int32_t k = 0; k < op->n_out; k++) {
        const ppq_var *v = op->out[k];
        out[k] = ppq_plan_new_value(p, v, p->dtype[v->id], &p->shape[v->id],
                                    last ? PPQ_LAYOUT_CHANNELS_LAST : PPQ_LAYOUT_PLAIN);
    }
    ppq_plan_done(p, op);
    return ppq_island_step(p, op, kernel, state, in, out);
}

const ppq_rule ppq_rule_island = {
    .name = "island",
    .summary = "any op, by the executor's own kernels",
    .types = NULL,
    .lower = lower,
};
