/* The mutator: same seed, same mutation; never out of bounds; every operator does something; what
 * it makes is mostly work for the heap. And the shared object's side: trimming ends, and keeps what
 * it is told to keep.
 *
 * Buffers are exactly as large as the capacity that is promised, so that AddressSanitizer sees a
 * single byte too many.
 */
#include "engine.h"
#include "mutator.h"
#include "trace/raw.h"

#include <ashlar/trace.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CAPACITY = ASHLAR_RAW_HEADER_BYTES + 300 * ASHLAR_OP_BYTES, SEEDS = 400, EPISODE = 40 };

/* A raw trace of generated operations, in a buffer of `capacity`; returns its size. */
static size_t make_input(uint64_t seed, size_t ops, uint8_t *out, size_t capacity) {
    struct ashlar_generator generator = {
        .state = seed, .slots = 40, .threads = 3, .size_limit = 1 << 16, .illegal = seed % 2 == 1};
    generator.steps = seed % 4 != 3;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    trace.threads = 3;
    for (size_t i = 0; i < ops; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        if (i % EPISODE == EPISODE - 1) op = (struct ashlar_op){.kind = ASHLAR_OP_RESET};
        assert_true(ashlar_trace_append(&trace, &op));
    }
    size_t size = ashlar_trace_encode_raw(&trace, out, capacity);
    assert_true(size <= capacity);
    ashlar_trace_free(&trace);
    return size;
}
static uint8_t *buffer(size_t bytes) {
    uint8_t *made = calloc(1, bytes ? bytes : 1);
    assert_non_null(made);
    return made;
}

static void same_seed_same_mutation(void **state) {
    (void)state;
    uint8_t *a = buffer(CAPACITY), *b = buffer(CAPACITY);
    size_t changed = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        size_t size = make_input(seed, seed % 60, a, CAPACITY);
        make_input(seed, seed % 60, b, CAPACITY);
        size_t made_a = ash_mutate(a, size, CAPACITY, seed, NULL);
        size_t made_b = ash_mutate(b, size, CAPACITY, seed, NULL);
        assert_int_equal(made_a, made_b);
        assert_memory_equal(a, b, made_a);
        make_input(seed, seed % 60, b, CAPACITY);
        changed += made_a != size || memcmp(a, b, size) != 0;
    }
    assert_true(changed > SEEDS * 9 / 10);
    free(a);
    free(b);
}

static void other_seed_other_mutation(void **state) {
    (void)state;
    uint8_t *a = buffer(CAPACITY), *b = buffer(CAPACITY);
    size_t different = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        size_t size = make_input(1, 50, a, CAPACITY);
        make_input(1, 50, b, CAPACITY);
        size_t made_a = ash_mutate(a, size, CAPACITY, seed, NULL);
        size_t made_b = ash_mutate(b, size, CAPACITY, seed + 1, NULL);
        different += made_a != made_b || memcmp(a, b, made_a) != 0;
    }
    assert_true(different > SEEDS * 9 / 10);
    free(a);
    free(b);
}

/* Every size of room, from none to plenty, and inputs that fill it. */
static void stays_within_capacity(void **state) {
    (void)state;
    for (size_t capacity = 1; capacity < 400; capacity += capacity < 70 ? 1 : 37) {
        uint8_t *data = buffer(capacity), *other = buffer(capacity), *out = buffer(capacity);
        for (uint64_t seed = 0; seed < 60; seed++) {
            for (size_t i = 0; i < capacity; i++) data[i] = (uint8_t)(seed * 31 + i * 7);
            memcpy(other, data, capacity);
            size_t size = seed % (capacity + 1);
            size_t made = ash_mutate(data, size, capacity, seed, NULL);
            assert_true(made <= capacity);
            size_t crossed = ash_crossover(other, capacity, data, made, out, capacity, seed);
            assert_true(crossed <= capacity);
        }
        free(data);
        free(other);
        free(out);
    }
}

/* What an operator makes is a raw trace in its own normal form, within the operations that fit. */
static void operators_make_traces(void **state) {
    (void)state;
    uint8_t *data = buffer(CAPACITY), *before = buffer(CAPACITY), *again = buffer(CAPACITY);
    for (unsigned edit = 0; edit < ash_mutation_count(); edit++) {
        size_t applied = 0, changed = 0;
        for (uint64_t seed = 0; seed < 100; seed++) {
            size_t size = make_input(seed, 20 + seed * 2, data, CAPACITY);
            memcpy(before, data, size);
            size_t made = ash_mutate_with(edit, data, size, CAPACITY, seed);
            if (made == 0) continue;
            applied++;
            changed += made != size || memcmp(before, data, size) != 0;
            struct ashlar_trace trace;
            ashlar_trace_init(&trace);
            assert_true(ash_raw_records(data, made, SIZE_MAX, &trace));
            assert_int_equal(made, ASHLAR_RAW_HEADER_BYTES + trace.count * ASHLAR_OP_BYTES);
            assert_int_equal(ashlar_trace_encode_raw(&trace, again, CAPACITY), made);
            assert_memory_equal(again, data, made);
            ashlar_trace_free(&trace);
        }
        if (applied < 50 || changed < applied * 3 / 5)
            fail_msg("%s: applied %zu of 100 times, changed %zu", ash_mutation_name(edit), applied,
                     changed);
    }
    free(data);
    free(before);
    free(again);
}

static void operators_on_nothing(void **state) {
    (void)state;
    for (unsigned edit = 0; edit < ash_mutation_count(); edit++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            uint8_t *data = buffer(CAPACITY);
            assert_true(ash_mutate_with(edit, data, 0, CAPACITY, seed) <= CAPACITY);
            free(data);
        }
    }
}

/* A hundred mutations in a row keep most operations in force: that is what knowing the slots'
 * states is for. */
static void mutants_are_work(void **state) {
    (void)state;
    uint8_t *data = buffer(CAPACITY);
    size_t run = 0, skipped = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        size_t size = make_input(seed, 30, data, CAPACITY);
        for (uint64_t step = 0; step < 100; step++)
            size = ash_mutate(data, size, CAPACITY, seed * 1000 + step, NULL);
        struct ashlar_trace trace;
        struct ashlar_replay_result result;
        struct ashlar_replay_options options = {.target = &ashlar_target_core,
                                                .oracle = ASHLAR_ORACLE_LIGHT};
        ashlar_trace_init(&trace);
        assert_true(ashlar_trace_decode_raw(data, size, SIZE_MAX, &trace));
        ashlar_replay(&trace, &options, &result);
        run += result.ops_run;
        skipped += result.ops_skipped;
        ashlar_replay_end(&result);
        ashlar_trace_free(&trace);
    }
    print_message("%zu operations run, %zu skipped\n", run, skipped);
    assert_true(run > 1000);
    assert_true(skipped * 3 < run * 2);
    free(data);
}

static void crossover_takes_from_both(void **state) {
    (void)state;
    uint8_t *a = buffer(CAPACITY), *b = buffer(CAPACITY), *out = buffer(CAPACITY);
    uint8_t *again = buffer(CAPACITY);
    size_t both = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        /* a is all mallocs, b all callocs */
        struct ashlar_trace trace;
        size_t sizes[2];
        for (unsigned side = 0; side < 2; side++) {
            ashlar_trace_init(&trace);
            for (uint32_t i = 0; i < 20; i++) {
                struct ashlar_op op = {
                    .kind = side ? ASHLAR_OP_CALLOC : ASHLAR_OP_MALLOC, .slot = i, .size = i};
                assert_true(ashlar_trace_append(&trace, &op));
            }
            sizes[side] = ashlar_trace_encode_raw(&trace, side ? b : a, CAPACITY);
            ashlar_trace_free(&trace);
        }
        size_t made = ash_crossover(a, sizes[0], b, sizes[1], out, CAPACITY, seed);
        assert_int_equal(made, ash_crossover(a, sizes[0], b, sizes[1], again, CAPACITY, seed));
        assert_memory_equal(out, again, made);
        assert_true(ashlar_trace_decode_raw(out, made, SIZE_MAX, &trace));
        size_t count[2] = {0};
        for (size_t i = 0; i < trace.count; i++) count[trace.ops[i].kind == ASHLAR_OP_CALLOC]++;
        both += count[0] != 0 && count[1] != 0;
        ashlar_trace_free(&trace);
    }
    assert_true(both > SEEDS * 3 / 4);
    free(a);
    free(b);
    free(out);
    free(again);
}

/* Trims as afl-fuzz does; "the same coverage" is that an operation with slot 17 is still there. */
static void afl_trimming_ends_and_keeps(void **state) {
    (void)state;
    void *mutator = afl_custom_init(NULL, 1);
    assert_non_null(mutator);
    uint8_t *data = buffer(CAPACITY);
    for (size_t count = 1; count < 120; count += 13) {
        struct ashlar_trace trace;
        ashlar_trace_init(&trace);
        for (uint32_t i = 0; i < count; i++) {
            struct ashlar_op op = {.kind = ASHLAR_OP_MALLOC, .slot = i == count / 2 ? 17 : 1};
            assert_true(ashlar_trace_append(&trace, &op));
        }
        size_t size = ashlar_trace_encode_raw(&trace, data, CAPACITY), best = size;
        ashlar_trace_free(&trace);
        int32_t steps = afl_custom_init_trim(mutator, data, size), step = 0;
        size_t turns = 0;
        while (step < steps) {
            uint8_t *tried;
            size_t tried_size = afl_custom_trim(mutator, &tried);
            assert_true(ashlar_trace_decode_raw(tried, tried_size, SIZE_MAX, &trace));
            bool kept = false;
            for (size_t i = 0; i < trace.count; i++) kept |= trace.ops[i].slot == 17;
            ashlar_trace_free(&trace);
            if (kept) best = tried_size;
            step = afl_custom_post_trim(mutator, kept);
            assert_true(++turns < 100);
        }
        assert_true(best <= ASHLAR_RAW_HEADER_BYTES + (1 + count / 4) * ASHLAR_OP_BYTES);
    }
    afl_custom_deinit(mutator);
    free(data);
}

static void afl_same_seed_same_sequence(void **state) {
    (void)state;
    void *first = afl_custom_init(NULL, 7), *second = afl_custom_init(NULL, 7);
    uint8_t *data = buffer(CAPACITY), *other = buffer(CAPACITY);
    size_t size = make_input(3, 40, data, CAPACITY),
           other_size = make_input(4, 40, other, CAPACITY);
    for (size_t i = 0; i < 100; i++) {
        uint8_t *a, *b;
        size_t made_a = afl_custom_fuzz(first, data, size, &a, other, other_size, CAPACITY);
        size_t made_b = afl_custom_fuzz(second, data, size, &b, other, other_size, CAPACITY);
        assert_true(made_a > 0 && made_a <= CAPACITY);
        assert_int_equal(made_a, made_b);
        assert_memory_equal(a, b, made_a);
    }
    afl_custom_deinit(first);
    afl_custom_deinit(second);
    free(data);
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_mutation),
        cmocka_unit_test(other_seed_other_mutation),
        cmocka_unit_test(stays_within_capacity),
        cmocka_unit_test(operators_make_traces),
        cmocka_unit_test(operators_on_nothing),
        cmocka_unit_test(mutants_are_work),
        cmocka_unit_test(crossover_takes_from_both),
        cmocka_unit_test(afl_trimming_ends_and_keeps),
        cmocka_unit_test(afl_same_seed_same_sequence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
