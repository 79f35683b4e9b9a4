/* What the assembler knows of the recorded program's blocks: live ones by address, and which slot
 * numbers are in use. Memory that runs out is reported once, by `failed`. */
#ifndef ASH_RECORD_BLOCKS_H
#define ASH_RECORD_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ash_recorded_block {
    uint64_t address; /* 0: empty entry */
    uint64_t size;
    uint64_t alignment; /* 0: malloc's own */
    uint64_t born;      /* order of allocation */
    uint32_t slot;
};

/* Open addressing, linear probing, at most half full. */
struct ash_recorded_blocks {
    struct ash_recorded_block *entries;
    size_t capacity, count;
    bool failed;
};
/* False: no memory. The address must not be there yet. */
bool ash_recorded_blocks_add(struct ash_recorded_blocks *blocks,
                             const struct ash_recorded_block *block);
/* Takes the block at `address` out; false when there is none. */
bool ash_recorded_blocks_take(struct ash_recorded_blocks *blocks, uint64_t address,
                              struct ash_recorded_block *out);
void ash_recorded_blocks_end(struct ash_recorded_blocks *blocks);

/* Slot numbers: the lowest free one first, so that a trace has as few slots as blocks were ever
 * live at once. `open` is a binary heap of the returned ones. */
struct ash_record_slots {
    uint32_t *open;
    size_t open_count, capacity;
    uint32_t next; /* all from here on are free */
    bool failed;
};
uint32_t ash_record_slots_lowest(const struct ash_record_slots *slots);
uint32_t ash_record_slots_take(struct ash_record_slots *slots);
void ash_record_slots_return(struct ash_record_slots *slots, uint32_t slot);
void ash_record_slots_end(struct ash_record_slots *slots);

#endif
