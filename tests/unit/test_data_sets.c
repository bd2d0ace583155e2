// Files and folders of samples, matched to a graph's inputs.

#include "quantizer/data/data.h"
#include "quantizer/data/format.h"
#include "tests/unit/data_files.h"

typedef struct set {
    files f;
    world w;
    ppq_data *data;
    ppq_calib_source src;
} set;

// A graph with `n` float inputs "a", "b", ... of shape 1x2.
static set set_new(int n)
{
    set s = { .f = files_new(), .w = world_new() };
    static const char *const names[] = { "a", "b", "c" };
    for (int i = 0; i < n; i++)
        add_input(&s.w, names[i], SHAPE(1, 2));
    return s;
}

static void set_end(set *s)
{
    ppq_data_destroy(s->data);
    world_end(&s->w);
    files_end(&s->f);
}

static void open_set(set *s, const ppq_data_opts *o)
{
    static const ppq_data_opts plain = { .batch = 1 };
    OK(s->f.d, ppq_data_create(s->w.g, o ? o : &plain, &s->data, s->f.d));
}

static void add(set *s, const char *spec)
{
    OK(s->f.d, ppq_data_add(s->data, spec, s->f.d));
}

static void ready(set *s, int64_t samples)
{
    OK(s->f.d, ppq_data_finish(s->data, s->f.d));
    s->src = ppq_data_source(s->data);
    ck_assert_int_eq(s->src.n_samples, samples);
}

static ppq_status get(set *s, int64_t i, ppq_tensor *feeds)
{
    memset(feeds, 0, 3 * sizeof(*feeds));
    const ppq_status st = s->src.get(s->src.user, i, feeds, s->f.d);
    if (st != PPQ_OK)
        for (int k = 0; k < 3; k++)
            ppq_tensor_unref(&feeds[k]);
    return st;
}

// The first value of input `input` of sample `i`.
static float first(set *s, int64_t i, int input)
{
    ppq_tensor feeds[3];
    OK(s->f.d, get(s, i, feeds));
    for (int32_t k = 0; k < s->w.g->n_inputs; k++)
        ck_assert(ppq_shape_equal(&feeds[k].shape, &SHAPE(1, 2)));
    const float v = ppq_f32(&feeds[input])[0];
    for (int k = 0; k < 3; k++)
        ppq_tensor_unref(&feeds[k]);
    return v;
}

static const char *sample(set *s, const char *name, float v)
{
    const float x[2] = { v, v };
    return put(&s->f, name, npy_f32("(1, 2)", x, 2));
}

// ---- one input ------------------------------------------------------------------------------

START_TEST(a_folder_is_read_in_name_order)
{
    set s = set_new(1);
    sample(&s, "10.npy", 1);
    sample(&s, "9.npy", 3);
    sample(&s, "B.npy", 4);
    sample(&s, "2.npy", 2);
    put_bytes(&s.f, ".hidden.npy", "x", 1);
    open_set(&s, NULL);
    add(&s, s.f.dir);
    ready(&s, 4);
    for (int i = 0; i < 4; i++)
        SAME(first(&s, i, 0), (float) (i + 1));
    ck_assert_uint_eq(ppq_diag_count(s.f.d, PPQ_SEV_NOTE), 0);
    set_end(&s);
}
END_TEST

START_TEST(other_files_of_a_folder_are_told)
{
    set s = set_new(1);
    sample(&s, "1.npy", 1);
    put_bytes(&s.f, "README.txt", "x", 1);
    open_set(&s, NULL);
    add(&s, s.f.dir);
    ready(&s, 1);
    ck_assert_uint_eq(ppq_diag_count(s.f.d, PPQ_SEV_WARN), 1);
    set_end(&s);
}
END_TEST

START_TEST(a_batch_dimension_may_be_left_out)
{
    set s = set_new(1);
    const float x[2] = { 5, 6 };
    open_set(&s, NULL);
    add(&s, put(&s.f, "x.npy", npy_f32("(2,)", x, 2)));
    ready(&s, 1);
    SAME(first(&s, 0, 0), 5);
    set_end(&s);
}
END_TEST

START_TEST(stacked_samples_are_rows)
{
    set s = set_new(1);
    const float x[6] = { 1, 1, 2, 2, 3, 3 };
    open_set(&s, NULL);
    add(&s, put(&s.f, "x.npy", npy_f32("(3, 2)", x, 6)));
    ready(&s, 3);
    for (int i = 0; i < 3; i++)
        SAME(first(&s, i, 0), (float) (i + 1));
    set_end(&s);
}
END_TEST

START_TEST(steps_and_batches_cut_the_samples)
{
    set s = set_new(1);
    s.w.g->inputs[0]->shape.dim[0] = ppq_graph_symbol(s.w.g, "N");
    const float x[10] = { 1, 1, 2, 2, 3, 3, 4, 4, 5, 5 };
    open_set(&s, &(ppq_data_opts){ .max_samples = 3, .batch = 2 });
    add(&s, put(&s.f, "x.npy", npy_f32("(5, 2)", x, 10)));
    ready(&s, 2);
    ppq_tensor t[3];
    OK(s.f.d, get(&s, 0, t));
    ck_assert(ppq_shape_equal(&t[0].shape, &SHAPE(2, 2)));
    ck_assert_mem_eq(ppq_f32(&t[0]), x, 4 * sizeof(float));
    ppq_tensor_unref(&t[0]);
    OK(s.f.d, get(&s, 1, t));
    ck_assert(ppq_shape_equal(&t[0].shape, &SHAPE(1, 2)));
    SAME(ppq_f32(&t[0])[0], 3);
    ppq_tensor_unref(&t[0]);
    set_end(&s);
}
END_TEST

// ---- raw and packed -------------------------------------------------------------------------

START_TEST(raw_files_hold_whole_samples)
{
    set s = set_new(1);
    const float x[5] = { 1, 1, 2, 2, 9 };
    open_set(&s, NULL);
    add(&s, put_bytes(&s.f, "x.bin", x, 4 * sizeof(float)));
    FAILS(s.f.d, ppq_data_add(s.data, put_bytes(&s.f, "odd.raw", x, sizeof(x)), s.f.d),
          PPQ_ERR_DATA, "odd.raw");
    ready(&s, 2);
    SAME(first(&s, 1, 0), 2);
    ck_assert_int_eq(ppq_data_label(s.data, 0), -1);
    set_end(&s);
}
END_TEST

// A count, samples, labels. With one, three or more samples the size may also be a whole number of
// bare samples: the count decides.
START_TEST(packed_files_carry_labels)
{
    const int64_t n = _i + 1;
    set s = set_new(1);
    ppq_buf b = { 0 };
    ppq_buf_append(&b, &n, 8);
    for (int64_t i = 0; i < n; i++)
        ppq_buf_append(&b, (const float[]){ (float) (i + 1), 0.5f }, 8);
    for (int64_t i = 0; i < n; i++)
        ppq_buf_append(&b, &(const int64_t){ 100 + i }, 8);
    open_set(&s, NULL);
    add(&s, put_bytes(&s.f, "packed.bin", b.data, b.n));
    ready(&s, n);
    for (int64_t i = 0; i < n; i++) {
        SAME(first(&s, i, 0), (float) (i + 1));
        ck_assert_int_eq(ppq_data_label(s.data, i), 100 + i);
    }
    ck_assert_int_eq(ppq_data_label(s.data, n), -1);
    ppq_buf_free(&b);
    set_end(&s);
}
END_TEST

START_TEST(a_dtype_that_is_none_is_refused)
{
    set s = set_new(1);
    FAILS(s.f.d, ppq_data_create(s.w.g, &(ppq_data_opts){ .dtype = "floaty" }, &s.data, s.f.d),
          PPQ_ERR_ARG, "floaty");
    ck_assert_ptr_null(s.data);
    set_end(&s);
}
END_TEST

// ---- several inputs -------------------------------------------------------------------------

static void two_samples_each(set *s)
{
    ready(s, 2);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            SAME(first(s, i, k), (float) (10 * i + k));
}

// The folder with the samples' files of inputs a and b by these names.
static void two_samples_in(set *s, const char *const a[2], const char *const b[2])
{
    for (int i = 0; i < 2; i++) {
        sample(s, a[i], (float) (10 * i));
        sample(s, b[i], (float) (10 * i + 1));
    }
    open_set(s, NULL);
    add(s, s->f.dir);
    two_samples_each(s);
}

START_TEST(inputs_in_sub_folders)
{
    static const char *const a[] = { "a/0.npy", "a/1.npy" }, *const b[] = { "b/0.npy", "b/1.npy" };
    set s = set_new(2);
    folder(&s.f, "a");
    folder(&s.f, "b");
    two_samples_in(&s, a, b);
    set_end(&s);
}
END_TEST

START_TEST(inputs_in_file_names)
{
    static const char *const a[] = { "0000.a.npy", "0001.a.npy" };
    static const char *const b[] = { "0000.b.npy", "0001.b.npy" };
    set s = set_new(2);
    two_samples_in(&s, a, b);
    set_end(&s);
}
END_TEST

START_TEST(inputs_by_option)
{
    set s = set_new(2);
    open_set(&s, NULL);
    add(&s, ppq_arena_printf(s.f.a, "b=%s", sample(&s, "x.npy", 1)));
    add(&s, ppq_arena_printf(s.f.a, "a=%s", sample(&s, "y.npy", 0)));
    add(&s, ppq_arena_printf(s.f.a, "a=%s", sample(&s, "z.npy", 10)));
    add(&s, ppq_arena_printf(s.f.a, "b=%s", sample(&s, "q.npy", 11)));
    two_samples_each(&s);
    set_end(&s);
}
END_TEST

START_TEST(inputs_in_an_npz)
{
    set s = set_new(2);
    const float a[4] = { 0, 0, 10, 10 }, b[4] = { 1, 1, 11, 11 };
    const zip_entry e[] = { { "b.npy", npy_f32("(2, 2)", b, 4), true },
                            { "a.npy", npy_f32("(2, 2)", a, 4), false } };
    open_set(&s, NULL);
    add(&s, put(&s.f, "both.npz", zip(e, 2)));
    two_samples_each(&s);
    free(e[0].data.p);
    free(e[1].data.p);
    set_end(&s);
}
END_TEST

// A TensorProto by hand: dims, float32, raw_data.
static blob tensor_pb(float v)
{
    unsigned char p[] = { 0x08, 1, 0x08, 2, 0x10, 1, 0x4a, 8, 0, 0, 0, 0, 0, 0, 0, 0 };
    memcpy(p + 8, &v, 4);
    const blob b = { malloc(sizeof(p)), sizeof(p) };
    memcpy(b.p, p, sizeof(p));
    return b;
}

START_TEST(inputs_in_onnx_test_folders)
{
    set s = set_new(2);
    for (int i = 0; i < 2; i++) {
        const char *dir = ppq_arena_printf(s.f.a, "test_data_set_%d", i);
        folder(&s.f, dir);
        for (int k = 0; k < 2; k++)
            put(&s.f, ppq_arena_printf(s.f.a, "%s/input_%d.pb", dir, k),
                tensor_pb((float) (10 * i + k)));
    }
    open_set(&s, NULL);
    add(&s, s.f.dir);
    two_samples_each(&s);
    set_end(&s);
}
END_TEST

// ---- what is wrong --------------------------------------------------------------------------

START_TEST(a_bad_sample_is_named)
{
    static const struct {
        const char *shape, *code, *message;
        float value;
    } cases[] = {
        { "(1, 2)", "<f4", "NaN", NAN },    { "(1, 2)", "<f4", "infinite", INFINITY },
        { "(1, 2)", "<i4", "int32", 0 },    { "(2, 1)", "<f4", "1x2", 0 },
        { "(1, 1, 2)", "<f4", "1x1x2", 0 }, { "()", "<f4", "shape", 0 },
    };
    set s = set_new(1);
    const float x[2] = { cases[_i].value, cases[_i].value };
    const size_t n = strcmp(cases[_i].shape, "()") == 0 ? 4 : 8;
    open_set(&s, NULL);
    add(&s, put(&s.f, "bad.npy", npy(1, cases[_i].code, "False", cases[_i].shape, x, n)));
    OK(s.f.d, ppq_data_finish(s.data, s.f.d));
    s.src = ppq_data_source(s.data);
    ppq_tensor t[3];
    FAILS(s.f.d, get(&s, 0, t), PPQ_ERR_DATA, "bad.npy");
    ck_assert_msg(strstr(last_message(s.f.d), cases[_i].message) != NULL, "%s",
                  last_message(s.f.d));
    set_end(&s);
}
END_TEST

START_TEST(samples_that_cannot_be_joined_are_told)
{
    set s = set_new(1);
    s.w.g->inputs[0]->shape = (ppq_shape){ .rank = 0 };
    const float x = 1;
    open_set(&s, &(ppq_data_opts){ .batch = 2 });
    add(&s, put(&s.f, "x.npy", npy_f32("()", &x, 1)));
    add(&s, put(&s.f, "y.npy", npy_f32("()", &x, 1)));
    ready(&s, 1);
    ppq_tensor t[3];
    ck_assert_int_ne(get(&s, 0, t), PPQ_OK);
    ck_assert_uint_eq(ppq_diag_count(s.f.d, PPQ_SEV_ERROR), 1);
    set_end(&s);
}
END_TEST

START_TEST(missing_data_is_told)
{
    set s = set_new(2);
    open_set(&s, NULL);
    FAILS(s.f.d, ppq_data_add(s.data, path_of(&s.f, "none.npy"), s.f.d), PPQ_ERR_IO, "none.npy");
    FAILS(s.f.d, ppq_data_add(s.data, "q=none.npy", s.f.d), PPQ_ERR_ARG, "'a', 'b'");
    FAILS(s.f.d, ppq_data_add(s.data, sample(&s, "x.npy", 1), s.f.d), PPQ_ERR_DATA, "2 inputs");
    FAILS(s.f.d, ppq_data_add(s.data, folder(&s.f, "empty"), s.f.d), PPQ_ERR_DATA, "empty");
    FAILS(s.f.d, ppq_data_add(s.data, put_bytes(&s.f, "x.txt", "x", 1), s.f.d), PPQ_ERR_DATA,
          "x.txt");
    add(&s, ppq_arena_printf(s.f.a, "a=%s", sample(&s, "y.npy", 0)));
    FAILS(s.f.d, ppq_data_finish(s.data, s.f.d), PPQ_ERR_DATA, "'b' has no samples");
    add(&s, ppq_arena_printf(s.f.a, "b=%s", sample(&s, "z.npy", 0)));
    add(&s, ppq_arena_printf(s.f.a, "b=%s", sample(&s, "q.npy", 0)));
    FAILS(s.f.d, ppq_data_finish(s.data, s.f.d), PPQ_ERR_DATA, "2 samples");
    set_end(&s);
}
END_TEST

START_TEST(empty_files_are_told)
{
    static const char *const names[] = { "e.npy", "e.npz", "e.bin" };
    set s = set_new(1);
    open_set(&s, NULL);
    FAILS(s.f.d, ppq_data_add(s.data, put_bytes(&s.f, names[_i], "", 0), s.f.d), PPQ_ERR_DATA,
          names[_i]);
    set_end(&s);
}
END_TEST

START_TEST(images_need_preprocessing)
{
    set s = set_new(1);
    unsigned char px[12] = { 0 };
    const char *path = put(&s.f, "i.png", png_of(px, 2, 2, 3));
    open_set(&s, NULL);
    FAILS(s.f.d, ppq_data_add(s.data, path, s.f.d), PPQ_ERR_DATA, "--preprocess");
    ppq_data_destroy(s.data);
    s.w.g->inputs[0]->shape = SHAPE(1, 3, 2, 2);
    open_set(&s, &(ppq_data_opts){ .preprocess = "scale=1" });
    add(&s, path);
    ready(&s, 1);
    ppq_tensor t[3];
    OK(s.f.d, get(&s, 0, t));
    ppq_tensor_unref(&t[0]);
    set_end(&s);
}
END_TEST

// ---- random ---------------------------------------------------------------------------------

START_TEST(random_samples_repeat_and_differ)
{
    set s = set_new(2);
    open_set(&s, NULL);
    OK(s.f.d, ppq_data_random(s.data, 3, 7, s.f.d));
    ready(&s, 3);
    SAME(first(&s, 0, 0), first(&s, 0, 0));
    DIFFER(first(&s, 0, 0), first(&s, 1, 0));
    DIFFER(first(&s, 0, 0), first(&s, 0, 1));
    set_end(&s);
}
END_TEST

START_TEST(random_samples_need_a_shape_that_can_be_had)
{
    set s = set_new(1);
    open_set(&s, NULL);
    OK(s.f.d, ppq_data_random(s.data, 1, 7, s.f.d));
    ready(&s, 1);
    s.w.g->inputs[0]->shape = _i ? SHAPE(1 << 30, 1 << 30, 1 << 10) : SHAPE(1, PPQ_DIM_UNKNOWN);
    ppq_tensor t[3];
    ck_assert_int_ne(get(&s, 0, t), PPQ_OK);
    ck_assert_uint_eq(ppq_diag_count(s.f.d, PPQ_SEV_ERROR), 1);
    ck_assert_msg(strstr(last_message(s.f.d), "'a'") != NULL, "%s", last_message(s.f.d));
    set_end(&s);
}
END_TEST

int main(void)
{
    const test_entry tests[] = {
        { a_folder_is_read_in_name_order, 1 },
        { other_files_of_a_folder_are_told, 1 },
        { a_batch_dimension_may_be_left_out, 1 },
        { stacked_samples_are_rows, 1 },
        { steps_and_batches_cut_the_samples, 1 },
        { raw_files_hold_whole_samples, 1 },
        { packed_files_carry_labels, 5 },
        { a_dtype_that_is_none_is_refused, 1 },
        { inputs_in_sub_folders, 1 },
        { inputs_in_file_names, 1 },
        { inputs_by_option, 1 },
        { inputs_in_an_npz, 1 },
        { inputs_in_onnx_test_folders, 1 },
        { a_bad_sample_is_named, 6 },
        { samples_that_cannot_be_joined_are_told, 1 },
        { missing_data_is_told, 1 },
        { empty_files_are_told, 3 },
        { images_need_preprocessing, 1 },
        { random_samples_repeat_and_differ, 1 },
        { random_samples_need_a_shape_that_can_be_had, 2 },
    };
    return run_tests("data-sets", tests, PPQ_COUNT(tests));
}
