/* Every bit of every metadata structure in use is flipped, one at a time: the full check must find
 * it, or the field is in the table below, with the reason why nothing can tell. After each flip the
 * bit is put back and the heap must be sound again (so the check itself changed nothing).
 *
 * The table is held to account too: a row that never excuses a flip fails the test, so it cannot
 * outlive its reason. */
#include "fixture.h"

#include <stdlib.h>

enum structure { IN_HEAP, IN_THREAD, IN_PAGE, IN_WORDS, IN_REMOTE, IN_DIRTY };

/* Bits [from, to) of the structure, by byte offsets. `kind`: of the page; 0 for any. */
static struct excuse {
    enum structure structure;
    enum ash_page_kind kind;
    size_t from, to;
    const char *reason;
    uint64_t used;
} excuses[] = {
#define FIELD(type, field) offsetof(type, field), offsetof(type, field) + sizeof(((type *)0)->field)
    {IN_HEAP, 0, FIELD(struct ash_heap, decay_ms), "a choice of the creator's, with no copy", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, kept_most), "a choice of the creator's, with no copy", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, os), "callbacks of the creator's, with no copy", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, on_misuse), "a callback of the creator's", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, misuse_context), "the callback's own", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, next_purge_ms),
     "a purge too early finds nothing to do; too late is found", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, habits), "hints; any of them is as good", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, pasts), "hints; any of them is as good", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, habit_random), "any number is as good", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, metadata_committed), "a statistic, with no copy", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, root.counts.purged_total), "a history, with no copy", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, page_limit),
     "may lag behind the frontier; beyond it is found", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, pace), "pacing", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, steps), "a history, with no copy", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, looked_ms), "pacing", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, dropped_ms), "pacing", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, complete), "pacing", 0},
    {IN_THREAD, 0, FIELD(struct ash_thread_heap, walked), "pacing", 0},
    {IN_HEAP, 0, FIELD(struct ash_heap, next_visit_ms), "any time will do", 0},
    {IN_PAGE, ASH_PAGE_SPAN, FIELD(struct ash_page, span.requested_bytes),
     "a size that needs as many pages is as good", 0},
    {IN_PAGE, ASH_PAGE_SPAN, FIELD(struct ash_page, span.alignment),
     "an alignment that the address has anyway is as good", 0},
    {IN_PAGE, ASH_PAGE_KEPT, FIELD(struct ash_page, span.requested_bytes),
     "a size that needs as many pages is as good", 0},
    {IN_PAGE, ASH_PAGE_KEPT, FIELD(struct ash_page, span.alignment),
     "an alignment that the address has anyway is as good", 0},
    {IN_PAGE, ASH_PAGE_FREE, FIELD(struct ash_page, run.freed_ms),
     "a time that keeps the order of the list, and the next purge, is as good", 0},
    {IN_PAGE, ASH_PAGE_SLAB, FIELD(struct ash_page, opened_windows),
     "a window that is entirely free may be opened or not", 0},
    {IN_PAGE, ASH_PAGE_SLAB, FIELD(struct ash_page, remote_summary),
     "of a slab on a stack: set over an empty word by a race, so allowed", 0},
    {IN_PAGE, ASH_PAGE_SLAB, FIELD(struct ash_page, summary),
     "the current window's bit may be stale", 0},
    {IN_PAGE, ASH_PAGE_SLAB, FIELD(struct ash_page, inline_words),
     "a block's state is this bit, and nothing repeats it", 0},
    {IN_WORDS, 0, 0, SIZE_MAX, "a block's state is this bit, and nothing repeats it", 0},
    {IN_REMOTE, 0, 0, SIZE_MAX, "a block's state is this bit, and nothing repeats it", 0},
};

/* Fields of bins: offsets within a bin. */
static struct excuse bin_excuses[] = {
    {IN_THREAD, 0, FIELD(struct ash_bin, candidates), "any set of free blocks is as good", 0},
    {IN_THREAD, 0, FIELD(struct ash_bin, debt), "pacing", 0},
};

struct flipper {
    struct rich *rich;
    uint64_t flips, excused;
    uint64_t touched;  /* found by the check of one address too */
    uint64_t live;     /* of the heap before */
    uintptr_t address; /* in the page whose bookkeeping is flipped */
};

static bool excused_by(struct excuse *rows, size_t count, enum structure structure,
                       enum ash_page_kind kind, size_t offset) {
    for (size_t i = 0; i < count; i++) {
        struct excuse *row = &rows[i];
        if (row->structure != structure || (row->kind != 0 && row->kind != kind)) continue;
        if (offset < row->from || offset >= row->to) continue;
        row->used++;
        return true;
    }
    return false;
}

static bool excused(enum structure structure, enum ash_page_kind kind, size_t offset) {
    size_t bins = offsetof(struct ash_thread_heap, bins);
    size_t behind = offsetof(struct ash_thread_heap, kept);
    if (structure == IN_THREAD && offset >= bins && offset < behind)
        return excused_by(bin_excuses, sizeof bin_excuses / sizeof bin_excuses[0], structure, kind,
                          (offset - bins) % sizeof(struct ash_bin));
    return excused_by(excuses, sizeof excuses / sizeof excuses[0], structure, kind, offset);
}

static void flip_bit(struct flipper *flipper, uint8_t *byte, unsigned bit, enum structure structure,
                     enum ash_page_kind kind, size_t offset) {
    const struct ashlar_heap *heap = flipper->rich->public_heap;
    struct ashlar_check_report report;
    *byte ^= (uint8_t)(1U << bit);
    enum ashlar_verdict verdict = ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report);
    /* The check of one address must not go astray either, nor see what is not there. */
    struct ashlar_check_report touched;
    ashlar_check_touched(heap, flipper->address, NULL, NULL, &touched);
    if (verdict == ASHLAR_SOUND) assert_int_equal(touched.verdict, ASHLAR_SOUND);
    if (verdict == ASHLAR_CORRUPT && touched.verdict == ASHLAR_CORRUPT) flipper->touched++;
    *byte ^= (uint8_t)(1U << bit);
    flipper->flips++;
    if (verdict == ASHLAR_CORRUPT) return;
    assert_int_equal(verdict, ASHLAR_SOUND);
    if (!excused(structure, kind, offset))
        fail_msg("structure %d (page kind %d), byte %zu, bit %u: not found", (int)structure,
                 (int)kind, offset, bit);
    flipper->excused++;
}

static void flip_bytes(struct flipper *flipper, void *start, size_t bytes, enum structure structure,
                       enum ash_page_kind kind) {
    for (size_t offset = 0; offset < bytes; offset++)
        for (unsigned bit = 0; bit < 8; bit++)
            flip_bit(flipper, (uint8_t *)start + offset, bit, structure, kind, offset);
    struct ashlar_check_report report =
        expect_verdict(flipper->rich, ASHLAR_CHECK_FULL, ASHLAR_SOUND);
    assert_int_equal(report.live_blocks, flipper->live);
}

static void flip_bitmaps(struct flipper *flipper, const struct ash_page *page, uint64_t number) {
    struct ash_heap *heap = flipper->rich->heap;
    size_t bytes = ash_window_count(page->block_count) * sizeof(uint64_t);
    if (page->words == ash_bitmap_words(heap, number))
        flip_bytes(flipper, page->words, bytes, IN_WORDS, ASH_PAGE_SLAB);
    flip_bytes(flipper, (void *)(uintptr_t)ash_remote_words(heap, number), bytes, IN_REMOTE,
               ASH_PAGE_SLAB);
}

/* Within long runs one page is as the other: the first few and the last. */
static bool page_is_worth_it(const struct ash_heap *heap, uint64_t number, uint64_t *interior) {
    const struct ash_page *page = ash_page_at(heap, number);
    *interior = page->kind == ASH_PAGE_NONE ? *interior + 1 : 0;
    bool last = number + 1 == heap->root.counts.committed;
    return *interior < 3 || last || ash_page_at(heap, number + 1)->kind != ASH_PAGE_NONE;
}

static void flip_everything(struct rich *rich) {
    struct ash_heap *heap = rich->heap;
    struct flipper flipper = {.rich = rich};
    flipper.live = expect_verdict(rich, ASHLAR_CHECK_FULL, ASHLAR_SOUND).live_blocks;
    uint64_t committed = heap->root.counts.committed, interior = 0;
    flipper.address = (uintptr_t)rich->live[0];
    flip_bytes(&flipper, heap, sizeof *heap, IN_HEAP, 0);
    for (uint32_t id = 1; id <= heap->root.thread_heap_count; id++)
        flip_bytes(&flipper, thread_of(rich, id), sizeof(struct ash_thread_heap), IN_THREAD, 0);
    for (uint64_t number = 0; number < committed; number++) {
        struct ash_page *page = ash_page_at(heap, number);
        if (!page_is_worth_it(heap, number, &interior)) continue;
        flipper.address = (uintptr_t)ash_page_address(heap, number);
        flip_bytes(&flipper, page, sizeof *page, IN_PAGE, page->kind);
        if (page->kind == ASH_PAGE_SLAB) flip_bitmaps(&flipper, page, number);
    }
    flip_bytes(&flipper, ash_dirty_words(heap), (committed + 63) / 64 * 8, IN_DIRTY, 0);
    print_message("%llu flips, %llu excused, %llu also found by address\n",
                  (unsigned long long)flipper.flips, (unsigned long long)flipper.excused,
                  (unsigned long long)flipper.touched);
}

static void test_in_memory(void **state) {
    (void)state;
    struct rich *rich = malloc(sizeof *rich);
    small_make(rich, 2 << 20);
    flip_everything(rich);
    rich_drop(rich);
    free(rich);
}

static void test_reserved(void **state) {
    (void)state;
    struct rich *rich = malloc(sizeof *rich);
    rich_make(rich, 0);
    flip_everything(rich);
    rich_drop(rich);
    free(rich);
}

static void test_every_excuse_is_needed(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof excuses / sizeof excuses[0]; i++)
        if (excuses[i].used == 0)
            fail_msg("excuse %zu (\"%s\") excused nothing", i, excuses[i].reason);
    for (size_t i = 0; i < sizeof bin_excuses / sizeof bin_excuses[0]; i++)
        if (bin_excuses[i].used == 0)
            fail_msg("bin excuse %zu (\"%s\") excused nothing", i, bin_excuses[i].reason);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_memory),
        cmocka_unit_test(test_reserved),
        cmocka_unit_test(test_every_excuse_is_needed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
