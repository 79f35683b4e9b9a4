/* Sound heaps of many shapes are sound in every tier, and the coverage is what the heap holds. */
#include "fixture.h"

#include <stdlib.h>

static uint64_t state;
static uint64_t draw(uint64_t below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % below;
}

static void check_all_tiers(const struct rich *rich) {
    struct ashlar_heap_stats stats;
    ashlar_heap_get_stats(rich->public_heap, &stats);
    for (int tier = ASHLAR_CHECK_QUICK; tier <= ASHLAR_CHECK_AUDIT; tier++) {
        struct ashlar_check_report report =
            expect_verdict(rich, (enum ashlar_check_tier)tier, ASHLAR_SOUND);
        assert_int_equal(report.pages_total, rich->heap->root.counts.committed);
        assert_int_equal(report.pages_checked, report.pages_total);
        assert_int_equal(report.unreadable + report.in_transition, 0);
        if (tier == ASHLAR_CHECK_QUICK) continue;
        assert_int_equal(report.live_blocks, rich->live_blocks);
        assert_int_equal(report.live_blocks, stats.live_blocks);
        assert_int_equal(report.blocks_checked,
                         stats.live_blocks + stats.free_blocks + stats.remote_blocks);
    }
}

static void test_rich(void **unused) {
    (void)unused;
    struct rich *rich = malloc(sizeof *rich);
    rich_make(rich, 0);
    check_all_tiers(rich);
    for (size_t i = 0; i < rich->live_count; i++) {
        struct ashlar_check_report report;
        uintptr_t address = (uintptr_t)rich->live[i];
        assert_int_equal(ashlar_check_touched(rich->public_heap, address, NULL, NULL, &report),
                         ASHLAR_SOUND);
    }
    rich_drop(rich);
    rich_make(rich, (size_t)128 << 20);
    check_all_tiers(rich);
    rich_drop(rich);
    free(rich);
}

static void test_empty_and_small(void **unused) {
    (void)unused;
    struct rich *rich = malloc(sizeof *rich);
    small_make(rich, 1 << 20);
    check_all_tiers(rich);
    ashlar_heap_reset(rich->public_heap);
    rich->live_blocks = 0;
    check_all_tiers(rich);
    rich_drop(rich);
    small_make(rich, 0);
    check_all_tiers(rich);
    rich_drop(rich);
    struct ashlar_heap *empty;
    struct ashlar_check_report report;
    assert_int_equal(ashlar_heap_create(NULL, &empty), ASHLAR_OK);
    assert_int_equal(ashlar_check_heap(empty, ASHLAR_CHECK_AUDIT, NULL, NULL, &report),
                     ASHLAR_SOUND);
    assert_int_equal(report.pages_total, 0);
    ashlar_heap_destroy(empty);
    free(rich);
}

/* One step of random churn over `slots` slots; returns the address it touched. */
static uintptr_t churn(struct rich *rich, void **slots, size_t count) {
    struct ashlar_thread_heap *th = rich->threads[draw(2)];
    void **slot = &slots[draw(count)];
    uintptr_t touched = (uintptr_t)*slot;
    uint64_t kind = draw(16);
    size_t bytes = kind == 0 ? draw(400000) : kind < 4 ? draw(40000) : draw(700);
    if (*slot == NULL) {
        *slot = kind == 5 ? ashlar_aligned_alloc(th, (size_t)1 << draw(18), bytes)
                          : ashlar_malloc(th, bytes);
        rich->live_blocks += *slot != NULL;
        return (uintptr_t)*slot;
    }
    if (kind % 2 == 0) {
        void *moved = ashlar_realloc(th, *slot, bytes + 1);
        if (moved != NULL) *slot = moved;
        return (uintptr_t)*slot;
    }
    ashlar_free(th, *slot);
    *slot = NULL;
    rich->live_blocks--;
    return touched;
}

static void run_churn(size_t memory_bytes, unsigned steps) {
    struct rich *rich = malloc(sizeof *rich);
    enum { SLOTS = 400 };
    void *slots[SLOTS] = {0};
    small_make(rich, memory_bytes);
    state = memory_bytes + steps;
    for (unsigned step = 0; step < steps; step++) {
        uintptr_t touched = churn(rich, slots, SLOTS);
        struct ashlar_check_report report;
        struct seen seen = {0};
        if (ashlar_check_touched(rich->public_heap, touched, seen_add, &seen, &report) !=
            ASHLAR_SOUND) {
            seen_print(&seen);
            fail_msg("step %u", step);
        }
        rich->os.clock_ms += draw(20);
        if (step % 16 == 0) expect_verdict(rich, ASHLAR_CHECK_FULL, ASHLAR_SOUND);
        if (step % 512 == 0) check_all_tiers(rich);
        if (draw(300) == 0) ashlar_trim(rich->public_heap, rich->threads[0]);
        if (draw(200) == 0) {
            size_t which = (size_t)draw(2);
            ashlar_thread_heap_release(rich->threads[which]);
            expect_verdict(rich, ASHLAR_CHECK_FULL, ASHLAR_SOUND);
            assert_int_equal(ashlar_thread_heap_acquire(rich->public_heap, &rich->threads[which]),
                             ASHLAR_OK);
        }
    }
    rich_drop(rich);
    free(rich);
}

static void test_churn_reserved(void **unused) {
    (void)unused;
    run_churn(0, 6000);
}

/* So little memory that most of the time there is none. */
static void test_churn_scarce(void **unused) {
    (void)unused;
    run_churn(2 << 20, 6000);
    run_churn(8 << 20, 6000);
}

static void test_verdict_text(void **unused) {
    (void)unused;
    assert_string_equal(ashlar_verdict_text(ASHLAR_SOUND), "sound");
    assert_string_equal(ashlar_verdict_text(ASHLAR_CORRUPT), "corrupt");
    assert_string_equal(ashlar_verdict_text(ASHLAR_INCOMPLETE), "incomplete");
    assert_string_equal(ashlar_verdict_text((enum ashlar_verdict)9), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rich),           cmocka_unit_test(test_empty_and_small),
        cmocka_unit_test(test_churn_reserved), cmocka_unit_test(test_churn_scarce),
        cmocka_unit_test(test_verdict_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
