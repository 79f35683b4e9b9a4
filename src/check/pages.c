/* Pass 2: pages. Proves that slabs, spans and free runs partition the pages below the frontier, and
 * hands each head to those who prove the rest of it (slabs.c, spans.c, runs.c): one walk, so that a
 * descriptor is fetched once.
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

/* What further pages of a slab repeat of its first, and what they have of their own. */
static const struct ash_page_fields further_repeats = {
    {ASH_PAGE_FIELD(reciprocal), ASH_PAGE_FIELD(words), ASH_PAGE_FIELD(owner),
     ASH_PAGE_FIELD(full_tail), ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(block_count),
     ASH_PAGE_FIELD(class_index), ASH_PAGE_FIELD(slab_pages)}};
static const struct ash_page_fields further_own = {
    {ASH_PAGE_FIELD(kind), ASH_PAGE_FIELD(page_offset_bytes)}};

/* Whether a page is further page `index` of the slab whose first page is `head`. */
ASH_INLINE bool page_is_further(const struct ash_page *page, const struct ash_page *head,
                                uint64_t index) {
    const ash_lanes *lanes = (const ash_lanes *)page, *heads = (const ash_lanes *)head;
    const ash_lanes *repeats = (const ash_lanes *)&further_repeats;
    const ash_lanes *own = (const ash_lanes *)&further_own;
    ash_lanes any = {0};
    for (unsigned at = 0; at < ASH_PAGE_LANES; at++)
        any |= (lanes[at] ^ (heads[at] & repeats[at])) & ~own[at];
    return page->kind == ASH_PAGE_SLAB_BODY && page->page_offset_bytes == index << ASH_PAGE_SHIFT &&
           (any[0] | any[1]) == 0;
}

/* Whether the pages of a run behind its head are right, when all of it is in view: `pages` from its
 * head on. */
static bool page_inside_right(const struct ash_walk *walk, const struct ash_head *head,
                              const struct ash_page *pages) {
    if (head->page + head->pages > walk->first + walk->count) return false;
    if (head->kind == ASH_PAGE_FREE) return ash_check_empty(pages + 1, head->pages - 2);
    if (head->kind != ASH_PAGE_SLAB) return ash_check_empty(pages + 1, head->pages - 1);
    for (uint64_t index = 1; index < head->pages; index++)
        if (!page_is_further(&pages[index], pages, index)) return false;
    return true;
}

/* Checks the pages of a run behind its head one by one; returns how many pages of the run hold
 * together: fewer than it claims when another run starts within. */
static ASH_NOINLINE uint64_t page_inside(struct ash_check *check, struct ash_walk *walk,
                                         const struct ash_head *head) {
    bool slab = head->kind == ASH_PAGE_SLAB, reported = false;
    uint64_t end = head->kind == ASH_PAGE_FREE ? head->pages - 1 : head->pages;
    for (uint64_t index = 1; index < end; index++) {
        const struct ash_page *inside = ash_walk_page(check, walk, head->page + index);
        if (inside == NULL) {
            check->partition = false;
            continue;
        }
        if (slab ? page_is_further(inside, head->descriptor, index) : ash_check_empty(inside, 1))
            continue;
        if (!reported)
            page_wrong(check, slab ? ASHLAR_PAGE_BODY : ASHLAR_PAGE_INTERIOR, head->page + index, 0,
                       slab ? ASH_PAGE_SLAB_BODY : ASH_PAGE_NONE, inside->kind);
        reported = true;
        uint64_t unused;
        if (ash_check_shape(check, head->page + index, inside, &unused) == 0) return index;
    }
    return head->pages;
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
        if (descriptor != NULL && !ash_check_empty(descriptor, 1))
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

/* What the other files prove of a head. */
static void page_hand_on(struct ash_check *check, const struct ash_head *head,
                         struct ash_thread_view *owners) {
    if (head->kind == ASH_PAGE_FREE) {
        ash_check_run(check, head);
        return;
    }
    if (head->kind == ASH_PAGE_SLAB)
        ash_check_slab(check, head, owners);
    else
        ash_check_span(check, head);
    ash_check_live(check, head);
}

void ash_pass_pages(struct ash_check *check) {
    struct ash_walk walk;
    struct ash_thread_view owners;
    struct ash_page kept;
    uint64_t pages, checked = 0, end = 0; /* of the last run that was handed on */
    bool lost = false;                    /* within a stretch that was reported already */
    bool inside = check->tier != ASHLAR_CHECK_QUICK;
    walk.first = walk.count = 0;
    owners.id = 0;
    check->muted = check->moving;
    check->partition = check->identities = true;
    for (uint64_t page = 0; page < check->frontier; page += pages) {
        pages = page < end ? 0 : ash_check_right(check, &walk, page);
        if (pages > 0) {
            lost = false;
            checked += pages;
            continue;
        }
        const struct ash_page *found = ash_walk_page(check, &walk, page);
        enum ashlar_finding_code code =
            found == NULL ? ASHLAR_PAGE_KIND : ash_check_shape(check, page, found, &pages);
        if (ASH_UNLIKELY(code != ASHLAR_FINDING_NONE)) {
            if (found == NULL)
                check->partition = false;
            else if (!lost)
                page_no_head(check, page, found, code);
            lost = true;
            pages = 1;
            continue;
        }
        lost = false;
        const struct ash_page *in_view = found;
        if (!check->direct) { /* the walk may replace it on its way */
            kept = *found;
            found = &kept;
        }
        const struct ash_head head = {page, pages, found, (enum ash_page_kind)found->kind};
        if (inside && pages > 1 && !page_inside_right(&walk, &head, in_view))
            pages = page_inside(check, &walk, &head);
        checked += pages;
        if (page < end) continue; /* within the run before it, which claimed too much */
        end = page + head.pages;
        page_hand_on(check, &head, &owners);
    }
    check->report->pages_checked = checked;
    if (check->moving)
        check->partition = false;
    else
        page_beyond(check);
    check->muted = false;
}
