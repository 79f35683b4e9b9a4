/* Kept spans: what a thread heap freed last, for its next large blocks. See kept.c for the theory.
 *
 * Whoever calls is the owner within a marked slow path, or a visitor in its place. */
#ifndef ASH_KEPT_H
#define ASH_KEPT_H

#include "heap/layout.h"

/* A kept span of `pages` pages, claimed (spans.c) and in no list; NULL when there is none. */
struct ash_page *ash_kept_take(struct ash_thread_heap *th, uint64_t pages);
/* The same of the longer ones: the one that was freed last, of whatever length. */
struct ash_page *ash_kept_take_long(struct ash_thread_heap *th);
/* Keeps a claimed span; false when it is none to be kept. What was kept before is given back when
 * it comes to too much. */
bool ash_kept_put(struct ash_thread_heap *th, struct ash_page *head);
/* Gives all that is kept back to the heap. */
void ash_kept_give(struct ash_thread_heap *th);
/* The same under the heap's lock, while pages change hands; and for the longer ones alone. */
void ash_kept_give_held(struct ash_thread_heap *th);
void ash_kept_give_long(struct ash_thread_heap *th);
/* Forgets what is kept. */
void ash_kept_restart(struct ash_thread_heap *th);

/* How many spans all thread heaps keep, about: they go on meanwhile. */
uint64_t ash_kept_spans(const struct ash_heap *heap);

/* The pages that each thread heap of such a heap may keep. */
uint32_t ash_kept_most(const struct ash_heap *heap);

ASH_INLINE uint32_t ash_kept_pages(const struct ash_thread_heap *th) {
    return atomic_load_explicit(&th->kept_pages, memory_order_relaxed);
}

#endif
