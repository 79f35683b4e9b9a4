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
/* All the longer ones that are kept, when they are one piece. */
struct ash_kept_piece {
    struct ash_page *head;   /* freed last */
    struct ash_page *behind; /* right behind it; NULL for none */
    uint32_t pages;          /* of both; 0 when they are no piece, or there are none */
};
struct ash_kept_piece ash_kept_piece(const struct ash_thread_heap *th);
/* Takes the first `pages` pages of the piece, fewer than it has: its head, which is claimed then.
 * The rest is one kept span. The heap's lock is held, and pages change hands. */
void ash_kept_cut(struct ash_thread_heap *th, const struct ash_kept_piece *piece, uint32_t pages);
/* Whether a claimed span is one to be kept, if there is room. */
bool ash_kept_wants(const struct ash_heap *heap, const struct ash_page *head);
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

/* How many are kept, and their pages. Plain sums: there is one who changes them at a time. */
ASH_INLINE void ash_kept_count(struct ash_thread_heap *th, uint32_t spans, uint32_t pages) {
    uint32_t before = atomic_load_explicit(&th->kept_spans, memory_order_relaxed);
    atomic_store_explicit(&th->kept_spans, before + spans, memory_order_relaxed);
    atomic_store_explicit(&th->kept_pages, ash_kept_pages(th) + pages, memory_order_relaxed);
}

/* The list for spans of `pages` pages. */
ASH_INLINE uint32_t *ash_kept_list(struct ash_thread_heap *th, uint64_t pages) {
    return &th->kept[(pages <= ASH_KEPT_EXACT ? pages : ASH_KEPT_LISTS) - 1];
}

#endif
