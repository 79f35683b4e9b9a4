/* What the heap does where only another thread in the middle of a change, a wrong count or an
 * option that hardly anybody sets leads it.
 *
 * The state is made by hand, for as long as the call takes, or a layer is called directly; then it
 * is put right, and the heap has to be sound. */
#include "heap/remote.h"
#include "heap/runs.h"
#include "heap/spans.h"
#include "heap/threads.h"

#include "support.h"

enum { MOVE = 1 << ASHLAR_OS_MOVE, PURGE = 1 << ASHLAR_OS_PURGE, MOVED_SPANS_MOST = 4096 };

static const struct ash_counts *counts_of(const struct site *site) {
    return &site->heap->root.counts;
}

/* A walk's look: how many spans and blocks of slabs, and where it is to stop. */
struct look {
    unsigned spans, blocks;
    bool stop_at_span;
};

static bool visit(void *context, const struct ashlar_block *block) {
    struct look *look = context;
    if (block->span)
        look->spans++;
    else
        look->blocks++;
    return !(look->stop_at_span && block->span);
}

static void a_walk_stops_at_a_span_too(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    for (unsigned i = 0; i < 3; i++) span_pages(&site, 2);
    struct look all = {0}, first = {.stop_at_span = true};
    ashlar_heap_walk(site.public_heap, visit, &all);
    assert_int_equal(all.spans, 3);
    ashlar_heap_walk(site.public_heap, visit, &first);
    assert_int_equal(first.spans, 1);
    site_close(&site);
}

/* Whoever walks while pages change hands finds heads that say nothing yet, or no length. */
static void a_walk_ends_in_the_middle_of_changes(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *spans[3];
    for (unsigned i = 0; i < 3; i++) spans[i] = span_pages(&site, 3);
    struct ash_page *page = page_of(&site, spans[1]), kept = *page;
    *page = (struct ash_page){0}; /* not described yet */
    struct look look = {0};
    struct ashlar_block seen;
    ashlar_heap_walk(site.public_heap, visit, &look);
    assert_int_equal(look.spans, 2);
    *page = kept;
    page->pages = 0; /* on its way out */
    look = (struct look){0};
    ashlar_heap_walk(site.public_heap, visit, &look);
    assert_int_equal(look.spans, 3);
    *page = kept;
    page = page_of(&site, spans[0]); /* the region's first page: there is nothing before it */
    assert_int_equal(ash_page_number(site.heap, page), 0);
    kept = *page;
    *page = (struct ash_page){0};
    assert_int_equal(ash_runs_first_page(site.heap, 0), 0);
    assert_int_equal(ash_runs_first_page(site.heap, 2), 0);
    assert_false(ashlar_heap_find(site.public_heap, (uintptr_t)spans[0] + PAGE, &seen));
    *page = kept;
    assert_true(ashlar_heap_find(site.public_heap, (uintptr_t)spans[0] + PAGE, &seen));
    site_close(&site);
}

/* A purge that looks for more dirty pages than there are ends, the checker says what is wrong, and
 * a reset counts anew. */
static void a_wrong_count_of_dirty_pages_ends_a_purge(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    void *span = span_pages(&site, 3), *wall = span_pages(&site, 2);
    memset(span, 1, 3 * PAGE);
    ashlar_free(site.th, span);
    page_of(&site, span)->run.dirty_pages++;
    assert_int_equal(ashlar_trim(site.public_heap, NULL), 3 * PAGE);
    assert_true(all_zero(span, 3 * PAGE));
    assert_int_equal(page_of(&site, span)->run.dirty_pages, 1);
    struct ashlar_check_report report;
    assert_int_equal(ashlar_check_heap(site.public_heap, ASHLAR_CHECK_FULL, NULL, NULL, &report),
                     ASHLAR_CORRUPT);
    assert_int_equal(page_of(&site, wall)->kind, ASH_PAGE_SPAN);
    ashlar_heap_reset(site.public_heap);
    site_close(&site);
}

/* Memory that the caller gave does not go back to the system, whoever asks. */
static void memory_of_the_caller_s_is_never_purged(void **state) {
    (void)state;
    struct site site;
    site_open_in(&site, 4 * MIB, 1);
    void *span = span_pages(&site, 3);
    memset(span, 1, 3 * PAGE);
    ashlar_free(site.th, span);
    ash_lock_take(&site.heap->lock);
    assert_int_equal(ash_runs_purge(site.heap, UINT64_MAX, true), 0);
    ash_lock_give(&site.heap->lock);
    assert_int_equal(((const uint8_t *)span)[2 * PAGE], 1);
    assert_int_equal(counts_of(&site)->purged_total, 0);
    assert_int_equal(site.os.calls, 0);
    site_close(&site);
}

static const struct ash_heap *purging;
static unsigned marked, purges;

static bool look_at_the_mark(void *context, void *address, size_t bytes) {
    (void)context;
    (void)address;
    (void)bytes;
    purges++;
    marked += atomic_load(&purging->root.transition) == ASH_RUNS;
    return false;
}

/* Whoever looks from outside while pages change hands sees that they do. */
static void pages_change_hands_under_a_mark(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    purging = site.heap;
    marked = purges = 0;
    bool (*purge)(void *, void *, size_t) = site.heap->os.purge;
    site.heap->os.purge = look_at_the_mark;
    void *span = span_pages(&site, 3), *other = span_pages(&site, 3), *wall = span_pages(&site, 2);
    ashlar_free(site.th, span);
    site.os.clock_ms += 600;
    ashlar_free(site.th, wall); /* what was freed before is due */
    assert_int_equal(purges, 1);
    site.os.clock_ms += 600;
    void *cut = span_pages(&site, 2);
    assert_true(purges > 1);
    unsigned before = purges;
    site.os.clock_ms += 600;
    assert_ptr_equal(ashlar_realloc(site.th, other, 2 * PAGE), other);
    assert_true(purges > before);
    before = purges;
    ashlar_trim(site.public_heap, site.th);
    assert_true(purges > before);
    assert_int_equal(marked, purges);
    assert_int_equal(atomic_load(&site.heap->root.transition), ASH_QUIET);
    site.heap->os.purge = purge;
    ashlar_free(site.th, other);
    ashlar_free(site.th, cut);
    site_close(&site);
}

static void never_purge_leaves_purging_to_trim(void **state) {
    (void)state;
    struct site site;
    site_prepare(&site);
    struct ashlar_heap_options options = site_options(&site, 64 * MIB);
    options.never_purge = options.never_keep = true;
    assert_int_equal(ashlar_heap_create(&options, &site.public_heap), ASHLAR_OK);
    site.heap = ash_heap_of(site.public_heap);
    assert_int_equal(ashlar_thread_heap_acquire(site.public_heap, &site.th), ASHLAR_OK);
    void *span = span_pages(&site, 3), *wall = span_pages(&site, 2);
    ashlar_free(site.th, span);
    site.os.clock_ms = UINT32_MAX * UINT64_C(1000); /* long after any decay */
    site_tick(&site);
    assert_false(ash_runs_due(site.heap, site.os.clock_ms));
    assert_int_equal(counts_of(&site)->dirty_free, 3);
    fail_next(&site, PURGE, 1); /* what trim could not give back does not become due either */
    assert_int_equal(ashlar_trim(site.public_heap, NULL), 0);
    assert_int_equal(site.os.failed, 1);
    assert_false(ash_runs_due(site.heap, site.os.clock_ms));
    expect_sound(&site);
    ashlar_heap_reset(site.public_heap); /* nor does what a reset leaves dirty */
    assert_false(ash_runs_due(site.heap, site.os.clock_ms));
    assert_int_equal(counts_of(&site)->dirty_free, 5);
    assert_int_equal(ashlar_trim(site.public_heap, NULL), 5 * PAGE);
    assert_true(all_zero(wall, 2 * PAGE));
    site_close(&site);
}

static void a_reset_of_clean_pages_makes_nothing_due(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    ashlar_free(site.th, span_pages(&site, 3));
    assert_true(ashlar_trim(site.public_heap, site.th) > 0);
    ashlar_heap_reset(site.public_heap);
    assert_true(counts_of(&site)->committed > 0);
    assert_int_equal(counts_of(&site)->dirty_free, 0);
    assert_int_equal(site.heap->next_purge_ms, UINT64_MAX);
    ashlar_free(site.th, span_pages(&site, 3));
    assert_int_equal(site.heap->next_purge_ms, 1500);
    site_close(&site);
}

/* The system bears a limited number of mappings: behind the most moved spans there may be, bytes
 * are copied. */
static void one_moved_span_too_many_is_copied(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 1);
    uint64_t *moved_spans = &site.heap->root.counts.moved_spans;
    for (unsigned one_less = 0; one_less <= 1; one_less++) {
        uint8_t *span = ashlar_malloc(site.th, 2 * MIB);
        void *wall = span_pages(&site, 2);
        fill(span, 2 * MIB, 7);
        *moved_spans += MOVED_SPANS_MOST - one_less;
        fail_next(&site, MOVE, 0);
        uint8_t *larger = ashlar_realloc(site.th, span, 5 * MIB);
        assert_ptr_not_equal(larger, span);
        assert_int_equal(site.os.calls, one_less); /* moves that the system was asked for */
        assert_int_equal(page_of(&site, larger)->span.moved, one_less);
        assert_int_equal(*moved_spans, MOVED_SPANS_MOST);
        *moved_spans -= MOVED_SPANS_MOST - one_less;
        assert_true(holds(larger, 2 * MIB, 7));
        expect_sound(&site);
        ashlar_free(site.th, larger);
        ashlar_free(site.th, wall);
    }
    site_close(&site);
}

/* What a second thread finds that freed the same block between another one's look and its free. */
static void what_was_freed_meanwhile_is_refused(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 2);
    struct ash_thread_heap *owner = ash_th_of(site.threads[0]);
    void *kept = ashlar_malloc(site.th, 64), *block = ashlar_malloc(site.th, 64);
    struct ash_page *head = page_of(&site, block);
    struct ash_thread_heap *other = ash_th_of(site.threads[1]);
    ash_remote_free(other, block, head, owner);
    assert_int_equal(site.misuses, 0);
    ash_remote_free(other, block, head, owner); /* remotely freed: F2 */
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", block, block, 64);
    ashlar_thread_heap_collect(site.threads[0]);
    ash_remote_free(other, block, head, owner); /* merged: F1 */
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", block, block, 64);
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    void *span = span_pages(&site, 3);
    struct ash_page *span_head = page_of(&site, span);
    ash_span_free(ash_th_of(site.th), span_head);
    assert_int_equal(site.misuses, 0);
    struct ash_counts before = *counts_of(&site);
    size_t bytes = ash_span_bytes(span_head); /* of the free run that it is by now */
    ash_span_free(ash_th_of(site.th), span_head);
    expect_misuse(&site, ASHLAR_MISUSE_DOUBLE_FREE, "free", span, span, bytes);
    assert_memory_equal(&before, counts_of(&site), sizeof before);
    expect_sound(&site);
    ashlar_free(site.th, kept);
    site_close(&site);
}

/* An owner that was pooled when a push looked, and is at work again once the pool's lock is had,
 * collects for itself. */
static void nobody_collects_for_one_that_is_at_work(void **state) {
    (void)state;
    struct site site;
    site_open_plain(&site, 64 * MIB, 2);
    struct ash_thread_heap *owner = ash_th_of(site.threads[0]);
    void *kept = ashlar_malloc(site.threads[0], 100), *block = ashlar_malloc(site.threads[0], 100);
    ashlar_free(site.threads[1], block);
    ash_pool_collect(site.heap, owner);
    assert_true(atomic_load(&owner->pending) != 0);
    assert_int_equal(site_stats(&site).remote_blocks, 1);
    ashlar_thread_heap_release(site.threads[0]);
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    ashlar_free(site.threads[1], kept);
    site_close(&site);
}

/* A span at the frontier could grow where it is, but the system refuses pages once: it moves. */
static void a_refused_growth_in_place_moves(void **state) {
    (void)state;
    struct site site;
    site_open(&site, 64 * MIB, 1);
    uint8_t *block = span_pages(&site, 2);
    fill(block, 2 * PAGE, 5);
    fail_next(&site, 1U << ASHLAR_OS_COMMIT, 1);
    uint8_t *moved = ashlar_realloc(site.th, block, 400 * PAGE);
    fail_no_more(&site);
    assert_true(moved != NULL && moved != block);
    assert_true(holds(moved, 2 * PAGE, 5));
    expect_sound(&site);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_stops_at_a_span_too),
        cmocka_unit_test(a_walk_ends_in_the_middle_of_changes),
        cmocka_unit_test(a_wrong_count_of_dirty_pages_ends_a_purge),
        cmocka_unit_test(memory_of_the_caller_s_is_never_purged),
        cmocka_unit_test(pages_change_hands_under_a_mark),
        cmocka_unit_test(never_purge_leaves_purging_to_trim),
        cmocka_unit_test(a_reset_of_clean_pages_makes_nothing_due),
        cmocka_unit_test(one_moved_span_too_many_is_copied),
        cmocka_unit_test(what_was_freed_meanwhile_is_refused),
        cmocka_unit_test(nobody_collects_for_one_that_is_at_work),
        cmocka_unit_test(a_refused_growth_in_place_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
