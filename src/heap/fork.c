/* Fork: what a child finds, and how it is put in order.
 *
 * 1. Purpose. After fork one thread is left, over a copy of the memory. The copy is made page by
 *    page while the other threads go on, so what they were changing may be half done, in any
 *    mixture. The child's heap is made sound again, and what belonged to threads that are gone is
 *    used again.
 * 2. Before (prepare). The forking thread takes the pool's lock and the heap's. So pages do not
 *    change hands meanwhile: runs, spans, which slabs there are, their owners and the counts are
 *    whole in the copy.
 * 3. What may be torn: all that threads change without a lock. Of it, only the words tell anything
 *    that nothing else tells, and a block changes its state by one store to one word. So every
 *    block is in its old or its new state, and all the rest is made anew from the words: summaries,
 *    opened windows, places, queues, pending stacks.
 * 4. After (child). The thread heaps of threads that are gone are DEAD; one that lives stays as it
 *    is. Then (ash_fork_mend):
 *    - slabs of dead and of pooled thread heaps: remote words are merged, the slab is queued, or
 *      given back when nothing in it is live; the thread heap goes to the pool, its bins empty;
 *    - what any thread heap keeps (kept.c) goes back: its lists may be torn, the kinds are not;
 *    - slabs of the thread that is left: remote frees that were half done are completed, so that
 *      it finds them on its stack; its queues, which a visitor (visit.c) may have been changing,
 *      are made anew. Its words and current windows are its own: they are whole.
 *    A block that a gone thread was just allocating or freeing is live or free. When it is live
 *    nobody knows of it: it is lost to the child.
 *    With one thread nothing of all this is needed, and nothing is done.
 * 5. Fork inside the heap: a signal handler that forks, or a misuse handler that runs a program.
 *    The thread is then inside a slow path (it has a mark, or holds a lock; the lock tells whose it
 *    is), which goes on in parent and child when the handler returns. A lock that it holds is not
 *    taken. The pool's lock, which comes before a guest's (visit.c) and the heap's, is only tried
 *    when one of these is held; when another thread has it, the child takes the pool as it made it
 *    anew. The child is mended when that slow path ends (ash_visit_answer) or the next one. Until
 *    then thread heaps of gone threads are DEAD, and other slow paths than that one must not run:
 *    the handler may not allocate, which it may not do anyway.
 * 6. Memory order. A child has one thread. Everything here is relaxed or plain. */
#include "heap/fork.h"

#include "heap/bins.h"
#include "heap/kept.h"
#include "heap/remote.h"
#include "heap/runs.h"
#include "heap/spans.h"
#include "heap/threads.h"

/* Locks that a fork took: two bits a fork, since a signal handler may fork within one. */
enum { TOOK_POOL = 1, TOOK_PAGES = 2, TOOK_BITS = 2, TOOK_ALL = TOOK_POOL | TOOK_PAGES };

static void wake_visitors(struct ash_heap *heap, const struct ash_thread_heap *mine) {
    if (mine == NULL || atomic_load_explicit(&mine->transition, memory_order_relaxed) == ASH_QUIET)
        return; /* waits for none */
    uint32_t count = __atomic_load_n(&heap->root.thread_heap_count, __ATOMIC_ACQUIRE);
    for (uint32_t id = 1; id <= count; id++) ash_lock_wake(&ash_thread_heap_at(heap, id)->guest);
}

/* Whether the thread that is to fork is a visitor (visit.c): it holds some guest's lock. */
static bool visits(const struct ash_heap *heap) {
    uint32_t count = __atomic_load_n(&heap->root.thread_heap_count, __ATOMIC_ACQUIRE);
    for (uint32_t id = 1; id <= count; id++)
        if (ash_lock_mine(&ash_thread_heap_at(heap, id)->guest)) return true;
    return false;
}

void ashlar_heap_fork_prepare(struct ashlar_heap *public_heap,
                              struct ashlar_thread_heap *public_th) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    const struct ash_thread_heap *mine = ash_th_of(public_th);
    uint32_t took = 0;
    bool inside = ash_lock_mine(&heap->lock);
    if (!ash_lock_mine(&heap->pool_lock)) {
        bool wait = !inside && !visits(heap);
        if (wait) {
            /* A handler may have come between the wake that ended a wait for a later lock and the
             * taking of it; who holds the pool's lock may be asleep for want of that wake. */
            ash_lock_wake(&heap->lock);
            wake_visitors(heap, mine);
            ash_lock_take(&heap->pool_lock);
        }
        if (wait || ash_lock_try(&heap->pool_lock)) took |= TOOK_POOL;
    }
    if (!inside) {
        ash_lock_take(&heap->lock);
        took |= TOOK_PAGES;
    }
    heap->fork_took = heap->fork_took << TOOK_BITS | took;
}

static uint32_t fork_took(struct ash_heap *heap) {
    uint32_t took = heap->fork_took & TOOK_ALL;
    heap->fork_took >>= TOOK_BITS;
    return took;
}

void ashlar_heap_fork_parent(struct ashlar_heap *public_heap, struct ashlar_thread_heap *mine) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    (void)mine;
    uint32_t took = fork_took(heap);
    if ((took & TOOK_PAGES) != 0) ash_lock_give(&heap->lock);
    if ((took & TOOK_POOL) != 0) ash_lock_give(&heap->pool_lock);
}

/* In a child nobody waits, and who held the lock is gone. */
static void lock_forget(struct ash_lock *lock) {
    atomic_store_explicit(&lock->state, 0, memory_order_relaxed);
}

static uint32_t thread_state(const struct ash_thread_heap *th) {
    return atomic_load_explicit(&th->state, memory_order_relaxed);
}

/* Marks the thread heaps of the threads that are gone; false when there are none. One that the
 * thread that is left was just acquiring or releasing is its own. */
static bool mark_dead(struct ash_heap *heap, const struct ash_thread_heap *mine, bool pooling) {
    bool any = false;
    for (uint32_t id = 1; id <= heap->root.thread_heap_count; id++) {
        struct ash_thread_heap *th = ash_thread_heap_at(heap, id);
        uint32_t transition = atomic_load_explicit(&th->transition, memory_order_relaxed);
        if (th == mine || (pooling && transition == ASH_POOL)) continue;
        if (thread_state(th) != ASH_THREAD_POOLED) {
            atomic_store_explicit(&th->state, ASH_THREAD_DEAD, memory_order_relaxed);
            any = true;
        }
    }
    return any;
}

/* Visitors that are gone leave; true when the thread that is left is one itself. */
static bool forget_visitors(struct ash_heap *heap) {
    bool visiting = false;
    for (uint32_t id = 1; id <= heap->root.thread_heap_count; id++) {
        struct ash_thread_heap *th = ash_thread_heap_at(heap, id);
        if (ash_lock_mine(&th->guest))
            visiting = true;
        else
            lock_forget(&th->guest);
    }
    return visiting;
}

/* Has the child mended at the end of the slow path that is under way, or of the next one. */
static void mend_later(struct ash_heap *heap) {
    for (uint32_t id = 1; id <= heap->root.thread_heap_count; id++)
        atomic_store_explicit(&ash_thread_heap_at(heap, id)->asked, 1, memory_order_relaxed);
}

void ashlar_heap_fork_child(struct ashlar_heap *public_heap, struct ashlar_thread_heap *public_th) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    struct ash_thread_heap *mine = ash_th_of(public_th);
    uint32_t took = fork_took(heap);
    bool pooling = (took & TOOK_POOL) == 0 && ash_lock_mine(&heap->pool_lock);
    if ((took & TOOK_PAGES) != 0) lock_forget(&heap->lock);
    if (!pooling) lock_forget(&heap->pool_lock);
    bool inside = forget_visitors(heap) || took != TOOK_ALL;
    if (mine != NULL && atomic_load_explicit(&mine->transition, memory_order_relaxed) != ASH_QUIET)
        inside = true;
    bool pool_torn = (took & TOOK_POOL) == 0 && !pooling;
    if (!mark_dead(heap, mine, pooling) && !pool_torn) return;
    atomic_store_explicit(&heap->fork_left, 1, memory_order_relaxed);
    if (inside)
        mend_later(heap);
    else
        ash_fork_mend(heap);
}

/* Mending. */

/* Remote words into free words. A gone thread may have been merging: the bits that it merged and
 * did not clear yet are set on both sides, and merging them again is harmless. Returns the windows
 * that are not entirely free, or were not. */
static uint64_t slab_merge(struct ash_heap *heap, struct ash_page *head) {
    _Atomic uint64_t *remote = ash_remote_words(heap, ash_page_number(heap, head));
    uint64_t used = 0;
    head->summary = 0;
    for (unsigned window = 0; window < ash_window_count(head->block_count); window++) {
        uint64_t word = ash_word_get(&head->words[window]);
        uint64_t bits = atomic_load_explicit(&remote[window], memory_order_relaxed);
        if (word != ash_full_word(head->block_count, window)) used |= (uint64_t)1 << window;
        if (bits != 0) {
            word |= bits;
            ash_word_set(&head->words[window], word);
            atomic_store_explicit(&remote[window], 0, memory_order_relaxed);
        }
        if (word != 0) head->summary |= (uint64_t)1 << window;
    }
    return used;
}

/* A slab whose owner has no thread. Returns whether nothing in it is live: it is in no list then.
 * */
static bool slab_mend(struct ash_heap *heap, struct ash_thread_heap *owner, struct ash_page *head) {
    struct ash_bin *bin = &owner->bins[head->class_index];
    uint64_t used = slab_merge(heap, head);
    if (used != 0 && ash_highest_bit(used) >= head->opened_windows)
        head->opened_windows = (uint8_t)(ash_highest_bit(used) + 1);
    atomic_store_explicit(&head->remote_summary, 0, memory_order_relaxed);
    atomic_store_explicit(&head->pending_next, 0, memory_order_relaxed);
    head->next = head->previous = 0;
    head->place = ASH_SLAB_FULL;
    bin->slabs++;
    if (ash_slab_all_free(head)) return true;
    if (head->summary != 0) ash_queue_push(bin, heap, head);
    return false;
}

/* A slab of the thread that is left. Remote frees half done are completed. A visitor that is gone
 * may have merged words and not cleared the remote ones, or changed queues; so they are made anew,
 * and only the owner's words and current windows are not touched: it may be stopped in the middle
 * of a fast path. Returns whether nothing in it is live or to be collected: it is in no list then.
 * */
static bool slab_resume(struct ash_heap *heap, struct ash_thread_heap *owner,
                        struct ash_page *head) {
    struct ash_bin *bin = &owner->bins[head->class_index];
    _Atomic uint64_t *remote = ash_remote_words(heap, ash_page_number(heap, head));
    uint64_t found = 0, summary = 0;
    for (unsigned window = 0; window < ash_window_count(head->block_count); window++) {
        uint64_t word = ash_word_get(&head->words[window]);
        uint64_t bits = atomic_load_explicit(&remote[window], memory_order_relaxed);
        if ((bits & word) != 0)
            atomic_store_explicit(&remote[window], bits & ~word, memory_order_relaxed);
        if ((bits & ~word) != 0) found |= (uint64_t)1 << window;
        if (word != 0) summary |= (uint64_t)1 << window;
    }
    uint32_t top = 0;
    if (found != 0) {
        top = atomic_load_explicit(&owner->pending, memory_order_relaxed);
        atomic_store_explicit(&owner->pending, ash_slab_link(heap, head), memory_order_relaxed);
    }
    atomic_store_explicit(&head->remote_summary, found, memory_order_relaxed);
    atomic_store_explicit(&head->pending_next, top, memory_order_relaxed);
    if (bin->slab == ash_slab_link(heap, head)) return false; /* current */
    head->summary = summary;
    head->next = head->previous = 0;
    head->place = ASH_SLAB_FULL;
    if (ash_slab_all_free(head)) return true;
    if (summary != 0) ash_queue_push(bin, heap, head);
    return false;
}

/* A slab in no list, which nobody has blocks of, comes first on a list of such. */
static uint32_t list_empty(const struct ash_heap *heap, struct ash_page *head, uint32_t first) {
    head->next = first;
    return ash_slab_link(heap, head);
}

/* Every slab; returns a list, by `next`, of those in which nothing is live. */
static uint32_t slabs_mend(struct ash_heap *heap) {
    uint64_t committed = atomic_load_explicit(&heap->root.committed_pages, memory_order_relaxed);
    uint32_t empty = 0;
    for (uint64_t page = 0, pages; page < committed; page += pages) {
        struct ash_page *head = ash_page_at(heap, page);
        pages = ash_run_pages(head);
        if (head->kind != ASH_PAGE_SLAB) continue;
        struct ash_thread_heap *owner = atomic_load_explicit(&head->owner, memory_order_relaxed);
        bool alive = thread_state(owner) == ASH_THREAD_ACTIVE;
        bool idle = alive ? slab_resume(heap, owner, head) : slab_mend(heap, owner, head);
        if (idle) empty = list_empty(heap, head, empty);
    }
    return empty;
}

/* Spans that were kept, or claimed by a thread that is gone. */
static void kept_mend(struct ash_heap *heap) {
    uint64_t committed = atomic_load_explicit(&heap->root.committed_pages, memory_order_relaxed);
    uint32_t first = 0; /* a list of them: giving one back changes what a walk goes by */
    for (uint64_t page = 0, pages; page < committed; page += pages) {
        struct ash_page *head = ash_page_at(heap, page);
        pages = ash_run_pages(head);
        if (head->kind != ASH_PAGE_KEPT) continue;
        head->span.kept_next = first;
        first = (uint32_t)page + 1;
    }
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    while (first != 0) {
        struct ash_page *head = ash_page_at(heap, first - 1);
        first = head->span.kept_next;
        ash_span_give(heap, head);
    }
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
}

/* Thread heaps without a thread go to the pool, their bins empty until their slabs are found. */
static void threads_mend(struct ash_heap *heap) {
    heap->root.pool_head = heap->root.acquired = 0;
    for (uint32_t id = heap->root.thread_heap_count; id > 0; id--) {
        struct ash_thread_heap *th = ash_thread_heap_at(heap, id);
        atomic_store_explicit(&th->asked, 0, memory_order_relaxed);
        if (thread_state(th) == ASH_THREAD_ACTIVE) {
            ash_kept_restart(th);
            atomic_store_explicit(&th->pending, 0, memory_order_relaxed);
            for (unsigned i = 0; i < ASH_CLASS_COUNT; i++)
                th->bins[i].queue_head = th->bins[i].queue_tail = 0;
            heap->root.acquired++;
            continue;
        }
        ash_thread_heap_restart(th);
        atomic_store_explicit(&th->transition, ASH_QUIET, memory_order_relaxed);
        atomic_store_explicit(&th->state, ASH_THREAD_POOLED, memory_order_relaxed);
        th->pool_next = heap->root.pool_head;
        heap->root.pool_head = id;
    }
}

void ash_fork_mend(struct ash_heap *heap) {
    if (ash_lock_mine(&heap->pool_lock) || ash_lock_mine(&heap->lock)) return; /* not yet */
    ash_lock_take(&heap->pool_lock);
    if (atomic_exchange_explicit(&heap->fork_left, 0, memory_order_relaxed) != 0) {
        threads_mend(heap);
        kept_mend(heap);
        uint32_t link = slabs_mend(heap);
        while (link != 0) {
            struct ash_page *head = ash_slab_linked(heap, link);
            link = head->next;
            head->next = 0;
            ash_slab_release(atomic_load_explicit(&head->owner, memory_order_relaxed), head);
        }
    }
    ash_lock_give(&heap->pool_lock);
}
