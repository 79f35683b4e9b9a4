/* Page runs: which pages are free, taken, committed and dirty. See runs.c for the theory.
 *
 * All functions but ash_runs_due want the heap's lock to be held. */
#ifndef ASH_RUNS_H
#define ASH_RUNS_H

#include "heap/layout.h"

enum { ASH_RUN_MAPPED_PAGES = 512 };

/* What a run held when it was taken: every byte of a clean page is zero. */
struct ash_run_content {
    uint64_t dirty_pages;
    /* Bit set when the page is dirty; only of runs of up to ASH_RUN_MAPPED_PAGES, some of them
     * dirty and some clean. */
    uint64_t dirty[ASH_RUN_MAPPED_PAGES / 64];
};

/* Adds pages [page, page + count) as free, clean when `dirty` is 0, else all of them dirty; merges
 * with free neighbours. With dirty ones it also purges what is due. */
void ash_runs_give(struct ash_heap *heap, uint64_t page, uint64_t count, bool dirty);

/* Takes `count` pages whose address is a multiple of `alignment` (a power of two, 64 KiB or more);
 * with `grow` it grows the frontier when no free run serves. Their descriptors are zero. False, and
 * nothing changed but perhaps the frontier, when there is no memory. The pages' dirty bits are set;
 * *content (if not NULL) tells what they hold now. */
bool ash_runs_take(struct ash_heap *heap, uint64_t count, uint64_t alignment, bool grow,
                   uint64_t *page, struct ash_run_content *content);

/* The same for a slab of `class_index`, wherever it touches least that was not touched before; that
 * of an `only` slab may never be used to its end. */
bool ash_runs_take_slab(struct ash_heap *heap, uint64_t count, unsigned class_index, bool only,
                        uint64_t *page);

/* Whether `count` pages from `page` on, of which `held` are taken and those behind may be free, are
 * where they would be taken if those held were given back: no free run is a tighter fit. */
bool ash_runs_fits_here(const struct ash_heap *heap, uint64_t page, uint64_t held, uint64_t count);

/* Takes the `count` pages from `page` on, which follow a span, if all are free; with `grow`, it
 * grows the frontier when they end at it. False, and nothing taken, otherwise. */
bool ash_runs_take_at(struct ash_heap *heap, uint64_t page, uint64_t count, bool grow);

/* Taken pages whose content the system has just replaced by zeros: about to be given as clean. */
void ash_runs_clean(struct ash_heap *heap, uint64_t page, uint64_t count);

/* Gives dirty runs back to the system: those whose decay is over at `now_ms`, or all. Returns pages
 * given back. */
uint64_t ash_runs_purge(struct ash_heap *heap, uint64_t now_ms, bool all);

/* Purges what is due, at most once per part of the decay time. Cheap when nothing is. */
void ash_runs_tick(struct ash_heap *heap);

/* Whether free pages wait to be given back to the system; without the lock, so only a hint. */
bool ash_runs_wait(const struct ash_heap *heap);

/* Whether a tick would have anything to do; without the lock, so only a hint. */
bool ash_runs_due(const struct ash_heap *heap, uint64_t now_ms);

/* Makes one free run of everything below the frontier, keeping the dirty bits. Descriptors are
 * zero. */
void ash_runs_restart(struct ash_heap *heap);

/* First page of the span or free run, or of the slab, that page `page` (below the frontier) belongs
 * to. */
uint64_t ash_runs_first_page(const struct ash_heap *heap, uint64_t page);

/* Pages of the slab, span or free run that starts here; at least 1, so that a walk always ends. */
ASH_INLINE uint64_t ash_run_pages(const struct ash_page *head) {
    enum ash_page_kind kind = ash_page_kind_of(head);
    uint64_t pages = kind == ASH_PAGE_SLAB ? head->slab_pages : head->pages;
    return kind == ASH_PAGE_NONE || pages == 0 ? 1 : pages;
}

/* Marks that pages change hands, for readers outside. */
ASH_INLINE void ash_runs_begin(struct ash_heap *heap) {
    atomic_store_explicit(&heap->root.transition, ASH_RUNS, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* the mark is set before the first change */
}
ASH_INLINE void ash_runs_end(struct ash_heap *heap) {
    atomic_signal_fence(memory_order_seq_cst); /* and cleared after the last */
    atomic_store_explicit(&heap->root.transition, ASH_QUIET, memory_order_relaxed);
}

#endif
