#include "executor/ops/binary.h"
#include "executor/ops/divisor.h"

// The remainder of A / B: with B's sign, or with fmod=1 with A's.
#define FLOOR_REST(a, b, rest) ((rest) != 0 && ((rest) < 0) != ((b) < 0) ? (rest) + (b) : (rest))

#define MOD_SIGNED(id, type, ...)   BINARY_INT_LOOP(id, type, b == -1 ? 0 : FLOOR_REST(a, b, a % b))
#define MOD_FLOAT(id, type, ...)    BINARY_FLOAT_LOOP(id, type, FLOOR_REST(a, b, fmod(a, b)))
#define MOD_UNSIGNED(id, type, ...) BINARY_INT_LOOP(id, type, a % b)
#define FMOD_SIGNED(id, type, ...)  BINARY_INT_LOOP(fmod_##id, type, b == -1 ? 0 : a % b)
#define FMOD_FLOAT(id, type, ...)   BINARY_FLOAT_LOOP(fmod_##id, type, fmod(a, b))
TYPES_SIGNED(MOD_SIGNED, 0)
TYPES_FLOAT(MOD_FLOAT, 0)
TYPES_UNSIGNED(MOD_UNSIGNED, 0)
TYPES_SIGNED(FMOD_SIGNED, 0)
TYPES_FLOAT(FMOD_FLOAT, 0)

#define FMOD_ENTRY(id, type, ...) [PPQ_DT_##id] = loop_fmod_##id,
static const ppq_binary_loop floor_loops[PPQ_DT_COUNT] = { TYPES_REAL(BINARY_ENTRY, 0) };
// clang-format off
static const ppq_binary_loop trunc_loops[PPQ_DT_COUNT] = {
    TYPES_SIGNED(FMOD_ENTRY, 0) TYPES_FLOAT(FMOD_ENTRY, 0) TYPES_UNSIGNED(BINARY_ENTRY, 0)
};
// clang-format on

static ppq_status forward(ppq_kernel_ctx *c)
{
    PPQ_TRY(ppq_check_divisor(c));
    const bool trunc_mode = ppq_op_attr_int(c->op, "fmod", 0) != 0;
    return ppq_binary_run(c, trunc_mode ? trunc_loops : floor_loops);
}

const ppq_op_def ppq_op_mod = BINARY_DEF("Mod", 10, 0, ppq_infer_broadcast);
