/* From addresses to slots.
 *
 * Recorded formats name a block by its address, and addresses come back for other blocks. A slot
 * stands for one block at a time; when the block is freed, its slot is given to the next new one,
 * the last given up first. So a trace needs as many slots as the run had live blocks at its peak,
 * and not as many as it had allocations.
 *
 * The map is a hash table with linear probing, at most half full. Removal moves later entries of
 * the same cluster back, so that there are no tombstones: a run of millions of short-lived blocks
 * keeps short clusters.
 */
#include "trace/blocks.h"

#include "trace/model.h"

#include <stdlib.h>

enum { FIRST_CAPACITY = 1024 };

void ash_blocks_free(struct ash_blocks *blocks) {
    free(blocks->entries);
    free(blocks->free_slots);
    *blocks = (struct ash_blocks){0};
}

static size_t home(const struct ash_blocks *blocks, uint64_t address) {
    uint64_t hash = address * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash >> 20) & (blocks->capacity - 1);
}

/* The entry of `address`, or the free one where it belongs. There is a free one. */
static size_t position(const struct ash_blocks *blocks, uint64_t address) {
    size_t at = home(blocks, address);
    while (blocks->entries[at].address && blocks->entries[at].address != address)
        at = (at + 1) & (blocks->capacity - 1);
    return at;
}

bool ash_blocks_find(const struct ash_blocks *blocks, uint64_t address, uint32_t *slot) {
    if (!blocks->capacity) return false;
    const struct ash_block *entry = &blocks->entries[position(blocks, address)];
    if (!entry->address) return false;
    *slot = entry->slot;
    return true;
}

static bool make_room(struct ash_blocks *blocks) {
    if (blocks->count < blocks->capacity / 2) return true;
    struct ash_blocks larger = *blocks;
    larger.capacity = blocks->capacity ? blocks->capacity * 2 : FIRST_CAPACITY;
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    if (!larger.entries) return false;
    for (size_t i = 0; i < blocks->capacity; i++) {
        if (!blocks->entries[i].address) continue;
        larger.entries[position(&larger, blocks->entries[i].address)] = blocks->entries[i];
    }
    free(blocks->entries);
    *blocks = larger;
    return true;
}

/* Every slot may have to be given up at once: room for it is made when it is handed out, so that
 * removal cannot fail. */
static bool take_slot(struct ash_blocks *blocks, uint32_t *slot) {
    if (blocks->free_count) {
        *slot = blocks->free_slots[--blocks->free_count];
        return true;
    }
    if (blocks->slots == ASH_TRACE_SLOTS_MAX) return false;
    if (blocks->slots == blocks->free_capacity) {
        size_t capacity = blocks->free_capacity ? blocks->free_capacity * 2 : FIRST_CAPACITY;
        uint32_t *free_slots = realloc(blocks->free_slots, capacity * sizeof *free_slots);
        if (!free_slots) return false;
        blocks->free_slots = free_slots;
        blocks->free_capacity = capacity;
    }
    *slot = blocks->slots++;
    return true;
}

bool ash_blocks_add(struct ash_blocks *blocks, uint64_t address, uint32_t *slot) {
    ASH_ASSERT(address != 0);
    if (!make_room(blocks) || !take_slot(blocks, slot)) return false;
    blocks->entries[position(blocks, address)] = (struct ash_block){address, *slot};
    blocks->count++;
    return true;
}

/* Empties entry `hole` and closes the gap: an entry behind it moves back unless its home lies
 * between the hole and itself. */
static void close_gap(struct ash_blocks *blocks, size_t hole) {
    size_t mask = blocks->capacity - 1, at = hole;
    for (;;) {
        at = (at + 1) & mask;
        const struct ash_block *entry = &blocks->entries[at];
        if (!entry->address) break;
        size_t wanted = home(blocks, entry->address);
        if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
        blocks->entries[hole] = *entry;
        hole = at;
    }
    blocks->entries[hole].address = 0;
}

static uint32_t forget(struct ash_blocks *blocks, uint64_t address) {
    size_t at = position(blocks, address);
    uint32_t slot = blocks->entries[at].slot;
    ASH_ASSERT(blocks->entries[at].address == address);
    close_gap(blocks, at);
    return slot;
}

uint32_t ash_blocks_remove(struct ash_blocks *blocks, uint64_t address) {
    uint32_t slot = forget(blocks, address);
    blocks->count--;
    ASH_ASSERT(blocks->free_count < blocks->free_capacity);
    blocks->free_slots[blocks->free_count++] = slot;
    return slot;
}

uint32_t ash_blocks_move(struct ash_blocks *blocks, uint64_t from, uint64_t to) {
    uint32_t slot = forget(blocks, from);
    blocks->entries[position(blocks, to)] = (struct ash_block){to, slot};
    return slot;
}
