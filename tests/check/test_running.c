/* Checks of a heap whose threads run meanwhile: nothing is held against them, and damage that they
 * cannot have made is found all the same. See src/check/check.c, section 6.
 *
 * First what may happen between two looks, at just that moment: a reader that changes the heap when
 * it is asked for a certain address. Then threads that really run. */
#include "fixture.h"

#include <pthread.h>
#include <stdlib.h>

enum { CLASS_16 = 0, CLASS_1024 = 19, CLASS_2048 = 23 };

/* Copies, and has `change` done before it copies what lies at `at`, at most `times` times. */
struct meddler {
    struct rich *rich;
    uint64_t at;
    void (*change)(struct meddler *meddler);
    unsigned times, done;
    struct ash_page *slab;
    bool refuses; /* what lies at `at`, from the time on when that was changed so often */
    uint32_t mine;
};

/* Word by word, as the threads write it. */
static void copy_words(void *to, uint64_t address, size_t bytes) {
    const volatile uint64_t *from = (const volatile uint64_t *)(uintptr_t)address;
    size_t words = bytes / sizeof *from;
    for (size_t i = 0; i < words; i++) ((uint64_t *)to)[i] = from[i];
    memcpy((uint64_t *)to + words, (const void *)(uintptr_t)(address + words * sizeof *from),
           bytes % sizeof *from);
}

static const void *meddler_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    struct meddler *meddler = (struct meddler *)context;
    bool here = meddler->at - address < bytes;
    if (here && meddler->refuses && meddler->done == meddler->times) return NULL;
    if (here && meddler->done < meddler->times) {
        meddler->done++;
        if (meddler->change != NULL) meddler->change(meddler);
    }
    copy_words(scratch, address, bytes);
    return scratch;
}

static struct ashlar_check_report check_meddled(struct meddler *meddler, struct seen *seen) {
    struct ashlar_reader reader = {.context = meddler,
                                   .view = meddler_view,
                                   .locked = true,
                                   .running = true,
                                   .mine = meddler->mine};
    struct ashlar_check_report report;
    *seen = (struct seen){0};
    ashlar_check(&reader, ashlar_heap_root(meddler->rich->public_heap), ASHLAR_CHECK_FULL, seen_add,
                 seen, &report);
    assert_int_equal(report.findings, seen->count);
    return report;
}

static int setup(void **state) {
    struct rich *rich = malloc(sizeof *rich);
    rich_make(rich, 0);
    *state = rich;
    return 0;
}

static int teardown(void **state) {
    rich_drop((struct rich *)*state);
    free(*state);
    return 0;
}

static struct ash_page *full_16(struct rich *rich) {
    return find_slab(rich, CLASS_16, ASH_SLAB_FULL, 1);
}

static void expect_one(struct rich *rich, enum ashlar_finding_code code) {
    struct meddler meddler = {.rich = rich};
    struct seen seen;
    struct ashlar_check_report report = check_meddled(&meddler, &seen);
    assert_int_equal(report.verdict, ASHLAR_CORRUPT);
    if (seen.count != 1) seen_print(&seen);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.findings[0].code, code);
}

static void expect_none(struct meddler *meddler) {
    struct seen seen;
    struct ashlar_check_report report = check_meddled(meddler, &seen);
    if (report.verdict == ASHLAR_CORRUPT) seen_print(&seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(meddler->done, meddler->times);
}

/* What is wrong with a thread heap that stands still is found, though its thread may run. */
static void damage_is_found(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_thread_heap *th = thread_of(rich, 1);
    struct ash_page *full = full_16(rich), *queued = find_slab(rich, CLASS_16, ASH_SLAB_QUEUED, 1);
    struct meddler meddler = {.rich = rich};
    expect_none(&meddler);
    full->summary = 1;
    expect_one(rich, ASHLAR_SLAB_SUMMARY_STALE);
    full->summary = 0;
    full->place = ASH_SLAB_QUEUED;
    expect_one(rich, ASHLAR_SLAB_PLACE);
    full->place = ASH_SLAB_FULL;
    th->bins[30].spare3 = 1;
    expect_one(rich, ASHLAR_BIN_SPARE);
    th->bins[30].spare3 = 0;
    queued->previous++;
    expect_one(rich, ASHLAR_QUEUE_LINKS);
    queued->previous--;
    ash_remote_words(rich->heap, ash_page_number(rich->heap, queued))[0] = queued->words[0];
    queued->remote_summary = 1;
    expect_one(rich, ASHLAR_SLAB_REMOTE_DOUBLE);
    ash_remote_words(rich->heap, ash_page_number(rich->heap, queued))[0] = 0;
    queued->remote_summary = 0;
    rich->heap->root.acquired++;
    expect_one(rich, ASHLAR_THREAD_ACQUIRED);
    rich->heap->root.acquired--;
    expect_none(&meddler);
}

/* Nothing is live in it, and its owner may be about to give it back. */
static void an_empty_slab_is_not_held_against_threads(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_page *queued = find_slab(rich, CLASS_16, ASH_SLAB_QUEUED, 1);
    unsigned windows = ash_window_count(queued->block_count);
    uint64_t words[ASH_WINDOWS_MAX], summary = queued->summary;
    memcpy(words, queued->words, windows * sizeof *words);
    for (unsigned i = 0; i < windows; i++) queued->words[i] = ash_full_word(queued->block_count, i);
    queued->summary = ash_low_bits(windows);
    struct meddler meddler = {.rich = rich};
    expect_none(&meddler);
    memcpy(queued->words, words, windows * sizeof *words);
    queued->summary = summary;
}

/* More findings of one thing than are held back: those are told, and the rest is counted. */
static void much_damage(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct meddler meddler = {.rich = rich};
    struct seen seen;
    struct ashlar_check_report before = check_meddled(&meddler, &seen);
    full_16(rich)->summary = UINT64_MAX;
    struct ashlar_check_report report = check_meddled(&meddler, &seen);
    assert_int_equal(report.verdict, ASHLAR_CORRUPT);
    assert_true(report.findings > 1 && report.findings < 64);
    assert_int_equal(report.findings + report.in_transition - before.in_transition, 64);
    full_16(rich)->summary = 0;
}

/* A slow path began and ended between the two looks. */
static void take_a_step(struct meddler *meddler) {
    thread_of(meddler->rich, 1)->steps++;
    thread_of(meddler->rich, 2)->steps++;
}

static void what_a_slow_path_changed_is_dropped(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_page *full = full_16(rich);
    struct meddler meddler = {
        .rich = rich, .change = take_a_step, .times = 1, .at = (uint64_t)(uintptr_t)full->words};
    full->summary = 1;
    expect_none(&meddler);
    struct seen seen;
    meddler = (struct meddler){.rich = rich};
    assert_int_equal(check_meddled(&meddler, &seen).verdict, ASHLAR_CORRUPT);
    full->summary = 0;
}

/* A place that was not as it should be, and is dropped, keeps nothing else from being judged. */
static void what_is_dropped_hides_nothing(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_page *full = full_16(rich);
    struct meddler meddler = {
        .rich = rich, .change = take_a_step, .times = 1, .at = (uint64_t)(uintptr_t)full->words};
    struct seen seen;
    full->place = ASH_SLAB_QUEUED;
    thread_of(rich, 2)->bins[30].spare3 = 1;
    find_slab(rich, CLASS_1024, ASH_SLAB_QUEUED, 1)->previous++;
    assert_int_equal(check_meddled(&meddler, &seen).verdict, ASHLAR_CORRUPT);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.findings[0].code, ASHLAR_QUEUE_LINKS);
    assert_int_equal(seen.findings[1].code, ASHLAR_BIN_SPARE);
    find_slab(rich, CLASS_1024, ASH_SLAB_QUEUED, 1)->previous--;
    thread_of(rich, 2)->bins[30].spare3 = 0;
    full->place = ASH_SLAB_FULL;
}

/* A block that was free is handed out, and another thread frees it. */
static void take_and_free_remotely(struct meddler *meddler) {
    struct ash_page *slab = meddler->slab;
    uint64_t bit = slab->words[0] & -slab->words[0];
    slab->words[0] ^= bit;
    ash_remote_words(meddler->rich->heap, ash_page_number(meddler->rich->heap, slab))[0] |= bit;
    slab->remote_summary |= 1;
}

static void a_block_goes_the_long_way(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_page *slab = find_slab(rich, CLASS_1024, ASH_SLAB_CURRENT, 1);
    assert_ptr_equal(slab->words, slab->inline_words);
    assert_int_not_equal(slab->words[0], 0);
    _Atomic uint64_t *remote = ash_remote_words(rich->heap, ash_page_number(rich->heap, slab));
    struct ash_bin *bin = &thread_of(rich, 1)->bins[CLASS_1024];
    uint64_t kept = slab->words[0];
    bin->candidates = 0; /* as if all were tried: the next block comes from a free */
    struct meddler meddler = {.rich = rich,
                              .change = take_and_free_remotely,
                              .times = 1,
                              .at = (uint64_t)(uintptr_t)remote,
                              .slab = slab};
    expect_none(&meddler);
    slab->words[0] = kept;
    remote[0] = 0;
    slab->remote_summary = 0;
    bin->candidates = kept;
}

/* A candidate is taken: first it goes, and then its block's bit. */
static void take_a_candidate(struct meddler *meddler) {
    struct ash_bin *bin = &thread_of(meddler->rich, 1)->bins[CLASS_1024];
    uint64_t bit = bin->candidates & -bin->candidates;
    bin->candidates ^= bit;
    *bin->word ^= bit;
}

static void a_candidate_is_taken(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_bin *bin = &thread_of(rich, 1)->bins[CLASS_1024];
    uint64_t candidates = bin->candidates, word = *bin->word, *at = bin->word;
    assert_int_not_equal(candidates, 0);
    /* At every look at the word, by itself or with its slab, and at some only. */
    for (unsigned turn = 1; turn <= 5; turn++) {
        struct meddler meddler = {
            .rich = rich, .change = take_a_candidate, .times = turn, .at = (uint64_t)(uintptr_t)at};
        struct seen seen;
        assert_int_equal(check_meddled(&meddler, &seen).verdict, ASHLAR_INCOMPLETE);
        bin->candidates = candidates;
        *at = word;
    }
    bin->candidates = ~word;
    expect_one(rich, ASHLAR_BIN_CANDIDATES);
    bin->candidates = candidates;
}

/* Medium bins gain candidates on the fast path, of blocks that were just freed. */
static void candidates_of_medium_bins(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_bin *bin = &thread_of(rich, 1)->bins[CLASS_2048];
    struct meddler meddler = {.rich = rich};
    uint64_t candidates = bin->candidates;
    assert_true(bin->slab != 0 && *bin->word != UINT64_MAX);
    bin->candidates = ~*bin->word;
    expect_none(&meddler);
    bin->candidates = candidates;
}

/* Nobody but the caller runs on its own thread heap: its lists have to be complete. */
static void the_caller_s_own(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct meddler meddler = {.rich = rich};
    struct seen seen;
    struct ashlar_check_report others = check_meddled(&meddler, &seen);
    meddler.mine = 1;
    struct ashlar_check_report report = check_meddled(&meddler, &seen);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    assert_int_equal(report.in_transition, others.in_transition - 1);
    thread_of(rich, 1)->bins[CLASS_16].queue_head = 0;
    thread_of(rich, 1)->bins[CLASS_16].queue_tail = 0;
    meddler.mine = 2;
    assert_int_equal(check_meddled(&meddler, &seen).verdict, ASHLAR_INCOMPLETE);
    meddler.mine = 1;
    assert_int_equal(check_meddled(&meddler, &seen).verdict, ASHLAR_CORRUPT);
    assert_int_equal(seen.findings[0].code, ASHLAR_QUEUE_UNLISTED);
    uint32_t link = link_of(rich, find_slab(rich, CLASS_16, ASH_SLAB_QUEUED, 1));
    while (ash_page_at(rich->heap, link - 1)->previous != 0)
        link = ash_page_at(rich->heap, link - 1)->previous;
    thread_of(rich, 1)->bins[CLASS_16].queue_head = link;
    while (ash_page_at(rich->heap, link - 1)->next != 0)
        link = ash_page_at(rich->heap, link - 1)->next;
    thread_of(rich, 1)->bins[CLASS_16].queue_tail = link;
}

/* What cannot be read again, at each time that it is read, is not judged. */
static void what_is_refused(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct ash_page *full = full_16(rich);
    struct ash_bin *bin = &thread_of(rich, 1)->bins[CLASS_1024];
    const void *const places[] = {
        &thread_of(rich, 1)->steps,
        thread_of(rich, 3),
        bin,
        bin->word,
        full,
        find_slab(rich, CLASS_16, ASH_SLAB_QUEUED, 1),
        ash_page_at(rich->heap, rich->heap->runs.heads[3] - 1),
        ash_page_at(rich->heap, rich->heap->runs.dirty_head - 1),
        ash_page_at(rich->heap, thread_of(rich, 2)->pending - 1),
    };
    uint64_t candidates = bin->candidates;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (unsigned times = 0; times < 50; times++) {
            struct meddler meddler = {.rich = rich,
                                      .at = (uint64_t)(uintptr_t)places[i],
                                      .times = times,
                                      .refuses = true};
            struct seen seen;
            assert_int_equal(check_meddled(&meddler, &seen).verdict, ASHLAR_INCOMPLETE);
            /* Damage may be told before the refusal or not at all, but nothing else. */
            full->summary = 1;
            bin->candidates = ~*bin->word;
            meddler.done = 0;
            struct ashlar_check_report report = check_meddled(&meddler, &seen);
            assert_true(report.findings <= 2);
            full->summary = 0;
            bin->candidates = candidates;
        }
    }
}

/* Without the locks nothing at all can be judged. */
static void without_the_locks(void **state) {
    struct rich *rich = (struct rich *)*state;
    struct meddler meddler = {.rich = rich};
    struct ashlar_reader reader = {.context = &meddler, .view = meddler_view, .running = true};
    struct ashlar_check_report report;
    full_16(rich)->summary = 1;
    rich->heap->root.counts.spans++;
    ashlar_check(&reader, ashlar_heap_root(rich->public_heap), ASHLAR_CHECK_AUDIT, NULL, NULL,
                 &report);
    assert_int_equal(report.verdict, ASHLAR_INCOMPLETE);
    rich->heap->root.counts.spans--;
    full_16(rich)->summary = 0;
}

/* Threads that run. */

enum { SWEEPERS = 2, THREADS = 4, SWEPT = 3000, SLOTS = 200, SHARED = 64, CHECKS = 400 };

struct yard {
    struct ashlar_heap *heap;
    _Atomic bool over;
    _Atomic unsigned number;
    void *_Atomic shared[SHARED];
};

static uint64_t draw(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static size_t draw_bytes(uint64_t *random) {
    static const size_t most[] = {64, 64, 1024, 1024, 4096, 65536, 300000};
    return draw(random) % most[draw(random) % (sizeof most / sizeof most[0])];
}

/* Every kind of slow path now and then; blocks of others; another thread heap every so often. */
static void churn(struct yard *yard, uint64_t random) {
    struct ashlar_thread_heap *th = NULL;
    void *slots[SLOTS] = {0};
    for (unsigned turn = 0; !atomic_load(&yard->over); turn++) {
        if (turn % 20000 == 0) {
            if (th != NULL) ashlar_thread_heap_release(th);
            if (ashlar_thread_heap_acquire(yard->heap, &th) != ASHLAR_OK) abort();
        }
        void **slot = &slots[draw(&random) % SLOTS];
        if (*slot == NULL) {
            *slot = ashlar_malloc(th, draw_bytes(&random));
        } else if (turn % 8 == 0) {
            *slot = atomic_exchange(&yard->shared[draw(&random) % SHARED], *slot);
        } else {
            ashlar_free(th, *slot);
            *slot = NULL;
        }
    }
    for (unsigned i = 0; i < SLOTS; i++) ashlar_free(th, slots[i]);
    ashlar_thread_heap_release(th);
}

/* Slow paths that need no lock, one after the other: windows that fill up and get blocks back, and
 * slabs that are queued and entered. */
static void sweep(struct yard *yard, uint64_t random) {
    static const size_t bytes[] = {16, 512, 1000};
    static void *slots[SWEEPERS][SWEPT];
    struct ashlar_thread_heap *th;
    void **mine = slots[random % SWEEPERS];
    if (ashlar_thread_heap_acquire(yard->heap, &th) != ASHLAR_OK) abort();
    for (unsigned i = 0; i < SWEPT; i++) mine[i] = ashlar_malloc(th, bytes[i % 3]);
    while (!atomic_load(&yard->over)) {
        unsigned one = (unsigned)(draw(&random) % SWEPT), count = 1 + (unsigned)draw(&random) % 100;
        for (unsigned i = one; i < one + count && i < SWEPT; i++) ashlar_free(th, mine[i]);
        for (unsigned i = one; i < one + count && i < SWEPT; i++)
            mine[i] = ashlar_malloc(th, bytes[i % 3]);
    }
    for (unsigned i = 0; i < SWEPT; i++) ashlar_free(th, mine[i]);
    ashlar_thread_heap_release(th);
}

static void *run(void *argument) {
    struct yard *yard = (struct yard *)argument;
    unsigned number = atomic_fetch_add(&yard->number, 1);
    if (number < SWEEPERS)
        sweep(yard, UINT64_C(88172645463325252) / SWEEPERS * SWEEPERS + number);
    else
        churn(yard, UINT64_C(88172645463325252) + number);
    return NULL;
}

static const void *copy_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    (void)context;
    copy_words(scratch, address, bytes);
    return scratch;
}

static void check_among_threads(struct yard *yard, bool locked, enum ashlar_check_tier tier) {
    struct ash_heap *heap = ash_heap_of(yard->heap);
    struct ashlar_reader reader = {.view = copy_view, .running = true, .locked = locked};
    struct ashlar_check_report report;
    struct seen seen = {0};
    if (locked) {
        ash_lock_take(&heap->pool_lock);
        ash_lock_take(&heap->lock);
    }
    ashlar_check(&reader, ashlar_heap_root(yard->heap), tier, seen_add, &seen, &report);
    if (locked) {
        ash_lock_give(&heap->lock);
        ash_lock_give(&heap->pool_lock);
        assert_int_equal(report.pages_checked, report.pages_total);
    }
    if (report.verdict == ASHLAR_CORRUPT) seen_print(&seen);
    assert_int_not_equal(report.verdict, ASHLAR_CORRUPT);
}

static void nothing_is_held_against_threads(void **state) {
    static struct yard yard;
    pthread_t threads[THREADS];
    (void)state;
    assert_int_equal(ashlar_heap_create(NULL, &yard.heap), ASHLAR_OK);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &yard), 0);
    while (ash_heap_of(yard.heap)->root.counts.committed == 0) sched_yield();
    for (unsigned i = 0; i < CHECKS; i++) {
        /* Without the locks no audit: free pages may be moved while they are read. */
        check_among_threads(&yard, true, (enum ashlar_check_tier)(i % 3));
        check_among_threads(&yard, false, (enum ashlar_check_tier)(i % 2));
    }
    atomic_store(&yard.over, true);
    for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    struct ashlar_check_report report;
    assert_int_equal(ashlar_check_heap(yard.heap, ASHLAR_CHECK_AUDIT, NULL, NULL, &report),
                     ASHLAR_SOUND);
    ashlar_heap_destroy(yard.heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(damage_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_slab_is_not_held_against_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(much_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_slow_path_changed_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_dropped_hides_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_block_goes_the_long_way, setup, teardown),
        cmocka_unit_test_setup_teardown(a_candidate_is_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(candidates_of_medium_bins, setup, teardown),
        cmocka_unit_test_setup_teardown(the_caller_s_own, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_locks, setup, teardown),
        cmocka_unit_test(nothing_is_held_against_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
