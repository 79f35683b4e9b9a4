/* Readers other than the in-process one: one that copies, one that refuses, and one that is not
 * quiescent. What cannot be read or may be half done makes the verdict incomplete: never corrupt,
 * and never sound. */
#include "fixture.h"
#include "heap/root.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Copies, except from a refused range, and from anywhere outside the heap, which it counts. */
struct copier {
    const struct rich *rich;
    uint64_t refuse_from, refuse_to;
    uint64_t outside, calls;
};

static bool within(uint64_t address, size_t bytes, uint64_t start, uint64_t length) {
    return address >= start && bytes <= length && address - start <= length - bytes;
}

static const void *copier_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    struct copier *copier = (struct copier *)context;
    const struct ash_root *root = &copier->rich->heap->root;
    copier->calls++;
    bool known = within(address, bytes, root->metadata, root->metadata_bytes) ||
                 within(address, bytes, root->region_base, root->region_pages << ASH_PAGE_SHIFT);
    copier->outside += !known;
    if (!known || (address < copier->refuse_to && address + bytes > copier->refuse_from))
        return NULL;
    memcpy(scratch, (const void *)(uintptr_t)address, bytes);
    return scratch;
}

static struct ashlar_check_report check_through(struct copier *copier, bool quiescent,
                                                enum ashlar_check_tier tier, struct seen *seen) {
    struct ashlar_reader reader = {.context = copier, .view = copier_view, .quiescent = quiescent};
    struct ashlar_check_report report;
    *seen = (struct seen){0};
    ashlar_check(&reader, ashlar_heap_root(copier->rich->public_heap), tier, seen_add, seen,
                 &report);
    if (report.verdict == ASHLAR_CORRUPT) seen_print(seen);
    assert_int_equal(report.findings, seen->count);
    assert_int_equal(copier->outside, 0);
    return report;
}

static struct rich *rich_new(void) {
    struct rich *rich = malloc(sizeof *rich);
    rich_make(rich, 0);
    return rich;
}

static void rich_delete(struct rich *rich) {
    rich_drop(rich);
    free(rich);
}

/* A copy gives the same report as the original. */
static void test_copies(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct copier copier = {.rich = rich};
    struct seen seen;
    for (int i = ASHLAR_CHECK_QUICK; i <= ASHLAR_CHECK_AUDIT; i++) {
        enum ashlar_check_tier tier = (enum ashlar_check_tier)i;
        struct ashlar_check_report direct = expect_verdict(rich, tier, ASHLAR_SOUND);
        struct ashlar_check_report copied = check_through(&copier, true, tier, &seen);
        assert_memory_equal(&direct, &copied, sizeof direct);
    }
    rich_delete(rich);
}

/* A view may lie at any address, as one into a mapped file does. */
struct skewed {
    struct copier copier;
    uint8_t room[8192];
};

static const void *skewed_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    struct skewed *skewed = (struct skewed *)context;
    uint8_t *place = skewed->room + ((uintptr_t)skewed->room % 2 == 0 ? 3 : 2);
    (void)scratch;
    assert_true(bytes + 3 <= sizeof skewed->room);
    return copier_view(&skewed->copier, address, bytes, place) == NULL ? NULL : place;
}

static void test_skewed_views(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct skewed *skewed = malloc(sizeof *skewed);
    skewed->copier = (struct copier){.rich = rich};
    struct ashlar_reader reader = {.context = skewed, .view = skewed_view, .quiescent = true};
    struct ashlar_check_report report;
    assert_int_equal(ashlar_check(&reader, ashlar_heap_root(rich->public_heap), ASHLAR_CHECK_FULL,
                                  NULL, NULL, &report),
                     ASHLAR_SOUND);
    assert_int_equal(report.live_blocks, rich->live_blocks);
    free(skewed);
    rich_delete(rich);
}

/* Each part of the metadata refused, piece by piece: incomplete, with fewer pages or blocks, or
 * sound when nothing of the piece was needed. */
static void test_refusals(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    const struct ash_root *root = &rich->heap->root;
    struct copier copier = {.rich = rich};
    struct seen seen;
    uint64_t incomplete = 0, end = root->bitmaps + root->counts.committed * ASH_BITMAP_STRIDE;
    for (uint64_t at = root->metadata; at < end; at += 512) {
        bool table = at < root->pages + root->counts.committed * sizeof(struct ash_page) ||
                     at >= root->dirty;
        if (!table) {
            at = root->dirty - 512;
            continue;
        }
        if (at > root->bitmaps + 64 * ASH_BITMAP_STRIDE) break;
        copier.refuse_from = at;
        copier.refuse_to = at + 512;
        copier.calls = 0;
        struct ashlar_check_report report = check_through(&copier, true, ASHLAR_CHECK_FULL, &seen);
        assert_int_not_equal(report.verdict, ASHLAR_CORRUPT);
        assert_int_equal(report.verdict == ASHLAR_INCOMPLETE, report.unreadable > 0);
        incomplete += report.verdict == ASHLAR_INCOMPLETE;
    }
    assert_true(incomplete > 50);
    rich_delete(rich);
}

/* What the audit reads beyond the metadata: clean pages; and the dirty bits that say which. */
static void test_audit_refused(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    const struct ash_root *root = &rich->heap->root;
    uint64_t last = root->region_base + (root->counts.committed << ASH_PAGE_SHIFT);
    struct copier copier = {.rich = rich, .refuse_from = last - 8192, .refuse_to = last - 4096};
    struct seen seen;
    struct ashlar_check_report report = check_through(&copier, true, ASHLAR_CHECK_AUDIT, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.unreadable, 1);
    assert_int_equal(report.pages_checked, report.pages_total);
    copier.refuse_from = root->dirty;
    copier.refuse_to = root->dirty + root->counts.committed / 8 + 8;
    report = check_through(&copier, true, ASHLAR_CHECK_AUDIT, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    rich_delete(rich);
}

/* One thread heap refused: what it owns is checked as far as that goes without it. */
static void test_thread_refused(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    uint64_t at = (uint64_t)(uintptr_t)thread_of(rich, 1);
    struct copier copier = {.rich = rich, .refuse_from = at, .refuse_to = at + 8};
    struct seen seen;
    struct ashlar_check_report report = check_through(&copier, true, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.live_blocks, rich->live_blocks);
    /* A count that cannot be true, over a table that cannot be read. */
    rich->heap->root.thread_heap_count = UINT32_MAX;
    struct ashlar_reader reader = {.context = &copier, .view = copier_view, .quiescent = true};
    ashlar_check(&reader, ashlar_heap_root(rich->public_heap), ASHLAR_CHECK_FULL, NULL, NULL,
                 &report);
    assert_int_equal(report.verdict, ASHLAR_CORRUPT);
    rich->heap->thread_heaps_committed = UINT64_MAX; /* nor can this one */
    ashlar_check(&reader, ashlar_heap_root(rich->public_heap), ASHLAR_CHECK_FULL, NULL, NULL,
                 &report);
    assert_int_equal(report.verdict, ASHLAR_CORRUPT);
    assert_int_equal(copier.outside, 0);
    rich_delete(rich);
}

static void test_nothing_readable(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct copier copier = {.rich = rich, .refuse_to = UINT64_MAX};
    struct seen seen;
    struct ashlar_check_report report = check_through(&copier, true, ASHLAR_CHECK_AUDIT, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.unreadable, 1);
    assert_int_equal(report.pages_checked, 0);
    rich_delete(rich);
}

/* Corruption outweighs what could not be read. */
static void test_corrupt_and_refused(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    uint64_t bitmaps = rich->heap->root.bitmaps;
    struct copier copier = {.rich = rich, .refuse_from = bitmaps, .refuse_to = bitmaps + 65536};
    struct seen seen;
    find_span(rich, 3)->span.alignment = 3;
    struct ashlar_check_report report = check_through(&copier, true, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_CORRUPT);
    assert_int_equal(report.findings, 1);
    assert_true(report.unreadable > 0);
    rich_delete(rich);
}

/* With every pointer and link made wild, nothing outside the heap is asked for. */
static void test_wild_pointers(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct ash_heap *heap = rich->heap;
    struct copier copier = {.rich = rich};
    struct ash_heap kept = *heap;
    uint64_t random = 1;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 8; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
            uint64_t page = (random >> 33) % heap->root.counts.committed;
            ((uint64_t *)ash_page_at(heap, page))[(random >> 20) % 16] = random;
            uint32_t id = 1 + (uint32_t)((random >> 13) % heap->root.thread_heap_count);
            ((uint64_t *)thread_of(
                rich, id))[(random >> 40) % (sizeof(struct ash_thread_heap) / 8)] = ~random;
            heap->runs.heads[(random >> 15) % ASH_RUN_BINS] = (uint32_t)random;
        }
        struct ashlar_reader reader = {.context = &copier, .view = copier_view, .quiescent = true};
        struct ashlar_check_report report;
        ashlar_check(&reader, ashlar_heap_root(rich->public_heap), ASHLAR_CHECK_AUDIT, NULL, NULL,
                     &report);
        assert_int_equal(report.verdict, ASHLAR_CORRUPT);
        assert_int_equal(copier.outside, 0);
    }
    *heap = kept;
    rich_delete(rich);
}

/* A heap stopped while pages change hands: what they half did is left out, and counted. */
static void test_heap_in_transition(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct copier copier = {.rich = rich};
    struct seen seen;
    assert_int_equal(check_through(&copier, false, ASHLAR_CHECK_FULL, &seen).verdict, ASHLAR_SOUND);
    struct ash_page *span = find_span(rich, 3);
    struct ash_page kept = *span;
    for (uint32_t mark = ASH_RUNS; mark <= ASH_RESET; mark++) {
        rich->heap->root.transition = mark;
        struct ashlar_check_report report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
        assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
        assert_int_equal(report.in_transition, 1);
        memset(span, 0, sizeof *span); /* released, and not yet in a run */
        rich->heap->root.counts.span -= 3;
        report = check_through(&copier, false, ASHLAR_CHECK_AUDIT, &seen);
        assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
        assert_int_equal(report.in_transition, 2);
        *span = kept;
        rich->heap->root.counts.span += 3;
    }
    /* The same without the mark is corrupt, as is a mark that was left behind. */
    memset(span, 0, sizeof *span);
    rich->heap->root.transition = ASH_QUIET;
    assert_int_equal(check_through(&copier, false, ASHLAR_CHECK_FULL, &seen).verdict,
                     ASHLAR_CORRUPT);
    *span = kept;
    rich->heap->root.transition = ASH_RUNS;
    assert_int_equal(check_through(&copier, true, ASHLAR_CHECK_FULL, &seen).verdict,
                     ASHLAR_CORRUPT);
    rich->heap->root.transition = ASH_RESET + 1;
    assert_int_equal(check_through(&copier, false, ASHLAR_CHECK_FULL, &seen).verdict,
                     ASHLAR_CORRUPT);
    rich->heap->root.transition = ASH_QUIET;
    rich->heap->lock.state = 2; /* counts change under the lock */
    rich->heap->root.counts.moved_spans++;
    assert_int_equal(check_through(&copier, false, ASHLAR_CHECK_FULL, &seen).verdict,
                     ASHLAR_INCOMPLETE);
    rich->heap->root.counts.moved_spans--;
    rich->heap->lock.state = 0;
    rich_delete(rich);
}

/* A thread heap stopped on a slow path: its own is left out, the others' is not. */
static void test_thread_in_transition(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct copier copier = {.rich = rich};
    struct seen seen;
    struct ash_thread_heap *th = thread_of(rich, 1);
    struct ash_bin kept = th->bins[0];
    th->transition = ASH_REFILL;
    struct ashlar_check_report report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.in_transition, 1);
    assert_int_equal(report.live_blocks, rich->live_blocks);
    th->bins[0].queue_head = 0; /* half-way through a removal */
    th->bins[0].word = &rich->heap->no_word;
    report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.in_transition, 2);
    th->bins[0] = kept;
    thread_of(rich, 2)->bins[0].spare3 = 1;
    assert_int_equal(check_through(&copier, false, ASHLAR_CHECK_FULL, &seen).verdict,
                     ASHLAR_CORRUPT);
    rich_delete(rich);
}

/* A remote free stopped between its steps bears no mark. */
static void test_remote_free_half_done(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct copier copier = {.rich = rich};
    struct seen seen;
    struct ash_page *slab = find_slab(rich, 0, ASH_SLAB_FULL, 1);
    _Atomic uint64_t *words = ash_remote_words(rich->heap, ash_page_number(rich->heap, slab));
    words[5] = 16; /* F2 */
    struct ashlar_check_report report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.in_transition, 1);
    slab->remote_summary = 1 << 5; /* F3 */
    report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.in_transition, 1);
    thread_of(rich, 1)->pending = link_of(rich, slab); /* F4 */
    report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_SOUND);
    assert_int_equal(report.live_blocks, rich->live_blocks - 1);
    rich_delete(rich);
}

/* The pool's lock has no mark beside it. */
static void test_pool_half_done(void **state) {
    (void)state;
    struct rich *rich = rich_new();
    struct copier copier = {.rich = rich};
    struct seen seen;
    rich->heap->pool_lock.state = 1;
    rich->heap->root.acquired++;
    struct ashlar_check_report report = check_through(&copier, false, ASHLAR_CHECK_FULL, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.in_transition, 1);
    rich->heap->pool_lock.state = 0;
    assert_int_equal(check_through(&copier, false, ASHLAR_CHECK_FULL, &seen).verdict,
                     ASHLAR_CORRUPT);
    rich->heap->root.acquired--;
    rich_delete(rich);
}

/* Clean pages are read without making them resident. */
static size_t resident_bytes(void) {
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_audit_stays_lean(void **state) {
    (void)state;
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *th;
    struct ashlar_check_report report;
    assert_int_equal(ashlar_heap_create(NULL, &heap), ASHLAR_OK);
    assert_int_equal(ashlar_thread_heap_acquire(heap, &th), ASHLAR_OK);
    /* 512 MiB that were never touched: the alignment leaves them as clean free pages. */
    void *block = ashlar_aligned_alloc(th, (size_t)512 << 20, 1 << 20);
    void *other = ashlar_aligned_alloc(th, (size_t)512 << 20, 1 << 20);
    assert_non_null(block);
    assert_non_null(other);
    uint64_t clean =
        ash_heap_of(heap)->root.counts.free - ash_heap_of(heap)->root.counts.dirty_free;
    assert_true(clean >= 512 * 16 - 64);
    size_t before = resident_bytes();
    assert_int_equal(ashlar_check_heap(heap, ASHLAR_CHECK_AUDIT, NULL, NULL, &report),
                     ASHLAR_SOUND);
    size_t after = resident_bytes();
    assert_true(after < before + (16 << 20));
    ashlar_heap_destroy(heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_skewed_views),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_audit_refused),
        cmocka_unit_test(test_thread_refused),
        cmocka_unit_test(test_nothing_readable),
        cmocka_unit_test(test_corrupt_and_refused),
        cmocka_unit_test(test_wild_pointers),
        cmocka_unit_test(test_heap_in_transition),
        cmocka_unit_test(test_thread_in_transition),
        cmocka_unit_test(test_remote_free_half_done),
        cmocka_unit_test(test_pool_half_done),
        cmocka_unit_test(test_audit_stays_lean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
