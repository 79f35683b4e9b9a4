/* How large callocs become zero: which way is taken follows what was done with the ones before. */
#include "heap/spans.h"

#include "support.h"

enum { ROUNDS = 40, RESIDENT_STEP = 16 };

static bool resident(struct site *site, const uint8_t *byte) {
    return site->os.os.resident(site->os.os.context, byte);
}

/* Of some places of a block, how many are in memory. */
static unsigned residents(struct site *site, const uint8_t *block, size_t bytes) {
    unsigned count = 0;
    for (size_t i = 0; i < RESIDENT_STEP; i++)
        count += resident(site, block + i * bytes / RESIDENT_STEP);
    return count;
}

/* A program that writes `share` of 16 parts of every calloc of `bytes`; each of them must be zero.
 * Returns what was resident of the last one before it was written to. */
static unsigned use(struct site *site, size_t bytes, unsigned share, unsigned rounds) {
    unsigned found = 0;
    for (unsigned round = 0; round < rounds; round++) {
        uint8_t *block = ashlar_calloc(site->th, 1, bytes);
        found = residents(site, block, bytes);
        assert_true(share < 16 || all_zero(block, bytes));
        memset(block, 0x5a, share * bytes / 16);
        ashlar_free(site->th, block);
    }
    return found;
}

static void what_is_filled_is_cleared_and_what_is_not_goes_back(void **state) {
    (void)state;
    static const size_t sizes[] = {65537, 3 * PAGE + 5, MIB, 5 * MIB + 77};
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct site site;
        site_open(&site, 64 * MIB, 1);
        size_t bytes = sizes[i];
        assert_true(use(&site, bytes, 16, ROUNDS) >= RESIDENT_STEP - 1); /* one may be watched */
        assert_in_range(site.heap->habits[ash_highest_bit(ash_span_pages(bytes)) & 7].touched, 1,
                        UINT16_MAX);
        assert_int_equal(use(&site, bytes, 0, 40 * ROUNDS), 0);
        assert_true(use(&site, bytes, 16, 40 * ROUNDS) >= RESIDENT_STEP - 1);
        site_close(&site);
    }
}

/* Each size has a habit of its own .. */
static void sizes_do_not_teach_each_other(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    use(&site, MIB, 16, ROUNDS);
    use(&site, 3 * MIB, 0, ROUNDS);
    assert_true(use(&site, MIB, 16, 2) >= RESIDENT_STEP - 1);
    assert_int_equal(use(&site, 3 * MIB, 0, 2), 0);
    site_close(&site);
}

/* .. but the largest: from 8 MiB on they have one together. */
static void the_largest_sizes_have_one_habit(void **state) {
    (void)state;
    for (unsigned size = ASH_HABITS - 2; size < ASH_HABITS + 2; size++) {
        struct site site;
        site_open(&site, 256 * MIB, 1);
        use(&site, PAGE << size, 1, 1);
        for (unsigned i = 0; i < ASH_HABITS; i++)
            assert_int_equal(site.heap->habits[i].seen,
                             i == (size < ASH_HABITS ? size : ASH_HABITS - 1));
        site_close(&site);
    }
}

/* Many live blocks: the watched one is not always the one that is freed, and a block that is never
 * freed does not end the watch. */
static void a_block_that_stays_is_not_watched_for_ever(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    assert_non_null(ashlar_calloc(site.th, 1, MIB)); /* watched */
    assert_int_not_equal(site.heap->habits[4].watched, 0);
    use(&site, MIB, 16, 10 * ROUNDS);
    assert_int_not_equal(site.heap->habits[4].seen, 0);
    assert_true(use(&site, MIB, 16, 2) >= RESIDENT_STEP - 1);
    site_close(&site);
}

/* Only dirty pages of a mixed span are cleared: the clean ones stay out of memory. */
static void clean_pages_are_left_alone(void **state) {
    (void)state;
    for (unsigned refused = 0; refused < 2; refused++) {
        struct site site;
        site_open(&site, 128 * MIB, 1);
        use(&site, 3 * MIB, 16, ROUNDS);
        ashlar_trim(site.public_heap, NULL);
        uint8_t *first = span_pages(&site, 8);
        memset(first, 0x77, 8 * PAGE);
        ashlar_free(site.th, first);
        if (refused != 0) fail_next(&site, 1U << ASHLAR_OS_PURGE, 1);
        uint8_t *block = ashlar_calloc(site.th, 1, 3 * MIB);
        fail_no_more(&site);
        assert_ptr_equal(block, first);
        assert_true(residents(&site, block, 8 * PAGE) >= RESIDENT_STEP - 1);
        assert_false(resident(&site, block + 8 * PAGE));
        assert_false(resident(&site, block + 3 * MIB - 1));
        assert_true(all_zero(block, 3 * MIB));
        ashlar_free(site.th, block);
        site_close(&site);
    }
}

/* The watched page is the block's that it lies in, and no neighbour's. */
static void a_neighbour_is_not_watched(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    uint8_t *spans[3];
    for (unsigned i = 0; i < 3; i++) spans[i] = span_pages(&site, 16);
    struct ash_habit *habit = &site.heap->habits[4];
    const uint64_t first = (uintptr_t)spans[1], last = (uintptr_t)spans[2] - 4096;
    assert_true(spans[1] == spans[0] + MIB && spans[2] == spans[1] + MIB);
    habit->watched = first;
    ashlar_free(site.th, spans[0]);
    habit->watched = habit->watched == first ? last : 0;
    ashlar_free(site.th, spans[2]);
    assert_int_equal(habit->watched, last);
    assert_int_equal(ash_th_of(site.th)->kept_spans, 2);
    ashlar_free(site.th, spans[1]);
    assert_int_equal(habit->watched, 0);
    assert_int_equal(habit->seen, 1);
    site_close(&site);
}

/* The page that is watched is any of them: a header, which is always written, proves nothing
 * about the rest. */
static void a_first_page_does_not_speak_for_the_block(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    uint8_t *block = NULL;
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        block = ashlar_calloc(site.th, 1, MIB);
        *block = 1;
        ashlar_free(site.th, block);
    }
    assert_int_equal(use(&site, MIB, 0, 1), 0);
    uint64_t *watched = &site.heap->habits[4].watched;
    assert_int_equal(*watched, 0);
    bool late = false; /* nor are pages of one half only watched */
    for (unsigned round = 0; round < 2 * ROUNDS; round++) {
        site.heap->habits[4].wait = 0;
        block = ashlar_calloc(site.th, 1, MIB);
        late = late || *watched - (uintptr_t)block >= MIB / 2;
        ashlar_free(site.th, block);
    }
    assert_true(late);
    site_close(&site);
}

/* Watching costs a system call or two: each time until a habit is known, then rarely. */
static void a_known_habit_is_watched_one_time_in_eight(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (unsigned round = 1; round <= 16; round++) {
        use(&site, MIB, 16, 1);
        assert_int_equal(site.heap->habits[4].seen, round);
    }
    fail_next(&site, 1U << ASHLAR_OS_PURGE, 0);
    use(&site, MIB, 16, 80);
    assert_int_equal(site.os.calls, 10);
    site_close(&site);
}

/* Up to 512 pages it is known which of them are dirty; longer ones are cleared whole. */
static void a_long_mixed_span_is_zero_all_over(void **state) {
    (void)state;
    static const size_t lengths[] = {511, 512, 513, 1200};
    for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct site site;
        size_t pages = lengths[i], bytes = pages * PAGE;
        site_open_plain(&site, 128 * MIB, 1);
        use(&site, bytes, 16, 1); /* such are filled */
        ashlar_trim(site.public_heap, NULL);
        void *first = span_pages(&site, 8), *between = span_pages(&site, pages - 108),
             *last = span_pages(&site, 100);
        memset(first, 0x77, 8 * PAGE);
        memset(last, 0x77, 100 * PAGE);
        ashlar_free(site.th, between);
        ashlar_trim(site.public_heap, NULL);
        ashlar_free(site.th, first);
        ashlar_free(site.th, last);
        uint8_t *block = ashlar_calloc(site.th, 1, bytes);
        assert_ptr_equal(block, first);
        assert_true(all_zero(block, bytes));
        ashlar_free(site.th, block);
        site_close(&site);
    }
}

/* A heap in the caller's memory cannot give anything back. */
static void a_placed_heap_always_clears(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, 16 * MIB, 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t *block = ashlar_calloc(site.th, 1, MIB);
        assert_true(all_zero(block, MIB));
        memset(block, 1, MIB);
        ashlar_free(site.th, block);
    }
    assert_int_equal(site.heap->habits[4].seen, 0);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_filled_is_cleared_and_what_is_not_goes_back),
        cmocka_unit_test(sizes_do_not_teach_each_other),
        cmocka_unit_test(the_largest_sizes_have_one_habit),
        cmocka_unit_test(a_block_that_stays_is_not_watched_for_ever),
        cmocka_unit_test(clean_pages_are_left_alone),
        cmocka_unit_test(a_neighbour_is_not_watched),
        cmocka_unit_test(a_first_page_does_not_speak_for_the_block),
        cmocka_unit_test(a_known_habit_is_watched_one_time_in_eight),
        cmocka_unit_test(a_long_mixed_span_is_zero_all_over),
        cmocka_unit_test(a_placed_heap_always_clears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
