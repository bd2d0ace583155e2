// Laws that every registered operator keeps, whatever it computes, and a few edge cases.

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "executor/exec.h"
#include "executor/ops/container.h"
#include "executor/ops/convert.h"

static int n_ops(void)
{
    int n = 0;
    while (ppq_builtin_ops[n])
        n++;
    return n;
}

// ---- an op in a graph of its own ------------------------------------------------------------

typedef struct fixture {
    ppq_graph *g;
    ppq_diag *d;
    ppq_op *op;
} fixture;

static fixture make_op(const char *type, const char *domain, int n_in, int n_out)
{
    fixture f = { .g = ppq_graph_create(), .d = ppq_diag_create(NULL, NULL) };
    f.op = ppq_graph_add_op(f.g, domain, type, "op", n_in, n_out);
    f.op->def = ppq_op_def_find(domain, type);
    for (int i = 0; i < n_in; i++)
        ppq_graph_set_input(f.g, f.op, i, ppq_graph_add_var(f.g, NULL));
    for (int i = 0; i < n_out; i++)
        ppq_graph_set_output(f.g, f.op, i, ppq_graph_add_var(f.g, NULL));
    return f;
}

static void drop(fixture *f)
{
    ppq_graph_destroy(f->g);
    ppq_diag_destroy(f->d);
}

static const char *last_error(const fixture *f)
{
    const size_t n = ppq_diag_count(f->d, PPQ_SEV_NOTE);
    return n ? ppq_diag_at(f->d, n - 1)->msg : "";
}

// ---- the registry ---------------------------------------------------------------------------

START_TEST(definition_is_sound)
{
    const ppq_op_def *def = ppq_builtin_ops[_i];
    ck_assert(def->type && def->type[0] && def->domain);
    ck_assert_msg(def->infer && def->forward, "%s lacks a function", def->type);
    ck_assert_int_ge(def->opset_min, 1);
    ck_assert(def->in_min >= 0 && (def->in_max == -1 || def->in_max >= def->in_min));
    ck_assert(def->out_min >= 1 && (def->out_max == -1 || def->out_max >= def->out_min));
    // A slot is on one plane, and the masks name no slot that cannot exist.
    ck_assert_uint_eq(def->soi_in & def->fp32_in, 0);
    ck_assert_uint_eq(def->soi_out & def->fp32_out, 0);
    if (def->in_max >= 0)
        ck_assert_msg((def->soi_in | def->fp32_in) >> def->in_max == 0, "%s: input mask",
                      def->type);
    if (def->out_max >= 0)
        ck_assert_msg((def->soi_out | def->fp32_out) >> def->out_max == 0, "%s: output mask",
                      def->type);
    // What keeps its input's scale has links.
    ck_assert(!(def->traits & PPQ_OP_PASSIVE) || !(def->traits & PPQ_OP_NO_LINKS));
}
END_TEST

START_TEST(name_is_unique_and_found)
{
    const ppq_op_def *def = ppq_builtin_ops[_i];
    ck_assert_ptr_eq(ppq_op_def_find(def->domain, def->type), def);
    for (int k = 0; k < _i; k++)
        ck_assert(strcmp(ppq_builtin_ops[k]->type, def->type) != 0 ||
                  strcmp(ppq_builtin_ops[k]->domain, def->domain) != 0);
}
END_TEST

// ---- infer ----------------------------------------------------------------------------------

// Required attributes, without which not even shapes make sense.
static void set_required_attrs(fixture *f)
{
    const struct {
        const char *type, *name, *text;
        int64_t number;
    } required[] = {
        { "Cast", "to", NULL, PPQ_DT_F32 },
        { "BitCast", "to", NULL, PPQ_DT_F32 },
        { "BitShift", "direction", "LEFT", 0 },
        { "DepthToSpace", "blocksize", NULL, 2 },
        { "SpaceToDepth", "blocksize", NULL, 2 },
        { "Constant", "value_int", NULL, 1 },
        { "Einsum", "equation", "...->...", 0 },
        { "GroupNormalization", "num_groups", NULL, 1 },
        { "LRN", "size", NULL, 1 },
        { "BatchNormalization", "training_mode", NULL, f->op->n_out > 1 },
    };
    for (size_t i = 0; i < PPQ_COUNT(required); i++) {
        if (strcmp(f->op->type, required[i].type) != 0)
            continue;
        if (required[i].text)
            ppq_op_set_string(f->g, f->op, required[i].name, required[i].text);
        else
            ppq_op_set_int(f->g, f->op, required[i].name, required[i].number);
    }
}

static ppq_status infer_unknown(const fixture *f, int64_t opset)
{
    enum { MAX = 20 };
    const ppq_tensor *value[MAX] = { NULL };
    ppq_shape in[MAX], out[MAX];
    ppq_dtype in_type[MAX] = { PPQ_DT_NONE }, out_type[MAX] = { PPQ_DT_NONE };
    bool has[MAX];
    ck_assert(f->op->n_in <= MAX && f->op->n_out <= MAX);
    for (int i = 0; i < MAX; i++) {
        in[i] = out[i] = (ppq_shape){ .rank = -1 };
        has[i] = i < f->op->n_in;
    }
    ppq_infer_ctx c = { f->op, opset, value, in, in_type, has, out, out_type, f->d };
    return f->op->def->infer(&c);
}

// Knowing nothing is no error.
START_TEST(infer_accepts_unknown_inputs)
{
    const ppq_op_def *def = ppq_builtin_ops[_i];
    const int most_in = def->in_max < 0 ? def->in_min + 2 : def->in_max;
    const int most_out = def->out_max < 0 ? def->out_min + 2 : def->out_max;
    for (int n_in = def->in_min; n_in <= PPQ_MIN(most_in, 20); n_in++)
        for (int n_out = def->out_min; n_out <= PPQ_MIN(most_out, 8); n_out++)
            for (int64_t opset = 13; opset <= 26; opset += 13) {
                fixture f = make_op(def->type, def->domain, n_in, n_out);
                set_required_attrs(&f);
                const ppq_status st = infer_unknown(&f, opset);
                ck_assert_msg(st == PPQ_OK || ppq_op_attr(f.op, "equation"),
                              "%s with %d inputs, %d outputs: %s", def->type, n_in, n_out,
                              last_error(&f));
                drop(&f);
            }
}
END_TEST

// ---- random calls ---------------------------------------------------------------------------

static uint32_t pick(ppq_rng *r, uint32_t n)
{
    return (uint32_t) (ppq_rng_u64(r) % n);
}

static int64_t random_int(ppq_rng *r)
{
    // Small sizes, and sizes whose bytes cannot even be counted: nothing that really allocates.
    static const int64_t extreme[] = { INT64_MIN,     INT64_MIN + 1,       INT64_MAX,
                                       INT64_MAX - 1, -(INT64_C(1) << 62), (INT64_C(1) << 62) + 1 };
    return pick(r, 12) ? (int64_t) pick(r, 7) - 2 : extreme[pick(r, PPQ_COUNT(extreme))];
}

static double random_float(ppq_rng *r)
{
    static const double v[] = {
        -2, -1, -0.25, 0, 0.25, 0.5, 1, 1, 2, 3, (double) NAN, (double) INFINITY, -(double) INFINITY
    };
    return v[pick(r, PPQ_COUNT(v))];
}

static ppq_tensor random_tensor(ppq_rng *r, ppq_dtype dt)
{
    ppq_shape s = { .rank = (int32_t) (pick(r, 3) ? pick(r, 5) : pick(r, PPQ_MAX_RANK + 1)) };
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = pick(r, 20) ? 1 + pick(r, s.rank > 5 ? 2 : 4) : 0;
    ppq_tensor t;
    ck_assert_int_eq(ppq_tensor_alloc(&t, dt, &s), PPQ_OK);
    memset(ppq_tensor_data(&t), 0, ppq_tensor_bytes(&t));
    for (int64_t i = 0; i < ppq_shape_numel(&s) && ppq_convert_knows(dt); i++) {
        const double f = random_float(r);
        const int64_t n = random_int(r);
        if (dt == PPQ_DT_I64 || dt == PPQ_DT_I32)
            ppq_store_i64(&t, i, 1, &n);
        else
            ppq_store_f64(&t, i, 1, &f, PPQ_CONVERT_DEFAULT);
    }
    return t;
}

// A sequence of tensors like t, or an optional that holds it.
static ppq_tensor contain(ppq_rng *r, ppq_tensor *take)
{
    const ppq_dtype dt = pick(r, 3) ? PPQ_DT_SEQUENCE : PPQ_DT_OPTIONAL;
    const int64_t n = pick(r, dt == PPQ_DT_SEQUENCE ? 4 : 2);
    ppq_tensor item[4] = { 0 }, t;
    for (int64_t i = 0; i < n; i++)
        item[i] = ppq_tensor_ref(take);
    ppq_tensor_unref(take);
    ck_assert_int_eq(ppq_container_pack(&t, dt, item, n), PPQ_OK);
    return t;
}

static void random_attrs(fixture *f, ppq_rng *r)
{
    static const char *const ints[] = {
        "axis",      "keepdims", "to",    "blocksize", "batch_dims", "batch_axis",   "time_axis",
        "allowzero", "upper",    "k",     "exclusive", "reverse",    "largest",      "sorted",
        "start",     "end",      "group", "antialias", "fmod",       "ceil_mode",    "num_groups",
        "size",      "p",        "dtype", "transA",    "block_size", "align_corners"
    };
    static const char *const lists[] = { "axes",    "perm",         "pads",
                                         "strides", "dilations",    "kernel_shape",
                                         "axes",    "output_shape", "output_padding" };
    static const struct {
        const char *name, *value;
    } texts[] = { { "mode", "linear" },
                  { "mode", "cubic" },
                  { "mode", "reflect" },
                  { "mode", "wrap" },
                  { "mode", "edge" },
                  { "mode", "max" },
                  { "mode", "CRD" },
                  { "mode", "nearest" },
                  { "reduction", "add" },
                  { "direction", "RIGHT" },
                  { "auto_pad", "SAME_UPPER" },
                  { "padding_mode", "reflection" },
                  { "equation", "ij,jk->ik" },
                  { "equation", "...i,...i" },
                  { "equation", "ii->i" },
                  { "coordinate_transformation_mode", "align_corners" },
                  { "coordinate_transformation_mode", "tf_crop_and_resize" },
                  { "keep_aspect_ratio_policy", "not_larger" } };
    for (size_t i = 0; i < PPQ_COUNT(ints); i++)
        if (pick(r, 6) == 0)
            ppq_op_set_int(f->g, f->op, ints[i], random_int(r));
    for (size_t i = 0; i < PPQ_COUNT(lists); i++)
        if (pick(r, 6) == 0) {
            int64_t v[10];
            const uint32_t n = pick(r, 10);
            for (uint32_t k = 0; k < n; k++)
                v[k] = random_int(r);
            ppq_op_set_ints(f->g, f->op, lists[i], v, n);
        }
    for (size_t i = 0; i < PPQ_COUNT(texts); i++)
        if (pick(r, 8) == 0)
            ppq_op_set_string(f->g, f->op, texts[i].name, texts[i].value);
}

// What infer says knowing less than everything must not contradict what came out.
static void check_infer(const fixture *f, int64_t opset, const ppq_tensor *const *in,
                        const ppq_tensor *out, ppq_rng *r)
{
    enum { MAX = 20 };
    const ppq_op_def *def = f->op->def;
    const ppq_tensor *value[MAX] = { NULL };
    ppq_shape in_shape[MAX], shape[MAX];
    ppq_dtype in_type[MAX] = { PPQ_DT_NONE }, type[MAX] = { PPQ_DT_NONE };
    bool has[MAX] = { false };
    for (int i = 0; i < MAX; i++) {
        in_shape[i] = shape[i] = (ppq_shape){ .rank = -1 };
        if (i >= f->op->n_in || !in[i])
            continue;
        has[i] = true;
        value[i] = pick(r, 2) ? in[i] : NULL;
        in_type[i] = pick(r, 4) ? in[i]->dtype : PPQ_DT_NONE;
        if (!value[i] && pick(r, 4) == 0)
            continue;
        in_shape[i] = in[i]->shape;
        for (int k = 0; k < in_shape[i].rank; k++)
            if (!value[i] && pick(r, 3) == 0)
                in_shape[i].dim[k] = PPQ_DIM_UNKNOWN;
    }
    ppq_infer_ctx c = { f->op, opset, value, in_shape, in_type, has, shape, type, f->d };
    ck_assert_msg(def->infer(&c) == PPQ_OK, "%s runs, but %s", def->type, last_error(f));
    for (int i = 0; i < f->op->n_out; i++) {
        char a[192], b[192];
        bool fits = !out[i].buf || type[i] == PPQ_DT_NONE || type[i] == out[i].dtype;
        fits &= !out[i].buf || shape[i].rank < 0 || shape[i].rank == out[i].shape.rank;
        for (int k = 0; out[i].buf && fits && k < shape[i].rank; k++)
            fits = shape[i].dim[k] < 0 || shape[i].dim[k] == out[i].shape.dim[k];
        ck_assert_msg(fits, "%s output %d was inferred as %s %s, but is %s %s", def->type, i,
                      ppq_shape_str(&shape[i], a, sizeof(a)), ppq_dtype_name(type[i]),
                      ppq_shape_str(&out[i].shape, b, sizeof(b)), ppq_dtype_name(out[i].dtype));
    }
}

static void random_call(const ppq_op_def *def, ppq_rng *r)
{
    static const ppq_dtype types[] = { PPQ_DT_F32, PPQ_DT_F32,  PPQ_DT_F32, PPQ_DT_F64,
                                       PPQ_DT_F16, PPQ_DT_BF16, PPQ_DT_I64, PPQ_DT_I32,
                                       PPQ_DT_U8,  PPQ_DT_BOOL, PPQ_DT_I4,  PPQ_DT_STRING };
    enum { MAX = 20 };
    const int most_in = PPQ_MIN(def->in_max < 0 ? def->in_min + 2 : def->in_max, MAX);
    const int most_out = PPQ_MIN(def->out_max < 0 ? def->out_min + 2 : def->out_max, MAX);
    const int n_in = def->in_min + (int) pick(r, (uint32_t) (most_in - def->in_min) + 1);
    const int n_out = def->out_min + (int) pick(r, (uint32_t) (most_out - def->out_min) + 1);
    fixture f = make_op(def->type, def->domain, n_in, n_out);
    set_required_attrs(&f);
    random_attrs(&f, r);
    ppq_tensor in[MAX] = { 0 }, out[MAX] = { 0 };
    const ppq_tensor *ptr[MAX] = { NULL };
    const ppq_dtype main_type = types[pick(r, PPQ_COUNT(types))];
    for (int i = 0; i < n_in; i++) {
        if (i >= def->in_min && pick(r, 4) == 0)
            continue;
        const uint32_t bit = 1u << i;
        const bool index = (def->soi_in | def->fp32_in) & bit && pick(r, 4);
        in[i] = random_tensor(r, index ? PPQ_DT_I64 : main_type);
        if (i > 0 && !index && pick(r, 2)) { // often, operands fit together
            ppq_tensor_unref(&in[i]);
            in[i] = ppq_tensor_ref(&in[0]);
        }
        if (!ppq_dtype_is_container(in[i].dtype) &&
            pick(r, i == 0 && ppq_op_has_trait(f.op, PPQ_OP_CONTAINERS) ? 2 : 50) == 0)
            in[i] = contain(r, &in[i]);
        ptr[i] = in[i].buf ? &in[i] : NULL;
    }
    const int64_t opset = pick(r, 2) ? 13 : 24;
    if (ppq_op_eval(f.op, opset, ptr, out, f.d) == PPQ_OK)
        check_infer(&f, opset, ptr, out, r);
    else
        ck_assert_msg(last_error(&f)[0], "%s failed without a message", def->type);
    for (int i = 0; i < MAX; i++) {
        ppq_tensor_unref(&in[i]);
        ppq_tensor_unref(&out[i]);
    }
    drop(&f);
}

// Whatever a model says, an operator works or fails with a message.
START_TEST(random_calls_work_or_fail)
{
    const char *more = getenv("PPQ_TEST_CALLS");
    const long calls = more ? strtol(more, NULL, 10) : 200;
    ppq_rng r = ppq_rng_seed(7, (uint64_t) _i);
    for (long i = 0; i < calls; i++)
        random_call(ppq_builtin_ops[_i], &r);
}
END_TEST

// ---- examples -------------------------------------------------------------------------------

static ppq_tensor i64s(int n, const int64_t *v)
{
    const ppq_shape s = ppq_shape_1d(n);
    ppq_tensor t;
    ck_assert_int_eq(ppq_tensor_alloc(&t, PPQ_DT_I64, &s), PPQ_OK);
    if (n)
        memcpy(ppq_tensor_data(&t), v, (size_t) n * sizeof(*v));
    return t;
}

static ppq_tensor f32s(int rank, const int64_t *dim, const float *v)
{
    ppq_shape s = { .rank = rank };
    memcpy(s.dim, dim, (size_t) rank * sizeof(*dim));
    ppq_tensor t;
    ck_assert_int_eq(ppq_tensor_alloc(&t, PPQ_DT_F32, &s), PPQ_OK);
    for (int64_t i = 0; i < ppq_shape_numel(&s); i++)
        ppq_f32(&t)[i] = v ? v[i] : (float) i;
    return t;
}

// Runs f's op and drops the inputs.
static ppq_status eval(const fixture *f, ppq_tensor *in, int n_in, ppq_tensor *out)
{
    const ppq_tensor *ptr[4] = { NULL };
    for (int i = 0; i < n_in; i++)
        ptr[i] = in[i].buf ? &in[i] : NULL;
    const ppq_status st = ppq_op_eval(f->op, 18, ptr, out, f->d);
    for (int i = 0; i < n_in; i++)
        ppq_tensor_unref(&in[i]);
    return st;
}

static void assert_shape(const ppq_tensor *t, int rank, const int64_t *dim)
{
    ck_assert_int_eq(t->shape.rank, rank);
    for (int i = 0; i < rank; i++)
        ck_assert_int_eq(t->shape.dim[i], dim[i]);
}

START_TEST(reshape_copies_and_infers)
{
    fixture f = make_op("Reshape", "", 2, 1);
    ppq_tensor out = { 0 };
    ppq_tensor in[] = { f32s(3, (const int64_t[]){ 2, 3, 4 }, NULL),
                        i64s(2, (const int64_t[]){ 0, -1 }) };
    ck_assert_int_eq(eval(&f, in, 2, &out), PPQ_OK);
    assert_shape(&out, 2, (const int64_t[]){ 2, 12 });
    ppq_tensor_unref(&out);
    drop(&f);
}
END_TEST

// A batch that is only known by name goes through Reshape(0, -1).
START_TEST(reshape_keeps_symbols)
{
    fixture f = make_op("Reshape", "", 2, 1);
    ppq_tensor want = i64s(2, (const int64_t[]){ 0, -1 });
    const ppq_tensor *value[] = { NULL, &want };
    const ppq_shape in[] = { { 4, { PPQ_DIM_SYMBOL(3), 8, 2, 2 } }, { 1, { 2 } } };
    const ppq_dtype type[] = { PPQ_DT_F32, PPQ_DT_I64 };
    const bool has[] = { true, true };
    ppq_shape out = { .rank = -1 };
    ppq_dtype out_type = PPQ_DT_NONE;
    ppq_infer_ctx c = { f.op, 18, value, in, type, has, &out, &out_type, f.d };
    ck_assert_int_eq(f.op->def->infer(&c), PPQ_OK);
    ck_assert_int_eq(out.rank, 2);
    ck_assert_int_eq(out.dim[0], PPQ_DIM_SYMBOL(3));
    ck_assert_int_eq(out.dim[1], 32);
    ck_assert_int_eq(out_type, PPQ_DT_F32);
    ppq_tensor_unref(&want);
    drop(&f);
}
END_TEST

START_TEST(containers_own_their_items)
{
    ppq_tensor a = f32s(1, (const int64_t[]){ 3 }, NULL), b = i64s(2, (const int64_t[]){ 1, 2 });
    ppq_tensor two[] = { ppq_tensor_ref(&a), ppq_tensor_ref(&b) }, seq, copy, opt, none;
    ck_assert_int_eq(ppq_container_pack(&seq, PPQ_DT_SEQUENCE, two, 2), PPQ_OK);
    ck_assert(!two[0].buf && !two[1].buf && !ppq_tensor_is_unique(&a));
    ck_assert_int_eq(ppq_container_count(&seq), 2);
    ck_assert_uint_eq(ppq_tensor_bytes(&seq), 0);
    copy = ppq_tensor_ref(&seq);
    ck_assert_int_eq(ppq_tensor_make_unique(&copy), PPQ_OK);
    ck_assert(copy.buf != seq.buf && ppq_tensor_equal(&copy, &seq));
    ck_assert_int_eq(ppq_container_pack(&opt, PPQ_DT_OPTIONAL, &copy, 1), PPQ_OK);
    ck_assert_int_eq(ppq_container_pack(&none, PPQ_DT_OPTIONAL, NULL, 0), PPQ_OK);
    ck_assert(!ppq_tensor_equal(&opt, &none));
    // No sequences of sequences, no optionals of optionals or of two.
    ppq_tensor bad[] = { ppq_tensor_ref(&seq), ppq_tensor_ref(&opt) }, never;
    ck_assert_int_eq(ppq_container_pack(&never, PPQ_DT_SEQUENCE, &bad[0], 1), PPQ_ERR_SHAPE);
    ck_assert_int_eq(ppq_container_pack(&never, PPQ_DT_OPTIONAL, &bad[1], 1), PPQ_ERR_SHAPE);
    ppq_tensor pair[] = { ppq_tensor_ref(&a), ppq_tensor_ref(&b) };
    ck_assert_int_eq(ppq_container_pack(&never, PPQ_DT_OPTIONAL, pair, 2), PPQ_ERR_SHAPE);
    ppq_tensor_unref(&seq);
    ppq_tensor_unref(&opt);
    ppq_tensor_unref(&none);
    ck_assert(ppq_tensor_is_unique(&a) && ppq_tensor_is_unique(&b));
    ppq_tensor_unref(&a);
    ppq_tensor_unref(&b);
}
END_TEST

START_TEST(slice_survives_extreme_steps)
{
    static const int64_t step[] = { INT64_MAX, INT64_MIN, -1, 2 }, count[] = { 1, 1, 5, 3 };
    for (size_t i = 0; i < PPQ_COUNT(step); i++) {
        fixture f = make_op("Slice", "", 5, 1);
        ppq_tensor out = { 0 };
        const int64_t from = step[i] > 0 ? 0 : INT64_MAX, to = step[i] > 0 ? INT64_MAX : INT64_MIN;
        ppq_tensor in[] = { f32s(1, (const int64_t[]){ 5 }, NULL),
                            i64s(1, &from),
                            i64s(1, &to),
                            { 0 },
                            i64s(1, &step[i]) };
        const ppq_tensor *ptr[] = { &in[0], &in[1], &in[2], NULL, &in[4] };
        ck_assert_int_eq(ppq_op_eval(f.op, 18, ptr, &out, f.d), PPQ_OK);
        ck_assert_int_eq(ppq_shape_numel(&out.shape), count[i]);
        ck_assert(ppq_f32(&out)[0] == (step[i] > 0 ? 0 : 4));
        for (size_t k = 0; k < PPQ_COUNT(in); k++)
            ppq_tensor_unref(&in[k]);
        ppq_tensor_unref(&out);
        drop(&f);
    }
}
END_TEST

START_TEST(gather_names_a_bad_index)
{
    fixture f = make_op("Gather", "", 2, 1);
    ppq_tensor out = { 0 };
    ppq_tensor in[] = { f32s(2, (const int64_t[]){ 3, 2 }, NULL),
                        i64s(2, (const int64_t[]){ 1, 7 }) };
    ck_assert_int_ne(eval(&f, in, 2, &out), PPQ_OK);
    ck_assert_msg(strstr(last_error(&f), "index 7") && strstr(last_error(&f), "[-3, 3)"), "%s",
                  last_error(&f));
    drop(&f);
}
END_TEST

START_TEST(integer_division_never_traps)
{
    fixture f = make_op("Div", "", 2, 1);
    ppq_tensor out = { 0 };
    ppq_tensor in[] = { i64s(2, (const int64_t[]){ INT64_MIN, -7 }),
                        i64s(2, (const int64_t[]){ -1, 2 }) };
    ck_assert_int_eq(eval(&f, in, 2, &out), PPQ_OK);
    ck_assert_int_eq(ppq_i64(&out)[0], INT64_MIN);
    ck_assert_int_eq(ppq_i64(&out)[1], -3);
    ppq_tensor_unref(&out);
    ppq_tensor zero[] = { i64s(1, (const int64_t[]){ 1 }), i64s(1, (const int64_t[]){ 0 }) };
    ck_assert_int_eq(eval(&f, zero, 2, &out), PPQ_ERR_NUMERIC);
    drop(&f);
}
END_TEST

START_TEST(transpose_of_any_permutation_and_size)
{
    const int64_t dim[] = { 3, 40, 5, 37 };
    int64_t perm[4];
    for (int code = 0; code < 256; code++) {
        bool seen[4] = { false };
        for (int i = 0; i < 4; i++) {
            perm[i] = code >> 2 * i & 3;
            seen[perm[i]] = true;
        }
        if (!seen[0] || !seen[1] || !seen[2] || !seen[3])
            continue;
        fixture f = make_op("Transpose", "", 1, 1);
        ppq_tensor out = { 0 }, in[] = { f32s(4, dim, NULL) };
        ppq_op_set_ints(f.g, f.op, "perm", perm, 4);
        ck_assert_int_eq(eval(&f, in, 1, &out), PPQ_OK);
        int64_t stride[4] = { 40 * 5 * 37, 5 * 37, 37, 1 };
        for (int64_t i = 0; i < ppq_shape_numel(&out.shape); i++) {
            int64_t rest = i, want = 0;
            for (int k = 3; k >= 0; k--) {
                want += rest % out.shape.dim[k] * stride[perm[k]];
                rest /= out.shape.dim[k];
            }
            ck_assert(ppq_f32(&out)[i] == (float) want);
        }
        ppq_tensor_unref(&out);
        drop(&f);
    }
}
END_TEST

START_TEST(maximum_keeps_nan)
{
    for (int side = 0; side < 2; side++) {
        fixture f = make_op("Max", "", 2, 1);
        const float v[] = { side ? 1 : NAN }, w[] = { side ? NAN : 1 };
        const int64_t one[] = { 1 };
        ppq_tensor out = { 0 }, in[] = { f32s(1, one, v), f32s(1, one, w) };
        ck_assert_int_eq(eval(&f, in, 2, &out), PPQ_OK);
        ck_assert(isnan(ppq_f32(&out)[0]));
        ppq_tensor_unref(&out);
        drop(&f);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ops");
    TCase *laws = tcase_create("laws"), *examples = tcase_create("examples");
    tcase_set_timeout(laws, 0);
    tcase_add_loop_test(laws, definition_is_sound, 0, n_ops());
    tcase_add_loop_test(laws, name_is_unique_and_found, 0, n_ops());
    tcase_add_loop_test(laws, infer_accepts_unknown_inputs, 0, n_ops());
    tcase_add_loop_test(laws, random_calls_work_or_fail, 0, n_ops());
    tcase_add_test(examples, reshape_copies_and_infers);
    tcase_add_test(examples, reshape_keeps_symbols);
    tcase_add_test(examples, containers_own_their_items);
    tcase_add_test(examples, slice_survives_extreme_steps);
    tcase_add_test(examples, gather_names_a_bad_index);
    tcase_add_test(examples, integer_division_never_traps);
    tcase_add_test(examples, transpose_of_any_permutation_and_size);
    tcase_add_test(examples, maximum_keeps_nan);
    suite_add_tcase(s, laws);
    suite_add_tcase(s, examples);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    const int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? 1 : 0;
}
