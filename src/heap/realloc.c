/* realloc.
 *
 * A block stays where it is just when a new block of the new size would be like it: the same class,
 * or a span that can be resized. So a sized free may name the size of the last realloc, and a wrong
 * one is always found. Everything else is a new block, a copy and a free; when there is no memory
 * for the new one, the old one is as it was. */
#include "heap/bins.h"
#include "heap/classes.h"
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

static void *realloc_moved(struct ashlar_thread_heap *th, void *block, size_t old_bytes,
                           size_t bytes) {
    void *moved = ashlar_malloc(th, bytes);
    if (moved == NULL && ASH_PLANTED(28)) ashlar_free(th, block);
    if (moved == NULL) return NULL;
    size_t kept = old_bytes < bytes ? old_bytes : bytes;
    memcpy(moved, block, ASH_PLANTED(5) ? kept & ~(size_t)15 : kept);
    ashlar_free(th, block);
    return moved;
}

void *ashlar_realloc(struct ashlar_thread_heap *th, void *block, size_t bytes) {
    if (block == NULL) return ashlar_malloc(th, bytes);
    struct ash_located located;
    if (!ash_locate_live(ash_th_of(th), "realloc", (uint64_t)(uintptr_t)block, &located)) {
        errno = EINVAL;
        return NULL;
    }
    if (bytes == 0) {
        ashlar_free(th, block);
        return NULL;
    }
    bool was_span = located.place == ASH_AT_SPAN, becomes_span = bytes > ASH_CLASS_BYTES_MAX;
    if (was_span && becomes_span) return realloc_span(ash_th_of(th), &located, bytes);
    bool same = !was_span && !becomes_span && ash_class_of(bytes) == located.head->class_index;
    return same ? block : realloc_moved(th, block, located.bytes, bytes);
}
