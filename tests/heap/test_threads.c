/* Thread heaps: how many there can be, in which order the pool gives them out again, and what
 * becomes of them when the system refuses memory. */
#include "heap/threads.h"

#include "support.h"

static void open_many(struct site *site, uint32_t thread_heaps) {
    site_prepare(site);
    struct ashlar_heap_options options = site_options(site, 64 * MIB);
    options.thread_heaps = thread_heaps;
    assert_int_equal(ashlar_heap_create(&options, &site->public_heap), ASHLAR_OK);
    site->heap = ash_heap_of(site->public_heap);
}

static void one_too_many_is_refused(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, SITE_THREADS);
    struct ashlar_thread_heap *extra = NULL;
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &extra), ASHLAR_TOO_MANY);
    assert_null(extra);
    expect_sound(&site);
    ashlar_thread_heap_release(site.threads[2]);
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &extra), ASHLAR_OK);
    assert_ptr_equal(extra, site.threads[2]);
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &extra), ASHLAR_TOO_MANY);
    site_close(&site);
}

static void memory_s_default_is_four(void **state) {
    (void)state;
    static uint8_t memory[MIB];
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *th;
    assert_int_equal(ashlar_heap_create_in(memory, MIB, NULL, &heap), ASHLAR_OK);
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(ashlar_thread_heap_acquire(heap, &th), ASHLAR_OK);
        assert_int_equal(ashlar_thread_heap_id(th), i);
    }
    assert_int_equal(ashlar_thread_heap_acquire(heap, &th), ASHLAR_TOO_MANY);
    ashlar_heap_destroy(heap);
}

static void the_pool_is_last_in_first_out(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, SITE_THREADS);
    static const unsigned order[] = {2, 0, 3, 1};
    for (unsigned i = 0; i < 4; i++) {
        ashlar_thread_heap_release(site.threads[order[i]]);
        expect_sound(&site);
        assert_int_equal(site_stats(&site).thread_heaps, 3 - i);
    }
    for (unsigned i = 4; i-- > 0;) {
        struct ashlar_thread_heap *th;
        assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &th), ASHLAR_OK);
        assert_ptr_equal(th, site.threads[order[i]]);
        assert_int_equal(ashlar_thread_heap_id(th), order[i] + 1);
        expect_sound(&site);
    }
    site_close(&site);
}

static void a_thousand_thread_heaps_work(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    static struct ashlar_thread_heap *threads[COUNT];
    static void *blocks[COUNT];
    struct site site;
    open_many(&site, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &threads[i]), ASHLAR_OK);
        assert_int_equal(ashlar_thread_heap_id(threads[i]), i + 1);
        assert_int_equal((uintptr_t)threads[i] % ASH_CACHE_LINE, 0);
        blocks[i] = ashlar_malloc(threads[i], 48);
        assert_non_null(blocks[i]);
        memset(blocks[i], (int)(i & 0x7f), 48);
    }
    expect_sound(&site);
    assert_int_equal(site_stats(&site).thread_heaps, COUNT);
    for (unsigned i = 0; i < COUNT; i++) ashlar_free(threads[(i + 1) % COUNT], blocks[i]);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).remote_blocks, COUNT);
    for (unsigned i = 0; i < COUNT; i++) ashlar_thread_heap_release(threads[i]);
    expect_sound(&site);
    assert_int_equal(site.heap->root.counts.slabs, 0);
    site_close(&site);
}

static void a_refused_commit_is_no_memory(void **state) {
    (void)state;
    struct site site;
    open_many(&site, 100);
    struct ashlar_thread_heap *th = NULL;
    unsigned acquired = 0, refused = 0;
    while (acquired < 100) {
        fail_next(&site, 1U << ASHLAR_OS_COMMIT, 1);
        struct ashlar_heap_stats before = site_stats(&site);
        enum ashlar_status status = ashlar_thread_heap_acquire(site.public_heap, &th);
        if (site.os.failed > 0) {
            assert_int_equal(status, ASHLAR_NO_MEMORY);
            assert_null(th);
            struct ashlar_heap_stats after = site_stats(&site);
            assert_memory_equal(&before, &after, sizeof before);
            expect_sound(&site);
            refused++;
            fail_no_more(&site);
            status = ashlar_thread_heap_acquire(site.public_heap, &th);
        }
        assert_int_equal(status, ASHLAR_OK);
        assert_int_equal(ashlar_thread_heap_id(th), ++acquired);
        expect_sound(&site);
        th = NULL;
    }
    assert_true(refused > 50); /* most need a page of their own */
    site_close(&site);
}

static void a_released_thread_heap_keeps_only_what_is_live(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *live = ashlar_malloc(site.threads[0], 100);
    for (size_t bytes = 1; bytes <= 65536; bytes = bytes * 2)
        ashlar_free(site.threads[0], ashlar_malloc(site.threads[0], bytes));
    ashlar_thread_heap_release(site.threads[0]);
    assert_int_equal(site.heap->root.counts.slabs, 1);
    expect_sound(&site);
    ashlar_free(site.threads[1], live);
    assert_int_equal(site.heap->root.counts.slabs, 0);
    site_close(&site);
}

static void reset_frees_all_and_keeps_thread_heaps(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 512 * MIB, 3);
    for (unsigned round = 0; round < 3; round++) {
        void *moves = ashlar_malloc(site.threads[0], 2 * MIB);
        for (size_t bytes = 1; bytes < 4 * MIB; bytes = bytes * 2 + 1)
            for (unsigned i = 0; i < 2; i++)
                memset(ashlar_malloc(site.threads[i], bytes), 0x66, bytes);
        void *remote = ashlar_malloc(site.threads[0], 33);
        assert_non_null(ashlar_realloc(site.threads[0], moves, 50 * MIB));
        ashlar_free(site.threads[1], remote);
        if (round == 1) ashlar_thread_heap_release(site.threads[2]);
        expect_sound(&site);
        ashlar_heap_reset(site.public_heap);
        expect_clean(&site);
        struct ashlar_heap_stats stats = site_stats(&site);
        assert_int_equal(stats.live_blocks + stats.free_blocks + stats.remote_blocks, 0);
        assert_int_equal(stats.free_bytes, stats.committed_bytes);
        assert_int_equal(stats.thread_heaps, round == 0 ? 3 : 2);
        uint8_t *zero = ashlar_calloc(site.threads[1], 1, 10 * MIB);
        assert_true(all_zero(zero, 10 * MIB));
        ashlar_free(site.threads[0], zero);
        expect_clean(&site);
    }
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_too_many_is_refused),
        cmocka_unit_test(memory_s_default_is_four),
        cmocka_unit_test(the_pool_is_last_in_first_out),
        cmocka_unit_test(a_thousand_thread_heaps_work),
        cmocka_unit_test(a_refused_commit_is_no_memory),
        cmocka_unit_test(a_released_thread_heap_keeps_only_what_is_live),
        cmocka_unit_test(reset_frees_all_and_keeps_thread_heaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
