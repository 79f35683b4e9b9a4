/* The size classes and the table that finds them. Four classes per doubling keep the waste inside
 * blocks at most 25 % and about 10 % on average. */
#include "heap/classes.h"

#define BLOCKS(bytes, pages) ((pages)*ASH_PAGE_BYTES / (bytes))
#define CLASS(bytes, pages)                                                                        \
    {                                                                                              \
        .reciprocal = ASH_RECIPROCAL((uint64_t)(bytes), BLOCKS(bytes, pages)),                     \
        .block_bytes = (bytes), .block_count = (uint16_t)BLOCKS(bytes, pages),                     \
        .slab_pages = (pages)                                                                      \
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
const struct ash_class ash_classes[ASH_CLASS_COUNT] ASH_DAILY = {
    CLASS(16, 1),           CLASS(32, 1),          CLASS(48, 1),           CLASS(64, 1),
    CLASS(80, 1),           CLASS(96, 1),          CLASS(112, 1),          CLASS(128, 1),
    DOUBLING(256, 1),       DOUBLING(512, 1),      DOUBLING(1024, 1),      DOUBLING(2048, 2),
    DOUBLING(4096, 4),      DOUBLING_WINDOW(8192), DOUBLING_WINDOW(16384), DOUBLING_WINDOW(32768),
    DOUBLING_WINDOW(65536),
};

#define SAME2(c) (c), (c)
#define SAME4(c) SAME2(c), SAME2(c)
#define SAME8(c) SAME4(c), SAME4(c)
#define SMALL(of)                                                                                  \
    of(0), of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7), SAME2(of(8)), SAME2(of(9)),     \
        SAME2(of(10)), SAME2(of(11)), SAME4(of(12)), SAME4(of(13)), SAME4(of(14)), SAME4(of(15)),  \
        SAME8(of(16)), SAME8(of(17)), SAME8(of(18)), SAME8(of(19))
#define ITSELF(c) (c)
#define BIN(c)    (uint16_t)(offsetof(struct ash_thread_heap, bins) + (c) * sizeof(struct ash_bin))
const uint8_t ash_small_class[ASH_SMALL_BYTES_MAX / ASH_BLOCK_ALIGN + 1] ASH_DAILY = {
    SMALL(ITSELF)};
const uint16_t ash_small_bin[ASH_SMALL_BYTES_MAX / ASH_BLOCK_ALIGN + 1] ASH_DAILY = {SMALL(BIN)};

#define SAME16(c) SAME8(c), SAME8(c)
#define SAME32(c) SAME16(c), SAME16(c)
#define MEDIUM(of)                                                                                 \
    of(0), of(11), of(15), of(17), of(19), /* not asked for: small sizes */                        \
        of(20), of(21), of(22), of(23), SAME2(of(24)), SAME2(of(25)), SAME2(of(26)),               \
        SAME2(of(27)), SAME4(of(28)), SAME4(of(29)), SAME4(of(30)), SAME4(of(31)), SAME8(of(32)),  \
        SAME8(of(33)), SAME8(of(34)), SAME8(of(35)), SAME16(of(36)), SAME16(of(37)),               \
        SAME16(of(38)), SAME16(of(39)), SAME32(of(40)), SAME32(of(41)), SAME32(of(42)),            \
        SAME32(of(43))
const uint16_t ash_medium_bin[ASH_CLASS_BYTES_MAX / ASH_MEDIUM_UNIT + 1] ASH_DAILY = {MEDIUM(BIN)};

uint32_t ashlar_class_count(void) {
    return ASH_CLASS_COUNT;
}

size_t ashlar_class_bytes(uint32_t class_index) {
    return class_index < ASH_CLASS_COUNT ? ash_classes[class_index].block_bytes : 0;
}

uint32_t ashlar_class_of(size_t bytes) {
    return bytes <= ASH_CLASS_BYTES_MAX ? ash_class_of(bytes) : ASH_CLASS_COUNT;
}
