/* The fast paths: that they do what can be done fast, and leave everything else alone. A heap whose
 * fast paths refused it all would pass every other test. */
#include "heap/fast.h"

#include "support.h"

enum { WINDOW = ASH_WINDOW_BLOCKS };

static struct ash_thread_heap *th_of(const struct site *site, unsigned thread) {
    return ash_th_of(site->threads[thread]);
}

/* Opens a window of each class, with a live block in it, so that it is not all free. */
static void warm(struct site *site, size_t bytes) {
    assert_non_null(ashlar_malloc(site->th, bytes));
}

static void small_blocks_come_and_go_fast(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    struct ash_thread_heap *th = th_of(&site, 0);
    for (unsigned i = 0; ash_classes[i].block_bytes <= ASH_SMALL_BYTES_MAX; i++) {
        size_t bytes = ash_classes[i].block_bytes - (i % 2) * 15;
        void *block = NULL;
        warm(&site, bytes);
        assert_true(ash_fast_malloc(th, bytes, &block));
        assert_int_equal(page_of(&site, block)->class_index, ash_class_of(bytes));
        assert_true(ash_fast_free(th, block));
        assert_true(ash_fast_malloc(th, bytes, &block));
        assert_true(ash_fast_free_sized(th, block, bytes));
        expect_sound(&site);
    }
    site_close(&site);
}

static void aligned_blocks_come_fast(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    for (size_t alignment = 1; alignment <= ASH_SMALL_BYTES_MAX; alignment *= 2) {
        void *block = NULL;
        warm(&site, alignment);
        assert_true(ash_fast_aligned(th_of(&site, 0), alignment, alignment, &block));
        assert_int_equal((uintptr_t)block % alignment, 0);
        assert_false(ash_fast_aligned(th_of(&site, 0), alignment + (alignment > 1 ? 1 : 2),
                                      alignment, &block));
    }
    expect_sound(&site);
    site_close(&site);
}

/* Larger ones are allocated elsewhere, but freed in the same way. */
static void medium_blocks_go_fast(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 256 * MIB, 1);
    for (unsigned i = 0; i < ASH_CLASS_COUNT; i++) {
        size_t bytes = ash_classes[i].block_bytes;
        warm(&site, bytes);
        void *block = ashlar_malloc(site.th, bytes);
        struct ash_page *page = page_of(&site, block);
        uint64_t index = 0;
        assert_true(ash_fast_find(th_of(&site, 0), block, &page, &index));
        assert_true(ash_fast_live(page, index));
        assert_int_equal(index, 1);
        assert_int_equal(ash_fast_free_sized(th_of(&site, 0), block, bytes),
                         bytes <= ASH_SMALL_BYTES_MAX);
        if (bytes > ASH_SMALL_BYTES_MAX) assert_true(ash_fast_free(th_of(&site, 0), block));
        assert_false(ash_fast_live(page, index));
    }
    expect_sound(&site);
    site_close(&site);
}

static void what_is_not_fast_changes_nothing(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    struct ash_thread_heap *th = th_of(&site, 0);
    void *none = NULL;
    assert_false(ash_fast_malloc(th, 100, &none)); /* no window yet */
    assert_false(ash_fast_malloc(th, ASH_SMALL_BYTES_MAX + 1, &none));
    warm(&site, 100);
    uint8_t *block = ashlar_malloc(site.th, 100), *span = span_pages(&site, 3);
    assert_false(ash_fast_free(th_of(&site, 1), block)); /* another's */
    assert_false(ash_fast_free(th, block + 16));
    assert_false(ash_fast_free(th, span));
    assert_false(ash_fast_free(th, &site));
    assert_false(ash_fast_free_sized(th_of(&site, 1), block, 100));
    assert_false(ash_fast_free_sized(th, block + 16, 100));
    assert_false(ash_fast_free_sized(th, block, 113));
    assert_false(ash_fast_free_sized(th, block, ASH_SMALL_BYTES_MAX + 1));
    assert_true(ash_fast_free(th, block));
    assert_false(ash_fast_free(th, block)); /* again */
    assert_false(ash_fast_free_sized(th, block, 100));
    expect_sound(&site);
    site_close(&site);
}

/* A window that is not the current one: its first free block and its last live one have to be told
 * to others, those between have not. */
static void edges_of_other_windows_are_not_fast(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    struct ash_thread_heap *th = th_of(&site, 0);
    void *blocks[2 * WINDOW];
    for (unsigned i = 0; i < 2 * WINDOW; i++) blocks[i] = ashlar_malloc(site.th, 16);
    assert_false(ash_fast_free(th, blocks[0]));
    ashlar_free(site.th, blocks[0]);
    for (unsigned i = 1; i < WINDOW - 1; i++) assert_true(ash_fast_free(th, blocks[i]));
    assert_false(ash_fast_free(th, blocks[WINDOW - 1]));
    ashlar_free(site.th, blocks[WINDOW - 1]);
    for (unsigned i = WINDOW; i < 2 * WINDOW; i++) /* the current one has no edges */
        assert_true(ash_fast_free(th, blocks[i]));
    expect_sound(&site);
    site_close(&site);
}

/* While others have freed blocks of the slab, this one may be among them. */
static void a_slab_with_remote_frees_is_not_fast(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    struct ash_thread_heap *th = th_of(&site, 0);
    void *blocks[3];
    for (unsigned i = 0; i < 3; i++) blocks[i] = ashlar_malloc(site.th, 16);
    ashlar_free(site.threads[1], blocks[0]);
    struct ash_page *page = page_of(&site, blocks[1]);
    assert_true(ash_fast_shared(page));
    assert_false(ash_fast_live(page, 1));
    assert_false(ash_fast_free(th, blocks[1]));
    ashlar_thread_heap_collect(site.th);
    assert_false(ash_fast_shared(page));
    assert_true(ash_fast_free(th, blocks[1]));
    assert_false(ash_fast_free(th, blocks[0]));
    expect_sound(&site);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks_come_and_go_fast),
        cmocka_unit_test(aligned_blocks_come_fast),
        cmocka_unit_test(medium_blocks_go_fast),
        cmocka_unit_test(what_is_not_fast_changes_nothing),
        cmocka_unit_test(edges_of_other_windows_are_not_fast),
        cmocka_unit_test(a_slab_with_remote_frees_is_not_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
