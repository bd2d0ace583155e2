#ifndef PPQ_EXECUTOR_OPS_CLASS_LOSS_H
#define PPQ_EXECUTOR_OPS_CLASS_LOSS_H

#include "executor/ops/args.h"

// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: minus the (log of the) probability of the
// right class, weighted by class, averaged or summed.
ppq_status ppq_infer_class_loss(ppq_infer_ctx *c);
// `scores`: inputs are no logarithms of probabilities yet.
ppq_status ppq_run_class_loss(ppq_kernel_ctx *c, bool scores);

#endif
