/* Pass 2: pages. Proves that slabs, spans and free runs partition the pages below the frontier.
 *
 * Proves: PAGE_KIND, PAGE_LENGTH, PAGE_HEAD (200..202: a head where a run must start, its length
 * within the frontier, pointing at itself), PAGE_BODY (203: further pages of a slab repeat what a
 * free reads), PAGE_INTERIOR (204: those of spans and free runs say nothing), PAGE_BEYOND (205: nor
 * does anything behind the frontier).
 *
 * Relies on: the region pass (geometry and frontier).
 *
 * A page that is no head where one must start is reported once, and the walk goes on at the next
 * page that is one; what lies between is not counted as checked. The quick tier goes from head to
 * head and leaves the pages between them out. */
#include "check/pass.h"

static void page_wrong(struct ash_check *check, enum ashlar_finding_code code, uint64_t page,
                       size_t offset, uint64_t expected, uint64_t found) {
    check->partition = false;
    ASH_FOUND(check, .code = code, .page = page, .address = ash_at_field(check, page, offset),
              .expected = expected, .found = found);
}

static void page_no_head(struct ash_check *check, uint64_t page, const struct ash_page *d,
                         enum ashlar_finding_code code) {
    uint64_t left = check->frontier - page;
    if (code == ASHLAR_PAGE_KIND)
        page_wrong(check, code, page, offsetof(struct ash_page, kind), 0, d->kind);
    else if (code == ASHLAR_PAGE_HEAD)
        page_wrong(check, code, page, offsetof(struct ash_page, head), ash_at_page(check, page),
                   (uint64_t)(uintptr_t)d->head);
    else
        page_wrong(check, code, page, offsetof(struct ash_page, pages), left,
                   d->kind == ASH_PAGE_SLAB ? d->slab_pages : d->pages);
}

static uint64_t page_owner(const struct ash_page *page) {
    return (uint64_t)(uintptr_t)atomic_load_explicit(&page->owner, memory_order_relaxed);
}

/* Whether further page `index` of the slab whose head is `head` repeats it. */
static bool page_repeats(const struct ash_page *head, const struct ash_page *body, uint64_t index) {
    bool same = body->reciprocal == head->reciprocal && body->words == head->words &&
                body->full_tail == head->full_tail && body->head == head->head &&
                body->block_count == head->block_count && body->class_index == head->class_index &&
                body->slab_pages == head->slab_pages;
    bool own = body->kind == ASH_PAGE_SLAB_BODY &&
               body->page_offset_bytes == index << ASH_PAGE_SHIFT &&
               atomic_load_explicit(&body->remote_summary, memory_order_relaxed) == 0 &&
               atomic_load_explicit(&body->pending_next, memory_order_relaxed) == 0 &&
               body->opened_windows == 0 && body->place == 0 && body->spare == 0;
    return same && own && page_owner(body) == page_owner(head) &&
           ash_check_zeros(&body->summary, sizeof *body - offsetof(struct ash_page, summary));
}

/* Checks the pages of a run behind its head; returns how many pages of the run hold together: fewer
 * than it claims when another run starts within. */
static uint64_t page_inside(struct ash_check *check, struct ash_walk *walk, uint64_t page,
                            const struct ash_page *head, uint64_t pages) {
    struct ash_page kept; /* the walk may replace what `head` points at */
    bool slab = head->kind == ASH_PAGE_SLAB;
    uint64_t end = head->kind == ASH_PAGE_FREE && pages > 1 ? pages - 1 : pages;
    if (!check->direct) {
        __builtin_memcpy(&kept, head, sizeof kept);
        head = &kept;
    }
    bool reported = false;
    for (uint64_t index = 1; index < end; index++) {
        const struct ash_page *inside = ash_walk_page(check, walk, page + index);
        if (inside == NULL) continue;
        if (slab ? page_repeats(head, inside, index) : ash_check_zeros(inside, sizeof *inside))
            continue;
        if (!reported)
            page_wrong(check, slab ? ASHLAR_PAGE_BODY : ASHLAR_PAGE_INTERIOR, page + index, 0,
                       slab ? ASH_PAGE_SLAB_BODY : ASH_PAGE_NONE, inside->kind);
        reported = true;
        uint64_t unused;
        if (ash_check_shape(check, page + index, inside, &unused) == 0) return index;
    }
    return pages;
}

/* Descriptors and dirty bits behind the frontier, as far as the OS page that holds its end goes:
 * what lies further is not committed, and may not be read. */
static void page_beyond(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    struct ash_page copy;
    uint64_t used = check->frontier * sizeof(struct ash_page);
    uint64_t end = ash_round_up(used, root->os_page_bytes) / sizeof(struct ash_page);
    if (end > root->region_pages) end = root->region_pages;
    for (uint64_t page = check->frontier; page < end; page++) {
        const struct ash_page *descriptor = ash_check_page(check, page, &copy);
        if (descriptor != NULL && !ash_check_zeros(descriptor, sizeof *descriptor))
            page_wrong(check, ASHLAR_PAGE_BEYOND, page, 0, 0, descriptor->kind);
    }
    unsigned within = check->frontier % 64;
    if (within == 0) return;
    uint64_t scratch, at = root->dirty + check->frontier / 64 * 8;
    const uint64_t *word = (const uint64_t *)ash_check_view(check, at, 8, &scratch);
    uint64_t behind = word == NULL ? 0 : *word & ~ash_low_bits(within);
    if (behind == 0) return;
    ASH_FOUND(check, .code = ASHLAR_PAGE_BEYOND, .address = at,
              .page = check->frontier / 64 * 64 + ash_lowest_bit(behind), .found = *word);
}

void ash_pass_pages(struct ash_check *check) {
    struct ash_walk walk;
    uint64_t pages, unreadable = check->report->unreadable;
    bool lost = false; /* within a stretch that was reported already */
    walk.first = walk.count = 0;
    check->muted = check->moving;
    check->partition = true;
    for (uint64_t page = 0; page < check->frontier; page += pages) {
        const struct ash_page *head = ash_walk_page(check, &walk, page);
        enum ashlar_finding_code code = ASHLAR_FINDING_NONE;
        if (head != NULL) code = ash_check_shape(check, page, head, &pages);
        if (head == NULL || code != ASHLAR_FINDING_NONE) {
            if (head != NULL && !lost) page_no_head(check, page, head, code);
            lost = true;
            pages = 1;
            continue;
        }
        lost = false;
        if (check->tier != ASHLAR_CHECK_QUICK && pages > 1)
            pages = page_inside(check, &walk, page, head, pages);
        check->report->pages_checked += pages;
    }
    if (!check->moving) page_beyond(check);
    if (check->moving || check->report->unreadable != unreadable) check->partition = false;
    check->muted = false;
}
