/* Slabs.
 *
 * 1. Purpose. A slab cuts one run of pages into blocks of one class. One bit per block, 1 for
 *    free, is the only truth about a block's state.
 * 2. Words and summary. 64 blocks make a window, whose bits are one word. Bit w of the summary is
 *    set when word w is not zero. Few words lie in the descriptor's second cache line, many in
 *    the page's bitmaps.
 *
 *        summary   ..0 1 1        words   [2] 0 0 0 0 ...   [1] 0 1 0 1 ...   [0] 1 1 1 0 ...
 *
 * 3. Ownership. A slab belongs to one thread heap from creation to release. The owner alone
 *    writes words, summary, place and links. Others read words (to find a double free) and write
 *    the remote words (remote.c).
 * 4. Place. CURRENT: its bin allocates from it. QUEUED: has free blocks and waits in its bin's
 *    queue. FULL: no free block that the owner knows of; in no list, reachable by its page only.
 *    The first block that comes back queues it at the queue's end: first in first out lets free
 *    bits gather.
 * 5. The current window. The fast path clears bits of the current window's word without a look at
 *    the summary, so there alone a summary bit may be set over a zero word; it is cleared when
 *    the bin moves on.
 * 6. Release. A slab that becomes all free is given back at once, but for a current one: its bin
 *    keeps it until the thread heap is trimmed or released. One whose owner sleeps is given back by
 *    others (visit.c). */
#include "heap/slabs.h"

#include "heap/kept.h"
#include "heap/runs.h"

#include <string.h>

enum { REGION_SHARE = 32 };

static bool words_inline(unsigned block_count) {
    return ash_window_count(block_count) <= ASH_INLINE_WORDS;
}

/* The length that a slab should have: less than the class's for the first two of a thread heap, so
 * that one with few blocks of many classes does not touch and keep pages for each of them. */
static unsigned slab_pages_wanted(const struct ash_thread_heap *th, unsigned class_index) {
    unsigned pages = ash_classes[class_index].slab_pages, slabs = th->bins[class_index].slabs;
    if (slabs < 2) pages /= slabs == 0 ? 16 : 4;
    return pages > 0 ? pages : 1;
}

/* Takes a run for a slab: in a small heap at most a part of it that leaves room for other classes,
 * or less than is wanted when the heap is short of pages. */
static unsigned slab_take_pages(const struct ash_thread_heap *th, unsigned class_index,
                                uint64_t *page) {
    struct ash_heap *heap = th->heap;
    unsigned pages = slab_pages_wanted(th, class_index);
    bool only = th->bins[class_index].slabs == 0;
    while (pages > 1 && pages > heap->root.region_pages / REGION_SHARE) pages /= 2;
    for (; pages > 0; pages /= 2)
        if (ash_runs_take_slab(heap, pages, class_index, only, page)) return pages;
    return 0;
}

static void slab_describe(struct ash_thread_heap *th, struct ash_page *head, unsigned class_index,
                          unsigned pages) {
    const struct ash_class *class = &ash_classes[class_index];
    unsigned count = ASH_PLANTED(14) ? class->block_count : ash_slab_blocks(class, pages);
    unsigned windows = ash_window_count(count);
    uint64_t reciprocal =
        count == class->block_count ? class->reciprocal : ash_reciprocal(class->block_bytes, count);
    uint64_t *words = words_inline(count)
                          ? head->inline_words
                          : ash_bitmap_words(th->heap, ash_page_number(th->heap, head));
    for (unsigned i = 0; i < pages; i++) {
        struct ash_page *page = head + i;
        page->reciprocal = reciprocal;
        page->words = words;
        page->full_tail = ash_full_word(count, windows - 1);
        page->head = head;
        page->page_offset_bytes = i << ASH_PAGE_SHIFT;
        page->block_count = (uint16_t)count;
        page->class_index = (uint8_t)class_index;
        page->slab_pages = (uint8_t)pages;
        /* relaxed: another thread learns of these pages only through a pointer that it was handed
         */
        atomic_store_explicit(&page->owner, th, memory_order_relaxed);
    }
    head->summary = ash_low_bits(windows);
    for (unsigned window = 0; window < windows; window++)
        ash_word_set(&words[window], ash_full_word(count, window));
    /* last, and the head last of all: whoever walks the heap meanwhile sees all of it or no slab */
    for (unsigned i = pages; i-- > 0;)
        ash_page_set_kind(head + i, i == 0 ? ASH_PAGE_SLAB : ASH_PAGE_SLAB_BODY);
}

struct ash_page *ash_slab_create(struct ash_thread_heap *th, unsigned class_index) {
    struct ash_heap *heap = th->heap;
    uint64_t page;
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    ash_runs_tick(heap);
    ash_kept_give_held(th); /* pages that were touched come first */
    unsigned pages = slab_take_pages(th, class_index, &page);
    if (pages > 0) {
        slab_describe(th, ash_page_at(heap, page), class_index, pages);
        heap->root.counts.slab += pages;
        heap->root.counts.slabs++;
        th->bins[class_index].slabs++;
    }
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    th->page_limit = atomic_load_explicit(&heap->root.committed_pages, memory_order_acquire);
    return pages > 0 ? ash_page_at(heap, page) : NULL;
}

void ash_slab_release(struct ash_thread_heap *th, struct ash_page *head) {
    struct ash_heap *heap = th->heap;
    unsigned pages = head->slab_pages, class_index = head->class_index;
    ASH_ASSERT(ash_slab_all_free(head));
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    if (!words_inline(head->block_count))
        memset(head->words, 0, ash_window_count(head->block_count) * sizeof *head->words);
    /* no stale slab is ever found behind a pointer */
    memset(head, 0, (ASH_PLANTED(15) ? 1 : pages) * sizeof *head);
    heap->root.counts.slab -= pages;
    heap->root.counts.slabs--;
    th->bins[class_index].slabs--;
    ash_runs_give(heap, ash_page_number(heap, head), pages, true);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
}

/* Nobody is about to mark a block of the slab as remotely freed, or has. When all its blocks are
 * free and one is, it was freed twice, at once by its owner and by another thread, who is still
 * inside (between F2 and F4, remote.c): the slab has to stay until the merge finds that. */
static bool slab_undisturbed(const struct ash_heap *heap, const struct ash_page *head) {
    const _Atomic uint64_t *remote = ash_remote_words(heap, ash_page_number(heap, head));
    /* acquire: what the other thread did to the slab is over */
    uint64_t any = atomic_load_explicit(&head->remote_summary, memory_order_acquire);
    for (unsigned window = 0; window < ash_window_count(head->block_count); window++)
        any |= atomic_load_explicit(&remote[window], memory_order_acquire);
    return any == 0;
}

bool ash_slab_idle(const struct ash_heap *heap, const struct ash_page *head) {
    return ash_slab_all_free(head) && slab_undisturbed(heap, head);
}

bool ash_slab_all_free(const struct ash_page *head) {
    unsigned last = ash_window_count(head->block_count) - 1;
    for (unsigned window = 0; window < last; window++)
        if (ash_word_get(&head->words[window]) != UINT64_MAX) return false;
    return ash_word_get(&head->words[last]) == head->full_tail;
}

void ash_queue_push(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head) {
    uint32_t link = ash_slab_link(heap, head);
    struct ash_page *tail = ash_slab_linked(heap, bin->queue_tail);
    head->next = 0;
    head->previous = bin->queue_tail;
    if (tail != NULL)
        tail->next = link;
    else
        bin->queue_head = link;
    bin->queue_tail = link;
    head->place = ASH_SLAB_QUEUED;
}

void ash_queue_remove(struct ash_bin *bin, struct ash_heap *heap, struct ash_page *head) {
    struct ash_page *next = ash_slab_linked(heap, head->next);
    struct ash_page *previous = ash_slab_linked(heap, head->previous);
    if (next != NULL)
        next->previous = ASH_PLANTED(12) ? next->previous : head->previous;
    else
        bin->queue_tail = head->previous;
    if (previous != NULL)
        previous->next = head->next;
    else
        bin->queue_head = head->next;
    head->next = head->previous = 0;
    head->place = ASH_SLAB_FULL;
}

void ash_slab_settle(struct ash_thread_heap *th, struct ash_page *head) {
    struct ash_bin *bin = &th->bins[head->class_index];
    if (head->place == ASH_SLAB_CURRENT) return;
    if (ash_slab_idle(th->heap, head)) {
        if (head->place == ASH_SLAB_QUEUED) ash_queue_remove(bin, th->heap, head);
        ash_slab_release(th, head);
    } else if (head->place == ASH_SLAB_FULL &&
               !(ASH_PLANTED(29) && head->block_count > ASH_WINDOW_BLOCKS)) {
        ash_queue_push(bin, th->heap, head);
    }
}
