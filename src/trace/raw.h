/* Raw records, for who mutates them: see raw.c. */
#ifndef ASH_TRACE_RAW_H
#define ASH_TRACE_RAW_H

#include "trace/model.h"

enum {
    ASH_RAW_REPEAT_BITS = 10,
    ASH_RAW_TIMES_MAX = 1 << ASH_RAW_REPEAT_BITS,
    ASH_RAW_STEP_MAX = 1 << (16 - ASH_RAW_REPEAT_BITS),
};

/* As ashlar_trace_decode_raw, but loops stay what they are: the `flags` of operations on slots.
 * Such a trace is there to be changed and encoded by ashlar_trace_encode_raw, for nothing else. */
bool ash_raw_records(const uint8_t *bytes, size_t size, size_t max_records,
                     struct ashlar_trace *out);

/* How often a record's operation is done, and on which slot the `i`th time. */
ASH_INLINE uint32_t ash_raw_times(const struct ashlar_op *op) {
    return 1 + (op->flags & (ASH_RAW_TIMES_MAX - 1U));
}
ASH_INLINE uint32_t ash_raw_slot(const struct ashlar_op *op, size_t i) {
    uint32_t step = 1 + ((uint32_t)op->flags >> ASH_RAW_REPEAT_BITS);
    return (uint32_t)((op->slot + i * step) % ASHLAR_RAW_SLOTS);
}
/* `times` is 1..TIMES_MAX, `step` 1..STEP_MAX. */
ASH_INLINE uint16_t ash_raw_loop(size_t times, size_t step) {
    return (uint16_t)((step - 1) << ASH_RAW_REPEAT_BITS | (times - 1));
}

#endif
