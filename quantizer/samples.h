#ifndef PPQ_QUANTIZER_SAMPLES_H
#define PPQ_QUANTIZER_SAMPLES_H

#include "ppq/ppq.h"
#include "quantizer/data/data.h"

// What scores know of samples.
ppq_data *ppq_samples_data(const ppq_samples *s);

#endif
