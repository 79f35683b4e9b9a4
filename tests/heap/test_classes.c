/* Size classes: the table against arithmetic done another way, and the two look-ups, the division
 * by multiplication, and the choice by alignment against plain searches, exhaustively. */
#include "heap/classes.h"

#include "support.h"

/* Bytes of a class, from its definition: multiples of 16 to 128, then four per doubling; 256 more
 * for those above 8 KiB that are no power of two. */
static uint32_t bytes_by_definition(unsigned class_index) {
    if (class_index < 8) return 16 * (class_index + 1);
    uint32_t below = UINT32_C(128) << ((class_index - 8) / 4);
    uint32_t bytes = below + below / 4 * ((class_index - 8) % 4 + 1);
    return bytes + (bytes > 8192 && (bytes & (bytes - 1)) != 0 ? 256 : 0);
}

static void the_table_is_what_the_definition_says(void **state) {
    (void)state;
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        const struct ash_class *class = &ash_classes[i];
        assert_int_equal(class->block_bytes, bytes_by_definition(i));
        assert_int_equal(ashlar_class_bytes(i), class->block_bytes);
        /* the smallest number that times block_bytes reaches 2^64 and this excess */
        unsigned __int128 product = (unsigned __int128)class->reciprocal * class->block_bytes;
        uint64_t excess = ((UINT64_C(1) << 36) + class->block_count - 1) / class->block_count;
        unsigned __int128 goal = ((unsigned __int128)1 << 64) + excess;
        assert_true(product >= goal && product - class->block_bytes < goal);
        uint32_t room = (uint32_t) class->slab_pages * ASH_PAGE_BYTES;
        assert_int_equal(class->block_count,
                         class->block_bytes > 4096 ? 64 : room / class->block_bytes);
        uint32_t blocks_bytes = class->block_count * class->block_bytes;
        assert_in_range(blocks_bytes, room - ASH_PAGE_BYTES + 1, room); /* no page is spare */
        assert_int_equal(class->spare, 0);
    }
    assert_int_equal(ash_classes[ASH_CLASS_COUNT - 1].block_bytes, ASH_CLASS_BYTES_MAX);
    assert_int_equal(ashlar_class_count(), ASH_CLASS_COUNT);
    assert_int_equal(ashlar_class_bytes(ASH_CLASS_COUNT), 0);
    assert_int_equal(ashlar_class_bytes(UINT32_MAX), 0);
}

/* Blocks of a slab of so many pages. */
static uint32_t blocks_of(const struct ash_class *class, uint32_t pages) {
    uint32_t room = pages * ASH_PAGE_BYTES / class->block_bytes;
    return room < class->block_count ? room : class->block_count;
}

static void slabs_keep_their_limits(void **state) {
    (void)state;
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        const struct ash_class *class = &ash_classes[i];
        if (class->block_bytes > 4096) assert_int_equal(class->block_count, ASH_WINDOW_BLOCKS);
        assert_in_range(class->slab_pages, 1, ASH_SLAB_PAGES_MAX);
        for (unsigned pages = class->slab_pages; pages > 0; pages /= 2) {
            unsigned count = blocks_of(class, pages), blocks = 0;
            assert_in_range(count, 1, ASH_WINDOWS_MAX * ASH_WINDOW_BLOCKS);
            assert_in_range(ash_window_count(count), 1, ASH_WINDOWS_MAX);
            for (unsigned window = 0; window < ash_window_count(count); window++) {
                assert_true(ash_full_word(count, window) != 0);
                blocks += ash_count_bits(ash_full_word(count, window));
            }
            assert_int_equal(blocks, count);
        }
    }
}

/* In a slab of so many pages; no block starts behind the last. */
static void every_offset_has_its_block(const struct ash_class *class, uint32_t pages) {
    uint32_t index = 0, within = 0, bytes = class->block_bytes, count = blocks_of(class, pages);
    uint64_t reciprocal = ash_reciprocal(bytes, count);
    for (uint32_t offset = 0; offset < pages * PAGE; offset++) {
        bool starts;
        uint64_t found = ash_block_index(offset, reciprocal, &starts);
        if (found != index || starts != (within == 0 && index < count))
            fail_msg("%u bytes, %u pages, offset %u: block %llu, starts %d", bytes, pages, offset,
                     (unsigned long long)found, starts);
        if (++within == bytes) {
            within = 0;
            index++;
        }
    }
}

static void every_offset_of_every_slab_has_its_block(void **state) {
    (void)state;
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        uint32_t bytes = ash_classes[i].block_bytes;
        assert_int_equal(ash_classes[i].reciprocal,
                         ash_reciprocal(bytes, ash_classes[i].block_count));
        uint32_t least = (uint32_t)((bytes + PAGE - 1) / PAGE);
        for (uint32_t pages = least; pages <= ash_classes[i].slab_pages; pages++)
            every_offset_has_its_block(&ash_classes[i], pages);
    }
}

static void every_size_gets_the_smallest_class(void **state) {
    (void)state;
    uint32_t smallest = 0;
    for (size_t bytes = 0; bytes <= ASH_CLASS_BYTES_MAX; bytes++) {
        while (ash_classes[smallest].block_bytes < bytes) smallest++;
        if (ashlar_class_of(bytes) != smallest || ash_class_of(bytes) != smallest)
            fail_msg("%zu bytes: class %u, not %u", bytes, ashlar_class_of(bytes), smallest);
        if (bytes > ASH_SMALL_BYTES_MAX && ash_class_of_medium(bytes) != smallest)
            fail_msg("%zu bytes: the table gives class %u", bytes, ash_class_of_medium(bytes));
        size_t waste = ash_classes[smallest].block_bytes - bytes;
        if (bytes > 0 && waste >= ASH_BLOCK_ALIGN && waste * 4 > ash_classes[smallest].block_bytes)
            fail_msg("%zu bytes: %zu wasted", bytes, waste);
    }
    assert_int_equal(ashlar_class_of(ASH_CLASS_BYTES_MAX + 1), ASH_CLASS_COUNT);
    assert_int_equal(ashlar_class_of(SIZE_MAX), ASH_CLASS_COUNT);
}

static void alignment_chooses_the_smallest_class(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= ASH_CLASS_BYTES_MAX; alignment *= 2) {
        for (size_t bytes = 0; bytes <= ASH_CLASS_BYTES_MAX; bytes += bytes < 4200 ? 1 : 7) {
            unsigned expected = 0;
            while (ash_classes[expected].block_bytes < bytes ||
                   ash_classes[expected].block_bytes % alignment != 0)
                expected++;
            if (ash_class_of_aligned(bytes, alignment) != expected)
                fail_msg("%zu bytes at %zu: class %u, not %u", bytes, alignment,
                         ash_class_of_aligned(bytes, alignment), expected);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_what_the_definition_says),
        cmocka_unit_test(slabs_keep_their_limits),
        cmocka_unit_test(every_offset_of_every_slab_has_its_block),
        cmocka_unit_test(every_size_gets_the_smallest_class),
        cmocka_unit_test(alignment_chooses_the_smallest_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
