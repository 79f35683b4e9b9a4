/* Bins: what a thread heap allocates one class from. See bins.c for the theory. */
#ifndef ASH_BINS_H
#define ASH_BINS_H

#include "heap/slabs.h"

/* A bin without a slab. */
void ash_bin_init(struct ash_bin *bin, struct ash_heap *heap, unsigned class_index);

/* Gives the bin candidates, from the best window or slab; false when there is no memory. */
bool ash_bin_refill(struct ash_thread_heap *th, struct ash_bin *bin);

/* Looks at the clock and gives back what is due: free pages, and current slabs that are all free.
 * True when pages wait and the last look was long ago. */
bool ash_bins_look(struct ash_thread_heap *th);
/* Has the next malloc of each class look at the clock: pages begin to wait for being given back. */
void ash_bins_shorten(struct ash_thread_heap *th);

/* Gives back the current slab when it is all free. */
void ash_bin_drop_empty(struct ash_thread_heap *th, struct ash_bin *bin);
/* The same for every bin of the thread heap, and for the spans that it keeps. */
void ash_bins_drop_empty(struct ash_thread_heap *th);
/* Gives back all that the thread heap could do without: what others freed into its slabs, and what
 * other thread heaps could do without, too. */
void ash_bins_drop_spare(struct ash_thread_heap *th);
/* Every bin lets go of its current slab, which is queued or full then. */
void ash_bins_leave(struct ash_thread_heap *th);

/* Takes one candidate; there is one. The candidate goes first and the block's bit after it: between
 * the two stores the block is merely no candidate, and a process stopped there has a sound heap. */
ASH_INLINE void *ash_bin_take(struct ash_bin *bin, uint64_t candidates) {
    uint64_t rest = candidates & (candidates - 1);
    bin->candidates = rest;
    ASH_YIELD(TAKE);
    atomic_signal_fence(memory_order_release);
    ash_flip(bin->word, candidates ^ rest); /* set there: flipping clears it */
    /* 32 bits hold the offset, and widening the bit's number first would cost two instructions */
    return (void *)(bin->window + ash_lowest_bit(candidates) * bin->block_bytes);
}

#endif
