/* The oracle's own parts: the interval index against a plain list, and patterns. */
#include "support.h"

#include "trace/oracle.h"

#include <stdlib.h>
#include <string.h>

static uint64_t draw(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Slots 0..SLOTS-1, each live at one place of a small space, so that clashes are frequent. */
enum { SLOTS = 3000, SPACE = 1 << 20 };

static uint32_t clash_by_list(const struct ashlar_oracle *oracle, const bool *in, uint64_t start,
                              uint64_t bytes) {
    for (uint32_t i = 0; i < SLOTS; i++) {
        const struct ash_slot *slot = &oracle->slots[i];
        if (in[i] && slot->address < start + bytes && start < slot->address + slot->usable)
            return i;
    }
    return ASH_NO_SLOT;
}

static void put(struct ashlar_oracle *oracle, bool *in, uint32_t i, uint64_t *seed) {
    struct ash_slot *slot = ash_oracle_slot(oracle, i);
    uint64_t start = 1 + draw(seed) % SPACE,
             bytes = 1 + draw(seed) % (draw(seed) % 50 ? 300 : 20000);
    uint32_t expected = clash_by_list(oracle, in, start, bytes);
    slot->address = start;
    slot->usable = bytes;
    uint32_t clash = ash_index_insert(oracle, i, start, bytes);
    assert_int_equal(clash == ASH_NO_SLOT, expected == ASH_NO_SLOT);
    if (clash == ASH_NO_SLOT) {
        in[i] = true;
        return;
    }
    const struct ash_slot *other = &oracle->slots[clash];
    assert_true(in[clash]);
    assert_true(other->address < start + bytes && start < other->address + other->usable);
}

static void index_agrees_with_a_list(void **state) {
    (void)state;
    uint64_t seed = 42;
    static bool in[SLOTS];
    struct ashlar_oracle *oracle = ash_oracle_open(SLOTS);
    assert_non_null(oracle);
    for (uint32_t i = 0; i < SLOTS; i++) ash_oracle_slot(oracle, i);
    for (unsigned round = 0; round < 60000; round++) {
        uint32_t i = (uint32_t)(draw(&seed) % SLOTS);
        bool shrinking = round / 10000 % 2 == 1;
        if (in[i]) {
            ash_index_remove(oracle, oracle->slots[i].address);
            in[i] = false;
        } else if (!shrinking || draw(&seed) % 8 == 0) {
            put(oracle, in, i, &seed);
        }
        uint64_t address = draw(&seed) % SPACE;
        assert_int_equal(ash_index_find(oracle, address), clash_by_list(oracle, in, address, 1));
        assert_true(oracle->index.leaves_made <= ash_index_leaves(SLOTS));
    }
    ash_oracle_close(oracle);
}

static void index_holds_as_many_as_there_are_slots(void **state) {
    (void)state;
    const uint32_t slots = 50000;
    struct ashlar_oracle *oracle = ash_oracle_open(slots);
    assert_non_null(oracle);
    for (int upwards = 0; upwards < 2; upwards++) {
        for (uint32_t i = 0; i < slots; i++) {
            struct ash_slot *slot = ash_oracle_slot(oracle, i);
            slot->address = 16 + (uint64_t)(upwards ? i : slots - i) * 16;
            slot->usable = 16;
            assert_int_equal(ash_index_insert(oracle, i, slot->address, 16), ASH_NO_SLOT);
        }
        /* leave every 100th, so that nearly empty leaves have to merge */
        for (uint32_t i = 0; i < slots; i++)
            if (i % 100 != 0) ash_index_remove(oracle, oracle->slots[i].address);
        assert_true(oracle->index.leaf_count <= ash_index_leaves(slots / 100));
        for (uint32_t i = 0; i < slots; i++)
            assert_int_equal(ash_index_find(oracle, oracle->slots[i].address + 7),
                             i % 100 == 0 ? i : ASH_NO_SLOT);
        for (uint32_t i = 0; i < slots; i += 100)
            ash_index_remove(oracle, oracle->slots[i].address);
        assert_int_equal(oracle->index.leaf_count, 0);
    }
    ash_oracle_close(oracle);
}

/* Every single byte of the written ranges is seen when it changes, by its offset. */
static void patterns_see_every_byte(void **state) {
    (void)state;
    static unsigned char bytes[70];
    uint8_t expected, found;
    for (uint64_t size = 0; size <= sizeof bytes; size++) {
        ash_pattern_write((uintptr_t)bytes, 0, size, 12345);
        assert_int_equal(ash_pattern_verify((uintptr_t)bytes, 0, size, 12345, &expected, &found),
                         size);
        for (uint64_t i = 0; i < size; i++) {
            bytes[i] ^= 0x80;
            assert_int_equal(
                ash_pattern_verify((uintptr_t)bytes, 0, size, 12345, &expected, &found), i);
            assert_int_equal(found, bytes[i]);
            assert_int_equal(expected ^ found, 0x80);
            bytes[i] ^= 0x80;
        }
    }
    memset(bytes, 0, sizeof bytes);
    for (uint64_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_int_equal(ash_pattern_nonzero((uintptr_t)bytes, 0, sizeof bytes), i);
        assert_int_equal(ash_pattern_nonzero((uintptr_t)bytes, 0, i), i);
        bytes[i] = 0;
    }
}

static void keys_differ_by_slot_generation_and_seed(void **state) {
    (void)state;
    uint64_t key = ash_pattern_key(1, 2, 3);
    assert_true(key != ash_pattern_key(1, 3, 2));
    assert_true(key != ash_pattern_key(1, 2, 4));
    assert_true(key != ash_pattern_key(2, 2, 3));
    assert_true(key == ash_pattern_key(1, 2, 3));
}

/* Ranges stay within the block, reach both its ends and the end of what was asked for, and are few
 * however large the block is. */
static void ranges_cover_what_they_should(void **state) {
    (void)state;
    static const uint64_t sizes[] = {
        1,    15,    128,    129,     1024,           1025,
        4096, 65536, 100000, 1 << 20, (64 << 20) + 1, UINT64_C(1) << 40};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (int tier = 0; tier <= ASHLAR_ORACLE_FULL; tier++) {
            enum ashlar_oracle_tier t = (enum ashlar_oracle_tier)tier;
            struct ash_slot slot = {.usable = sizes[i], .requested = sizes[i] - sizes[i] / 9};
            slot.key = ash_pattern_key(7, 7, (uint32_t)i);
            slot.whole = ash_pattern_whole(t, slot.usable, 0);
            struct ash_ranges ranges;
            uint64_t from, to, bytes = 0;
            bool head = false, tail = false, asked = false;
            ash_ranges_init(&ranges, &slot, t);
            while (ash_ranges_next(&ranges, &from, &to)) {
                assert_true(to <= slot.usable);
                assert_int_equal(from % 8, 0);
                bytes += to > from ? to - from : 0;
                head |= from == 0;
                tail |= to == slot.usable;
                asked |= from < slot.requested && to >= slot.requested;
            }
            assert_true(head && tail && asked);
            assert_true(slot.whole ? bytes == slot.usable : bytes < 65536);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_agrees_with_a_list),
        cmocka_unit_test(index_holds_as_many_as_there_are_slots),
        cmocka_unit_test(patterns_see_every_byte),
        cmocka_unit_test(keys_differ_by_slot_generation_and_seed),
        cmocka_unit_test(ranges_cover_what_they_should),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
