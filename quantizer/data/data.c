#include "quantizer/data/data.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/io.h"
#include "core/rng.h"
#include "parser/tensor_file.h"
#include "quantizer/data/format.h"

// Where one sample of one input is.
typedef struct item {
    const char *path;
    int64_t row; // of a file that holds several; -1: all of it
} item;

typedef struct column {
    item *items;
    int64_t n, cap;
} column;

struct ppq_data {
    ppq_arena *arena;
    const ppq_graph *g;
    int32_t n_inputs; // of g, which may be gone before the data
    ppq_data_opts o;
    bool has_preprocess;
    ppq_preprocess preprocess;
    ppq_dtype raw_dtype; // NONE: the input's own
    column *columns;     // [g->n_inputs]
    int64_t n;           // samples, after finish
    int64_t *labels;     // of a packed file
    int64_t n_labels;
    bool random;
    uint64_t seed;
};

static const ppq_loc here = { .stage = "data" };

ppq_status ppq_data_create(const ppq_graph *g, const ppq_data_opts *o, ppq_data **out, ppq_diag *d)
{
    ppq_arena *a = ppq_arena_create("data");
    ppq_data *x = ppq_new(a, ppq_data);
    *x = (ppq_data){ .arena = a, .g = g, .n_inputs = g->n_inputs, .o = *o };
    x->o.batch = PPQ_MAX(o->batch, 1);
    x->columns = ppq_new_n(a, column, (size_t) g->n_inputs + 1);
    ppq_status st = PPQ_OK;
    if (o->dtype) {
        x->raw_dtype = ppq_dtype_find(o->dtype, strlen(o->dtype));
        if (x->raw_dtype == PPQ_DT_NONE)
            st = ppq_fail(d, PPQ_ERR_ARG, here, "--dtype '%s' is no element type, try float32",
                          o->dtype);
    }
    if (st == PPQ_OK && o->preprocess) {
        st = ppq_preprocess_parse(o->preprocess, &x->preprocess, d);
        x->has_preprocess = true;
    }
    if (st != PPQ_OK) {
        ppq_arena_destroy(a);
        return st;
    }
    *out = x;
    return PPQ_OK;
}

void ppq_data_set_graph(ppq_data *x, const ppq_graph *g)
{
    assert(g->n_inputs == x->n_inputs);
    x->g = g;
}

void ppq_data_destroy(ppq_data *x)
{
    if (!x)
        return;
    for (int32_t i = 0; i < x->n_inputs; i++)
        free(x->columns[i].items);
    free(x->labels);
    ppq_arena_destroy(x->arena);
}

static void push(ppq_data *x, int32_t input, const char *path, int64_t row)
{
    column *c = &x->columns[input];
    if (c->n == c->cap) {
        c->cap = c->cap ? 2 * c->cap : 64;
        c->items = realloc(c->items, (size_t) c->cap * sizeof(*c->items));
        if (!c->items)
            abort();
    }
    c->items[c->n++] = (item){ path, row };
}

static bool ends_with(const char *s, const char *suffix)
{
    const size_t n = strlen(s), k = strlen(suffix);
    return n >= k && strcmp(s + n - k, suffix) == 0;
}

typedef enum kind { NONE, NPY, NPZ, PB, RAW, IMAGE } kind;

static kind kind_of(const char *path)
{
    static const struct {
        const char *suffix;
        kind k;
    } kinds[] = { { ".npy", NPY },   { ".npz", NPZ },    { ".pb", PB },      { ".bin", RAW },
                  { ".raw", RAW },   { ".jpg", IMAGE },  { ".jpeg", IMAGE }, { ".png", IMAGE },
                  { ".JPG", IMAGE }, { ".JPEG", IMAGE }, { ".PNG", IMAGE } };
    for (size_t i = 0; i < PPQ_COUNT(kinds); i++)
        if (ends_with(path, kinds[i].suffix))
            return kinds[i].k;
    return NONE;
}

// ---- adding ---------------------------------------------------------------------------------

// Whether the first dimension counts samples: fixed at one, or free and evidently a batch.
static bool batch_first(const ppq_data *x, const ppq_var *v)
{
    if (v->shape.rank < 1)
        return false;
    const int64_t d0 = v->shape.dim[0];
    if (d0 == 1)
        return true;
    if (d0 >= 0)
        return false;
    if (v->shape.rank >= 3)
        return true;
    const int64_t k = -2 - d0;
    const char *name = k >= 0 && k < x->g->n_symbols ? x->g->symbols[k] : "";
    return strcmp(name, "N") == 0 || strcmp(name, "n") == 0 || strstr(name, "atch");
}

static void push_rows(ppq_data *x, int32_t input, const char *path, const ppq_shape *have)
{
    const ppq_var *v = x->g->inputs[input];
    const bool stacked =
        have->rank == v->shape.rank && have->rank > 0 && have->dim[0] > 1 && batch_first(x, v);
    if (!stacked) {
        push(x, input, path, -1);
        return;
    }
    for (int64_t r = 0; r < have->dim[0]; r++)
        push(x, input, path, r);
}

static ppq_status add_npz(ppq_data *x, int32_t input, const char *path, const ppq_view *v,
                          ppq_diag *d)
{
    for (int32_t i = 0; i < x->g->n_inputs; i++) {
        if (input >= 0 && i != input)
            continue;
        unsigned char *bytes;
        size_t n;
        ppq_npy h;
        PPQ_TRY(ppq_npz_entry(v->data, v->size, path, x->g->inputs[i]->name, &bytes, &n, d));
        const ppq_status st = ppq_npy_header(bytes, n, path, &h, d);
        free(bytes);
        PPQ_TRY(st);
        push_rows(x, i, path, &h.shape);
    }
    return PPQ_OK;
}

// Shape of one sample in a raw file; free first dimensions count as one.
static ppq_status raw_shape(const ppq_data *x, int32_t input, const char *path, ppq_shape *s,
                            ppq_diag *d)
{
    const ppq_var *v = x->g->inputs[input];
    *s = v->shape;
    if (s->rank > 0 && s->dim[0] < 0)
        s->dim[0] = 1;
    if (!ppq_shape_known(s))
        return ppq_data_fail(d, path, "the shape of input '%s' is not known: give --input-shape",
                             v->name);
    return PPQ_OK;
}

// Samples of a packed file (a count, that many samples, that many labels), or 0.
static int64_t packed_count(const ppq_view *v, size_t bytes)
{
    uint64_t count = 0;
    if (v->size >= 8)
        memcpy(&count, v->data, 8);
    return count < 1u << 30 && bytes && bytes < SIZE_MAX - 8 &&
                   (v->size - 8) / (bytes + 8) == count && (v->size - 8) % (bytes + 8) == 0
               ? (int64_t) count
               : 0;
}

static ppq_status add_raw(ppq_data *x, int32_t input, const char *path, const ppq_view *v,
                          ppq_diag *d)
{
    ppq_shape s;
    PPQ_TRY(raw_shape(x, input, path, &s, d));
    const ppq_dtype dt = x->raw_dtype != PPQ_DT_NONE ? x->raw_dtype : x->g->inputs[input]->dtype;
    const size_t bytes = ppq_shape_bytes(&s, dt);
    const int64_t count = packed_count(v, bytes);
    if (count) {
        x->labels = realloc(x->labels, (size_t) count * sizeof(*x->labels));
        if (!x->labels)
            abort();
        x->n_labels = count;
        memcpy(x->labels, v->data + 8 + (size_t) count * bytes, (size_t) count * 8);
        for (int64_t r = 0; r < count; r++)
            push(x, input, path, r);
        return PPQ_OK;
    }
    if (!bytes || v->size % bytes) {
        char b[128];
        return ppq_data_fail(d, path, "%zu bytes are no whole number of %s %s samples of %zu bytes",
                             v->size, ppq_dtype_name(dt), ppq_shape_str(&s, b, sizeof(b)), bytes);
    }
    for (int64_t r = 0; r < (int64_t) (v->size / bytes); r++)
        push(x, input, path, r);
    return PPQ_OK;
}

static ppq_status need_input(const ppq_data *x, const char *path, int32_t *input, ppq_diag *d)
{
    if (*input < 0 && x->g->n_inputs == 1)
        *input = 0;
    if (*input >= 0)
        return PPQ_OK;
    return ppq_data_fail(d, path,
                         "the model has %d inputs: name the one this is for, as NAME=PATH or in a "
                         "sub-folder, or use .npz with one array per input",
                         x->g->n_inputs);
}

static ppq_status add_file(ppq_data *x, int32_t input, const char *path, ppq_diag *d)
{
    const kind k = kind_of(path);
    if (k == NONE)
        return ppq_data_fail(d, path,
                             "unknown kind of file; .npy .npz .pb .bin .raw .jpg .png are "
                             "read");
    if (k != NPZ)
        PPQ_TRY(need_input(x, path, &input, d));
    if (k == IMAGE && !x->has_preprocess)
        return ppq_data_fail(d, path,
                             "images need --preprocess, for example "
                             "resize=256,crop=224,scale=255,mean=...,std=...");
    if (k == IMAGE || k == PB) {
        push(x, input, path, -1);
        return PPQ_OK;
    }
    ppq_view v;
    PPQ_TRY(ppq_view_open(path, &v, d));
    ppq_status st;
    if (k == NPZ) {
        st = add_npz(x, input, path, &v, d);
    } else if (k == RAW) {
        st = add_raw(x, input, path, &v, d);
    } else {
        ppq_npy h;
        st = ppq_npy_header(v.data, v.size, path, &h, d);
        if (st == PPQ_OK)
            push_rows(x, input, path, &h.shape);
    }
    ppq_view_close(&v);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

// Names in a folder, sorted bytewise, without hidden ones.
static ppq_status list_folder(ppq_data *x, const char *path, const char ***out, size_t *n,
                              ppq_diag *d)
{
    DIR *dir = opendir(path);
    if (!dir)
        return ppq_fail(d, PPQ_ERR_IO, here, "cannot read folder '%s': %s", path, strerror(errno));
    const char **names = NULL;
    size_t count = 0, cap = 0;
    for (struct dirent *e; (e = readdir(dir));) {
        if (e->d_name[0] == '.')
            continue;
        if (count == cap) {
            cap = cap ? 2 * cap : 256;
            names = realloc(names, cap * sizeof(*names));
            if (!names)
                abort();
        }
        names[count++] = ppq_arena_printf(x->arena, "%s", e->d_name);
    }
    closedir(dir);
    if (count)
        qsort(names, count, sizeof(*names), by_name);
    *out = names;
    *n = count;
    return PPQ_OK;
}

static bool is_folder(const char *path)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
}

// The input whose name a file's name ends with: NNNN.<input>.npy or NNNN_<input>.npy; the longest
// that fits. -1 when none does.
static int32_t input_in_name(const ppq_data *x, const char *file)
{
    const char *end = strrchr(file, '.');
    int32_t found = -1;
    size_t best = 0;
    for (int32_t i = 0; end && i < x->g->n_inputs; i++) {
        const char *name = x->g->inputs[i]->name;
        const size_t n = strlen(name);
        if ((size_t) (end - file) < n + 1 || n < best)
            continue;
        const char *at = end - n;
        bool same = at[-1] == '.' || at[-1] == '_';
        // File names cannot hold '/': any character may stand for it.
        for (size_t k = 0; same && k < n; k++)
            same = at[k] == name[k] || name[k] == '/' || name[k] == ':';
        if (same) {
            found = i;
            best = n;
        }
    }
    return found;
}

static ppq_status add_path(ppq_data *x, int32_t input, const char *path, ppq_diag *d);

static ppq_status add_test_set(ppq_data *x, const char *path, ppq_diag *d)
{
    for (int32_t k = 0; k < x->g->n_inputs; k++)
        PPQ_TRY(add_file(x, k, ppq_arena_printf(x->arena, "%s/input_%d.pb", path, k), d));
    return PPQ_OK;
}

static ppq_status add_entry(ppq_data *x, int32_t input, const char *folder, const char *name,
                            size_t *ignored, size_t *used, ppq_diag *d)
{
    const char *path = ppq_arena_printf(x->arena, "%s/%s", folder, name);
    if (is_folder(path)) {
        if (input < 0 && strncmp(name, "test_data_set_", 14) == 0) {
            (*used)++;
            return add_test_set(x, path, d);
        }
        for (int32_t i = 0; input < 0 && i < x->g->n_inputs; i++)
            if (strcmp(x->g->inputs[i]->name, name) == 0) {
                (*used)++;
                return add_path(x, i, path, d);
            }
        (*ignored)++;
        return PPQ_OK;
    }
    if (kind_of(name) == NONE) {
        (*ignored)++;
        return PPQ_OK;
    }
    (*used)++;
    const int32_t named = input < 0 && x->g->n_inputs > 1 ? input_in_name(x, name) : -1;
    return add_file(x, named >= 0 ? named : input, path, d);
}

static ppq_status add_path(ppq_data *x, int32_t input, const char *path, ppq_diag *d)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return ppq_fail(d, PPQ_ERR_IO, here, "cannot read '%s': %s", path, strerror(errno));
    if (!S_ISDIR(sb.st_mode))
        return add_file(x, input, ppq_arena_printf(x->arena, "%s", path), d);
    const char **names = NULL;
    size_t n = 0, ignored = 0, used = 0;
    PPQ_TRY(list_folder(x, path, &names, &n, d));
    ppq_status st = PPQ_OK;
    for (size_t i = 0; i < n && st == PPQ_OK; i++)
        st = add_entry(x, input, path, names[i], &ignored, &used, d);
    free(names);
    if (st == PPQ_OK && !used)
        st = ppq_data_fail(d, path,
                           "the folder holds no samples (.npy .npz .pb .bin .raw .jpg .png)");
    if (st == PPQ_OK && ignored)
        ppq_warn(d, here, "%zu entr%s of '%s' ignored: no samples by their names", ignored,
                 ignored == 1 ? "y" : "ies", path);
    return st;
}

ppq_status ppq_data_add(ppq_data *x, const char *spec, ppq_diag *d)
{
    const char *eq = strchr(spec, '=');
    struct stat sb;
    if (!eq || stat(spec, &sb) == 0)
        return add_path(x, -1, spec, d);
    ppq_buf known = { 0 };
    for (int32_t i = 0; i < x->g->n_inputs; i++) {
        const char *name = x->g->inputs[i]->name;
        if (strlen(name) == (size_t) (eq - spec) && strncmp(name, spec, strlen(name)) == 0) {
            ppq_buf_free(&known);
            return add_path(x, i, eq + 1, d);
        }
        if (known.n < 400)
            ppq_buf_printf(&known, "%s'%s'", i ? ", " : "", name);
    }
    const ppq_status st =
        ppq_fail(d, PPQ_ERR_ARG, here, "'%.*s' is no input of the model; its inputs are %s",
                 (int) (eq - spec), spec, ppq_buf_str(&known));
    ppq_buf_free(&known);
    return st;
}

ppq_status ppq_data_random(ppq_data *x, int64_t n, uint64_t seed, ppq_diag *d)
{
    (void) d;
    x->random = true;
    x->seed = seed;
    x->n = n;
    return PPQ_OK;
}

ppq_status ppq_data_finish(ppq_data *x, ppq_diag *d)
{
    if (!x->random) {
        for (int32_t i = 0; i < x->g->n_inputs; i++) {
            const int64_t n = x->columns[i].n;
            if (!n)
                return ppq_fail(d, PPQ_ERR_DATA, here, "input '%s' has no samples",
                                x->g->inputs[i]->name);
            if (n != x->columns[0].n)
                return ppq_fail(d, PPQ_ERR_DATA, here,
                                "input '%s' has %lld samples, input '%s' has %lld",
                                x->g->inputs[i]->name, (long long) n, x->g->inputs[0]->name,
                                (long long) x->columns[0].n);
        }
        x->n = x->g->n_inputs ? x->columns[0].n : 1;
    }
    if (x->o.max_samples > 0)
        x->n = PPQ_MIN(x->n, x->o.max_samples);
    return PPQ_OK;
}

int64_t ppq_data_label(const ppq_data *x, int64_t i)
{
    return i >= 0 && i < x->n_labels ? x->labels[i] : -1;
}

int64_t ppq_data_count(const ppq_data *x)
{
    return x->n;
}

const char *ppq_data_file(const ppq_data *x, int64_t i, int64_t *row)
{
    if (x->random || !x->g->n_inputs)
        return NULL;
    const item *it = &x->columns[0].items[i];
    *row = it->row;
    return it->path;
}

void ppq_data_select(ppq_data *x, const int64_t *keep, int64_t n)
{
    for (int32_t c = 0; c < x->g->n_inputs && !x->random; c++) {
        column *k = &x->columns[c];
        item *items = malloc((size_t) PPQ_MAX(n, 1) * sizeof(*items));
        if (!items)
            abort();
        for (int64_t i = 0; i < n; i++)
            items[i] = k->items[keep[i]];
        free(k->items);
        *k = (column){ items, n, n };
    }
    int64_t *labels = malloc((size_t) PPQ_MAX(n, 1) * sizeof(*labels));
    if (!labels)
        abort();
    for (int64_t i = 0; i < n; i++)
        labels[i] = ppq_data_label(x, keep[i]);
    free(x->labels);
    x->labels = labels;
    x->n_labels = x->n = n;
}

// ---- reading --------------------------------------------------------------------------------

static ppq_status read_raw(const ppq_data *x, int32_t input, const item *it, const ppq_view *v,
                           ppq_tensor *out, ppq_diag *d)
{
    ppq_shape s;
    PPQ_TRY(raw_shape(x, input, it->path, &s, d));
    const ppq_dtype dt = x->raw_dtype != PPQ_DT_NONE ? x->raw_dtype : x->g->inputs[input]->dtype;
    const size_t bytes = ppq_shape_bytes(&s, dt);
    const size_t at = (size_t) it->row * bytes + (packed_count(v, bytes) ? 8 : 0);
    if (at + bytes > v->size)
        return ppq_data_fail(d, it->path, "the file became shorter");
    PPQ_TRY(ppq_tensor_alloc(out, dt, &s));
    memcpy(ppq_tensor_data(out), v->data + at, bytes);
    return PPQ_OK;
}

static ppq_status read_image(const ppq_data *x, const item *it, const ppq_view *v, ppq_tensor *out,
                             ppq_diag *d)
{
    ppq_image image;
    PPQ_TRY(ppq_image_decode(v->data, v->size, it->path, &image, d));
    const ppq_status st = ppq_preprocess_apply(&x->preprocess, &image, it->path, out, d);
    free(image.pixels);
    return st;
}

static ppq_status read_npz(const ppq_data *x, int32_t input, const item *it, const ppq_view *v,
                           ppq_tensor *out, ppq_diag *d)
{
    unsigned char *bytes;
    size_t n;
    PPQ_TRY(ppq_npz_entry(v->data, v->size, it->path, x->g->inputs[input]->name, &bytes, &n, d));
    const ppq_status st = ppq_npy_decode(bytes, n, it->path, it->row, out, d);
    free(bytes);
    return st;
}

static ppq_status read_item(const ppq_data *x, int32_t input, const item *it, ppq_tensor *out,
                            ppq_diag *d)
{
    ppq_view v;
    PPQ_TRY(ppq_view_open(it->path, &v, d));
    ppq_status st = PPQ_ERR_DATA;
    switch (kind_of(it->path)) {
    case NPY:
        st = ppq_npy_decode(v.data, v.size, it->path, it->row, out, d);
        break;
    case NPZ:
        st = read_npz(x, input, it, &v, out, d);
        break;
    case PB:
        st = ppq_parse_tensor_bytes(v.data, v.size, it->path, out, d);
        break;
    case RAW:
        st = read_raw(x, input, it, &v, out, d);
        break;
    case IMAGE:
        st = read_image(x, it, &v, out, d);
        break;
    case NONE:
        break;
    }
    ppq_view_close(&v);
    return st;
}

static ppq_status check_values(const ppq_tensor *t, const char *path, ppq_diag *d)
{
    if (t->dtype != PPQ_DT_F32)
        return PPQ_OK;
    const float *x = ppq_f32(t);
    const int64_t n = ppq_shape_numel(&t->shape);
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return ppq_data_fail(d, path, "element %lld is %s", (long long) i,
                                 isnan(x[i]) ? "NaN" : "infinite");
    return PPQ_OK;
}

static bool fits(const ppq_shape *want, const ppq_shape *have)
{
    if (want->rank != have->rank)
        return false;
    for (int i = 0; i < want->rank; i++)
        if (want->dim[i] >= 0 && want->dim[i] != have->dim[i])
            return false;
    return true;
}

// Checks a sample against the input, and puts back a batch dimension that was left out.
static ppq_status check_sample(const ppq_var *v, const char *path, ppq_tensor *t, ppq_diag *d)
{
    char want[128], have[128];
    if (v->dtype != PPQ_DT_NONE && t->dtype != v->dtype)
        return ppq_data_fail(d, path, "holds %s, input '%s' is %s", ppq_dtype_name(t->dtype),
                             v->name, ppq_dtype_name(v->dtype));
    if (v->shape.rank >= 0 && !fits(&v->shape, &t->shape)) {
        ppq_shape s = { .rank = t->shape.rank + 1, .dim = { 1 } };
        if (s.rank <= PPQ_MAX_RANK)
            memcpy(s.dim + 1, t->shape.dim, (size_t) t->shape.rank * sizeof(s.dim[0]));
        if (s.rank > PPQ_MAX_RANK || !fits(&v->shape, &s))
            return ppq_data_fail(d, path, "has shape %s, input '%s' wants %s",
                                 ppq_shape_str(&t->shape, have, sizeof(have)), v->name,
                                 ppq_shape_str(&v->shape, want, sizeof(want)));
        t->shape = s;
    }
    return check_values(t, path, d);
}

static ppq_status random_sample(const ppq_data *x, int32_t input, int64_t i, ppq_tensor *out,
                                ppq_diag *d)
{
    const ppq_var *v = x->g->inputs[input];
    ppq_shape s = v->shape;
    for (int k = 0; k < s.rank; k++)
        if (s.dim[k] < 0 && k == 0)
            s.dim[k] = 1;
    if (!ppq_shape_known(&s))
        return ppq_fail(d, PPQ_ERR_DATA, here,
                        "the shape of input '%s' is not known: give --input-shape", v->name);
    const ppq_status st = ppq_tensor_alloc(out, v->dtype, &s);
    if (st != PPQ_OK) {
        char b[128];
        return ppq_fail(d, st, here,
                        "input '%s' cannot be filled with random %s values of shape %s", v->name,
                        ppq_dtype_name(v->dtype), ppq_shape_str(&s, b, sizeof(b)));
    }
    memset(ppq_tensor_data(out), 0, ppq_tensor_bytes(out));
    ppq_rng r = ppq_rng_seed(x->seed, (uint64_t) i * 64 + (uint64_t) input);
    for (int64_t k = 0; v->dtype == PPQ_DT_F32 && k < ppq_shape_numel(&s); k++)
        ppq_f32(out)[k] = (float) ppq_rng_normal(&r);
    return PPQ_OK;
}

static ppq_status sample(const ppq_data *x, int32_t input, int64_t i, ppq_tensor *out, ppq_diag *d)
{
    if (x->random)
        return random_sample(x, input, i, out, d);
    const item *it = &x->columns[input].items[i];
    ppq_tensor t = { 0 };
    ppq_status st = read_item(x, input, it, &t, d);
    if (st == PPQ_OK)
        st = check_sample(x->g->inputs[input], it->path, &t, d);
    if (st != PPQ_OK) {
        ppq_tensor_unref(&t);
        return st;
    }
    *out = t;
    return PPQ_OK;
}

// Samples [first, first + n) joined along the first dimension.
static ppq_status joined(const ppq_data *x, int32_t input, int64_t first, int64_t n,
                         ppq_tensor *out, ppq_diag *d)
{
    if (n == 1)
        return sample(x, input, first, out, d);
    ppq_tensor all = { 0 };
    size_t at = 0;
    ppq_status st = PPQ_OK;
    for (int64_t k = 0; k < n && st == PPQ_OK; k++) {
        ppq_tensor t = { 0 };
        st = sample(x, input, first + k, &t, d);
        if (st == PPQ_OK && !all.buf) {
            ppq_shape s = t.shape;
            s.dim[0] *= n;
            st = s.rank < 1 ? PPQ_ERR_SHAPE : ppq_tensor_alloc(&all, t.dtype, &s);
            if (st != PPQ_OK)
                st = ppq_fail(d, st, here, "samples of input '%s' cannot be joined by --batch: %s",
                              x->g->inputs[input]->name,
                              st == PPQ_ERR_SHAPE ? "they have no dimension" : "no memory");
        }
        const size_t bytes = ppq_tensor_bytes(&t);
        if (st == PPQ_OK && bytes * (size_t) n != ppq_tensor_bytes(&all))
            st = ppq_fail(d, PPQ_ERR_DATA, here,
                          "samples of input '%s' differ in shape and cannot be joined by --batch",
                          x->g->inputs[input]->name);
        if (st == PPQ_OK)
            memcpy((char *) ppq_tensor_data(&all) + at, ppq_tensor_data(&t), bytes);
        at += bytes;
        ppq_tensor_unref(&t);
    }
    if (st != PPQ_OK)
        ppq_tensor_unref(&all);
    else
        *out = all;
    return st;
}

static ppq_status get(void *user, int64_t i, ppq_tensor *feeds, ppq_diag *d)
{
    const ppq_data *x = user;
    const int64_t first = i * x->o.batch, n = PPQ_MIN(x->o.batch, x->n - first);
    for (int32_t k = 0; k < x->g->n_inputs; k++)
        PPQ_TRY(joined(x, k, first, n, &feeds[k], d));
    return PPQ_OK;
}

ppq_calib_source ppq_data_source(ppq_data *x)
{
    return (ppq_calib_source){ x, (x->n + x->o.batch - 1) / x->o.batch, get };
}
