// A worked example over the library: the Fashion-MNIST test set as calibration data, and the
// accuracy of ONNX classifiers on it.
//
//   fashion_mnist calib DATA-DIR OUT.bin N      first N training images, as a packed file
//   fashion_mnist test DATA-DIR OUT.bin N       first N test images
//   fashion_mnist eval DATA-DIR MODEL.onnx...   accuracy on the 10,000 test images

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "ppq/ppq.h"

enum { SIDE = 28, PIXELS = SIDE * SIDE, CLASSES = 10, BATCH = 100 };

typedef struct dataset {
    unsigned char *pixels, *labels;
    int n;
} dataset;

// An IDX file: two zero bytes, the type, the rank, big-endian sizes, then the bytes.
static unsigned char *read_idx(const char *dir, const char *name, int header, size_t each, int *n)
{
    char path[4096];
    unsigned char head[16];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    gzFile f = gzopen(path, "rb");
    unsigned char *data = NULL;
    if (f && gzread(f, head, (unsigned) header) == header) {
        const unsigned count =
            (unsigned) head[4] << 24 | (unsigned) head[5] << 16 | (unsigned) head[6] << 8 | head[7];
        if (count && count <= 60000)
            data = malloc(count * each);
        if (data && gzread(f, data, (unsigned) (count * each)) == (int) (count * each))
            *n = (int) count;
        else
            *n = 0;
    }
    if (f)
        gzclose(f);
    if (!data || !*n) {
        fprintf(stderr, "fashion_mnist: cannot read '%s'\n", path);
        free(data);
        return NULL;
    }
    return data;
}

static int load(const char *dir, const char *set, dataset *d)
{
    char images[64], labels[64];
    int n = 0;
    snprintf(images, sizeof(images), "%s-images-idx3-ubyte.gz", set);
    snprintf(labels, sizeof(labels), "%s-labels-idx1-ubyte.gz", set);
    d->pixels = read_idx(dir, images, 16, PIXELS, &d->n);
    d->labels = d->pixels ? read_idx(dir, labels, 8, 1, &n) : NULL;
    return d->labels && n == d->n;
}

// What the network was trained on.
static float normalize(unsigned char p)
{
    return ((float) p / 255.0f - 0.2860f) / 0.3530f;
}

static int write_packed(const dataset *d, const char *path, int n)
{
    FILE *f = fopen(path, "wb");
    const int64_t count = n < d->n ? n : d->n;
    if (!f) {
        fprintf(stderr, "fashion_mnist: cannot write '%s': %s\n", path, strerror(errno));
        return 4;
    }
    int ok = fwrite(&count, sizeof(count), 1, f) == 1;
    for (int64_t i = 0; i < count && ok; i++) {
        float x[PIXELS];
        for (int k = 0; k < PIXELS; k++)
            x[k] = normalize(d->pixels[i * PIXELS + k]);
        ok = fwrite(x, sizeof(x), 1, f) == 1;
    }
    for (int64_t i = 0; i < count && ok; i++) {
        const int64_t label = d->labels[i];
        ok = fwrite(&label, sizeof(label), 1, f) == 1;
    }
    if (fclose(f) != 0 || !ok) {
        fprintf(stderr, "fashion_mnist: cannot write '%s'\n", path);
        remove(path);
        return 4;
    }
    return 0;
}

static void message(void *user, const ppq_message *m)
{
    (void) user;
    if (m->level == PPQ_LEVEL_ERROR)
        fprintf(stderr, "fashion_mnist: %s\n", m->text);
}

static int count_right(ppq_net *net, const dataset *d, int *right)
{
    static float x[BATCH * PIXELS];
    *right = 0;
    for (int at = 0; at + BATCH <= d->n; at += BATCH) {
        for (int k = 0; k < BATCH * PIXELS; k++)
            x[k] = normalize(d->pixels[(size_t) at * PIXELS + (size_t) k]);
        const ppq_array in = {
            .dtype = 1, .rank = 4, .dim = { BATCH, 1, SIDE, SIDE }, .data = x, .bytes = sizeof(x)
        };
        ppq_array out;
        const ppq_result r = ppq_net_run(net, &in, &out, NULL, NULL);
        if (r != PPQ_RESULT_OK)
            return (int) r;
        const float *y = out.data;
        for (int i = 0; i < BATCH; i++) {
            int best = 0;
            for (int c = 1; c < CLASSES; c++)
                best = y[i * CLASSES + c] > y[i * CLASSES + best] ? c : best;
            *right += best == d->labels[at + i];
        }
        ppq_array_free(&out);
    }
    return 0;
}

static int evaluate(const dataset *d, const char *path)
{
    const ppq_callbacks cb = { NULL, message, NULL };
    ppq_net *net;
    int right = 0;
    struct stat sb;
    ppq_result r = ppq_net_load(&cb, path, PPQ_ENGINE_FAST, 1, &net);
    if (r != PPQ_RESULT_OK)
        return (int) r;
    const int status = count_right(net, d, &right);
    ppq_net_destroy(net);
    if (!status && stat(path, &sb) == 0)
        printf("%-40s top-1 %6.2f %%  %8.1f KB\n", path, 100.0 * right / d->n,
               (double) sb.st_size / 1000);
    return status;
}

int main(int argc, char **argv)
{
    dataset d = { 0 };
    int status = 1;
    const int calib = argc == 5 && strcmp(argv[1], "calib") == 0;
    if (calib || (argc == 5 && strcmp(argv[1], "test") == 0)) {
        const int n = (int) strtol(argv[4], NULL, 10);
        status =
            n > 0 && load(argv[2], calib ? "train" : "t10k", &d) ? write_packed(&d, argv[3], n) : 2;
    } else if (argc >= 4 && strcmp(argv[1], "eval") == 0) {
        status = load(argv[2], "t10k", &d) ? 0 : 2;
        for (int i = 3; i < argc && !status; i++)
            status = evaluate(&d, argv[i]);
    } else {
        fprintf(stderr, "usage: fashion_mnist calib DATA-DIR OUT.bin N\n"
                        "       fashion_mnist test DATA-DIR OUT.bin N\n"
                        "       fashion_mnist eval DATA-DIR MODEL.onnx...\n");
    }
    free(d.pixels);
    free(d.labels);
    return status;
}
