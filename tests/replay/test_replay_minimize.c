/* The minimiser and bisect: a known failure, buried in a long random trace, comes out as the known
 * smallest trace; budgets are kept; what comes out always still fails. */
#include "support.h"

#include <string.h>

/* A failure with a known smallest form: a block of at least `least` bytes in slot A is freed by
 * another thread than the one that allocated it, while a block B of a calloc is live. */
struct planted {
    uint64_t least;
    size_t tests;
};

static bool planted_failure(void *context, const struct ashlar_trace *trace) {
    struct planted *planted = context;
    enum { SLOTS = 64 };
    struct {
        bool live, calloced;
        uint8_t thread;
        uint64_t size;
    } slots[SLOTS];
    size_t callocs = 0;
    memset(slots, 0, sizeof slots);
    planted->tests++;
    assert_true(trace->slots <= SLOTS);
    for (size_t i = 0; i < trace->count; i++) {
        const struct ashlar_op *op = &trace->ops[i];
        bool calloc = op->kind == ASHLAR_OP_CALLOC;
        if ((op->kind == ASHLAR_OP_MALLOC || calloc) && !slots[op->slot].live) {
            slots[op->slot].live = true;
            slots[op->slot].calloced = calloc;
            slots[op->slot].thread = op->thread;
            slots[op->slot].size = op->size;
            callocs += calloc;
        }
        if (op->kind != ASHLAR_OP_FREE || !slots[op->slot].live) continue;
        slots[op->slot].live = false;
        if (slots[op->slot].calloced) {
            callocs--;
        } else if (slots[op->slot].size >= planted->least && callocs > 0 &&
                   slots[op->slot].thread != op->thread) {
            return true;
        }
    }
    return false;
}

static void buried_failure(struct ashlar_trace *trace, uint64_t seed, size_t ops) {
    const struct recipe recipe = {
        .kib = 1024, .slots = 40, .threads = 4, .size_limit = 20000, .ops = ops};
    trace_generate(trace, &recipe, seed);
}

static void known_failure_becomes_its_smallest_form(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct planted planted = {.least = 100 + seed * 37};
        struct ashlar_trace trace;
        buried_failure(&trace, seed, 800);
        assert_true(planted_failure(&planted, &trace));
        ashlar_minimize(&trace, planted_failure, &planted, 100000);
        assert_true(planted_failure(&planted, &trace));
        assert_int_equal(trace.count, 3);
        assert_int_equal(trace.slots, 2);
        assert_int_equal(trace.threads, 2);
        for (size_t i = 0; i < trace.count; i++) {
            const struct ashlar_op *op = &trace.ops[i];
            assert_int_equal(op->size, op->kind == ASHLAR_OP_MALLOC ? planted.least : 0);
            assert_int_equal(op->arg, 0);
            assert_true(op->slot < 2);
        }
        assert_int_equal(trace.ops[2].kind, ASHLAR_OP_FREE);
        ashlar_trace_free(&trace);
    }
}

static void budget_is_kept(void **state) {
    (void)state;
    for (size_t budget = 0; budget < 60; budget += 7) {
        struct planted planted = {.least = 100};
        struct ashlar_trace trace;
        buried_failure(&trace, 1, 400);
        size_t tests = ashlar_minimize(&trace, planted_failure, &planted, budget);
        assert_true(tests <= budget);
        assert_int_equal(tests, planted.tests);
        assert_true(planted_failure(&planted, &trace));
        ashlar_trace_free(&trace);
    }
}

/* No single operation of the result can go. */
static void result_is_1_minimal(void **state) {
    (void)state;
    struct planted planted = {.least = 5000};
    struct ashlar_trace trace;
    buried_failure(&trace, 7, 600);
    ashlar_minimize(&trace, planted_failure, &planted, 100000);
    for (size_t without = 0; without < trace.count; without++) {
        struct ashlar_trace shorter;
        trace_begin(&shorter, 1024);
        for (size_t i = 0; i < trace.count; i++)
            if (i != without) assert_true(ashlar_trace_append(&shorter, &trace.ops[i]));
        assert_false(planted_failure(&planted, &shorter));
        ashlar_trace_free(&shorter);
    }
    ashlar_trace_free(&trace);
}

static bool always(void *context, const struct ashlar_trace *candidate) {
    (void)context, (void)candidate;
    return true;
}

static void nothing_is_needed(void **state) {
    (void)state;
    struct ashlar_trace trace;
    buried_failure(&trace, 3, 100);
    ashlar_minimize(&trace, always, NULL, 10000);
    assert_int_equal(trace.count, 0);
    ashlar_minimize(&trace, always, NULL, 10000);
    assert_int_equal(trace.count, 0);
    ashlar_trace_free(&trace);
}

/* A real one: a double free in a random trace, as `ashlar minimize` does it. */
struct replayed {
    struct ashlar_replay_options options;
    struct ashlar_trace original;
    struct ashlar_replay_result result;
};

static bool same(void *context, const struct ashlar_trace *candidate) {
    struct replayed *replayed = context;
    struct ashlar_replay_result result;
    ashlar_replay(candidate, &replayed->options, &result);
    return ashlar_same_finding(&replayed->original, &replayed->result, candidate, &result);
}

static void double_free_becomes_three_operations(void **state) {
    (void)state;
    struct replayed replayed = {.options = {.report_illegal = true}};
    struct ashlar_trace trace;
    const struct recipe recipe = {
        .kib = 2048, .slots = 32, .threads = 3, .size_limit = 9000, .ops = 300};
    trace_generate(&trace, &recipe, 5);
    trace_add_by(&trace, 1, ASHLAR_OP_REALLOC, 32, 777, 0);
    trace_add_by(&trace, 0, ASHLAR_OP_FREE, 32, 0, 0);
    trace_add_by(&trace, 2, ASHLAR_OP_DOUBLE_FREE, 32, 0, 0);
    ashlar_trace_init(&replayed.original);
    assert_true(ashlar_trace_copy(&replayed.original, &trace));
    ashlar_replay(&trace, &replayed.options, &replayed.result);
    assert_true(replayed.result.found);
    assert_int_equal(replayed.result.finding.code, ASHLAR_MISUSE_DOUBLE_FREE);
    assert_int_equal(replayed.result.finding.op_index, 302);
    ashlar_minimize(&trace, same, &replayed, 20000);
    assert_int_equal(trace.count, 3);
    assert_int_equal(trace.threads, 1);
    assert_int_equal(trace.slots, 1);
    assert_int_equal(trace.ops[0].kind, ASHLAR_OP_MALLOC);
    assert_int_equal(trace.ops[0].size, 0);
    assert_int_equal(trace.ops[1].kind, ASHLAR_OP_FREE);
    assert_int_equal(trace.ops[2].kind, ASHLAR_OP_DOUBLE_FREE);
    ashlar_trace_free(&trace);
    ashlar_trace_free(&replayed.original);
}

/* A target that breaks its heap at one operation, which nothing notices until the end. */
static void collect_flips(void *instance, uint32_t thread) {
    (void)thread;
    ashlar_target_core.flip(instance, 64);
}

static void bisect_names_the_operation(void **state) {
    (void)state;
    struct ashlar_target target = ashlar_target_core;
    struct ashlar_replay_finding finding;
    const struct ashlar_replay_options options = {.target = &target};
    target.collect = collect_flips;
    for (size_t at = 0; at < 200; at += 13) {
        struct ashlar_trace trace;
        trace_begin(&trace, 4096);
        for (uint32_t i = 0; i < 200; i++) {
            if (i == at) trace_add(&trace, ASHLAR_OP_COLLECT, 0, 0, 0);
            trace_add(&trace, ASHLAR_OP_MALLOC, i, 10 + i, 0);
        }
        assert_true(ashlar_bisect(&trace, &options, &finding));
        assert_int_equal(finding.op_index, at);
        assert_int_equal(finding.layer, ASHLAR_LAYER_CHECKER);
        ashlar_trace_free(&trace);
    }
    struct ashlar_trace sound;
    trace_begin(&sound, 1024);
    trace_add(&sound, ASHLAR_OP_MALLOC, 0, 10, 0);
    assert_false(ashlar_bisect(&sound, &options, &finding));
    ashlar_trace_free(&sound);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_failure_becomes_its_smallest_form),
        cmocka_unit_test(budget_is_kept),
        cmocka_unit_test(result_is_1_minimal),
        cmocka_unit_test(nothing_is_needed),
        cmocka_unit_test(double_free_becomes_three_operations),
        cmocka_unit_test(bisect_names_the_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
