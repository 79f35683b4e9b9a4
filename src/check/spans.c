/* Spans, each as the walk of the pages pass comes to it. One block each, live or kept.
 *
 * Proves: SPAN_REQUESTED (400: it has just the pages that its size asks for), SPAN_ALIGNMENT (401),
 * SPAN_MOVED (402), SPAN_SPARE (403: fields of other kinds, and of kept spans in live ones, are
 * empty). Whose list a kept one is in: threads.c.
 *
 * Relies on: the pages pass (shape of each head). */
#include "check/pass.h"

static const struct ash_page_fields span_fields = {
    {ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(kind), ASH_PAGE_FIELD(pages),
     ASH_PAGE_FIELD(span.requested_bytes), ASH_PAGE_FIELD(span.alignment),
     ASH_PAGE_FIELD(span.moved)}};
static const struct ash_page_fields kept_fields = {
    {ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(kind), ASH_PAGE_FIELD(pages),
     ASH_PAGE_FIELD(span.requested_bytes), ASH_PAGE_FIELD(span.alignment),
     ASH_PAGE_FIELD(span.moved), ASH_PAGE_FIELD(span.keeper), ASH_PAGE_FIELD(span.kept_next)}};

/* What is wrong with a span. */
enum { WRONG_REQUESTED = 1, WRONG_ALIGNMENT = 2, WRONG_MOVED = 4, WRONG_SPARE = 8 };

static void span_wrong(struct ash_check *check, enum ashlar_finding_code code, uint64_t page,
                       size_t offset, uint64_t expected, uint64_t found) {
    ASH_FOUND(check, .code = code, .page = page, .address = ash_at_field(check, page, offset),
              .expected = expected, .found = found);
}

static ASH_COLD void span_report(struct ash_check *check, const struct ash_head *head,
                                 unsigned wrong) {
    const struct ash_page *span = head->descriptor;
    uint64_t page = head->page;
    if ((wrong & WRONG_REQUESTED) != 0)
        span_wrong(check, ASHLAR_SPAN_REQUESTED, page,
                   offsetof(struct ash_page, span.requested_bytes), head->pages << ASH_PAGE_SHIFT,
                   span->span.requested_bytes);
    if ((wrong & WRONG_ALIGNMENT) != 0)
        span_wrong(check, ASHLAR_SPAN_ALIGNMENT, page, offsetof(struct ash_page, span.alignment),
                   check->heap->root.region_base + (page << ASH_PAGE_SHIFT), span->span.alignment);
    if ((wrong & WRONG_MOVED) != 0)
        span_wrong(check, ASHLAR_SPAN_MOVED, page, offsetof(struct ash_page, span.moved), 0,
                   span->span.moved);
    if ((wrong & WRONG_SPARE) != 0) span_wrong(check, ASHLAR_SPAN_SPARE, page, 0, 0, 0);
}

static bool span_is_aligned(const struct ash_check *check, const struct ash_head *head) {
    uint64_t address = check->heap->root.region_base + (head->page << ASH_PAGE_SHIFT);
    uint64_t alignment = head->descriptor->span.alignment;
    return ash_is_power_of_two(alignment) && alignment <= ASH_ALIGNMENT_MAX &&
           address % alignment == 0;
}

/* Bytes of so many pages that a span does not need: a page's or more, also by wrapping, when it has
 * not the pages that were asked for. */
static uint64_t span_spare(uint64_t pages, uint64_t requested_bytes) {
    return (pages << ASH_PAGE_SHIFT) - (requested_bytes > 0 ? requested_bytes : 1);
}

void ash_check_span(struct ash_check *check, const struct ash_head *head) {
    const struct ash_page *span = head->descriptor;
    bool may_move = (check->heap->root.flags & ASH_ROOT_PURGES) != 0;
    unsigned wrong = 0;
    if (span_spare(head->pages, span->span.requested_bytes) >= ASH_PAGE_BYTES)
        wrong |= WRONG_REQUESTED;
    if (span->span.alignment != 0 && !span_is_aligned(check, head)) wrong |= WRONG_ALIGNMENT;
    if (span->span.moved > (may_move ? 1 : 0)) wrong |= WRONG_MOVED;
    bool kept = head->kind == ASH_PAGE_KEPT;
    /* A span that is freed while it is copied may be both. */
    bool either = kept || check->reader->running;
    if (!ash_check_only(span, either ? &kept_fields : &span_fields)) wrong |= WRONG_SPARE;
    check->tally.spans++;
    check->tally.span_pages += head->pages;
    check->tally.moved_spans += span->span.moved != 0;
    check->tally.kept += kept;
    check->report->blocks_checked += !kept;
    check->report->live_blocks += !kept;
    if (ASH_UNLIKELY(wrong != 0)) span_report(check, head, wrong);
}
