/* The check of what one operation touched, in time that does not grow with the heap.
 *
 * Proves for the slab, span or free run that holds an address what the passes prove of it, with its
 * places in its lists, its thread heap's bin, and what the counts can say by themselves. What it
 * cannot see: the rest of each list, and whether counts per kind are right.
 *
 * Relies on: the region pass, which it runs after; and on nothing else: everything that it follows
 * is compared first. */
#include "check/pass.h"

/* The head of the run that page `page` is in, as far as that can be told in one or two steps. */
static bool touched_head(struct ash_check *check, uint64_t page, struct ash_head *head) {
    const struct ash_page *descriptor = ash_check_page(check, page, NULL);
    uint64_t first = page, pages;
    if (descriptor->kind == ASH_PAGE_SLAB_BODY)
        first = page - (descriptor->page_offset_bytes >> ASH_PAGE_SHIFT);
    else if (descriptor->kind == ASH_PAGE_FREE && descriptor->pages <= page + 1 &&
             (uint64_t)(uintptr_t)descriptor->head != ash_at_page(check, page))
        first = page + 1 - descriptor->pages;
    else if (descriptor->kind == ASH_PAGE_NONE)
        return false; /* within a span or free run, which no field here names */
    const struct ash_page *at = first > page ? descriptor : ash_check_page(check, first, NULL);
    enum ashlar_finding_code code = ash_check_shape(check, first > page ? page : first, at, &pages);
    bool holds = first <= page && code == ASHLAR_FINDING_NONE && page - first < pages;
    if (!holds) {
        ASH_FOUND(check, .code = code == ASHLAR_FINDING_NONE ? ASHLAR_PAGE_HEAD : code,
                  .page = page, .address = ASH_AT(check, page, kind), .found = descriptor->kind);
        return false;
    }
    *head = (struct ash_head){first, pages, at, (enum ash_page_kind)at->kind};
    return true;
}

static const struct ash_page *touched_link(struct ash_check *check, uint32_t link) {
    return link == 0 || link > check->frontier ? NULL : ash_check_page(check, link - 1, NULL);
}

/* A queued slab against the places before and behind it. */
static void touched_queue(struct ash_check *check, const struct ash_head *head,
                          const struct ash_bin *bin, uint32_t id) {
    const struct ash_page *slab = head->descriptor;
    const struct ash_page *next = touched_link(check, slab->next);
    const struct ash_page *previous = touched_link(check, slab->previous);
    uint32_t link = (uint32_t)head->page + 1;
    uint32_t from = slab->previous == 0 ? bin->queue_head : previous == NULL ? 0 : previous->next;
    uint32_t to = slab->next == 0 ? bin->queue_tail : next == NULL ? 0 : next->previous;
    if (from == link && to == link) return;
    ASH_FOUND(check, .code = ASHLAR_QUEUE_LINKS, .page = head->page, .thread_heap = id,
              .index = slab->class_index, .address = ASH_AT(check, head->page, next),
              .expected = link, .found = from == link ? to : from);
}

static void touched_slab(struct ash_check *check, const struct ash_head *head) {
    struct ash_thread_view owners;
    owners.id = 0;
    check->identities = true;
    ash_check_slab(check, head, &owners);
    if (!check->identities || owners.id == 0) return;
    const struct ash_page *slab = head->descriptor;
    const struct ash_bin *bin = &owners.th->bins[slab->class_index];
    ash_check_bin(check, owners.th, owners.id, slab->class_index);
    if (slab->place == ASH_SLAB_QUEUED) touched_queue(check, head, bin, owners.id);
    if (bin->slabs == 0)
        ASH_FOUND(check, .code = ASHLAR_BIN_SLABS, .thread_heap = owners.id,
                  .index = slab->class_index, .expected = 1, .page = head->page,
                  .address = ASH_AT_THREAD(check, owners.id, bins[slab->class_index].slabs));
}

static void touched_page(struct ash_check *check, uint64_t page) {
    struct ash_head head;
    if (!touched_head(check, page, &head)) return;
    check->report->pages_checked = head.pages;
    check->partition = true; /* as far as links from here lead, which are compared */
    uint64_t dirty;
    if (head.kind == ASH_PAGE_FREE) {
        ash_check_run(check, &head);
        ash_check_run_neighbours(check, &head);
        return;
    }
    if (head.kind == ASH_PAGE_SLAB)
        touched_slab(check, &head);
    else
        ash_check_span(check, &head);
    if (ash_check_dirty(check, page, 1, &dirty) && dirty == 0)
        ASH_FOUND(check, .code = ASHLAR_DIRTY_LIVE, .page = page, .expected = 1,
                  .address = check->heap->root.dirty + page / 64 * 8);
}

void ash_pass_touched(struct ash_check *check, uint64_t address) {
    uint64_t offset = address - check->heap->root.region_base;
    if (offset >> ASH_PAGE_SHIFT < check->frontier) touched_page(check, offset >> ASH_PAGE_SHIFT);
    check->partition = false; /* the counts per kind were not made */
    ash_pass_accounting(check);
}
