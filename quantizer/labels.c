#include "quantizer/labels.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/io.h"
#include "core/map.h"
#include "quantizer/data/format.h"

// A tensor that is the result for a sample.
typedef struct source {
    const char *path;
    int64_t row; // of a file whose rows are samples; -1: all of it
} source;

struct ppq_labels {
    ppq_arena *arena;
    int64_t n; // samples
    int64_t *classes;
    source *files;
    ppq_box *boxes;
    size_t n_boxes, cap_boxes;
};

// While labels are being matched to samples.
typedef struct reader {
    ppq_labels *l;
    const ppq_data *data;
    ppq_box_order order;
    const char *path;
    ppq_map *names; // -> index + 1, or AMBIGUOUS
    bool *labelled;
    int64_t n_unknown;
    const char *unknown; // the first
    ppq_diag *d;
} reader;

enum { AMBIGUOUS = -1 };

static const ppq_loc here = { .stage = "--labels" };

ppq_box ppq_box_from(ppq_box_order order, const float *v)
{
    ppq_box b = { .x1 = v[0], .y1 = v[1], .x2 = v[2], .y2 = v[3] };
    if (order == PPQ_BOX_ORDER_CENTRE_SIZE) {
        b.x1 = v[0] - v[2] / 2;
        b.y1 = v[1] - v[3] / 2;
    }
    if (order != PPQ_BOX_ORDER_CORNERS) {
        b.x2 = b.x1 + v[2];
        b.y2 = b.y1 + v[3];
    }
    return b;
}

// ---- names ----------------------------------------------------------------------------------

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static const char *stem_of(reader *r, const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? ppq_arena_printf(r->l->arena, "%.*s", (int) (dot - name), name)
                             : name;
}

static void add_name(reader *r, const char *name, int64_t sample)
{
    void *value = (void *) (intptr_t) (sample + 1);
    void *known = ppq_map_get(r->names, name);
    ppq_map_set(r->names, name, known && known != value ? (void *) (intptr_t) AMBIGUOUS : value);
}

static void collect_names(reader *r)
{
    r->names = ppq_map_create();
    for (int64_t i = 0; i < r->l->n; i++) {
        int64_t row = -1;
        const char *path = ppq_data_file(r->data, i, &row);
        if (!path || row >= 0)
            continue;
        add_name(r, base_of(path), i);
        add_name(r, stem_of(r, base_of(path)), i);
    }
}

// The sample of that name, or -1.
static int64_t find_sample(reader *r, const char *name)
{
    const char *base = base_of(name);
    intptr_t at = (intptr_t) ppq_map_get(r->names, base);
    if (!at)
        at = (intptr_t) ppq_map_get(r->names, stem_of(r, base));
    return at > 0 ? (int64_t) at - 1 : -1;
}

static int64_t find_or_count(reader *r, const char *name)
{
    const int64_t i = find_sample(r, name);
    if (i < 0 && !r->n_unknown++)
        r->unknown = ppq_arena_printf(r->l->arena, "%s", name);
    return i;
}

static ppq_status check_names(reader *r, int64_t n_known)
{
    if (!n_known && r->n_unknown)
        return ppq_fail(r->d, PPQ_ERR_DATA, here,
                        "'%s' labels no sample: the first it names is '%s'", r->path, r->unknown);
    if (r->n_unknown)
        ppq_warn(r->d, here, "%lld entries of '%s' name no sample, the first '%s'",
                 (long long) r->n_unknown, r->path, r->unknown);
    return PPQ_OK;
}

static ppq_status check_count(reader *r, int64_t n)
{
    if (n == r->l->n)
        return PPQ_OK;
    return ppq_fail(r->d, PPQ_ERR_DATA, here, "'%s' has %lld labels, the data %lld samples",
                    r->path, (long long) n, (long long) r->l->n);
}

// ---- text -----------------------------------------------------------------------------------

enum { MAX_WORDS = 8 };

typedef struct line {
    const char *path, *word[MAX_WORDS];
    int n, number;
} line;

static ppq_status fail_line(reader *r, const line *l, const char *what, const char *found)
{
    return ppq_fail(r->d, PPQ_ERR_DATA, here, "'%s', line %d: expected %s, found '%s'", l->path,
                    l->number, what, found);
}

// Cuts the next line that holds something; *at moves behind it. False at the end.
static bool next_line(char **at, line *l)
{
    static const char blanks[] = " \t,\r";
    while (**at) {
        char *p = *at, *end = p + strcspn(p, "\n");
        *at = *end ? end + 1 : end;
        *end = 0;
        l->number++;
        l->n = 0;
        p += strspn(p, blanks);
        while (*p && l->n < MAX_WORDS) {
            l->word[l->n++] = p;
            p += strcspn(p, blanks);
            if (*p)
                *p++ = 0;
            p += strspn(p, blanks);
        }
        if (l->n && l->word[0][0] != '#')
            return true;
    }
    return false;
}

static ppq_status read_int(reader *r, const line *l, int word, int64_t *out)
{
    char *end;
    if (word >= l->n)
        return fail_line(r, l, "a label", "the end of the line");
    *out = strtoll(l->word[word], &end, 10);
    return end != l->word[word] && !*end ? PPQ_OK : fail_line(r, l, "a label", l->word[word]);
}

// Calls each() for every line of a text file.
static ppq_status read_lines(reader *r, const char *path, void *user,
                             ppq_status (*each)(reader *r, const line *l, void *user))
{
    enum { MAX_BYTES = 1 << 28 };
    char *text = NULL;
    size_t n;
    PPQ_TRY(ppq_file_read(path, MAX_BYTES, &text, &n, r->d));
    char *at = text;
    line l = { .path = path };
    ppq_status st = PPQ_OK;
    while (st == PPQ_OK && next_line(&at, &l))
        st = each(r, &l, user);
    free(text);
    return st;
}

// ---- classes --------------------------------------------------------------------------------

typedef struct class_lines {
    int64_t n, n_known;
    bool named;
} class_lines;

static ppq_status class_line(reader *r, const line *l, void *user)
{
    class_lines *c = user;
    int64_t label = 0, sample = c->n;
    if (!c->n)
        c->named = l->n > 1;
    if (c->named != (l->n > 1))
        return fail_line(r, l, c->named ? "a name and a label" : "a label only", l->word[0]);
    PPQ_TRY(read_int(r, l, c->named, &label));
    if (c->named)
        sample = find_or_count(r, l->word[0]);
    c->n++;
    if (sample < 0 || sample >= r->l->n)
        return PPQ_OK;
    r->l->classes[sample] = label;
    r->labelled[sample] = true;
    c->n_known++;
    return PPQ_OK;
}

static ppq_status classes_of_text(reader *r)
{
    class_lines c = { .n = 0 };
    PPQ_TRY(read_lines(r, r->path, &c, class_line));
    return c.named ? check_names(r, c.n_known) : check_count(r, c.n);
}

static ppq_status classes_of_npy(reader *r)
{
    ppq_tensor t = { 0 };
    PPQ_TRY(ppq_tensor_load(r->path, &t, r->d));
    const int64_t n = ppq_shape_numel(&t.shape);
    ppq_status st = check_count(r, n);
    for (int64_t i = 0; i < n && st == PPQ_OK; i++) {
        const void *data = ppq_tensor_data(&t);
        if (t.dtype == PPQ_DT_I64)
            r->l->classes[i] = ((const int64_t *) data)[i];
        else if (t.dtype == PPQ_DT_I32)
            r->l->classes[i] = ((const int32_t *) data)[i];
        else if (t.dtype == PPQ_DT_U8)
            r->l->classes[i] = ((const uint8_t *) data)[i];
        else
            st = ppq_fail(r->d, PPQ_ERR_DATA, here,
                          "'%s' holds %s, labels are int64, int32 or uint8", r->path,
                          ppq_dtype_name(t.dtype));
        r->labelled[i] = true;
    }
    ppq_tensor_unref(&t);
    return st;
}

static ppq_status classes_of_data(reader *r)
{
    for (int64_t i = 0; i < r->l->n; i++) {
        r->l->classes[i] = ppq_data_label(r->data, i);
        r->labelled[i] = true;
        if (r->l->classes[i] < 0)
            return ppq_fail(r->d, PPQ_ERR_ARG, here,
                            "the data carries no labels: give --labels FILE");
    }
    return PPQ_OK;
}

static bool ends_with(const char *s, const char *suffix)
{
    const size_t n = strlen(s), k = strlen(suffix);
    return n >= k && strcmp(s + n - k, suffix) == 0;
}

static ppq_status read_classes(reader *r)
{
    r->l->classes = ppq_new_n(r->l->arena, int64_t, (size_t) r->l->n + 1);
    if (!r->path)
        return classes_of_data(r);
    if (ends_with(r->path, ".bin") || ends_with(r->path, ".raw"))
        return ppq_fail(r->d, PPQ_ERR_ARG, here,
                        "'%s' is no list of labels; a packed file given as data brings its own, "
                        "without --labels",
                        r->path);
    return ends_with(r->path, ".npy") ? classes_of_npy(r) : classes_of_text(r);
}

// ---- folders --------------------------------------------------------------------------------

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

// Paths of a folder's entries that end with one of the suffixes, in name order.
static ppq_status list_folder(reader *r, const char *const *suffixes, const char ***out, int64_t *n)
{
    struct dirent **list;
    const int found = scandir(r->path, &list, visible, by_name);
    if (found < 0)
        return ppq_fail(r->d, PPQ_ERR_IO, here, "cannot read folder '%s': %s", r->path,
                        strerror(errno));
    *out = ppq_new_n(r->l->arena, const char *, (size_t) found + 1);
    *n = 0;
    for (int i = 0; i < found; i++) {
        for (const char *const *s = suffixes; *s; s++)
            if (ends_with(list[i]->d_name, *s))
                (*out)[(*n)++] = ppq_arena_printf(r->l->arena, "%s/%s", r->path, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    if (*n)
        return PPQ_OK;
    return ppq_fail(r->d, PPQ_ERR_DATA, here, "folder '%s' holds no labels (%s)", r->path,
                    suffixes[0]);
}

static ppq_status is_folder(reader *r, bool *out)
{
    struct stat sb;
    if (stat(r->path, &sb) != 0)
        return ppq_fail(r->d, PPQ_ERR_IO, here, "cannot read '%s': %s", r->path, strerror(errno));
    *out = S_ISDIR(sb.st_mode);
    return PPQ_OK;
}

// ---- tensors --------------------------------------------------------------------------------

static ppq_status files_of_rows(reader *r)
{
    ppq_view v;
    ppq_npy h;
    PPQ_TRY(ppq_view_open(r->path, &v, r->d));
    const ppq_status st = ppq_npy_header(v.data, v.size, r->path, &h, r->d);
    ppq_view_close(&v);
    PPQ_TRY(st);
    const int64_t rows = h.shape.rank ? h.shape.dim[0] : 1;
    const bool whole = r->l->n == 1 && rows != 1;
    if (!whole)
        PPQ_TRY(check_count(r, rows));
    for (int64_t i = 0; i < r->l->n; i++) {
        r->l->files[i] = (source){ r->path, whole ? -1 : i };
        r->labelled[i] = true;
    }
    return PPQ_OK;
}

static ppq_status files_of_folder(reader *r)
{
    static const char *const suffixes[] = { ".npy", ".pb", ".png", NULL };
    const char **paths;
    int64_t n, n_named = 0;
    PPQ_TRY(list_folder(r, suffixes, &paths, &n));
    for (int64_t i = 0; i < n; i++)
        n_named += find_sample(r, paths[i]) >= 0;
    if (!n_named)
        PPQ_TRY(check_count(r, n));
    for (int64_t i = 0; i < n; i++) {
        const int64_t sample = n_named ? find_or_count(r, paths[i]) : i;
        if (sample < 0)
            continue;
        r->l->files[sample] = (source){ paths[i], -1 };
        r->labelled[sample] = true;
    }
    return check_names(r, n);
}

static ppq_status read_files(reader *r)
{
    bool folder = false;
    r->l->files = ppq_new_n(r->l->arena, source, (size_t) r->l->n + 1);
    PPQ_TRY(is_folder(r, &folder));
    if (folder)
        return files_of_folder(r);
    if (ends_with(r->path, ".npy"))
        return files_of_rows(r);
    return ppq_fail(r->d, PPQ_ERR_DATA, here, "'%s' is neither a folder nor an .npy file", r->path);
}

// ---- boxes ----------------------------------------------------------------------------------

// Class and four numbers from word `at` on.
static ppq_status box_line(reader *r, const line *l, int at, int64_t sample)
{
    float v[4];
    int64_t class_id = 0;
    PPQ_TRY(read_int(r, l, at, &class_id));
    if (class_id < 0)
        return fail_line(r, l, "a class from 0 on", l->word[at]);
    if (l->n < at + 5)
        return fail_line(r, l, "a class and four numbers", "the end of the line");
    for (int i = 0; i < 4; i++) {
        char *end;
        v[i] = strtof(l->word[at + 1 + i], &end);
        if (*end || end == l->word[at + 1 + i] || !(v[i] > -1e30f && v[i] < 1e30f))
            return fail_line(r, l, "a number", l->word[at + 1 + i]);
    }
    if (sample < 0)
        return PPQ_OK;
    ppq_labels *to = r->l;
    if (to->n_boxes == to->cap_boxes) {
        to->cap_boxes = to->cap_boxes ? 2 * to->cap_boxes : 256;
        to->boxes = realloc(to->boxes, to->cap_boxes * sizeof(*to->boxes));
        if (!to->boxes)
            abort();
    }
    ppq_box b = ppq_box_from(r->order, v);
    b.class_id = class_id;
    b.sample = sample;
    to->boxes[to->n_boxes++] = b;
    return PPQ_OK;
}

static ppq_status named_box(reader *r, const line *l, void *user)
{
    (void) user;
    return box_line(r, l, 1, find_or_count(r, l->word[0]));
}

static ppq_status box_of_sample(reader *r, const line *l, void *user)
{
    return box_line(r, l, 0, *(const int64_t *) user);
}

static ppq_status boxes_of_folder(reader *r)
{
    static const char *const suffixes[] = { ".txt", NULL };
    const char **paths;
    int64_t n, n_named = 0;
    PPQ_TRY(list_folder(r, suffixes, &paths, &n));
    for (int64_t i = 0; i < n; i++) {
        int64_t sample = find_or_count(r, paths[i]);
        n_named += sample >= 0;
        if (sample >= 0)
            PPQ_TRY(read_lines(r, paths[i], &sample, box_of_sample));
    }
    return check_names(r, n_named);
}

static ppq_status read_boxes(reader *r)
{
    bool folder = false;
    PPQ_TRY(is_folder(r, &folder));
    for (int64_t i = 0; i < r->l->n; i++)
        r->labelled[i] = true;
    if (folder)
        return boxes_of_folder(r);
    PPQ_TRY(read_lines(r, r->path, NULL, named_box));
    return check_names(r, (int64_t) r->l->n_boxes);
}

// ---- all ------------------------------------------------------------------------------------

static ppq_status read_kind(reader *r, ppq_label_kind kind)
{
    if (!r->path && kind != PPQ_LABEL_CLASSES)
        return ppq_fail(r->d, PPQ_ERR_ARG, here, "labels are missing: give --labels PATH");
    if (kind == PPQ_LABEL_CLASSES)
        return read_classes(r);
    return kind == PPQ_LABEL_BOXES ? read_boxes(r) : read_files(r);
}

// Samples without a label go, and those beyond `max`; what is known of the others moves up.
static void select_labelled(reader *r, int64_t max, ppq_data *data)
{
    ppq_labels *l = r->l;
    int64_t *keep = ppq_new_n(l->arena, int64_t, (size_t) l->n + 1);
    int64_t *now = ppq_new_n(l->arena, int64_t, (size_t) l->n + 1);
    int64_t n = 0;
    for (int64_t i = 0; i < l->n; i++) {
        const bool stays = r->labelled[i] && (max <= 0 || n < max);
        now[i] = stays ? n : -1;
        if (!stays)
            continue;
        if (l->classes)
            l->classes[n] = l->classes[i];
        if (l->files)
            l->files[n] = l->files[i];
        keep[n++] = i;
    }
    size_t n_boxes = 0;
    for (size_t i = 0; i < l->n_boxes; i++) {
        l->boxes[n_boxes] = l->boxes[i];
        l->boxes[n_boxes].sample = now[l->boxes[i].sample];
        n_boxes += l->boxes[n_boxes].sample >= 0;
    }
    l->n_boxes = n_boxes;
    l->n = n;
    ppq_data_select(data, keep, n);
}

ppq_status ppq_labels_open(ppq_label_kind kind, const char *path, ppq_box_order boxes, int64_t max,
                           ppq_data *data, ppq_labels **out, ppq_diag *d)
{
    ppq_arena *a = ppq_arena_create("labels");
    ppq_labels *l = ppq_new(a, ppq_labels);
    *l = (ppq_labels){ .arena = a, .n = ppq_data_count(data) };
    reader r = { .l = l,
                 .data = data,
                 .order = boxes,
                 .path = path ? ppq_arena_printf(a, "%s", path) : NULL,
                 .labelled = ppq_new_n(a, bool, (size_t) l->n + 1),
                 .d = d };
    collect_names(&r);
    const ppq_status st = read_kind(&r, kind);
    ppq_map_destroy(r.names);
    if (st != PPQ_OK) {
        ppq_labels_destroy(l);
        return st;
    }
    const int64_t before = l->n;
    int64_t labelled = 0;
    for (int64_t i = 0; i < before; i++)
        labelled += r.labelled[i];
    if (labelled < before)
        ppq_warn(d, here, "%lld of %lld samples have no label and are left out",
                 (long long) (before - labelled), (long long) before);
    select_labelled(&r, max, data);
    *out = l;
    return PPQ_OK;
}

void ppq_labels_destroy(ppq_labels *l)
{
    if (!l)
        return;
    free(l->boxes);
    ppq_arena_destroy(l->arena);
}

int64_t ppq_labels_class(const ppq_labels *l, int64_t sample)
{
    return l->classes[sample];
}

ppq_box *ppq_labels_boxes(ppq_labels *l, size_t *n)
{
    *n = l->n_boxes;
    return l->boxes;
}

static ppq_status tensor_of_image(const ppq_view *v, const char *path, ppq_tensor *out, ppq_diag *d)
{
    ppq_image image;
    PPQ_TRY(ppq_image_decode(v->data, v->size, path, &image, d));
    const ppq_shape s = { .rank = 2, .dim = { image.height, image.width } };
    ppq_status st = PPQ_OK;
    if (image.channels != 1)
        st = ppq_data_fail(d, path,
                           "the image has %d channels; masks are 8-bit grey, a class per "
                           "pixel",
                           image.channels);
    if (st == PPQ_OK)
        st = ppq_tensor_alloc(out, PPQ_DT_U8, &s);
    if (st == PPQ_OK)
        memcpy(ppq_tensor_data(out), image.pixels, ppq_tensor_bytes(out));
    free(image.pixels);
    return st;
}

ppq_status ppq_labels_tensor(const ppq_labels *l, int64_t sample, ppq_tensor *out, ppq_diag *d)
{
    const source *s = &l->files[sample];
    if (ends_with(s->path, ".pb"))
        return ppq_tensor_load(s->path, out, d);
    ppq_view v;
    PPQ_TRY(ppq_view_open(s->path, &v, d));
    const ppq_status st = ends_with(s->path, ".png")
                              ? tensor_of_image(&v, s->path, out, d)
                              : ppq_npy_decode(v.data, v.size, s->path, s->row, out, d);
    ppq_view_close(&v);
    return st;
}
