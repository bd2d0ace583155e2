#include "tests/fuzz/engine_check.h"

#include <float.h>
#include <math.h>

#include "executor/exec.h"
#include "executor/ops/convert.h"
#include "tests/fuzz/random_graph.h"

static void print_shape(const ppq_tensor *t)
{
    char text[128];
    fprintf(stderr, " %s", t->buf ? ppq_shape_str(&t->shape, text, sizeof(text)) : "?");
}

// The graph and the plan, for whoever has to find out.
static void describe(const fuzz_check *c)
{
    for (size_t i = 0; i < c->g->n_ops; i++) {
        const ppq_op *op = c->g->ops[i];
        fprintf(stderr, "%s:", op->type);
        for (int32_t k = 0; k < op->n_in; k++) {
            const ppq_var *v = op->in[k];
            fprintf(stderr, " %s", v ? v->name : "-");
            if (v && ppq_var_is_const(v) && ppq_shape_numel(&v->shape) == 1)
                fprintf(stderr, "=%g", fuzz_magnitude(&v->value));
        }
        fprintf(stderr, " ->");
        for (int32_t k = 0; k < op->n_out; k++) {
            fprintf(stderr, " %s", op->out[k] ? op->out[k]->name : "-");
            print_shape(&c->value[op->out[k] ? op->out[k]->id : 0]);
        }
        fprintf(stderr, "\n");
    }
    for (size_t i = 0; i < ppq_engine_n_steps(c->e); i++) {
        const ppq_engine_step s = ppq_engine_get_step(c->e, i);
        fprintf(stderr, "step %zu: %s, %s\n", i, s.kernel, s.op->out[0]->name);
    }
}

static bool is_byte(const ppq_tensor *t)
{
    return t->dtype == PPQ_DT_U8 || t->dtype == PPQ_DT_I8;
}

ppq_status fuzz_see(void *user, const ppq_var *v, const ppq_tensor *t)
{
    fuzz_check *c = user;
    if (!is_byte(t) && t->dtype != PPQ_DT_F32)
        return PPQ_OK;
    ppq_tensor_unref(&c->seen[v->id]);
    PPQ_TRY(ppq_tensor_to_layout(t, PPQ_LAYOUT_PLAIN, NULL, &c->seen[v->id]));
    return ppq_tensor_make_unique(&c->seen[v->id]);
}

static double smallest(const ppq_tensor *t)
{
    double least = (double) INFINITY;
    for (int64_t i = 0; i < ppq_shape_numel(&t->shape); i++)
        least = fmin(least, fabs((double) ppq_f32(t)[i]));
    return least;
}

static double error_of(const fuzz_check *c, const ppq_var *v)
{
    return v ? c->error[v->id] : 0;
}

// The numbers between the ends of the grid that `v` is on.
static double grid_span(const ppq_var *v)
{
    const ppq_op *dq = v->producer.op;
    double scale = 0;
    if (dq && ppq_op_is(dq, "DequantizeLinear"))
        (void) ppq_const_scalar(&dq->in[1]->value, &scale);
    return 255 * scale;
}

// By how much errors of the inputs, and rounding inside, may move what a float op gives.
static double real_error(const fuzz_check *c, const ppq_op *op, const ppq_tensor *const *in,
                         const ppq_tensor *out)
{
    const double a = fuzz_magnitude(in[0]), y = fuzz_magnitude(out), ea = error_of(c, op->in[0]);
    const double b = op->n_in > 1 ? fuzz_magnitude(in[1]) : 0,
                 eb = op->n_in > 1 ? error_of(c, op->in[1]) : 0;
    const bool is_conv = ppq_op_is(op, "Conv") || ppq_op_is(op, "ConvTranspose");
    if (is_conv || ppq_op_is(op, "Gemm") || ppq_op_is(op, "MatMul")) {
        if (c->saturates && ppq_op_is(op, "MatMul") && op->in[1]->producer.op &&
            !ppq_var_is_const(op->in[1]->producer.op->in[0]))
            return (double) INFINITY;
        const int64_t n = ppq_shape_numel(&in[1]->shape), rank = in[1]->shape.rank;
        const double terms = is_conv ? (double) n
                                     : (double) PPQ_MAX(in[1]->shape.dim[rank - 1],
                                                        in[1]->shape.dim[PPQ_MAX(rank - 2, 0)]);
        const double bias = op->n_in > 2 ? fuzz_magnitude(in[2]) : 0;
        // Zero points are worked into biases, so that the whole grid counts for rounding.
        const double span = fmax(a, grid_span(op->in[0]));
        return terms * (ea * b + a * eb + ea * eb + 1e-6 * span * b) + 1e-6 * (y + bias);
    }
    if (ppq_op_is(op, "Mul"))
        return ea * b + a * eb + ea * eb + 1e-6 * y;
    if (ppq_op_is(op, "Div")) {
        const double least = smallest(in[1]) - eb;
        return least > 0 ? ea / least + a * eb / (least * least) + 1e-6 * y : (double) INFINITY;
    }
    if (ppq_op_is(op, "Exp"))
        return ea < 1 ? 3 * ea * y + 2e-5 * y : (double) INFINITY;
    double sum = 0;
    for (int32_t k = 0; k < op->n_in; k++)
        sum += error_of(c, op->in[k]);
    // oneDNN's Elu subtracts one from the exponential: small numbers drown in that one's rounding.
    const double drowned = ppq_op_is(op, "Elu") ? (double) FLT_EPSILON : 0;
    // Slopes are at most 1.13 or so; interpolation and means do not add.
    return 1.2 * sum + 2e-5 * fmax(a, fmax(b, y)) + drowned;
}

static double at(const ppq_tensor *t, int64_t i)
{
    double v;
    ppq_load_f64(t, i, 1, &v);
    return v;
}

// Real numbers that an error of `e` cannot take to another integer.
static bool is_certain(const ppq_tensor *x, double scale, double e)
{
    for (int64_t i = 0; i < ppq_shape_numel(&x->shape); i++) {
        const double q = fabs((double) ppq_f32(x)[i]) / scale;
        if (!(fabs(q - floor(q) - 0.5) > e / scale + 1e-5 * (1 + q)) && q < 1e3)
            return false;
    }
    return true;
}

// How far quantizing takes real numbers: what an op that the engine left in float does not see.
static double quantization_error(const ppq_op *q, const ppq_tensor *x, const ppq_tensor *integers)
{
    const double scale = at(&q->in[1]->value, 0), zero = at(&q->in[2]->value, 0);
    double top = 0;
    for (int64_t i = 0; i < ppq_shape_numel(&x->shape); i++)
        top = fmax(top, fabs(at(x, i) - (at(integers, i) - zero) * scale));
    return top;
}

// `want` follows from the engine's integers; the engine's own take its place from here on.
static void check_integers(fuzz_check *c, const ppq_op *q, ppq_tensor *want)
{
    const ppq_var *v = q->out[0];
    const ppq_tensor *got = &c->seen[v->id], *x = &c->value[q->in[0]->id];
    const double scale = at(&q->in[1]->value, 0), e = c->error[q->in[0]->id];
    const bool left_float = ppq_engine_get_info(c->e)->n_left_float > 0;
    c->error[v->id] = left_float ? quantization_error(q, x, want) : 0;
    if (!got->buf) {
        if (!isfinite(fuzz_magnitude(x)) || !is_certain(x, scale, e))
            c->error[v->id] += scale + e;
        return;
    }
    fuzz_require(got->dtype == want->dtype && ppq_shape_equal(&got->shape, &want->shape),
                 "integers have another type or shape", v->name, c->d);
    const double limit = 1 + floor(e / scale);
    for (int64_t i = 0; limit < 256 && i < ppq_shape_numel(&want->shape); i++)
        if (isfinite(at(x, i)) && fabs(at(got, i) - at(want, i)) > limit) {
            fprintf(stderr, "element %lld of %g x %g is %g, expected %g +- %g\n", (long long) i,
                    at(x, i), scale, at(got, i), at(want, i), limit);
            describe(c);
            fuzz_require(false, "integers are more than one quantum away", v->name, c->d);
        }
    ppq_tensor_unref(want);
    *want = ppq_tensor_ref(got);
}

static void check_reals(const fuzz_check *c, const ppq_var *v, const ppq_tensor *got,
                        const ppq_tensor *want)
{
    fuzz_require(got->dtype == want->dtype && ppq_shape_equal(&got->shape, &want->shape),
                 "a tensor has another type or shape", v->name, c->d);
    const double limit = 2 * c->error[v->id] + 1e-5 * fuzz_magnitude(want);
    for (int64_t k = 0;
         isfinite(limit) && want->dtype == PPQ_DT_F32 && k < ppq_shape_numel(&want->shape); k++)
        if (!(fabs(at(got, k) - at(want, k)) <= limit)) {
            fprintf(stderr, "element %lld is %g, expected %g +- %g\n", (long long) k, at(got, k),
                    at(want, k), limit);
            describe(c);
            fuzz_require(false, "a real number is too far away", v->name, c->d);
        }
}

static void check_op(fuzz_check *c, const ppq_op *op)
{
    const ppq_tensor *in[FUZZ_MAX_SLOTS] = { NULL };
    ppq_tensor out[FUZZ_MAX_SLOTS] = { { .dtype = PPQ_DT_NONE } };
    fuzz_require(op->n_in <= FUZZ_MAX_SLOTS && op->n_out <= FUZZ_MAX_SLOTS, "too many slots",
                 op->type, NULL);
    for (int32_t k = 0; k < op->n_in; k++) {
        in[k] = op->in[k] ? &c->value[op->in[k]->id] : NULL;
        if (in[k] && !in[k]->buf) // behind one that nobody needs and that cannot run
            return;
    }
    if (ppq_op_eval(op, ppq_graph_opset(c->g, op->domain), in, out, c->d) != PPQ_OK)
        return;
    const bool is_dq = ppq_op_is(op, "DequantizeLinear");
    for (int32_t k = 0; k < op->n_out; k++) {
        if (!op->out[k]) {
            ppq_tensor_unref(&out[k]);
            continue;
        }
        if (ppq_op_is(op, "QuantizeLinear"))
            check_integers(c, op, &out[k]);
        else if (is_dq)
            c->error[op->out[k]->id] = error_of(c, op->in[0]) + 2e-7 * fuzz_magnitude(&out[k]);
        else
            c->error[op->out[k]->id] = real_error(c, op, in, &out[k]);
        if (out[k].dtype == PPQ_DT_F32 && c->seen[op->out[k]->id].buf)
            check_reals(c, op->out[k], &c->seen[op->out[k]->id], &out[k]);
        c->value[op->out[k]->id] = out[k];
    }
}

void fuzz_check_all(fuzz_check *c, const ppq_tensor *feeds, const ppq_tensor *got)
{
    ppq_arena *a = ppq_arena_create("fuzz");
    ppq_op **order;
    size_t n;
    for (size_t i = 0; i < c->g->n_vars; i++)
        if (ppq_var_is_const(c->g->vars[i]))
            c->value[i] = ppq_tensor_ref(&c->g->vars[i]->value);
    for (int32_t i = 0; i < c->g->n_inputs; i++)
        c->value[c->g->inputs[i]->id] = ppq_tensor_ref(&feeds[i]);
    fuzz_require(ppq_graph_topo(c->g, a, &order, &n, c->d) == PPQ_OK, "there is a cycle", "graph",
                 c->d);
    for (size_t i = 0; i < n; i++)
        check_op(c, order[i]);
    for (int32_t i = 0; i < c->g->n_outputs; i++) {
        fuzz_require(c->value[c->g->outputs[i]->id].buf != NULL,
                     "the engine runs what plain C refuses", c->g->outputs[i]->name, c->d);
        check_reals(c, c->g->outputs[i], &got[i], &c->value[c->g->outputs[i]->id]);
    }
    ppq_arena_destroy(a);
}
