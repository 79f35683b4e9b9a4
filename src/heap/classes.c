/* The size classes and the table that finds them. Four classes per doubling keep the waste inside
 * blocks at most 25 % and about 10 % on average.
 *
 * Skew. Blocks whose sizes are multiples of an OS page all start at the start of one, and their
 * first lines, the ones that programs and the core touch most, share few sets of a cache: a usual
 * first-level cache has 8 lines for all of them. Above 8 KiB a class that is no power of two is
 * therefore ASH_SKEW_BYTES larger, and its blocks start in sixteen places of an OS page. Powers of
 * two stay: they serve whoever asks for a page's alignment, and touch no more for it. */
#include "heap/classes.h"

#define BLOCKS(bytes, pages) ((pages)*ASH_PAGE_BYTES / (bytes))
#define PAGES(bytes, blocks) (((bytes) * (blocks) + ASH_PAGE_BYTES - 1) / ASH_PAGE_BYTES)
#define CLASS_OF(bytes, blocks, pages)                                                             \
    {                                                                                              \
        .reciprocal = ASH_RECIPROCAL((uint64_t)(bytes), (blocks)), .block_bytes = (bytes),         \
        .block_count = (blocks), .slab_pages = (pages)                                             \
    }
#define CLASS(bytes, pages) CLASS_OF(bytes, BLOCKS(bytes, pages), pages)
#define WINDOW(bytes)       CLASS_OF(bytes, ASH_WINDOW_BLOCKS, PAGES(bytes, ASH_WINDOW_BLOCKS))
/* The four classes that end in a doubling of `bytes`: in slabs of one length; in slabs of one
 * window, 64 blocks each; and skewed. */
#define DOUBLING(bytes, pages)                                                                     \
    CLASS((bytes) / 8 * 5, pages), CLASS((bytes) / 8 * 6, pages), CLASS((bytes) / 8 * 7, pages),   \
        CLASS(bytes, pages)
#define WINDOWS(bytes, skew)                                                                       \
    WINDOW((bytes) / 8 * 5 + (skew)), WINDOW((bytes) / 8 * 6 + (skew)),                            \
        WINDOW((bytes) / 8 * 7 + (skew)), WINDOW(bytes)
#define SKEWED(bytes) WINDOWS(bytes, ASH_SKEW_BYTES)

/* Medium classes get slabs of several pages: the more blocks a window has, the rarer are refills
 * and the lock for pages. */
const struct ash_class ash_classes[ASH_CLASS_COUNT] ASH_DAILY = {
    CLASS(16, 1),      CLASS(32, 1),      CLASS(48, 1),      CLASS(64, 1),     CLASS(80, 1),
    CLASS(96, 1),      CLASS(112, 1),     CLASS(128, 1),     DOUBLING(256, 1), DOUBLING(512, 1),
    DOUBLING(1024, 1), DOUBLING(2048, 2), DOUBLING(4096, 4), WINDOWS(8192, 0), SKEWED(16384),
    SKEWED(32768),     SKEWED(65536),
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

/* A doubling of n units: n + 1 of them in its first class, which is skewed, n - 1 in its last. */
#define SAME7(c)  SAME4(c), SAME2(c), (c)
#define SAME15(c) SAME8(c), SAME7(c)
#define SAME16(c) SAME8(c), SAME8(c)
#define SAME31(c) SAME16(c), SAME15(c)
#define SAME32(c) SAME16(c), SAME16(c)
#define MEDIUM                                                                                     \
    BIN(0), BIN(11), BIN(15), BIN(17), BIN(19), /* not asked for: small sizes */                   \
        BIN(20), BIN(21), BIN(22), BIN(23), SAME2(BIN(24)), SAME2(BIN(25)), SAME2(BIN(26)),        \
        SAME2(BIN(27)), SAME4(BIN(28)), SAME4(BIN(29)), SAME4(BIN(30)), SAME4(BIN(31)), BIN(32),   \
        SAME8(BIN(32)), SAME8(BIN(33)), SAME8(BIN(34)), SAME7(BIN(35)), BIN(36), SAME16(BIN(36)),  \
        SAME16(BIN(37)), SAME16(BIN(38)), SAME15(BIN(39)), BIN(40), SAME32(BIN(40)),               \
        SAME32(BIN(41)), SAME32(BIN(42)), SAME31(BIN(43))
const uint16_t ash_medium_bin[ASH_CLASS_BYTES_MAX / ASH_MEDIUM_UNIT + 1] ASH_DAILY = {MEDIUM};

uint32_t ashlar_class_count(void) {
    return ASH_CLASS_COUNT;
}

size_t ashlar_class_bytes(uint32_t class_index) {
    return class_index < ASH_CLASS_COUNT ? ash_classes[class_index].block_bytes : 0;
}

uint32_t ashlar_class_of(size_t bytes) {
    return bytes <= ASH_CLASS_BYTES_MAX ? ash_class_of(bytes) : ASH_CLASS_COUNT;
}
