/* Spans: one or more whole pages for one large block. See spans.c. */
#ifndef ASH_SPANS_H
#define ASH_SPANS_H

#include "heap/layout.h"

/* A span for `bytes` (over ASH_CLASS_BYTES_MAX, or with an alignment over it, at most PTRDIFF_MAX)
 * whose address is a multiple of `alignment` (0 for none asked). NULL and errno ENOMEM when there
 * is no memory, not even after giving back what the thread heap keeps for itself and what others
 * freed into its slabs. */
void *ash_span_create(struct ash_thread_heap *th, size_t bytes, size_t alignment);
/* The same without an alignment, and the requested bytes are zero. */
void *ash_span_create_zero(struct ash_thread_heap *th, size_t bytes);
/* Frees the span that starts at `head`, which `th` may keep; reports it when some other thread
 * freed it a moment before. */
void ash_span_free(struct ash_thread_heap *th, struct ash_page *head);
/* Gives the pages of a claimed span back, under the heap's lock, while pages change hands. */
void ash_span_give(struct ash_heap *heap, struct ash_page *head);
/* Makes the span `bytes` long where it is, or moves it; NULL when there is no memory, and then it
 * is as it was. */
void *ash_span_resize(struct ash_thread_heap *th, struct ash_page *head, size_t bytes);

ASH_INLINE uint64_t ash_span_pages(size_t bytes) {
    return ((uint64_t)bytes + ASH_PAGE_BYTES - 1) >> ASH_PAGE_SHIFT;
}
ASH_INLINE size_t ash_span_bytes(const struct ash_page *head) {
    return (size_t)head->pages << ASH_PAGE_SHIFT;
}

/* A span is none any more. Field by field: the compiler would clear all of the descriptor by one
 * string instruction, whose start costs more than the rest of a free. */
ASH_INLINE void ash_span_wipe(struct ash_page *head) {
    ash_page_set_kind(head, ASH_PAGE_NONE);
    head->head = NULL;
    head->pages = 0;
    head->span.requested_bytes = head->span.alignment = 0;
    head->span.moved = 0;
    head->span.keeper = head->span.kept_next = 0;
}

#endif
