/* Freeing: free, sized free, usable size.
 *
 * The fast path (fast.h) proves on its way that the pointer is the start of a live block of a slab
 * that the calling thread heap owns: page in the committed region, owner, reciprocal, the block's
 * bit. What it refuses comes to ash_free_slow, which finds out what it is. */
#include "heap/fast.h"
#include "heap/locate.h"
#include "heap/misuse.h"
#include "heap/remote.h"
#include "heap/runs.h"
#include "heap/spans.h"
#include "heap/visit.h"

/* The pointer is not a live block's start: find out why, and say it. */
static ASH_COLD void free_faulty(struct ash_thread_heap *th, void *block, const char *operation) {
    struct ash_located located;
    ash_locate_live(th, operation, (uint64_t)(uintptr_t)block, &located);
}

/* Frees the first block of a window, or what may be the last live one. The word is set within the
 * transition: a reader outside sees no word that the summary does not know of. */
static ASH_NOINLINE void free_window(struct ash_thread_heap *th, struct ash_page *page,
                                     uint64_t *word, uint64_t after) {
    struct ash_page *head = page->head;
    if (word == th->bins[head->class_index].word) { /* settled when the bin moves on */
        ash_word_free(word, after);
        return;
    }
    bool waited = ash_runs_wait(th->heap);
    uint32_t before = ash_transition_begin(th, ASH_FREE_WINDOW);
    ash_word_free(word, after);
    uint64_t window = (uint64_t)(word - head->words);
    if (!ASH_PLANTED(2) || window % 2 == 0) head->summary |= (uint64_t)1 << window;
    ash_slab_settle(th, head);
    ash_collect_pending(th); /* a thread that only frees has no other slow path */
    if (!waited && ash_runs_wait(th->heap)) ash_bins_shorten(th);
    ash_transition_end(th, before);
}

/* Marks the block free, and looks after its window when it had no free block or may have become all
 * free. */
ASH_INLINE void free_commit(struct ash_thread_heap *th, struct ash_page *page, uint64_t *word,
                            uint64_t before, uint64_t after) {
    if (ASH_UNLIKELY(before == 0 || after == UINT64_MAX || after == page->full_tail))
        return free_window(th, page, word, after);
    ash_word_free(word, after);
}

/* Some blocks of the slab are remotely freed: is this one? When it was the last live one, nobody
 * else sees to the slab. */
static ASH_NOINLINE void free_beside_remote(struct ash_thread_heap *th, void *block,
                                            struct ash_page *page, uint64_t index,
                                            const char *operation) {
    struct ash_page *head = page->head;
    if (!ASH_PLANTED(11) && ash_remote_holds(th->heap, head, (uint32_t)index))
        return free_faulty(th, block, operation);
    uint64_t *word = &page->words[index / ASH_WINDOW_BLOCKS];
    ASH_YIELD(FREE);
    uint64_t before = ash_word_get(word);
    uint64_t after = before | (uint64_t)1 << (index % ASH_WINDOW_BLOCKS);
    if (before == 0 || after == UINT64_MAX || after == page->full_tail)
        return free_window(th, page, word, after); /* collects */
    ash_word_free(word, after);
    if (head->place != ASH_SLAB_CURRENT && ash_slab_complete(th->heap, head)) ash_collect(th);
}

/* Frees a block of a slab that `th` owns. Every way out of it is a call in tail position, so that
 * the fast path saves no registers. */
ASH_INLINE void free_own(struct ash_thread_heap *th, void *block, struct ash_page *page,
                         const char *operation) {
    uint64_t index;
    if (!ash_fast_index(page, block, &index)) return free_faulty(th, block, operation);
    uint64_t *word = &page->words[index / ASH_WINDOW_BLOCKS];
    bool shared = ash_fast_shared(page);
    ASH_YIELD(FREE);
    uint64_t before = ash_word_get(word),
             after = before | (uint64_t)1 << (index % ASH_WINDOW_BLOCKS);
    if (ASH_UNLIKELY(before == after)) return free_faulty(th, block, operation);
    if (ASH_UNLIKELY(shared)) return free_beside_remote(th, block, page, index, operation);
    free_commit(th, page, word, before, after);
}

/* No page of a slab: a span that starts there, or a fault. */
static void free_span(struct ash_thread_heap *th, void *block, struct ash_page *page,
                      enum ash_page_kind kind) {
    if (kind != ASH_PAGE_SPAN || (uint64_t)(uintptr_t)block % ASH_PAGE_BYTES != 0)
        return free_faulty(th, block, "free");
    ash_span_free(th, page);
}

void ash_free_slow(struct ash_thread_heap *th, void *block) {
    if (block == NULL) return;
    uint64_t number = ((uint64_t)(uintptr_t)block - th->region_base) >> ASH_PAGE_SHIFT;
    if (number >= th->page_limit)
        th->page_limit =
            atomic_load_explicit(&th->heap->root.committed_pages, memory_order_acquire);
    if (number >= th->page_limit) return free_faulty(th, block, "free");
    struct ash_page *page = th->pages + number;
    /* The kind first: with it, all that a free reads of a slab is there. */
    enum ash_page_kind kind = ash_page_kind_of(page);
    if (kind != ASH_PAGE_SLAB && kind != ASH_PAGE_SLAB_BODY)
        return free_span(th, block, page, kind);
    struct ash_thread_heap *owner = atomic_load_explicit(&page->owner, memory_order_relaxed);
    if (owner == th) return free_own(th, block, page, "free");
    ash_remote_free(th, block, page, owner);
}

void ashlar_free(struct ashlar_thread_heap *public_th, void *block) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    if (!ash_fast_free(th, block)) ash_free_slow(th, block);
}

/* Whether a block for `bytes` at `alignment` would be what `located` is. */
static bool size_fits(const struct ash_located *located, size_t alignment, size_t bytes) {
    if (alignment != 0 && !ash_is_power_of_two(alignment)) return false; /* no block has it */
    bool span = bytes > ASH_CLASS_BYTES_MAX || alignment > ASH_CLASS_BYTES_MAX;
    if (span != (located->place == ASH_AT_SPAN)) return false;
    if (span && ASH_PLANTED(303) && bytes > located->bytes) return true;
    if (span) return ash_span_pages(bytes > 0 ? bytes : 1) == located->head->pages;
    unsigned class_index = alignment > ASH_BLOCK_ALIGN && !ASH_PLANTED(26)
                               ? ash_class_of_aligned(bytes, alignment)
                               : ash_class_of(bytes);
    return class_index == located->head->class_index;
}

/* Any pointer and any size: proves the block first, and that the size is its own. */
static ASH_NOINLINE void free_sized_elsewhere(struct ash_thread_heap *th, void *block,
                                              size_t alignment, size_t bytes) {
    uint64_t address = (uint64_t)(uintptr_t)block;
    struct ash_located located;
    if (block == NULL || !ash_locate_live(th, "free_sized", address, &located)) return;
    if (!size_fits(&located, alignment, bytes))
        ash_misuse(th, ASHLAR_MISUSE_SIZE, "free_sized", address, located.start, located.bytes,
                   bytes);
    else
        ashlar_free((struct ashlar_thread_heap *)th, block);
}

void ashlar_free_aligned_sized(struct ashlar_thread_heap *th, void *block, size_t alignment,
                               size_t bytes) {
    free_sized_elsewhere(ash_th_of(th), block, alignment, bytes);
}

/* As free, and the class that the size asks for is compared with the page's on the way. */
void ashlar_free_sized(struct ashlar_thread_heap *public_th, void *block, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    struct ash_page *page;
    if (ASH_UNLIKELY(!ash_fast_page(th, block, &page) || bytes > ASH_CLASS_BYTES_MAX ||
                     page->class_index != ash_class_of(bytes)))
        return free_sized_elsewhere(th, block, 0, bytes);
    free_own(th, block, page, "free_sized");
}

/* Of any pointer: a block of another thread heap's, a span, or a fault. */
static ASH_NOINLINE size_t usable_size_elsewhere(struct ash_thread_heap *th, const void *block) {
    struct ash_located located;
    if (block == NULL || !ash_locate_live(th, "usable_size", (uint64_t)(uintptr_t)block, &located))
        return 0;
    return located.bytes;
}

size_t ashlar_usable_size(struct ashlar_thread_heap *public_th, const void *block) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    struct ash_page *page;
    uint64_t index;
    if (ash_fast_find(th, block, &page, &index) && ash_fast_live(page, index))
        return ash_classes[page->class_index].block_bytes +
               (ASH_PLANTED(22) && index % ASH_WINDOW_BLOCKS == ASH_WINDOW_BLOCKS - 1 ? 16 : 0);
    return usable_size_elsewhere(th, block);
}
