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

#include "heap/bins.h"
#include "heap/kept.h"
#include "heap/misuse.h"
#include "heap/remote.h"
#include "heap/runs.h"
#include "heap/zeroing.h"

#include <errno.h>
#include <string.h>

enum {
    SPAN_PACE = 16, /* a span counts as so many mallocs until the next look at the clock */
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

void ash_span_give(struct ash_heap *heap, struct ash_page *head) {
    uint64_t pages = head->pages;
    bool moved = head->span.moved != 0;
    ash_zeroing_learn(heap, head);
    ash_span_wipe(head);
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

/* The first `pages` pages of what is kept of longer spans, when that is one piece with more to
 * spare: the rest stays kept. NULL when it is not, or other pages fit more tightly. */
static struct ash_page *span_cut_kept(struct ash_thread_heap *th, uint64_t pages) {
    struct ash_heap *heap = th->heap;
    struct ash_kept_piece piece = ash_kept_piece(th);
    if (piece.pages <= pages + ASH_KEPT_EXACT) return NULL;
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    bool fits = ash_runs_fits_here(heap, ash_page_number(heap, piece.head), piece.pages, pages);
    if (fits) ash_kept_cut(th, &piece, (uint32_t)pages);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    return fits ? piece.head : NULL;
}

/* Pages from the heap for a span, claimed; NULL when there are none. With `zeroing` it also says
 * how the span is to be made zero: then pages that are clean come first. */
static ASH_NOINLINE struct ash_page *span_cut(struct ash_thread_heap *th, size_t bytes,
                                              size_t alignment, struct ash_zeroing *zeroing) {
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
    th->page_limit = atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire);
    return head;
}

static void *span_address(const struct ash_heap *heap, const struct ash_page *head) {
    return (void *)ash_page_address(heap, ash_page_number(heap, head));
}

/* A span of what the thread heap keeps, claimed; NULL when nothing of that serves. */
ASH_INLINE struct ash_page *span_reuse(struct ash_thread_heap *th, size_t bytes, size_t alignment) {
    uint64_t pages = ash_span_pages(bytes);
    struct ash_page *head = ash_kept_take(th, pages);
    if (head == NULL) head = span_cut_kept(th, pages);
    if (head != NULL) span_ask(head, bytes, alignment);
    return head;
}

/* The end of the slow path that took `head`, if there is one: a live span from here on. */
ASH_INLINE void *span_made(struct ash_thread_heap *th, struct ash_page *head, uint32_t before) {
    ASH_YIELD(T2);
    /* last: who sees a span sees all of it */
    if (head != NULL) ash_page_set_kind(head, ASH_PAGE_SPAN);
    ash_transition_end(th, before);
    return head == NULL ? NULL : span_address(th->heap, head);
}

/* A thread that only uses large blocks has no other slow path. */
ASH_INLINE void span_look(struct ash_thread_heap *th) {
    ash_collect_pending(th);
    th->pace -= SPAN_PACE;
    if (ASH_UNLIKELY(th->pace <= 0)) ash_bins_look(th);
}

static void *span_create_cut(struct ash_thread_heap *th, size_t bytes, size_t alignment) {
    uint32_t before = ash_transition_begin(th, ASH_KEEP);
    return span_made(th, span_cut(th, bytes, alignment, NULL), before);
}

/* What is kept serves only whole, all of it dirty: but for that, clean pages are better. */
static void *span_create_zero(struct ash_thread_heap *th, size_t bytes) {
    struct ash_heap *heap = th->heap;
    struct ash_zeroing zeroing;
    uint32_t before = ash_transition_begin(th, ASH_KEEP);
    struct ash_page *head = ash_kept_take(th, ash_span_pages(bytes));
    if (head != NULL) {
        span_ask(head, bytes, 0);
        zeroing.content.dirty_pages = ASH_PLANTED(32) ? 0 : head->pages;
        ash_lock_take(&heap->lock);
        ash_zeroing_plan(heap, head, bytes, &zeroing);
        ash_lock_give(&heap->lock);
    } else {
        head = span_cut(th, bytes, 0, &zeroing);
    }
    void *block = span_made(th, head, before);
    if (block != NULL) ash_zeroing_do(heap, head, bytes, &zeroing);
    return block;
}

static ASH_NOINLINE void *span_create_slow(struct ash_thread_heap *th, size_t bytes,
                                           size_t alignment, bool zero) {
    for (unsigned turn = 0; turn < 2; turn++) {
        if (turn > 0) ash_bins_drop_spare(th);
        void *block = zero ? span_create_zero(th, bytes) : span_create_cut(th, bytes, alignment);
        if (ASH_LIKELY(block != NULL)) return block;
    }
    errno = ENOMEM;
    return NULL;
}

void *ash_span_create(struct ash_thread_heap *th, size_t bytes, size_t alignment) {
    span_look(th);
    /* with a larger alignment `bytes` may be of a class */
    if (alignment > ASH_PAGE_BYTES) return span_create_slow(th, bytes, alignment, false);
    struct ash_page *early = ASH_PLANTED(117) ? span_reuse(th, bytes, alignment) : NULL;
    uint32_t before = ash_transition_begin(th, ASH_KEEP);
    struct ash_page *head = early != NULL ? early : span_reuse(th, bytes, alignment);
    void *block = span_made(th, head, before);
    return ASH_LIKELY(block != NULL) ? block : span_create_slow(th, bytes, alignment, false);
}

void *ash_span_create_zero(struct ash_thread_heap *th, size_t bytes) {
    span_look(th);
    return span_create_slow(th, bytes, 0, true);
}

/* Of all that free the span, one claims it. */
static bool span_claim(struct ash_page *head) {
    uint8_t live = ASH_PAGE_SPAN;
    ASH_YIELD(K2);
    /* acquire: who has claimed it sees what the span is */
    return __atomic_compare_exchange_n(&head->kind, &live, ASH_PAGE_KEPT, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Keeps a claimed span; false when it is none to be kept, or would come to too much. */
ASH_INLINE bool span_keep(struct ash_thread_heap *th, struct ash_page *head) {
    struct ash_heap *heap = th->heap;
    uint32_t pages = head->pages, *list = ash_kept_list(th, pages);
    if (ash_kept_pages(th) + pages > heap->kept_most || !ash_kept_wants(heap, head)) return false;
    ASH_YIELD(K3);
    head->span.keeper = th->id;
    head->span.kept_next = ASH_PLANTED(31) && pages > ASH_KEPT_EXACT ? 0 : *list;
    *list = (uint32_t)ash_page_number(heap, head) + 1;
    ash_kept_count(th, 1, pages);
    ASH_YIELD(K4);
    ash_visit_arm(heap);
    return true;
}

/* A claimed span that there is no room for: all that is kept goes back, to be kept itself; or it
 * goes back. */
static ASH_NOINLINE void span_free_slow(struct ash_thread_heap *th, struct ash_page *head) {
    struct ash_heap *heap = th->heap;
    bool waited = ash_runs_wait(heap);
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    bool keeps = ash_kept_wants(heap, head);
    if (keeps) ash_kept_give_held(th);
    if (!keeps || !span_keep(th, head)) ash_span_give(heap, head);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    if (!waited && ash_runs_wait(heap)) ash_bins_shorten(th);
}

/* Another thread freed it a moment before. */
static ASH_COLD void span_free_again(struct ash_thread_heap *th, const struct ash_page *head,
                                     size_t bytes) {
    uint64_t address = (uint64_t)(uintptr_t)span_address(th->heap, head);
    ash_misuse(th, ASHLAR_MISUSE_DOUBLE_FREE, "free", address, address, bytes, 0);
}

void ash_span_free(struct ash_thread_heap *th, struct ash_page *head) {
    size_t bytes = ash_span_bytes(head); /* while it is still a span */
    uint32_t before = ash_transition_begin(th, ASH_KEEP);
    bool claimed = span_claim(head);
    if (claimed && !span_keep(th, head)) span_free_slow(th, head);
    ash_transition_end(th, before);
    if (!claimed) span_free_again(th, head, bytes);
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
    void *moved = ash_span_create(th, bytes, 0);
    if (moved == NULL) return NULL;
    size_t kept = ash_span_bytes(head) < bytes ? ash_span_bytes(head) : bytes;
    uint64_t page = ((uint64_t)(uintptr_t)moved - heap->root.region_base) >> ASH_PAGE_SHIFT;
    span_transfer(heap, head, ash_page_at(heap, page), kept);
    ash_span_free(th, head);
    return moved;
}
