/* Visits to idle owners.
 *
 * 1. Purpose. What others free into a thread heap's slabs is merged by its owner, on its slow paths
 *    (remote.c). An owner that sleeps has none. So whoever frees the last live block of such a slab
 *    visits the owner's thread heap and gives the slab back in its place. The owner's fast paths
 *    know nothing of it, and its slow paths pay two loads.
 * 2. What a visitor may touch. A slab is *complete* when each of its blocks is free or remotely
 *    freed, the latter counted only in windows whose bit the remote summary has. Nothing in it is
 *    live, so no fast path of the owner has any business there, but in the current slab of a bin,
 *    where it may allocate at any time: current slabs stay. Queues, places, links and counts belong
 *    to the owner's slow paths; so while there is none, and none can start, they are the visitor's.
 * 3. Keeping the owner out, without an atomic instruction of its own. `guest` is a lock that
 *    visitors take. The owner marks each slow path by a plain store to `transition`, as ever, and
 *    then looks whether `guest` is taken; if so it waits. A visitor takes `guest`, has every thread
 *    of the process pass a memory barrier (os/barrier.h), and then looks at the mark.
 *
 *        owner                            visitor (V)
 *        O1  transition = mark            V1  take guest; asked = 1
 *        O2  guest taken? wait for it     V2  barrier in every thread
 *            ... the slow path ...        V3  transition not quiet? give guest back: done
 *        O3  transition = quiet           V4  asked = 0; ... the visit ...
 *        O4  asked? collect, again        V5  give guest back
 *
 *    The owner passes the barrier somewhere. If before O1's store can be seen, then O2 comes after
 *    it, and sees V1: the owner waits. Else V3 sees the mark: the visitor leaves. Then O3 was not
 *    to be seen yet at the barrier, so O4 comes after it, and sees `asked`: the owner does the
 *    visitor's work, but for what it keeps (kept.c), which it may be about to hand out: V6, the
 *    visitor sets the clock again when there is such. Whoever runs on a pooled thread heap under
 *    the pool's lock is its owner here.
 * 4. The visit. The pending stack is taken whole, as in C1. A complete slab that is not current is
 *    merged, the words before the summary (a free of the owner that sees an empty summary sees the
 *    words, too), and given back; the others are pushed again. Their remote summary stays as it is,
 *    so nobody else pushes them: each is on the stack at most once.
 *    Who is between F2 and F4 (remote.c) has its bit in a word that the summary does not know of
 *    yet, or has not pushed yet: the slab is not complete, or is not found on the stack.
 * 5. Nothing is forgotten. Each step that may complete a slab is followed by a look whether it did:
 *    F6, after the last step of each remote free whose word is complete, and of each that was the
 *    first in its word (between whose steps others may have completed it); the owner's free of a
 *    block beside remotely freed ones (free.c); the owner's leaving a current slab (bins.c), which
 *    until then no look counts. All are sequentially consistent, but for the owner's stores on its
 *    fast path: when the owner and another thread free the last two blocks of a slab in the same
 *    instant, neither may see the other's. The next visit finds the slab.
 * 6. When. A barrier costs as much as some hundred frees. So a complete slab is counted first
 *    (`complete`, in pages); a visit follows when 4 MiB have come together, and, since it looks at
 *    every slab on the stack, an eighth as many pages as there were slabs left at the last visit.
 *    What is less is fetched when a decay time has passed, by whoever looks at the clock on its
 *    slow path; by trim, at once. An owner that runs collects before that, and resets the count.
 *    So of what is freed into slabs of a thread heap whose thread sleeps, these stay: the current
 *    slabs, one of each class at most; slabs with a live block; and, until the clock is looked at
 *    again, 4 MiB or an eighth.
 * 7. Locks. `guest` comes after the pool's lock and before the heap's. A visitor takes no pool's
 *    lock, so an owner under it may wait for one.
 * 8. Failure. A system without the barrier has no visits: owners collect for themselves, when they
 *    run again. */
#include "heap/visit.h"

#include "heap/fork.h"
#include "heap/kept.h"
#include "heap/remote.h"
#include "os/barrier.h"

enum {
    VISIT_PAGES = 64, /* complete ones that are worth a visit: 4 MiB */
    WALK_SHARE = 8,   /* slabs looked at, for each page that comes back */
    LOOK_VISITS = 16, /* of one look at the clock */
};

void ash_visit_await(struct ash_thread_heap *owner) {
    if (ASH_PLANTED(110)) return;
    ash_lock_take(&owner->guest);
    ash_lock_give(&owner->guest);
}

/* What a fork left is mended; not yet within a lock that mending takes. */
static bool mended(struct ash_heap *heap) {
    if (atomic_load_explicit(&heap->fork_left, memory_order_relaxed) != 0) ash_fork_mend(heap);
    return atomic_load_explicit(&heap->fork_left, memory_order_relaxed) == 0;
}

void ash_visit_answer(struct ash_thread_heap *owner) {
    /* acq_rel: sees the slab that the visitor came for on the stack. Each time it is asked it looks
     * for what a fork left: a handler may have forked within the collection just made. */
    while (atomic_exchange_explicit(&owner->asked, 0, memory_order_acq_rel) != 0) {
        if (!mended(owner->heap)) {
            /* relaxed: by itself. The end of another slow path mends. */
            atomic_store_explicit(&owner->asked, 1, memory_order_relaxed);
            return;
        }
        uint32_t before = ash_transition_begin(owner, ASH_COLLECT);
        ash_collect_all(owner);
        ash_transition_set(owner, before);
    }
}

bool ash_slab_complete(const struct ash_heap *heap, const struct ash_page *head) {
    const _Atomic uint64_t *remote = ash_remote_words(heap, ash_page_number(heap, head));
    /* seq_cst: see 5. Acquire in any case: the remote words have what the summary says, and whoever
     * freed a block is done with the slab. */
    uint64_t found = atomic_load_explicit(&head->remote_summary, memory_order_seq_cst);
    unsigned count = ash_window_count(head->block_count);
    for (unsigned window = 0; window < count; window++) {
        uint64_t word = __atomic_load_n(&head->words[window], __ATOMIC_SEQ_CST);
        if (ASH_PLANTED(111) || (found >> window & 1) != 0)
            word |= atomic_load_explicit(&remote[window], memory_order_seq_cst);
        if (word != (window + 1 == count ? head->full_tail : UINT64_MAX)) return false;
    }
    return true;
}

void ash_slab_left(struct ash_heap *heap, struct ash_page *head) {
    ASH_YIELD(LEAVE);
    /* seq_cst, against F6: either the look there sees that the slab is no current one any more, or
     * this one sees what was freed before that look. */
    __atomic_exchange_n(&head->place, head->place, __ATOMIC_SEQ_CST);
    if (atomic_load_explicit(&head->remote_summary, memory_order_seq_cst) == 0) return;
    if (!ash_slab_complete(heap, head)) return;
    struct ash_thread_heap *owner = atomic_load_explicit(&head->owner, memory_order_relaxed);
    atomic_store_explicit(&owner->asked, 1, memory_order_relaxed); /* by itself */
}

/* A complete slab, neither current nor on a stack, back to the heap. */
static void give_back(struct ash_thread_heap *th, struct ash_thread_heap *owner,
                      struct ash_page *head) {
    struct ash_bin *bin = &owner->bins[head->class_index];
    uint64_t windows = atomic_load_explicit(&head->remote_summary, memory_order_relaxed);
    for (; windows != 0; windows &= windows - 1)
        ash_remote_merge(th, head, ash_lowest_bit(windows));
    /* release: who sees it empty sees the words */
    atomic_store_explicit(&head->remote_summary, 0, memory_order_release);
    atomic_store_explicit(&head->pending_next, 0, memory_order_relaxed);
    if (head->place == ASH_SLAB_QUEUED) ash_queue_remove(bin, owner->heap, head);
    ash_slab_release(owner, head);
}

/* V4: the owner is out. */
static void visit_slabs(struct ash_thread_heap *th, struct ash_thread_heap *owner) {
    struct ash_heap *heap = owner->heap;
    uint32_t kept = 0;
    ash_transition_step(owner);
    ash_complete_reset(owner);
    ash_kept_give(owner);
    ASH_YIELD(V4);
    uint32_t link = atomic_exchange_explicit(&owner->pending, 0, memory_order_seq_cst); /* C1 */
    while (link != 0) {
        struct ash_page *head = ash_page_at(heap, link - 1);
        ASH_YIELD(V4_SLAB);
        link = atomic_load_explicit(&head->pending_next, memory_order_relaxed);
        if ((ASH_PLANTED(112) || head->place != ASH_SLAB_CURRENT) &&
            ash_slab_complete(heap, head)) {
            give_back(th, owner, head);
        } else {
            if (ASH_PLANTED(108) && kept == 0) atomic_store(&owner->pending, 0);
            ash_remote_push(heap, owner, head);
            kept++;
        }
    }
    atomic_store_explicit(&owner->walked, kept, memory_order_relaxed);
}

void ash_visit(struct ash_thread_heap *th, struct ash_thread_heap *owner) {
    ash_lock_take(&owner->guest); /* V1 */
    /* release: who answers sees on the stack what this thread pushed, or saw there */
    atomic_store_explicit(&owner->asked, 1, memory_order_release);
    /* acquire: what the owner's last slow path did is seen. A remote free of its own leaves its
     * thread heap alone. */
    uint32_t transition = ASH_COLLECT;
    if (ASH_PLANTED(118)) ash_kept_give(owner);
    if (ash_barrier_everywhere()) /* V2 */
        transition = atomic_load_explicit(&owner->transition, memory_order_acquire);
    ASH_YIELD(V3);
    if (ASH_PLANTED(109) || transition == ASH_QUIET || transition == ASH_REMOTE) { /* V3 */
        atomic_store_explicit(&owner->asked, 0, memory_order_relaxed);
        visit_slabs(th, owner);
    } else if (ash_kept_pages(owner) > 0) {
        ash_visit_arm(owner->heap); /* V6 */
    }
    ASH_YIELD(V5);
    ash_lock_give(&owner->guest); /* V5 */
}

void ash_visit_arm_slowly(struct ash_heap *heap) {
    bool clock = (heap->root.flags & ASH_ROOT_PURGES) != 0 && heap->decay_ms != UINT32_MAX;
    if (!clock) return;
    uint64_t next = heap->os.now_ms(heap->os.context) + heap->decay_ms;
    atomic_store_explicit(&heap->next_visit_ms, next, memory_order_relaxed);
}

void ash_visit_later(struct ash_thread_heap *th, struct ash_thread_heap *owner, uint32_t pages) {
    ASH_YIELD(F6_SEEN);
    /* release: who resets the count sees the slab complete */
    uint32_t complete =
        atomic_fetch_add_explicit(&owner->complete, pages, memory_order_acq_rel) + pages;
    uint32_t walked = atomic_load_explicit(&owner->walked, memory_order_relaxed);
    if (complete >= VISIT_PAGES + walked / WALK_SHARE)
        ash_visit(th, owner);
    else
        ash_visit_arm(owner->heap);
}

void ash_visits_look(struct ash_thread_heap *th, uint64_t now) {
    struct ash_heap *heap = th->heap;
    uint64_t next = atomic_load_explicit(&heap->next_visit_ms, memory_order_relaxed);
    if (next == 0 || now < next) return;
    /* 0 first: a slab that is counted from here on arms the clock again */
    if (!atomic_compare_exchange_strong_explicit(&heap->next_visit_ms, &next, 0,
                                                 memory_order_acq_rel, memory_order_relaxed))
        return; /* another thread does it */
    ASH_YIELD(LOOK);
    /* What was kept by who found the clock set, before it was claimed, is seen from here on. */
    ash_barrier_everywhere();
    unsigned visits = 0;
    uint32_t count = __atomic_load_n(&heap->root.thread_heap_count, __ATOMIC_ACQUIRE);
    for (uint32_t id = 1; id <= count; id++) {
        struct ash_thread_heap *owner = ash_thread_heap_at(heap, id);
        bool complete = atomic_load_explicit(&owner->complete, memory_order_acquire) != 0;
        if (owner == th || (!complete && ash_kept_pages(owner) == 0)) continue;
        if (visits++ == LOOK_VISITS) {
            ash_visit_arm(heap);
            return;
        }
        ash_visit(th, owner);
    }
}

void ash_visit_all(struct ash_heap *heap, struct ash_thread_heap *th) {
    uint32_t count = __atomic_load_n(&heap->root.thread_heap_count, __ATOMIC_ACQUIRE);
    for (uint32_t id = 1; id <= count; id++) {
        struct ash_thread_heap *owner = ash_thread_heap_at(heap, id);
        bool pending = atomic_load_explicit(&owner->pending, memory_order_relaxed) != 0;
        if (owner != th && (pending || ash_kept_pages(owner) > 0))
            ash_visit(th != NULL ? th : owner, owner);
    }
}
