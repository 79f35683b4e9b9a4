/* The system fails at every point at which it can: scripts of operations run once for each system
 * call that they make, which fails, alone or with all after it. Each time the heap is sound after
 * every operation, failure is NULL with ENOMEM and loses nothing, and once the system is well again
 * everything works. */
#include "support.h"

#include <stdio.h>

enum { SLOTS = 24, AUDIT_EVERY = 8 };

/* A script's blocks, and what they hold. */
struct stage {
    struct site site;
    struct {
        uint8_t *block;
        size_t bytes, kept; /* asked for; of it written */
        uint64_t seed;
    } slots[SLOTS];
    uint64_t refused; /* operations that failed */
    uint64_t seed;
};

static void stage_wrote(struct stage *stage, unsigned slot) {
    size_t bytes = stage->slots[slot].bytes;
    size_t kept = bytes < 300 ? bytes : 300; /* at both ends: enough to know it again */
    stage->slots[slot].kept = kept;
    stage->slots[slot].seed = ++stage->seed;
    fill(stage->slots[slot].block, kept, stage->seed);
    fill(stage->slots[slot].block + bytes - kept, kept, stage->seed);
}

static bool stage_refused(struct stage *stage, const void *result) {
    if (result != NULL) return false;
    assert_int_equal(errno, ENOMEM);
    assert_true(stage->site.os.failed > 0);
    stage->refused++;
    return true;
}

static void stage_expect(const struct stage *stage) {
    expect_sound(&stage->site);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        if (stage->slots[slot].block != NULL)
            assert_true(
                holds(stage->slots[slot].block, stage->slots[slot].kept, stage->slots[slot].seed));
}

enum how { PLAIN, ZEROED, ALIGNED };

static void make(struct stage *stage, unsigned slot, size_t bytes, enum how how) {
    struct ashlar_thread_heap *th = stage->site.th;
    errno = 0;
    uint8_t *block = how == PLAIN    ? ashlar_malloc(th, bytes)
                     : how == ZEROED ? ashlar_calloc(th, 1, bytes)
                                     : ashlar_aligned_alloc(th, 4 * PAGE, bytes);
    if (!stage_refused(stage, block)) {
        if (how == ZEROED) assert_true(all_zero(block, bytes));
        stage->slots[slot].block = block;
        stage->slots[slot].bytes = bytes;
        stage_wrote(stage, slot);
    }
    stage_expect(stage);
}

static void resize(struct stage *stage, unsigned slot, size_t bytes) {
    uint8_t *before = stage->slots[slot].block;
    if (before == NULL) return; /* it was refused */
    errno = 0;
    uint8_t *block = ashlar_realloc(stage->site.th, before, bytes);
    if (!stage_refused(stage, block)) {
        size_t old = stage->slots[slot].bytes, kept = stage->slots[slot].kept;
        assert_true(holds(block, kept < bytes ? kept : bytes, stage->slots[slot].seed));
        if (bytes >= old) assert_true(holds(block + old - kept, kept, stage->slots[slot].seed));
        stage->slots[slot].block = block;
        stage->slots[slot].bytes = bytes;
        stage_wrote(stage, slot);
    }
    stage_expect(stage);
}

static void drop(struct stage *stage, unsigned slot) {
    errno = 4711;
    ashlar_free(stage->site.th, stage->slots[slot].block);
    assert_int_equal(errno, 4711);
    stage->slots[slot].block = NULL;
    stage_expect(stage);
}

/* The frontier grows, for slabs and for spans. */
static void grow_script(struct stage *stage) {
    for (unsigned i = 0; i < SLOTS; i++)
        make(stage, i, i % 3 == 0 ? 50 + i * 300 : i * 150000, i % 5 == 0 ? ALIGNED : PLAIN);
    for (unsigned i = 0; i < SLOTS; i += 2) drop(stage, i);
    for (unsigned i = 0; i < SLOTS; i += 2) make(stage, i, i * 200000 + 1, ZEROED);
}

/* Spans grow in place, move by their pages, and shrink. */
static void move_script(struct stage *stage) {
    for (unsigned i = 0; i < 6; i++) make(stage, i, (i + 1) * 600000, PLAIN);
    for (unsigned i = 0; i < 6; i++) resize(stage, i, (i + 3) * 900000);
    for (unsigned i = 0; i < 6; i++) resize(stage, i, (i + 1) * 500000);
    for (unsigned i = 0; i < 6; i++) resize(stage, i, i * 40000 + 100);
    for (unsigned i = 0; i < 6; i++) drop(stage, i);
}

/* Pages go back when they are due, by trim, and where a large calloc wants zeros. */
static void purge_script(struct stage *stage) {
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 12; i++) make(stage, i, 100000 + i * 70000, PLAIN);
        for (unsigned i = 0; i < 12; i += 2) drop(stage, i);
        stage->site.os.clock_ms += 600;
        for (unsigned i = 1; i < 12; i += 2) drop(stage, i);
        make(stage, 12, 5 * MIB, PLAIN);
        drop(stage, 12);
        make(stage, 12, 5 * MIB, ZEROED);
        ashlar_trim(stage->site.public_heap, stage->site.th);
        stage_expect(stage);
        drop(stage, 12);
    }
}

/* Thread heaps come and go, and all is freed at once. */
static void thread_script(struct stage *stage) {
    struct site *site = &stage->site;
    for (unsigned round = 0; round < 2; round++) {
        struct ashlar_thread_heap *threads[60] = {0};
        for (unsigned i = 0; i < 60; i++) {
            enum ashlar_status status = ashlar_thread_heap_acquire(site->public_heap, &threads[i]);
            if (status != ASHLAR_OK) {
                assert_int_equal(status, ASHLAR_NO_MEMORY);
                stage->refused++;
                threads[i] = NULL;
                expect_sound(site);
                continue;
            }
            void *block = ashlar_malloc(threads[i], 3000 * i + 1);
            if (block != NULL) ashlar_free(site->th, block);
        }
        for (unsigned i = 0; i < 60; i++)
            if (threads[i] != NULL) ashlar_thread_heap_release(threads[i]);
        stage_expect(stage);
        make(stage, 0, 3 * MIB, PLAIN);
        make(stage, 1, 70000, PLAIN);
        resize(stage, 0, 9 * MIB);
        memset(stage->slots, 0, sizeof stage->slots);
        ashlar_heap_reset(site->public_heap);
        stage_expect(stage);
    }
}

/* Runs a script with call `nth` failing; the number of calls it made. */
static uint64_t run(void (*script)(struct stage *), uint64_t nth, bool after) {
    struct stage stage = {0};
    struct site *site = &stage.site;
    site_prepare(site);
    struct ashlar_heap_options options = site_options(site, 256 * MIB);
    options.thread_heaps = 100;
    assert_int_equal(ashlar_heap_create(&options, &site->public_heap), ASHLAR_OK);
    site->heap = ash_heap_of(site->public_heap);
    assert_int_equal(ashlar_thread_heap_acquire(site->public_heap, &site->th), ASHLAR_OK);
    fail_next(site, (1U << ASHLAR_OS_CALL_COUNT) - 1, nth);
    site->os.fail_after = after;
    script(&stage);
    uint64_t calls = site->os.calls;
    if (nth > 0 && !after) assert_true(site->os.failed <= 1);
    fail_no_more(site);
    uint64_t refused = stage.refused;
    for (unsigned slot = 0; slot < SLOTS; slot++) drop(&stage, slot);
    make(&stage, 0, 40, PLAIN);
    make(&stage, 1, 40000, ALIGNED);
    make(&stage, 2, 2 * MIB, ZEROED);
    resize(&stage, 2, 5 * MIB);
    assert_int_equal(stage.refused, refused); /* it works again */
    assert_true(nth > 0 || refused == 0);
    for (unsigned slot = 0; slot < SLOTS; slot++) drop(&stage, slot);
    if (nth % AUDIT_EVERY == 0) expect_clean(site); /* reads every page */
    expect_sound(site);
    assert_int_equal(site->misuses, 0);
    ashlar_heap_destroy(site->public_heap);
    assert_int_equal(site->os.mapped_bytes, 0);
    return calls;
}

static void sweep(void (*script)(struct stage *), uint64_t calls_least) {
    uint64_t calls = run(script, 0, false);
    assert_true(calls >= calls_least); /* else it tests nothing */
    for (uint64_t nth = 1; nth <= calls; nth++) {
        run(script, nth, false);
        run(script, nth, true);
    }
}

static void growing(void **state) {
    (void)state;
    sweep(grow_script, 20);
}

static void moving(void **state) {
    (void)state;
    sweep(move_script, 15);
}

static void purging(void **state) {
    (void)state;
    sweep(purge_script, 10);
}

static void threads_and_reset(void **state) {
    (void)state;
    sweep(thread_script, 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growing),
        cmocka_unit_test(moving),
        cmocka_unit_test(purging),
        cmocka_unit_test(threads_and_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
