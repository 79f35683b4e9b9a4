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
 *    for. Longer ones stay until a span of another length is asked for, and then only as a piece
 *    (5). None is kept whose mapping was moved, since that has to be made normal, nor one that is
 *    being watched (zeroing.c).
 * 5. Pieces. A program that uses one large block at a time, of lengths that hardly come again,
 *    needs the same pages each time, more of them or fewer. So when all that is kept of longer ones
 *    is one piece, a shorter span is cut from its start and the rest stays kept; when that span is
 *    freed, it comes first in the list and the rest behind it, so that the two are one piece again.
 *    Nothing but the border between them moves, under the heap's lock. A rest is a kept span in all
 *    respects; none is left that were too short for the list of longer ones.
 *    Otherwise the one freed last becomes the span asked for, if it can (spans.c): its tail goes
 *    back, or it takes pages behind it; and the others go back.
 * 6. Giving back. Once per decay time, when the thread looks at the clock (bins.c) or another one
 *    does (visit.c); before the frontier grows or an allocation fails; when the thread ends; by
 *    trim. A forked child gives back what threads that are gone kept (fork.c).
 *    Nothing is forgotten: who keeps a span counts it and then sees to it that the clock is set
 *    (K4). Who looks at it clears it, has every thread pass a barrier, and then reads the counts;
 *    where it finds the owner at work, it sets the clock again (step V6 of visit.c).
 * 7. Failure. Nothing here can fail. */
#include "heap/kept.h"

#include "heap/runs.h"
#include "heap/spans.h"
#include "heap/visit.h"
#include "heap/zeroing.h"

enum {
    KEPT_PAGES_MOST = 144, /* 9 MiB: one of 8, and shorter ones */
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

/* Takes the list's first span, which is `head`. */
static struct ash_page *kept_take_first(struct ash_thread_heap *th, uint32_t *list,
                                        struct ash_page *head) {
    ASH_YIELD(T1);
    *list = head->span.kept_next;
    ash_kept_count(th, -1U, -head->pages);
    head->span.keeper = head->span.kept_next = 0;
    return head;
}

struct ash_page *ash_kept_take(struct ash_thread_heap *th, uint64_t pages) {
    uint32_t *list = ash_kept_list(th, pages);
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

struct ash_kept_piece ash_kept_piece(const struct ash_thread_heap *th) {
    struct ash_kept_piece none = {0}, piece = none;
    uint32_t link = th->kept[ASH_KEPT_LISTS - 1];
    if (link == 0) return none;
    piece.head = ash_page_at(th->heap, link - 1);
    piece.pages = piece.head->pages;
    uint32_t next = piece.head->span.kept_next;
    if (next == 0) return piece;
    if (next != link + piece.pages) return none; /* what is behind may be the frontier */
    piece.behind = piece.head + piece.pages;
    piece.pages += piece.behind->pages;
    return piece.behind->span.kept_next == 0 ? piece : none;
}

void ash_kept_cut(struct ash_thread_heap *th, const struct ash_kept_piece *piece, uint32_t pages) {
    struct ash_page *head = piece->head, *rest = head + pages;
    ASH_YIELD(T1);
    if (piece->behind != NULL)
        ash_span_wipe(piece->behind);
    else
        th->heap->root.counts.spans++;
    head->pages = pages;
    head->span.keeper = head->span.kept_next = 0;
    rest->head = rest;
    rest->pages = piece->pages - pages;
    rest->span.requested_bytes = ash_span_bytes(rest);
    rest->span.keeper = th->id;
    ash_page_set_kind(rest, ASH_PAGE_KEPT);
    th->kept[ASH_KEPT_LISTS - 1] += pages;
    ash_kept_count(th, piece->behind == NULL ? 0 : -1U, -pages);
}

bool ash_kept_wants(const struct ash_heap *heap, const struct ash_page *head) {
    return head->pages <= heap->kept_most && head->span.moved == 0 &&
           !ash_zeroing_watches(heap, head);
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
