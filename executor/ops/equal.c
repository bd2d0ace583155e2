#include "executor/ops/binary.h"

#include <string.h>

// C = A and B are equal; any type.
TYPES_REAL(BINARY_TEST_LOOP, a == b)
BINARY_TEST_LOOP(BOOL, uint8_t, (a != 0) == (b != 0))
BINARY_TEST_LOOP(STRING, ppq_string,
                 a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0))
static const ppq_binary_loop loops[PPQ_DT_COUNT] = {
    TYPES_REAL(BINARY_ENTRY, 0)[PPQ_DT_BOOL] = loop_BOOL,
    [PPQ_DT_STRING] = loop_STRING,
};
BINARY_FORWARD(ppq_binary_run)

const ppq_op_def ppq_op_equal = COMPARE_DEF("Equal", 1);
