#ifndef PPQ_QUANTIZER_RESCUE_H
#define PPQ_QUANTIZER_RESCUE_H

#include "quantizer/session.h"

// Some ops do not survive eight bits: a logarithm behind a power spectrum needs relative precision
// over many decades, and a model that begins so is worth nothing in int8, although every op of it
// can be quantized. The closing comparison shows where: the error jumps within one step.
//
// An op is ruined when noise reaches half its signal (SNR below 3 dB) while what it reads is at
// least 8 dB better. When an op in float stands between, all that leads there in int8 is to blame,
// otherwise the op itself. Nothing is done while every output of the model keeps 10 dB, nor when
// more than half the layers would be to blame.

// Whether outputs suffer so much that something should be done.
bool ppq_needs_rescue(const ppq_session *s);
// Adds the names of the ops that should stay in float to settings->rescued, with a warning per
// ruined op, and returns how many there are; 0: quantization can stay as it is.
size_t ppq_find_ruined(const ppq_session *s);

#endif
