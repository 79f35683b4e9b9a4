/* Spans.
 *
 * 1. Purpose. A block over 64 KiB, or one aligned to more, gets whole pages of its own. Only the
 *    first page's descriptor says so; those behind it stay empty, so a span of any length is made
 *    in O(1).
 * 2. Ownership. A live span belongs to no thread heap. Whoever frees it claims it first, by one
 *    compare-and-swap of its kind, so that of two who do one is told. Then the pages go back under
 *    the heap's lock, or that thread heap keeps the span for its next one of that length (kept.c).
 * 3. Resizing. Shrinking gives the tail back. Growing takes the free pages behind when they
 *    suffice. Otherwise a new span is made, and a large one's content moves there by page tables
 *    instead of by bytes. A moved mapping does not merge with its neighbours again, and the
 *    system limits their number, so moved spans are counted, limited, and made normal when they
 *    are freed.
 * 4. Zeroing. Pages that are known to be zero are not cleared, others by the cheaper of two ways:
 *    zeroing.c.
 * 5. Failure. Everything that can fail comes before the first change. */
#include "heap/spans.h"

#include "heap/kept.h"
#include "heap/runs.h"
#include "heap/slabs.h"
#include "heap/zeroing.h"

#include <string.h>

enum {
    MOVE_BYTES_LEAST = 1 << 20, /* less is copied */
    MOVED_SPANS_MOST = 4096,    /* each may cost two mappings; Linux allows 65,530 */
};

static void span_ask(struct ash_page *head, size_t bytes, size_t alignment) {
    head->span.requested_bytes = bytes;
    head->span.alignment = alignment;
}

/* Gives pages of a span back; the lock is held. A moved mapping is made normal, which also cleans
 * it. */
static void pages_give(struct ash_heap *heap, uint64_t page, uint64_t pages, bool moved) {
    bool clean = moved && heap->os.normalize(heap->os.context, (void *)ash_page_address(heap, page),
                                             pages << ASH_PAGE_SHIFT);
    if (clean) ash_runs_clean(heap, page, pages);
    ash_runs_give(heap, page, pages, !clean && !(ASH_PLANTED(24) && pages >= 4));
}

/* Makes a span that nobody else uses `pages` long where it is; false when the pages behind it do
 * not allow it. With `grow` the frontier may move for it. The lock is held. */
static bool span_set_pages(struct ash_heap *heap, struct ash_page *head, uint64_t pages,
                           bool grow) {
    uint64_t page = ash_page_number(heap, head), before = head->pages;
    if (pages > before && !ash_runs_take_at(heap, page + before, pages - before, grow))
        return false;
    if (pages < before) pages_give(heap, page + pages, before - pages, head->span.moved != 0);
    head->pages = (uint32_t)pages;
    if (!ASH_PLANTED(18) || pages > before)
        heap->root.counts.span += pages - before; /* wraps as it should when the span shrinks */
    return true;
}

/* Field by field: the compiler would clear all of the descriptor by one string instruction, whose
 * start costs more than the rest of a free. */
static void span_wipe(struct ash_page *head) {
    ash_page_set_kind(head, ASH_PAGE_NONE);
    head->head = NULL;
    head->pages = 0;
    head->span.requested_bytes = head->span.alignment = 0;
    head->span.moved = 0;
    head->span.keeper = head->span.kept_next = 0;
}

void ash_span_give(struct ash_heap *heap, struct ash_page *head) {
    uint64_t pages = head->pages;
    bool moved = head->span.moved != 0;
    ash_zeroing_learn(heap, head);
    span_wipe(head);
    heap->root.counts.span -= pages;
    heap->root.counts.spans--;
    if (moved && !ASH_PLANTED(23)) heap->root.counts.moved_spans--;
    pages_give(heap, ash_page_number(heap, head), pages, moved);
}

/* The longer span that was freed last becomes one of `pages` pages. Giving it back and cutting
 * another one would be twice the work, and often come to the same pages. NULL when there is none,
 * or other pages fit more tightly: then all that is kept of longer spans is given back. The lock is
 * held. */
static struct ash_page *span_adapt(struct ash_thread_heap *th, uint64_t pages) {
    struct ash_heap *heap = th->heap;
    struct ash_page *head = ash_kept_take_long(th);
    ash_kept_give_long(th); /* its pages can be part of this span, or of the next */
    if (head == NULL) return NULL;
    if (ash_runs_fits_here(heap, ash_page_number(heap, head), head->pages, pages) &&
        span_set_pages(heap, head, pages, false))
        return head;
    ash_span_give(heap, head);
    return NULL;
}

/* Free pages become a span, claimed; NULL when there are none. With `zeroing` it also says what
 * they held. The lock is held, and no longer span is kept. */
static struct ash_page *span_make(struct ash_thread_heap *th, uint64_t pages, uint64_t alignment,
                                  struct ash_zeroing *zeroing) {
    struct ash_heap *heap = th->heap;
    struct ash_run_content *content = zeroing == NULL ? NULL : &zeroing->content;
    uint64_t page;
    if (ash_kept_pages(th) == 0 || !ash_runs_take(heap, pages, alignment, false, &page, content)) {
        ash_kept_give_held(th);
        if (!ash_runs_take(heap, pages, alignment, true, &page, content)) return NULL;
    }
    struct ash_page *head = ash_page_at(heap, page);
    head->head = head;
    head->pages = (uint32_t)pages;
    ash_page_set_kind(head, ASH_PAGE_KEPT);
    heap->root.counts.span += pages;
    heap->root.counts.spans++;
    return head;
}

/* Pages from the heap for a span, claimed; NULL when there are none. With `zeroing` it also says
 * how the span is to be made zero: then pages that are clean come first. */
static struct ash_page *span_cut(struct ash_thread_heap *th, size_t bytes, size_t alignment,
                                 struct ash_zeroing *zeroing) {
    struct ash_heap *heap = th->heap;
    uint64_t pages = ash_span_pages(bytes > 0 ? bytes : 1);
    struct ash_page *head = NULL;
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    ash_runs_tick(heap);
    if (zeroing == NULL && alignment <= ASH_PAGE_BYTES)
        head = span_adapt(th, pages);
    else
        ash_kept_give_long(th);
    if (head == NULL)
        head =
            span_make(th, pages, alignment > ASH_PAGE_BYTES ? alignment : ASH_PAGE_BYTES, zeroing);
    if (head != NULL) span_ask(head, bytes, alignment);
    if (head != NULL && zeroing != NULL) ash_zeroing_plan(heap, head, bytes, zeroing);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    return head;
}

/* The same from what the thread heap keeps, all of it dirty. */
static struct ash_page *span_reuse(struct ash_thread_heap *th, size_t bytes, size_t alignment,
                                   struct ash_zeroing *zeroing) {
    if (alignment > ASH_PAGE_BYTES) return NULL; /* else `bytes` is beyond the classes */
    struct ash_page *head = ash_kept_take(th, ash_span_pages(bytes));
    if (head == NULL) return NULL;
    span_ask(head, bytes, alignment);
    if (zeroing == NULL) return head;
    zeroing->content.dirty_pages = ASH_PLANTED(32) ? 0 : head->pages;
    ash_lock_take(&th->heap->lock);
    ash_zeroing_plan(th->heap, head, bytes, zeroing);
    ash_lock_give(&th->heap->lock);
    return head;
}

static void *span_address(const struct ash_heap *heap, const struct ash_page *head) {
    return (void *)ash_page_address(heap, ash_page_number(heap, head));
}

void *ash_span_create(struct ash_thread_heap *th, size_t bytes, size_t alignment, bool zero) {
    struct ash_heap *heap = th->heap;
    struct ash_zeroing zeroing, *how = zero ? &zeroing : NULL;
    struct ash_page *early = ASH_PLANTED(117) ? span_reuse(th, bytes, alignment, how) : NULL;
    uint32_t before = ash_transition_begin(th, ASH_KEEP);
    struct ash_page *head = early != NULL ? early : span_reuse(th, bytes, alignment, how);
    if (head == NULL) {
        head = span_cut(th, bytes, alignment, how);
        th->page_limit = atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire);
    }
    ASH_YIELD(T2);
    /* last: who sees a span sees all of it */
    if (head != NULL) ash_page_set_kind(head, ASH_PAGE_SPAN);
    ash_transition_end(th, before);
    if (head == NULL) return NULL;
    if (zero) ash_zeroing_do(heap, head, bytes, &zeroing);
    return span_address(heap, head);
}

/* Of all that free the span, one claims it. */
static bool span_claim(struct ash_page *head) {
    uint8_t live = ASH_PAGE_SPAN;
    ASH_YIELD(K2);
    /* acquire: who has claimed it sees what the span is */
    return __atomic_compare_exchange_n(&head->kind, &live, ASH_PAGE_KEPT, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

bool ash_span_free(struct ash_thread_heap *th, struct ash_page *head) {
    struct ash_heap *heap = th->heap;
    uint32_t before = ash_transition_begin(th, ASH_KEEP);
    bool claimed = span_claim(head);
    if (claimed && !ash_kept_put(th, head)) {
        ash_lock_take(&heap->lock);
        ash_runs_begin(heap);
        ash_span_give(heap, head);
        ash_runs_end(heap);
        ash_lock_give(&heap->lock);
    }
    ash_transition_end(th, before);
    return claimed;
}

/* Resizes without moving. The lock is taken here. */
static bool span_resize_in_place(struct ash_heap *heap, struct ash_page *head, size_t bytes) {
    uint64_t pages = ash_span_pages(bytes);
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    bool stale = ASH_PLANTED(19) && pages > head->pages;
    bool done = span_set_pages(heap, head, pages, true);
    if (done && !stale) head->span.requested_bytes = bytes;
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    return done;
}

/* Brings `bytes` of content from one span to another one. */
static void span_transfer(struct ash_heap *heap, struct ash_page *from, struct ash_page *to,
                          size_t bytes) {
    bool moves = (heap->root.flags & ASH_ROOT_PURGES) != 0 && bytes >= MOVE_BYTES_LEAST;
    if (moves) {
        ash_lock_take(&heap->lock);
        moves = to->span.moved == 0 && heap->root.counts.moved_spans < MOVED_SPANS_MOST;
        if (moves) {
            to->span.moved = 1;
            heap->root.counts.moved_spans++;
        }
        ash_lock_give(&heap->lock);
    }
    size_t length = (size_t)ash_round_up(bytes, heap->root.os_page_bytes);
    if (!moves || (!heap->os.move(heap->os.context, span_address(heap, from),
                                  span_address(heap, to), length) &&
                   !ASH_PLANTED(205)))
        memcpy(span_address(heap, to), span_address(heap, from), bytes);
}

void *ash_span_resize(struct ash_thread_heap *th, struct ash_page *head, size_t bytes) {
    struct ash_heap *heap = th->heap;
    if (span_resize_in_place(heap, head, bytes)) {
        th->page_limit = atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire);
        return span_address(heap, head);
    }
    void *moved = ash_span_create(th, bytes, 0, false);
    if (moved == NULL) return NULL;
    size_t kept = ash_span_bytes(head) < bytes ? ash_span_bytes(head) : bytes;
    uint64_t page = ((uint64_t)(uintptr_t)moved - heap->root.region_base) >> ASH_PAGE_SHIFT;
    span_transfer(heap, head, ash_page_at(heap, page), kept);
    ash_span_free(th, head);
    return moved;
}
