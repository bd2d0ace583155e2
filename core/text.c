#include "core/text.h"

#include <string.h>

#include "core/base.h"

int ppq_edit_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    const size_t na = PPQ_MIN(strlen(a), MAX), nb = PPQ_MIN(strlen(b), MAX);
    int row[MAX + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = (int) j;
    for (size_t i = 1; i <= na; i++) {
        int diag = row[0];
        row[0] = (int) i;
        for (size_t j = 1; j <= nb; j++) {
            const int up = row[j], same = diag + (a[i - 1] != b[j - 1]);
            row[j] = PPQ_MIN(same, PPQ_MIN(up, row[j - 1]) + 1);
            diag = up;
        }
    }
    return row[nb];
}
