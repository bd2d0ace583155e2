// Any bytes are read as a small graph with QuantizeLinear/DequantizeLinear pairs, which the engine
// runs and plain C checks. Running again gives the same bytes, and other input shapes run or are
// refused by both.

#include <unistd.h>

#include "executor/dnnl/compat.h"
#include "executor/exec.h"
#include "exporter/onnx_writer.h"
#include "quantizer/lower.h"
#include "tests/fuzz/engine_check.h"
#include "tests/fuzz/random_graph.h"
#include "tests/fuzz/replay.h"

enum { SECONDS = 60 };

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:detect_leaks=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

static void run_again(ppq_engine *e, const ppq_graph *g, const ppq_tensor *feeds,
                      const ppq_tensor *before, ppq_diag *d)
{
    ppq_tensor *out = fuzz_list((size_t) g->n_outputs, sizeof(*out));
    fuzz_require(ppq_engine_run(e, feeds, out, NULL, NULL, d) == PPQ_OK, "it runs once only",
                 "engine", d);
    for (int32_t i = 0; i < g->n_outputs; i++) {
        fuzz_require(ppq_tensor_equal(&before[i], &out[i]), "a second run gives something else",
                     g->outputs[i]->name, d);
        ppq_tensor_unref(&out[i]);
    }
    free(out);
}

static void run_engine(fuzz_graph *f, const ppq_graph *g, const ppq_engine_opts *o,
                       const ppq_tensor *feeds)
{
    ppq_engine *e;
    fuzz_require(ppq_engine_create(g, o, &e, f->d) == PPQ_OK, "no plan", "engine", f->d);
    fuzz_check c = { .g = g,
                     .e = e,
                     .d = f->d,
                     .seen = fuzz_list(g->n_vars, sizeof(ppq_tensor)),
                     .value = fuzz_list(g->n_vars, sizeof(ppq_tensor)),
                     .error = fuzz_list(g->n_vars, sizeof(double)),
                     .saturates = o->eager && !ppq_dnnl_exact_u8s8() };
    const ppq_engine_tap tap = { .user = &c, .see = fuzz_see };
    ppq_tensor *out = fuzz_list((size_t) g->n_outputs, sizeof(*out));
    fuzz_require(ppq_engine_run(e, feeds, out, &tap, NULL, f->d) == PPQ_OK, "no run", "engine",
                 f->d);
    run_again(e, g, feeds, out, f->d);
    fuzz_check_all(&c, feeds, out);
    for (int32_t i = 0; i < g->n_outputs; i++)
        ppq_tensor_unref(&out[i]);
    for (size_t i = 0; i < g->n_vars; i++) {
        ppq_tensor_unref(&c.seen[i]);
        ppq_tensor_unref(&c.value[i]);
    }
    free(out);
    free(c.seen);
    free(c.value);
    free(c.error);
    ppq_engine_destroy(e);
}

static bool plain_runs(const ppq_graph *g, const ppq_tensor *feeds, ppq_diag *d)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT, .reference = true };
    ppq_exec *e;
    if (ppq_exec_create(g, &o, &e, d) != PPQ_OK)
        return false;
    ppq_tensor *out = fuzz_list((size_t) g->n_outputs, sizeof(*out));
    const ppq_status st = ppq_exec_run(e, feeds, out, NULL, d);
    for (int32_t i = 0; i < g->n_outputs; i++)
        ppq_tensor_unref(&out[i]);
    free(out);
    ppq_exec_destroy(e);
    return st == PPQ_OK;
}

static bool *tapped_integers(const ppq_graph *g)
{
    bool *tapped = fuzz_list(g->n_vars, sizeof(bool));
    for (size_t i = 0; i < g->n_vars; i++) {
        const ppq_op *op = g->vars[i]->producer.op;
        tapped[i] = op && ppq_op_is(op, "QuantizeLinear");
    }
    return tapped;
}

static void run_shape(fuzz_graph *f, const ppq_tensor *feeds, uint32_t how)
{
    const bool taps = how & 1;
    ppq_graph *lowered = NULL;
    const bool runs = plain_runs(f->g, feeds, f->d);
    ppq_engine_opts o = { .n_threads = 1 + (how >> 1 & 1),
                          .eager = how >> 2 & 1,
                          .saturate = how >> 3 & 1,
                          .isa = (int) ((how >> 5) % ((uint32_t) ppq_isa_detect() + 2)) };
    const bool as_is = how >> 4 & 1;
    const ppq_shape shape = feeds[0].shape;
    if (!runs) // a refusal is all that is asked for
        return;
    if (!as_is)
        fuzz_require(ppq_lower_graph(f->g, feeds, &lowered, f->d) == PPQ_OK, "no lowering", "graph",
                     f->d);
    const ppq_graph *g = as_is ? f->g : lowered;
    bool *tapped = taps ? tapped_integers(g) : NULL;
    o.tapped = tapped;
    o.shapes = as_is ? &shape : NULL;
    run_engine(f, g, &o, feeds);
    free(tapped);
    ppq_graph_destroy(lowered);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes b = { data, PPQ_MIN(size, 1000), ppq_rng_seed(size, 7) };
    fuzz_graph f = { .b = &b, .g = ppq_graph_create(), .d = ppq_diag_create(NULL, NULL) };
    const uint32_t how = fuzz_pick(&b, 256);
    alarm(SECONDS);
    fuzz_build(&f);
    fuzz_require(ppq_graph_verify(f.g, f.d) == PPQ_OK, "a graph that was built does not verify",
                 "graph", f.d);
    const char *path = getenv("PPQ_FUZZ_WRITE"); // keep the model
    const ppq_onnx_write_opts plain = { .external = false };
    if (path)
        fuzz_require(ppq_onnx_write_file(f.g, path, &plain, f.d) == PPQ_OK, "not written", path,
                     f.d);
    if (f.g->n_outputs) {
        ppq_var *x = f.g->inputs[0];
        ppq_tensor first = ppq_tensor_ref(&f.values[0]);
        run_shape(&f, &first, how);
        ppq_shape other = x->shape;
        other.dim[0] += 1;
        other.dim[other.rank - 1] += fuzz_pick(&b, 3);
        for (int i = 0; i < other.rank; i++)
            x->shape.dim[i] = PPQ_DIM_UNKNOWN;
        for (size_t i = 0; i < f.g->n_vars; i++)
            if (f.g->vars[i]->producer.op)
                f.g->vars[i]->shape.rank = -1;
        ppq_tensor second = fuzz_normal(&b, &other, 1);
        run_shape(&f, &second, how ^ fuzz_pick(&b, 32));
        ppq_tensor_unref(&first);
        ppq_tensor_unref(&second);
    }
    alarm(0);
    for (size_t i = 0; i < f.n_vars; i++)
        ppq_tensor_unref(&f.values[i]);
    ppq_graph_destroy(f.g);
    ppq_diag_destroy(f.d);
    return 0;
}
