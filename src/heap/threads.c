/* Thread heaps.
 *
 * 1. Purpose. A thread heap is what one logical thread allocates from without locks. It is an
 *    explicit object, so that one OS thread can play many, and every path across threads can be
 *    reached by a deterministic test.
 * 2. States. UNUSED (beyond thread_heap_count), ACTIVE (acquired), POOLED (released: keeps its
 *    slabs that are not empty, until the next acquire takes it over). In a forked child, those of
 *    threads that are gone are DEAD until they are mended and pooled (fork.c). Thread heaps never
 *    move and are never given back, so a slab's owner field stays true for the slab's whole life.
 * 3. The pool. A list under the pool's lock, last in first out. While a thread heap is pooled
 *    nobody runs on it, so whoever holds the pool's lock may: a thread that frees into its slabs
 *    collects for it (ash_pool_collect), and its empty slabs go back at once. Nothing of a dead
 *    thread's is stranded but the free blocks in slabs that still hold live ones, and those serve
 *    the next thread.
 * 4. Lock order. The pool's lock comes before the heap's. Whoever holds it and runs on a pooled
 *    thread heap is its owner, for visitors (visit.c) too.
 * 5. Failure. Acquiring a thread heap that was never used commits memory first, and changes
 *    nothing when that fails. */
#include "heap/threads.h"

#include "heap/bins.h"
#include "heap/kept.h"
#include "heap/region.h"
#include "heap/remote.h"

void ash_thread_heap_restart(struct ash_thread_heap *th) {
    struct ash_heap *heap = th->heap;
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++)
        ash_bin_init(&th->bins[class_index], heap, class_index);
    ash_kept_restart(th);
    atomic_store_explicit(&th->pending, 0, memory_order_relaxed);
    atomic_store_explicit(&th->complete, 0, memory_order_relaxed);
    atomic_store_explicit(&th->walked, 0, memory_order_relaxed);
}

/* Makes the next thread heap; NULL when the system refuses. */
static struct ash_thread_heap *thread_heap_make(struct ash_heap *heap) {
    uint32_t id = heap->root.thread_heap_count + 1;
    if (!ash_region_commit_thread_heaps(heap, id)) return NULL;
    struct ash_thread_heap *th = ash_thread_heap_at(heap, id);
    th->region_base = heap->root.region_base;
    th->pages = (struct ash_page *)heap->root.pages;
    th->heap = heap;
    th->id = id;
    ash_thread_heap_restart(th);
    ash_transition_begin(th, ASH_POOL);                                    /* until it is active */
    __atomic_store_n(&heap->root.thread_heap_count, id, __ATOMIC_RELEASE); /* for visits */
    return th;
}

/* The first pooled thread heap, 0 for none, and the next: of use under the lock only. */
struct top {
    uint32_t id, next;
};
static struct top pool_top(const struct ash_heap *heap) {
    uint32_t id = heap->root.pool_head;
    return (struct top){id, id != 0 ? ash_thread_heap_at(heap, id)->pool_next : 0};
}

enum ashlar_status ashlar_thread_heap_acquire(struct ashlar_heap *public_heap,
                                              struct ashlar_thread_heap **out) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    struct ash_thread_heap *th = NULL;
    enum ashlar_status status = ASHLAR_OK;
    const struct top early = ASH_PLANTED(116) ? pool_top(heap) : (struct top){0, 0};
    ash_lock_take(&heap->pool_lock);
    if (heap->root.pool_head != 0) {
        th = ash_thread_heap_at(heap, heap->root.pool_head);
        ash_transition_begin(th, ASH_POOL);
        bool trusted = ASH_PLANTED(116) && th->id == early.id;
        heap->root.pool_head = trusted ? early.next : th->pool_next;
        th->pool_next = 0;
    } else if (heap->root.thread_heap_count >= heap->root.thread_heap_capacity) {
        status = ASHLAR_TOO_MANY;
    } else {
        th = thread_heap_make(heap);
        if (th == NULL) status = ASHLAR_NO_MEMORY;
    }
    if (th != NULL) {
        heap->root.acquired++;
        th->page_limit = atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire);
        if (!ASH_PLANTED(115))
            atomic_store_explicit(&th->state, ASH_THREAD_ACTIVE, memory_order_relaxed);
        ash_transition_end(th, ASH_QUIET);
    }
    ash_lock_give(&heap->pool_lock);
    if (ASH_PLANTED(115)) {
        ASH_YIELD(POOL);
        if (th != NULL) atomic_store(&th->state, ASH_THREAD_ACTIVE);
    }
    *out = (struct ashlar_thread_heap *)th;
    return status;
}

void ashlar_thread_heap_release(struct ashlar_thread_heap *public_th) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    struct ash_heap *heap = th->heap;
    ash_lock_take(&heap->pool_lock);
    uint32_t before = ash_transition_begin(th, ASH_POOL);
    if (ASH_PLANTED(17)) atomic_store_explicit(&th->pending, 0, memory_order_relaxed);
    ash_collect(th);
    ash_bins_drop_empty(th); /* and what it keeps */
    ash_bins_leave(th);      /* no current slab: collecting gives back what becomes empty */
    if (ASH_PLANTED(113)) ash_collect(th);
    ASH_YIELD(POOL);
    /* seq_cst: pairs with step F5 of a remote free. A push that does not see this store is seen by
     * the collect below. */
    atomic_store_explicit(&th->state, ASH_THREAD_POOLED, memory_order_seq_cst);
    ASH_YIELD(POOLED);
    if (!ASH_PLANTED(113)) ash_collect(th);
    th->pool_next = heap->root.pool_head;
    heap->root.pool_head = th->id;
    heap->root.acquired--;
    ash_transition_end(th, before);
    ash_lock_give(&heap->pool_lock);
}

void ash_pool_collect(struct ash_heap *heap, struct ash_thread_heap *th) {
    if (!ASH_PLANTED(114)) ash_lock_take(&heap->pool_lock);
    if (atomic_load_explicit(&th->state, memory_order_relaxed) == ASH_THREAD_POOLED)
        ash_collect(th);
    if (!ASH_PLANTED(114)) ash_lock_give(&heap->pool_lock);
}

void ashlar_thread_heap_collect(struct ashlar_thread_heap *th) {
    ash_collect(ash_th_of(th));
}

uint32_t ashlar_thread_heap_id(const struct ashlar_thread_heap *th) {
    return ((const struct ash_thread_heap *)(const void *)th)->id;
}
