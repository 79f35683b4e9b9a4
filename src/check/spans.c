/* Pass 4: spans. One block each.
 *
 * Proves: SPAN_REQUESTED (400: it has just the pages that its size asks for), SPAN_ALIGNMENT (401),
 * SPAN_MOVED (402), SPAN_SPARE (403: fields of other kinds are empty).
 *
 * Relies on: the pages pass (shape of each head). */
#include "check/pass.h"

static void span_wrong(struct ash_check *check, enum ashlar_finding_code code, uint64_t page,
                       size_t offset, uint64_t expected, uint64_t found) {
    ASH_FOUND(check, .code = code, .page = page, .address = ash_at_field(check, page, offset),
              .expected = expected, .found = found);
}

/* Fields that only slabs use, and the bytes that no field of a span uses. */
static bool span_spare(const struct ash_page *span) {
    uint64_t any = span->reciprocal | (uint64_t)(uintptr_t)span->words | span->full_tail |
                   span->page_offset_bytes | span->block_count | span->class_index |
                   (uint64_t)(uintptr_t)atomic_load_explicit(&span->owner, memory_order_relaxed) |
                   atomic_load_explicit(&span->remote_summary, memory_order_relaxed) |
                   atomic_load_explicit(&span->pending_next, memory_order_relaxed);
    const uint8_t *bytes = (const uint8_t *)span;
    for (size_t at = offsetof(struct ash_page, span.moved) + 1; at < sizeof *span; at++)
        any |= bytes[at];
    return any == 0;
}

void ash_check_span(struct ash_check *check, const struct ash_head *head) {
    const struct ash_page *span = head->descriptor;
    const struct ash_root *root = &check->heap->root;
    uint64_t requested = span->span.requested_bytes, alignment = span->span.alignment;
    uint64_t address = root->region_base + (head->page << ASH_PAGE_SHIFT);
    uint64_t usable = head->pages << ASH_PAGE_SHIFT;
    uint64_t least = requested > 0 ? requested : 1;
    if (least > usable || usable - least >= ASH_PAGE_BYTES)
        span_wrong(check, ASHLAR_SPAN_REQUESTED, head->page,
                   offsetof(struct ash_page, span.requested_bytes), usable, requested);
    bool aligned = alignment == 0 || (ash_is_power_of_two(alignment) &&
                                      alignment <= ASH_ALIGNMENT_MAX && address % alignment == 0);
    if (!aligned)
        span_wrong(check, ASHLAR_SPAN_ALIGNMENT, head->page,
                   offsetof(struct ash_page, span.alignment), address, alignment);
    if (span->span.moved > ((root->flags & ASH_ROOT_PURGES) != 0 ? 1 : 0))
        span_wrong(check, ASHLAR_SPAN_MOVED, head->page, offsetof(struct ash_page, span.moved), 0,
                   span->span.moved);
    if (!span_spare(span)) span_wrong(check, ASHLAR_SPAN_SPARE, head->page, 0, 0, 0);
    check->tally.spans++;
    check->tally.span_pages += head->pages;
    check->tally.moved_spans += span->span.moved != 0;
    check->report->blocks_checked++;
    check->report->live_blocks++;
}

void ash_pass_spans(struct ash_check *check) {
    struct ash_walk walk;
    struct ash_head head = {0};
    walk.first = walk.count = 0;
    check->muted = check->moving;
    while (ash_next_head(check, &walk, &head))
        if (head.kind == ASH_PAGE_SPAN) ash_check_span(check, &head);
    check->muted = false;
}
