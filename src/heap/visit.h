/* Visits: giving back what an idle thread heap's slabs hold. See visit.c for the theory. */
#ifndef ASH_VISIT_H
#define ASH_VISIT_H

#include "heap/layout.h"

/* The owner, at the start of a slow path: waits until the visitor has left. */
ASH_COLD void ash_visit_await(struct ash_thread_heap *owner);
/* The owner, at the end of a slow path that somebody found it in: does what that one would have
 * done, and mends a forked child. */
ASH_COLD void ash_visit_answer(struct ash_thread_heap *owner);

/* A bin has just left the slab: from here on others see to it when it is complete. */
void ash_slab_left(struct ash_heap *heap, struct ash_page *head);
/* Whether all blocks of the slab are free, those counted that others freed and that are to be
 * found. */
bool ash_slab_complete(const struct ash_heap *heap, const struct ash_page *head);

/* `th` found a slab of `pages` pages complete that belongs to `owner`: sees to it that it comes
 * back when there are many, or some time has passed. */
void ash_visit_later(struct ash_thread_heap *th, struct ash_thread_heap *owner, uint32_t pages);
/* Gives the complete slabs of `owner` back, unless it is at work: then it does so itself. `th`
 * answers for what misuse is found. */
void ash_visit(struct ash_thread_heap *th, struct ash_thread_heap *owner);
/* `th` has looked at the clock: visits who is due. */
void ash_visits_look(struct ash_thread_heap *th, uint64_t now);
/* Has the clock looked at, one decay time from now or before. */
void ash_visit_arm_slowly(struct ash_heap *heap);
ASH_INLINE void ash_visit_arm(struct ash_heap *heap) {
    if (atomic_load_explicit(&heap->next_visit_ms, memory_order_relaxed) == 0)
        ash_visit_arm_slowly(heap);
}
/* Visits every thread heap but `th`, which may be NULL. */
void ash_visit_all(struct ash_heap *heap, struct ash_thread_heap *th);

#endif
