/* What a heap holds, as text on a file descriptor. */
#ifndef ASH_DIAG_STATISTICS_H
#define ASH_DIAG_STATISTICS_H

#include <ashlar/heap.h>

/* Live, free, committed and purged bytes, metadata, thread heaps; with `classes` also a table of
 * the size classes in use. Takes the heap's locks. */
void ash_diag_statistics(struct ashlar_heap *heap, bool classes, int fd);

#endif
