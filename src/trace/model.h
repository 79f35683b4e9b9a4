/* What the encodings share: the table of operations, and the rules that a trace obeys. */
#ifndef ASH_TRACE_MODEL_H
#define ASH_TRACE_MODEL_H

#include "base/base.h"

#include <ashlar/trace.h>

/* Bounds on what any decoder accepts, so that a few bytes of input cannot ask for all memory. A
 * replay keeps a table with an entry for each slot. */
enum {
    ASH_TRACE_OPS_MAX = 1 << 27,
    ASH_TRACE_SLOTS_MAX = 1 << 27,
    ASH_TRACE_THREADS_MAX = 256,
    ASH_HEAP_MEMORY_KIB_MIN = 1024,
    ASH_HEAP_RESERVED_MIB_MIN = 64,
    ASH_OPERANDS_MAX = 3,
};

/* Which field of an operation an operand is. */
enum ash_operand_field { ASH_FIELD_NONE = 0, ASH_FIELD_SLOT, ASH_FIELD_SIZE, ASH_FIELD_ARG };

struct ash_operand {
    enum ash_operand_field field;
    const char *label; /* as grammar and messages call it */
};

/* One row of the table of kinds. */
struct ash_op_info {
    const char *name;
    uint8_t name_length;
    struct ash_operand operands[ASH_OPERANDS_MAX]; /* in the order of the text encoding */
    uint8_t operand_count;
    bool has_slot, has_size, has_arg;
    bool illegal;
    uint8_t arg_min;               /* smallest meaningful arg */
    uint8_t value_count;           /* arg is below this; 0: any */
    const char *const *arg_values; /* their names */
};

/* `kind` is below ASHLAR_OP_COUNT. */
const struct ash_op_info *ash_op_info(unsigned kind);

/* Fields that the kind does not have become 0, arg comes into its range; kind is in the table. */
void ash_op_normalise(struct ashlar_op *op);

/* Why `op` cannot be part of `trace`, as its binary record is checked; NULL when it can. */
const char *ash_op_problem(const struct ashlar_op *op, const struct ashlar_trace *trace);

/* Why the header of `trace` is not one; NULL when it is. */
const char *ash_trace_header_problem(const struct ashlar_trace *trace);

/* Room for `count` operations altogether; false: no memory. */
bool ash_trace_reserve(struct ashlar_trace *trace, size_t count);

/* Whether the trace says how threads interleave within operations. */
bool ash_trace_has_steps(const struct ashlar_trace *trace);

/* Slots and threads as the operations use them: highest + 1. */
void ash_trace_fit(struct ashlar_trace *trace);

#endif
