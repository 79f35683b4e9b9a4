/* From a pointer to what it points at, with proof. The slow, complete form; fast.h has a short one
 * for blocks of the thread heap's own slabs. */
#ifndef ASH_LOCATE_H
#define ASH_LOCATE_H

#include "heap/layout.h"

enum ash_place_of {
    ASH_AT_NOTHING,  /* no page of this heap in use */
    ASH_AT_FREE_RUN, /* a page that is free */
    ASH_AT_WASTE,    /* behind the last block of a slab */
    ASH_AT_BLOCK,    /* a block of a slab */
    ASH_AT_SPAN,
};

struct ash_located {
    enum ash_place_of place;
    struct ash_page *head; /* of the slab, span or free run */
    uint64_t start;        /* address of the block, span or run */
    uint64_t bytes;        /* its size */
    uint32_t index;        /* of the slab's block */
    enum ashlar_block_state state;
};

/* Where `address` lies, whatever it is. */
struct ash_located ash_locate(const struct ash_heap *heap, uint64_t address);

/* What is wrong with `address` as a live block's start: a misuse code, or ASHLAR_FINDING_NONE. */
enum ashlar_finding_code ash_locate_fault(const struct ash_located *located, uint64_t address);

/* ash_locate for a caller's pointer that has to be a live block: reports misuse, and then returns
 * false. */
bool ash_locate_live(struct ash_thread_heap *th, const char *operation, uint64_t address,
                     struct ash_located *out);

#endif
