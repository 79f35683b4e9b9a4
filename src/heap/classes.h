/* Size classes: multiples of 16 to 128, then four per doubling to 64 KiB; classes.c says more. */
#ifndef ASH_CLASSES_H
#define ASH_CLASSES_H

#include "heap/layout.h"

/* Class of (bytes + 15) / 16, for sizes up to ASH_SMALL_BYTES_MAX. */
extern ASH_HIDDEN const uint8_t ash_small_class[ASH_SMALL_BYTES_MAX / ASH_BLOCK_ALIGN + 1];

/* The bin of that class, as an offset in a thread heap: one look-up without arithmetic. */
extern ASH_HIDDEN const uint16_t ash_small_bin[ASH_SMALL_BYTES_MAX / ASH_BLOCK_ALIGN + 1];

/* The bin of the class of (bytes + 255) / 256, for sizes above ASH_SMALL_BYTES_MAX: the classes
 * there are multiples of 256. A table, because finding the highest bit is slow on some processors.
 */
enum { ASH_MEDIUM_UNIT = 256 };
extern ASH_HIDDEN const uint16_t ash_medium_bin[ASH_CLASS_BYTES_MAX / ASH_MEDIUM_UNIT + 1];

/* Offset in a thread heap of the bin of a size above ASH_SMALL_BYTES_MAX, up to
 * ASH_CLASS_BYTES_MAX. */
ASH_INLINE size_t ash_bin_at_medium(size_t bytes) {
    return ash_medium_bin[(bytes + ASH_MEDIUM_UNIT - 1) / ASH_MEDIUM_UNIT];
}
/* Class of such a size. */
ASH_INLINE unsigned ash_class_of_medium(size_t bytes) {
    size_t at = ash_bin_at_medium(bytes) - offsetof(struct ash_thread_heap, bins);
    return (unsigned)(at / sizeof(struct ash_bin));
}
/* Bin of such a size. */
ASH_INLINE struct ash_bin *ash_bin_of_medium(struct ash_thread_heap *th, size_t bytes) {
    return (struct ash_bin *)(void *)((char *)th + ash_bin_at_medium(bytes));
}

/* Class of a size up to ASH_SMALL_BYTES_MAX. */
ASH_INLINE unsigned ash_class_of_small(size_t bytes) {
    return ash_small_class[(bytes + ASH_BLOCK_ALIGN - 1) / ASH_BLOCK_ALIGN];
}

/* Bin of a size up to ASH_SMALL_BYTES_MAX. */
ASH_INLINE struct ash_bin *ash_bin_of_small(struct ash_thread_heap *th, size_t bytes) {
    size_t units = (bytes + ASH_BLOCK_ALIGN - 1) / ASH_BLOCK_ALIGN;
    return (struct ash_bin *)(void *)((char *)th + ash_small_bin[units]);
}

/* Class of a size up to ASH_CLASS_BYTES_MAX. */
ASH_INLINE unsigned ash_class_of(size_t bytes) {
    ASH_ASSERT(bytes <= ASH_CLASS_BYTES_MAX);
    return ASH_LIKELY(bytes <= ASH_SMALL_BYTES_MAX) ? ash_class_of_small(bytes)
                                                    : ash_class_of_medium(bytes);
}

/* Whether blocks of a class can serve so many bytes at such an alignment, which must be a power of
 * two. */
ASH_INLINE bool ash_has_aligned_class(size_t bytes, size_t alignment) {
    return bytes <= ASH_CLASS_BYTES_MAX && alignment <= ASH_CLASS_BYTES_MAX &&
           ash_is_power_of_two(alignment);
}

/* Then the size whose class is the smallest that does. Slabs start at multiples of 64 KiB from an
 * aligned base, so those classes serve that are multiples of the alignment.
 *
 * Rounding up finds it: the classes up to 128 are all the multiples of 16; and of the four classes
 * of a doubling, which are 5 x, 6 x, 7 x and 8 x for a power of two x, each is a multiple of all
 * that divides x, while whatever else is a multiple of 2 x there is a class itself. The skewed ones
 * are odd multiples of the skew: beyond that, only the power of two is left of a doubling. */
ASH_INLINE size_t ash_aligned_bytes(size_t bytes, size_t alignment) {
    size_t rounded = (size_t)ash_round_up(bytes + (bytes == 0), alignment);
    bool skewed = alignment > ASH_SKEW_BYTES && rounded > ASH_SKEWED_ABOVE;
    return ASH_UNLIKELY(skewed) ? (size_t)2 << ash_highest_bit(rounded - 1) : rounded;
}
ASH_INLINE unsigned ash_class_of_aligned(size_t bytes, size_t alignment) {
    return ash_class_of(ash_aligned_bytes(bytes, alignment));
}

#endif
