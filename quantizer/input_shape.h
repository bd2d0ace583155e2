#ifndef PPQ_QUANTIZER_INPUT_SHAPE_H
#define PPQ_QUANTIZER_INPUT_SHAPE_H

#include "quantizer/session.h"

// Gives a graph input the shape that an --input-shape option names: "NAME:1x3x224x224", or
// "1x3x224x224" for a model with one input; "?" keeps a dimension.
PPQ_NODISCARD ppq_status ppq_session_input_shape(ppq_session *s, const char *spec);

#endif
