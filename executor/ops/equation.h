#ifndef PPQ_EXECUTOR_OPS_EQUATION_H
#define PPQ_EXECUTOR_OPS_EQUATION_H

#include "executor/ops/args.h"

// Einsum's equation: "ij,jk->ik". Labels are letters, and from PPQ_ELLIPSIS on the dimensions that
// "..." stands for, aligned to the right.
enum { PPQ_ELLIPSIS = 128, PPQ_LABELS = PPQ_ELLIPSIS + PPQ_MAX_RANK, PPQ_EINSUM_INPUTS = 16 };

typedef unsigned char ppq_label;

// The labels of one tensor's dimensions.
typedef struct ppq_term {
    int n;
    ppq_label at[PPQ_MAX_RANK];
    int dots;   // position of "...", -1 when there is none
    int n_dots; // what it stands for
} ppq_term;

typedef struct ppq_equation {
    ppq_term in[PPQ_EINSUM_INPUTS], out;
    bool used[PPQ_LABELS];
    int64_t size[PPQ_LABELS]; // of the used ones; negative when not known yet
    bool known;               // false while some input's rank is not known: the rest is not set
} ppq_equation;

ppq_status ppq_equation_read(const ppq_args *a, ppq_equation *e);

#endif
