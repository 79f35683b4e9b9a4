/* The run allocator: which pages are free, taken, committed and dirty.
 *
 * 1. Purpose. Slabs and spans are runs of whole pages. This file hands runs out and takes them
 *    back, merges neighbours, grows the committed part of the region, and gives pages back to the
 *    system.
 * 2. States of a page. Beyond the frontier (no access); free (in exactly one free run); taken (in
 *    one slab or span). A page below the frontier is clean (all its bytes are zero) or dirty;
 *    taken pages are always dirty. The dirty bits say so.
 * 3. Free runs. The first and the last page's descriptors hold the length; those between say
 *    nothing (kind NONE), so a run of any length changes hands in O(1). No two free runs touch.
 *    Each run is in the bin of its size; a bitmap tells which bins have runs. Bins: exact up to
 *    15 pages, then eight per doubling.
 *
 *        page       p      p+1 ... p+n-2   p+n-1
 *        kind       FREE   NONE            FREE
 *        pages      n      -               n
 *        head       p      -               p
 *
 * 4. Decay. Runs with dirty pages are also in the dirty list, in the order of `freed_ms`, the
 *    time at which the oldest dirty page in it was freed. A merged run keeps the place and time
 *    of its older part: merging never delays giving back. The list is purged from its old end
 *    when a run is `decay_ms` old, by whoever comes by; there is no thread for it.
 * 5. Pages for slabs. How much of its pages a slab touches depends on its class: one block or all.
 *    Were any page good for any class, each would be touched all over in time, though few are at
 *    once. So a class gets pages again that were its own. Where there are none, a thread heap's
 *    only slab of a class, which may stay all but empty, gets pages that no slab has touched,
 *    others the lowest that there are, so that those far up stay clean.
 * 6. Locks. Everything here happens under the heap's lock. A neighbour that is a span may
 *    become a kept one meanwhile, or the other way round (kept.c): both mean taken.
 * 7. Failure. A commit that the system refuses leaves everything as it was. A purge that it
 *    refuses leaves the run dirty, to be tried again one decay later. */
#include "heap/runs.h"

#include "heap/region.h"

#include <string.h>

enum {
    STEP_PAGES_LEAST = 64,  /* the frontier grows by 4 MiB .. */
    STEP_PAGES_MOST = 1024, /* .. to 64 MiB, a quarter of what there is */
    SLAB_TRIES = 8,         /* runs looked at in a bin for a slab */
    BIN_TRIES = 32,         /* runs looked at in a bin before memory is taken elsewhere */
};

static uint64_t now_ms(const struct ash_heap *heap) {
    return (heap->root.flags & ASH_ROOT_PURGES) != 0 ? heap->os.now_ms(heap->os.context) : 0;
}

static uint32_t link_to(const struct ash_heap *heap, const struct ash_page *page) {
    return page == NULL ? 0 : (uint32_t)ash_page_number(heap, page) + 1;
}

static struct ash_page *linked(const struct ash_heap *heap, uint32_t link) {
    return link == 0 ? NULL : ash_page_at(heap, link - 1);
}

/* Dirty bits: ranges of a bitmap. */

/* The bits of word `word` that belong to pages [from, to), some of which do. */
ASH_INLINE uint64_t range_mask(uint64_t word, uint64_t from, uint64_t to) {
    uint64_t mask = ~(uint64_t)0;
    if (word == from / 64) mask <<= from % 64;
    if (word == (to - 1) / 64) mask &= ~(uint64_t)0 >> (63 - (to - 1) % 64);
    return mask;
}

static void dirty_set(struct ash_heap *heap, uint64_t from, uint64_t to) {
    for (uint64_t word = from / 64; word * 64 < to; word++)
        ash_dirty_words(heap)[word] |= range_mask(word, from, to);
}

static void dirty_clear(struct ash_heap *heap, uint64_t from, uint64_t to) {
    for (uint64_t word = from / 64; word * 64 < to; word++)
        ash_dirty_words(heap)[word] &= ~range_mask(word, from, to);
    if (from < ASH_PAST_PAGES)
        memset(&heap->pasts[from], 0, (to < ASH_PAST_PAGES ? to : ASH_PAST_PAGES) - from);
}

static uint64_t dirty_count(const struct ash_heap *heap, uint64_t from, uint64_t to) {
    uint64_t count = 0;
    for (uint64_t word = from / 64; word * 64 < to; word++) {
        uint64_t bits = ash_dirty_words(heap)[word] & range_mask(word, from, to);
        count += bits == ~(uint64_t)0 ? 64 : ash_count_bits(bits);
    }
    return count;
}

static bool dirty_at(const struct ash_heap *heap, uint64_t page) {
    return (ash_dirty_words(heap)[page / 64] >> (page % 64) & 1) != 0;
}

/* Bins. */

static unsigned bin_of(uint64_t pages) {
    if (pages < 8) return (unsigned)pages;
    unsigned top = ash_highest_bit(pages);
    return 8 * (top - 2) + ((unsigned)(pages >> (top - 3)) & 7);
}

static void bin_insert(struct ash_heap *heap, struct ash_page *first) {
    struct ash_run_bins *runs = &heap->runs;
    unsigned bin = bin_of(first->pages) + (ASH_PLANTED(13) && first->pages > 100);
    struct ash_page *next = linked(heap, runs->heads[bin]);
    first->run.bin_previous = 0;
    first->run.bin_next = runs->heads[bin];
    if (next != NULL) next->run.bin_previous = link_to(heap, first);
    runs->heads[bin] = link_to(heap, first);
    runs->used[bin / 64] |= (uint64_t)1 << (bin % 64);
}

static void bin_remove(struct ash_heap *heap, struct ash_page *first) {
    struct ash_run_bins *runs = &heap->runs;
    unsigned bin = bin_of(first->pages);
    struct ash_page *next = linked(heap, first->run.bin_next);
    struct ash_page *previous = linked(heap, first->run.bin_previous);
    if (next != NULL) next->run.bin_previous = first->run.bin_previous;
    if (previous != NULL)
        previous->run.bin_next = first->run.bin_next;
    else
        runs->heads[bin] = first->run.bin_next;
    if (runs->heads[bin] == 0) runs->used[bin / 64] &= ~((uint64_t)1 << (bin % 64));
}

/* First used bin from `bin` on; ASH_RUN_BINS when there is none. */
static unsigned bin_used_from(const struct ash_heap *heap, unsigned bin) {
    for (unsigned word = bin / 64; word < ASH_RUN_BIN_WORDS; word++) {
        uint64_t used = heap->runs.used[word];
        if (word == bin / 64) used &= ~ash_low_bits(bin % 64);
        if (used != 0) return word * 64 + ash_lowest_bit(used);
    }
    return ASH_RUN_BINS;
}

/* The dirty list. */

static void dirty_link_after(struct ash_heap *heap, uint32_t after, struct ash_page *first) {
    struct ash_run_bins *runs = &heap->runs;
    struct ash_page *previous = linked(heap, after);
    uint32_t next_link = previous != NULL ? previous->run.dirty_next : runs->dirty_head;
    struct ash_page *next = linked(heap, next_link);
    first->run.dirty_previous = after;
    first->run.dirty_next = next_link;
    if (previous != NULL)
        previous->run.dirty_next = link_to(heap, first);
    else
        runs->dirty_head = link_to(heap, first);
    if (next != NULL)
        next->run.dirty_previous = link_to(heap, first);
    else
        runs->dirty_tail = link_to(heap, first);
}

static void dirty_unlink(struct ash_heap *heap, struct ash_page *first) {
    struct ash_run_bins *runs = &heap->runs;
    struct ash_page *next = linked(heap, first->run.dirty_next);
    struct ash_page *previous = linked(heap, first->run.dirty_previous);
    if (next != NULL)
        next->run.dirty_previous = first->run.dirty_previous;
    else
        runs->dirty_tail = first->run.dirty_previous;
    if (previous != NULL)
        previous->run.dirty_next = first->run.dirty_next;
    else
        runs->dirty_head = first->run.dirty_next;
    first->run.dirty_next = first->run.dirty_previous = 0;
}

/* Free runs. */

/* A run that is free or about to be, and where it stands in the dirty list. */
struct run {
    uint64_t page, pages, dirty, freed_ms;
    uint32_t after; /* dirty list: link to the run that comes before it */
};

/* Descriptors of pages that are taken or within a run are empty, so only what a free run's first
 * and last page say is written, and wiped. */
static void run_put(struct ash_heap *heap, const struct run *run) {
    struct ash_page *first = ash_page_at(heap, run->page);
    struct ash_page *last = first + run->pages - 1;
    last->head = first->head = first;
    last->kind = first->kind = ASH_PAGE_FREE;
    last->pages = first->pages = (uint32_t)run->pages;
    bin_insert(heap, first);
    if (run->dirty > 0) {
        first->run.dirty_pages = (uint32_t)run->dirty;
        first->run.freed_ms = run->freed_ms;
        dirty_link_after(heap, run->after, first);
    }
    heap->root.counts.free += run->pages;
    heap->root.counts.dirty_free += run->dirty;
    heap->root.counts.free_runs++;
}

static struct run run_read(const struct ash_heap *heap, const struct ash_page *first) {
    return (struct run){.page = ash_page_number(heap, first),
                        .pages = first->pages,
                        .dirty = first->run.dirty_pages,
                        .freed_ms = first->run.freed_ms,
                        .after = first->run.dirty_previous};
}

/* Removes a free run from the bins and the dirty list and wipes its descriptors. */
static struct run run_pull(struct ash_heap *heap, struct ash_page *first) {
    struct run run = run_read(heap, first);
    bin_remove(heap, first);
    if (run.dirty > 0) dirty_unlink(heap, first);
    struct ash_page *last = first + run.pages - 1;
    last->head = first->head = NULL;
    last->kind = first->kind = ASH_PAGE_NONE;
    last->pages = first->pages = 0;
    memset(&first->run, 0, sizeof first->run);
    heap->root.counts.free -= run.pages;
    heap->root.counts.dirty_free -= run.dirty;
    heap->root.counts.free_runs--;
    return run;
}

/* Lets the free run at `first` begin at `page` instead, with `dirty` dirty pages, and returns its
 * new first page: what both ends of a large block's life mostly come to, so its places in the lists
 * are handed on. `freed_ms` is for a run that had no dirty page. */
static struct ash_page *run_begin_at(struct ash_heap *heap, struct ash_page *first, uint64_t page,
                                     uint64_t dirty, uint64_t freed_ms) {
    struct ash_run_bins *runs = &heap->runs;
    struct ash_counts *counts = &heap->root.counts;
    struct ash_page *to = ash_page_at(heap, page), *last = first + first->pages - 1;
    uint64_t before = first->pages, pages = (uint64_t)(last - to) + 1;
    uint64_t dirty_before = first->run.dirty_pages;
    uint32_t link = (uint32_t)page + 1;
    unsigned bin = bin_of(before);
    bool refile = bin_of(pages) != bin;
    if (refile) bin_remove(heap, first);
    if (dirty == 0 && dirty_before > 0) dirty_unlink(heap, first);
    memcpy(&to->run, &first->run, sizeof to->run);
    memset(&first->run, 0, sizeof first->run);
    first->head = NULL;
    first->kind = ASH_PAGE_NONE;
    first->pages = 0;
    last->head = to->head = to; /* after the wiping: a run of one page has its first page last */
    last->kind = to->kind = ASH_PAGE_FREE;
    last->pages = to->pages = (uint32_t)pages;
    if (refile) {
        bin_insert(heap, to);
    } else {
        struct ash_page *next = linked(heap, to->run.bin_next);
        *(to->run.bin_previous == 0 ? &runs->heads[bin]
                                    : &linked(heap, to->run.bin_previous)->run.bin_next) = link;
        if (next != NULL) next->run.bin_previous = link;
    }
    if (dirty > 0 && dirty_before == 0) {
        to->run.freed_ms = freed_ms;
        dirty_link_after(heap, runs->dirty_tail, to);
    } else if (dirty > 0) {
        *(to->run.dirty_previous == 0 ? &runs->dirty_head
                                      : &linked(heap, to->run.dirty_previous)->run.dirty_next) =
            link;
        *(to->run.dirty_next == 0 ? &runs->dirty_tail
                                  : &linked(heap, to->run.dirty_next)->run.dirty_previous) = link;
    } else {
        to->run.freed_ms = 0;
    }
    to->run.dirty_pages = (uint32_t)dirty;
    counts->free += pages - before; /* these wrap as they should when the run becomes smaller */
    counts->dirty_free += dirty - dirty_before;
    return to;
}

/* Joins two neighbouring runs, both out of all lists. The older dirty part gives time and place. */
static struct run run_join(const struct ash_heap *heap, struct run a, struct run b) {
    bool a_older = b.dirty == 0 || (a.dirty > 0 && a.freed_ms <= b.freed_ms);
    struct run older = a_older ? a : b;
    struct run joined = {.page = a.page < b.page ? a.page : b.page,
                         .pages = a.pages + b.pages,
                         .dirty = a.dirty + b.dirty,
                         .freed_ms = older.freed_ms,
                         .after = older.after};
    ASH_ASSERT(joined.after == 0 || ash_page_at(heap, joined.after - 1)->kind == ASH_PAGE_FREE);
    return joined;
}

/* Adds pages as free, merging them with free neighbours; `now` is the time when they are dirty. */
static void run_give(struct ash_heap *heap, uint64_t page, uint64_t count, bool dirty,
                     uint64_t now) {
    struct run run = {.page = page,
                      .pages = count,
                      .dirty = dirty ? count : 0,
                      .freed_ms = now,
                      .after = heap->runs.dirty_tail};
    struct ash_page *next = ash_page_at(heap, page + count);
    struct ash_page *previous = page > 0 ? ash_page_at(heap, page - 1) : NULL;
    bool before = previous != NULL && ash_page_kind_of(previous) == ASH_PAGE_FREE;
    bool behind =
        page + count < heap->root.counts.committed && ash_page_kind_of(next) == ASH_PAGE_FREE;
    if (behind && !before) {
        run_begin_at(heap, next, page, next->run.dirty_pages + (dirty ? count : 0), now);
        return;
    }
    if (behind) {
        struct run pulled = run_pull(heap, next);
        if (run.after == (uint32_t)pulled.page + 1) run.after = pulled.after;
        run = run_join(heap, pulled, run);
    }
    if (before) {
        struct run pulled = run_pull(heap, ASH_PLANTED(4) ? previous : previous->head);
        if (run.after == (uint32_t)pulled.page + 1) run.after = pulled.after;
        run = run_join(heap, pulled, run);
    }
    run_put(heap, &run);
}

void ash_runs_give(struct ash_heap *heap, uint64_t page, uint64_t count, bool dirty) {
    uint64_t now = dirty ? now_ms(heap) : 0;
    run_give(heap, page, count, dirty, now);
    if (!dirty) return;
    if (heap->next_purge_ms == UINT64_MAX && heap->decay_ms != UINT32_MAX)
        __atomic_store_n(&heap->next_purge_ms, now + heap->decay_ms, __ATOMIC_RELAXED);
    if (now >= heap->next_purge_ms) ash_runs_purge(heap, now, false);
}

/* First page from `page` on whose address is a multiple of `alignment`. */
static uint64_t aligned_page(const struct ash_heap *heap, uint64_t page, uint64_t alignment) {
    uint64_t address = ash_page_address(heap, page);
    return page + ((ash_round_up(address, alignment) - address) >> ASH_PAGE_SHIFT);
}

static bool run_serves(const struct ash_heap *heap, const struct ash_page *first, uint64_t count,
                       uint64_t alignment) {
    uint64_t page = ash_page_number(heap, first);
    return aligned_page(heap, page, alignment) + count <= page + first->pages;
}

/* A free run that serves, looking at no more than `tries` runs of each bin. */
static struct ash_page *run_find(const struct ash_heap *heap, uint64_t count, uint64_t alignment,
                                 uint64_t tries) {
    for (unsigned bin = bin_used_from(heap, bin_of(count)); bin < ASH_RUN_BINS;
         bin = bin_used_from(heap, bin + 1)) {
        struct ash_page *first = linked(heap, heap->runs.heads[bin]);
        for (uint64_t tried = 0; first != NULL && tried < tries; tried++) {
            if (run_serves(heap, first, count, alignment)) return first;
            first = linked(heap, first->run.bin_next);
        }
    }
    return NULL;
}

/* Moves the frontier so that its last free run holds `count` pages from `from` on; by a whole step
 * if the system agrees, else by what is needed. */
static bool frontier_grow(struct ash_heap *heap, uint64_t from, uint64_t count) {
    struct ash_root *root = &heap->root;
    uint64_t committed = root->counts.committed;
    uint64_t left = root->region_pages - committed;
    if (from + count - committed > left || from + count < count) return false;
    uint64_t needed = from + count - committed;
    uint64_t step = committed / 4;
    if (step < STEP_PAGES_LEAST) step = STEP_PAGES_LEAST;
    if (step > STEP_PAGES_MOST) step = STEP_PAGES_MOST;
    if (step < needed) step = needed;
    if (step > left) step = left;
    if (!ash_region_commit(heap, step)) {
        if (step == needed || !ash_region_commit(heap, needed)) return false;
        if (!ASH_PLANTED(21)) step = needed;
    }
    root->counts.committed = committed + step;
    ash_runs_give(heap, committed, step, false);
    atomic_store_explicit(&root->committed_pages, committed + step, memory_order_release);
    return true;
}

/* Grows the frontier for `count` aligned pages; the run that then serves, or NULL. */
static struct ash_page *run_grow(struct ash_heap *heap, uint64_t count, uint64_t alignment) {
    uint64_t from = heap->root.counts.committed;
    struct ash_page *last = from > 0 ? ash_page_at(heap, from - 1) : NULL;
    if (last != NULL && ash_page_kind_of(last) == ASH_PAGE_FREE)
        from = ash_page_number(heap, last->head);
    if (count > heap->root.region_pages) return NULL;
    if (!frontier_grow(heap, aligned_page(heap, from, alignment), count)) return NULL;
    return ash_page_at(heap, heap->root.counts.committed - 1)->head;
}

/* Tells what the pages [page, page + count) hold, `dirty` of which are dirty. */
static void content_read(const struct ash_heap *heap, uint64_t page, uint64_t count, uint64_t dirty,
                         struct ash_run_content *content) {
    content->dirty_pages = dirty;
    if (dirty == 0 || dirty == count || count > ASH_RUN_MAPPED_PAGES) return;
    memset(content->dirty, 0, sizeof content->dirty);
    for (uint64_t i = 0; i < count; i++)
        content->dirty[i / 64] |= (uint64_t)dirty_at(heap, page + i) << (i % 64);
}

/* Cuts [page, page + count) out of a free run, whose other parts stay free. */
static void run_cut(struct ash_heap *heap, struct ash_page *first, uint64_t page, uint64_t count,
                    struct ash_run_content *content) {
    struct run run = run_read(heap, first);
    struct run before = run, behind = run;
    before.pages = page - run.page;
    behind.page = page + count;
    behind.pages = run.page + run.pages - behind.page;
    bool even = run.dirty == 0 || run.dirty == run.pages; /* then no bit needs to be counted */
    uint64_t taken = even ? (run.dirty == 0 ? 0 : count) : dirty_count(heap, page, page + count);
    if (before.pages == 0 && behind.pages > 0) {
        run_begin_at(heap, first, behind.page, run.dirty - taken, 0);
    } else {
        run_pull(heap, first);
        before.dirty =
            even ? (run.dirty == 0 ? 0 : before.pages) : dirty_count(heap, run.page, page);
        behind.dirty = run.dirty - taken - before.dirty;
        if (behind.pages > 0) run_put(heap, &behind);
        if (before.pages > 0) run_put(heap, &before);
    }
    if (content != NULL) content_read(heap, page, count, taken, content);
    if (taken < count) dirty_set(heap, page, page + count - (ASH_PLANTED(10) && count > 8));
}

bool ash_runs_take(struct ash_heap *heap, uint64_t count, uint64_t alignment, bool grow,
                   uint64_t *page, struct ash_run_content *content) {
    struct ash_page *first = run_find(heap, count, alignment, BIN_TRIES);
    if (first == NULL && !grow) return false;
    if (first == NULL) first = run_grow(heap, count, alignment);
    if (first == NULL)
        first = run_find(heap, count, alignment, UINT64_MAX); /* the last resort looks at all */
    if (first == NULL) return false;
    *page = aligned_page(heap, ash_page_number(heap, first),
                         ASH_PLANTED(9) ? ASH_PAGE_BYTES : alignment);
    run_cut(heap, first, *page, count, content);
    return true;
}

/* The first of `count` pages in the free run at `first` that has such a past; or `none`. */
static uint64_t past_find(const struct ash_heap *heap, const struct ash_page *first, uint64_t count,
                          uint8_t past, uint64_t none) {
    if (first->pages < count) return none;
    uint64_t from = ash_page_number(heap, first), end = from + first->pages - count + 1;
    if (end > ASH_PAST_PAGES) end = ASH_PAST_PAGES;
    const uint8_t *found = from < end ? memchr(&heap->pasts[from], past, end - from) : NULL;
    return found == NULL ? none : (uint64_t)(found - heap->pasts);
}

/* The free run in which `count` pages are best taken from *page on; NULL when none was found. The
 * best are those with the past `best`, then those with `second`, then the lowest. */
static struct ash_page *run_find_past(const struct ash_heap *heap, uint64_t count, uint8_t best,
                                      uint8_t second, uint64_t *page) {
    struct ash_page *found = NULL;
    bool has_second = false;
    for (unsigned bin = bin_used_from(heap, bin_of(count)); bin < ASH_RUN_BINS;
         bin = bin_used_from(heap, bin + 1)) {
        struct ash_page *first = linked(heap, heap->runs.heads[bin]);
        for (unsigned tried = 0; first != NULL && tried < SLAB_TRIES; tried++) {
            const uint64_t none = UINT64_MAX;
            uint64_t at = past_find(heap, first, count, best, none);
            if (at != none) {
                *page = at;
                return first;
            }
            if (!has_second) {
                at = past_find(heap, first, count, second, none);
                has_second = at != none;
                if (!has_second && first->pages >= count && (found == NULL || first < found))
                    at = ash_page_number(heap, first);
                if (at != none) {
                    *page = at;
                    found = first;
                }
            }
            first = linked(heap, first->run.bin_next);
        }
    }
    return found;
}

bool ash_runs_take_slab(struct ash_heap *heap, uint64_t count, unsigned class_index, bool only,
                        uint64_t *page) {
    uint8_t past = (uint8_t)(class_index + 1);
    struct ash_page *first = run_find_past(heap, count, past, only ? 0 : past, page);
    if (first != NULL)
        run_cut(heap, first, *page, count, NULL);
    else if (!ash_runs_take(heap, count, ASH_PAGE_BYTES, true, page, NULL))
        return false;
    for (uint64_t i = *page; i < *page + count && i < ASH_PAST_PAGES; i++) heap->pasts[i] = past;
    return true;
}

bool ash_runs_fits_here(const struct ash_heap *heap, uint64_t page, uint64_t held, uint64_t count) {
    const struct ash_page *behind = ash_page_at(heap, page + held);
    uint64_t room = held;
    if (page + held < heap->root.counts.committed && ash_page_kind_of(behind) == ASH_PAGE_FREE)
        room += behind->pages;
    unsigned tightest = bin_used_from(heap, bin_of(count));
    return count <= room &&
           (tightest >= bin_of(room) || linked(heap, heap->runs.heads[tightest]) == behind);
}

bool ash_runs_take_at(struct ash_heap *heap, uint64_t page, uint64_t count, bool grow) {
    uint64_t committed = heap->root.counts.committed;
    bool free_here = page < committed && ash_page_kind_of(ash_page_at(heap, page)) == ASH_PAGE_FREE;
    if (page < committed && !free_here) return false;
    uint64_t end = free_here ? page + ash_page_at(heap, page)->pages : page;
    if (end < page + count) {
        if (!grow || end != committed || !frontier_grow(heap, page, count)) return false;
    }
    run_cut(heap, ash_page_at(heap, page), page, count, NULL);
    return true;
}

/* Giving back. */

/* Purges each stretch of dirty pages in the run; false when the system refused one. */
static bool run_purge(struct ash_heap *heap, struct ash_page *first) {
    uint64_t page = ash_page_number(heap, first), end = page + first->pages;
    while (first->run.dirty_pages > 0) {
        uint64_t from = page;
        while (from < end && !dirty_at(heap, from)) from++;
        uint64_t to = from;
        while (to < end && dirty_at(heap, to)) to++;
        if (to == from) break; /* the count was wrong: the checker will say so */
        void *start = (void *)ash_page_address(heap, from);
        if (!heap->os.purge(heap->os.context, start,
                            (to - from - (ASH_PLANTED(25) && to - from > 1)) << ASH_PAGE_SHIFT) &&
            !ASH_PLANTED(202))
            return false;
        dirty_clear(heap, from, to);
        first->run.dirty_pages -= (uint32_t)(to - from);
        heap->root.counts.dirty_free -= ASH_PLANTED(8) && to < end ? 1 : to - from;
        heap->root.counts.purged_total += to - from;
        page = to;
    }
    dirty_unlink(heap, first);
    first->run.freed_ms = 0;
    return true;
}

uint64_t ash_runs_purge(struct ash_heap *heap, uint64_t now, bool all) {
    if ((heap->root.flags & ASH_ROOT_PURGES) == 0) return 0;
    uint64_t before = heap->root.counts.purged_total;
    uint32_t stop = heap->runs.dirty_tail; /* what is put off goes behind it */
    uint32_t link = heap->runs.dirty_head;
    while (link != 0) {
        struct ash_page *first = linked(heap, link);
        if (!all && first->run.freed_ms + heap->decay_ms > now) break;
        bool last = link == stop;
        link = first->run.dirty_next;
        if (!run_purge(heap, first)) {
            dirty_unlink(heap, first);
            first->run.freed_ms = now;
            dirty_link_after(heap, heap->runs.dirty_tail, first);
        }
        if (last) break;
    }
    struct ash_page *oldest = linked(heap, heap->runs.dirty_head);
    uint64_t next = UINT64_MAX;
    if (oldest != NULL && heap->decay_ms != UINT32_MAX)
        next = oldest->run.freed_ms + heap->decay_ms;
    __atomic_store_n(&heap->next_purge_ms, next, __ATOMIC_RELAXED);
    return heap->root.counts.purged_total - before;
}

void ash_runs_clean(struct ash_heap *heap, uint64_t page, uint64_t count) {
    dirty_clear(heap, page, page + count);
    heap->root.counts.purged_total += count;
}

bool ash_runs_wait(const struct ash_heap *heap) {
    return __atomic_load_n(&heap->next_purge_ms, __ATOMIC_RELAXED) != UINT64_MAX;
}

bool ash_runs_due(const struct ash_heap *heap, uint64_t now_ms) {
    return now_ms >= __atomic_load_n(&heap->next_purge_ms, __ATOMIC_RELAXED);
}

void ash_runs_tick(struct ash_heap *heap) {
    if (heap->next_purge_ms == UINT64_MAX) return;
    uint64_t now = now_ms(heap);
    if (now >= heap->next_purge_ms) ash_runs_purge(heap, now, false);
}

void ash_runs_restart(struct ash_heap *heap) {
    struct ash_counts *counts = &heap->root.counts;
    heap->runs = (struct ash_run_bins){0};
    memset(heap->pasts, 0, sizeof heap->pasts);
    counts->free = counts->dirty_free = counts->free_runs = 0;
    __atomic_store_n(&heap->next_purge_ms, UINT64_MAX, __ATOMIC_RELAXED);
    if (counts->committed == 0) return;
    struct run all = {.pages = counts->committed,
                      .dirty = dirty_count(heap, 0, counts->committed),
                      .freed_ms = now_ms(heap)};
    run_put(heap, &all);
    if (all.dirty > 0 && heap->decay_ms != UINT32_MAX)
        __atomic_store_n(&heap->next_purge_ms, all.freed_ms + heap->decay_ms, __ATOMIC_RELAXED);
}

uint64_t ash_runs_first_page(const struct ash_heap *heap, uint64_t page) {
    while (page > 0 && ash_page_kind_of(ash_page_at(heap, page)) == ASH_PAGE_NONE) page--;
    const struct ash_page *found = ash_page_at(heap, page);
    return found->head == NULL ? page : ash_page_number(heap, found->head);
}
