/* Little-endian numbers in byte strings, whatever the machine and the alignment. */
#ifndef ASH_TRACE_BYTES_H
#define ASH_TRACE_BYTES_H

#include "base/base.h"

/* `count` is 1..8 */
ASH_INLINE uint64_t ash_load(const uint8_t *bytes, unsigned count) {
    uint64_t value = 0;
    for (unsigned i = count; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

ASH_INLINE void ash_store(uint8_t *bytes, uint64_t value, unsigned count) {
    for (unsigned i = 0; i < count; i++, value >>= 8) bytes[i] = (uint8_t)value;
}

#endif
