/* Thread heaps: acquiring, releasing, the pool. See threads.c. */
#ifndef ASH_THREADS_H
#define ASH_THREADS_H

#include "heap/layout.h"

/* Merges what is pending for a thread heap in the pool, if it still is there. */
void ash_pool_collect(struct ash_heap *heap, struct ash_thread_heap *th);

/* All bins empty, nothing pending. */
void ash_thread_heap_restart(struct ash_thread_heap *th);

#endif
