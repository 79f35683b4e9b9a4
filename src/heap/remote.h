/* Remote frees: blocks freed by another thread than their slab's owner. See remote.c for the
 * protocol. */
#ifndef ASH_REMOTE_H
#define ASH_REMOTE_H

#include "heap/slabs.h"

/* Frees for `th` what starts at `block` in `page` of a slab that another thread heap, `owner`,
 * owns; reports what is no live block's start. */
void ash_remote_free(struct ash_thread_heap *th, void *block, struct ash_page *page,
                     struct ash_thread_heap *owner);

/* Whether block `index` is marked so. */
bool ash_remote_holds(const struct ash_heap *heap, const struct ash_page *head, uint32_t index);

/* Pushes the slab, which has a remote summary and is on no stack, on its owner's. */
void ash_remote_push(struct ash_heap *heap, struct ash_thread_heap *owner, struct ash_page *head);
/* Merges one window's remote word; `th` answers for blocks that were freed on both sides. */
void ash_remote_merge(struct ash_thread_heap *th, struct ash_page *head, unsigned window);

/* Merges all that is pending for `th`, by its own thread or under the pool's lock. */
void ash_collect(struct ash_thread_heap *th);
/* The same within a slow path. */
void ash_collect_all(struct ash_thread_heap *th);

/* The slabs counted as complete are about to be looked at. Before they are: what is counted later
 * stays counted. */
ASH_INLINE void ash_complete_reset(struct ash_thread_heap *th) {
    if (atomic_load_explicit(&th->complete, memory_order_relaxed) != 0)
        atomic_exchange_explicit(&th->complete, 0, memory_order_acq_rel);
}

/* The same when there is anything. */
ASH_INLINE void ash_collect_pending(struct ash_thread_heap *th) {
    /* relaxed: what is missed now is found at the next slow path */
    if (ASH_UNLIKELY(atomic_load_explicit(&th->pending, memory_order_relaxed) != 0))
        ash_collect(th);
}

#endif
