/* The fast paths of malloc and free, to be compiled into whoever calls them: the core's own
 * functions, and the front end's malloc and free, which then need no second call.
 *
 * Each does the whole work or none of it. Where it does none, the slow path starts from the
 * beginning and finds out why: so a fast path keeps nothing for it, and saves no registers. */
#ifndef ASH_FAST_H
#define ASH_FAST_H

#include "heap/bins.h"
#include "heap/classes.h"

/* A block for up to ASH_SMALL_BYTES_MAX bytes: the lowest candidate of the bin's current window.
 * False when there is none, or `bytes` is more. */
ASH_INLINE bool ash_fast_malloc(struct ash_thread_heap *th, size_t bytes, void **block) {
    if (ASH_UNLIKELY(bytes > ASH_SMALL_BYTES_MAX)) return false;
    struct ash_bin *bin = ash_bin_of_small(th, bytes);
    ASH_OPAQUE(bin);
    uint64_t candidates = bin->candidates;
    if (ASH_UNLIKELY(candidates == 0)) return false;
    *block = ash_bin_take(bin, candidates);
    return true;
}

/* The same at a multiple of `alignment`. */
ASH_INLINE bool ash_fast_aligned(struct ash_thread_heap *th, size_t alignment, size_t bytes,
                                 void **block) {
    if (ASH_UNLIKELY(!ash_has_aligned_class(bytes, alignment))) return false;
    return ash_fast_malloc(th, ash_aligned_bytes(bytes, alignment), block);
}

/* The slab's page that `block` lies in; false when `th` owns none there. */
ASH_INLINE bool ash_fast_page(const struct ash_thread_heap *th, const void *block,
                              struct ash_page **page) {
    uint64_t number = ((uint64_t)(uintptr_t)block - th->region_base) >> ASH_PAGE_SHIFT;
    if (ASH_UNLIKELY(number >= th->page_limit)) return false;
    *page = th->pages + number;
    return ASH_LIKELY(atomic_load_explicit(&(*page)->owner, memory_order_relaxed) == th);
}

/* Index of the block that starts at `block`, in a slab's `page`; false when none starts there. */
ASH_INLINE bool ash_fast_index(const struct ash_page *page, const void *block, uint64_t *index) {
    bool starts;
    uint64_t offset = ((uint64_t)(uintptr_t)block % ASH_PAGE_BYTES) + page->page_offset_bytes;
    *index = ash_block_index(offset, page->reciprocal, &starts);
    return ASH_LIKELY(starts);
}

/* The block of a slab that `th` owns that starts at `block`; false when there is none. */
ASH_INLINE bool ash_fast_find(const struct ash_thread_heap *th, const void *block,
                              struct ash_page **page, uint64_t *index) {
    return ash_fast_page(th, block, page) && ash_fast_index(*page, block, index);
}

/* Whether others have freed blocks of the slab; asked before a word is read. A remote free that
 * this thread must know of happened before, by the program's own synchronisation: it is in the
 * summary or, when a visitor has just emptied that (visit.c), in the word. Acquire: the word is
 * read later.
 */
ASH_INLINE bool ash_fast_shared(const struct ash_page *page) {
    return atomic_load_explicit(&page->head->remote_summary, memory_order_acquire) != 0;
}

/* Whether the block found is live; false also when others have freed blocks of its slab, perhaps
 * this one. */
ASH_INLINE bool ash_fast_live(const struct ash_page *page, uint64_t index) {
    bool shared = ash_fast_shared(page);
    uint64_t word = ash_word_get(&page->words[index / ASH_WINDOW_BLOCKS]);
    bool is_free = (word >> (index % ASH_WINDOW_BLOCKS) & 1) != 0;
    return ASH_LIKELY(!is_free && !shared);
}

/* Frees the block found when it is live and that changes one word and nothing else: false when
 * others have freed blocks of the slab, or when its window, not the current one, had no free block
 * or has no live one afterwards. The commit is one store. */
ASH_INLINE bool ash_fast_give(struct ash_thread_heap *th, struct ash_page *page, uint64_t index) {
    uint64_t *word = &page->words[index / ASH_WINDOW_BLOCKS];
    if (ASH_UNLIKELY(ash_fast_shared(page))) return false;
    ASH_YIELD(FREE);
    uint64_t before = ash_word_get(word), after = before;
    if (ASH_UNLIKELY(ash_set_bit(&after, index))) return false;
    /* A current window is settled when its bin moves on. */
    bool edge = ASH_UNLIKELY(before == 0) || ASH_UNLIKELY(after == UINT64_MAX) ||
                ASH_UNLIKELY(after == page->full_tail);
    if (ASH_UNLIKELY(edge) && word != th->bins[page->class_index].word) return false;
    ash_word_free(word, after);
    return true;
}

/* Frees a live block of a slab that `th` owns, on the terms of ash_fast_give. */
ASH_INLINE bool ash_fast_free(struct ash_thread_heap *th, void *block) {
    struct ash_page *page;
    uint64_t index;
    return ash_fast_find(th, block, &page, &index) && ash_fast_give(th, page, index);
}

/* The same when a block for `bytes` bytes would have the block's class. */
ASH_INLINE bool ash_fast_free_sized(struct ash_thread_heap *th, void *block, size_t bytes) {
    struct ash_page *page;
    uint64_t index;
    return ash_fast_page(th, block, &page) && ASH_LIKELY(bytes <= ASH_SMALL_BYTES_MAX) &&
           ASH_LIKELY(page->class_index == ash_class_of_small(bytes)) &&
           ash_fast_index(page, block, &index) && ash_fast_give(th, page, index);
}

/* What the fast paths leave: any size (errno ENOMEM), any pointer. */
ASH_HIDDEN void *ash_malloc_slow(struct ash_thread_heap *th, size_t bytes);
ASH_HIDDEN void ash_free_slow(struct ash_thread_heap *th, void *block);

#endif
