/* Where a heap's memory comes from: what it does when the system refuses, what it takes of memory
 * that a caller supplies, and that nothing stays mapped. */
#include "heap/region.h"

#include "heap/root.h"
#include "support.h"

#include <stdlib.h>

/* A system that reserves no more than so much at once, and has pages of this size. */
struct narrow {
    struct ashlar_os os;
    const struct ashlar_os *below;
    size_t reserve_most;
    size_t page_bytes;
};

static void *narrow_reserve(void *context, size_t bytes, size_t alignment) {
    const struct narrow *narrow = context;
    if (bytes > narrow->reserve_most) return NULL;
    return narrow->below->reserve(narrow->below->context, bytes, alignment);
}

static size_t narrow_page_bytes(void *context) {
    return ((const struct narrow *)context)->page_bytes;
}

/* Lies between the heap and the fault twin, which counts what is mapped. */
static void narrow_open(struct narrow *narrow, struct site *site) {
    *narrow =
        (struct narrow){.os = *ashlar_os_linux(), .below = ashlar_os_linux(), .page_bytes = 4096};
    narrow->os.context = narrow;
    narrow->os.reserve = narrow_reserve;
    narrow->os.page_bytes = narrow_page_bytes;
    narrow->reserve_most = SIZE_MAX;
    site_prepare(site);
    site->os.below = &narrow->os;
}

static void reserving_falls_back_by_halves(void **state) {
    (void)state;
    for (size_t bytes = (size_t)64 << 20; bytes <= (size_t)1 << 35; bytes *= 2) {
        struct narrow narrow;
        struct site site;
        narrow_open(&narrow, &site);
        /* little enough that the next larger region is refused, enough for all the metadata */
        narrow.reserve_most = bytes * 2 - PAGE;
        struct ashlar_heap_options options = site_options(&site, 0);
        assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
        site.heap = ash_heap_of(site.public_heap);
        assert_int_equal(site_stats(&site).region_bytes, bytes);
        assert_int_equal(site.os.mapped_bytes, bytes + site.heap->root.metadata_bytes);
        site_close(&site);
    }
}

static void refused_metadata_gives_the_region_back(void **state) {
    (void)state;
    struct site site;
    site_prepare(&site);
    fail_next(&site, 1U << ASHLAR_OS_RESERVE, 2);
    struct ashlar_heap_options options = site_options(&site, (size_t)1 << 30);
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
    site.heap = ash_heap_of(site.public_heap);
    assert_int_equal(site_stats(&site).region_bytes, (size_t)1 << 29);
    assert_int_equal(site.os.mapped_bytes, ((size_t)1 << 29) + site.heap->root.metadata_bytes);
    site_close(&site);
}

static void too_little_address_space_is_said(void **state) {
    (void)state;
    struct narrow narrow;
    struct site site;
    narrow_open(&narrow, &site);
    narrow.reserve_most = 64 * MIB - PAGE;
    struct ashlar_heap_options options = site_options(&site, 0);
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_TOO_SMALL);
    assert_null(site.public_heap);
    options = site_options(&site, 64 * MIB - PAGE);
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_TOO_SMALL);
    assert_int_equal(site.os.mapped_bytes, 0);
}

static void invalid_arguments_are_refused(void **state) {
    (void)state;
    struct narrow narrow;
    struct site site;
    narrow_open(&narrow, &site);
    static const size_t sizes[] = {64 * MIB + 1, 64 * MIB + 4096, ((size_t)1 << 40) + PAGE,
                                   SIZE_MAX};
    for (unsigned i = 0; i < 4; i++) {
        struct ashlar_heap_options options = site_options(&site, sizes[i]);
        assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_INVALID);
    }
    static const size_t pages[] = {0, 3000, 2 * PAGE}; /* of the system */
    for (unsigned i = 0; i < 3; i++) {
        narrow.page_bytes = pages[i];
        struct ashlar_heap_options options = site_options(&site, 64 * MIB);
        assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_INVALID);
    }
    assert_null(site.public_heap);
    assert_int_equal(site.os.calls, 0);
}

static void larger_system_pages_do(void **state) {
    (void)state;
    for (size_t bytes = 16384; bytes <= PAGE; bytes *= 4) {
        struct narrow narrow;
        struct site site;
        narrow_open(&narrow, &site);
        narrow.page_bytes = bytes;
        struct ashlar_heap_options options = site_options(&site, 64 * MIB);
        assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
        site.heap = ash_heap_of(site.public_heap);
        for (unsigned i = 0; i < SITE_THREADS; i++)
            assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &site.threads[i]),
                             ASHLAR_OK);
        while (ashlar_malloc(site.threads[0], 70000) != NULL) continue;
        site_close(&site);
    }
}

static void each_failing_call_of_create_leaves_nothing(void **state) {
    (void)state;
    for (unsigned after = 0; after < 2; after++) {
        uint64_t nth = 1;
        for (;; nth++) {
            struct site site;
            site_prepare(&site);
            site.os.fail_at = nth;
            site.os.fail_after = after != 0;
            struct ashlar_heap_options options = site_options(&site, 64 * MIB);
            enum ashlar_status status = ashlar_heap_create(&options, &site.public_heap);
            if (site.os.failed == 0) {
                assert_int_equal(status, ASHLAR_OK);
                site_close(&site);
                break;
            }
            assert_in_range(status, ASHLAR_NO_MEMORY, ASHLAR_TOO_SMALL);
            assert_null(site.public_heap);
            assert_int_equal(site.os.mapped_bytes, 0);
        }
        assert_int_equal(nth, 4); /* region, metadata, commit */
    }
}

static void destroy_gives_everything_back(void **state) {
    (void)state;
    struct site site;
    site_open(&site, (size_t)1 << 30, 3);
    for (unsigned i = 0; i < 3; i++)
        for (size_t bytes = 1; bytes < 8 * MIB; bytes = bytes * 3 / 2 + 1)
            assert_non_null(ashlar_malloc(site.threads[i], bytes));
    void *moves = ashlar_malloc(site.th, 3 * MIB);
    ashlar_malloc(site.th, MIB);
    assert_non_null(ashlar_realloc(site.th, moves, 300 * MIB));
    site_close(&site);
}

static void the_root_proves_itself(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    const struct ash_root *root = &site.heap->root;
    assert_int_equal(ashlar_heap_root(site.public_heap), (uintptr_t)root);
    assert_int_equal(root->self, (uintptr_t)root);
    assert_memory_equal(&root->magic, "AasHSlr\0", 8);
    assert_int_equal(root->checksum, ash_root_checksum(root));
    struct ash_root copy = *root;
    copy.checksum = 0;
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a, as published */
    for (size_t i = 0; i < offsetof(struct ash_root, transition); i += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)&copy + i, 8);
        hash = (hash ^ word) * UINT64_C(1099511628211);
    }
    assert_int_equal(root->checksum, hash);
    for (size_t i = 0; i < offsetof(struct ash_root, transition); i++) {
        if (i >= offsetof(struct ash_root, checksum) && i < offsetof(struct ash_root, self))
            continue;
        memcpy(&copy, root, sizeof copy);
        ((uint8_t *)&copy)[i] ^= 1;
        assert_int_not_equal(copy.checksum, ash_root_checksum(&copy));
    }
    site_close(&site);
}

static void bookkeeping_is_counted_as_it_grows(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 1024 * MIB, 1);
    ashlar_malloc(site.th, 1);
    struct ashlar_heap_stats before = site_stats(&site);
    ashlar_malloc(site.th, 100 * MIB);
    struct ashlar_heap_stats after = site_stats(&site);
    uint64_t pages = (after.committed_bytes - before.committed_bytes) / PAGE;
    assert_true(pages >= 100 * MIB / PAGE - 64);
    assert_int_equal(after.metadata_bytes - before.metadata_bytes,
                     pages * (sizeof(struct ash_page) + ASH_BITMAP_STRIDE) + pages / 8);
    site_close(&site);
}

/* One heap in [memory, memory + bytes), which lies between watched bytes. */
static void try_memory(struct site *site, uint8_t *memory, size_t bytes) {
    enum { WATCHED = 64 };
    memset(memory - WATCHED, 0xc3, WATCHED);
    memset(memory + bytes, 0xc3, WATCHED);
    struct ashlar_heap_options options = site_options(site, 0);
    assert_int_equal(ashlar_heap_create_in(memory, bytes, &options, &site->public_heap), ASHLAR_OK);
    site->heap = ash_heap_of(site->public_heap);
    assert_int_equal(ashlar_thread_heap_acquire(site->public_heap, &site->th), ASHLAR_OK);
    struct ashlar_heap_stats stats = site_stats(site);
    assert_true(stats.region_bytes + stats.metadata_bytes <= bytes);
    assert_true(stats.region_bytes + stats.metadata_bytes + 3 * PAGE >= bytes);
    uint64_t base = site->heap->root.region_base;
    assert_true(base >= (uintptr_t)memory &&
                base + stats.region_bytes <= (uintptr_t)memory + bytes);
    uint8_t *zero = ashlar_calloc(site->th, 1, 5 * PAGE);
    assert_non_null(zero);
    assert_true(all_zero(zero, 5 * PAGE));
    void *last = NULL, *next;
    while ((next = ashlar_malloc(site->th, 40000)) != NULL) {
        memset(next, 0x3c, 40000);
        last = next;
    }
    assert_non_null(last);
    expect_sound(site);
    ashlar_heap_destroy(site->public_heap);
    for (unsigned i = 1; i <= WATCHED; i++) assert_int_equal(memory[-(ptrdiff_t)i], 0xc3);
    for (unsigned i = 0; i < WATCHED; i++) assert_int_equal(memory[bytes + i], 0xc3);
}

static void memory_of_any_size_and_place_does(void **state) {
    (void)state;
    static const size_t offsets[] = {0, 1, 8, 63, 64, 4096, PAGE - 1};
    uint8_t *memory = NULL;
    assert_int_equal(posix_memalign((void **)&memory, PAGE, 3 * MIB), 0);
    memset(memory, 0xa5, 3 * MIB);
    struct site site;
    site_prepare(&site);
    unsigned turn = 0;
    for (size_t bytes = MIB; bytes <= 2 * MIB; bytes += 4099)
        for (unsigned i = 0; i < 3; i++)
            try_memory(&site, memory + PAGE + offsets[turn++ % 7], bytes);
    assert_int_equal(site.os.calls, 0); /* it makes no system call */
    free(memory);
}

/* Where the bookkeeping, estimated for all pages there might be, ends just where a page starts,
 * that page is used. */
static void no_page_is_lost_to_rounding(void **state) {
    (void)state;
    enum { PAGES = 128 };
    uint64_t line = ASH_CACHE_LINE;
    uint64_t estimate = ash_round_up(sizeof(struct ash_heap), line) +
                        SITE_THREADS * (uint64_t)ASH_THREAD_HEAP_STRIDE +
                        (PAGES - 1) * (sizeof(struct ash_page) + ASH_BITMAP_STRIDE) + 16;
    size_t offset = PAGE - ash_round_up(estimate, line) % PAGE;
    uint8_t *memory = NULL;
    assert_int_equal(posix_memalign((void **)&memory, PAGE, PAGES * PAGE), 0);
    struct site site;
    site_prepare(&site);
    struct ashlar_heap_options options = site_options(&site, 0);
    assert_int_equal(
        ashlar_heap_create_in(memory + offset, PAGES * PAGE - offset, &options, &site.public_heap),
        ASHLAR_OK);
    site.heap = ash_heap_of(site.public_heap);
    assert_int_equal(site.heap->root.region_pages, PAGES - (offset + estimate + PAGE - 1) / PAGE);
    assert_true(site.heap->root.metadata_bytes < estimate); /* there are fewer */
    expect_sound(&site);
    ashlar_heap_destroy(site.public_heap);
    free(memory);
}

static void unfit_memory_is_refused(void **state) {
    (void)state;
    struct ashlar_heap *heap = NULL;
    uint8_t *memory = malloc(2 * MIB);
    assert_non_null(memory);
    assert_int_equal(ashlar_heap_create_in(NULL, MIB, NULL, &heap), ASHLAR_INVALID);
    assert_int_equal(ashlar_heap_create_in(memory, MIB - 1, NULL, &heap), ASHLAR_TOO_SMALL);
    assert_int_equal(ashlar_heap_create_in(memory, 0, NULL, &heap), ASHLAR_TOO_SMALL);
    assert_int_equal(ashlar_heap_create_in(memory, SIZE_MAX - 100, NULL, &heap), ASHLAR_INVALID);
    struct ashlar_heap_options many = {.thread_heaps = 700}; /* more than 2 MiB of them */
    assert_int_equal(ashlar_heap_create_in(memory, 2 * MIB, &many, &heap), ASHLAR_TOO_SMALL);
    many.thread_heaps = UINT32_MAX;
    assert_int_equal(ashlar_heap_create_in(memory, 2 * MIB, &many, &heap), ASHLAR_TOO_SMALL);
    assert_null(heap);
    assert_int_equal(ashlar_heap_create_in(memory, 2 * MIB, NULL, &heap), ASHLAR_OK);
    const struct ash_root *root = &ash_heap_of(heap)->root;
    ashlar_heap_destroy(heap);
    assert_int_equal(root->magic, 0);
    free(memory);
}

static void every_status_has_its_text(void **state) {
    (void)state;
    for (unsigned i = 0; i <= ASHLAR_STATUS_COUNT; i++) {
        const char *text = ashlar_status_text((enum ashlar_status)i);
        assert_non_null(text);
        for (unsigned other = 0; other < i; other++)
            assert_string_not_equal(text, ashlar_status_text((enum ashlar_status)other));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserving_falls_back_by_halves),
        cmocka_unit_test(refused_metadata_gives_the_region_back),
        cmocka_unit_test(too_little_address_space_is_said),
        cmocka_unit_test(invalid_arguments_are_refused),
        cmocka_unit_test(larger_system_pages_do),
        cmocka_unit_test(each_failing_call_of_create_leaves_nothing),
        cmocka_unit_test(destroy_gives_everything_back),
        cmocka_unit_test(the_root_proves_itself),
        cmocka_unit_test(bookkeeping_is_counted_as_it_grows),
        cmocka_unit_test(memory_of_any_size_and_place_does),
        cmocka_unit_test(no_page_is_lost_to_rounding),
        cmocka_unit_test(unfit_memory_is_refused),
        cmocka_unit_test(every_status_has_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
