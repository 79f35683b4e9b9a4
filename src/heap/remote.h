/* Remote frees: blocks freed by another thread than their slab's owner. See remote.c for the
 * protocol. */
#ifndef ASH_REMOTE_H
#define ASH_REMOTE_H

#include "heap/slabs.h"

/* Marks block `index` of the slab as remotely freed. False when it is free already. */
bool ash_remote_free(struct ash_heap *heap, struct ash_thread_heap *owner, struct ash_page *head,
                     uint32_t index);

/* Whether block `index` is marked so. */
bool ash_remote_holds(const struct ash_heap *heap, const struct ash_page *head, uint32_t index);

/* Merges all that is pending for `th`, by its own thread or under the pool's lock. */
void ash_collect(struct ash_thread_heap *th);

/* The same when there is anything. */
ASH_INLINE void ash_collect_pending(struct ash_thread_heap *th) {
    /* relaxed: what is missed now is found at the next slow path */
    if (ASH_UNLIKELY(atomic_load_explicit(&th->pending, memory_order_relaxed) != 0))
        ash_collect(th);
}

#endif
