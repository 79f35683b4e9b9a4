/* Logical threads that interleave within operations: the scheduler by itself, what a trace's steps
 * mean, and that what only interleaving shows is found, the same each time, and minimised. */
#include "os/lock.h"
#include "support.h"
#include "trace/schedule.h"

#include <ashlar/check.h>
#include <ashlar/heap.h>
#include <ashlar/trace.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* The scheduler, with tasks that write down who passes what. */

static char story[200];
static struct ash_lock held;

static void tell(char what) {
    size_t length = strlen(story);
    assert_true(length + 1 < sizeof story);
    story[length] = what;
    story[length + 1] = 0;
}

/* a1a2a3. by thread 0, b1b2b3. by thread 1, each digit at a point of its own. */
static void three_points(void *context, uint32_t thread) {
    (void)context;
    errno = 100 + (int)thread;
    for (const char *point = "123"; *point != 0; point++) {
        ash_scheduler->pass(ASH_POINT_F2);
        tell((char)('a' + thread));
        tell(*point);
    }
    assert_int_equal(errno, 100 + (int)thread);
    tell('.');
}

static void takes_lock(void *context, uint32_t thread) {
    (void)context;
    while (!ash_lock_try(&held)) ash_scheduler->wait(&held.state);
    tell((char)('a' + thread));
    ash_scheduler->pass(ASH_POINT_LOCK);
    ash_lock_give(&held);
    tell('.');
}

static void tasks_stop_where_they_are_told(void **state) {
    (void)state;
    struct ash_schedule *schedule = ash_schedule_open(three_points, NULL);
    assert_non_null(schedule);
    story[0] = 0;
    errno = 7;
    assert_false(ash_schedule_under_way(schedule, 0));
    assert_false(ash_schedule_run(schedule, 0, 2));
    assert_true(ash_schedule_under_way(schedule, 0));
    assert_false(ash_schedule_run(schedule, 1, 1));
    assert_int_equal(ash_schedule_count(schedule), 2);
    assert_string_equal(story, "a1");
    assert_false(ash_schedule_run(schedule, 1, 2));
    assert_false(ash_schedule_run(schedule, 0, 1));
    assert_string_equal(story, "a1b1b2a2");
    assert_true(ash_schedule_run(schedule, 1, ASH_TO_THE_END));
    assert_true(ash_schedule_run(schedule, 0, 9));
    assert_string_equal(story, "a1b1b2a2b3.a3.");
    assert_int_equal(ash_schedule_count(schedule), 0);
    assert_int_equal(errno, 7);
    assert_null(ash_scheduler);
    ash_schedule_close(schedule);
}

static void tasks_begin_anew(void **state) {
    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        struct ash_schedule *schedule = ash_schedule_open(three_points, NULL);
        story[0] = 0;
        assert_true(ash_schedule_run(schedule, 3, ASH_TO_THE_END));
        assert_false(ash_schedule_run(schedule, 3, 2));
        assert_string_equal(story, "d1d2d3.d1");
        ash_schedule_close(schedule); /* and leaves it there */
    }
}

static void tasks_wait_for_locks(void **state) {
    (void)state;
    struct ash_schedule *schedule = ash_schedule_open(takes_lock, NULL);
    story[0] = 0;
    assert_false(ash_schedule_run(schedule, 0, 1));
    assert_false(ash_schedule_run(schedule, 1, ASH_TO_THE_END));
    assert_true(ash_schedule_waits(schedule, 1));
    assert_false(ash_schedule_waits(schedule, 0));
    assert_false(ash_schedule_run(schedule, 1, ASH_TO_THE_END)); /* in vain */
    assert_true(ash_schedule_run(schedule, 0, ASH_TO_THE_END));
    assert_false(ash_schedule_waits(schedule, 1));
    assert_true(ash_schedule_run(schedule, 1, ASH_TO_THE_END));
    assert_string_equal(story, "a.b.");
    ash_schedule_close(schedule);
}

/* Steps in traces. */

static void step(struct ashlar_trace *trace, uint8_t thread, uint64_t points) {
    trace_add_by(trace, thread, ASHLAR_OP_STEP, 0, 0, points);
}

/* Each operation of the races below stopped at each of its points, with the other in between. */
static void every_point_is_sound(void **state) {
    (void)state;
    static const enum ashlar_op_kind others[] = {ASHLAR_OP_FREE, ASHLAR_OP_COLLECT, ASHLAR_OP_TRIM,
                                                 ASHLAR_OP_THREAD_EXIT, ASHLAR_OP_MALLOC};
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL};
    for (unsigned kind = 0; kind < COUNT_OF(others); kind++) {
        for (uint64_t points = 1; points < 40; points++) {
            struct ashlar_trace trace;
            trace_begin(&trace, 2048);
            for (uint32_t slot = 0; slot < 4; slot++)
                trace_add(&trace, ASHLAR_OP_MALLOC, slot, 32768, 0);
            trace_add_by(&trace, 1, ASHLAR_OP_FREE, 0, 0, 0);
            step(&trace, 1, points);
            trace_add_by(&trace, 1, ASHLAR_OP_FREE, 1, 0, 0);
            step(&trace, 0, points / 2 + 1);
            trace_add(&trace, others[kind], kind == 0 ? 2 : 9, 32768, 0);
            trace_add_by(&trace, 2, ASHLAR_OP_FREE, 3, 0, 0);
            step(&trace, 0, 2);
            trace_add_by(&trace, 2, ASHLAR_OP_TRIM, 0, 0, 0);
            expect_sound(&trace, &options);
            ashlar_trace_free(&trace);
        }
    }
}

/* The same with a span that is freed, kept and taken again. */
static void every_point_of_a_kept_span_is_sound(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL};
    for (unsigned taken = 0; taken < 2; taken++) {
        for (uint64_t points = 1; points < 24; points++) {
            struct ashlar_trace trace;
            trace_begin(&trace, 0);
            for (uint32_t slot = 0; slot < 3; slot++)
                trace_add(&trace, ASHLAR_OP_MALLOC, slot, 150000, 0);
            trace_add(&trace, ASHLAR_OP_FREE, 0, 0, 0);
            step(&trace, 0, points);
            trace_add(&trace, taken != 0 ? ASHLAR_OP_MALLOC : ASHLAR_OP_FREE, 1 - taken, 150000, 0);
            step(&trace, 1, points / 3 + 1);
            trace_add_by(&trace, 1, ASHLAR_OP_TRIM, 0, 0, 0);
            trace_add_by(&trace, 2, ASHLAR_OP_MALLOC, 3, 150000, 0);
            trace_add_by(&trace, 1, ASHLAR_OP_FREE, 2, 0, 0);
            trace_add(&trace, ASHLAR_OP_MALLOC, 4, 150000, 0);
            expect_sound(&trace, &options);
            ashlar_trace_free(&trace);
        }
    }
}

/* A span that two threads free at once: one frees it, the other is told. */
struct claim {
    struct ashlar_thread_heap *threads[2];
    void *span;
    unsigned told;
};

static void is_told(void *context, const struct ashlar_misuse *misuse) {
    struct claim *claim = context;
    assert_int_equal(misuse->code, ASHLAR_MISUSE_DOUBLE_FREE);
    assert_int_equal(misuse->address, (uintptr_t)claim->span);
    claim->told++;
}

static void frees_the_span(void *context, uint32_t thread) {
    struct claim *claim = context;
    ashlar_free(claim->threads[thread], claim->span);
}

static void one_of_two_frees_claims_a_span(void **state) {
    (void)state;
    for (uint64_t points = 1; points < 24; points++) {
        struct claim claim = {.told = 0};
        struct ashlar_heap_options options = {.on_misuse = is_told, .context = &claim};
        struct ashlar_heap *heap;
        struct ashlar_check_report report;
        assert_int_equal(ashlar_heap_create(&options, &heap), ASHLAR_OK);
        for (unsigned i = 0; i < 2; i++)
            assert_int_equal(ashlar_thread_heap_acquire(heap, &claim.threads[i]), ASHLAR_OK);
        claim.span = ashlar_malloc(claim.threads[0], 150000);
        struct ash_schedule *schedule = ash_schedule_open(frees_the_span, &claim);
        bool first = ash_schedule_run(schedule, 0, points);
        bool second = ash_schedule_run(schedule, 1, ASH_TO_THE_END);
        if (!first) assert_true(ash_schedule_run(schedule, 0, ASH_TO_THE_END));
        if (!second) assert_true(ash_schedule_run(schedule, 1, ASH_TO_THE_END));
        ash_schedule_close(schedule);
        assert_int_equal(claim.told, 1);
        enum ashlar_verdict verdict =
            ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report);
        assert_int_equal(verdict, ASHLAR_SOUND);
        ashlar_heap_destroy(heap);
    }
}

static void operations_on_a_busy_slot_are_skipped(void **state) {
    (void)state;
    struct ashlar_trace trace;
    struct ashlar_replay_result result;
    trace_begin(&trace, 2048);
    trace_add(&trace, ASHLAR_OP_MALLOC, 0, 100, 0);
    step(&trace, 1, 1);
    trace_add_by(&trace, 1, ASHLAR_OP_FREE, 0, 0, 0);
    trace_add(&trace, ASHLAR_OP_MALLOC, 0, 100, 0);      /* the slot is busy */
    trace_add(&trace, ASHLAR_OP_DOUBLE_FREE, 0, 0, 0);   /* so it is, and this is illegal */
    trace_add(&trace, ASHLAR_OP_FREE_FOREIGN, 0, 0, 2);  /* illegal while one is under way */
    trace_add_by(&trace, 1, ASHLAR_OP_MALLOC, 0, 50, 0); /* lets the free end */
    trace_add(&trace, ASHLAR_OP_FREE_FOREIGN, 0, 0, 2);  /* nothing is under way */
    trace_add(&trace, ASHLAR_OP_FAULT, 0, 0, 1);         /* never with steps */
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL};
    ashlar_replay(&trace, &options, &result);
    assert_false(result.found);
    assert_int_equal(result.ops_skipped, 4);
    assert_int_equal(result.misuses_expected, 1);
    ashlar_trace_free(&trace);
}

/* A target whose free takes two locks, thread 1 in the other order. */
static struct ash_lock first, second;

static void free_with_two_locks(void *instance, uint32_t thread, void *block) {
    struct ash_lock *outer = thread == 1 ? &second : &first;
    struct ash_lock *inner = thread == 1 ? &first : &second;
    ash_lock_take(outer);
    if (ash_scheduler != NULL) ash_scheduler->pass(ASH_POINT_LOCK);
    ash_lock_take(inner);
    ash_lock_give(inner);
    ash_lock_give(outer);
    ashlar_target_core.free(instance, thread, block);
}

static bool still_deadlocks(void *context, const struct ashlar_trace *candidate) {
    struct ashlar_replay_result result;
    atomic_store(&first.state, 0);
    atomic_store(&second.state, 0);
    ashlar_replay(candidate, context, &result);
    return result.found && result.finding.code == ASHLAR_ORACLE_DEADLOCK;
}

static void deadlock_is_found_and_minimised(void **state) {
    (void)state;
    struct ashlar_target target = ashlar_target_core;
    target.free = free_with_two_locks;
    struct ashlar_replay_options options = {.target = &target};
    struct ashlar_trace trace;
    trace_begin(&trace, 2048);
    for (uint32_t slot = 0; slot < 10; slot++) {
        trace_add_by(&trace, (uint8_t)(slot % 3), ASHLAR_OP_MALLOC, slot, 1000, 0);
        step(&trace, 2, 5);
        trace_add_by(&trace, 2, ASHLAR_OP_COLLECT, 0, 0, 0);
    }
    step(&trace, 0, 1);
    trace_add(&trace, ASHLAR_OP_FREE, 3, 0, 0);
    step(&trace, 1, 1);
    trace_add_by(&trace, 1, ASHLAR_OP_FREE, 4, 0, 0);
    trace_add_by(&trace, 2, ASHLAR_OP_MALLOC, 20, 1000, 0);
    for (unsigned round = 0; round < 20; round++) assert_true(still_deadlocks(&options, &trace));
    ashlar_minimize(&trace, still_deadlocks, &options, 5000);
    assert_true(still_deadlocks(&options, &trace));
    /* two blocks, a step, two frees: the second one stops at the lock by itself */
    assert_int_equal(trace.count, 5);
    ashlar_trace_free(&trace);
}

/* A target whose threads do not exit: what was freed from outside is never collected. */
static void exit_forgotten(void *instance, uint32_t thread) {
    (void)instance;
    (void)thread;
}

static void stranded_blocks_are_found(void **state) {
    (void)state;
    struct ashlar_target target = ashlar_target_core;
    target.thread_exit = exit_forgotten;
    const struct ashlar_replay_options options = {.target = &target};
    struct ashlar_replay_result result;
    struct ashlar_trace trace;
    trace_begin(&trace, 2048);
    trace_add(&trace, ASHLAR_OP_MALLOC, 0, 1000, 0);
    trace_add(&trace, ASHLAR_OP_MALLOC, 1, 1000, 0);
    step(&trace, 1, 1);
    trace_add_by(&trace, 1, ASHLAR_OP_FREE, 1, 0, 0);
    ashlar_replay(&trace, &options, &result);
    assert_true(result.found);
    assert_int_equal(result.finding.code, ASHLAR_ORACLE_STRANDED);
    ashlar_trace_free(&trace);
}

/* Generated traces: sound, and the same twice. */
static void generated_schedules_are_sound(void **state) {
    (void)state;
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_FULL, .verify_every = 8};
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct ashlar_generator generator = {.state = seed,
                                             .slots = 4 + (uint32_t)seed % 20,
                                             .threads = 2 + (uint32_t)seed % 3,
                                             .size_limit = 70000,
                                             .illegal = seed % 4 == 0,
                                             .steps = true};
        struct ashlar_trace trace;
        struct ashlar_replay_result once, twice;
        trace_begin(&trace, seed % 5 == 0 ? 0 : 2048);
        for (unsigned i = 0; i < 200; i++) {
            struct ashlar_op op;
            ashlar_generate_op(&generator, &op);
            if (op.kind <= ASHLAR_OP_ALIGNED && i % 3 != 0) op.size = 32768 >> seed % 6;
            assert_true(ashlar_trace_append(&trace, &op));
        }
        expect_sound(&trace, &options);
        ashlar_replay(&trace, &options, &once);
        ashlar_replay(&trace, &options, &twice);
        assert_int_equal(once.ops_skipped, twice.ops_skipped);
        assert_int_equal(once.peak_bytes, twice.peak_bytes);
        ashlar_trace_free(&trace);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_stop_where_they_are_told),
        cmocka_unit_test(tasks_begin_anew),
        cmocka_unit_test(tasks_wait_for_locks),
        cmocka_unit_test(every_point_is_sound),
        cmocka_unit_test(every_point_of_a_kept_span_is_sound),
        cmocka_unit_test(one_of_two_frees_claims_a_span),
        cmocka_unit_test(operations_on_a_busy_slot_are_skipped),
        cmocka_unit_test(deadlock_is_found_and_minimised),
        cmocka_unit_test(stranded_blocks_are_found),
        cmocka_unit_test(generated_schedules_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
