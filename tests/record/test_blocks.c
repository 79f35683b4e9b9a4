/* The assembler's table of blocks and its slot numbers, against plain models. */
#include "record/blocks.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka wants the three above first
#include <cmocka.h>

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Few addresses, so that runs of the table collide, wrap round and are closed up again. */
static void test_table(void **unused) {
    (void)unused;
    enum { ADDRESSES = 700 };
    static bool known[ADDRESSES];
    static uint64_t sizes[ADDRESSES];
    struct ash_recorded_blocks blocks = {0};
    struct ash_recorded_block block;
    uint64_t state = 1;
    size_t live = 0;
    for (size_t i = 0; i < 200000; i++) {
        size_t at = next_random(&state) % ADDRESSES;
        uint64_t address = (at + 1) << 24;
        bool was = ash_recorded_blocks_take(&blocks, address, &block);
        assert_int_equal(was, known[at]);
        if (was) {
            assert_int_equal(block.address, address);
            assert_int_equal(block.size, sizes[at]);
            live--;
        }
        known[at] = next_random(&state) % 2 == 0;
        if (known[at]) {
            sizes[at] = i;
            block = (struct ash_recorded_block){.address = address, .size = i};
            assert_true(ash_recorded_blocks_add(&blocks, &block));
            live++;
        }
        assert_int_equal(blocks.count, live);
    }
    assert_false(ash_recorded_blocks_take(&blocks, 0, &block));
    ash_recorded_blocks_end(&blocks);
}

static void test_slots(void **unused) {
    (void)unused;
    enum { SLOTS = 500 };
    static bool used[SLOTS + 1];
    struct ash_record_slots slots = {0};
    uint64_t state = 3;
    for (size_t i = 0; i < 100000; i++) {
        uint32_t lowest = 0;
        while (used[lowest]) lowest++;
        assert_int_equal(ash_record_slots_lowest(&slots), lowest);
        uint32_t slot = (uint32_t)(next_random(&state) % SLOTS);
        if (lowest < SLOTS && next_random(&state) % 2 == 0) {
            assert_int_equal(ash_record_slots_take(&slots), lowest);
            used[lowest] = true;
        } else if (used[slot]) {
            ash_record_slots_return(&slots, slot);
            used[slot] = false;
        }
    }
    ash_record_slots_end(&slots);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_table), cmocka_unit_test(test_slots)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
