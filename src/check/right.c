/* What is right in all, passed over at once: spans and free runs, of which a heap of large blocks
 * has thousands. The walk of the pages pass comes here first, wherever a head must be.
 *
 * Proves: of what it passes over, all that the pages pass, spans.c and runs.c prove of such pages.
 * Of anything else it says nothing: it stops, and they find out what it is. So it may be strict,
 * and must never be lenient. A span that was moved or asked for an alignment is theirs, and a free
 * run with a clean page, and what is not in view as a whole.
 *
 * Relies on: the region pass.
 *
 * Most of a right descriptor is zero. What is set where nothing should be is gathered over a
 * *stretch* of heads and looked at once, and so are their dirty bits. Where that fails, none of the
 * stretch is passed over. As the walk then comes here again from each of its heads, stretches have
 * an end. */
#include "check/pass.h"

enum { STRETCH_PAGES = 256 }; /* that its last head may be away from its first */

/* What heads of spans may hold. */
static const struct ash_page_fields live_fields = {{ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(kind),
                                                    ASH_PAGE_FIELD(pages),
                                                    ASH_PAGE_FIELD(span.requested_bytes)}};
static const struct ash_page_fields kept_fields = {
    {ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(kind), ASH_PAGE_FIELD(pages),
     ASH_PAGE_FIELD(span.requested_bytes), ASH_PAGE_FIELD(span.keeper),
     ASH_PAGE_FIELD(span.kept_next)}};

struct stretch {
    uint64_t heads, kept, free_runs, free_pages;
    bool inside;                   /* pages behind a head are looked at, too */
    ash_lanes any[ASH_PAGE_LANES]; /* what was found set, each lane by itself: none waits */
};

/* Gathers what one descriptor holds beside some fields, and all that those before `end` hold. Lane
 * by lane in so many words: loops would keep them in memory. */
ASH_INLINE void gather_beside(struct stretch *stretch, const struct ash_page *page,
                              const struct ash_page_fields *fields) {
    const ash_lanes *lanes = (const ash_lanes *)page, *masks = (const ash_lanes *)fields;
    stretch->any[0] |= lanes[0] & ~masks[0];
    stretch->any[1] |= lanes[1] & ~masks[1];
    stretch->any[2] |= lanes[2] & ~masks[2];
    stretch->any[3] |= lanes[3] & ~masks[3];
    stretch->any[4] |= lanes[4] & ~masks[4];
    stretch->any[5] |= lanes[5] & ~masks[5];
    stretch->any[6] |= lanes[6] & ~masks[6];
    stretch->any[7] |= lanes[7] & ~masks[7];
}
ASH_INLINE void gather_inside(struct stretch *stretch, const struct ash_page *page,
                              const struct ash_page *end) {
    if (!stretch->inside) return;
    for (; page < end; page++) {
        const ash_lanes *lanes = (const ash_lanes *)page;
        stretch->any[0] |= lanes[0];
        stretch->any[1] |= lanes[1];
        stretch->any[2] |= lanes[2];
        stretch->any[3] |= lanes[3];
        stretch->any[4] |= lanes[4];
        stretch->any[5] |= lanes[5];
        stretch->any[6] |= lanes[6];
        stretch->any[7] |= lanes[7];
    }
}
ASH_INLINE bool gathered_nothing(const struct stretch *stretch) {
    const ash_lanes *lanes = stretch->any;
    ash_lanes any =
        lanes[0] | lanes[1] | lanes[2] | lanes[3] | lanes[4] | lanes[5] | lanes[6] | lanes[7];
    return (any[0] | any[1]) == 0;
}

/* Whether a span before `end` is right, as far as that is not gathered. One of no byte has a page
 * to spare, and is left to spans.c. */
ASH_INLINE bool right_span(struct stretch *stretch, const struct ash_page *span,
                           const struct ash_page *end) {
    uint64_t spare = ((uint64_t)span->pages << ASH_PAGE_SHIFT) - span->span.requested_bytes;
    if (spare >= ASH_PAGE_BYTES || span->span.alignment != 0 || span->span.moved != 0) return false;
    if (ASH_LIKELY(span->kind == ASH_PAGE_SPAN)) {
        gather_beside(stretch, span, &live_fields);
    } else {
        gather_beside(stretch, span, &kept_fields);
        stretch->kept++;
    }
    gather_inside(stretch, span + 1, end);
    return true;
}

/* The same for a free run, all of whose pages are dirty; the page behind it is in view. */
ASH_INLINE bool right_run(struct stretch *stretch, const struct ash_page *run,
                          const struct ash_page *end) {
    const struct ash_page *last = end - 1;
    if (run->run.dirty_pages != run->pages || end->kind == ASH_PAGE_FREE) return false;
    if (last->kind != ASH_PAGE_FREE || last->pages != run->pages || last->head != run->head)
        return false;
    gather_beside(stretch, run, &ash_run_fields);
    gather_inside(stretch, run + 1, last);
    if (last != run) gather_beside(stretch, last, &ash_run_last_fields);
    stretch->free_runs++;
    stretch->free_pages += run->pages;
    return true;
}

static void right_count(struct ash_check *check, const struct stretch *stretch, uint64_t pages) {
    uint64_t spans = stretch->heads - stretch->free_runs, live = spans - stretch->kept;
    struct ash_tally *tally = &check->tally;
    tally->spans += spans;
    tally->kept += stretch->kept;
    tally->span_pages += pages - stretch->free_pages;
    tally->free_runs += stretch->free_runs;
    tally->dirty_runs += stretch->free_runs;
    tally->free_pages += stretch->free_pages;
    tally->dirty_free += stretch->free_pages;
    check->report->blocks_checked += live;
    check->report->live_blocks += live;
}

uint64_t ash_check_right(struct ash_check *check, const struct ash_walk *walk, uint64_t page) {
    if (page - walk->first >= walk->count) return 0;
    const struct ash_page *first = &walk->chunk[page - walk->first], *head = first;
    const uint64_t distance = ash_at_page(check, page) - (uint64_t)(uintptr_t)first;
    uint64_t left = walk->count - (page - walk->first), dirty;
    const struct ash_page *stop = first + (left < STRETCH_PAGES ? left : STRETCH_PAGES);
    struct stretch stretch = {.inside = check->tier != ASHLAR_CHECK_QUICK};
    for (; head < stop; stretch.heads++) {
        uint64_t pages = head->pages;
        const struct ash_page *end = head + pages;
        uint64_t at = (uint64_t)(uintptr_t)head + distance; /* in the heap's own space */
        if (pages - 1 >= left || (uint64_t)(uintptr_t)head->head != at) break;
        left -= pages;
        if (head->kind == ASH_PAGE_SPAN || head->kind == ASH_PAGE_KEPT) {
            if (!right_span(&stretch, head, end)) break;
        } else if (head->kind != ASH_PAGE_FREE || left == 0 || !right_run(&stretch, head, end)) {
            break;
        }
        head = end;
    }
    uint64_t pages = (uint64_t)(head - first);
    if (pages == 0 || !gathered_nothing(&stretch)) return 0;
    if (!ash_check_dirty(check, page, pages, &dirty) || dirty != pages) return 0;
    right_count(check, &stretch, pages);
    return pages;
}
