/* The run allocator, driven by spans, which are runs one to one: where pages come from, how they
 * merge, when they go back to the system, and what is known of their content. */
#include "heap/runs.h"

#include "heap/spans.h"
#include "support.h"

enum { COMMIT = 1 << ASHLAR_OS_COMMIT, PURGE = 1 << ASHLAR_OS_PURGE, STEP_PAGES = 64 };

static const struct ash_counts *counts_of(const struct site *site) {
    return &site->heap->root.counts;
}

static bool dirty(const struct site *site, const void *block) {
    uint64_t page = ash_page_number(site->heap, page_of(site, block));
    return (ash_dirty_words(site->heap)[page / 64] >> (page % 64) & 1) != 0;
}

static uint8_t *after(void *block, size_t pages) {
    return (uint8_t *)block + pages * PAGE;
}

static void drop(struct site *site, void *span) {
    ashlar_free(site->th, span);
    expect_sound(site);
}

static void neighbours_merge_on_both_sides(void **state) {
    (void)state;
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const size_t pages[3] = {2, 3, 5};
    for (unsigned order = 0; order < 6; order++) {
        struct site site;
        site_open_plain(&site, 64 * MIB, 1);
        void *wall = span_pages(&site, 2), *middle[3];
        for (unsigned i = 0; i < 3; i++) middle[i] = span_pages(&site, pages[i]);
        void *end = span_pages(&site, 2);
        assert_ptr_equal(end, after(wall, 2 + 2 + 3 + 5)); /* the lowest pages, one by one */
        for (unsigned i = 0; i < 3; i++) drop(&site, middle[orders[order][i]]);
        assert_int_equal(counts_of(&site)->free_runs, 2); /* these, and what the frontier left */
        const struct ash_page *first = page_of(&site, middle[0]);
        assert_int_equal(first->kind, ASH_PAGE_FREE);
        assert_int_equal(first->pages, 10);
        assert_int_equal(first->run.dirty_pages, 10);
        assert_ptr_equal(page_of(&site, after(middle[0], 9))->head, first);
        assert_ptr_equal(span_pages(&site, 10), middle[0]);
        ashlar_free(site.th, end);
        site_close(&site);
    }
}

static void runs_of_every_size_are_found_again(void **state) {
    (void)state;
    enum { MOST = 70 };
    struct site site;
    site_open_plain(&site, 512 * MIB, 1);
    void *runs[MOST + 1], *walls[MOST + 1];
    for (size_t pages = 2; pages <= MOST; pages++) {
        runs[pages] = span_pages(&site, pages);
        walls[pages] = span_pages(&site, 2);
    }
    for (size_t pages = 2; pages <= MOST; pages++) drop(&site, runs[pages]);
    uint64_t committed = counts_of(&site)->committed;
    for (size_t pages = 2; pages < 16; pages++) { /* bins of one size each */
        assert_ptr_equal(span_pages(&site, pages), runs[pages]);
        expect_sound(&site);
    }
    for (size_t pages = 16; pages <= MOST; pages++) {
        runs[pages] = span_pages(&site, pages);
        expect_sound(&site);
    }
    assert_true(counts_of(&site)->committed <= committed + STEP_PAGES * 2);
    for (size_t pages = 2; pages <= MOST; pages++) {
        drop(&site, walls[pages]);
        drop(&site, runs[pages]);
    }
    assert_int_equal(counts_of(&site)->free_runs, 1);
    assert_int_equal(counts_of(&site)->free, counts_of(&site)->committed);
    site_close(&site);
}

static void the_last_resort_looks_at_every_run(void **state) {
    (void)state;
    enum { TIGHT = 50 }; /* more than are looked at before */
    struct site site;
    site_open_in(&site, 64 * MIB, 1);
    void *fits = span_pages(&site, 17), *wall = span_pages(&site, 2), *tight[TIGHT];
    for (unsigned i = 0; i < TIGHT; i++) {
        tight[i] = span_pages(&site, 16);
        span_pages(&site, 2);
    }
    while (counts_of(&site)->free >= 2) span_pages(&site, 2);
    drop(&site, fits); /* the same bin as the others, and behind all of them */
    for (unsigned i = 0; i < TIGHT; i++) drop(&site, tight[i]);
    assert_ptr_equal(span_pages(&site, 17), fits);
    assert_null(ashlar_malloc(site.th, 17 * PAGE));
    ashlar_free(site.th, wall);
    site_close(&site);
}

static void aligned_runs_leave_their_rims_free(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, (size_t)1 << 33, 1);
    void *blocks[40];
    unsigned count = 0;
    for (size_t alignment = PAGE; alignment <= ASH_ALIGNMENT_MAX; alignment *= 2) {
        for (size_t pages = 1; pages <= 3; pages += 2) {
            if (count == 40) break;
            void *block = ashlar_aligned_alloc(site.th, alignment, pages * PAGE);
            assert_non_null(block);
            assert_int_equal((uintptr_t)block % alignment, 0);
            memset(block, 0x5a, pages * PAGE);
            blocks[count++] = block;
            expect_sound(&site);
        }
    }
    for (unsigned i = 0; i < count; i++) drop(&site, blocks[i * 7 % count]);
    ashlar_trim(site.public_heap, site.th);
    assert_int_equal(counts_of(&site)->free, counts_of(&site)->committed);
    assert_int_equal(counts_of(&site)->free_runs, 1);
    assert_null(ashlar_aligned_alloc(site.th, ASH_ALIGNMENT_MAX, (size_t)1 << 33));
    ashlar_heap_destroy(site.public_heap); /* an audit would read gigabytes */
    assert_int_equal(site.os.mapped_bytes, 0);
}

/* 1000 ms: A freed; 1100: B; 1200: C, A's neighbour, whose pages then are due with A's. */
static void a_merged_run_keeps_the_older_time(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *a = span_pages(&site, 3), *c = span_pages(&site, 4), *wall = span_pages(&site, 2);
    void *b = span_pages(&site, 5), *end = span_pages(&site, 2);
    drop(&site, a);
    site.os.clock_ms = 1100;
    drop(&site, b);
    site.os.clock_ms = 1200;
    drop(&site, c);
    assert_int_equal(page_of(&site, a)->run.freed_ms, 1000);
    assert_int_equal(page_of(&site, a)->run.dirty_pages, 7);
    assert_int_equal(site.heap->runs.dirty_head, ash_page_number(site.heap, page_of(&site, a)) + 1);
    site.os.clock_ms = 1499;
    assert_false(ash_runs_due(site.heap, site.os.clock_ms));
    site_tick(&site);
    assert_int_equal(counts_of(&site)->purged_total, 0);
    site.os.clock_ms = 1500;
    assert_true(ash_runs_due(site.heap, site.os.clock_ms));
    site_tick(&site);
    expect_clean(&site);
    assert_int_equal(counts_of(&site)->purged_total, 7);
    assert_int_equal(counts_of(&site)->dirty_free, 5);
    assert_false(ash_runs_due(site.heap, site.os.clock_ms));
    site.os.clock_ms = 1600;
    site_tick(&site);
    expect_clean(&site);
    assert_int_equal(counts_of(&site)->purged_total, 12);
    assert_int_equal(counts_of(&site)->dirty_free, 0);
    assert_int_equal(site.heap->next_purge_ms, UINT64_MAX);
    ashlar_free(site.th, wall);
    ashlar_free(site.th, end);
    site_close(&site);
}

static void an_older_neighbour_behind_or_in_front_gives_its_time(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *parts[7];
    for (unsigned i = 0; i < 7; i++) parts[i] = span_pages(&site, 2);
    static const unsigned order[] = {4, 0, 2, 1, 3}; /* 1 joins 0 and 2; 3 joins all to 4 */
    static const uint64_t times[] = {1000, 1010, 1020, 1010, 1000};
    for (unsigned i = 0; i < 5; i++) {
        site.os.clock_ms = 1000 + 10 * i;
        drop(&site, parts[order[i]]);
        const struct ash_page *freed = page_of(&site, parts[order[i]]);
        const struct ash_page *first = freed->head != NULL ? freed->head : page_of(&site, parts[0]);
        assert_int_equal(first->run.freed_ms, times[i]);
    }
    assert_int_equal(site.heap->runs.dirty_head, site.heap->runs.dirty_tail);
    site_close(&site);
}

static void a_cut_run_stays_due_when_it_was(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *a = span_pages(&site, 12), *wall = span_pages(&site, 2);
    drop(&site, a);
    site.os.clock_ms = 1400;
    assert_ptr_equal(span_pages(&site, 5), a);
    expect_sound(&site);
    assert_int_equal(page_of(&site, after(a, 5))->run.freed_ms, 1000);
    site.os.clock_ms = 1500;
    ashlar_free(site.th, wall); /* comes by, and purges; its own pages join what was due */
    expect_clean(&site);
    assert_int_equal(counts_of(&site)->purged_total, 9);
    site_close(&site);
}

static void trim_counts_exactly_and_once(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *a = span_pages(&site, 3), *wall = span_pages(&site, 2), *b = span_pages(&site, 4);
    fill(a, 3 * PAGE, 1);
    fill(b, 4 * PAGE, 2);
    fill(wall, 2 * PAGE, 3);
    drop(&site, a);
    drop(&site, b);
    assert_int_equal(site_stats(&site).dirty_free_bytes, 7 * PAGE);
    assert_int_equal(ashlar_trim(site.public_heap, NULL), 7 * PAGE);
    expect_clean(&site);
    assert_int_equal(ashlar_trim(site.public_heap, site.th), 0);
    assert_int_equal(site_stats(&site).dirty_free_bytes, 0);
    assert_int_equal(site_stats(&site).purged_bytes, 7 * PAGE);
    assert_true(holds(wall, 2 * PAGE, 3));
    assert_ptr_equal(span_pages(&site, 3), a);
    assert_true(all_zero(a, 3 * PAGE));
    site_close(&site);
}

static void a_refused_purge_is_tried_again_a_decay_later(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *a = span_pages(&site, 3), *wall = span_pages(&site, 2), *b = span_pages(&site, 4);
    span_pages(&site, 2);
    memset(a, 1, 3 * PAGE);
    memset(b, 1, 4 * PAGE);
    drop(&site, a);
    drop(&site, b);
    fail_next(&site, PURGE, 1);
    site.os.clock_ms = 1500;
    site_tick(&site);
    expect_clean(&site);
    assert_int_equal(site.os.failed, 1);
    assert_int_equal(counts_of(&site)->purged_total, 4); /* b went back, a did not */
    assert_int_equal(page_of(&site, a)->run.freed_ms, 1500);
    site.os.clock_ms = 1999;
    site_tick(&site);
    assert_int_equal(counts_of(&site)->purged_total, 4);
    site.os.clock_ms = 2000;
    site_tick(&site);
    expect_clean(&site);
    assert_int_equal(counts_of(&site)->purged_total, 7);
    ashlar_free(site.th, wall);
    site_close(&site);
}

/* One free run: a dirty, b clean, c dirty, then clean to the frontier. */
static void *make_striped(struct site *site) {
    void *a = span_pages(site, 2), *b = span_pages(site, 3), *c = span_pages(site, 4);
    memset(a, 1, 2 * PAGE);
    memset(b, 1, 3 * PAGE);
    memset(c, 1, 4 * PAGE);
    drop(site, b);
    ashlar_trim(site->public_heap, NULL);
    drop(site, a);
    drop(site, c);
    assert_int_equal(page_of(site, a)->run.dirty_pages, 6);
    assert_int_equal(page_of(site, a)->pages, STEP_PAGES);
    return a;
}

static void each_stretch_of_a_striped_run_is_purged(void **state) {
    (void)state;
    for (uint64_t refused = 0; refused <= 2; refused++) {
        struct site site;
        site_open_plain(&site, 64 * MIB, 1);
        void *a = make_striped(&site);
        uint64_t before = counts_of(&site)->purged_total;
        fail_next(&site, PURGE, refused);
        size_t expected = refused == 0 ? 6 : refused == 1 ? 0 : 2;
        assert_int_equal(ashlar_trim(site.public_heap, NULL), expected * PAGE);
        expect_clean(&site);
        assert_int_equal(counts_of(&site)->dirty_free, 6 - expected);
        assert_int_equal(dirty(&site, a), refused == 1);
        assert_int_equal(dirty(&site, after(a, 5)), refused != 0);
        assert_int_equal(counts_of(&site)->purged_total, before + expected);
        fail_no_more(&site);
        assert_int_equal(ashlar_trim(site.public_heap, NULL), (6 - expected) * PAGE);
        site_close(&site);
    }
}

/* Takes a run; the number of its pages that are dirty. */
static uint64_t take(struct site *site, uint64_t pages, uint64_t *page,
                     struct ash_run_content *content) {
    ash_lock_take(&site->heap->lock);
    assert_true(ash_runs_take(site->heap, pages, PAGE, true, page, content));
    for (uint64_t i = 0; i < pages; i++)
        assert_true(dirty(site, (void *)ash_page_address(site->heap, *page + i)));
    ash_lock_give(&site->heap->lock);
    return content->dirty_pages;
}

static void give(struct site *site, uint64_t page, uint64_t pages, bool dirty_pages) {
    ash_lock_take(&site->heap->lock);
    ash_runs_give(site->heap, page, pages, dirty_pages);
    ash_lock_give(&site->heap->lock);
}

static void what_a_run_holds_is_known(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    uint64_t page, other;
    struct ash_run_content content;
    assert_int_equal(take(&site, 5, &page, &content), 0);
    give(&site, page, 5, true);
    assert_int_equal(take(&site, 5, &page, &content), 5);
    assert_int_equal(take(&site, 3, &other, &content), 0);
    give(&site, page, 5, true);
    assert_int_equal(take(&site, 4, &page, &content), 4);
    give(&site, page, 4, true);
    give(&site, other, 3, true);
    assert_int_equal(take(&site, 12, &page, &content), 8); /* and 4 never touched */
    assert_int_equal(content.dirty[0], 0xff);
    give(&site, page, 12, true);
    site_close(&site);
}

static void the_frontier_falls_back_to_what_is_needed(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth <= 4; nth++) { /* descriptors, dirty bits, bitmaps, pages */
        struct site site;
        site_open_plain(&site, 64 * MIB, 1);
        fail_next(&site, COMMIT, nth);
        void *first = span_pages(&site, 5);
        assert_int_equal(counts_of(&site)->committed, 5);
        assert_int_equal(counts_of(&site)->free, 0);
        fill(first, 5 * PAGE, 5);
        expect_clean(&site);
        fail_next(&site, COMMIT, 1);
        site.os.fail_after = true;
        errno = 0;
        assert_null(ashlar_malloc(site.th, 2 * PAGE));
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(counts_of(&site)->committed, 5);
        expect_clean(&site);
        fail_no_more(&site);
        span_pages(&site, 2);
        assert_int_equal(counts_of(&site)->committed, 5 + STEP_PAGES);
        assert_true(holds(first, 5 * PAGE, 5));
        site_close(&site);
    }
}

static void the_frontier_stops_at_the_region_s_end(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *nearly = span_pages(&site, 1000);
    assert_null(ashlar_malloc(site.th, 25 * PAGE));
    void *rest = span_pages(&site, 24);
    assert_int_equal(counts_of(&site)->committed, 1024);
    assert_null(ashlar_malloc(site.th, 1));
    assert_null(ashlar_realloc(site.th, rest, 25 * PAGE));
    expect_sound(&site);
    drop(&site, nearly);
    assert_non_null(ashlar_malloc(site.th, 1));
    drop(&site, rest);
    ashlar_trim(site.public_heap, site.th);
    site_close(&site);
}

static void spans_grow_in_place_when_the_pages_behind_are_free(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *grows = span_pages(&site, 2), *hole = span_pages(&site, 4), *wall = span_pages(&site, 2);
    fill(grows, 2 * PAGE, 9);
    drop(&site, hole);
    assert_ptr_equal(ashlar_realloc(site.th, grows, 5 * PAGE), grows); /* into a part */
    expect_sound(&site);
    assert_ptr_equal(ashlar_realloc(site.th, grows, 6 * PAGE), grows); /* all of it */
    expect_sound(&site);
    void *moved = ashlar_realloc(site.th, grows, 6 * PAGE + 1);
    assert_ptr_equal(moved, after(wall, 2));
    assert_true(holds(moved, 2 * PAGE, 9));
    expect_sound(&site);
    /* at the frontier: over the free rest, and beyond it */
    uint64_t committed = counts_of(&site)->committed;
    assert_ptr_equal(ashlar_realloc(site.th, moved, (committed - 8) * PAGE), moved);
    assert_int_equal(counts_of(&site)->free, 6);
    expect_sound(&site);
    assert_ptr_equal(ashlar_realloc(site.th, moved, (committed + 9) * PAGE), moved);
    assert_true(counts_of(&site)->committed > committed);
    expect_sound(&site);
    /* and back: the tail is given up */
    assert_ptr_equal(ashlar_realloc(site.th, moved, 2 * PAGE), moved);
    assert_true(holds(moved, 2 * PAGE, 9));
    assert_int_equal(counts_of(&site)->span, 4);
    site_close(&site);
}

/* So a walk over the heap takes a step for each run, not for each page. */
static void the_first_page_says_how_long_a_run_is(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *span = span_pages(&site, 9), *freed = span_pages(&site, 5), *wall = span_pages(&site, 2);
    const struct ash_page *slab = page_of(&site, ashlar_malloc(site.th, 65536));
    ashlar_free(site.th, freed);
    assert_int_equal(ash_run_pages(page_of(&site, span)), 9);
    assert_int_equal(ash_run_pages(page_of(&site, freed)), 5);
    assert_int_equal(ash_run_pages(page_of(&site, wall)), 2);
    assert_int_equal(ash_run_pages(slab), slab->slab_pages);
    assert_int_equal(ash_run_pages(page_of(&site, span) + 1), 1); /* says nothing */
    site_close(&site);
}

static void random_runs_stay_sound(void **state) {
    (void)state;
    enum { SLOTS = 60, STEPS = 6000 };
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *slots[SLOTS] = {0};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned slot = (unsigned)site_random(&site, SLOTS);
        size_t bytes = (1 + site_random(&site, 30)) * PAGE + 1 + site_random(&site, PAGE);
        uint64_t what = site_random(&site, 8);
        if (what == 0)
            site.os.clock_ms += site_random(&site, 400);
        else if (what == 1 && site_random(&site, 8) == 0)
            ashlar_trim(site.public_heap, NULL);
        else if (what < 4 && slots[slot] != NULL) {
            void *moved = ashlar_realloc(site.th, slots[slot], bytes);
            if (moved != NULL) slots[slot] = moved;
        } else if (slots[slot] != NULL) {
            ashlar_free(site.th, slots[slot]);
            slots[slot] = NULL;
        } else if (what < 6) {
            slots[slot] = ashlar_aligned_alloc(site.th, PAGE << site_random(&site, 6), bytes);
        } else {
            slots[slot] = ashlar_calloc(site.th, 1, bytes);
            if (slots[slot] != NULL) assert_true(all_zero(slots[slot], 64));
        }
        if (slots[slot] != NULL) memset(slots[slot], 0x77, 64);
        expect_sound(&site);
    }
    for (unsigned slot = 0; slot < SLOTS; slot++) ashlar_free(site.th, slots[slot]);
    assert_int_equal(counts_of(&site)->free_runs, 1);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_merge_on_both_sides),
        cmocka_unit_test(runs_of_every_size_are_found_again),
        cmocka_unit_test(the_last_resort_looks_at_every_run),
        cmocka_unit_test(aligned_runs_leave_their_rims_free),
        cmocka_unit_test(a_merged_run_keeps_the_older_time),
        cmocka_unit_test(an_older_neighbour_behind_or_in_front_gives_its_time),
        cmocka_unit_test(a_cut_run_stays_due_when_it_was),
        cmocka_unit_test(trim_counts_exactly_and_once),
        cmocka_unit_test(a_refused_purge_is_tried_again_a_decay_later),
        cmocka_unit_test(each_stretch_of_a_striped_run_is_purged),
        cmocka_unit_test(what_a_run_holds_is_known),
        cmocka_unit_test(the_frontier_falls_back_to_what_is_needed),
        cmocka_unit_test(the_frontier_stops_at_the_region_s_end),
        cmocka_unit_test(spans_grow_in_place_when_the_pages_behind_are_free),
        cmocka_unit_test(the_first_page_says_how_long_a_run_is),
        cmocka_unit_test(random_runs_stay_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
