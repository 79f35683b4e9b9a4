/* The core under the oracle: generated traces, in all shapes of heaps, have no finding; flipped
 * bits are seen; failing system calls leave a sound heap; impossible requests fail cleanly. */
#include "support.h"

#include <ashlar/os.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ASHLAR_REPLAY_TRACES: how many traces per recipe, for a longer run by hand. */
static uint64_t trace_count(uint64_t standard) {
    const char *text = getenv("ASHLAR_REPLAY_TRACES");
    return text != NULL ? strtoull(text, NULL, 10) : standard;
}

static void run_recipe(const struct recipe *recipe, const struct ashlar_replay_options *options,
                       uint64_t traces) {
    struct ashlar_trace trace;
    for (uint64_t seed = 1; seed <= trace_count(traces); seed++) {
        trace_generate(&trace, recipe, seed);
        expect_sound(&trace, options);
        ashlar_trace_free(&trace);
    }
}

static void legal_traces_in_memory(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL};
    const struct recipe recipes[] = {
        {.kib = 1024, .slots = 16, .threads = 1, .size_limit = 4096, .ops = 60},
        {.kib = 1027, .slots = 64, .threads = 2, .size_limit = 100000, .ops = 200},
        {.kib = 4096, .slots = 256, .threads = 4, .size_limit = 40000, .ops = 600},
        {.kib = 16384, .slots = 512, .threads = 3, .size_limit = 1 << 20, .ops = 800},
        /* few classes, so that slabs have several windows in use and fill up */
        {.kib = 1024, .slots = 1000, .threads = 1, .size_limit = 32, .ops = 3000},
        {.kib = 1024, .slots = 1000, .threads = 2, .size_limit = 200, .ops = 4000},
        /* many slabs of few blocks, which fill up and queue again */
        {.kib = 4096, .slots = 1000, .threads = 1, .size_limit = 2048, .ops = 6000},
    };
    const uint64_t traces[] = {1500, 600, 150, 60, 40, 40, 20};
    for (size_t i = 0; i < COUNT_OF(recipes); i++) run_recipe(&recipes[i], &options, traces[i]);
}

static void illegal_traces_in_memory(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL,
                                                  .touched_check = true};
    const struct recipe recipes[] = {
        {.kib = 1024, .slots = 16, .threads = 2, .size_limit = 4096, .ops = 80, .illegal = true},
        {.kib = 2048, .slots = 64, .threads = 4, .size_limit = 200000, .ops = 300, .illegal = true},
    };
    const uint64_t traces[] = {800, 200};
    for (size_t i = 0; i < COUNT_OF(recipes); i++) run_recipe(&recipes[i], &options, traces[i]);
}

static void traces_checked_after_each_operation(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {
        .oracle = ASHLAR_ORACLE_FULL, .touched_check = true, .verify_every = 1};
    const struct recipe recipe = {
        .kib = 1024, .slots = 32, .threads = 3, .size_limit = 20000, .ops = 100, .illegal = true};
    run_recipe(&recipe, &options, 150);
}

static void traces_over_reserved_space(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_SAMPLED,
                                                  .touched_check = true};
    const struct ashlar_replay_options full = {.oracle = ASHLAR_ORACLE_FULL, .verify_every = 50};
    const struct recipe recipes[] = {
        {.slots = 32, .threads = 2, .size_limit = 1 << 22, .ops = 120, .illegal = true},
        {.slots = 500, .threads = 8, .size_limit = 20000, .ops = 1500, .illegal = true},
    };
    run_recipe(&recipes[0], &options, 400);
    run_recipe(&recipes[0], &full, 150);
    run_recipe(&recipes[1], &options, 40);
}

/* Full checks end with the pages that they may see, but for the one at the end. */
static void checks_have_a_bound(void **state) {
    (void)state;
    for (uint64_t most = 0; most < 2; most++) {
        const struct ashlar_replay_options options = {.verify_every = 1, .check_pages = most};
        struct ashlar_trace trace;
        struct ashlar_replay_result result;
        trace_begin(&trace, 16384);
        trace_add(&trace, ASHLAR_OP_MALLOC, 0, 100000, 0);
        trace_add(&trace, ASHLAR_OP_CHECK, 0, 0, 0);
        trace_add(&trace, ASHLAR_OP_FLIP, 0, 0, 0);
        trace_add(&trace, ASHLAR_OP_MALLOC, 1, 300000, 0);
        ashlar_replay(&trace, &options, &result);
        assert_false(result.found);
        assert_int_equal(result.ops_skipped, most == 0 ? 0 : 2);
        assert_int_equal(result.check.live_blocks, 2);
        ashlar_replay_end(&result);
        ashlar_trace_free(&trace);
    }
}

/* Slabs that fill up, queue, empty and go back, in every order. */
static void traces_of_few_sizes(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {
        .oracle = ASHLAR_ORACLE_SAMPLED, .touched_check = true, .verify_every = 20};
    const struct recipe recipes[] = {
        {.kib = 2048, .slots = 1000, .threads = 1, .ops = 4000, .few = {512, 16}},
        {.kib = 2048, .slots = 1000, .threads = 2, .ops = 4000, .few = {512, 1024}},
        {.kib = 16384, .slots = 150, .threads = 1, .ops = 2000, .few = {40000, 30000}},
        {.kib = 16384, .slots = 100, .threads = 3, .ops = 2000, .few = {60000, 100000}},
        {.slots = 40, .threads = 1, .ops = 1000, .few = {80000, 1 << 21}},
    };
    for (size_t i = 0; i < COUNT_OF(recipes); i++) run_recipe(&recipes[i], &options, 15);
}

/* Spans that grow in place, move, and take over what others left, one step after the other. */
static void spans_step_by_step(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {
        .oracle = ASHLAR_ORACLE_FULL, .touched_check = true, .verify_every = 1};
    for (int reserved = 0; reserved < 2; reserved++) {
        struct ashlar_trace trace;
        trace_begin(&trace, reserved ? 0 : 16384);
        trace_add(&trace, ASHLAR_OP_MALLOC, 0, 100000, 0);
        trace_add(&trace, ASHLAR_OP_REALLOC, 0, 500000, 0); /* in place */
        trace_add(&trace, ASHLAR_OP_MALLOC, 1, 70000, 0);
        trace_add(&trace, ASHLAR_OP_REALLOC, 0, 3000000, 0); /* moves */
        trace_add(&trace, ASHLAR_OP_REALLOC, 0, 200000, 0);
        trace_add(&trace, ASHLAR_OP_REALLOC, 0, 300000, 0);
        trace_add(&trace, ASHLAR_OP_FREE, 1, 0, 0);
        trace_add(&trace, ASHLAR_OP_CALLOC, 1, 1, 2000000); /* dirty and clean pages */
        trace_add(&trace, ASHLAR_OP_FREE, 0, 0, 0);
        trace_add(&trace, ASHLAR_OP_TRIM, 0, 0, 0);
        trace_add(&trace, ASHLAR_OP_CALLOC, 2, 1, 4000000);
        trace_add(&trace, ASHLAR_OP_FREE, 2, 0, 0);
        trace_add(&trace, ASHLAR_OP_REALLOC, 1, 4000000, 0);
        trace_add(&trace, ASHLAR_OP_FREE_SIZED, 1, 0, 0);
        trace_add(&trace, ASHLAR_OP_MALLOC, 3, 1500000, 0);
        trace_add(&trace, ASHLAR_OP_MALLOC, 4, 70000, 0);
        trace_add(&trace, ASHLAR_OP_REALLOC, 3, 6000000, 0); /* large enough to move its pages */
        trace_add(&trace, ASHLAR_OP_REALLOC, 3, 1200000, 0);
        trace_add(&trace, ASHLAR_OP_FREE, 3, 0, 0);
        trace_add(&trace, ASHLAR_OP_CALLOC, 3, 1, 6000000);
        expect_sound(&trace, &options);
        ashlar_trace_free(&trace);
    }
}

/* A second free is found whoever owns the block, whoever freed it first and second, whether or not
 * the first free has been collected, and with other blocks of the slab freed remotely or not. */
static void double_frees_across_threads(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {
        .oracle = ASHLAR_ORACLE_FULL, .touched_check = true, .verify_every = 1};
    static const uint64_t sizes[] = {16, 1000, 40000, 70000};
    for (unsigned round = 0; round < 3 * 3 * 2 * 2 * COUNT_OF(sizes); round++) {
        uint8_t first = (uint8_t)(round % 3), second = (uint8_t)(round / 3 % 3);
        bool collect = round / 9 % 2 != 0, neighbour = round / 18 % 2 != 0;
        uint64_t size = sizes[round / 36];
        struct ashlar_trace trace;
        struct ashlar_replay_result result;
        trace_begin(&trace, 2048);
        for (uint32_t slot = 0; slot < 3; slot++)
            trace_add_by(&trace, 0, ASHLAR_OP_MALLOC, slot, size, 0);
        if (neighbour) trace_add_by(&trace, 1, ASHLAR_OP_FREE, 1, 0, 0);
        trace_add_by(&trace, first, ASHLAR_OP_FREE, 0, 0, 0);
        if (collect) trace_add_by(&trace, 0, ASHLAR_OP_COLLECT, 0, 0, 0);
        trace_add_by(&trace, second, ASHLAR_OP_DOUBLE_FREE, 0, 0, 0);
        ashlar_replay(&trace, &options, &result);
        if (result.found) print_finding(&trace, &result);
        assert_false(result.found);
        assert_int_equal(result.misuses_expected, 1);
        assert_int_equal(result.live_blocks, neighbour ? 1 : 2);
        ashlar_trace_free(&trace);
    }
}

/* Every tier sees the same sound heap, and counts the same blocks. */
static void tiers_agree(void **state) {
    (void)state;
    const struct recipe recipe = {
        .kib = 4096, .slots = 64, .threads = 2, .size_limit = 50000, .ops = 300};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct ashlar_trace trace;
        struct ashlar_replay_result results[3];
        trace_generate(&trace, &recipe, seed);
        for (int tier = ASHLAR_ORACLE_LIGHT; tier <= ASHLAR_ORACLE_FULL; tier++) {
            const struct ashlar_replay_options options = {.oracle = (enum ashlar_oracle_tier)tier};
            ashlar_replay(&trace, &options, &results[tier]);
            assert_false(results[tier].found);
            assert_true(results[tier].checked);
            assert_int_equal(results[tier].check.verdict, ASHLAR_SOUND);
            assert_int_equal(results[tier].live_blocks, results[0].live_blocks);
            assert_int_equal(results[tier].check.live_blocks, results[0].live_blocks);
            assert_int_equal(results[tier].ops_run + results[tier].ops_skipped, trace.count);
        }
        ashlar_trace_free(&trace);
    }
}

/* Each bit that the target can flip is seen by the full check. */
static void flips_are_seen(void **state) {
    (void)state;
    struct ashlar_trace trace;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_LIGHT};
    for (int reserved = 0; reserved < 2; reserved++) {
        trace_begin(&trace, reserved ? 0 : 1024);
        trace.threads = 2;
        for (uint32_t slot = 0; slot < 12; slot++)
            trace_add_by(&trace, slot % 2, ASHLAR_OP_MALLOC, slot, 24U << slot, 0);
        for (uint32_t slot = 0; slot < 12; slot += 3)
            trace_add_by(&trace, 0, ASHLAR_OP_FREE, slot, 0, 0);
        for (uint64_t bit = 0; bit < 30000; bit++) trace_add(&trace, ASHLAR_OP_FLIP, 0, 0, bit);
        struct ashlar_replay_result result;
        ashlar_replay(&trace, &options, &result);
        if (result.found) print_finding(&trace, &result);
        assert_false(result.found);
        assert_int_equal(result.ops_skipped, 0);
        ashlar_trace_free(&trace);
    }
}

/* System calls that a replay of the trace makes, creation included. */
static uint64_t calls_of(const struct ashlar_trace *trace) {
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_LIGHT, .keep = true};
    struct ashlar_replay_result result;
    ashlar_replay(trace, &options, &result);
    assert_false(result.found);
    uint64_t calls = 0;
    for (uint32_t kind = 0; kind < ASHLAR_OS_CALL_COUNT; kind++)
        calls += result.target->calls(result.instance, kind);
    ashlar_replay_end(&result);
    return calls;
}

static void fail_each_call(const struct ashlar_trace *plain) {
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_SAMPLED,
                                                  .touched_check = true};
    struct ashlar_trace empty;
    trace_begin(&empty, 0);
    empty.threads = plain->threads;
    uint64_t calls = calls_of(plain) - calls_of(&empty);
    assert_true(calls > 0);
    for (uint64_t nth = 1; nth <= calls; nth++) {
        struct ashlar_trace trace;
        trace_begin(&trace, 0);
        trace_add(&trace, ASHLAR_OP_FAULT, 0, 0, nth);
        for (size_t op = 0; op < plain->count; op++)
            assert_true(ashlar_trace_append(&trace, &plain->ops[op]));
        expect_sound(&trace, &options);
        ashlar_trace_free(&trace);
    }
}

/* The n-th system call of a trace fails, for every n that there is. */
static void every_failing_call_leaves_a_sound_heap(void **state) {
    (void)state;
    const struct recipe recipes[] = {
        {.slots = 24, .threads = 3, .size_limit = 1 << 21, .ops = 100},
        {.slots = 200, .threads = 2, .size_limit = 3000, .ops = 500},
        {.slots = 8, .threads = 1, .size_limit = 1 << 24, .ops = 80},
    };
    for (size_t i = 0; i < COUNT_OF(recipes); i++) {
        for (uint64_t seed = 1; seed <= 6; seed++) {
            struct ashlar_trace all, plain;
            trace_generate(&all, &recipes[i], seed);
            trace_begin(&plain, 0);
            for (size_t op = 0; op < all.count; op++)
                if (all.ops[op].kind != ASHLAR_OP_FAULT)
                    assert_true(ashlar_trace_append(&plain, &all.ops[op]));
            fail_each_call(&plain);
            ashlar_trace_free(&plain);
            ashlar_trace_free(&all);
        }
    }
}

static const uint64_t absurd_sizes[] = {
    SIZE_MAX,
    SIZE_MAX - 1,
    SIZE_MAX - 7,
    SIZE_MAX - 8,
    SIZE_MAX - 15,
    SIZE_MAX - 16,
    SIZE_MAX - 63,
    SIZE_MAX - 4095,
    SIZE_MAX - 4096,
    SIZE_MAX - 65535,
    SIZE_MAX - 65536,
    SIZE_MAX - 65537,
    SIZE_MAX / 2 + 1,
    (uint64_t)PTRDIFF_MAX,
    SIZE_MAX / 2 + 2,
    (uint64_t)PTRDIFF_MAX - 65535,
    UINT64_C(1) << 62,
    UINT64_C(1) << 47,
    UINT64_C(1) << 48,
    SIZE_MAX - (1 << 30),
    (uint64_t)PTRDIFF_MAX - 65536,
};
static const uint64_t absurd_products[][2] = {
    {SIZE_MAX, 2},
    {SIZE_MAX / 2 + 1, 2},
    {UINT64_C(1) << 32, UINT64_C(1) << 32},
    {3, SIZE_MAX / 3 + 1},
    {SIZE_MAX, SIZE_MAX},
    {SIZE_MAX / 16 + 1, 16},
    {(UINT64_C(1) << 33) + 1, (UINT64_C(1) << 31)},
};
static const uint64_t absurd_alignments[] = {0,
                                             3,
                                             24,
                                             48,
                                             4097,
                                             SIZE_MAX,
                                             SIZE_MAX - 1,
                                             (UINT64_C(1) << 30) + 1,
                                             UINT64_C(1) << 31,
                                             UINT64_C(1) << 47,
                                             UINT64_C(1) << 63};

static void add_impossible_requests(struct ashlar_trace *trace) {
    for (size_t i = 0; i < COUNT_OF(absurd_sizes); i++) {
        trace_add(trace, ASHLAR_OP_MALLOC, 0, absurd_sizes[i], 0);
        trace_add(trace, ASHLAR_OP_CALLOC, 0, absurd_sizes[i], 1);
        trace_add(trace, ASHLAR_OP_CALLOC, 0, 1, absurd_sizes[i]);
        trace_add(trace, ASHLAR_OP_REALLOC, 0, absurd_sizes[i], 0);
        trace_add(trace, ASHLAR_OP_REALLOC, 1, absurd_sizes[i], 0);
        trace_add(trace, ASHLAR_OP_REALLOC, 2, absurd_sizes[i], 0);
        for (unsigned shift = 0; shift < 31; shift += 3)
            trace_add(trace, ASHLAR_OP_ALIGNED, 0, absurd_sizes[i], UINT64_C(1) << shift);
        for (size_t j = 0; j < COUNT_OF(absurd_alignments); j++)
            trace_add(trace, ASHLAR_OP_ALIGNED, 0, absurd_sizes[i], absurd_alignments[j]);
    }
    for (size_t i = 0; i < COUNT_OF(absurd_products); i++)
        trace_add(trace, ASHLAR_OP_CALLOC, 0, absurd_products[i][0], absurd_products[i][1]);
    for (size_t i = 0; i < COUNT_OF(absurd_alignments); i++)
        trace_add(trace, ASHLAR_OP_ALIGNED, 0, 64, absurd_alignments[i]);
}

static void impossible_requests_fail_cleanly(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {
        .oracle = ASHLAR_ORACLE_FULL, .touched_check = true, .verify_every = 1};
    for (int reserved = 0; reserved < 2; reserved++) {
        struct ashlar_trace trace;
        struct ashlar_replay_result result;
        trace_begin(&trace, reserved ? 0 : 1024);
        trace_add(&trace, ASHLAR_OP_MALLOC, 1, 100, 0);
        trace_add(&trace, ASHLAR_OP_MALLOC, 2, 100000, 0);
        add_impossible_requests(&trace);
        ashlar_replay(&trace, &options, &result);
        if (result.found) print_finding(&trace, &result);
        assert_false(result.found);
        assert_int_equal(result.live_blocks, 2); /* none of them was served */
        assert_int_equal(result.ops_skipped, 0);
        ashlar_trace_free(&trace);
    }
}

/* What heaps may not be: an instance that cannot be made is a status, not a crash. */
static void heaps_that_cannot_be(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_LIGHT};
    trace_begin(&trace, 16);
    trace_add(&trace, ASHLAR_OP_MALLOC, 0, 1, 0);
    ashlar_replay(&trace, &options, &result);
    assert_int_equal(result.failure, ASHLAR_TOO_SMALL);
    assert_false(result.found);
    trace.heap_kib = 1024;
    ashlar_replay(&trace, &options, &result);
    assert_int_equal(result.failure, ASHLAR_OK);
    ashlar_trace_free(&trace);
}

static void kept_instances_can_be_asked(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL, .keep = true};
    trace_begin(&trace, 1024);
    trace_add(&trace, ASHLAR_OP_MALLOC, 0, 100, 0);
    trace_add(&trace, ASHLAR_OP_MALLOC, 1, 200, 0);
    trace_add(&trace, ASHLAR_OP_FREE, 1, 0, 0);
    trace_add(&trace, ASHLAR_OP_FILL, 3, 0, 0);
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    bool live = false;
    uint64_t requested = 0;
    struct ashlar_block block;
    uint64_t address = ashlar_replay_slot_address(&result, 0, &live, &requested);
    assert_true(live);
    assert_int_equal(requested, 100);
    assert_true(ashlar_heap_find(result.target->heap(result.instance), address, &block));
    assert_int_equal(block.state, ASHLAR_BLOCK_LIVE);
    address = ashlar_replay_slot_address(&result, 1, &live, &requested);
    assert_int_not_equal(address, 0);
    assert_false(live);
    assert_int_equal(ashlar_replay_slot_address(&result, 2, &live, &requested), 0);
    assert_int_equal(ashlar_replay_slot_address(&result, 99, &live, &requested), 0);
    ashlar_replay_end(&result);
    assert_null(result.instance);
    ashlar_replay_end(&result);
    ashlar_trace_free(&trace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_traces_in_memory),
        cmocka_unit_test(illegal_traces_in_memory),
        cmocka_unit_test(traces_checked_after_each_operation),
        cmocka_unit_test(traces_over_reserved_space),
        cmocka_unit_test(checks_have_a_bound),
        cmocka_unit_test(traces_of_few_sizes),
        cmocka_unit_test(spans_step_by_step),
        cmocka_unit_test(double_frees_across_threads),
        cmocka_unit_test(tiers_agree),
        cmocka_unit_test(flips_are_seen),
        cmocka_unit_test(every_failing_call_leaves_a_sound_heap),
        cmocka_unit_test(impossible_requests_fail_cleanly),
        cmocka_unit_test(heaps_that_cannot_be),
        cmocka_unit_test(kept_instances_can_be_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
