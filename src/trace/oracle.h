/* The oracle: a model of what a program may rely on, compared with what a target does.
 *
 * Theory
 *
 * 1. Purpose. The oracle knows which blocks are live, where they lie, how large they are and what
 *    their content must be. It knows nothing of the allocator: it sees public headers and the
 *    target table. Who uses it: replay.c, which turns operations into calls and tells the oracle
 *    what came back.
 * 2. State. A table of slots (one per slot of the trace), a dense list of the live ones (for sweeps
 *    and sampling), and an index of live intervals ordered by address (oracle_index.c), which finds
 *    an overlap at the moment a block is handed out, before anything is written into it.
 * 3. Content. Every block is filled with a pattern that depends on the seed, the slot and a
 *    generation that grows with every fill, and on the offset within the block. So content that
 *    was swapped, shifted, or left over from an earlier life of the same memory is seen. Which
 *    ranges of a block are written and verified depends on the tier (oracle_pattern.c); a block
 *    that is too large for its tier gets head, tail and samples, so that a 1 GiB block costs a few
 *    pages.
 * 4. Memory. One mapping, sized by the trace's slots, kept between replays: setting up a replay
 *    costs nothing but a new epoch (a slot of another epoch is empty). Nothing is allocated while
 *    a replay runs, neither from the process malloc nor from the system, so that a target which is
 *    the process malloc is not disturbed.
 * 5. Failure. The first broken promise is written to the finding that the replay handed in; all
 *    checks answer false then, and the replay stops.
 */
#ifndef ASH_TRACE_ORACLE_H
#define ASH_TRACE_ORACLE_H

#include "base/base.h"

#include <ashlar/trace.h>

enum ash_slot_state { ASH_SLOT_EMPTY = 0, ASH_SLOT_LIVE, ASH_SLOT_STALE };

struct ash_slot {
    uint64_t address;
    uint64_t requested; /* bytes asked for */
    uint64_t usable;    /* bytes the target said may be used; at least requested */
    uint64_t key;       /* of the content pattern */
    uint64_t alignment; /* asked of aligned_alloc; 0 for other blocks */
    uint32_t epoch;     /* of the replay that wrote this; another epoch means empty */
    uint32_t live_at;   /* position in the list of live slots */
    uint32_t changes;   /* the oracle's changes and generation when it became stale */
    uint32_t generation;
    uint8_t state; /* enum ash_slot_state */
    bool whole;    /* every byte of it carries the pattern; else head, tail and samples */
    bool laid;     /* live, and in the list and the index of live blocks */
    bool busy;     /* an operation on it is under way */
    uint16_t spare[2];
};
static_assert(sizeof(struct ash_slot) == 64, "one slot, one cache line");

enum {
    ASH_NO_SLOT = UINT32_MAX,
    ASH_LEAF_ENTRIES = 128,
    ASH_SIZE_BUCKETS = 80, /* 16-byte steps up to 128, then eight per doubling, to 64 KiB */
};

/* A run of neighbouring intervals, in address order. */
struct ash_leaf {
    uint64_t starts[ASH_LEAF_ENTRIES];
    uint32_t slots[ASH_LEAF_ENTRIES];
    uint32_t count;
    uint32_t next_free; /* leaf number + 1 */
};

/* Leaves in address order: two levels, found by two binary searches. */
struct ash_index {
    struct ash_leaf *leaves;
    uint64_t *firsts; /* lowest start of each leaf, in order */
    uint32_t *order;  /* leaf numbers, in order */
    uint32_t leaf_count;
    uint32_t leaves_made; /* leaves [0, made) have been used */
    uint32_t free_leaf;   /* leaf number + 1 */
};

/* Blocks of similar size, for the bound on what a heap may hold (ash_oracle_held_bytes). */
struct ash_size_bucket {
    uint64_t live_bytes, peak_bytes;
    bool used;
};

struct ashlar_oracle {
    const struct ashlar_target *target;
    void *instance;
    struct ashlar_replay_finding *finding;
    enum ashlar_oracle_tier tier;
    struct ash_slot *slots;
    uint32_t *live; /* slots that are live, in no order */
    struct ash_index index;
    uint32_t slot_capacity;
    uint32_t slot_count;
    uint32_t live_count;
    uint32_t epoch;
    uint32_t generation; /* of fills */
    uint32_t changes;    /* operations that may have given memory back to the target */
    uint32_t sample;     /* round-robin position in live */
    uint32_t threads;    /* logical threads that have allocated */
    uint64_t threads_seen[4];
    uint64_t seed;
    uint64_t live_bytes, peak_bytes;
    uint64_t whole_bytes; /* of live blocks that are wholly patterned */
    uint64_t large_bytes; /* of live blocks over 64 KiB: whole pages of 64 KiB, and one more */
    struct ash_size_bucket buckets[ASH_SIZE_BUCKETS];
    uintptr_t region_start, region_end; /* blocks must lie in it */
    struct ashlar_misuse misuse; /* the first report during the current operation; here, because the
                                    handler's context must outlive a kept instance */
    uint32_t misuse_count;       /* reports during the current operation */
    uint32_t drain_threads;      /* what the end of the replay has to empty: see replay.c */
    size_t left_mapped;          /* what destroy could not account for */
    size_t mapping_bytes;        /* of everything here */
};

/* A model of `slots` empty slots; NULL: no memory. Ends with ash_oracle_close. */
struct ashlar_oracle *ash_oracle_open(uint32_t slots);
void ash_oracle_close(struct ashlar_oracle *oracle);
/* Binds the model to a target's instance; findings go to *finding. */
void ash_oracle_bind(struct ashlar_oracle *oracle, const struct ashlar_target *target,
                     void *instance, struct ashlar_replay_finding *finding);

/* The slot with that number, made empty when it is of another epoch. */
struct ash_slot *ash_oracle_slot(struct ashlar_oracle *oracle, uint32_t number);

/* Records the first broken promise. Always false. */
bool ash_oracle_fail(struct ashlar_oracle *oracle, enum ashlar_finding_code code, uint64_t address,
                     uint64_t expected, uint64_t found, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* What a block must be like. */
struct ash_wanted {
    uint64_t requested;
    uint64_t alignment; /* asked of aligned_alloc; 0 for other blocks */
    bool zeroed;        /* by calloc */
    uint32_t thread;
};

/* `block` was handed out for slot `number`, which is not live: checks bounds, alignment, usable
 * size, overlap and zeros, then fills it and makes the slot live. */
bool ash_oracle_place(struct ashlar_oracle *oracle, uint32_t number, uintptr_t block,
                      const struct ash_wanted *wanted);
/* Slot `number`, which was lifted, was resized to `block`: as place, and the old content must be
 * there. */
bool ash_oracle_resized(struct ashlar_oracle *oracle, uint32_t number, uintptr_t block,
                        const struct ash_wanted *wanted);
/* The live slot's block is about to be resized or freed: from here on the target may hand its
 * memory to another thread. resized and drop follow, or put_back when it is as it was. */
void ash_oracle_lift(struct ashlar_oracle *oracle, uint32_t number);
bool ash_oracle_put_back(struct ashlar_oracle *oracle, uint32_t number);
/* Slot `number` is no longer live. */
void ash_oracle_drop(struct ashlar_oracle *oracle, uint32_t number);
/* Fills the live slot with a new pattern: its usable size. */
void ash_oracle_fill(struct ashlar_oracle *oracle, uint32_t number);

/* The content of a live slot is what it must be; otherwise `code`. */
bool ash_oracle_verify(struct ashlar_oracle *oracle, uint32_t number,
                       enum ashlar_finding_code code);
/* A part of one live slot, the next one in turn. */
bool ash_oracle_verify_next(struct ashlar_oracle *oracle);
/* All live slots. */
bool ash_oracle_sweep(struct ashlar_oracle *oracle);

/* An upper bound of what the blocks handed out so far can have made a heap hold: see oracle.c. */
uint64_t ash_oracle_held_bytes(const struct ashlar_oracle *oracle);

/* oracle_index.c. insert: the slot that the interval [start, start + bytes) overlaps, or
 * ASH_NO_SLOT: then it is in. */
uint32_t ash_index_insert(struct ashlar_oracle *oracle, uint32_t number, uint64_t start,
                          uint64_t bytes);
void ash_index_remove(struct ashlar_oracle *oracle, uint64_t start);
/* The slot of the live block that `address` lies in, or ASH_NO_SLOT. */
uint32_t ash_index_find(const struct ashlar_oracle *oracle, uint64_t address);
/* Leaves that `slots` blocks can need. */
uint64_t ash_index_leaves(uint64_t slots);

/* oracle_pattern.c: the ranges of a block that carry its pattern. */
struct ash_ranges {
    uint64_t usable, requested, key;
    uint64_t edge;  /* bytes at the head, before the requested end and at the tail */
    uint64_t step;  /* distance of samples; 0: none */
    uint64_t place; /* of a sample within its step */
    uint32_t at;    /* the next range */
    uint32_t samples;
    bool whole;
};
/* Whether a block of so many bytes is patterned wholly in this tier. */
bool ash_pattern_whole(enum ashlar_oracle_tier tier, uint64_t bytes, uint64_t whole_bytes);
void ash_ranges_init(struct ash_ranges *ranges, const struct ash_slot *slot,
                     enum ashlar_oracle_tier tier);
bool ash_ranges_next(struct ash_ranges *ranges, uint64_t *from, uint64_t *to);
uint64_t ash_pattern_key(uint64_t seed, uint32_t slot, uint32_t generation);
/* Writes the pattern at offsets [from, to) of the block; `from` is a multiple of 8. */
void ash_pattern_write(uintptr_t block, uint64_t from, uint64_t to, uint64_t key);
/* Offset of the first byte of [from, to) that differs, or `to`. *expected and *found get the bytes.
 */
uint64_t ash_pattern_verify(uintptr_t block, uint64_t from, uint64_t to, uint64_t key,
                            uint8_t *expected, uint8_t *found);
/* Offset of the first byte of [from, to) that is not zero, or `to`. */
uint64_t ash_pattern_nonzero(uintptr_t block, uint64_t from, uint64_t to);

#endif
