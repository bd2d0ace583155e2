// Backward passes against central differences of the forward pass, which runs in float64.

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "executor/exec.h"

// Operators that training cannot do without.
static const char *const required[] = {
    "Conv",
    "ConvTranspose",
    "Gemm",
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Clip",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "HardSwish",
    "Elu",
    "Gelu",
    "Swish",
    "Erf",
    "Exp",
    "Log",
    "Sqrt",
    "Pow",
    "Abs",
    "Neg",
    "Softmax",
    "LogSoftmax",
    "MaxPool",
    "AveragePool",
    "GlobalAveragePool",
    "LayerNormalization",
    "BatchNormalization",
    "InstanceNormalization",
    "Concat",
    "Slice",
    "Split",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Transpose",
    "Expand",
    "Gather",
    "Pad",
    "ReduceMean",
    "ReduceSum",
    "ReduceMax",
    "Resize",
    "Where",
    "Identity",
    "Dropout",
    "DepthToSpace",
    "SpaceToDepth",
};

// ---- cases ----------------------------------------------------------------------------------

// `in` lists the inputs. A shape like 2x3 (or `scalar`) is of float32 values within +-2 that are
// all different; a letter in front chooses others, and none of them is near a kink:
//   p:2x3 positive   w:2x3 within +-8   b:2x3 bool   f:3=1,2,3 given floats, that stay constants
//   i:3=0,1,2 given int64   - left out
// `attrs` lists name=ints, name~float and name:text.
typedef struct example {
    const char *type, *in, *attrs;
    int n_out; // 0: one
} example;

static const example examples[] = {
    { "Conv", "2x3x5x6 4x3x3x3 4", "" },
    { "Conv", "2x4x7x5 6x2x3x2 6", "group=2 pads=1,0,1,2 strides=2,1" },
    { "Conv", "1x4x6x6 4x1x3x3", "group=4 dilations=2,1 pads=2,1,2,1" },
    { "Conv", "3x5x4x4 7x5x1x1 7", "" },
    { "Conv", "2x3x5x5 2x3x1x1", "strides=2,2 pads=1,1,0,0" },
    { "Conv", "2x3x9 5x3x4 5", "strides=3 auto_pad:SAME_UPPER" },
    { "Conv", "1x2x4x3x5 5x2x2x2x3", "pads=1,0,1,0,1,1" },
    { "Conv", "2x6x3x3 6x2x3x3", "group=3 pads=2,2,2,2 strides=3,2" },
    { "Conv", "2x4x5x6 8x2x3x2", "group=2 strides=2,1 pads=1,1,1,0 dilations=1,2" },
    { "Conv", "0x3x5x5 4x3x3x3 4", "" },
    { "ConvTranspose", "2x4x3x4 4x3x3x3 3", "" },
    { "ConvTranspose", "2x4x3x4 4x3x3x2 6", "group=2 strides=1,2" },
    { "ConvTranspose", "2x4x3x4 4x3x3x3 6", "group=2 strides=2,3 pads=1,0,0,1 dilations=1,2" },
    { "ConvTranspose", "1x3x4 3x5x2", "strides=2 output_padding=1" },
    { "ConvTranspose", "0x3x4 3x5x2 5", "" },
    { "Gemm", "3x5 5x4 4", "" },
    { "Gemm", "5x3 5x4 3x4", "transA=1 alpha~0.5 beta~2" },
    { "Gemm", "3x5 4x5 3x1", "transB=1 alpha~-1.5" },
    { "Gemm", "5x3 4x5 scalar", "transA=1 transB=1 alpha~2" },
    { "Gemm", "70x40 40x50", "" },
    { "Gemm", "0x5 5x4 4", "" },
    { "MatMul", "3x4 4x5", "" },
    { "MatMul", "2x3x4 4x5", "" },
    { "MatMul", "2x1x3x4 5x4x2", "" },
    { "MatMul", "2x3x3x4 2x3x4x2", "" },
    { "MatMul", "3x4 2x4x2", "" },
    { "MatMul", "4 4", "" },
    { "MatMul", "4 2x4x3", "" },
    { "MatMul", "2x3x4 4", "" },
    { "MatMul", "2x0x4 4x5", "" },
    { "MatMul", "3x0 0x5", "" },
    { "Add", "2x3x4 2x3x4", "" },
    { "Add", "2x3x4 3x1", "" },
    { "Add", "2x1x4 5x1", "" },
    { "Add", "0x3 3", "" },
    { "Sub", "2x3 3", "" },
    { "Sub", "scalar 2x3", "" },
    { "Mul", "2x3x4 1x3x1", "" },
    { "Mul", "4 3x1x4", "" },
    { "Mul", "0x4 4", "" },
    { "Div", "2x3x4 p:3x1", "" },
    { "Div", "scalar p:5", "" },
    { "Sum", "2x3 3 2x1", "" },
    { "Relu", "3x7", "" },
    { "Relu", "0x7", "" },
    { "LeakyRelu", "3x7", "alpha~0.2" },
    { "LeakyRelu", "scalar", "" },
    { "PRelu", "2x3x4 3x1", "" },
    { "PRelu", "2x3x4 scalar", "" },
    { "Clip", "3x8", "" },
    { "Clip", "3x8 f:1=-1 f:1=1", "" },
    { "Clip", "3x8 - f:1=0.5", "" },
    { "Clip", "w:3x8 scalar", "" },
    { "Sigmoid", "w:3x9", "" },
    { "Tanh", "w:3x9", "" },
    { "HardSigmoid", "w:3x9", "" },
    { "HardSigmoid", "3x9", "alpha~0.5 beta~0.4" },
    { "HardSwish", "w:3x9", "" },
    { "Elu", "3x9", "alpha~0.7" },
    { "Gelu", "w:3x9", "" },
    { "Gelu", "w:3x9", "approximate:tanh" },
    { "Swish", "w:3x9", "" },
    { "Swish", "w:3x9", "alpha~1.702" },
    { "Erf", "3x9", "" },
    { "Exp", "3x9", "" },
    { "Log", "p:3x9", "" },
    { "Sqrt", "p:3x9", "" },
    { "Sin", "3x9", "" },
    { "Cos", "3x9", "" },
    { "Reciprocal", "p:3x9", "" },
    { "Celu", "3x9", "alpha~0.6" },
    { "Selu", "3x9", "" },
    { "Mish", "w:3x9", "" },
    { "Softplus", "w:3x9", "" },
    { "Softsign", "w:3x9", "" },
    { "ThresholdedRelu", "w:3x9", "alpha~1.5" },
    { "Pow", "p:2x3 3", "" },
    { "Pow", "2x3 f:1=2", "" },
    { "Pow", "2x3 i:1=3", "" },
    { "Pow", "2x3 f:1=0", "" },
    { "Pow", "p:2x3 f:3=0.5,-1,1", "" },
    { "Abs", "3x9", "" },
    { "Neg", "3x9", "" },
    { "Softmax", "3x7", "" },
    { "Softmax", "2x5x3", "axis=1" },
    { "Softmax", "0x5", "" },
    { "LogSoftmax", "3x7", "" },
    { "LogSoftmax", "2x5x3", "axis=0" },
    { "MaxPool", "2x3x6x5", "kernel_shape=2,2 strides=2,2" },
    { "MaxPool", "1x2x6x5", "kernel_shape=3,3 strides=2,1 pads=1,1,1,1 ceil_mode=1" },
    { "MaxPool", "1x2x9", "kernel_shape=3 dilations=2", 2 },
    { "MaxPool", "0x2x9", "kernel_shape=3" },
    { "AveragePool", "2x3x6x5", "kernel_shape=2,2 strides=2,2" },
    { "AveragePool", "1x2x6x5", "kernel_shape=3,3 strides=2,1 pads=1,1,1,1" },
    { "AveragePool", "1x2x6x5", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1" },
    { "GlobalAveragePool", "2x3x4x5", "" },
    { "GlobalMaxPool", "2x3x4x5", "" },
    { "LayerNormalization", "3x8 8 8", "" },
    { "LayerNormalization", "2x3x4 3x4", "axis=1 epsilon~0.1" },
    { "LayerNormalization", "2x3x4 scalar 3x1", "axis=-2" },
    { "LayerNormalization", "3x8 8 8", "", 3 },
    { "LayerNormalization", "0x8 8 8", "" },
    { "BatchNormalization", "2x3x4x2 3 3 3 p:3", "" },
    { "BatchNormalization", "5x3 3 3 3 p:3", "epsilon~0.2" },
    { "BatchNormalization", "0x3x4 3 3 3 p:3", "" },
    { "InstanceNormalization", "2x3x4x3 3 3", "" },
    { "InstanceNormalization", "2x2x9 2 2", "epsilon~0.3" },
    { "Concat", "2x3 2x1 2x4", "axis=1" },
    { "Concat", "2x3 0x3 1x3", "axis=-2" },
    { "Slice", "4x6 i:1=1 i:1=3", "" },
    { "Slice", "4x6 i:2=-1,0 i:2=-10,6 i:2=0,1 i:2=-1,2", "" },
    { "Slice", "4x6 i:1=2 i:1=2", "" },
    { "Split", "2x6", "axis=1", 3 },
    { "Split", "6x2 i:3=1,0,5", "", 3 },
    { "Reshape", "2x6 i:2=3,-1", "" },
    { "Reshape", "0x6 i:2=3,0", "allowzero=1" },
    { "Flatten", "2x3x4", "" },
    { "Squeeze", "2x1x3 i:1=1", "" },
    { "Unsqueeze", "2x3 i:2=0,3", "" },
    { "Transpose", "2x3x4", "" },
    { "Transpose", "2x3x4x2", "perm=0,2,3,1" },
    { "Expand", "3x1 i:3=2,3,4", "" },
    { "Expand", "3 i:2=0,3", "" },
    { "Expand", "2x3 i:1=1", "" },
    { "Gather", "4x3 i:2x3=0,-1,2,2,1,0", "" },
    { "Gather", "2x4x3 i:2=3,3", "axis=1" },
    { "Gather", "2x4 i:1x0=", "axis=1" },
    { "Pad", "2x3 i:4=1,0,0,2", "" },
    { "Pad", "2x3 i:4=0,2,1,-1 f:1=5", "" },
    { "Pad", "2x3 i:2=1,2 - i:1=1", "" },
    { "Pad", "2x4 i:4=0,2,0,3", "mode:reflect" },
    { "Pad", "2x4 i:4=1,2,0,3", "mode:edge" },
    { "ReduceMean", "2x3x4 i:1=1", "" },
    { "ReduceMean", "2x3x4 i:2=0,-1", "keepdims=0" },
    { "ReduceMean", "2x3x4", "" },
    { "ReduceSum", "2x3x4 i:2=1,2", "" },
    { "ReduceSum", "2x3 i:1x0=", "noop_with_empty_axes=1" },
    { "ReduceSum", "2x0 i:1=1", "" },
    { "ReduceMax", "2x3x4 i:1=1", "" },
    { "ReduceMax", "2x3x4 i:2=0,2", "keepdims=0" },
    { "ReduceMin", "2x3x4 i:1=-1", "" },
    { "Resize", "1x2x3x4 - f:4=1,1,2,2", "" },
    { "Resize", "1x2x5x4 - - i:4=1,2,3,7",
      "coordinate_transformation_mode:asymmetric nearest_mode:floor" },
    { "Resize", "1x2x3x4 - f:4=1,1,2,2", "mode:linear" },
    { "Resize", "1x2x3x4 - - i:2=5,3", "mode:linear axes=2,3 antialias=1" },
    { "Resize", "1x2x3x4 - - i:4=1,2,6,7",
      "mode:linear coordinate_transformation_mode:align_corners" },
    { "Resize", "1x1x4x4 f:8=0,0,-0.1,0.2,1,1,0.9,1.3 - i:4=1,1,3,5",
      "mode:linear coordinate_transformation_mode:tf_crop_and_resize extrapolation_value~3" },
    { "Resize", "1x1x4x4 f:8=0,0,-0.1,0.2,1,1,0.9,1.3 - i:4=1,1,3,5",
      "coordinate_transformation_mode:tf_crop_and_resize extrapolation_value~3" },
    { "Resize", "1x1x4x4 - f:4=1,1,1.5,0.7", "mode:cubic" },
    { "Resize", "2x3 - f:2=1,1", "" },
    { "Where", "b:2x3 2x3 2x3", "" },
    { "Where", "b:2x1 3 scalar", "" },
    { "Where", "b:0x3 3 scalar", "" },
    { "Identity", "2x3", "" },
    { "Identity", "0x3", "" },
    { "Dropout", "2x3", "", 2 },
    { "DepthToSpace", "1x8x2x3", "blocksize=2" },
    { "DepthToSpace", "2x4x2x1", "blocksize=2 mode:CRD" },
    { "SpaceToDepth", "2x2x4x6", "blocksize=2" },
};

// ---- one case in a graph of its own ---------------------------------------------------------

enum { MAX_IN = 5, MAX_OUT = 3, OPSET = 24 };

typedef struct fixture {
    ppq_graph *g;
    ppq_diag *d;
    ppq_op *op;
    ppq_tensor in[MAX_IN], out[MAX_OUT], grad_out[MAX_OUT];
    const ppq_tensor *in_ptr[MAX_IN];
    bool varies[MAX_IN]; // its gradient is checked
    ppq_rng rng;
} fixture;

static const char *last_error(const fixture *f)
{
    const size_t n = ppq_diag_count(f->d, PPQ_SEV_NOTE);
    return n ? ppq_diag_at(f->d, n - 1)->msg : "";
}

static ppq_tensor make_tensor(ppq_dtype dt, const ppq_shape *s)
{
    ppq_tensor t;
    ck_assert_int_eq(ppq_tensor_alloc(&t, dt, s), PPQ_OK);
    return t;
}

static uint32_t pick(ppq_rng *r, uint32_t n)
{
    return (uint32_t) (ppq_rng_u64(r) % n);
}

// Values between lo and hi in steps of equal size, shuffled.
static void fill_distinct(ppq_tensor *t, float lo, float hi, ppq_rng *r)
{
    const int64_t n = ppq_shape_numel(&t->shape);
    float *v = ppq_f32(t);
    for (int64_t i = 0; i < n; i++)
        v[i] = lo + (hi - lo) * ((float) i + 0.5137f) / (float) n;
    for (int64_t i = n - 1; i > 0; i--) {
        const uint32_t k = pick(r, (uint32_t) i + 1);
        const float swap = v[i];
        v[i] = v[k];
        v[k] = swap;
    }
}

static const char *parse_shape(const char *s, ppq_shape *out)
{
    *out = (ppq_shape){ .rank = 0 };
    if (strncmp(s, "scalar", 6) == 0)
        return s + 6;
    for (;; s++) {
        char *end;
        out->dim[out->rank++] = strtol(s, &end, 10);
        ck_assert_msg(end != s, "no shape: %s", s);
        s = end;
        if (*s != 'x')
            return s;
    }
}

static void parse_values(const char *s, ppq_tensor *t)
{
    for (int64_t i = 0; i < ppq_shape_numel(&t->shape); i++, s++) {
        char *end;
        const double v = strtod(s, &end);
        if (t->dtype == PPQ_DT_F32)
            ppq_f32(t)[i] = (float) v;
        else
            ppq_i64(t)[i] = (int64_t) v;
        s = end;
    }
}

static void add_input(fixture *f, int i, const char *text)
{
    if (*text == '-')
        return;
    const char kind = text[1] == ':' ? *text : 0;
    ppq_shape s;
    const char *rest = parse_shape(kind ? text + 2 : text, &s);
    f->in[i] = make_tensor(kind == 'i' ? PPQ_DT_I64 : kind == 'b' ? PPQ_DT_BOOL : PPQ_DT_F32, &s);
    f->in_ptr[i] = &f->in[i];
    f->varies[i] = kind == 0 || kind == 'p' || kind == 'w';
    if (kind == 'i' || kind == 'f')
        parse_values(rest + 1, &f->in[i]);
    else if (kind == 'b')
        for (int64_t k = 0; k < ppq_shape_numel(&s); k++)
            ((bool *) ppq_tensor_data(&f->in[i]))[k] = pick(&f->rng, 2);
    else if (kind == 'p')
        fill_distinct(&f->in[i], 0.4f, 2.4f, &f->rng);
    else
        fill_distinct(&f->in[i], kind == 'w' ? -8 : -2, kind == 'w' ? 8 : 2, &f->rng);
}

static void add_attr(fixture *f, const char *text, size_t n)
{
    char name[64], value[64];
    const size_t at = strcspn(text, "=~:");
    ck_assert(at < n && n < sizeof(value));
    snprintf(name, sizeof(name), "%.*s", (int) at, text);
    snprintf(value, sizeof(value), "%.*s", (int) (n - at - 1), text + at + 1);
    if (text[at] == ':') {
        ppq_op_set_string(f->g, f->op, name, value);
    } else if (text[at] == '~') {
        ppq_op_set_float(f->g, f->op, name, strtof(value, NULL));
    } else {
        static const char *const lists[] = { "pads", "strides", "dilations",     "kernel_shape",
                                             "perm", "axes",    "output_padding" };
        int64_t v[2 * PPQ_MAX_RANK];
        size_t count = 0;
        bool is_list = false;
        for (char *s = value; *s; s += *s == ',')
            v[count++] = strtol(s, &s, 10);
        for (size_t i = 0; i < PPQ_COUNT(lists); i++)
            is_list |= strcmp(name, lists[i]) == 0;
        if (is_list)
            ppq_op_set_ints(f->g, f->op, name, v, count);
        else
            ppq_op_set_int(f->g, f->op, name, v[0]);
    }
}

static int words(const char *text, const char **at, size_t *n, int cap)
{
    int count = 0;
    while (*text) {
        const size_t size = strcspn(text, " ");
        ck_assert_int_lt(count, cap);
        at[count] = text;
        n[count++] = size;
        text += size + (text[size] == ' ');
    }
    return count;
}

// Fills *out, which must stay where it is.
static void open_example(const example *e, fixture *out)
{
    *out = (fixture){ .g = ppq_graph_create(),
                      .d = ppq_diag_create(NULL, NULL),
                      .rng = ppq_rng_seed(5, 0) };
    const char *at[8];
    size_t size[8];
    const int n_in = words(e->in, at, size, MAX_IN), n_out = e->n_out ? e->n_out : 1;
    out->op = ppq_graph_add_op(out->g, "", e->type, "op", n_in, n_out);
    out->op->def = ppq_op_def_find("", e->type);
    ck_assert_msg(out->op->def, "there is no %s", e->type);
    for (int i = 0; i < n_in; i++) {
        add_input(out, i, at[i]);
        if (out->in_ptr[i])
            ppq_graph_set_input(out->g, out->op, i, ppq_graph_add_var(out->g, NULL));
    }
    for (int i = 0; i < n_out; i++)
        ppq_graph_set_output(out->g, out->op, i, ppq_graph_add_var(out->g, NULL));
    const int n_attrs = words(e->attrs, at, size, 8);
    for (int i = 0; i < n_attrs; i++)
        add_attr(out, at[i], size[i]);
    ck_assert_msg(ppq_op_eval(out->op, OPSET, out->in_ptr, out->out, out->d) == PPQ_OK,
                  "%s(%s): %s", e->type, e->in, last_error(out));
}

static void close_example(fixture *f)
{
    for (int i = 0; i < MAX_IN; i++)
        ppq_tensor_unref(&f->in[i]);
    for (int i = 0; i < MAX_OUT; i++) {
        ppq_tensor_unref(&f->out[i]);
        ppq_tensor_unref(&f->grad_out[i]);
    }
    ppq_graph_destroy(f->g);
    ppq_diag_destroy(f->d);
}

// The loss is the sum of the outputs of `mask`, each element times its gradient.
static void set_loss(fixture *f, unsigned mask)
{
    for (int i = 0; i < f->op->n_out; i++) {
        ppq_tensor_unref(&f->grad_out[i]);
        if (f->out[i].dtype != PPQ_DT_F32 || !(mask >> i & 1))
            continue;
        f->grad_out[i] = make_tensor(PPQ_DT_F32, &f->out[i].shape);
        fill_distinct(&f->grad_out[i], -1, 1.1f, &f->rng);
    }
}

// ---- central differences --------------------------------------------------------------------

static double loss(const fixture *f, const ppq_tensor *const *in)
{
    ppq_tensor out[MAX_OUT] = { 0 };
    double sum = 0;
    ck_assert_msg(ppq_op_eval(f->op, OPSET, in, out, f->d) == PPQ_OK, "%s", last_error(f));
    for (int i = 0; i < f->op->n_out; i++) {
        const double *y = f->grad_out[i].buf ? ppq_tensor_data(&out[i]) : NULL;
        for (int64_t k = 0; y && k < ppq_shape_numel(&out[i].shape); k++)
            sum += y[k] * (double) ppq_f32(&f->grad_out[i])[k];
        ppq_tensor_unref(&out[i]);
    }
    return sum;
}

static void check_differences(const fixture *f, const example *e, const ppq_tensor *grad)
{
    const double step = 1e-5;
    ppq_tensor wide[MAX_IN] = { 0 };
    const ppq_tensor *in[MAX_IN] = { NULL };
    for (int i = 0; i < f->op->n_in; i++) {
        in[i] = f->in_ptr[i];
        if (!in[i] || in[i]->dtype != PPQ_DT_F32)
            continue;
        wide[i] = make_tensor(PPQ_DT_F64, &in[i]->shape);
        for (int64_t k = 0; k < ppq_shape_numel(&in[i]->shape); k++)
            ((double *) ppq_tensor_data(&wide[i]))[k] = (double) ppq_f32(in[i])[k];
        in[i] = &wide[i];
    }
    for (int i = 0; i < f->op->n_in; i++)
        for (int64_t k = 0; f->varies[i] && k < ppq_shape_numel(&in[i]->shape); k++) {
            double *x = (double *) ppq_tensor_data(in[i]) + k;
            const double now = *x;
            *x = now + step;
            const double above = loss(f, in);
            *x = now - step;
            const double want = (above - loss(f, in)) / (2 * step);
            const double got = (double) ppq_f32(&grad[i])[k];
            *x = now;
            ck_assert_msg(fabs(got - want) <= 2e-5 * (1 + fabs(want)),
                          "%s(%s) %s: gradient of input %d at %d is %g, should be %g", e->type,
                          e->in, e->attrs, i, (int) k, got, want);
        }
    for (int i = 0; i < MAX_IN; i++)
        ppq_tensor_unref(&wide[i]);
}

// ---- calls ----------------------------------------------------------------------------------

enum { GUARD = 64 }; // bytes
static const unsigned char guard_byte = 0xa5;

static ppq_tensor make_guarded(const ppq_shape *s)
{
    const size_t bytes = ppq_shape_bytes(s, PPQ_DT_F32);
    const ppq_shape room = ppq_shape_1d((int64_t) bytes + 2 * GUARD);
    ppq_tensor t = make_tensor(PPQ_DT_U8, &room);
    memset(ppq_tensor_data(&t), guard_byte, bytes + 2 * GUARD);
    t.dtype = PPQ_DT_F32;
    t.shape = *s;
    t.offset += GUARD;
    memset(ppq_tensor_data(&t), 0, bytes);
    return t;
}

static void check_guards(const ppq_tensor *t, const char *type)
{
    const unsigned char *v = ppq_tensor_data(t);
    const size_t bytes = ppq_tensor_bytes(t);
    for (size_t i = 0; i < GUARD; i++)
        ck_assert_msg(v[bytes + i] == guard_byte && v[(ptrdiff_t) i - GUARD] == guard_byte,
                      "%s writes outside a gradient", type);
}

// Gradients of the inputs in `wanted`; the caller unrefs them.
static ppq_status call(const fixture *f, unsigned wanted, bool keep_out, int n_threads,
                       ppq_tensor *grad)
{
    const ppq_tensor *out[MAX_OUT] = { NULL }, *grad_out[MAX_OUT] = { NULL };
    ppq_arena *scratch = ppq_arena_create("backward");
    for (int i = 0; i < f->op->n_out; i++) {
        out[i] = keep_out ? &f->out[i] : NULL;
        grad_out[i] = f->grad_out[i].buf ? &f->grad_out[i] : NULL;
    }
    for (int i = 0; i < MAX_IN; i++)
        grad[i] =
            f->varies[i] && wanted >> i & 1 ? make_guarded(&f->in[i].shape) : (ppq_tensor){ 0 };
    ppq_backward_ctx c = { f->op, OPSET,   f->in_ptr, out,  grad_out,
                           grad,  scratch, NULL,      f->d, n_threads };
    const ppq_status st = f->op->def->backward(&c);
    for (int i = 0; i < MAX_IN; i++)
        if (grad[i].buf)
            check_guards(&grad[i], f->op->type);
    ppq_arena_destroy(scratch);
    return st;
}

static void drop(ppq_tensor *grad)
{
    for (int i = 0; i < MAX_IN; i++)
        ppq_tensor_unref(&grad[i]);
}

// The same gradients, bit for bit, whatever else is wanted, kept or running.
static void check_call(const fixture *f, const ppq_tensor *want, unsigned wanted, bool keep_out,
                       int n_threads)
{
    ppq_tensor grad[MAX_IN];
    ck_assert_msg(call(f, wanted, keep_out, n_threads, grad) == PPQ_OK, "%s", last_error(f));
    for (int i = 0; i < MAX_IN; i++)
        ck_assert_msg(!grad[i].buf || ppq_tensor_equal(&grad[i], &want[i]),
                      "%s: the gradient of input %d differs with inputs %#x wanted and %d threads",
                      f->op->type, i, wanted, n_threads);
    drop(grad);
}

static void check_example(const example *e)
{
    fixture f;
    open_example(e, &f);
    ck_assert_msg(f.op->def->backward, "%s has no backward pass", e->type);
    const unsigned all = (1u << MAX_IN) - 1;
    // Statistics of normalizations have no gradients; several outputs of Split have.
    const bool many = strcmp(e->type, "Split") == 0;
    for (unsigned mask = 0; mask < (many ? 1u << f.op->n_out : 2u); mask++) {
        ppq_tensor grad[MAX_IN];
        set_loss(&f, mask);
        ck_assert_msg(call(&f, all, true, 1, grad) == PPQ_OK, "%s(%s): %s", e->type, e->in,
                      last_error(&f));
        check_differences(&f, e, grad);
        for (unsigned wanted = 0; wanted < 1u << f.op->n_in; wanted++)
            check_call(&f, grad, wanted, false, 1);
        check_call(&f, grad, all, false, 2);
        check_call(&f, grad, all, true, 5);
        drop(grad);
    }
    close_example(&f);
}

// ---- tests ----------------------------------------------------------------------------------

static int n_ops(void)
{
    int n = 0;
    while (ppq_builtin_ops[n])
        n++;
    return n;
}

START_TEST(gradients_are_the_limits_of_differences)
{
    const ppq_op_def *def = ppq_builtin_ops[_i];
    int n = 0;
    for (size_t i = 0; i < PPQ_COUNT(examples) && def->backward && !def->domain[0]; i++)
        if (strcmp(examples[i].type, def->type) == 0) {
            check_example(&examples[i]);
            n++;
        }
    ck_assert_msg(!def->backward || n > 0, "%s has a backward pass without an example", def->type);
}
END_TEST

START_TEST(required_operators_have_one)
{
    const ppq_op_def *def = ppq_op_def_find("", required[_i]);
    ck_assert_msg(def && def->backward, "%s has no backward pass", required[_i]);
}
END_TEST

// Other types are refused with a sentence that names the input.
START_TEST(only_float32_has_gradients)
{
    for (int i = 0; ppq_builtin_ops[i]; i++) {
        const ppq_op_def *def = ppq_builtin_ops[i];
        for (size_t k = 0; k < PPQ_COUNT(examples) && def->backward; k++) {
            if (strcmp(examples[k].type, def->type) != 0)
                continue;
            fixture f;
            open_example(&examples[k], &f);
            const int slot = f.varies[0] ? 0 : 1;
            ppq_tensor grad[MAX_IN], wide = make_tensor(PPQ_DT_F64, &f.in[slot].shape);
            memset(ppq_tensor_data(&wide), 0, ppq_tensor_bytes(&wide));
            set_loss(&f, 1);
            f.in_ptr[slot] = &wide;
            ck_assert_int_eq(call(&f, 1u << slot, false, 1, grad), PPQ_ERR_UNSUPPORTED);
            ck_assert_msg(strstr(last_error(&f), "is float64"), "%s: %s", def->type,
                          last_error(&f));
            drop(grad);
            ppq_tensor_unref(&wide);
            close_example(&f);
            break;
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("backward");
    TCase *t = tcase_create("backward");
    tcase_set_timeout(t, 0);
    tcase_add_loop_test(t, gradients_are_the_limits_of_differences, 0, n_ops());
    tcase_add_loop_test(t, required_operators_have_one, 0, (int) PPQ_COUNT(required));
    tcase_add_test(t, only_float32_has_gradients);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    const int bad = srunner_ntests_failed(r);
    srunner_free(r);
    return bad ? 1 : 0;
}
