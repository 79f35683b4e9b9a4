/* The size classes and the table that finds them. Four classes per doubling keep the waste inside
 * blocks at most 25 % and about 10 % on average. */
#include "heap/classes.h"

/* ceil(2^64 / bytes), also for powers of two. Exact for offsets below 2^22 (a slab has at most 64
 * pages): for offset = q * bytes + r the product's high half is q, and its low half is below the
 * reciprocal just when r is 0. Published method: Lemire, Kaser, Kurz, "Faster remainder by direct
 * computation" (2019). */
#define CLASS(bytes, pages)                                                                        \
    {                                                                                              \
        .reciprocal = UINT64_MAX / (bytes) + 1, .block_bytes = (bytes),                            \
        .block_count = (uint16_t)((pages)*ASH_PAGE_BYTES / (bytes)), .slab_pages = (pages)         \
    }
/* The four classes that end in a doubling of `bytes`, in slabs of one length ... */
#define DOUBLING(bytes, pages)                                                                     \
    CLASS((bytes) / 8 * 5, pages), CLASS((bytes) / 8 * 6, pages), CLASS((bytes) / 8 * 7, pages),   \
        CLASS(bytes, pages)
/* ... or in slabs of one window: 64 blocks each. */
#define DOUBLING_WINDOW(bytes)                                                                     \
    CLASS((bytes) / 8 * 5, (bytes) / 8192 * 5), CLASS((bytes) / 8 * 6, (bytes) / 8192 * 6),        \
        CLASS((bytes) / 8 * 7, (bytes) / 8192 * 7), CLASS(bytes, (bytes) / 1024)

/* Medium classes get slabs of several pages: the more blocks a window has, the rarer are refills
 * and the lock for pages. */
const struct ash_class ash_classes[ASH_CLASS_COUNT] = {
    CLASS(16, 1),           CLASS(32, 1),          CLASS(48, 1),           CLASS(64, 1),
    CLASS(80, 1),           CLASS(96, 1),          CLASS(112, 1),          CLASS(128, 1),
    DOUBLING(256, 1),       DOUBLING(512, 1),      DOUBLING(1024, 1),      DOUBLING(2048, 2),
    DOUBLING(4096, 4),      DOUBLING_WINDOW(8192), DOUBLING_WINDOW(16384), DOUBLING_WINDOW(32768),
    DOUBLING_WINDOW(65536),
};

#define SAME2(c) (c), (c)
#define SAME4(c) SAME2(c), SAME2(c)
#define SAME8(c) SAME4(c), SAME4(c)
const uint8_t ash_small_class[ASH_SMALL_BYTES_MAX / ASH_BLOCK_ALIGN + 1] = {
    0,         0,         1,         2,         3,         4,         5,
    6,         7,         SAME2(8),  SAME2(9),  SAME2(10), SAME2(11), SAME4(12),
    SAME4(13), SAME4(14), SAME4(15), SAME8(16), SAME8(17), SAME8(18), SAME8(19),
};

#define SAME16(c) SAME8(c), SAME8(c)
#define SAME32(c) SAME16(c), SAME16(c)
const uint8_t ash_medium_class[ASH_CLASS_BYTES_MAX / ASH_MEDIUM_UNIT + 1] = {
    0,          11,         15,         17,         19, /* not asked for: small sizes */
    20,         21,         22,         23,         SAME2(24),  SAME2(25),  SAME2(26),  SAME2(27),
    SAME4(28),  SAME4(29),  SAME4(30),  SAME4(31),  SAME8(32),  SAME8(33),  SAME8(34),  SAME8(35),
    SAME16(36), SAME16(37), SAME16(38), SAME16(39), SAME32(40), SAME32(41), SAME32(42), SAME32(43),
};

uint32_t ashlar_class_count(void) {
    return ASH_CLASS_COUNT;
}

size_t ashlar_class_bytes(uint32_t class_index) {
    return class_index < ASH_CLASS_COUNT ? ash_classes[class_index].block_bytes : 0;
}

uint32_t ashlar_class_of(size_t bytes) {
    return bytes <= ASH_CLASS_BYTES_MAX ? ash_class_of(bytes) : ASH_CLASS_COUNT;
}
