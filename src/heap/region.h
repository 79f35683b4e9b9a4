/* Where a heap's memory comes from: reserving, committing in steps, giving back. See region.c. */
#ifndef ASH_REGION_H
#define ASH_REGION_H

#include "heap/layout.h"

/* Reserves address space for a heap and commits what it needs to start; *out is zeroed memory whose
 * root holds the addresses and sizes of all parts. Nothing stays mapped on failure. */
enum ashlar_status ash_region_reserve(const struct ashlar_os *os, size_t region_bytes,
                                      uint32_t thread_heaps, struct ash_heap **out);
/* The same inside the caller's memory; all of it counts as committed. */
enum ashlar_status ash_region_place(void *memory, size_t bytes, uint32_t thread_heaps,
                                    struct ash_heap **out);
/* Gives back what ash_region_reserve took. */
void ash_region_release(struct ash_heap *heap);

/* Commits pages [frontier, frontier + count) with their descriptors, bitmaps and dirty bits. The
 * frontier itself is moved by the caller. False when the system refuses; committing again later is
 * harmless. */
bool ash_region_commit(struct ash_heap *heap, uint64_t count);
/* Commits the table of thread heaps up to `count` of them. */
bool ash_region_commit_thread_heaps(struct ash_heap *heap, uint32_t count);

#endif
