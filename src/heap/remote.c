/* Remote frees.
 *
 * 1. Purpose. A thread gives a block back to a slab that another thread heap owns, without a
 *    lock, without touching what the owner's fast paths write, and such that a second free of the
 *    block is found.
 * 2. State. Per slab: remote words (one bit per block), the remote summary (bit w: remote word w
 *    may hold bits), a link. Per thread heap: `pending`, a stack of slabs whose remote summary is
 *    not zero.
 * 3. The freeing thread (F).
 *        F0  the pointer is a block's start, its page a slab's          else -> misuse
 *        F1  block's own free bit set?               -> double free
 *        F2  old = fetch_or(remote word, bit)        old has the bit -> double free
 *                                                    old is not 0 -> F6
 *        F3  old = fetch_or(remote summary, 1 << w)  old is not 0 -> F6
 *        F4  push the slab on the owner's pending stack
 *        F5  owner is pooled?                        -> collect for it, under the pool's lock
 *        F6  is the slab complete? (asked after F3 to F5, or when the word is)
 *                                                    -> a visit to the owner, if it sleeps
 *                                                    (visit.c)
 * 4. The owner (C), on its slow paths.
 *        C1  stack = exchange(pending, 0)
 *        C2  for each slab: next = its link; windows = exchange(remote summary, 0)
 *        C3  for each window: bits = remote word; free word |= bits;
 *            left = fetch_and(remote word, ~bits); again while left has more
 *        C4  again while others pushed: the last of them may have taken the slab for incomplete
 * 5. Why it holds. Only the thread that found a word empty (F2) goes on to F3, and only the one
 *    that found the summary empty goes on to F4: a slab is on the stack at most once. A word is
 *    merged only after its window's bit was seen in the summary, so whoever is between F2 and F4
 *    has a block in the slab that is not merged yet: the slab is not all free and cannot be given
 *    back under its feet. The stack is only ever taken whole, so there is no ABA. After F4, or when
 *    it was done early, a thread writes to the slab no more; F6 reads what may be another's by
 *    then, at addresses that it took down before F2, and takes it for a hint.
 * 6. Memory order. F2 and F3 release: the collector that sees the bit in C2 or C3 (acquire) also
 *    sees what the freeing thread did to the block's memory, and F3's bit is not seen without F2's.
 *    They are sequentially consistent for F6's sake: of two threads that free the last two blocks
 *    of a slab, one sees the other's. F4 and F5 against pooling (threads.c) are so, too: either the
 *    freeing thread sees the owner pooled, or the pooling thread sees the push.
 * 7. Double frees. Two frees of a block of which one happened before the other, by the program's
 *    own synchronisation, are found: at F2, or at F1 once the first was merged; and by the owner,
 *    whose free (free.c) consults the remote word whenever the remote summary is not zero, and
 *    reads its own word after the summary. (While a visitor gives the very slab back, an owner's
 *    second free finds either, or a slab that is gone.)
 *    Two frees that run at the same time are one mistake that may look like none. Two threads at
 *    F2: one is refused. The owner beside a thread between F2 and F3: it does not see the remote
 *    free, and the block is free on both sides. Then the merge finds it (C3), unless the owner has
 *    handed the block out again by then: as if the remote free had come after that. The slab stays
 *    until then, also when all its blocks are free: it is given back only when no remote word and
 *    no remote summary is left in it (slabs.c), so the thread inside does not lose the ground under
 *    its feet. What is left is a thread that is stopped between F1 and F2, freeing a block that
 *    another frees or has freed, while that first free is merged: it marks a free block, which the
 *    next merge of the word finds; but when the slab is given back in that very moment, it sets a
 *    bit in pages that are something else by then. The checker finds that bit. */
#include "heap/remote.h"

#include "heap/fast.h"
#include "heap/locate.h"
#include "heap/misuse.h"
#include "heap/threads.h"
#include "heap/visit.h"

enum { COLLECT_TURNS = 8 };

/* Tells a fork in a signal handler that this thread is between two steps (fork.c). Nothing of its
 * own thread heap changes, so visitors do not mind. Release: they see what its last slow path did.
 * */
ASH_INLINE void mark_begin(struct ash_thread_heap *th) {
    atomic_store_explicit(&th->transition, ASH_REMOTE, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
}
ASH_INLINE void mark_end(struct ash_thread_heap *th) {
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&th->transition, ASH_QUIET, memory_order_release);
}

void ash_remote_push(struct ash_heap *heap, struct ash_thread_heap *owner, struct ash_page *head) {
    uint32_t link = ash_slab_link(heap, head);
    ASH_YIELD(F4);
    uint32_t top = atomic_load_explicit(&owner->pending, memory_order_relaxed);
    do {
        atomic_store_explicit(&head->pending_next, top, memory_order_relaxed);
        ASH_YIELD(F4_LINKED);
        if (ASH_PLANTED(101)) top = atomic_load_explicit(&owner->pending, memory_order_relaxed);
        /* seq_cst: ordered against the look at the owner's state below; release: publishes the link
         */
    } while (!atomic_compare_exchange_weak_explicit(&owner->pending, &top, link,
                                                    memory_order_seq_cst, memory_order_relaxed));
}

/* What a freeing thread knows of a slab from before its block was free: after that the slab may go
 * away at any moment, if another thread sees to it. */
struct slab_seen {
    struct ash_page *head;
    const uint64_t *words;
    _Atomic uint64_t *remote;
    uint64_t shape; /* number of blocks, pages << 16, window << 32, whether it was empty << 63 */
};

/* F6. Whether the slab is complete and not a current one; when it is one no more, anything. So it
 * is no more than a hint, which a visit proves. Memory of words and descriptors is never given
 * back, and who writes there as something else races with this on purpose. */
static ASH_NOINLINE ASH_RACY bool seems_complete(const struct slab_seen *seen) {
    unsigned count = (uint16_t)seen->shape, windows = ash_window_count(count);
    /* seq_cst: after F2 and F3; against the last look of others, and bin_leave's */
    if (__atomic_load_n(&seen->head->place, __ATOMIC_SEQ_CST) == ASH_SLAB_CURRENT) return false;
    uint64_t found =
        __atomic_load_n((const uint64_t *)&seen->head->remote_summary, __ATOMIC_SEQ_CST);
    for (unsigned window = 0; window < windows; window++) {
        uint64_t word = __atomic_load_n(&seen->words[window], __ATOMIC_SEQ_CST);
        if ((found >> window & 1) != 0)
            word |= __atomic_load_n((const uint64_t *)&seen->remote[window], __ATOMIC_SEQ_CST);
        if (word != ash_full_word(count, window)) return false;
    }
    return true;
}

static bool is_pooled(const struct ash_thread_heap *th) {
    return atomic_load_explicit(&th->state, memory_order_seq_cst) == ASH_THREAD_POOLED;
}

/* F3 to F5, by who found the window's remote word empty. */
static void remote_first(struct ash_heap *heap, struct ash_thread_heap *owner,
                         const struct slab_seen *seen) {
    unsigned window = seen->shape >> 32 & (ASH_WINDOWS_MAX - 1);
    ASH_YIELD(F3);
    uint64_t old = atomic_fetch_or_explicit(&seen->head->remote_summary, (uint64_t)1 << window,
                                            memory_order_seq_cst); /* F3 */
    if (old != 0) return;
    bool pooled = ASH_PLANTED(105) && is_pooled(owner);
    ash_remote_push(heap, owner, seen->head); /* F4 */
    ASH_YIELD(F5);
    if (!ASH_PLANTED(105)) pooled = is_pooled(owner); /* F5 */
    if (pooled) ash_pool_collect(heap, owner);
}

/* What follows F2 when the word was empty or is complete. All it is told fits registers. */
static ASH_NOINLINE void remote_after(struct ash_thread_heap *th, struct ash_thread_heap *owner,
                                      struct ash_page *head, const uint64_t *words,
                                      _Atomic uint64_t *remote, uint64_t shape) {
    const struct slab_seen seen = {head, words, remote, shape};
    if (seen.shape >> 63 != 0) remote_first(th->heap, owner, &seen);
    ASH_YIELD(F6);
    if (seems_complete(&seen)) ash_visit_later(th, owner, seen.shape >> 16 & UINT8_MAX);
    mark_end(th);
}

/* The pointer is no live block's start: says so. */
static ASH_COLD void remote_refused(struct ash_thread_heap *th, void *block) {
    struct ash_located located;
    ash_locate_live(th, "free", (uint64_t)(uintptr_t)block, &located);
}
/* The block is free already: says so, whatever has become of it since. */
static ASH_COLD void remote_again(struct ash_thread_heap *th, void *block) {
    mark_end(th);
    uint64_t address = (uint64_t)(uintptr_t)block;
    struct ash_located located = ash_locate(th->heap, address);
    ash_misuse(th, ASHLAR_MISUSE_DOUBLE_FREE, "free", address, located.start, located.bytes, 0);
}

/* Not inline: the slow path of free that leads here saves no registers. */
ASH_NOINLINE void ash_remote_free(struct ash_thread_heap *th, void *block, struct ash_page *page,
                                  struct ash_thread_heap *owner) {
    uint64_t index;
    if (!ash_fast_index(page, block, &index)) return remote_refused(th, block);
    mark_begin(th);
    uint64_t window = index / ASH_WINDOW_BLOCKS;
    uint64_t bit = (uint64_t)1 << (index % ASH_WINDOW_BLOCKS);
    /* All of the slab that is read later on, before its block is free: see slab_seen. */
    struct ash_page *head = page->head;
    ASH_YIELD(F1);
    const uint64_t *words = page->words;
    uint64_t own = ash_word_get(&words[window]), full_tail = page->full_tail;
    uint64_t shape = page->block_count | (uint64_t)page->slab_pages << 16 | window << 32;
    _Atomic uint64_t *remote = ash_remote_words(th->heap, (uint64_t)(head - th->pages));
    if (ASH_UNLIKELY((own & bit) != 0)) return remote_again(th, block); /* F1 */
    ASH_YIELD(F2);
    bool pushed = ASH_PLANTED(104) && atomic_load(&remote[window]) == 0;
    if (pushed) remote_first(th->heap, owner, &(struct slab_seen){head, words, remote, shape});
    uint64_t old = atomic_fetch_or_explicit(&remote[window], bit, memory_order_seq_cst); /* F2 */
    if (ASH_UNLIKELY((old & bit) != 0)) return remote_again(th, block);
    uint64_t after = own | old | bit;
    if (ASH_UNLIKELY(old == 0 || after == UINT64_MAX || after == full_tail))
        return remote_after(th, owner, head, words, remote,
                            shape | (uint64_t)(old == 0 && !pushed) << 63);
    mark_end(th);
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

/* C3. */
void ash_remote_merge(struct ash_thread_heap *th, struct ash_page *head, unsigned window) {
    _Atomic uint64_t *remote = &ash_remote_words(th->heap, ash_page_number(th->heap, head))[window];
    uint64_t *word = &head->words[window];
    ASH_YIELD(C3);
    uint64_t bits = atomic_load_explicit(remote, memory_order_acquire);
    while (bits != 0) {
        uint64_t both = ash_word_get(word) & bits;
        /* The free bit first: at no instant does the block look live. */
        ash_word_set(word, ash_word_get(word) | bits);
        ASH_YIELD(C3_SET);
        uint64_t rest = ASH_PLANTED(7) ? bits & (bits - 1) : ASH_PLANTED(102) ? 0 : ~bits;
        uint64_t old = atomic_fetch_and_explicit(remote, rest, memory_order_acq_rel);
        if (ASH_UNLIKELY(both != 0)) report_both(th, head, window, both);
        bits = ASH_PLANTED(102) ? 0 : old & ~bits;
    }
    if (ash_word_get(word) != 0) head->summary |= (uint64_t)1 << window;
}

static uint32_t take_stack(struct ash_thread_heap *th) {
    ASH_YIELD(C1);
    if (!ASH_PLANTED(107)) return atomic_exchange_explicit(&th->pending, 0, memory_order_seq_cst);
    uint32_t link = atomic_load_explicit(&th->pending, memory_order_seq_cst);
    ASH_YIELD(C1);
    atomic_store_explicit(&th->pending, 0, memory_order_seq_cst);
    return link;
}

static uint64_t take_summary(struct ash_page *head) {
    if (ASH_PLANTED(103)) return atomic_load(&head->remote_summary);
    return atomic_exchange_explicit(&head->remote_summary, 0, memory_order_acq_rel);
}

/* C1 to C3; false when the stack was empty. */
static bool collect_stack(struct ash_thread_heap *th) {
    uint32_t link = take_stack(th); /* C1 */
    bool found = link != 0;
    while (link != 0) {
        struct ash_page *head = ash_page_at(th->heap, link - 1);
        uint64_t windows = ASH_PLANTED(106) ? take_summary(head) : 0;
        ASH_YIELD(C2);
        uint32_t next = atomic_load_explicit(&head->pending_next, memory_order_relaxed); /* C2 */
        atomic_store_explicit(&head->pending_next, 0, memory_order_relaxed);
        ASH_YIELD(C2_LINK);
        if (!ASH_PLANTED(106)) windows = take_summary(head);
        for (; windows != 0; windows &= windows - 1)
            ash_remote_merge(th, head, ash_lowest_bit(windows));
        ASH_YIELD(SETTLE);
        if (ASH_PLANTED(103)) atomic_store(&head->remote_summary, 0);
        ash_slab_settle(th, head);
        link = ASH_PLANTED(16) ? 0 : next;
    }
    return found;
}

void ash_collect_all(struct ash_thread_heap *th) {
    ash_complete_reset(th);
    /* Again for what was pushed meanwhile (C4): who pushed may have looked at words that were yet
     * to be merged. The exchange is the fence between the merge and the look at the stack. Not
     * without end, lest threads that free keep the owner at it. */
    for (unsigned turn = 0; turn < COLLECT_TURNS && collect_stack(th); turn++) {
    }
}

void ash_collect(struct ash_thread_heap *th) {
    uint32_t before = ash_transition_begin(th, ASH_COLLECT);
    ash_collect_all(th);
    ash_transition_end(th, before);
}
