/* Remote frees.
 *
 * 1. Purpose. A thread gives a block back to a slab that another thread heap owns, without a
 *    lock, without touching what the owner's fast paths write, and such that a second free of the
 *    block is found.
 * 2. State. Per slab: remote words (one bit per block), the remote summary (bit w: remote word w
 *    may hold bits), a link. Per thread heap: `pending`, a stack of slabs whose remote summary is
 *    not zero.
 * 3. The freeing thread (F).
 *        F1  block's own free bit set?               -> double free
 *        F2  old = fetch_or(remote word, bit)        old has the bit -> double free
 *                                                    old is not 0 -> done
 *        F3  old = fetch_or(remote summary, 1 << w)  old is not 0 -> done
 *        F4  push the slab on the owner's pending stack
 *        F5  owner is pooled?                        -> collect for it, under the pool's lock
 * 4. The owner (C), on its slow paths.
 *        C1  stack = exchange(pending, 0)
 *        C2  for each slab: next = its link; windows = exchange(remote summary, 0)
 *        C3  for each window: bits = remote word; free word |= bits;
 *            left = fetch_and(remote word, ~bits); again while left has more
 * 5. Why it holds. Only the thread that found a word empty (F2) goes on to F3, and only the one
 *    that found the summary empty goes on to F4: a slab is on the stack at most once. A word is
 *    merged only after its window's bit was seen in the summary, so whoever is between F2 and F4
 *    has a block in the slab that is not merged yet: the slab is not all free and cannot be given
 *    back under its feet. After F4, or when it was done early, it touches the slab no more. The
 *    stack is only ever taken whole, so there is no ABA.
 * 6. Memory order. F2 and F3 are acquire-release: the collector that sees the bit in C2 or C3
 *    (acquire) also sees what the freeing thread did to the block's memory, and F3's bit is not
 *    seen without F2's. F4 and F5 against pooling (threads.c) are sequentially consistent: either
 *    the freeing thread sees the owner pooled, or the pooling thread sees the push.
 * 7. Double frees. A block that is remotely freed twice is found at F2, or at F1 once it was
 *    merged. One that is freed remotely and then by the owner is found by the owner (free.c),
 *    which consults the remote word whenever the remote summary is not zero; in the instant
 *    between another thread's F2 and F3 on the same window the owner does not see it, and then the
 *    merge finds it (C3: a bit set on both sides), unless the owner has handed the block out again
 *    by then. */
#include "heap/remote.h"

#include "heap/misuse.h"
#include "heap/threads.h"

static void push_pending(struct ash_heap *heap, struct ash_thread_heap *owner,
                         struct ash_page *head) {
    uint32_t link = ash_slab_link(heap, head);
    uint32_t top = atomic_load_explicit(&owner->pending, memory_order_relaxed);
    do {
        atomic_store_explicit(&head->pending_next, top, memory_order_relaxed);
        /* seq_cst: ordered against the look at the owner's state below; release: publishes the link
         */
    } while (!atomic_compare_exchange_weak_explicit(&owner->pending, &top, link,
                                                    memory_order_seq_cst, memory_order_relaxed));
}

bool ash_remote_free(struct ash_heap *heap, struct ash_thread_heap *owner, struct ash_page *head,
                     uint32_t index) {
    unsigned window = index / ASH_WINDOW_BLOCKS;
    uint64_t bit = (uint64_t)1 << (index % ASH_WINDOW_BLOCKS);
    if ((ash_word_get(&head->words[window]) & bit) != 0) return false; /* F1 */
    _Atomic uint64_t *word = &ash_remote_words(heap, ash_page_number(heap, head))[window];
    uint64_t old = atomic_fetch_or_explicit(word, bit, memory_order_acq_rel); /* F2 */
    if (old != 0) return (old & bit) == 0;
    old = atomic_fetch_or_explicit(&head->remote_summary, (uint64_t)1 << window,
                                   memory_order_acq_rel); /* F3 */
    if (old != 0) return true;
    push_pending(heap, owner, head);                                                    /* F4 */
    if (atomic_load_explicit(&owner->state, memory_order_seq_cst) == ASH_THREAD_POOLED) /* F5 */
        ash_pool_collect(heap, owner);
    return true;
}

bool ash_remote_holds(const struct ash_heap *heap, const struct ash_page *head, uint32_t index) {
    const _Atomic uint64_t *word =
        &ash_remote_words(heap, ash_page_number(heap, head))[index / ASH_WINDOW_BLOCKS];
    return (atomic_load_explicit(word, memory_order_relaxed) >> (index % ASH_WINDOW_BLOCKS) & 1) !=
           0;
}

/* Reports each block that is free on both sides: freed by another thread and by the owner. */
static void report_both(struct ash_thread_heap *th, const struct ash_page *head, unsigned window,
                        uint64_t both) {
    uint64_t start = ash_page_address(th->heap, ash_page_number(th->heap, head));
    uint32_t bytes = ash_classes[head->class_index].block_bytes;
    for (; both != 0; both &= both - 1) {
        uint64_t index = window * ASH_WINDOW_BLOCKS + ash_lowest_bit(both);
        uint64_t address = start + index * bytes;
        ash_misuse(th, ASHLAR_MISUSE_DOUBLE_FREE, "free", address, address, bytes, 0);
    }
}

/* C3 for one window. */
static void merge_window(struct ash_thread_heap *th, struct ash_page *head, unsigned window) {
    _Atomic uint64_t *remote = &ash_remote_words(th->heap, ash_page_number(th->heap, head))[window];
    uint64_t *word = &head->words[window];
    uint64_t bits = atomic_load_explicit(remote, memory_order_acquire);
    while (bits != 0) {
        uint64_t both = ash_word_get(word) & bits;
        /* The free bit first: at no instant does the block look live. */
        ash_word_set(word, ash_word_get(word) | bits);
        uint64_t old = atomic_fetch_and_explicit(remote, ASH_PLANTED(7) ? bits & (bits - 1) : ~bits,
                                                 memory_order_acq_rel);
        if (ASH_UNLIKELY(both != 0)) report_both(th, head, window, both);
        bits = old & ~bits;
    }
    if (ash_word_get(word) != 0) head->summary |= (uint64_t)1 << window;
}

void ash_collect(struct ash_thread_heap *th) {
    uint32_t before = ash_transition_begin(th, ASH_COLLECT);
    uint32_t link = atomic_exchange_explicit(&th->pending, 0, memory_order_seq_cst); /* C1 */
    while (link != 0) {
        struct ash_page *head = ash_page_at(th->heap, link - 1);
        uint32_t next = atomic_load_explicit(&head->pending_next, memory_order_relaxed); /* C2 */
        atomic_store_explicit(&head->pending_next, 0, memory_order_relaxed);
        uint64_t windows = atomic_exchange_explicit(&head->remote_summary, 0, memory_order_acq_rel);
        for (; windows != 0; windows &= windows - 1)
            merge_window(th, head, ash_lowest_bit(windows));
        ash_slab_settle(th, head);
        link = ASH_PLANTED(16) ? 0 : next;
    }
    ash_transition_end(th, before);
}
