/* Slots for the addresses of a recorded run: what importers of address-based traces share. */
#ifndef ASH_TRACE_BLOCKS_H
#define ASH_TRACE_BLOCKS_H

#include "base/base.h"

struct ash_block {
    uint64_t address; /* 0: no entry */
    uint32_t slot;
};

/* A map from the addresses of live blocks to slots. Zeroed memory is an empty one. */
struct ash_blocks {
    struct ash_block *entries; /* open addressing, linear probing */
    size_t capacity;           /* a power of two, or 0 */
    size_t count;
    uint32_t *free_slots; /* given up, the last one on top */
    size_t free_count, free_capacity;
    uint32_t slots; /* handed out so far: 0..slots-1 */
};

void ash_blocks_free(struct ash_blocks *blocks);
/* `address` is not 0. */
bool ash_blocks_find(const struct ash_blocks *blocks, uint64_t address, uint32_t *slot);
/* A slot for a new block at `address`, which has none; false: no memory. */
bool ash_blocks_add(struct ash_blocks *blocks, uint64_t address, uint32_t *slot);
/* The block is gone; its slot may be handed out again. Returns its slot; `address` is in the map.
 */
uint32_t ash_blocks_remove(struct ash_blocks *blocks, uint64_t address);
/* The block moved: `from` is in the map, `to` is not (or is `from`). Returns its slot. */
uint32_t ash_blocks_move(struct ash_blocks *blocks, uint64_t from, uint64_t to);

#endif
