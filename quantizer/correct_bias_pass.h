#ifndef PPQ_QUANTIZER_CORRECT_BIAS_PASS_H
#define PPQ_QUANTIZER_CORRECT_BIAS_PASS_H

#include "core/settings.h"

// Samples that means are taken from, here and in the float reference: what the pass was told, and
// at least those of the closing comparison, which run anyway.
int ppq_correction_samples(const ppq_settings *s);

#endif
