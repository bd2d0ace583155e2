// Any bytes are read as a small graph out of the registry: right and wrong operators, attributes,
// shapes and types. It runs, or is refused with a message; what was inferred holds when it runs;
// and every kernel gives what the plain operator gives for the same inputs.

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "executor/exec.h"
#include "executor/ops/convert.h"
#include "passes/rewrite.h"
#include "tests/fuzz/replay.h"

// A size may ask for any amount of memory: that is refused, not had.
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=64:detect_leaks=1";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

enum { MAX_VARS = 64, MAX_SLOTS = 32, MAX_OPS = 12, SECONDS = 60 };

typedef struct bytes {
    const uint8_t *p;
    size_t n;
    ppq_rng values; // numbers in tensors are not worth bytes of their own
} bytes;

typedef struct fuzz {
    bytes *b;
    ppq_graph *g;
    ppq_diag *d;
    ppq_tensor feeds[MAX_VARS]; // parallel to g->inputs
    ppq_var *vars[MAX_VARS];
    ppq_tensor values[MAX_VARS]; // of vars; buf NULL where the op was refused
    size_t n_vars;
} fuzz;

static void require(bool ok, const char *what, const ppq_op *op, const ppq_diag *d)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_graph: %s%s%s\n", op ? op->type : "", op ? ": " : "", what);
    for (size_t i = 0; i < ppq_diag_count(d, PPQ_SEV_NOTE); i++)
        fprintf(stderr, "  %s\n", ppq_diag_at(d, i)->msg);
    abort();
}

static uint32_t pick(bytes *b, uint32_t n)
{
    uint32_t v = 0;
    for (uint32_t top = 1; top < n && b->n; top *= 256, b->n--)
        v = v << 8 | *b->p++;
    return v % n;
}

// ---- tensors --------------------------------------------------------------------------------

static int64_t small_or_odd(bytes *b)
{
    static const int64_t odd[] = { INT64_MIN, INT64_MAX, INT32_MAX, -100, 100, 1 << 20, 17, -9 };
    const uint32_t v = pick(b, 64);
    return v < PPQ_COUNT(odd) ? odd[v] : (int64_t) (v % 8) - 2;
}

static ppq_tensor new_tensor(ppq_dtype dt, const ppq_shape *s)
{
    ppq_tensor t;
    require(ppq_tensor_alloc(&t, dt, s) == PPQ_OK, "no memory", NULL, NULL);
    memset(ppq_tensor_data(&t), 0, ppq_tensor_bytes(&t));
    return t;
}

// The numbers of shapes and indices.
static ppq_tensor int_tensor(bytes *b)
{
    const ppq_shape s = { .rank = pick(b, 4) ? 1 : (int) pick(b, 3), .dim = { pick(b, 5), 1 } };
    ppq_tensor t = new_tensor(PPQ_DT_I64, &s);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ppq_i64(&t)[i] = small_or_odd(b);
    return t;
}

static void fill_strings(bytes *b, ppq_tensor *t)
{
    static const char *const text[] = { "", "a", "Ab c", "12", "-1.5e3", "monday", "\xc3\xa9" };
    ppq_string *s = ppq_tensor_data(t);
    for (int64_t i = 0; i < ppq_shape_numel(&t->shape); i++) {
        const char *v = text[pick(b, PPQ_COUNT(text))];
        s[i] = (ppq_string){ v, strlen(v) };
    }
}

static ppq_tensor value_tensor(bytes *b)
{
    static const ppq_dtype types[] = { PPQ_DT_F32,      PPQ_DT_F32, PPQ_DT_F32,    PPQ_DT_F32,
                                       PPQ_DT_F32,      PPQ_DT_F64, PPQ_DT_F16,    PPQ_DT_BF16,
                                       PPQ_DT_I64,      PPQ_DT_I32, PPQ_DT_U8,     PPQ_DT_I8,
                                       PPQ_DT_BOOL,     PPQ_DT_I4,  PPQ_DT_STRING, PPQ_DT_U64,
                                       PPQ_DT_F8E4M3FN, PPQ_DT_C64, PPQ_DT_I16 };
    static const int ranks[] = { 4, 4, 3, 3, 2, 2, 1, 0, 5, PPQ_MAX_RANK };
    static const int64_t dims[] = { 4, 4, 3, 2, 2, 1, 1, 5, 8, 0 };
    ppq_shape s = { .rank = ranks[pick(b, PPQ_COUNT(ranks))] };
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = PPQ_MIN(dims[pick(b, PPQ_COUNT(dims))], s.rank > 4 ? 2 : 8);
    ppq_tensor t = new_tensor(types[pick(b, PPQ_COUNT(types))], &s);
    if (t.dtype == PPQ_DT_STRING)
        fill_strings(b, &t);
    const uint32_t wild = pick(b, 8);
    for (int64_t i = 0; ppq_convert_knows(t.dtype) && i < ppq_shape_numel(&s); i++) {
        double v = 4 * ppq_rng_uniform(&b->values) - 2;
        if (wild == 0 && ppq_rng_u64(&b->values) % 8 == 0)
            v = (double[]){ 0,   1e30, -1e30, (double) NAN, (double) INFINITY, -(double) INFINITY,
                            127, 255 }[ppq_rng_u64(&b->values) % 8];
        ppq_store_f64(&t, i, 1, &v, PPQ_CONVERT_DEFAULT);
    }
    return t;
}

// ---- the graph ------------------------------------------------------------------------------

static ppq_var *remember(fuzz *f, ppq_var *v, const ppq_tensor *value)
{
    if (f->n_vars == MAX_VARS)
        return v;
    f->values[f->n_vars] = ppq_tensor_ref(value);
    f->vars[f->n_vars++] = v;
    return v;
}

static const ppq_tensor *value_of(const fuzz *f, const ppq_var *v)
{
    for (size_t i = 0; i < f->n_vars; i++)
        if (f->vars[i] == v)
            return f->values[i].buf ? &f->values[i] : NULL;
    return NULL;
}

static ppq_var *new_constant(fuzz *f, ppq_tensor t)
{
    // Its strings point into this program.
    if (t.dtype == PPQ_DT_STRING) {
        ppq_tensor other = ppq_tensor_ref(&t);
        require(ppq_tensor_make_unique(&t) == PPQ_OK, "no memory", NULL, NULL);
        ppq_tensor_unref(&other);
    }
    ppq_var *v = ppq_graph_add_const(f->g, NULL, &t);
    return remember(f, v, &v->value);
}

static ppq_var *new_input(fuzz *f)
{
    if (f->g->n_inputs == MAX_VARS)
        return NULL;
    ppq_tensor t = value_tensor(f->b);
    ppq_var *v = ppq_graph_add_var(f->g, NULL);
    v->dtype = t.dtype;
    v->shape = t.shape;
    for (int i = 0; i < t.shape.rank; i++)
        if (pick(f->b, 8) == 0)
            v->shape.dim[i] = PPQ_DIM_UNKNOWN;
    if (pick(f->b, 16) == 0)
        v->shape.rank = -1;
    f->feeds[f->g->n_inputs] = t;
    ppq_graph_mark_input(f->g, v);
    return remember(f, v, &t);
}

static ppq_var *choose_input(fuzz *f, const ppq_op_def *def, int slot)
{
    const uint32_t bit = slot < 32 ? 1u << slot : 0, how = pick(f->b, 16);
    if (slot >= def->in_min && how == 0)
        return NULL;
    if ((def->soi_in & bit) && how < 14)
        return new_constant(f, int_tensor(f->b));
    if (f->n_vars && how < 10)
        return f->vars[f->n_vars - 1 - pick(f->b, (uint32_t) PPQ_MIN(f->n_vars, 6))];
    return how & 1 ? new_constant(f, value_tensor(f->b)) : new_input(f);
}

static void add_attr(fuzz *f, ppq_op *op)
{
    static const char *const ints[] = { "axis",
                                        "keepdims",
                                        "to",
                                        "blocksize",
                                        "batch_dims",
                                        "time_axis",
                                        "allowzero",
                                        "upper",
                                        "exclusive",
                                        "reverse",
                                        "largest",
                                        "sorted",
                                        "start",
                                        "end",
                                        "group",
                                        "fmod",
                                        "ceil_mode",
                                        "num_groups",
                                        "size",
                                        "p",
                                        "dtype",
                                        "transA",
                                        "transB",
                                        "block_size",
                                        "align_corners",
                                        "num_heads",
                                        "kv_num_heads",
                                        "q_num_heads",
                                        "hidden_size",
                                        "is_causal",
                                        "unidirectional",
                                        "new_axis",
                                        "sample_size",
                                        "storage_order",
                                        "count_include_pad",
                                        "max_gram_length",
                                        "min_gram_length",
                                        "max_skip_count",
                                        "do_rotary",
                                        "interleaved",
                                        "linear_before_reset",
                                        "select_last_index",
                                        "noop_with_empty_axes",
                                        "maxsplit",
                                        "channels_last",
                                        "bits",
                                        "K",
                                        "N" };
    static const char *const lists[] = { "axes",         "perm",
                                         "pads",         "strides",
                                         "dilations",    "kernel_shape",
                                         "output_shape", "output_padding",
                                         "split",        "shape",
                                         "ngram_counts", "ngram_indexes",
                                         "pool_int64s",  "qkv_hidden_sizes",
                                         "value_ints" };
    static const char *const floats[] = { "alpha",       "beta",  "epsilon",           "scale",
                                          "softcap",     "gamma", "mask_filter_value", "seed",
                                          "value_float", "bias" };
    static const struct {
        const char *name, *value;
    } texts[] = { { "mode", "linear" },
                  { "mode", "cubic" },
                  { "mode", "reflect" },
                  { "mode", "wrap" },
                  { "mode", "edge" },
                  { "mode", "CRD" },
                  { "mode", "TF" },
                  { "reduction", "add" },
                  { "reduction", "mean" },
                  { "direction", "RIGHT" },
                  { "direction", "bidirectional" },
                  { "direction", "reverse" },
                  { "auto_pad", "SAME_UPPER" },
                  { "auto_pad", "VALID" },
                  { "equation", "ij,jk->ik" },
                  { "equation", "...i,...i" },
                  { "equation", "ii->i" },
                  { "coordinate_transformation_mode", "align_corners" },
                  { "coordinate_transformation_mode", "tf_crop_and_resize" },
                  { "nearest_mode", "ceil" },
                  { "padding_mode", "reflection" },
                  { "approximate", "tanh" },
                  { "activation", "Relu" },
                  { "layout", "HWC" },
                  { "pattern", "(a|b)*[^c]\\w+" },
                  { "delimiter", "a" },
                  { "case_change_action", "UPPER" },
                  { "update_rule", "linear" },
                  { "update_rule", "delta" },
                  { "direction", "LEFT" } };
    bytes *b = f->b;
    int64_t v[8] = { 0 };
    const uint32_t n = pick(b, 8);
    switch (pick(b, 4)) {
    case 0:
        ppq_op_set_int(f->g, op, ints[pick(b, PPQ_COUNT(ints))], small_or_odd(b));
        break;
    case 1:
        for (uint32_t i = 0; i < n; i++)
            v[i] = small_or_odd(b);
        ppq_op_set_ints(f->g, op, lists[pick(b, PPQ_COUNT(lists))], v, n);
        break;
    case 2:
        ppq_op_set_float(f->g, op, floats[pick(b, PPQ_COUNT(floats))], (float) small_or_odd(b) / 4);
        break;
    default: {
        const uint32_t k = pick(b, PPQ_COUNT(texts));
        ppq_op_set_string(f->g, op, texts[k].name, texts[k].value);
    }
    }
}

static int count_of(bytes *b, int least, int most)
{
    if (most < 0)
        most = least + 3;
    const int n = least + (int) pick(b, (uint32_t) (most - least) + 1);
    // Now and then a wrong one.
    return pick(b, 32) ? n : (int) pick(b, 5);
}

static bool has_arity(const ppq_op *op)
{
    bool ok = op->n_in >= op->def->in_min && op->n_out >= op->def->out_min &&
              (op->def->in_max < 0 || op->n_in <= op->def->in_max) &&
              (op->def->out_max < 0 || op->n_out <= op->def->out_max);
    for (int32_t i = 0; ok && i < op->def->in_min; i++)
        ok = op->in[i] != NULL;
    return ok;
}

// What an operator yields for the values that its inputs have, and before that what infer can tell.
static bool try_op(fuzz *f, ppq_op *op, ppq_tensor *out)
{
    const ppq_tensor *in[MAX_SLOTS] = { NULL };
    if (!has_arity(op))
        return false;
    ppq_arena *a = ppq_arena_create("fuzz");
    const ppq_status st = ppq_infer_op_shapes(f->g, op, a, f->d);
    ppq_arena_destroy(a);
    for (int32_t i = 0; i < op->n_in; i++) {
        in[i] = op->in[i] ? value_of(f, op->in[i]) : NULL;
        if (op->in[i] && !in[i])
            return false;
    }
    return st == PPQ_OK &&
           ppq_op_eval(op, ppq_graph_opset(f->g, op->domain), in, out, f->d) == PPQ_OK;
}

static void add_op(fuzz *f)
{
    static size_t n_ops;
    while (ppq_builtin_ops[n_ops])
        n_ops++;
    const ppq_op_def *def = ppq_builtin_ops[pick(f->b, (uint32_t) n_ops)];
    const int n_in = count_of(f->b, def->in_min, def->in_max);
    const int n_out = count_of(f->b, def->out_min, def->out_max);
    ppq_op *op = ppq_graph_add_op(f->g, def->domain, def->type, NULL, n_in, n_out);
    op->def = def;
    for (int i = 0; i < n_in; i++)
        ppq_graph_set_input(f->g, op, i, choose_input(f, def, i));
    for (uint32_t k = pick(f->b, 5); k > 0; k--)
        add_attr(f, op);
    for (int i = 0; i < n_out; i++)
        ppq_graph_set_output(f->g, op, i, ppq_graph_add_var(f->g, NULL));
    // Most of the time, one that is refused makes way for others.
    ppq_tensor out[MAX_SLOTS] = { { .dtype = PPQ_DT_NONE } };
    if (!try_op(f, op, out) && pick(f->b, 8)) {
        ppq_graph_remove_op(f->g, op);
        return;
    }
    for (int i = 0; i < n_out; i++) {
        ppq_graph_mark_output(f->g, op->out[i]);
        (void) remember(f, op->out[i], &out[i]);
        ppq_tensor_unref(&out[i]);
    }
}

static void build(fuzz *f)
{
    static const int64_t opsets[] = { 13, 17, 18, 21, 24, 27 };
    ppq_graph_set_opset(f->g, "", opsets[pick(f->b, PPQ_COUNT(opsets))]);
    ppq_graph_set_opset(f->g, "com.microsoft", 1);
    ppq_graph_set_opset(f->g, "ai.onnx.preview", 1);
    (void) new_input(f);
    for (int i = 0; i < MAX_OPS && f->b->n; i++)
        add_op(f);
    ppq_graph_compact(f->g);
}

// ---- what must hold -------------------------------------------------------------------------

typedef struct watcher {
    fuzz *f;
    ppq_exec *e;
    const ppq_op *op;          // whose inputs are kept
    ppq_tensor in[MAX_SLOTS];  // plain
    ppq_tensor out[MAX_SLOTS]; // what the plain operator gives
    bool known;                // `out` is there
} watcher;

static void forget(watcher *w)
{
    for (int i = 0; i < MAX_SLOTS; i++) {
        ppq_tensor_unref(&w->in[i]);
        ppq_tensor_unref(&w->out[i]);
    }
    w->known = false;
}

static void check_inferred(const watcher *w, const ppq_op *op, int slot, const ppq_tensor *t)
{
    const ppq_var *v = op->out[slot];
    bool fits = v->dtype == PPQ_DT_NONE || v->dtype == t->dtype;
    fits &= v->shape.rank < 0 || v->shape.rank == t->shape.rank;
    for (int i = 0; fits && i < v->shape.rank; i++)
        fits = v->shape.dim[i] < 0 || v->shape.dim[i] == t->shape.dim[i];
    require(fits, "an output is not what was inferred", op, w->f->d);
}

// The largest magnitude; infinite when there is something that is not a number.
static double magnitude(const ppq_tensor *t)
{
    double top = 0;
    for (int64_t i = 0; t->buf && ppq_convert_knows(t->dtype) && i < ppq_shape_numel(&t->shape);
         i++) {
        double v;
        ppq_load_f64(t, i, 1, &v);
        top = isfinite(v) ? fmax(top, fabs(v)) : (double) INFINITY;
    }
    return top;
}

static void check_close(const watcher *w, const ppq_op *op, const ppq_tensor *got,
                        const ppq_tensor *want)
{
    require(got->dtype == want->dtype && ppq_shape_equal(&got->shape, &want->shape),
            "a kernel's output has another type or shape", op, w->f->d);
    double terms = 1; // what products and sums of the inputs may reach
    for (int i = 0; i < op->n_in; i++)
        terms *= fmax(1, magnitude(&w->in[i]));
    const double limit = 1e-4 * fmax(terms, magnitude(want));
    if (!ppq_dtype_is_float(want->dtype) || !(limit < 1e3))
        return;
    for (int64_t i = 0; i < ppq_shape_numel(&want->shape); i++) {
        double x, y;
        ppq_load_f64(got, i, 1, &x);
        ppq_load_f64(want, i, 1, &y);
        require(fabs(x - y) <= limit, "a kernel's output differs", op, w->f->d);
    }
}

static ppq_tensor plain(const ppq_tensor *t)
{
    ppq_tensor r;
    require(ppq_tensor_to_layout(t, PPQ_LAYOUT_PLAIN, NULL, &r) == PPQ_OK, "no memory", NULL, NULL);
    return r;
}

static void check_kernel(watcher *w, const ppq_op *op, int slot, const ppq_tensor *t)
{
    if (strcmp(ppq_exec_kernel_name(w->e, op->id), "plain") == 0)
        return;
    if (!w->known) {
        const ppq_tensor *in[MAX_SLOTS] = { NULL };
        for (int i = 0; i < op->n_in; i++)
            in[i] = w->in[i].buf ? &w->in[i] : NULL;
        require(ppq_op_eval(op, ppq_graph_opset(w->f->g, op->domain), in, w->out, w->f->d) ==
                    PPQ_OK,
                "a kernel runs what the plain operator refuses", op, w->f->d);
        w->known = true;
    }
    ppq_tensor got = plain(t);
    check_close(w, op, &got, &w->out[slot]);
    ppq_tensor_unref(&got);
}

static ppq_status watch(void *user, const ppq_op *op, ppq_side side, int slot,
                        const ppq_tensor *raw, const ppq_tensor *quant)
{
    watcher *w = user;
    (void) quant;
    if (side == PPQ_IN) {
        if (w->op != op)
            forget(w);
        w->op = op;
        w->in[slot] = plain(raw);
        return PPQ_OK;
    }
    check_inferred(w, op, slot, raw);
    if (w->op == op || op->n_in == 0)
        check_kernel(w, op, slot, raw);
    return PPQ_OK;
}

static void run(fuzz *f, bool reference)
{
    const ppq_exec_opts o = { .mode = PPQ_EXEC_FLOAT,
                              .reference = reference,
                              .n_threads = 1 + !reference };
    ppq_exec *e;
    const size_t before = ppq_diag_count(f->d, PPQ_SEV_ERROR);
    ppq_status st = ppq_exec_create(f->g, &o, &e, f->d);
    if (st == PPQ_OK) {
        ppq_tensor *out = calloc((size_t) f->g->n_outputs + 1, sizeof(*out));
        require(out != NULL, "no memory", NULL, NULL);
        watcher w = {
            .f = f,
            .e = e,
        };
        const ppq_exec_hook hook = { &w, NULL, watch };
        st = ppq_exec_run(e, f->feeds, out, &hook, f->d);
        for (int32_t i = 0; i < f->g->n_outputs; i++)
            ppq_tensor_unref(&out[i]);
        free(out);
        forget(&w);
        ppq_exec_destroy(e);
    }
    require((st == PPQ_OK) == (ppq_diag_count(f->d, PPQ_SEV_ERROR) == before),
            "a failure without a message, or a message without a failure", NULL, f->d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bytes b = { data, PPQ_MIN(size, 2000), ppq_rng_seed(size, 5) };
    fuzz f = { .b = &b, .g = ppq_graph_create(), .d = ppq_diag_create(NULL, NULL) };
    alarm(SECONDS);
    build(&f);
    require(ppq_graph_verify(f.g, f.d) == PPQ_OK, "a graph that was built does not verify", NULL,
            f.d);
    run(&f, true);
    run(&f, false);
    alarm(0);
    for (int i = 0; i < MAX_VARS; i++) {
        ppq_tensor_unref(&f.feeds[i]);
        ppq_tensor_unref(&f.values[i]);
    }
    ppq_graph_destroy(f.g);
    ppq_diag_destroy(f.d);
    return 0;
}
