/* Remote frees, played by one thread with several thread heaps: every order of frees, merges and
 * releases that the protocol of remote.c tells apart. */
#include "heap/remote.h"

#include "support.h"

static struct ash_thread_heap *th_of(const struct site *site, unsigned thread) {
    return ash_th_of(site->threads[thread]);
}

static uint32_t pending_slabs(const struct site *site, unsigned thread) {
    uint32_t count = 0;
    uint32_t link = atomic_load(&th_of(site, thread)->pending);
    for (; link != 0; count++) link = atomic_load(&ash_page_at(site->heap, link - 1)->pending_next);
    return count;
}

static void a_remote_free_waits_for_its_owner(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *block = ashlar_malloc(site.threads[0], 100), *kept = ashlar_malloc(site.threads[0], 100);
    ashlar_free(site.threads[1], block);
    expect_sound(&site);
    struct ashlar_block seen;
    assert_true(ashlar_heap_find(site.public_heap, (uintptr_t)block, &seen));
    assert_int_equal(seen.state, ASHLAR_BLOCK_REMOTE);
    assert_int_equal(site_stats(&site).remote_blocks, 1);
    assert_int_equal(site_stats(&site).live_blocks, 1);
    assert_int_equal(pending_slabs(&site, 0), 1);
    ashlar_thread_heap_collect(site.threads[0]);
    expect_sound(&site);
    assert_true(ashlar_heap_find(site.public_heap, (uintptr_t)block, &seen));
    assert_int_equal(seen.state, ASHLAR_BLOCK_FREE);
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    assert_int_equal(pending_slabs(&site, 0), 0);
    ashlar_free(site.threads[0], kept);
    site_close(&site);
}

enum step { LOCAL, REMOTE, OTHER, MERGE };

static void take_step(struct site *site, enum step step, void *block) {
    if (step == LOCAL)
        ashlar_free(site->threads[0], block);
    else if (step == MERGE)
        ashlar_thread_heap_collect(site->threads[0]);
    else
        ashlar_free(site->threads[step == REMOTE ? 1 : 2], block);
}

/* Frees the block by two steps, with or without a merge between and after: the second is found, the
 * block is free exactly once. */
static void free_twice(size_t bytes, enum step first, bool merge, enum step second) {
    struct site site;
    site_open(&site, 64 * MIB, 3);
    void *kept = ashlar_malloc(site.threads[0], bytes);
    void *block = ashlar_malloc(site.threads[0], bytes);
    size_t usable = ashlar_usable_size(site.threads[0], block);
    take_step(&site, first, block);
    if (merge) take_step(&site, MERGE, block);
    assert_int_equal(site.misuses, 0);
    take_step(&site, second, block);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", block, block, usable);
    assert_int_equal(site.misuse.thread_heap, second == LOCAL ? 1 : second == REMOTE ? 2 : 3);
    expect_sound(&site);
    take_step(&site, MERGE, block);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).live_blocks, 1);
    take_step(&site, second, block); /* and a third time */
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", block, block, usable);
    ashlar_free(site.threads[0], kept);
    site_close(&site);
}

static void double_frees_are_found_in_every_order(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 100, 1024, 2000, 60000};
    for (unsigned size = 0; size < 5; size++)
        for (unsigned first = LOCAL; first <= OTHER; first++)
            for (unsigned second = LOCAL; second <= OTHER; second++)
                for (unsigned merge = 0; merge < 2; merge++)
                    free_twice(sizes[size], (enum step)first, merge != 0, (enum step)second);
}

/* The instant between steps F2 and F3, held still: the bit is set and the summary is not. The owner
 * cannot see it, so the merge reports. */
static void the_merge_finds_what_the_owner_could_not_see(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *block = ashlar_malloc(site.threads[0], 64), *other = ashlar_malloc(site.threads[0], 64);
    struct ash_page *head = page_of(&site, block);
    uint64_t number = ash_page_number(site.heap, head);
    atomic_fetch_or(&ash_remote_words(site.heap, number)[0], 1); /* F2, by another thread */
    ashlar_free(site.threads[0], block);
    assert_int_equal(site.misuses, 0);
    atomic_fetch_or(&head->remote_summary, 1);                               /* F3 */
    atomic_store(&th_of(&site, 0)->pending, ash_slab_link(site.heap, head)); /* F4 */
    ashlar_thread_heap_collect(site.threads[0]);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", block, block, 64);
    expect_sound(&site);
    assert_int_equal(site_stats(&site).live_blocks, 1);
    ashlar_free(site.threads[0], other);
    site_close(&site);
}

static void many_slabs_wait_on_one_stack(void **state) {
    (void)state;
    enum { SLABS = 60, EACH = 64 };
    struct site site;
    site_open(&site, 64 * MIB, 3);
    void *blocks[SLABS * EACH];
    for (unsigned i = 0; i < SLABS * EACH; i++) blocks[i] = ashlar_malloc(site.threads[0], 1024);
    for (unsigned i = 0; i < EACH; i++) {
        for (unsigned slab = 0; slab < SLABS; slab++)
            ashlar_free(site.threads[1 + (i + slab) % 2], blocks[slab * EACH + i]);
        assert_int_equal(pending_slabs(&site, 0), SLABS); /* each at most once */
        expect_sound(&site);
    }
    assert_int_equal(site_stats(&site).remote_blocks, SLABS * EACH);
    ashlar_thread_heap_collect(site.threads[0]);
    expect_sound(&site);
    assert_int_equal(site.heap->root.counts.slabs, 1); /* the current one */
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    site_close(&site);
}

static void an_owner_of_large_blocks_merges_too(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    ashlar_free(site.threads[1], ashlar_malloc(site.threads[0], 100));
    assert_int_equal(pending_slabs(&site, 0), 1);
    span_pages(&site, 2);
    assert_int_equal(pending_slabs(&site, 0), 0);
    site_close(&site);
}

static void the_owner_merges_on_its_own_slow_path(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *blocks[3 * 64];
    for (unsigned i = 0; i < 3 * 64; i++) blocks[i] = ashlar_malloc(site.threads[0], 1024);
    for (unsigned i = 0; i < 64; i++) ashlar_free(site.threads[1], blocks[64 + i]);
    assert_int_equal(site.heap->root.counts.slabs, 3);
    void *next = ashlar_malloc(site.threads[0], 1024);
    assert_non_null(next);
    assert_int_equal(pending_slabs(&site, 0), 0);
    expect_sound(&site);
    assert_int_equal(site.heap->root.counts.slabs, 3);
    site_close(&site);
}

/* One block again and again needs refills, but its window always has enough: what others freed
 * waits for a look at the clock, and for no more. */
static void an_owner_whose_sweeps_never_end_merges_too(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *blocks[3 * 64];
    for (unsigned i = 0; i < 3 * 64; i++) blocks[i] = ashlar_malloc(site.threads[0], 1024);
    ashlar_free(site.threads[0], ashlar_malloc(site.threads[0], 64));
    for (unsigned i = 0; i < 10; i++) ashlar_free(site.threads[1], blocks[i]);
    for (unsigned i = 0; i < 200; i++)
        ashlar_free(site.threads[0], ashlar_malloc(site.threads[0], 64));
    assert_int_equal(pending_slabs(&site, 0), 1); /* after some refills */
    for (unsigned i = 0; i < 2000; i++)
        ashlar_free(site.threads[0], ashlar_malloc(site.threads[0], 64));
    assert_int_equal(pending_slabs(&site, 0), 0);
    expect_sound(&site);
    site_close(&site);
}

/* A producer that only makes and a consumer that only frees: memory stays bounded. */
static void a_producer_lives_on_what_a_consumer_frees(void **state) {
    (void)state;
    enum { AHEAD = 500, STEPS = 100000 };
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *blocks[AHEAD] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        ashlar_free(site.threads[1], blocks[step % AHEAD]);
        blocks[step % AHEAD] = ashlar_malloc(site.threads[0], 16 + step % 200);
    }
    expect_sound(&site);
    assert_true(site_stats(&site).slab_bytes <= 40 * PAGE); /* 15 classes in use */
    site_close(&site);
}

static void a_large_block_finds_what_others_freed(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, MIB, 2);
    size_t region = site_stats(&site).region_bytes;
    void *blocks[2048], *next;
    unsigned count = 0;
    while ((next = ashlar_malloc(site.threads[0], 1024)) != NULL) blocks[count++] = next;
    for (unsigned i = 0; i < count; i++) ashlar_free(site.threads[1], blocks[i]);
    assert_non_null(ashlar_malloc(site.threads[0], region)); /* all is free, but not yet merged */
    site_close(&site);
}

static void frees_into_a_pooled_owner_are_collected_at_once(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *blocks[200];
    for (unsigned i = 0; i < 200; i++) blocks[i] = ashlar_malloc(site.threads[0], 500);
    for (unsigned i = 0; i < 50; i++) ashlar_free(site.threads[1], blocks[i]);
    ashlar_thread_heap_release(site.threads[0]); /* with frees pending */
    expect_sound(&site);
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    for (unsigned i = 50; i < 200; i++) {
        ashlar_free(site.threads[1], blocks[i]);
        assert_int_equal(site_stats(&site).remote_blocks, 0);
        expect_sound(&site);
    }
    assert_int_equal(site.heap->root.counts.slabs, 0); /* nothing of a dead thread's is stranded */
    ashlar_free(site.threads[1], blocks[7]);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", blocks[7], NULL, 0);
    site_close(&site);
}

static void whoever_adopts_owns_the_slabs(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *blocks[100];
    for (unsigned i = 0; i < 100; i++) blocks[i] = ashlar_malloc(site.threads[0], 64);
    ashlar_thread_heap_release(site.threads[0]);
    struct ashlar_thread_heap *heir;
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &heir), ASHLAR_OK);
    assert_int_equal(ashlar_thread_heap_id(heir), 1);
    for (unsigned i = 0; i < 50; i++) ashlar_free(heir, blocks[i]); /* now local */
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    for (unsigned i = 50; i < 60; i++) ashlar_free(site.threads[1], blocks[i]);
    assert_int_equal(site_stats(&site).remote_blocks, 10);
    ashlar_free(heir, blocks[55]);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", blocks[55], blocks[55], 64);
    assert_non_null(ashlar_malloc(heir, 64));
    assert_int_equal(site.heap->root.counts.slabs, 1);
    site_close(&site);
}

static void resizing_and_measuring_work_across_owners(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    void *block = ashlar_malloc(site.threads[0], 100);
    fill(block, 100, 3);
    assert_int_equal(ashlar_usable_size(site.threads[1], block), 112);
    assert_ptr_equal(ashlar_realloc(site.threads[1], block, 97), block);
    void *moved = ashlar_realloc(site.threads[1], block, 5000);
    assert_true(holds(moved, 100, 3));
    assert_int_equal(site_stats(&site).remote_blocks, 1);
    ashlar_free_sized(site.threads[0], moved, 5000);
    assert_int_equal(site_stats(&site).remote_blocks, 2);
    expect_sound(&site);
    errno = 0;
    assert_null(ashlar_realloc(site.threads[0], block, 200)); /* remotely freed is free */
    assert_int_equal(errno, EINVAL);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "realloc", block, block, 112);
    assert_int_equal(ashlar_usable_size(site.threads[0], block), 0);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "usable_size", block, block, 112);
    site_close(&site);
}

/* The short proof refuses every block of such a slab, and the long one tells which are live. */
static void live_blocks_beside_remotely_freed_ones_resize(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 2);
    struct ashlar_thread_heap *th = site.threads[0];
    uint8_t *live = ashlar_malloc(th, 100), *freed = ashlar_malloc(th, 100);
    fill(live, 100, 9);
    ashlar_free(site.threads[1], freed);
    assert_int_equal(ashlar_usable_size(th, live), 112);
    assert_ptr_equal(ashlar_realloc(th, live, 112), live);
    assert_null(ashlar_realloc(th, freed, 112));
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "realloc", freed, freed, 112);
    assert_int_equal(ashlar_usable_size(th, freed), 0);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "usable_size", freed, freed, 112);
    uint8_t *moved = ashlar_realloc(th, live, 300);
    assert_true(moved != live && holds(moved, 100, 9));
    ashlar_free(th, live);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", live, live, 112);
    assert_int_equal(site_stats(&site).live_blocks, 1);
    site_close(&site);
}

/* The last block of a short window, while another thread has freed one of the slab. */
static void the_last_of_a_short_window_collects(void **state) {
    (void)state;
    enum { BYTES = 80, BLOCKS = ASH_PAGE_BYTES / BYTES, SHORT = BLOCKS % ASH_WINDOW_BLOCKS };
    struct site site;
    site_open(&site, 64 * MIB, 2);
    static void *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) blocks[i] = ashlar_malloc(site.th, BYTES);
    assert_non_null(ashlar_malloc(site.th, BYTES)); /* the next slab's: this one is full */
    const struct ash_page *head = page_of(&site, blocks[0]);
    assert_int_equal(head->block_count, BLOCKS);
    void **last = blocks + BLOCKS - SHORT;
    ashlar_free(site.th, last[0]);
    ashlar_free(site.threads[1], blocks[0]);
    for (unsigned i = 1; i < SHORT; i++) {
        assert_int_equal(site_stats(&site).remote_blocks, 1);
        ashlar_free(site.th, last[i]);
    }
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    expect_sound(&site);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_remote_free_waits_for_its_owner),
        cmocka_unit_test(double_frees_are_found_in_every_order),
        cmocka_unit_test(the_merge_finds_what_the_owner_could_not_see),
        cmocka_unit_test(many_slabs_wait_on_one_stack),
        cmocka_unit_test(an_owner_of_large_blocks_merges_too),
        cmocka_unit_test(the_owner_merges_on_its_own_slow_path),
        cmocka_unit_test(an_owner_whose_sweeps_never_end_merges_too),
        cmocka_unit_test(a_producer_lives_on_what_a_consumer_frees),
        cmocka_unit_test(a_large_block_finds_what_others_freed),
        cmocka_unit_test(frees_into_a_pooled_owner_are_collected_at_once),
        cmocka_unit_test(whoever_adopts_owns_the_slabs),
        cmocka_unit_test(resizing_and_measuring_work_across_owners),
        cmocka_unit_test(live_blocks_beside_remotely_freed_ones_resize),
        cmocka_unit_test(the_last_of_a_short_window_collects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
