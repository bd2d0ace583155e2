#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/io.h"
#include "core/json.h"
#include "quantizer/data/format.h"

// ---- specification --------------------------------------------------------------------------

static const char legal[] = "resize, letterbox, crop, method, layout, color, scale, mean, std, pad";

static ppq_status bad(ppq_diag *d, const char *key, const char *value, const char *want)
{
    return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--preprocess" },
                    "--preprocess has %s=%s, expected %s", key, value, want);
}

// "W" or "WxH"; one number leaves *h 0.
static bool parse_size(const char *v, int *w, int *h)
{
    char *end;
    const long a = strtol(v, &end, 10);
    long b = 0;
    if (end == v || a < 1 || a > 32768)
        return false;
    if (*end == 'x') {
        const char *s = end + 1;
        b = strtol(s, &end, 10);
        if (end == s || b < 1 || b > 32768)
            return false;
    }
    *w = (int) a;
    *h = (int) b;
    return !*end;
}

// One number for all channels, or three separated by ':'.
static bool parse_triple(const char *v, float *out)
{
    for (int i = 0; i < 3; i++) {
        char *end;
        out[i] = strtof(v, &end);
        if (end == v || !isfinite(out[i]))
            return false;
        if (!*end && i == 0) {
            out[1] = out[2] = out[0];
            return true;
        }
        if (*end != (i < 2 ? ':' : 0))
            return false;
        v = end + 1;
    }
    return true;
}

static bool is_one_of(const char *v, const char *const *names, int *index)
{
    for (*index = 0; names[*index]; (*index)++)
        if (strcmp(names[*index], v) == 0)
            return true;
    return false;
}

static ppq_status set(ppq_preprocess *p, const char *key, const char *v, ppq_diag *d)
{
    static const char *const layouts[] = { "nchw", "nhwc", NULL };
    static const char *const colors[] = { "rgb", "bgr", "gray", NULL };
    static const char *const methods[] = { "bilinear", "nearest", "bicubic", NULL };
    int w, h, k;
    float x[3];
    if (strcmp(key, "resize") == 0) {
        if (!parse_size(v, &w, &h))
            return bad(d, key, v, "N or WxH");
        p->resize_short = h ? 0 : w;
        p->resize_w = h ? w : 0;
        p->resize_h = h;
    } else if (strcmp(key, "letterbox") == 0) {
        if (!parse_size(v, &p->letterbox_w, &p->letterbox_h))
            return bad(d, key, v, "N or WxH");
        if (!p->letterbox_h)
            p->letterbox_h = p->letterbox_w;
    } else if (strcmp(key, "crop") == 0) {
        if (!parse_size(v, &p->crop_w, &p->crop_h))
            return bad(d, key, v, "N or WxH");
        if (!p->crop_h)
            p->crop_h = p->crop_w;
    } else if (strcmp(key, "method") == 0) {
        if (!is_one_of(v, methods, &k))
            return bad(d, key, v, "bilinear, nearest or bicubic");
        p->method = (ppq_filter) k;
    } else if (strcmp(key, "layout") == 0) {
        if (!is_one_of(v, layouts, &k))
            return bad(d, key, v, "nchw or nhwc");
        p->nhwc = k == 1;
    } else if (strcmp(key, "color") == 0) {
        if (!is_one_of(v, colors, &k))
            return bad(d, key, v, "rgb, bgr or gray");
        p->bgr = k == 1;
        p->gray = k == 2;
    } else if (strcmp(key, "scale") == 0 || strcmp(key, "pad") == 0) {
        if (!parse_triple(v, x) || (key[0] == 's' && !(x[0] > 0)))
            return bad(d, key, v, "a number above 0");
        *(key[0] == 's' ? &p->scale : &p->pad) = x[0];
    } else if (strcmp(key, "mean") == 0 || strcmp(key, "std") == 0) {
        if (!parse_triple(v, x))
            return bad(d, key, v, "one number or three, like 0.485:0.456:0.406");
        for (int i = 0; key[0] == 's' && i < 3; i++)
            if (!(x[i] > 0))
                return bad(d, key, v, "numbers above 0");
        memcpy(key[0] == 'm' ? p->mean : p->std, x, sizeof(x));
    } else {
        return ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--preprocess" },
                        "--preprocess has no '%s', only %s", key, legal);
    }
    return PPQ_OK;
}

static void json_text(const ppq_json *j, ppq_buf *b)
{
    if (j->kind == PPQ_JSON_STRING)
        ppq_buf_printf(b, "%s", j->string);
    else if (j->kind == PPQ_JSON_NUMBER)
        ppq_buf_printf(b, "%.9g", j->number);
    for (const ppq_json *k = j->child; j->kind == PPQ_JSON_ARRAY && k; k = k->next) {
        json_text(k, b);
        if (k->next)
            ppq_buf_append(b, ":", 1);
    }
}

static ppq_status read_json(const char *path, ppq_preprocess *p, ppq_diag *d)
{
    char *text;
    size_t n;
    PPQ_TRY(ppq_file_read(path, 1 << 20, &text, &n, d));
    ppq_arena *a = ppq_arena_create("preprocess");
    const ppq_json *j;
    ppq_status st = ppq_json_parse(text, n, path, a, &j, d);
    if (st == PPQ_OK && j->kind != PPQ_JSON_OBJECT)
        st = ppq_data_fail(d, path, "expected one JSON object");
    for (const ppq_json *k = st == PPQ_OK ? j->child : NULL; k && st == PPQ_OK; k = k->next) {
        ppq_buf v = { 0 };
        json_text(k, &v);
        st = set(p, k->key, ppq_buf_str(&v), d);
        ppq_buf_free(&v);
    }
    ppq_arena_destroy(a);
    free(text);
    return st;
}

ppq_status ppq_preprocess_parse(const char *spec, ppq_preprocess *out, ppq_diag *d)
{
    ppq_preprocess p = { .scale = 1, .std = { 1, 1, 1 } };
    if (!strchr(spec, '=')) {
        PPQ_TRY(read_json(spec, &p, d));
        *out = p;
        return PPQ_OK;
    }
    char *text = strdup(spec);
    if (!text)
        abort();
    ppq_status st = PPQ_OK;
    for (char *at = text; *at && st == PPQ_OK;) {
        const size_t n = strcspn(at, ",");
        char *next = at + n + (at[n] == ',');
        at[n] = 0;
        char *eq = strchr(at, '=');
        if (!eq) {
            st = ppq_fail(d, PPQ_ERR_ARG, (ppq_loc){ .stage = "--preprocess" },
                          "--preprocess has '%s', expected KEY=VALUE with %s", at, legal);
        } else {
            *eq = 0;
            st = set(&p, at, eq + 1, d);
        }
        at = next;
    }
    free(text);
    if (st == PPQ_OK)
        *out = p;
    return st;
}

// ---- resampling -----------------------------------------------------------------------------

static double kernel(ppq_filter f, double x)
{
    x = fabs(x);
    if (f == PPQ_FILTER_BILINEAR)
        return x < 1 ? 1 - x : 0;
    const double a = -0.5;
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

// Weighted taps per output position. When shrinking, the filter widens to cover all pixels.
typedef struct taps {
    int *first, *count;
    float *weight; // [out][width]
    int width;
} taps;

static taps make_taps(ppq_filter f, int in, int out)
{
    const double scale = (double) in / out, stretch = scale > 1 ? scale : 1;
    const double reach = (f == PPQ_FILTER_BICUBIC ? 2 : 1) * stretch;
    taps t = { .width = (int) ceil(reach) * 2 + 1 };
    t.first = calloc((size_t) out, sizeof(int));
    t.count = calloc((size_t) out, sizeof(int));
    t.weight = calloc((size_t) out * (size_t) t.width, sizeof(float));
    if (!t.first || !t.count || !t.weight)
        abort();
    for (int o = 0; o < out; o++) {
        const double centre = (o + 0.5) * scale;
        if (f == PPQ_FILTER_NEAREST) {
            t.first[o] = PPQ_MIN((int) centre, in - 1);
            t.count[o] = 1;
            t.weight[(size_t) o * (size_t) t.width] = 1;
            continue;
        }
        const int from = PPQ_MAX((int) (centre - reach + 0.5), 0);
        const int to = PPQ_MIN((int) (centre + reach + 0.5), in);
        double sum = 0, w[2];
        for (int i = from; i < to; i++)
            sum += kernel(f, (i - centre + 0.5) / stretch);
        t.first[o] = from;
        t.count[o] = PPQ_MIN(to - from, t.width);
        for (int i = 0; i < t.count[o]; i++) {
            w[0] = kernel(f, (from + i - centre + 0.5) / stretch);
            t.weight[(size_t) o * (size_t) t.width + (size_t) i] =
                (float) (sum > 0 ? w[0] / sum : 0);
        }
    }
    return t;
}

static void free_taps(taps *t)
{
    free(t->first);
    free(t->count);
    free(t->weight);
}

static unsigned char to_byte(float v)
{
    return (unsigned char) (v < 0 ? 0 : v > 255 ? 255 : v + 0.5f);
}

// One axis at a time, rounded to bytes in between, as image libraries do.
static void resample(const unsigned char *src, int outer, int in, int inner, unsigned char *dst,
                     int out, const taps *t)
{
    for (int a = 0; a < outer; a++)
        for (int o = 0; o < out; o++)
            for (int i = 0; i < inner; i++) {
                float sum = 0;
                const float *w = t->weight + (size_t) o * (size_t) t->width;
                for (int k = 0; k < t->count[o]; k++)
                    sum += w[k] * (float) src[((size_t) a * (size_t) in +
                                               (size_t) (t->first[o] + k)) *
                                                  (size_t) inner +
                                              (size_t) i];
                dst[((size_t) a * (size_t) out + (size_t) o) * (size_t) inner + (size_t) i] =
                    to_byte(sum);
            }
}

static ppq_status resize(const ppq_image *in, int w, int h, ppq_filter f, const char *name,
                         ppq_image *out, ppq_diag *d)
{
    const size_t c = (size_t) in->channels;
    unsigned char *mid = malloc((size_t) w * (size_t) in->height * c + 1);
    unsigned char *dst = malloc((size_t) w * (size_t) h * c + 1);
    if (!mid || !dst) {
        free(mid);
        free(dst);
        return ppq_data_fail(d, name, "no memory for an image of %d x %d", w, h);
    }
    taps tx = make_taps(f, in->width, w), ty = make_taps(f, in->height, h);
    resample(in->pixels, in->height, in->width, in->channels, mid, w, &tx);
    resample(mid, 1, in->height, w * in->channels, dst, h, &ty);
    free_taps(&tx);
    free_taps(&ty);
    free(mid);
    *out = (ppq_image){ dst, w, h, in->channels };
    return PPQ_OK;
}

// ---- to a tensor ----------------------------------------------------------------------------

static ppq_status scaled(const ppq_preprocess *p, const ppq_image *image, const char *name,
                         ppq_image *out, ppq_diag *d)
{
    int w = image->width, h = image->height;
    if (p->resize_w) {
        w = p->resize_w;
        h = p->resize_h;
    } else if (p->resize_short) {
        const double s = (double) p->resize_short / PPQ_MIN(w, h);
        w = PPQ_MAX((int) (w * s + 0.5), 1);
        h = PPQ_MAX((int) (h * s + 0.5), 1);
    } else if (p->letterbox_w) {
        const double s =
            PPQ_MIN((double) p->letterbox_w / w, (double) p->letterbox_h / h);
        w = PPQ_MIN(PPQ_MAX((int) (w * s + 0.5), 1), p->letterbox_w);
        h = PPQ_MIN(PPQ_MAX((int) (h * s + 0.5), 1), p->letterbox_h);
    }
    return resize(image, w, h, p->method, name, out, d);
}

static float channel(const ppq_preprocess *p, const unsigned char *px, int in_channels, int c)
{
    if (in_channels == 1)
        return (float) px[0];
    if (p->gray)
        return (float) ((px[0] * 19595 + px[1] * 38470 + px[2] * 7471 + 32768) >> 16);
    return (float) px[p->bgr ? 2 - c : c];
}

ppq_status ppq_preprocess_apply(const ppq_preprocess *p, const ppq_image *image, const char *name,
                                ppq_tensor *out, ppq_diag *d)
{
    ppq_image s = { 0 };
    PPQ_TRY(scaled(p, image, name, &s, d));
    const int cw = p->crop_w ? p->crop_w : p->letterbox_w ? p->letterbox_w : s.width;
    const int ch = p->crop_h ? p->crop_h : p->letterbox_h ? p->letterbox_h : s.height;
    if (p->crop_w && (cw > s.width || ch > s.height)) {
        free(s.pixels);
        return ppq_data_fail(d, name, "crop=%dx%d is larger than the image, %dx%d", cw, ch, s.width,
                             s.height);
    }
    const int left = p->crop_w ? (s.width - cw) / 2 : 0, top = p->crop_w ? (s.height - ch) / 2 : 0;
    const int channels = p->gray ? 1 : 3;
    const ppq_shape shape = p->nhwc ? (ppq_shape){ 4, { 1, ch, cw, channels } }
                                    : (ppq_shape){ 4, { 1, channels, ch, cw } };
    ppq_tensor t;
    const ppq_status st = ppq_tensor_alloc(&t, PPQ_DT_F32, &shape);
    for (int c = 0; st == PPQ_OK && c < channels; c++)
        for (int y = 0; y < ch; y++)
            for (int x = 0; x < cw; x++) {
                const bool inside = y + top < s.height && x + left < s.width;
                const size_t pixel =
                    inside ? (size_t) (y + top) * (size_t) s.width + (size_t) (x + left) : 0;
                const float v =
                    inside ? channel(p, s.pixels + pixel * (size_t) s.channels, s.channels, c)
                           : p->pad;
                const size_t at =
                    p->nhwc ? ((size_t) y * (size_t) cw + (size_t) x) * (size_t) channels +
                                  (size_t) c
                            : ((size_t) c * (size_t) ch + (size_t) y) * (size_t) cw + (size_t) x;
                ppq_f32(&t)[at] = (v / p->scale - p->mean[c]) / p->std[c];
            }
    free(s.pixels);
    if (st != PPQ_OK)
        return ppq_data_fail(d, name, "no memory for a tensor of %d x %d", cw, ch);
    *out = t;
    return PPQ_OK;
}
