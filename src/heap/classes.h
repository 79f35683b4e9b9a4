/* Size classes: multiples of 16 to 128, then four per doubling to 64 KiB. */
#ifndef ASH_CLASSES_H
#define ASH_CLASSES_H

#include "heap/layout.h"

/* Class of (bytes + 15) / 16, for sizes up to ASH_SMALL_BYTES_MAX. */
extern ASH_HIDDEN const uint8_t ash_small_class[ASH_SMALL_BYTES_MAX / ASH_BLOCK_ALIGN + 1];

/* Class of (bytes + 255) / 256, for sizes above ASH_SMALL_BYTES_MAX: the classes there are
 * multiples of 256. A table, because finding the highest bit is slow on some processors. */
enum { ASH_MEDIUM_UNIT = 256 };
extern ASH_HIDDEN const uint8_t ash_medium_class[ASH_CLASS_BYTES_MAX / ASH_MEDIUM_UNIT + 1];

/* Class of a size in ASH_SMALL_BYTES_MAX + 1 .. ASH_CLASS_BYTES_MAX. */
ASH_INLINE unsigned ash_class_of_medium(size_t bytes) {
    return ash_medium_class[(bytes + ASH_MEDIUM_UNIT - 1) / ASH_MEDIUM_UNIT];
}

/* Class of a size up to ASH_SMALL_BYTES_MAX. */
ASH_INLINE unsigned ash_class_of_small(size_t bytes) {
    return ash_small_class[(bytes + ASH_BLOCK_ALIGN - 1) / ASH_BLOCK_ALIGN];
}

/* Class of a size up to ASH_CLASS_BYTES_MAX. */
ASH_INLINE unsigned ash_class_of(size_t bytes) {
    ASH_ASSERT(bytes <= ASH_CLASS_BYTES_MAX);
    return ASH_LIKELY(bytes <= ASH_SMALL_BYTES_MAX) ? ash_class_of_small(bytes)
                                                    : ash_class_of_medium(bytes);
}

/* Smallest class whose blocks hold `bytes` and all start at multiples of `alignment` (a power of
 * two); bytes and alignment are up to ASH_CLASS_BYTES_MAX. Slabs start at multiples of 64 KiB from
 * an aligned base, so a class whose block size is a multiple of the alignment has aligned blocks
 * only. */
unsigned ash_class_of_aligned(size_t bytes, size_t alignment);

#endif
