/* Idle owners, played by one thread with several thread heaps: what others free into the slabs of a
 * thread heap that does nothing comes back, and nothing is given back while somebody is inside. */
#include "heap/visit.h"

#include "heap/bins.h"
#include "heap/remote.h"
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { EACH = 64, SLABS = 200, VISIT_PAGES = 64, WALK_SHARE = 8, DECAY_MS = 500 };

static struct ash_thread_heap *th_of(const struct site *site, unsigned thread) {
    return ash_th_of(site->threads[thread]);
}
static uint64_t slabs_of(const struct site *site) {
    return site->heap->root.counts.slabs;
}

static uint32_t on_stack(const struct site *site, unsigned thread) {
    uint32_t count = 0, link = atomic_load(&th_of(site, thread)->pending);
    for (; link != 0; count++) link = atomic_load(&ash_page_at(site->heap, link - 1)->pending_next);
    return count;
}

/* So many slabs of one page, all blocks live; the last is the current one. */
static void fill_slabs(struct site *site, void **blocks, unsigned slabs) {
    for (unsigned i = 0; i < slabs * EACH; i++) blocks[i] = ashlar_malloc(site->threads[0], 1024);
    assert_int_equal(slabs_of(site), slabs);
}

static void free_slab(struct site *site, unsigned thread, void **blocks, unsigned slab) {
    for (unsigned i = 0; i < EACH; i++) ashlar_free(site->threads[thread], blocks[slab * EACH + i]);
}

static void an_idle_owner_s_slabs_come_back(void **state) {
    (void)state;
    static void *blocks[SLABS * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, SLABS);
    for (unsigned slab = 0; slab < SLABS; slab++) {
        free_slab(&site, 1, blocks, slab);
        assert_true(slabs_of(&site) < SLABS - slab + VISIT_PAGES);
        expect_sound(&site);
    }
    assert_true(slabs_of(&site) <= VISIT_PAGES);
    assert_int_equal(site_stats(&site).live_blocks, 0);
    assert_int_equal(atomic_load(&th_of(&site, 0)->asked), 0);
    site_close(&site);
}

/* In any order, by two threads, with the owner's own frees between. */
static void in_any_order_all_but_a_few_come_back(void **state) {
    (void)state;
    static void *blocks[SLABS * EACH];
    for (unsigned round = 1; round < 9; round++) {
        struct site site;
        site_open(&site, 64 * MIB, 3);
        site.random = round;
        fill_slabs(&site, blocks, SLABS);
        for (unsigned left = SLABS * EACH; left > 0; left--) {
            uint64_t at = site_random(&site, left);
            uint64_t owns = site_random(&site, 100) < 10 * round ? 0 : 2;
            ashlar_free(site.threads[owns == 0 ? 0 : 1 + left % 2], blocks[at]);
            blocks[at] = blocks[left - 1];
        }
        expect_sound(&site);
        assert_true(slabs_of(&site) <= VISIT_PAGES + SLABS / WALK_SHARE + 1);
        ashlar_trim(site.public_heap, site.threads[1]);
        expect_sound(&site);
        assert_int_equal(slabs_of(&site), 1);
        site_close(&site);
    }
}

/* Of blocks with OS pages of their own, a slab is a visit's worth. */
static void medium_slabs_come_back_at_once(void **state) {
    (void)state;
    enum { COUNT = 3 * EACH };
    void *blocks[COUNT];
    struct site site;
    site_open(&site, 256 * MIB, 2);
    for (unsigned i = 0; i < COUNT; i++) blocks[i] = ashlar_malloc(site.threads[0], 65536);
    size_t before = site_stats(&site).slab_bytes;
    for (unsigned i = 0; i < COUNT; i++) ashlar_free(site.threads[1], blocks[i]);
    expect_sound(&site);
    assert_true(site_stats(&site).slab_bytes <= before / 3);
    site_close(&site);
}

static void what_is_less_comes_back_with_time(void **state) {
    (void)state;
    void *blocks[10 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 3);
    fill_slabs(&site, blocks, 10);
    for (unsigned slab = 0; slab < 9; slab++) free_slab(&site, 1, blocks, slab);
    assert_int_equal(slabs_of(&site), 10);
    assert_int_equal(atomic_load(&th_of(&site, 0)->complete), 9);
    ash_bins_look(th_of(&site, 2));
    assert_int_equal(slabs_of(&site), 10);
    site.os.clock_ms += DECAY_MS;
    ash_bins_look(th_of(&site, 0)); /* not by the owner: it collects when it has to */
    assert_int_equal(slabs_of(&site), 10);
    free_slab(&site, 1, blocks, 9); /* the current one; but what is seen later counts anew */
    atomic_store(&site.heap->next_visit_ms, site.os.clock_ms);
    for (unsigned i = 0; i < 2000; i++) ashlar_malloc(site.threads[2], 16); /* looks at the clock */
    assert_int_equal(slabs_of(&site), 2);
    assert_int_equal(atomic_load(&site.heap->next_visit_ms), 0);
    expect_sound(&site);
    site_close(&site);
}

/* One look at the clock makes so many visits; the others are due at the next. */
static void many_owners_are_visited_by_turns(void **state) {
    (void)state;
    enum { OWNERS = 40, TURN = 16 };
    struct ashlar_thread_heap *owners[OWNERS], *other;
    struct site site;
    site_prepare(&site);
    struct ashlar_heap_options options = site_options(&site, 64 * MIB);
    options.thread_heaps = OWNERS + 1;
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
    site.heap = ash_heap_of(site.public_heap);
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &other), ASHLAR_OK);
    for (unsigned i = 0; i < OWNERS; i++) {
        void *blocks[2 * EACH];
        assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &owners[i]), ASHLAR_OK);
        for (unsigned j = 0; j < 2 * EACH; j++) blocks[j] = ashlar_malloc(owners[i], 1024);
        for (unsigned j = 0; j < 2 * EACH; j++) ashlar_free(other, blocks[j]);
    }
    assert_int_equal(slabs_of(&site), 2 * OWNERS);
    for (unsigned turn = 1; turn <= 4; turn++) {
        site.os.clock_ms += DECAY_MS;
        ash_bins_look(ash_th_of(other));
        unsigned visited = turn * TURN < OWNERS ? turn * TURN : OWNERS;
        assert_int_equal(slabs_of(&site), 2 * OWNERS - visited);
        expect_sound(&site);
    }
    site_close(&site);
}

/* The owner is at work: it does the visitor's work when that ends. */
static void an_owner_at_work_is_asked(void **state) {
    (void)state;
    void *blocks[3 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, 3);
    free_slab(&site, 1, blocks, 0);
    uint32_t before = ash_transition_begin(th_of(&site, 0), ASH_REFILL);
    ash_visit(th_of(&site, 1), th_of(&site, 0));
    assert_int_equal(slabs_of(&site), 3);
    assert_int_equal(atomic_load(&th_of(&site, 0)->asked), 1);
    ash_transition_end(th_of(&site, 0), before);
    assert_int_equal(atomic_load(&th_of(&site, 0)->asked), 0);
    assert_int_equal(slabs_of(&site), 2);
    expect_sound(&site);
    site_close(&site);
}

struct waiter {
    struct site *site;
    atomic_int step;
    void *block;
};
static void *refill(void *argument) {
    struct waiter *waiter = argument;
    atomic_store(&waiter->step, 1);
    waiter->block = ashlar_malloc(waiter->site->threads[0], 3000);
    atomic_store(&waiter->step, 2);
    return NULL;
}

static void an_owner_waits_for_its_visitor(void **state) {
    (void)state;
    struct site site;
    pthread_t thread;
    site_open(&site, 64 * MIB, 2);
    struct waiter waiter = {.site = &site};
    struct ash_lock *guest = &th_of(&site, 0)->guest;
    ash_lock_take(guest);
    assert_int_equal(pthread_create(&thread, NULL, refill, &waiter), 0);
    while (atomic_load(&guest->state) == ash_lock_mark()) usleep(100); /* until it sleeps */
    assert_int_equal(atomic_load(&waiter.step), 1);
    assert_int_equal(slabs_of(&site), 0);
    ash_lock_give(guest);
    pthread_join(thread, NULL);
    assert_non_null(waiter.block);
    expect_sound(&site);
    site_close(&site);
}

static void a_slab_with_a_live_block_stays(void **state) {
    (void)state;
    void *blocks[4 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, 4);
    for (unsigned slab = 0; slab < 3; slab++)
        for (unsigned i = slab == 1 ? 0 : 1; i < EACH; i++)
            ashlar_free(site.threads[1], blocks[slab * EACH + i]);
    ash_visit(th_of(&site, 1), th_of(&site, 0));
    expect_sound(&site);
    assert_int_equal(slabs_of(&site), 3);
    assert_int_equal(on_stack(&site, 0), 2);
    assert_int_equal(atomic_load(&th_of(&site, 0)->walked), 2);
    assert_int_equal(site_stats(&site).live_blocks, EACH + 2);
    ashlar_thread_heap_collect(site.threads[0]);
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    expect_sound(&site);
    ashlar_heap_reset(site.public_heap); /* nothing is left to walk over */
    assert_int_equal(atomic_load(&th_of(&site, 0)->walked), 0);
    site_close(&site);
}

/* The more slabs stay, the more have to be complete for a visit to be worth it. */
static void visits_pay(void **state) {
    (void)state;
    enum { PART = 800, WHOLE = 300 };
    static void *blocks[(PART + WHOLE) * EACH];
    struct site site;
    site_open(&site, 256 * MIB, 2);
    fill_slabs(&site, blocks, PART + WHOLE);
    for (unsigned slab = 0; slab < PART; slab++) ashlar_free(site.threads[1], blocks[slab * EACH]);
    unsigned visits = 0;
    uint64_t before = slabs_of(&site);
    for (unsigned slab = PART; slab < PART + WHOLE - 1; slab++) {
        free_slab(&site, 1, blocks, slab);
        visits += slabs_of(&site) < before;
        before = slabs_of(&site);
    }
    assert_int_equal(atomic_load(&th_of(&site, 0)->walked), PART);
    assert_int_equal(visits, 1 + (WHOLE - 1 - VISIT_PAGES) / (VISIT_PAGES + PART / WALK_SHARE));
    expect_sound(&site);
    site_close(&site);
}

/* A free of another thread stopped between its steps. */
static void nobody_is_left_inside(void **state) {
    (void)state;
    void *blocks[2 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, 2);
    for (unsigned i = 1; i < EACH; i++) ashlar_free(site.threads[0], blocks[i]);
    struct ash_page *head = page_of(&site, blocks[0]);
    atomic_store(&ash_remote_words(site.heap, ash_page_number(site.heap, head))[0], 1); /* F2 */
    assert_false(ash_slab_complete(site.heap, head));
    ash_visit(th_of(&site, 1), th_of(&site, 0));
    assert_int_equal(slabs_of(&site), 2);
    atomic_store(&head->remote_summary, 1); /* F3 */
    assert_true(ash_slab_complete(site.heap, head));
    ash_visit(th_of(&site, 1), th_of(&site, 0));
    assert_int_equal(slabs_of(&site), 2);
    ash_remote_push(site.heap, th_of(&site, 0), head); /* F4 */
    ash_visit(th_of(&site, 1), th_of(&site, 0));       /* F6 */
    assert_int_equal(slabs_of(&site), 1);
    expect_sound(&site);
    site_close(&site);
}

/* The same instant, but the owner frees the block, too: its slab is all free with somebody inside.
 */
static void a_slab_waits_for_who_is_inside(void **state) {
    (void)state;
    void *blocks[2 * EACH];
    struct site site;
    for (unsigned current = 0; current < 2; current++) {
        site_open(&site, 64 * MIB, 2);
        fill_slabs(&site, blocks, 2);
        unsigned first = current * EACH;
        struct ash_page *head = page_of(&site, blocks[first]);
        atomic_store(&ash_remote_words(site.heap, ash_page_number(site.heap, head))[0], 1); /* F2 */
        for (unsigned i = 0; i < EACH; i++) ashlar_free(site.threads[0], blocks[first + i]);
        ashlar_trim(site.public_heap, site.threads[0]);
        assert_int_equal(slabs_of(&site), 2);
        assert_int_equal(site.misuses, 0);
        atomic_store(&head->remote_summary, 1);            /* F3 */
        ash_remote_push(site.heap, th_of(&site, 0), head); /* F4 */
        ashlar_trim(site.public_heap, site.threads[0]);
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", blocks[first], blocks[first], 1024);
        expect_sound(&site);
        assert_int_equal(slabs_of(&site), 1);
        site_close(&site);
    }
}

/* A visitor finds what a merge would. */
static void a_visitor_reports_what_was_freed_twice(void **state) {
    (void)state;
    void *blocks[2 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, 2);
    free_slab(&site, 1, blocks, 0);
    page_of(&site, blocks[0])->words[0] |= 1; /* by the owner, which did not see F3 */
    ash_visit(th_of(&site, 1), th_of(&site, 0));
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", blocks[0], blocks[0], 1024);
    assert_int_equal(site.misuse.thread_heap, 2);
    assert_int_equal(slabs_of(&site), 1);
    expect_sound(&site);
    site_close(&site);
}

static void misuse_is_found_as_ever(void **state) {
    (void)state;
    void *blocks[3 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 3);
    fill_slabs(&site, blocks, 3);
    for (unsigned i = 1; i < EACH; i++) ashlar_free(site.threads[1], blocks[i]);
    ash_visit(th_of(&site, 2), th_of(&site, 0));
    for (unsigned thread = 0; thread < 3; thread++) {
        ashlar_free(site.threads[thread], blocks[5]);
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", blocks[5], blocks[5], 1024);
    }
    ashlar_free(site.threads[2], blocks[0]);
    ash_visit(th_of(&site, 2), th_of(&site, 0));
    assert_int_equal(slabs_of(&site), 2);
    for (unsigned thread = 0; thread < 3; thread++) { /* the slab is gone */
        ashlar_free(site.threads[thread], blocks[5]);
        expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", blocks[5], NULL, 0);
    }
    expect_sound(&site);
    site_close(&site);
}

/* The last live block is the owner's to free, beside remotely freed ones. */
static void an_owner_sees_to_its_last_block(void **state) {
    (void)state;
    void *blocks[2 * EACH];
    for (unsigned first = 0; first < 3; first++) {
        struct site site;
        site_open(&site, 64 * MIB, 2);
        fill_slabs(&site, blocks, 2);
        for (unsigned i = 0; i < first; i++) ashlar_free(site.threads[0], blocks[i]);
        for (unsigned i = first; i < EACH - 1; i++) ashlar_free(site.threads[1], blocks[i]);
        ashlar_free(site.threads[0], blocks[EACH - 1]);
        assert_int_equal(slabs_of(&site), 1);
        expect_sound(&site);
        site_close(&site);
    }
}

/* The other way round: the other thread's only free of the word is the last one of the slab. */
static void a_first_free_may_be_the_last(void **state) {
    (void)state;
    void *blocks[2 * EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, 2);
    for (unsigned i = 0; i < EACH - 1; i++) ashlar_free(site.threads[0], blocks[i]);
    ashlar_free(site.threads[1], blocks[EACH - 1]);
    assert_int_equal(atomic_load(&th_of(&site, 0)->complete), 1);
    site_close(&site);
}

/* Nor does it matter in which window: the last one of 112-byte blocks has 9. */
static void any_window_may_have_the_last_live_block(void **state) {
    (void)state;
    enum { BYTES = 112, BLOCKS = 585, WINDOWS = 10 };
    for (unsigned window = 0; window < WINDOWS; window++) {
        struct site site;
        void *blocks[BLOCKS];
        site_open(&site, 64 * MIB, 2);
        for (unsigned i = 0; i < BLOCKS; i++) blocks[i] = ashlar_malloc(site.threads[0], BYTES);
        ashlar_malloc(site.threads[0], BYTES); /* leaves that slab */
        unsigned last = window * ASH_WINDOW_BLOCKS + 3;
        for (unsigned i = 0; i < BLOCKS; i++)
            if (i != last) ashlar_free(site.threads[1], blocks[i]);
        assert_int_equal(atomic_load(&th_of(&site, 0)->complete), 0);
        ashlar_free(site.threads[1], blocks[last]);
        assert_int_equal(atomic_load(&th_of(&site, 0)->complete), 1);
        expect_sound(&site);
        site_close(&site);
    }
}

/* A current slab does not count while it is that; its bin looks when it leaves it. */
static void a_current_slab_comes_back_once_it_is_left(void **state) {
    (void)state;
    void *blocks[EACH];
    struct site site;
    site_open(&site, 64 * MIB, 2);
    fill_slabs(&site, blocks, 1);
    free_slab(&site, 1, blocks, 0);
    assert_int_equal(atomic_load(&th_of(&site, 0)->complete), 0);
    ash_visit(th_of(&site, 1), th_of(&site, 0));
    assert_int_equal(slabs_of(&site), 1);
    assert_int_equal(on_stack(&site, 0), 1);
    /* It became complete after the collect of the refill that leaves it. */
    uint32_t before = ash_transition_begin(th_of(&site, 0), ASH_REFILL);
    ash_bins_leave(th_of(&site, 0));
    ash_transition_end(th_of(&site, 0), before);
    assert_int_equal(slabs_of(&site), 0);
    expect_sound(&site);
    site_close(&site);
}

static void without_a_clock_only_many_come_back(void **state) {
    (void)state;
    static void *blocks[100 * EACH];
    struct site site;
    site_open_in(&site, 32 * MIB, 2);
    fill_slabs(&site, blocks, 100);
    for (unsigned slab = 0; slab < VISIT_PAGES - 1; slab++) free_slab(&site, 1, blocks, slab);
    assert_int_equal(slabs_of(&site), 100);
    assert_int_equal(atomic_load(&site.heap->next_visit_ms), 0);
    free_slab(&site, 1, blocks, VISIT_PAGES);
    assert_int_equal(slabs_of(&site), 100 - VISIT_PAGES);
    expect_sound(&site);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_owner_s_slabs_come_back),
        cmocka_unit_test(in_any_order_all_but_a_few_come_back),
        cmocka_unit_test(medium_slabs_come_back_at_once),
        cmocka_unit_test(what_is_less_comes_back_with_time),
        cmocka_unit_test(many_owners_are_visited_by_turns),
        cmocka_unit_test(an_owner_at_work_is_asked),
        cmocka_unit_test(an_owner_waits_for_its_visitor),
        cmocka_unit_test(a_slab_with_a_live_block_stays),
        cmocka_unit_test(visits_pay),
        cmocka_unit_test(nobody_is_left_inside),
        cmocka_unit_test(a_slab_waits_for_who_is_inside),
        cmocka_unit_test(a_visitor_reports_what_was_freed_twice),
        cmocka_unit_test(misuse_is_found_as_ever),
        cmocka_unit_test(an_owner_sees_to_its_last_block),
        cmocka_unit_test(a_first_free_may_be_the_last),
        cmocka_unit_test(any_window_may_have_the_last_live_block),
        cmocka_unit_test(a_current_slab_comes_back_once_it_is_left),
        cmocka_unit_test(without_a_clock_only_many_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
