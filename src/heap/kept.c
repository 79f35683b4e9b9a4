/* Kept spans.
 *
 * 1. Purpose. A program that frees a large block soon asks for another one of that size. Pages that
 *    change hands take the heap's lock and merge with their neighbours, only to be cut again. So a
 *    thread heap keeps the spans that its thread freed last, and hands them out again without all
 *    that: they stay spans, of the same length, resident, and cost no page fault.
 * 2. States. Live (kind SPAN); kept (KEPT, in a list); *claimed* (KEPT, in no list), which lasts
 *    for the slow path of the thread that claimed it. A free claims a span by one compare-and-swap
 *    of its kind (spans.c): of two that free it at once, one does. A kept span is free for every
 *    other part of the heap: a pointer into it is one that was freed before.
 *
 *        live --free claims--> claimed --> kept --take--> claimed --> live
 *                                 |          |
 *                                 +--give----+--> free run
 *
 *    A free: K1 the kind is read (free.c), K2 the span is claimed, K3 it enters a list, K4 the
 *    clock is set. Taking: T1 it leaves the list, T2 it is live (spans.c).
 * 3. Ownership. Lists and counts belong to the thread heap, as bins do: its slow paths change them
 *    under a mark (ASH_KEEP), visitors in their place (visit.c). The heap's counts of spans and
 *    their pages include the kept ones: keeping and taking change nothing that is shared.
 * 4. Bounds. KEPT_PAGES_MOST pages together, and a part of a small heap. What would come to more is
 *    given back first, all of it: lengths that are not asked for any more make room, and one lock
 *    serves many. Spans of a few pages have a list for each length, and stay while others are asked
 *    for. A longer one stays only until a span of another length is asked for: under the lock that
 *    is taken then, the one freed last becomes that span, if it can (spans.c), and the others go
 *    back. None is kept whose mapping was moved, since that has to be made normal, nor one that is
 *    being watched (zeroing.c).
 * 5. Giving back. Once per decay time, when the thread looks at the clock (bins.c) or another one
 *    does (visit.c); before the frontier grows or an allocation fails; when the thread ends; by
 *    trim. A forked child gives back what threads that are gone kept (fork.c).
 *    Nothing is forgotten: who keeps a span counts it and then sees to it that the clock is set
 *    (K4). Who looks at it clears it, has every thread pass a barrier, and then reads the counts;
 *    where it finds the owner at work, it sets the clock again (step V6 of visit.c).
 * 6. Failure. Nothing here can fail. */
#include "heap/kept.h"

#include "heap/runs.h"
#include "heap/spans.h"
#include "heap/visit.h"
#include "heap/zeroing.h"

enum {
    KEPT_PAGES_MOST = 128, /* 8 MiB */
    REGION_SHARE = 32,     /* of a small heap, each thread heap keeps at most this part */
};

uint32_t ash_kept_most(const struct ash_heap *heap) {
    uint64_t share = heap->root.region_pages / REGION_SHARE;
    return share < KEPT_PAGES_MOST ? (uint32_t)share : KEPT_PAGES_MOST;
}

uint64_t ash_kept_spans(const struct ash_heap *heap) {
    uint64_t spans = 0;
    uint32_t count = __atomic_load_n(&heap->root.thread_heap_count, __ATOMIC_ACQUIRE);
    for (uint32_t id = 1; id <= count; id++)
        spans +=
            atomic_load_explicit(&ash_thread_heap_at(heap, id)->kept_spans, memory_order_relaxed);
    return spans;
}

/* Plain sums: there is one who changes them at a time. */
static void kept_count(struct ash_thread_heap *th, uint32_t spans, uint32_t pages) {
    uint32_t before = atomic_load_explicit(&th->kept_spans, memory_order_relaxed);
    atomic_store_explicit(&th->kept_spans, before + spans, memory_order_relaxed);
    atomic_store_explicit(&th->kept_pages, ash_kept_pages(th) + pages, memory_order_relaxed);
}

static uint32_t *kept_list(struct ash_thread_heap *th, uint64_t pages) {
    return &th->kept[(pages <= ASH_KEPT_EXACT ? pages : ASH_KEPT_LISTS) - 1];
}

/* Takes the list's first span, which is `head`. */
static struct ash_page *kept_take_first(struct ash_thread_heap *th, uint32_t *list,
                                        struct ash_page *head) {
    ASH_YIELD(T1);
    *list = head->span.kept_next;
    kept_count(th, -1U, -head->pages);
    head->span.keeper = head->span.kept_next = 0;
    return head;
}

struct ash_page *ash_kept_take(struct ash_thread_heap *th, uint64_t pages) {
    uint32_t *list = kept_list(th, pages);
    if (*list == 0) return NULL;
    struct ash_page *head = ash_page_at(th->heap, *list - 1);
    return head->pages == pages ? kept_take_first(th, list, head) : NULL;
}

static struct ash_page *kept_take_any(struct ash_thread_heap *th, unsigned list) {
    uint32_t link = th->kept[list];
    return link == 0 ? NULL : kept_take_first(th, &th->kept[list], ash_page_at(th->heap, link - 1));
}

struct ash_page *ash_kept_take_long(struct ash_thread_heap *th) {
    return kept_take_any(th, ASH_KEPT_LISTS - 1);
}

bool ash_kept_put(struct ash_thread_heap *th, struct ash_page *head) {
    struct ash_heap *heap = th->heap;
    uint32_t pages = head->pages, *list = kept_list(th, pages);
    if (pages > heap->kept_most || head->span.moved != 0) return false;
    if (ash_zeroing_watches(heap, head)) return false;
    if (ash_kept_pages(th) + pages > heap->kept_most) ash_kept_give(th);
    ASH_YIELD(K3);
    head->span.keeper = th->id;
    head->span.kept_next = ASH_PLANTED(31) && pages > ASH_KEPT_EXACT ? 0 : *list;
    *list = (uint32_t)ash_page_number(heap, head) + 1;
    kept_count(th, 1, pages);
    ASH_YIELD(K4);
    ash_visit_arm(heap);
    return true;
}

static void kept_give_from(struct ash_thread_heap *th, unsigned list) {
    for (struct ash_page *head; (head = kept_take_any(th, list)) != NULL;)
        ash_span_give(th->heap, head);
}

void ash_kept_give_long(struct ash_thread_heap *th) {
    kept_give_from(th, ASH_KEPT_LISTS - 1);
}

void ash_kept_give_held(struct ash_thread_heap *th) {
    for (unsigned list = 0; list < ASH_KEPT_LISTS; list++) kept_give_from(th, list);
}

void ash_kept_give(struct ash_thread_heap *th) {
    struct ash_heap *heap = th->heap;
    if (ash_kept_pages(th) == 0) return;
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    ash_kept_give_held(th);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
}

void ash_kept_restart(struct ash_thread_heap *th) {
    for (unsigned list = 0; list < ASH_KEPT_LISTS; list++) th->kept[list] = 0;
    atomic_store_explicit(&th->kept_spans, 0, memory_order_relaxed);
    atomic_store_explicit(&th->kept_pages, 0, memory_order_relaxed);
}
