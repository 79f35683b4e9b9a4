/* The table of fields, and the proofs of those that do not always matter.
 *
 * A row for each field of src/heap/layout.h, and none for padding, which the checker wants to be
 * zero. What a field may have become without the checker seeing it stands beside it twice: in
 * words, and as a function that judges the change at hand. So "irrelevant" is proved case by case.
 */
#include "corrupt.h"

#include <string.h>

/* The field as it was. */
static uint64_t old_value(const struct ash_corruption *change) {
    uint64_t value = 0;
    size_t bytes = change->field->bytes < sizeof value ? change->field->bytes : sizeof value;
    memcpy(&value, change->before, bytes);
    return value;
}
static uint64_t new_value(const struct ash_corruption *change) {
    uint64_t value = 0;
    size_t bytes = change->field->bytes < sizeof value ? change->field->bytes : sizeof value;
    memcpy(&value, change->start + change->field->offset, bytes);
    return value;
}

static bool lags(const struct ash_corruption *change) {
    return new_value(change) <= change->heap->root.counts.committed;
}

static bool free_blocks_only(const struct ash_corruption *change) {
    const struct ash_bin *bin = (const struct ash_bin *)(const void *)change->start;
    return (bin->candidates & ~*bin->word) == 0;
}

static bool as_many_pages(const struct ash_corruption *change) {
    uint64_t pages = change->head->pages, bytes = new_value(change);
    if (bytes == 0) bytes = 1; /* asked for nothing, and got a block all the same */
    return bytes > (pages - 1) * ASH_PAGE_BYTES && bytes <= pages * ASH_PAGE_BYTES;
}

static bool aligned_anyway(const struct ash_corruption *change) {
    uint64_t alignment = new_value(change);
    uint64_t number = ash_page_number(change->heap, change->head);
    if (alignment == 0) return true;
    return ash_is_power_of_two(alignment) &&
           ash_page_address(change->heap, number) % alignment == 0;
}

/* Times grow along the list of dirty runs; a clean run's time says nothing. */
static bool keeps_the_order(const struct ash_corruption *change) {
    const struct ash_page *run = change->head;
    uint64_t time = new_value(change);
    if (run->run.dirty_pages == 0) return true;
    if (run->run.dirty_previous != 0 &&
        ash_page_at(change->heap, run->run.dirty_previous - 1)->run.freed_ms > time)
        return false;
    return run->run.dirty_next == 0 ||
           ash_page_at(change->heap, run->run.dirty_next - 1)->run.freed_ms >= time;
}

/* A window that was never opened is free as a whole. */
static bool free_windows(const struct ash_corruption *change) {
    const struct ash_page *slab = change->head;
    uint64_t from = old_value(change), to = new_value(change);
    if (from > to) {
        uint64_t swapped = from;
        from = to;
        to = swapped;
    }
    if (to > ash_window_count(slab->block_count)) return false;
    for (uint64_t i = from; i < to; i++)
        if (slab->words[i] != ash_full_word(slab->block_count, (unsigned)i)) return false;
    return true;
}

static bool current_window(const struct ash_corruption *change) {
    const struct ash_page *slab = change->head;
    if (slab->place != ASH_SLAB_CURRENT || slab->owner == NULL) return false;
    const struct ash_bin *bin =
        &((const struct ash_thread_heap *)slab->owner)->bins[slab->class_index];
    uint64_t stale = UINT64_C(1) << (bin->window_index % 64);
    return ((old_value(change) ^ new_value(change)) & ~stale) == 0;
}

/* Only bits added, of windows that are there: a free sets them before, or clears none after. */
static bool hint_added(const struct ash_corruption *change) {
    uint64_t windows = ash_low_bits(ash_window_count(change->head->block_count));
    uint64_t now = new_value(change);
    return (old_value(change) & ~now) == 0 && (now & ~windows) == 0;
}

/* Other blocks live, and the check says how many. */
static bool counted(const struct ash_corruption *change) {
    uint64_t live = change->live_before;
    for (size_t i = 0; i < change->bytes; i++) {
        unsigned before = ash_count_bits(change->before[change->at - change->field->offset + i]);
        live += before;
        live -= ash_count_bits(change->start[change->at + i]);
    }
    return change->report->live_blocks == live;
}

#define ROW(place, type, member)                                                                   \
    { place, #member, offsetof(type, member), sizeof(((type *)0)->member), NULL, NULL }
#define MAY(place, type, member, irrelevant, proof)                                                \
    { place, #member, offsetof(type, member), sizeof(((type *)0)->member), irrelevant, proof }
#define HEAP(member)   ROW(ASH_IN_HEAP, struct ash_heap, member)
#define THREAD(member) ROW(ASH_IN_THREAD, struct ash_thread_heap, member)
#define KEPT_LISTS(member)                                                                         \
    {                                                                                              \
        ASH_IN_KEPT_LISTS, #member, offsetof(struct ash_thread_heap, member) - ASH_KEPT_LISTS_AT,  \
            sizeof(((struct ash_thread_heap *)0)->member), NULL, NULL                              \
    }
#define BIN(member)         ROW(ASH_IN_BIN, struct ash_bin, member)
#define PAGE(place, member) ROW(place, struct ash_page, member)
#define LINE0(place)                                                                               \
    PAGE(place, reciprocal), PAGE(place, words), PAGE(place, owner), PAGE(place, full_tail),       \
        PAGE(place, head), PAGE(place, page_offset_bytes), PAGE(place, block_count),               \
        PAGE(place, kind), PAGE(place, class_index), PAGE(place, pending_next)
#define SPAN(place)                                                                                \
    LINE0(place), PAGE(place, remote_summary), PAGE(place, pages), PAGE(place, span.moved),        \
        MAY(place, struct ash_page, span.requested_bytes, as_many_pages,                           \
            "a size that needs as many pages is as good"),                                         \
        MAY(place, struct ash_page, span.alignment, aligned_anyway,                                \
            "an alignment that the address has anyway is as good")

static const char pacing[] = "pacing: any value gives a sound heap";
static const char creators[] = "a choice of the creator's, of which there is no copy";
static const char state_bit[] =
    "a block's state is this bit alone: another, equally sound heap, whose live blocks are counted";

const struct ash_field ash_fields[] = {
    HEAP(root.magic),
    HEAP(root.layout_version),
    HEAP(root.root_bytes),
    HEAP(root.checksum),
    HEAP(root.self),
    HEAP(root.region_base),
    HEAP(root.region_pages),
    HEAP(root.pages),
    HEAP(root.bitmaps),
    HEAP(root.dirty),
    HEAP(root.thread_heaps),
    HEAP(root.metadata),
    HEAP(root.metadata_bytes),
    HEAP(root.no_word),
    HEAP(root.page_bytes),
    HEAP(root.descriptor_bytes),
    HEAP(root.bitmap_stride),
    HEAP(root.bitmap_remote_bytes),
    HEAP(root.thread_heap_stride),
    HEAP(root.thread_heap_capacity),
    HEAP(root.heap_bytes),
    HEAP(root.os_page_bytes),
    HEAP(root.flags),
    HEAP(root.class_count),
    HEAP(root.at_page_words),
    HEAP(root.at_page_owner),
    HEAP(root.at_page_remote_summary),
    HEAP(root.at_page_kind),
    HEAP(root.at_page_class),
    HEAP(root.at_page_run_pages),
    HEAP(root.at_page_summary),
    HEAP(root.at_thread_pending),
    HEAP(root.at_thread_bins),
    HEAP(root.at_thread_transition),
    HEAP(root.at_heap_counts),
    HEAP(root.at_spare),
    HEAP(root.classes),
    HEAP(root.transition),
    HEAP(root.thread_heap_count),
    HEAP(root.pool_head),
    HEAP(root.acquired),
    HEAP(root.committed_pages),
    HEAP(root.counts.committed),
    HEAP(root.counts.slab),
    HEAP(root.counts.span),
    HEAP(root.counts.free),
    HEAP(root.counts.dirty_free),
    HEAP(root.counts.free_runs),
    HEAP(root.counts.slabs),
    HEAP(root.counts.spans),
    MAY(ASH_IN_HEAP, struct ash_heap, root.counts.purged_total, NULL, "a history, with no copy"),
    HEAP(root.counts.moved_spans),
    HEAP(pool_lock),
    HEAP(lock),
    MAY(ASH_IN_HEAP, struct ash_heap, decay_ms, NULL, creators),
    MAY(ASH_IN_HEAP, struct ash_heap, kept_most, NULL, creators),
    MAY(ASH_IN_HEAP, struct ash_heap, next_purge_ms, NULL,
        "a purge too early finds nothing to do; too late is found"),
    HEAP(runs.used),
    HEAP(runs.heads),
    HEAP(runs.dirty_head),
    HEAP(runs.dirty_tail),
    MAY(ASH_IN_HEAP, struct ash_heap, os, NULL, creators),
    MAY(ASH_IN_HEAP, struct ash_heap, on_misuse, NULL, creators),
    MAY(ASH_IN_HEAP, struct ash_heap, misuse_context, NULL, creators),
    HEAP(no_word),
    HEAP(thread_heaps_committed),
    MAY(ASH_IN_HEAP, struct ash_heap, metadata_committed, NULL, "a statistic, with no copy"),
    MAY(ASH_IN_HEAP, struct ash_heap, habits, NULL, "hints: right with any values"),
    MAY(ASH_IN_HEAP, struct ash_heap, pasts, NULL, "hints: right with any values"),
    MAY(ASH_IN_HEAP, struct ash_heap, habit_random, NULL, "any number is as good"),
    MAY(ASH_IN_HEAP, struct ash_heap, next_visit_ms, NULL, "any time will do"),
    HEAP(fork_took),
    HEAP(fork_left),

    THREAD(region_base),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, page_limit, lags,
        "may lag behind the frontier, and is not beyond it"),
    THREAD(pages),
    THREAD(heap),
    THREAD(id),
    THREAD(pool_next),
    THREAD(transition),
    THREAD(spare),
    THREAD(spare3),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, steps, NULL, "a history, with no copy"),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, pace, NULL, pacing),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, looked_ms, NULL, pacing),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, dropped_ms, NULL, pacing),
    THREAD(pending),
    THREAD(guest),
    THREAD(asked),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, complete, NULL, pacing),
    MAY(ASH_IN_THREAD, struct ash_thread_heap, walked, NULL, pacing),
    THREAD(state),

    KEPT_LISTS(kept),
    KEPT_LISTS(kept_spans),
    KEPT_LISTS(kept_pages),

    MAY(ASH_IN_BIN, struct ash_bin, candidates, free_blocks_only,
        "any set of the window's free blocks is as good"),
    BIN(word),
    BIN(window),
    BIN(block_bytes),
    BIN(slab),
    BIN(queue_head),
    BIN(queue_tail),
    BIN(slabs),
    BIN(window_index),
    BIN(class_index),
    BIN(spare),
    MAY(ASH_IN_BIN, struct ash_bin, debt, NULL, pacing),
    BIN(spare2),
    BIN(spare3),

    LINE0(ASH_IN_SLAB),
    MAY(ASH_IN_SLAB, struct ash_page, remote_summary, hint_added,
        "set over an empty word by a race, so allowed on a slab that is pending"),
    PAGE(ASH_IN_SLAB, slab_pages),
    MAY(ASH_IN_SLAB, struct ash_page, opened_windows, free_windows,
        "a window that is free as a whole may be opened or not"),
    PAGE(ASH_IN_SLAB, place),
    PAGE(ASH_IN_SLAB, spare),
    MAY(ASH_IN_SLAB, struct ash_page, summary, current_window,
        "the current window's bit may be stale"),
    PAGE(ASH_IN_SLAB, next),
    PAGE(ASH_IN_SLAB, previous),
    MAY(ASH_IN_SLAB, struct ash_page, inline_words, counted, state_bit),

    LINE0(ASH_IN_SLAB_BODY),
    PAGE(ASH_IN_SLAB_BODY, remote_summary),
    PAGE(ASH_IN_SLAB_BODY, slab_pages),

    SPAN(ASH_IN_SPAN),

    SPAN(ASH_IN_KEPT),
    PAGE(ASH_IN_KEPT, span.keeper),
    PAGE(ASH_IN_KEPT, span.kept_next),

    LINE0(ASH_IN_RUN),
    PAGE(ASH_IN_RUN, remote_summary),
    PAGE(ASH_IN_RUN, pages),
    PAGE(ASH_IN_RUN, run.bin_next),
    PAGE(ASH_IN_RUN, run.bin_previous),
    PAGE(ASH_IN_RUN, run.dirty_next),
    PAGE(ASH_IN_RUN, run.dirty_previous),
    MAY(ASH_IN_RUN, struct ash_page, run.freed_ms, keeps_the_order,
        "a time that keeps the order of the list, and the next purge, is as good"),
    PAGE(ASH_IN_RUN, run.dirty_pages),

    LINE0(ASH_IN_RUN_LAST),
    PAGE(ASH_IN_RUN_LAST, remote_summary),
    PAGE(ASH_IN_RUN_LAST, pages),

    LINE0(ASH_IN_INTERIOR),
    PAGE(ASH_IN_INTERIOR, remote_summary),
    PAGE(ASH_IN_INTERIOR, pages),

    {ASH_IN_WORDS, "free words", 0, 0, counted, state_bit},
    {ASH_IN_REMOTE, "remote words", 0, 0, counted, state_bit},
    {ASH_IN_DIRTY, "dirty bits", 0, 0, NULL,
     "of two pages of a run, either may be called dirty while both are zero"},
};
const size_t ash_field_count = sizeof ash_fields / sizeof *ash_fields;

size_t ash_place_bytes(enum ash_place place) {
    if (place == ASH_IN_HEAP) return sizeof(struct ash_heap);
    if (place == ASH_IN_THREAD) return offsetof(struct ash_thread_heap, bins);
    if (place == ASH_IN_KEPT_LISTS) return sizeof(struct ash_thread_heap) - ASH_KEPT_LISTS_AT;
    if (place == ASH_IN_BIN) return sizeof(struct ash_bin);
    return place <= ASH_IN_INTERIOR ? sizeof(struct ash_page) : 0;
}

const char *ash_place_name(enum ash_place place) {
    static const char *const names[ASH_PLACES] = {"heap",
                                                  "thread heap",
                                                  "thread heap, what it keeps",
                                                  "bin",
                                                  "slab",
                                                  "slab, further page",
                                                  "span",
                                                  "kept span",
                                                  "run, its first page",
                                                  "run, its last page",
                                                  "interior",
                                                  "bitmaps",
                                                  "bitmaps",
                                                  "dirty bits"};
    return names[place];
}
