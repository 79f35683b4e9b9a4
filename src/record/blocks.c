/* Live blocks by address, and slot numbers. See blocks.h.
 *
 * Removal closes the gap instead of leaving a tombstone: a recording frees as often as it
 * allocates, and tombstones would fill the table.
 */
#include "record/blocks.h"
#include <stdlib.h>

static size_t home(const struct ash_recorded_blocks *blocks, uint64_t address) {
    /* Fibonacci hashing: the high bits of the product depend on all bits of the address. */
    return (size_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (blocks->capacity - 1);
}

static size_t find(const struct ash_recorded_blocks *blocks, uint64_t address) {
    size_t at = home(blocks, address);
    while (blocks->entries[at].address != 0 && blocks->entries[at].address != address)
        at = (at + 1) & (blocks->capacity - 1);
    return at;
}

static bool grow(struct ash_recorded_blocks *blocks) {
    struct ash_recorded_blocks bigger = {.capacity =
                                             blocks->capacity == 0 ? 1024 : 2 * blocks->capacity};
    bigger.entries = calloc(bigger.capacity, sizeof *bigger.entries);
    if (bigger.entries == NULL) {
        blocks->failed = true;
        return false;
    }
    for (size_t i = 0; i < blocks->capacity; i++) {
        const struct ash_recorded_block *entry = &blocks->entries[i];
        if (entry->address != 0) bigger.entries[find(&bigger, entry->address)] = *entry;
    }
    bigger.count = blocks->count;
    free(blocks->entries);
    *blocks = bigger;
    return true;
}

bool ash_recorded_blocks_add(struct ash_recorded_blocks *blocks,
                             const struct ash_recorded_block *block) {
    if (2 * (blocks->count + 1) > blocks->capacity && !grow(blocks)) return false;
    blocks->entries[find(blocks, block->address)] = *block;
    blocks->count++;
    return true;
}

bool ash_recorded_blocks_take(struct ash_recorded_blocks *blocks, uint64_t address,
                              struct ash_recorded_block *out) {
    if (blocks->count == 0 || address == 0) return false;
    size_t gap = find(blocks, address);
    if (blocks->entries[gap].address == 0) return false;
    *out = blocks->entries[gap];
    blocks->count--;
    size_t mask = blocks->capacity - 1;
    for (size_t at = (gap + 1) & mask; blocks->entries[at].address != 0; at = (at + 1) & mask) {
        size_t from = home(blocks, blocks->entries[at].address);
        /* An entry may fill the gap unless its home lies behind the gap, up to itself. */
        if (((at - from) & mask) < ((at - gap) & mask)) continue;
        blocks->entries[gap] = blocks->entries[at];
        gap = at;
    }
    blocks->entries[gap] = (struct ash_recorded_block){0};
    return true;
}

void ash_recorded_blocks_end(struct ash_recorded_blocks *blocks) {
    free(blocks->entries);
    *blocks = (struct ash_recorded_blocks){0};
}

uint32_t ash_record_slots_lowest(const struct ash_record_slots *slots) {
    return slots->open_count != 0 ? slots->open[0] : slots->next;
}

uint32_t ash_record_slots_take(struct ash_record_slots *slots) {
    if (slots->open_count == 0) return slots->next++;
    uint32_t lowest = slots->open[0];
    uint32_t last = slots->open[--slots->open_count];
    size_t at = 0;
    for (;;) { /* sift down */
        size_t child = 2 * at + 1;
        if (child >= slots->open_count) break;
        if (child + 1 < slots->open_count && slots->open[child + 1] < slots->open[child]) child++;
        if (slots->open[child] >= last) break;
        slots->open[at] = slots->open[child];
        at = child;
    }
    slots->open[at] = last;
    return lowest;
}

void ash_record_slots_return(struct ash_record_slots *slots, uint32_t slot) {
    if (slots->open_count == slots->capacity) {
        size_t capacity = slots->capacity == 0 ? 1024 : 2 * slots->capacity;
        uint32_t *open = realloc(slots->open, capacity * sizeof *open);
        if (open == NULL) {
            slots->failed = true;
            return;
        }
        slots->open = open;
        slots->capacity = capacity;
    }
    size_t at = slots->open_count++;
    for (; at != 0 && slots->open[(at - 1) / 2] > slot; at = (at - 1) / 2)
        slots->open[at] = slots->open[(at - 1) / 2];
    slots->open[at] = slot;
}

void ash_record_slots_end(struct ash_record_slots *slots) {
    free(slots->open);
    *slots = (struct ash_record_slots){0};
}
