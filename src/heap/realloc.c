/* realloc.
 *
 * A block stays where it is just when a new block of the new size would be like it: the same class,
 * or a span that can be resized. So a sized free may name the size of the last realloc, and a wrong
 * one is always found. Everything else is a new block, a copy and a free; when there is no memory
 * for the new one, the old one is as it was.
 *
 * The fast path is a proof as free's (fast.h) and a comparison of classes; what moves within it
 * needs no second proof to be freed. What the proof refuses is located the long way. */
#include "heap/fast.h"
#include "heap/locate.h"
#include "heap/spans.h"

#include <errno.h>
#include <string.h>

static void *realloc_span(struct ash_thread_heap *th, const struct ash_located *located,
                          size_t bytes) {
    void *block = NULL;
    if (bytes <= PTRDIFF_MAX) block = ash_span_resize(th, located->head, bytes);
    if (block == NULL && bytes <= PTRDIFF_MAX) {
        ash_bins_drop_spare(th);
        block = ash_span_resize(th, located->head, bytes);
    }
    if (block == NULL) errno = ENOMEM;
    return block;
}

/* A new block that holds what the old one does; NULL when there is no memory. */
ASH_INLINE void *copy_of(struct ash_thread_heap *th, void *block, size_t old_bytes, size_t bytes) {
    void *copy;
    if (!ash_fast_malloc(th, bytes, &copy)) copy = ash_malloc_slow(th, bytes);
    if (ASH_UNLIKELY(copy == NULL)) {
        if (ASH_PLANTED(28)) ash_free_slow(th, block);
        return NULL;
    }
    size_t kept = old_bytes < bytes ? old_bytes : bytes;
    return memcpy(copy, block, ASH_PLANTED(5) ? kept & ~(size_t)15 : kept);
}

/* Any block, to any size. */
static ASH_NOINLINE void *realloc_slow(struct ash_thread_heap *th, void *block, size_t bytes) {
    struct ash_located located;
    if (!ash_locate_live(th, "realloc", (uint64_t)(uintptr_t)block, &located)) {
        errno = EINVAL;
        return NULL;
    }
    if (bytes == 0) {
        ash_free_slow(th, block);
        return NULL;
    }
    bool was_span = located.place == ASH_AT_SPAN, becomes_span = bytes > ASH_CLASS_BYTES_MAX;
    if (was_span && becomes_span) return realloc_span(th, &located, bytes);
    if (!was_span && !becomes_span && ash_class_of(bytes) == located.head->class_index)
        return block;
    void *copy = copy_of(th, block, located.bytes, bytes);
    if (copy != NULL) ash_free_slow(th, block);
    return copy;
}

/* A live block of the thread heap's own slab, to another class. */
static ASH_NOINLINE void *realloc_moved(struct ash_thread_heap *th, void *block, size_t bytes,
                                        struct ash_page *page, uint64_t index) {
    void *copy = copy_of(th, block, ash_classes[page->class_index].block_bytes, bytes);
    if (ASH_LIKELY(copy != NULL) && !ash_fast_give(th, page, index)) ash_free_slow(th, block);
    return copy;
}

void *ashlar_realloc(struct ashlar_thread_heap *public_th, void *block, size_t bytes) {
    struct ash_thread_heap *th = ash_th_of(public_th);
    struct ash_page *page;
    uint64_t index;
    if (ASH_UNLIKELY(bytes == 0 || bytes > ASH_CLASS_BYTES_MAX ||
                     !ash_fast_find(th, block, &page, &index) || !ash_fast_live(page, index)))
        return block == NULL ? ashlar_malloc(public_th, bytes) : realloc_slow(th, block, bytes);
    if (ash_class_of(bytes) == page->class_index) return block;
    return realloc_moved(th, block, bytes, page, index);
}
