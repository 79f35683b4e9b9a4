/* States of a heap as coverage: an engine that keeps inputs for new edges then keeps them for new
 * states of the heap, too.
 *
 * 1. Why. Most of a heap's paths are short and soon covered, and which bugs they have depends on
 *    what the heap holds when they are taken: a slab that is all free, a last window that is short,
 *    a run between two free neighbours. An input that reaches such a state for the first time is
 *    worth keeping although it runs no new line.
 *
 * 2. How. A state is a number below STATES. Each has a case of its own in one switch, and each case
 *    is an edge to libFuzzer and to AFL++ alike. The assembly in it is empty, but names the number:
 *    so cases differ and no compiler folds them. This file is watched by the engines, all others
 *    here are not (coverage_ignore.txt).
 *
 * 3. What. Four families, each a product of small numbers:
 *      slab     of the operation's block: class, how full, what its last window holds
 *      sharing  of that slab: where it stands, its remote frees, its owner's pending stack
 *      change   since the look before: runs (so: with how many neighbours a freed run merged),
 *               slabs, spans, the frontier, what was purged, what was moved
 *      shape    of the whole: classes in use by the logarithm of live blocks
 *
 * 4. A state counts once per input. How often it was passed says little, and engines count by
 *    powers of two: each would come eight times.
 */
#include "state.h"
#include "cases.h"
#include "heap/layout.h"

#include <string.h>

enum {
    LEVELS = 8, /* of a slab: no live block, one, an eighth, ... */
    LASTS = 3,  /* its last window: none free, some, all */
    SLAB_STATES = ASH_CLASS_COUNT * LEVELS * LASTS,
    PLACES = 4,
    REMOTES = 4, /* blocks freed remotely and not collected: 0, 1, some, many */
    SHARING_STATES = PLACES * REMOTES * LASTS * 2 * 2,
    SIGNS = 3,
    RUN_CHANGES = 5, /* two fewer, ... two more */
    CHANGE_STATES = RUN_CHANGES * SIGNS * SIGNS * SIGNS * SIGNS * 2,
    CLASSES_USED = 8,
    LIVE_LOGS = 13,
    SHAPE_STATES = CLASSES_USED * LIVE_LOGS,
    FROM_SHARING = SLAB_STATES,
    FROM_CHANGE = FROM_SHARING + SHARING_STATES,
    FROM_SHAPE = FROM_CHANGE + CHANGE_STATES,
    STATES = FROM_SHAPE + SHAPE_STATES,
    CASES = 2560,
};
static_assert(STATES <= CASES, "each state has its case");

static uint64_t seen[CASES / 64];
static struct ash_counts before;

/* Not part of its callers, which are not watched. */
static ASH_NOINLINE void reach(unsigned state) {
    uint64_t bit = UINT64_C(1) << (state % 64);
    ASH_ASSERT(state < STATES);
    if ((seen[state / 64] & bit) != 0) return;
    seen[state / 64] |= bit;
    switch (state) {
        CASES256(0)
        CASES256(256)
        CASES256(512)
        CASES256(768)
        CASES256(1024)
        CASES256(1280)
        CASES256(1536)
        CASES256(1792)
        CASES256(2048)
        CASES256(2304)
    default:
        break;
    }
}

static unsigned least(uint64_t a, unsigned b) {
    return a < b ? (unsigned)a : b;
}

static unsigned level(unsigned live, unsigned blocks) {
    if (live <= 1) return live;
    if (live == blocks) return LEVELS - 1;
    if (live + 1 == blocks) return LEVELS - 2;
    return 2 + least((uint64_t)live * (LEVELS - 4) / blocks, LEVELS - 5);
}

struct slab_view {
    unsigned live, remote, last; /* last: of the last window, 0 none free, 1 some, 2 all */
};
static struct slab_view view_slab(const struct ash_heap *heap, const struct ash_page *head) {
    struct slab_view view = {.live = head->block_count};
    unsigned windows = ash_window_count(head->block_count);
    const _Atomic uint64_t *remote = ash_remote_words(heap, ash_page_number(heap, head));
    uint64_t word = 0;
    for (unsigned i = 0; i < windows; i++) {
        word = head->words[i];
        view.live -= ash_count_bits(word);
        view.remote += ash_count_bits(remote[i]);
    }
    if (word != 0) view.last = word == ash_full_word(head->block_count, windows - 1) ? 2 : 1;
    return view;
}

static void look_at_slab(const struct ash_heap *heap, const struct ash_page *head) {
    struct slab_view view = view_slab(heap, head);
    const struct ash_thread_heap *owner = head->owner;
    unsigned fill = level(view.live, head->block_count);
    reach((head->class_index * LEVELS + fill) * LASTS + view.last);
    if (owner == NULL) return;
    unsigned remote = view.remote < 2 ? view.remote : view.remote < 32 ? 2 : REMOTES - 1;
    unsigned sharing = least(head->place, PLACES - 1);
    sharing = sharing * REMOTES + remote;
    sharing = sharing * LASTS + view.last;
    sharing = sharing * 2 + (owner->pending != 0);
    sharing = sharing * 2 + (owner->state == ASH_THREAD_POOLED);
    reach(FROM_SHARING + sharing);
}

/* 0 less, 1 as before, 2 more. */
static unsigned sign(uint64_t now, uint64_t then) {
    return now < then ? 0 : now == then ? 1 : 2;
}

static void look_at_change(const struct ash_counts *now) {
    uint64_t runs = now->free_runs + 2 - before.free_runs;
    unsigned change = (int64_t)runs < 0 ? 0 : least(runs, RUN_CHANGES - 1);
    change = change * SIGNS + sign(now->slabs, before.slabs);
    change = change * SIGNS + sign(now->spans, before.spans);
    change = change * SIGNS + sign(now->dirty_free, before.dirty_free);
    change = change * SIGNS + sign(now->moved_spans, before.moved_spans);
    change = change * 2 + (now->purged_total != before.purged_total);
    before = *now;
    reach(FROM_CHANGE + change);
}

static void look_at_shape(const struct ash_heap *heap, uint64_t live) {
    unsigned used = 0, log = live == 0 ? 0 : 1 + ash_highest_bit(live);
    for (unsigned c = 0; c < ASH_CLASS_COUNT; c++) {
        bool any = false;
        for (uint32_t id = 1; id <= heap->root.thread_heap_count && !any; id++)
            any = ash_thread_heap_at(heap, id)->bins[c].slabs != 0;
        used += any;
    }
    unsigned classes = used == 0 ? 0 : 1 + ash_highest_bit(used);
    reach(FROM_SHAPE + least(classes, CLASSES_USED - 1) * LIVE_LOGS + least(log, LIVE_LOGS - 1));
}

void ash_state_begin(void) {
    memset(seen, 0, sizeof seen);
    before = (struct ash_counts){0};
}

void ash_state_look(struct ashlar_heap *heap, uintptr_t address,
                    const struct ashlar_check_report *report) {
    const struct ash_heap *h = ash_heap_of(heap);
    uint64_t page = (address - h->root.region_base) >> ASH_PAGE_SHIFT;
    look_at_change(&h->root.counts);
    if (report != NULL) look_at_shape(h, report->live_blocks);
    if (address == 0 || page >= h->root.counts.committed) return;
    const struct ash_page *descriptor = ash_page_at(h, page);
    bool slab = descriptor->kind == ASH_PAGE_SLAB || descriptor->kind == ASH_PAGE_SLAB_BODY;
    if (slab) look_at_slab(h, descriptor->head);
}
