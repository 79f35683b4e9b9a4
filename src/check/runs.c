/* Runs. Proves the free runs, each as the walk of the pages pass comes to it, and which pages are
 * dirty; then, as pass 3, how the free runs are listed.
 *
 * Proves: RUN_ENDS, RUN_NEIGHBOURS (450, 451), RUN_BIN, RUN_LINKS, RUN_BITMAP, RUN_UNLISTED
 * (452..455: each run is in the bin of its size, once), DIRTY_LINKS, DIRTY_ORDER, DIRTY_UNLISTED,
 * DIRTY_COUNT (456..459: the list of dirty runs), DIRTY_LIVE (460: what is handed out counts as
 * dirty), DIRTY_DUE (462), RUN_SPARE (463).
 *
 * Relies on: the region pass, the shape of each head; for the lists, the partition (pages pass).
 *
 * Lists are walked as check.c, section 4, says. Bins: exact up to 15 pages, then eight per
 * doubling. */
#include "check/pass.h"

#include <string.h>

static void run_wrong(struct ash_check *check, enum ashlar_finding_code code, uint64_t page,
                      size_t offset, uint64_t expected, uint64_t found) {
    ASH_FOUND(check, .code = code, .page = page, .address = ash_at_field(check, page, offset),
              .expected = expected, .found = found);
}
#define RUN_WRONG(check, head, code, field, expected)                                              \
    run_wrong((check), (code), (head)->page, offsetof(struct ash_page, field), (expected),         \
              (uint64_t)(head)->descriptor->field)

static unsigned run_bin(uint64_t pages) {
    if (pages < 16) return (unsigned)pages;
    unsigned shift = ash_highest_bit(pages) - 3;
    return 8 * shift + (unsigned)(pages >> shift);
}

/* Brings dirty word `word` into view. */
static const uint64_t *dirty_load(struct ash_check *check, uint64_t word) {
    uint64_t most = (check->frontier + 63) / 64 - word;
    uint64_t count = check->direct || most < ASH_WALK_PAGES ? most : ASH_WALK_PAGES;
    uint64_t at = check->heap->root.dirty + word * sizeof word;
    check->dirty_words =
        (const uint64_t *)ash_check_view(check, at, count * sizeof word, check->dirty_copy);
    check->dirty_first = word;
    check->dirty_count = check->dirty_words == NULL ? 0 : count;
    return check->dirty_words;
}

bool ash_check_dirty_range(struct ash_check *check, uint64_t page, uint64_t pages,
                           uint64_t *dirty) {
    uint64_t count = 0, end = page + pages;
    while (page < end) {
        uint64_t word = page / 64, stop = (word + 1) * 64 < end ? (word + 1) * 64 : end;
        if (word - check->dirty_first >= check->dirty_count && dirty_load(check, word) == NULL)
            return false;
        uint64_t bits = check->dirty_words[word - check->dirty_first] >> (page % 64) &
                        ash_low_bits((unsigned)(stop - page));
        count += bits == ash_low_bits((unsigned)(stop - page)) ? stop - page : ash_count_bits(bits);
        page = stop;
    }
    *dirty = count;
    return true;
}

static void run_ends(struct ash_check *check, const struct ash_head *head) {
    struct ash_page copy;
    uint64_t last = head->page + head->pages - 1;
    const struct ash_page *end = ash_check_page(check, last, &copy);
    if (end == NULL) return;
    bool same = end->kind == ASH_PAGE_FREE && end->pages == head->pages &&
                (uint64_t)(uintptr_t)end->head == ash_at_page(check, head->page);
    if (!same)
        run_wrong(check, ASHLAR_RUN_ENDS, last, offsetof(struct ash_page, pages), head->pages,
                  end->pages);
    else if (!ASH_PLANTED(401) && !ash_check_only(end, &ash_run_last_fields))
        run_wrong(check, ASHLAR_RUN_SPARE, last, 0, 0, 0);
}

void ash_check_run(struct ash_check *check, const struct ash_head *head) {
    const struct ash_page *run = head->descriptor;
    uint64_t pages = head->pages, dirty;
    bool timeless = run->run.dirty_pages != 0 || run->run.freed_ms == 0;
    if (!timeless || !ash_check_only(run, &ash_run_fields))
        run_wrong(check, ASHLAR_RUN_SPARE, head->page, 0, 0, 0);
    if (ash_check_dirty(check, head->page, pages, &dirty) && run->run.dirty_pages != dirty)
        RUN_WRONG(check, head, ASHLAR_DIRTY_COUNT, run.dirty_pages, dirty);
    if (run->run.dirty_pages == 0 && (run->run.dirty_next != 0 || run->run.dirty_previous != 0))
        RUN_WRONG(check, head, ASHLAR_DIRTY_LINKS, run.dirty_next, 0);
    struct ash_tally *tally = &check->tally;
    tally->free_runs++;
    tally->free_pages += pages;
    tally->dirty_runs += run->run.dirty_pages != 0;
    tally->dirty_free += run->run.dirty_pages;
    struct ash_page copy;
    uint64_t behind = head->page + pages;
    const struct ash_page *next =
        behind < check->frontier ? ash_check_page(check, behind, &copy) : NULL;
    if (next != NULL && next->kind == ASH_PAGE_FREE)
        run_wrong(check, ASHLAR_RUN_NEIGHBOURS, behind, offsetof(struct ash_page, kind), 0,
                  next->kind);
    if (pages > 1) run_ends(check, head); /* last: it may replace what `run` points at */
}

/* The free run that a link names; NULL when it names none. */
static const struct ash_page *run_linked(struct ash_check *check, uint64_t link,
                                         struct ash_page *copy) {
    uint64_t pages;
    if (link == 0 || link > check->frontier) return NULL;
    const struct ash_page *run = ash_check_page(check, link - 1, copy);
    if (run == NULL || run->kind != ASH_PAGE_FREE ||
        ash_check_shape(check, link - 1, run, &pages) != ASHLAR_FINDING_NONE)
        return NULL;
    return run;
}

/* Where a list's field lies that led to a wrong link: a run's field, or the list's head. */
static uint64_t run_came_from(struct ash_check *check, uint64_t link, size_t offset,
                              uint64_t head_at) {
    return link == 0 ? head_at : ash_at_field(check, link - 1, offset);
}

/* Walks one bin. Returns the runs reached; fewer than there are when the list breaks. */
static uint64_t run_walk_bin(struct ash_check *check, unsigned bin, uint64_t most) {
    uint32_t previous = 0, link = check->heap->runs.heads[bin];
    uint64_t reached = 0, unreadable = check->report->unreadable;
    size_t next_at = offsetof(struct ash_page, run.bin_next);
    for (; link != 0; reached++) {
        struct ash_page copy;
        const struct ash_page *run = run_linked(check, link, &copy);
        enum ashlar_finding_code code = ASHLAR_FINDING_NONE;
        bool run_there = run != NULL && reached < most;
        bool member = run_there && run_bin(run->pages) == bin;
        if (run_there && !member)
            code = ASHLAR_RUN_BIN;
        else if (!member || run->run.bin_previous != previous)
            code = ASHLAR_RUN_LINKS;
        if (code != ASHLAR_FINDING_NONE) {
            uint64_t head_at = ASH_AT_HEAP(check, runs.heads) + bin * sizeof link;
            uint64_t at = member ? ASH_AT(check, link - 1, run.bin_previous)
                                 : run_came_from(check, previous, next_at, head_at);
            ASH_FOUND_READ(check, unreadable, .code = code, .index = bin, .page = link - 1,
                           .address = at, .expected = previous,
                           .found = run == NULL ? link : run->run.bin_previous);
            return reached;
        }
        previous = link;
        link = run->run.bin_next;
    }
    return reached;
}

/* A bit for each of 64 bins that has a run. */
static uint64_t run_bins_used(const uint32_t heads[static 64]) {
    uint64_t used = 0;
    for (unsigned bin = 64; bin-- > 0;) used = used << 1 | (heads[bin] != 0);
    return used;
}

static void run_bins(struct ash_check *check) {
    const struct ash_run_bins *bins = &check->heap->runs;
    uint64_t before = check->report->findings, reached = 0;
    uint64_t unreadable = check->report->unreadable;
    for (unsigned word = 0; word < ASH_RUN_BIN_WORDS; word++) {
        uint64_t used = run_bins_used(&bins->heads[word * 64]), wrong = used ^ bins->used[word];
        for (; wrong != 0; wrong &= wrong - 1) {
            unsigned bin = word * 64 + ash_lowest_bit(wrong);
            ASH_FOUND(check, .code = ASHLAR_RUN_BITMAP, .index = bin,
                      .expected = bins->heads[bin] != 0, .found = bins->heads[bin] == 0,
                      .address = ASH_AT_HEAP(check, runs.used) + word * sizeof(uint64_t));
        }
        for (; used != 0; used &= used - 1)
            reached += run_walk_bin(check, word * 64 + ash_lowest_bit(used),
                                    check->tally.free_runs - reached);
    }
    if (reached != check->tally.free_runs && check->report->findings == before)
        ASH_FOUND_READ(check, unreadable, .code = ASHLAR_RUN_UNLISTED,
                       .expected = check->tally.free_runs, .found = reached,
                       .address = ASH_AT_HEAP(check, runs.heads));
}

/* One step of the walk over the dirty list: what is wrong with the run that `link` names. */
static enum ashlar_finding_code run_dirty_step(const struct ash_page *run, uint32_t previous,
                                               uint64_t freed_ms) {
    if (run == NULL || run->run.dirty_pages == 0 || run->run.dirty_previous != previous)
        return ASHLAR_DIRTY_LINKS;
    return run->run.freed_ms < freed_ms ? ASHLAR_DIRTY_ORDER : ASHLAR_FINDING_NONE;
}

static void run_dirty_list(struct ash_check *check) {
    const struct ash_heap *heap = check->heap;
    uint32_t previous = 0, link = heap->runs.dirty_head;
    uint64_t reached = 0, freed_ms = 0, oldest_ms = 0, unreadable = check->report->unreadable;
    size_t next_at = offsetof(struct ash_page, run.dirty_next);
    for (; link != 0; reached++) {
        struct ash_page copy;
        const struct ash_page *run = run_linked(check, link, &copy);
        if (reached >= check->tally.dirty_runs) run = NULL;
        enum ashlar_finding_code code = run_dirty_step(run, previous, freed_ms);
        if (code != ASHLAR_FINDING_NONE)
            ASH_FOUND_READ(check, unreadable, .code = code, .page = link - 1, .expected = freed_ms,
                           .found = run == NULL ? link : run->run.freed_ms,
                           .address = run_came_from(check, previous, next_at,
                                                    ASH_AT_HEAP(check, runs.dirty_head)));
        if (code == ASHLAR_DIRTY_LINKS) return;
        freed_ms = run->run.freed_ms;
        if (reached == 0) oldest_ms = freed_ms;
        previous = link;
        link = run->run.dirty_next;
    }
    if (heap->runs.dirty_tail != previous)
        ASH_FOUND(check, .code = ASHLAR_DIRTY_LINKS, .expected = previous,
                  .found = heap->runs.dirty_tail, .address = ASH_AT_HEAP(check, runs.dirty_tail));
    else if (reached != check->tally.dirty_runs)
        ASH_FOUND(check, .code = ASHLAR_DIRTY_UNLISTED, .expected = check->tally.dirty_runs,
                  .found = reached, .address = ASH_AT_HEAP(check, runs.dirty_head));
    bool decays = reached > 0 && heap->decay_ms != UINT32_MAX;
    if (decays && heap->next_purge_ms > oldest_ms + heap->decay_ms)
        ASH_FOUND(check, .code = ASHLAR_DIRTY_DUE, .expected = oldest_ms + heap->decay_ms,
                  .found = heap->next_purge_ms, .address = ASH_AT_HEAP(check, next_purge_ms));
}

ASH_COLD void ash_check_not_dirty(struct ash_check *check, const struct ash_head *head,
                                  uint64_t dirty) {
    ASH_FOUND(check, .code = ASHLAR_DIRTY_LIVE, .page = head->page, .expected = head->pages,
              .found = dirty, .address = check->heap->root.dirty + head->page / 64 * 8);
}

void ash_pass_runs(struct ash_check *check) {
    if (!check->partition) return; /* lists are whole only where every run was seen */
    run_bins(check);
    run_dirty_list(check);
}

/* The places next to one run in its lists: for ashlar_check_touched. */
void ash_check_run_neighbours(struct ash_check *check, const struct ash_head *head) {
    const struct ash_page *run = head->descriptor, *next, *previous;
    const struct ash_run_bins *bins = &check->heap->runs;
    struct ash_page copy;
    uint32_t link = (uint32_t)head->page + 1;
    unsigned bin = run_bin(head->pages);
    next = run_linked(check, run->run.bin_next, &copy);
    previous = run_linked(check, run->run.bin_previous, &copy);
    uint32_t from = run->run.bin_previous == 0 ? bins->heads[bin]
                    : previous == NULL         ? 0
                                               : previous->run.bin_next;
    bool back = run->run.bin_next == 0 || (next != NULL && next->run.bin_previous == link);
    if (from != link || !back) RUN_WRONG(check, head, ASHLAR_RUN_LINKS, run.bin_previous, link);
    if (run->run.dirty_pages == 0) return;
    next = run_linked(check, run->run.dirty_next, &copy);
    previous = run_linked(check, run->run.dirty_previous, &copy);
    from = run->run.dirty_previous == 0 ? bins->dirty_head
           : previous == NULL           ? 0
                                        : previous->run.dirty_next;
    uint32_t to = run->run.dirty_next == 0 ? bins->dirty_tail
                  : next == NULL           ? 0
                                           : next->run.dirty_previous;
    if (from != link || to != link)
        RUN_WRONG(check, head, ASHLAR_DIRTY_LINKS, run.dirty_previous, link);
}
