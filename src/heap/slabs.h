/* Slabs: runs of pages cut into blocks of one class. See slabs.c for the theory. */
#ifndef ASH_SLABS_H
#define ASH_SLABS_H

#include "heap/visit.h"

/* A slab of `class_index` for `th`, all blocks free, in no list; NULL when there is no memory. */
struct ash_page *ash_slab_create(struct ash_thread_heap *th, unsigned class_index);
/* Gives back an idle slab that is in no list. */
void ash_slab_release(struct ash_thread_heap *th, struct ash_page *head);

bool ash_slab_all_free(const struct ash_page *head);
/* Whether the slab can be given back: all free, and no other thread is at it. */
bool ash_slab_idle(const struct ash_heap *heap, const struct ash_page *head);

/* The queue of a bin: first in, first out. */
void ash_queue_push(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head);
void ash_queue_remove(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head);

/* Blocks came back, and the words and the summary say so: queues the slab when it was full, and
 * gives it back when it is all free and not the current one. */
void ash_slab_settle(struct ash_thread_heap *th, struct ash_page *head);

/* The free word at `word`, which other threads may read while the owner writes it. */
ASH_INLINE uint64_t ash_word_get(const uint64_t *word) {
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}
ASH_INLINE void ash_word_set(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}
/* Frees a block. Release: who sees nothing live in the slab and gives it back for its owner
 * (visit.c) comes after all that the owner read of it on the way here. */
ASH_INLINE void ash_word_free(uint64_t *word, uint64_t value) {
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

ASH_INLINE struct ash_page *ash_slab_linked(const struct ash_heap *heap, uint32_t link) {
    return link == 0 ? NULL : ash_page_at(heap, link - 1);
}
ASH_INLINE uint32_t ash_slab_link(const struct ash_heap *heap, const struct ash_page *head) {
    return (uint32_t)ash_page_number(heap, head) + 1;
}

/* A slow path, or a visitor, is about to change what belongs to `th`. */
ASH_INLINE void ash_transition_step(struct ash_thread_heap *th) {
    uint32_t steps = atomic_load_explicit(&th->steps, memory_order_relaxed);
    atomic_store_explicit(&th->steps, steps + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

/* Marks a slow path of `th`, for readers outside and for visitors; returns the mark it replaces:
 * they nest. A reader in another thread works as with a sequence lock: mark and step come before
 * the first change, and the mark is cleared after the last (release; its fences and loads are
 * acquire).
 */
ASH_INLINE uint32_t ash_transition_begin(struct ash_thread_heap *th, enum ash_transition what) {
    uint32_t before = atomic_load_explicit(&th->transition, memory_order_relaxed);
    atomic_store_explicit(&th->transition, (uint8_t)what, memory_order_relaxed);
    ash_transition_step(th);
    ASH_YIELD(O2);
    atomic_signal_fence(memory_order_seq_cst);
    /* acquire: what a visitor did is seen once it has left */
    if (ASH_UNLIKELY(atomic_load_explicit(&th->guest.state, memory_order_acquire) != 0) &&
        before == ASH_QUIET)
        ash_visit_await(th);
    return before;
}
ASH_INLINE void ash_transition_set(struct ash_thread_heap *th, uint32_t before) {
    ASH_YIELD(O3);
    atomic_signal_fence(memory_order_seq_cst);
    /* release: a visitor that sees the thread heap quiet sees what the slow path did */
    atomic_store_explicit(&th->transition, (uint8_t)before, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}
ASH_INLINE void ash_transition_end(struct ash_thread_heap *th, uint32_t before) {
    ash_transition_set(th, before);
    ASH_YIELD(O4);
    if (ASH_UNLIKELY(atomic_load_explicit(&th->asked, memory_order_relaxed) != 0) &&
        before == ASH_QUIET)
        ash_visit_answer(th);
}

#endif
