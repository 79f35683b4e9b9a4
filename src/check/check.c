/* The checker: one function over one reader.
 *
 * 1. Purpose. Tell whether a heap's bookkeeping holds together, from inside its process or from
 *    outside, at any moment, without changing it. The verdict is one of three; what could not be
 *    read is never called corrupt, and never sound.
 *
 * 2. Order. Each file proves its part, and may use only what was proved before:
 *
 *        region -> pages -> slabs, spans, runs -> runs, threads -> accounting -> contents
 *        geometry  partition  each by its head     lists           counts        bytes
 *
 *    Pages, slabs, spans and runs share one walk over the page descriptors: a head's shape is
 *    proved, then the rest of it, so that each descriptor is fetched once. Spans and free runs that
 *    are right in all it passes over at once (right.c).
 *    A broken root ends the check: every address comes from it. Where the partition of the pages is
 *    broken, what links to pages (lists, counts) is not checked: the damage is reported once, where
 *    it is, and not again by everything that leads there.
 *
 * 3. Trust. The constant part of the root is proved by its checksum, and with it where every table
 *    lies and how long it is. After that an address is read only when arithmetic on proved numbers
 *    gives it: a pointer in the metadata is compared with the value it should have, never followed;
 *    a link is followed when it is a page below the frontier. Every list is walked with a bound.
 *
 * 4. Lists without memory. Nothing is marked. A doubly linked list whose every element names the
 *    element before it visits nobody twice, and elements say which list they belong to; so when the
 *    elements reached are as many as there are, each is in its list exactly once. For singly linked
 *    lists the same follows from reaching the end within that many steps.
 *
 * 5. Transitions. A slow path marks the heap or its thread heap first. A reader that is not
 *    quiescent sees the mark; what that path may have half done is then looked at *muted*: what
 *    would be a finding is counted as in transition instead. Remote frees and the freeing thread's
 *    steps have no mark; what they may have half done is muted in every check that is not
 *    quiescent.
 *
 * 6. Threads that run. A caller whose process runs on meanwhile reads through copies, so that what
 *    was compared is what is used, and holds the heap's locks: then pages do not change hands,
 *    slabs keep their owners, and thread heaps their states. (Without the locks all is muted.) What
 *    a thread changes without a lock is *watched*: its thread heap counts its slow paths, and
 *    findings are held back until that count is looked at again. If it stands still, and no mark
 *    was set when it was first read, only fast paths went on meanwhile. They change little, and
 *    each thing is read in an order that allows for it:
 *
 *        current window   blocks are taken and come back; its summary bit means nothing
 *        other windows    if all, none or some of its blocks are free, that stays so: summaries
 *                         and places do not change
 *        candidates       only dwindle, each before its block's bit: the word is read first, and
 *                         the candidates again after it (those of medium bins may also grow: muted)
 *        remote words     only gain bits, of blocks that are not free then: when one is free on
 *                         both sides, its word is read again, after the remote one
 *
 *    Else the findings are dropped, and counted as one thing in transition. The stacks that other
 *    threads push to, and whether lists and counts are complete, cannot be judged this way.
 *
 * 7. Failure. No allocation, no assertion, no recursion: a check takes about 16 KiB of stack. */
#include "check/pass.h"

#include <string.h>

enum { THREAD_TRIES = 3 }; /* to see a thread heap that runs between two of its slow paths */

static const void *self_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    (void)context;
    (void)bytes;
    (void)scratch;
    return (const void *)(uintptr_t)address;
}

const struct ashlar_reader ashlar_reader_self = {.view = self_view, .quiescent = true};

void ash_check_report(struct ash_check *check, const struct ashlar_finding *finding) {
    if (check->muted) {
        check->report->in_transition++;
        return;
    }
    if (check->watching) {
        if (check->held_count < ASH_HELD_MOST) check->held[check->held_count] = *finding;
        check->held_count++;
        return;
    }
    check->report->findings++;
    if (check->sink != NULL) check->sink(check->context, finding);
}

void ash_check_watch(struct ash_check *check) {
    check->watching = true;
    check->held_count = 0;
}

/* How many slow paths a thread heap has begun; false when that cannot be read. */
static bool thread_steps(struct ash_check *check, uint32_t id, uint32_t *steps) {
    uint32_t copy;
    const uint32_t *now = (const uint32_t *)ash_check_copy(check, ASH_AT_THREAD(check, id, steps),
                                                           sizeof copy, &copy);
    if (now != NULL) *steps = *now;
    return now != NULL;
}

bool ash_check_settle(struct ash_check *check, const struct ash_thread_view *view) {
    uint32_t count = check->held_count, steps;
    check->watching = false;
    if (count == 0) return true;
    atomic_thread_fence(memory_order_acquire); /* what was read was read before the steps are */
    bool still = thread_steps(check, view->id, &steps) && steps == view->steps;
    if (!still) {
        check->report->in_transition++;
        return false;
    }
    for (uint32_t i = 0; i < count && i < ASH_HELD_MOST; i++)
        ash_check_report(check, &check->held[i]);
    if (count > ASH_HELD_MOST) check->report->in_transition += count - ASH_HELD_MOST;
    return true;
}

const void *ash_check_copy(struct ash_check *check, uint64_t address, size_t bytes, void *scratch) {
    const void *bytes_read = check->reader->view(check->reader->context, address, bytes, scratch);
    if (bytes_read == NULL) {
        check->report->unreadable++;
        return NULL;
    }
    /* A view into a mapped file may lie at any address. */
    if (((uintptr_t)bytes_read & 63) != 0 && bytes_read != scratch) {
        memcpy(scratch, bytes_read, bytes);
        return scratch;
    }
    return bytes_read;
}

/* A chunk of descriptors; when the reader cannot give all of them, the one alone. */
const struct ash_page *ash_walk_load(struct ash_check *check, struct ash_walk *walk,
                                     uint64_t page) {
    walk->first = page;
    if (check->direct) {
        walk->first = 0;
        walk->count = check->frontier;
        walk->chunk = (const struct ash_page *)(uintptr_t)check->heap->root.pages;
        return walk->chunk + page;
    }
    uint64_t left = check->frontier - page;
    walk->count = left < ASH_WALK_PAGES ? left : ASH_WALK_PAGES;
    const struct ashlar_reader *reader = check->reader;
    walk->chunk =
        (const struct ash_page *)reader->view(reader->context, ash_at_page(check, page),
                                              walk->count * sizeof(struct ash_page), walk->copies);
    if (walk->chunk != NULL && walk->chunk != walk->copies && ((uintptr_t)walk->chunk & 63) != 0) {
        memmove(walk->copies, walk->chunk, walk->count * sizeof(struct ash_page));
        walk->chunk = walk->copies;
    }
    if (walk->chunk == NULL) {
        walk->chunk = ash_check_page(check, page, walk->copies);
        walk->count = walk->chunk == NULL ? 0 : 1;
    }
    return walk->chunk;
}

bool ash_next_head(struct ash_check *check, struct ash_walk *walk, struct ash_head *head) {
    uint64_t page = head->page + head->pages;
    for (; page < check->frontier; page++) {
        const struct ash_page *descriptor = ash_walk_page(check, walk, page);
        uint64_t pages;
        if (descriptor == NULL || ash_check_shape(check, page, descriptor, &pages) != 0) continue;
        *head = (struct ash_head){.page = page,
                                  .pages = pages,
                                  .descriptor = descriptor,
                                  .kind = (enum ash_page_kind)descriptor->kind};
        return true;
    }
    return false;
}

const struct ash_thread_heap *ash_check_thread(struct ash_check *check,
                                               struct ash_thread_view *view, uint32_t id) {
    const bool running = check->reader->running;
    uint32_t steps;
    if (view->id == id && (!running || (thread_steps(check, id, &steps) && steps == view->steps)))
        return view->th;
    view->id = id;
    for (unsigned tries = 0; tries < THREAD_TRIES; tries++) {
        view->th = NULL;
        if (running && !thread_steps(check, id, &view->steps)) break;
        atomic_thread_fence(memory_order_acquire); /* the steps, then the mark and all the rest */
        view->th = (const struct ash_thread_heap *)ash_check_view(
            check, ash_at_thread(check, id), sizeof(struct ash_thread_heap), &view->copy);
        if (!running || view->th == NULL || !ash_check_changing(check, view->th, id)) break;
    }
    return view->th;
}

uint32_t ash_check_thread_id(const struct ash_check *check, uint64_t address) {
    uint64_t distance = address - check->heap->root.thread_heaps;
    if (address < check->heap->root.thread_heaps || distance % ASH_THREAD_HEAP_STRIDE != 0)
        return 0;
    uint64_t index = distance / ASH_THREAD_HEAP_STRIDE;
    return index < check->thread_heaps ? (uint32_t)index + 1 : 0;
}

static void check_begin(struct ash_check *check, const struct ashlar_reader *reader, uint64_t root,
                        struct ashlar_check_report *report) {
    *report = (struct ashlar_check_report){.verdict = ASHLAR_SOUND};
    check->reader = reader;
    check->direct = reader->view == self_view;
    check->muted = check->moving = check->partition = check->identities = false;
    check->watching = false;
    check->report = report;
    check->root_at = root;
    check->heap = NULL;
    check->frontier = 0;
    check->thread_heaps = 0;
    check->tally = (struct ash_tally){0};
    check->dirty_first = check->dirty_count = 0;
}

static enum ashlar_verdict check_end(struct ash_check *check) {
    struct ashlar_check_report *report = check->report;
    if (check->moving) report->pages_changing = report->pages_checked;
    if (report->findings > 0)
        report->verdict = ASHLAR_CORRUPT;
    else if (report->unreadable > 0 || report->in_transition > 0)
        report->verdict = ASHLAR_INCOMPLETE;
    return report->verdict;
}

enum ashlar_verdict ashlar_check(const struct ashlar_reader *reader, uint64_t root,
                                 enum ashlar_check_tier tier, ashlar_finding_sink *sink,
                                 void *context, struct ashlar_check_report *report) {
    struct ash_check check; /* not zeroed whole: it holds a copy's space, which costs more than a
                               small check */
    check_begin(&check, reader, root, report);
    check.tier = tier;
    check.sink = sink;
    check.context = context;
    if (ash_pass_region(&check)) {
        ash_pass_pages(&check);
        ash_pass_runs(&check);
        ash_pass_threads(&check);
        ash_pass_accounting(&check);
        if (tier == ASHLAR_CHECK_AUDIT) ash_pass_contents(&check);
    }
    return check_end(&check);
}

enum ashlar_verdict ashlar_check_heap(const struct ashlar_heap *heap, enum ashlar_check_tier tier,
                                      ashlar_finding_sink *sink, void *context,
                                      struct ashlar_check_report *report) {
    return ashlar_check(&ashlar_reader_self, ashlar_heap_root(heap), tier, sink, context, report);
}

enum ashlar_verdict ashlar_check_touched(const struct ashlar_heap *heap, uintptr_t address,
                                         ashlar_finding_sink *sink, void *context,
                                         struct ashlar_check_report *report) {
    struct ash_check check;
    check_begin(&check, &ashlar_reader_self, ashlar_heap_root(heap), report);
    check.tier = ASHLAR_CHECK_FULL;
    check.sink = sink;
    check.context = context;
    if (ash_pass_region(&check)) ash_pass_touched(&check, address);
    return check_end(&check);
}

const char *ashlar_verdict_text(enum ashlar_verdict verdict) {
    switch (verdict) {
    case ASHLAR_SOUND:
        return "sound";
    case ASHLAR_CORRUPT:
        return "corrupt";
    case ASHLAR_INCOMPLETE:
        return "incomplete";
    }
    return "unknown";
}
