/* The oracle's model: slots, and the checks of every block that a target hands out. See oracle.h
 * for the theory.
 *
 * How much a heap may hold (ash_oracle_held_bytes). A target may answer NULL when it is full, and a
 * heap can be full with few live bytes: 16 live blocks of 16 classes take 16 slabs. To call a NULL
 * a finding, the oracle needs a bound on what the heap can have come to hold that is never too low:
 *
 * - blocks up to 64 KiB are grouped in buckets of similar size, as fine as any size classes. Per
 *   bucket and thread, a heap holds slabs for at most the peak of live bytes of that bucket, twice
 *   (a thread may take a new slab although half of its old ones is free, when searching them is
 *   dear), and two more partly used ones. A slab is at most 64 blocks or 1 MiB, at least 64 KiB.
 *   Every thread counts, as each can have held the peak once. Nothing is ever taken to be given
 *   back.
 * - larger blocks count while they live, rounded up to 64 KiB and one 64 KiB more.
 *
 * Any request up to 1 KiB needs one free 64 KiB page at most, so how the rest is fragmented does
 * not matter.
 */
#include "trace/oracle.h"

#include <ashlar/os.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum {
    UNIT_BYTES = 65536,
    KEPT_BYTES = 16 << 20, /* a model larger than this is not kept for the next replay */
};
/* Addresses above are not the program's, on every 64-bit system we know. */
#define ADDRESS_END (UINT64_C(1) << 56)

/* The model of the last replay, for the next one. */
static _Atomic(struct ashlar_oracle *) kept;

static size_t rounded(uint64_t bytes) {
    return (size_t)ash_round_up(bytes, 64);
}

static struct ashlar_oracle *map_oracle(uint32_t slots) {
    const struct ashlar_os *os = ashlar_os_linux();
    uint64_t leaves = ash_index_leaves(slots);
    size_t sizes[] = {rounded(sizeof(struct ashlar_oracle)),
                      rounded((uint64_t)slots * sizeof(struct ash_slot)),
                      rounded(leaves * sizeof(struct ash_leaf)),
                      rounded(leaves * sizeof(uint64_t)),
                      rounded(leaves * sizeof(uint32_t)),
                      rounded((uint64_t)slots * sizeof(uint32_t))};
    size_t total = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) total += sizes[i];
    size_t page = os->page_bytes(os->context);
    total = (size_t)ash_round_up(total, page);
    char *at = os->reserve(os->context, total, page);
    if (at == NULL) return NULL;
    if (!os->commit(os->context, at, total)) {
        os->release(os->context, at, total);
        return NULL;
    }
    struct ashlar_oracle *oracle = (void *)at;
    oracle->mapping_bytes = total;
    oracle->slot_capacity = slots;
    oracle->slots = (void *)(at += sizes[0]);
    oracle->index.leaves = (void *)(at += sizes[1]);
    oracle->index.firsts = (void *)(at += sizes[2]);
    oracle->index.order = (void *)(at += sizes[3]);
    oracle->live = (void *)(at + sizes[4]);
    return oracle;
}

static void unmap_oracle(struct ashlar_oracle *oracle) {
    const struct ashlar_os *os = ashlar_os_linux();
    os->release(os->context, oracle, oracle->mapping_bytes);
}

struct ashlar_oracle *ash_oracle_open(uint32_t slots) {
    struct ashlar_oracle *oracle = atomic_exchange(&kept, NULL);
    if (oracle != NULL && oracle->slot_capacity < slots) {
        unmap_oracle(oracle);
        oracle = NULL;
    }
    if (oracle == NULL) oracle = map_oracle(slots < ASHLAR_RAW_SLOTS ? ASHLAR_RAW_SLOTS : slots);
    if (oracle == NULL) return NULL;
    if (++oracle->epoch == 0) {
        memset(oracle->slots, 0, (size_t)oracle->slot_capacity * sizeof oracle->slots[0]);
        oracle->epoch = 1;
    }
    oracle->slot_count = slots > 0 ? slots : 1; /* operations without a slot name slot 0 */
    oracle->index.leaf_count = oracle->index.leaves_made = oracle->index.free_leaf = 0;
    oracle->live_count = oracle->generation = oracle->changes = oracle->sample = 0;
    oracle->threads = oracle->misuse_count = oracle->drain_threads = 0;
    oracle->left_mapped = 0;
    memset(oracle->threads_seen, 0, sizeof oracle->threads_seen);
    oracle->live_bytes = oracle->peak_bytes = oracle->whole_bytes = oracle->large_bytes = 0;
    memset(oracle->buckets, 0, sizeof oracle->buckets);
    return oracle;
}

void ash_oracle_close(struct ashlar_oracle *oracle) {
    if (oracle == NULL) return;
    if (oracle->mapping_bytes <= KEPT_BYTES) oracle = atomic_exchange(&kept, oracle);
    if (oracle != NULL) unmap_oracle(oracle);
}

void ash_oracle_bind(struct ashlar_oracle *oracle, const struct ashlar_target *target,
                     void *instance, struct ashlar_replay_finding *finding) {
    oracle->target = target;
    oracle->instance = instance;
    oracle->finding = finding;
    oracle->region_start = 1;
    oracle->region_end = ADDRESS_END;
    if (target->region != NULL)
        target->region(instance, &oracle->region_start, &oracle->region_end);
}

struct ash_slot *ash_oracle_slot(struct ashlar_oracle *oracle, uint32_t number) {
    ASH_ASSERT(number < oracle->slot_count);
    struct ash_slot *slot = &oracle->slots[number];
    if (slot->epoch != oracle->epoch) *slot = (struct ash_slot){.epoch = oracle->epoch};
    return slot;
}

bool ash_oracle_fail(struct ashlar_oracle *oracle, enum ashlar_finding_code code, uint64_t address,
                     uint64_t expected, uint64_t found, const char *format, ...) {
    struct ashlar_replay_finding *finding = oracle->finding;
    if (finding->code != ASHLAR_FINDING_NONE) return false;
    finding->code = code;
    finding->layer = ASHLAR_LAYER_ORACLE;
    finding->address = address;
    finding->expected = expected;
    finding->found = found;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
    return false;
}

/* Bucket of a block of at most 64 KiB. */
static unsigned bucket_of(uint64_t bytes) {
    if (bytes <= 128) return bytes <= 16 ? 0 : (unsigned)((bytes - 1) / 16);
    unsigned doubling = ash_highest_bit(bytes - 1); /* 7: 129..256 */
    return 8 + (doubling - 7) * 8 + (unsigned)((bytes - 1) >> (doubling - 3) & 7);
}

static void count_in(struct ashlar_oracle *oracle, const struct ash_slot *slot) {
    oracle->live_bytes += slot->requested;
    if (oracle->live_bytes > oracle->peak_bytes) oracle->peak_bytes = oracle->live_bytes;
    if (slot->whole) oracle->whole_bytes += slot->usable;
    if (slot->usable > UNIT_BYTES) {
        oracle->large_bytes += ash_round_up(slot->usable, UNIT_BYTES) + UNIT_BYTES;
        return;
    }
    struct ash_size_bucket *bucket = &oracle->buckets[bucket_of(slot->usable)];
    bucket->used = true;
    bucket->live_bytes += slot->usable;
    if (bucket->live_bytes > bucket->peak_bytes) bucket->peak_bytes = bucket->live_bytes;
}

static void count_out(struct ashlar_oracle *oracle, const struct ash_slot *slot) {
    oracle->live_bytes -= slot->requested;
    if (slot->whole) oracle->whole_bytes -= slot->usable;
    if (slot->usable > UNIT_BYTES)
        oracle->large_bytes -= ash_round_up(slot->usable, UNIT_BYTES) + UNIT_BYTES;
    else
        oracle->buckets[bucket_of(slot->usable)].live_bytes -= slot->usable;
}

static void count_thread(struct ashlar_oracle *oracle, uint32_t thread) {
    uint64_t *word = &oracle->threads_seen[thread / 64 % 4], bit = UINT64_C(1) << thread % 64;
    oracle->threads += (*word & bit) == 0;
    *word |= bit;
}

uint64_t ash_oracle_held_bytes(const struct ashlar_oracle *oracle) {
    uint64_t per_thread = 0;
    for (unsigned i = 0; i < ASH_SIZE_BUCKETS; i++) {
        const struct ash_size_bucket *bucket = &oracle->buckets[i];
        if (!bucket->used) continue;
        uint64_t largest = i < 8 ? (i + 1) * 16 : (UINT64_C(9) + i % 8) << ((i - 8) / 8 + 4);
        uint64_t slab = largest * 64;
        slab = slab < UNIT_BYTES ? UNIT_BYTES : slab > 16 * UNIT_BYTES ? 16 * UNIT_BYTES : slab;
        per_thread += 2 * (bucket->peak_bytes + slab);
    }
    return oracle->threads * per_thread + oracle->large_bytes;
}

static uint64_t promised_alignment(const struct ashlar_oracle *oracle,
                                   const struct ash_wanted *wanted) {
    uint64_t natural = oracle->target->alignment;
    uint64_t fitting =
        wanted->requested > 1 ? UINT64_C(1) << ash_highest_bit(wanted->requested) : 1;
    bool all = (oracle->target->flags & ASHLAR_TARGET_ALIGNS_ALL) != 0;
    if (fitting < natural && !all) natural = fitting;
    return wanted->alignment > natural ? wanted->alignment : natural;
}

/* The block lies where a block may lie, and is aligned; its usable size goes to *usable. */
static bool check_shape(struct ashlar_oracle *oracle, uintptr_t block,
                        const struct ash_wanted *wanted, uint64_t *usable) {
    const struct ashlar_target *target = oracle->target;
    uint64_t alignment = promised_alignment(oracle, wanted);
    *usable = wanted->requested;
    if (block < oracle->region_start || block >= oracle->region_end ||
        wanted->requested > oracle->region_end - block)
        return ash_oracle_fail(oracle, ASHLAR_ORACLE_BOUNDS, block, wanted->requested, 0,
                               "expected a block of %llu bytes within the target's memory, found "
                               "one outside",
                               (unsigned long long)wanted->requested);
    if (block % alignment != 0)
        return ash_oracle_fail(oracle, ASHLAR_ORACLE_ALIGN, block, alignment, block % alignment,
                               "expected alignment %llu for %llu bytes, found %llu bytes off",
                               (unsigned long long)alignment, (unsigned long long)wanted->requested,
                               (unsigned long long)(block % alignment));
    if (target->usable_size != NULL)
        *usable = target->usable_size(oracle->instance, wanted->thread, (void *)block);
    if (*usable < wanted->requested)
        return ash_oracle_fail(oracle, ASHLAR_ORACLE_USABLE, block, wanted->requested, *usable,
                               "expected a usable size of at least %llu bytes, found %llu",
                               (unsigned long long)wanted->requested, (unsigned long long)*usable);
    if (*usable > oracle->region_end - block)
        return ash_oracle_fail(oracle, ASHLAR_ORACLE_BOUNDS, block, oracle->region_end - block,
                               *usable,
                               "expected a usable size within the target's memory, found %llu",
                               (unsigned long long)*usable);
    return true;
}

static bool check_zero(struct ashlar_oracle *oracle, const struct ash_slot *slot) {
    struct ash_ranges ranges;
    uint64_t from, to;
    ash_ranges_init(&ranges, slot, oracle->tier);
    while (ash_ranges_next(&ranges, &from, &to)) {
        if (to > slot->requested) to = slot->requested;
        if (from >= to) continue;
        uint64_t at = ash_pattern_nonzero(slot->address, from, to);
        if (at == to) continue;
        unsigned found = *(const unsigned char *)(slot->address + at);
        return ash_oracle_fail(oracle, ASHLAR_ORACLE_DIRTY, slot->address, 0, found,
                               "expected zeros, found byte 0x%02x at +%llu of %llu", found,
                               (unsigned long long)at, (unsigned long long)slot->requested);
    }
    return true;
}

void ash_oracle_fill(struct ashlar_oracle *oracle, uint32_t number) {
    struct ash_slot *slot = &oracle->slots[number];
    struct ash_ranges ranges;
    uint64_t from, to;
    slot->key = ash_pattern_key(oracle->seed, number, oracle->generation++);
    ash_ranges_init(&ranges, slot, oracle->tier);
    while (ash_ranges_next(&ranges, &from, &to))
        if (from < to) ash_pattern_write(slot->address, from, to, slot->key);
}

/* Of the slot as it is noted (old size, ranges and key), the bytes below `limit` are at `block`. */
static bool verify_at(struct ashlar_oracle *oracle, const struct ash_slot *slot, uintptr_t block,
                      uint64_t limit, enum ashlar_finding_code code) {
    struct ash_ranges ranges;
    uint64_t from, to;
    uint8_t expected = 0, found = 0;
    ash_ranges_init(&ranges, slot, oracle->tier);
    while (ash_ranges_next(&ranges, &from, &to)) {
        if (to > limit) to = limit;
        if (from >= to) continue;
        uint64_t at = ash_pattern_verify(block, from, to, slot->key, &expected, &found);
        if (at == to) continue;
        return ash_oracle_fail(oracle, code, block, expected, found,
                               "expected byte 0x%02x at +%llu of %llu, found 0x%02x", expected,
                               (unsigned long long)at, (unsigned long long)slot->requested, found);
    }
    return true;
}

bool ash_oracle_verify(struct ashlar_oracle *oracle, uint32_t number,
                       enum ashlar_finding_code code) {
    const struct ash_slot *slot = &oracle->slots[number];
    return verify_at(oracle, slot, slot->address, slot->usable, code);
}

bool ash_oracle_sweep(struct ashlar_oracle *oracle) {
    for (uint32_t i = 0; i < oracle->live_count; i++)
        if (!ash_oracle_verify(oracle, oracle->live[i], ASHLAR_ORACLE_CONTENT)) return false;
    return true;
}

/* A window of at most 4 KiB, so that huge blocks do not make every operation dear. */
bool ash_oracle_verify_next(struct ashlar_oracle *oracle) {
    enum { WINDOW_BYTES = 4096 };
    if (oracle->live_count == 0) return true;
    uint32_t turn = oracle->sample++;
    uint32_t number = oracle->live[turn % oracle->live_count];
    const struct ash_slot *slot = &oracle->slots[number];
    if (!slot->whole || slot->usable <= WINDOW_BYTES)
        return ash_oracle_verify(oracle, number, ASHLAR_ORACLE_CONTENT);
    uint8_t expected = 0, found = 0;
    uint64_t windows = (slot->usable + WINDOW_BYTES - 1) / WINDOW_BYTES;
    uint64_t from = turn % windows * WINDOW_BYTES, to = from + WINDOW_BYTES;
    if (to > slot->usable) to = slot->usable;
    uint64_t at = ash_pattern_verify(slot->address, from, to, slot->key, &expected, &found);
    if (at == to) return true;
    return ash_oracle_fail(oracle, ASHLAR_ORACLE_CONTENT, slot->address, expected, found,
                           "expected byte 0x%02x at +%llu of %llu, found 0x%02x", expected,
                           (unsigned long long)at, (unsigned long long)slot->requested, found);
}

static bool enter_index(struct ashlar_oracle *oracle, uint32_t number, uintptr_t block,
                        uint64_t usable) {
    uint32_t clash = ash_index_insert(oracle, number, block, usable);
    if (clash == ASH_NO_SLOT) return true;
    const struct ash_slot *other = &oracle->slots[clash];
    return ash_oracle_fail(oracle, ASHLAR_ORACLE_OVERLAP, block, other->address, block,
                           "expected a block of %llu bytes apart from all others, found one that "
                           "overlaps slot %u (%llu bytes)",
                           (unsigned long long)usable, clash, (unsigned long long)other->usable);
}

/* Notes the block in the slot; its content is not written yet. */
static void note(struct ashlar_oracle *oracle, struct ash_slot *slot, uintptr_t block,
                 uint64_t usable, const struct ash_wanted *wanted) {
    slot->address = block;
    slot->requested = wanted->requested;
    slot->usable = usable;
    slot->alignment = wanted->alignment;
    slot->whole = ash_pattern_whole(oracle->tier, usable, oracle->whole_bytes);
    count_thread(oracle, wanted->thread);
    count_in(oracle, slot);
}

static void list_in(struct ashlar_oracle *oracle, uint32_t number) {
    struct ash_slot *slot = &oracle->slots[number];
    slot->live_at = oracle->live_count;
    oracle->live[oracle->live_count++] = number;
    slot->laid = true;
}

void ash_oracle_lift(struct ashlar_oracle *oracle, uint32_t number) {
    struct ash_slot *slot = &oracle->slots[number];
    ASH_ASSERT(slot->laid);
    ash_index_remove(oracle, slot->address);
    uint32_t last = oracle->live[--oracle->live_count];
    oracle->live[slot->live_at] = last;
    oracle->slots[last].live_at = slot->live_at;
    slot->laid = false;
}

bool ash_oracle_put_back(struct ashlar_oracle *oracle, uint32_t number) {
    const struct ash_slot *slot = &oracle->slots[number];
    if (!enter_index(oracle, number, slot->address, slot->usable)) return false;
    list_in(oracle, number);
    return true;
}

bool ash_oracle_place(struct ashlar_oracle *oracle, uint32_t number, uintptr_t block,
                      const struct ash_wanted *wanted) {
    struct ash_slot *slot = ash_oracle_slot(oracle, number);
    uint64_t usable;
    if (!check_shape(oracle, block, wanted, &usable)) return false;
    if (!enter_index(oracle, number, block, usable)) return false;
    note(oracle, slot, block, usable, wanted);
    slot->state = ASH_SLOT_LIVE;
    list_in(oracle, number);
    if (wanted->zeroed && !check_zero(oracle, slot)) return false;
    ash_oracle_fill(oracle, number);
    return true;
}

bool ash_oracle_resized(struct ashlar_oracle *oracle, uint32_t number, uintptr_t block,
                        const struct ash_wanted *wanted) {
    struct ash_slot *slot = &oracle->slots[number];
    uint64_t usable;
    uint64_t kept_bytes = wanted->requested < slot->requested ? wanted->requested : slot->requested;
    if (!check_shape(oracle, block, wanted, &usable)) return false;
    if (!enter_index(oracle, number, block, usable)) return false;
    list_in(oracle, number);
    bool kept_content = verify_at(oracle, slot, block, kept_bytes, ASHLAR_ORACLE_REALLOC);
    count_out(oracle, slot);
    note(oracle, slot, block, usable, wanted);
    oracle->changes++;
    if (!kept_content) return false;
    ash_oracle_fill(oracle, number);
    return true;
}

void ash_oracle_drop(struct ashlar_oracle *oracle, uint32_t number) {
    struct ash_slot *slot = &oracle->slots[number];
    ASH_ASSERT(slot->state == ASH_SLOT_LIVE);
    if (slot->laid) ash_oracle_lift(oracle, number);
    count_out(oracle, slot);
    slot->state = ASH_SLOT_STALE;
    slot->changes = ++oracle->changes;
    slot->generation = oracle->generation;
}
