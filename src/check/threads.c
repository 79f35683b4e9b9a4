/* Pass 4: threads. Proves the thread heaps, their bins, and every list of slabs and kept spans.
 *
 * Proves: THREAD_ID, THREAD_STATE, THREAD_FIELDS, THREAD_LIMIT, THREAD_TRANSITION, THREAD_SPARE,
 * THREAD_ACQUIRED, POOL_LINKS, POOL_UNLISTED (500..508), BIN_CLASS, BIN_SLAB, BIN_WORD, BIN_WINDOW,
 * BIN_CANDIDATES, BIN_SPARE (510..515), QUEUE_LINKS, QUEUE_MEMBER, QUEUE_UNLISTED, BIN_SLABS
 * (520..523), PENDING_MEMBER, PENDING_LINKS, PENDING_UNLISTED (530..532), KEPT_MEMBER, KEPT_LINKS,
 * KEPT_UNLISTED, KEPT_COUNT (540..543).
 *
 * Relies on: the region pass; for whatever links to slabs, the partition (pages pass) and the
 * identity of every slab (slabs.c).
 *
 * Queues are doubly linked and stacks singly: see check.c, section 4. How many slabs of each class
 * a thread heap owns is proved by a fingerprint (ash_check_owned); only when it disagrees are the
 * slabs counted again, thread heap by thread heap, to say which count is wrong. */
#include "check/pass.h"

/* Slabs times thread heaps that a recount may look at. */
#define RECOUNT_MOST (UINT64_C(1) << 28)

/* What the walk over all thread heaps gathers. */
struct threads {
    uint64_t active, pooled;
    uint64_t queued, pending; /* slabs reached */
    uint64_t kept;            /* spans reached */
    uint64_t owned;           /* fingerprint */
    bool lists;               /* what the lists rely on was proved */
    bool changing;            /* some thread heap was left out, at least where lists end */
};

struct thread {
    const struct ash_thread_heap *th;
    uint32_t id;
};

static void thread_wrong(struct ash_check *check, const struct thread *thread,
                         enum ashlar_finding_code code, size_t offset, uint64_t expected,
                         uint64_t found) {
    ASH_FOUND(check, .code = code, .thread_heap = thread->id,
              .address = ash_at_thread(check, thread->id) + offset, .expected = expected,
              .found = found);
}
#define THREAD_WRONG(check, thread, code, field, expected)                                         \
    thread_wrong((check), (thread), (code), offsetof(struct ash_thread_heap, field), (expected),   \
                 (uint64_t)(thread)->th->field)

static bool slab_of(const struct ash_check *check, const struct ash_page *page, uint32_t id) {
    return page->kind == ASH_PAGE_SLAB &&
           (uint64_t)(uintptr_t)atomic_load_explicit(&page->owner, memory_order_relaxed) ==
               ash_at_thread(check, id);
}

/* The slab of this owner that a link names; NULL when it names none. */
static const struct ash_page *slab_linked(struct ash_check *check, uint32_t id, uint32_t link,
                                          struct ash_page *copy) {
    uint64_t pages;
    if (link == 0 || link > check->frontier) return NULL;
    const struct ash_page *page = ash_check_page(check, link - 1, copy);
    if (page == NULL || !slab_of(check, page, id) ||
        ash_check_shape(check, link - 1, page, &pages) != ASHLAR_FINDING_NONE)
        return NULL;
    return page;
}

/* Bins. */

struct bin {
    struct thread thread;
    const struct ash_bin *bin;
    unsigned class_index;
};

static uint64_t bin_at(const struct ash_check *check, const struct bin *bin) {
    return ASH_AT_THREAD(check, bin->thread.id, bins) + bin->class_index * sizeof(struct ash_bin);
}

static void bin_wrong(struct ash_check *check, const struct bin *bin, enum ashlar_finding_code code,
                      size_t offset, uint64_t expected, uint64_t found) {
    ASH_FOUND(check, .code = code, .thread_heap = bin->thread.id, .index = bin->class_index,
              .page = bin->bin->slab == 0 ? 0 : bin->bin->slab - 1,
              .address = bin_at(check, bin) + offset, .expected = expected, .found = found);
}
#define BIN_WRONG(check, at, code, field, expected)                                                \
    bin_wrong((check), (at), (code), offsetof(struct ash_bin, field), (expected),                  \
              (uint64_t)(at)->bin->field)

static void bin_idle(struct ash_check *check, const struct bin *at) {
    uint64_t word = (uint64_t)(uintptr_t)at->bin->word, none = ASH_AT_HEAP(check, no_word);
    if (word != none)
        bin_wrong(check, at, ASHLAR_BIN_WORD, offsetof(struct ash_bin, word), none, word);
    if (at->bin->candidates != 0) BIN_WRONG(check, at, ASHLAR_BIN_CANDIDATES, candidates, 0);
    if (at->bin->window != 0 || at->bin->window_index != 0)
        BIN_WRONG(check, at, ASHLAR_BIN_WINDOW, window, 0);
}

/* The bin against its current slab, whose identity is proved. */
static void bin_current(struct ash_check *check, const struct bin *at,
                        const struct ash_page *slab) {
    const struct ash_bin *bin = at->bin;
    const struct ash_root *root = &check->heap->root;
    uint64_t page = bin->slab - 1, index = bin->window_index;
    bool words_inline = ash_window_count(slab->block_count) <= ASH_INLINE_WORDS;
    if (index >= slab->opened_windows || index >= ash_window_count(slab->block_count)) {
        BIN_WRONG(check, at, ASHLAR_BIN_WINDOW, window_index, slab->opened_windows);
        return;
    }
    uint64_t window = root->region_base + (page << ASH_PAGE_SHIFT) +
                      index * ASH_WINDOW_BLOCKS * root->classes[at->class_index].block_bytes;
    if (bin->window != window) BIN_WRONG(check, at, ASHLAR_BIN_WINDOW, window, window);
    uint64_t words =
        words_inline ? ASH_AT(check, page, inline_words) : root->bitmaps + page * ASH_BITMAP_STRIDE;
    uint64_t word_at = words + index * sizeof(uint64_t), copy, again;
    if ((uint64_t)(uintptr_t)bin->word != word_at)
        bin_wrong(check, at, ASHLAR_BIN_WORD, offsetof(struct ash_bin, word), word_at,
                  (uint64_t)(uintptr_t)bin->word);
    const uint64_t *word = (const uint64_t *)ash_check_view(check, word_at, sizeof copy, &copy);
    if (word == NULL || (bin->candidates & ~*word) == 0) return;
    bool muted = check->muted;
    uint64_t candidates = bin->candidates;
    if (check->watching) { /* see check.c, section 6 */
        const uint64_t *now = (const uint64_t *)ash_check_view(
            check, bin_at(check, at) + offsetof(struct ash_bin, candidates), sizeof again, &again);
        if (now != NULL) candidates = *now;
        check->muted = muted || now == NULL || bin->block_bytes > ASH_SMALL_BYTES_MAX;
    }
    if ((candidates & ~*word) != 0)
        bin_wrong(check, at, ASHLAR_BIN_CANDIDATES, offsetof(struct ash_bin, candidates), *word,
                  candidates);
    check->muted = muted;
}

void ash_check_bin(struct ash_check *check, const struct ash_thread_heap *th, uint32_t id,
                   unsigned class_index) {
    const struct ash_bin *bin = &th->bins[class_index];
    const struct bin at = {.thread = {th, id}, .bin = bin, .class_index = class_index};
    uint32_t bytes = check->heap->root.classes[class_index].block_bytes;
    uint64_t idle = bin->candidates | bin->window | bin->slab | bin->window_index | bin->spare |
                    bin->spare2 | bin->spare3;
    if (ASH_LIKELY(idle == 0 && bin->class_index == class_index && bin->block_bytes == bytes &&
                   bin->debt >= 0 && (uint64_t)(uintptr_t)bin->word == ASH_AT_HEAP(check, no_word)))
        return; /* most bins of a small heap: one look */
    if (bin->class_index != class_index)
        BIN_WRONG(check, &at, ASHLAR_BIN_CLASS, class_index, class_index);
    if (bin->block_bytes != bytes) BIN_WRONG(check, &at, ASHLAR_BIN_CLASS, block_bytes, bytes);
    if ((bin->spare | bin->spare2 | bin->spare3) != 0)
        BIN_WRONG(check, &at, ASHLAR_BIN_SPARE, spare, 0);
    if (bin->debt < 0)
        bin_wrong(check, &at, ASHLAR_BIN_SPARE, offsetof(struct ash_bin, debt), 0,
                  (uint64_t)bin->debt);
    if (bin->slab == 0) {
        bin_idle(check, &at);
        return;
    }
    if (!check->partition || !check->identities) return;
    struct ash_page copy;
    uint64_t unreadable = check->report->unreadable;
    const struct ash_page *slab = slab_linked(check, id, bin->slab, &copy);
    if (check->report->unreadable != unreadable) return;
    if (slab == NULL || slab->class_index != class_index || slab->place != ASH_SLAB_CURRENT)
        BIN_WRONG(check, &at, ASHLAR_BIN_SLAB, slab, 0);
    else
        bin_current(check, &at, slab);
}

/* Lists of slabs. */

/* Adds the slabs in the queue to *reached, which may not be more than `most`. */
static void queue_walk(struct ash_check *check, const struct thread *thread, unsigned class_index,
                       uint64_t *reached, uint64_t most) {
    const struct ash_bin *bin = &thread->th->bins[class_index];
    const struct bin at = {.thread = *thread, .bin = bin, .class_index = class_index};
    uint32_t previous = 0, link = bin->queue_head;
    uint64_t unreadable = check->report->unreadable;
    while (link != 0) {
        struct ash_page copy;
        const struct ash_page *slab = slab_linked(check, thread->id, link, &copy);
        enum ashlar_finding_code code = ASHLAR_FINDING_NONE;
        if (slab == NULL || slab->class_index != class_index || slab->place != ASH_SLAB_QUEUED)
            code = ASHLAR_QUEUE_MEMBER;
        else if (slab->previous != previous || *reached >= most)
            code = ASHLAR_QUEUE_LINKS;
        if (code != ASHLAR_FINDING_NONE) {
            ASH_FOUND_READ(check, unreadable, .code = code, .thread_heap = thread->id,
                           .index = class_index, .page = link - 1, .expected = previous,
                           .found = slab == NULL ? link : slab->previous,
                           .address = previous == 0 ? ASH_AT_THREAD(check, thread->id,
                                                                    bins[class_index].queue_head)
                                                    : ASH_AT(check, previous - 1, next));
            return;
        }
        ++*reached;
        previous = link;
        link = slab->next;
    }
    if (bin->queue_tail != previous)
        BIN_WRONG(check, &at, ASHLAR_QUEUE_LINKS, queue_tail, previous);
}

static void pending_walk(struct ash_check *check, const struct thread *thread,
                         struct threads *threads) {
    uint32_t link = atomic_load_explicit(&thread->th->pending, memory_order_relaxed), previous = 0;
    uint64_t unreadable = check->report->unreadable;
    while (link != 0) {
        struct ash_page copy;
        const struct ash_page *slab = slab_linked(check, thread->id, link, &copy);
        enum ashlar_finding_code code = ASHLAR_FINDING_NONE;
        if (slab == NULL || atomic_load_explicit(&slab->remote_summary, memory_order_relaxed) == 0)
            code = ASHLAR_PENDING_MEMBER;
        else if (threads->pending >= check->tally.pending)
            code = ASHLAR_PENDING_LINKS;
        if (code != ASHLAR_FINDING_NONE) {
            ASH_FOUND_READ(check, unreadable, .code = code, .thread_heap = thread->id,
                           .page = link - 1, .found = link,
                           .address = previous == 0 ? ASH_AT_THREAD(check, thread->id, pending)
                                                    : ASH_AT(check, previous - 1, pending_next));
            return;
        }
        threads->pending++;
        previous = link;
        link = atomic_load_explicit(&slab->pending_next, memory_order_relaxed);
    }
}

/* Whether a descriptor is a span that the thread heap keeps in that list. */
static bool kept_member(const struct ash_page *span, uint32_t id, unsigned list) {
    if (span->kind != ASH_PAGE_KEPT || span->span.keeper != id || span->span.moved != 0)
        return false;
    return list < ASH_KEPT_EXACT ? span->pages == list + 1 : span->pages > ASH_KEPT_EXACT;
}

/* Walks one list of kept spans, and adds its pages to *pages. False when it breaks. */
static bool kept_walk(struct ash_check *check, const struct thread *thread, unsigned list,
                      uint64_t *spans, uint64_t *pages) {
    uint32_t link = thread->th->kept[list];
    uint64_t unreadable = check->report->unreadable;
    uint64_t at = ASH_AT_THREAD(check, thread->id, kept) + list * sizeof link;
    while (link != 0) {
        struct ash_page copy;
        const struct ash_page *span = NULL;
        enum ashlar_finding_code code = ASHLAR_FINDING_NONE;
        if (link <= check->frontier) span = ash_check_page(check, link - 1, &copy);
        if (span == NULL || !kept_member(span, thread->id, list))
            code = ASHLAR_KEPT_MEMBER;
        else if (*spans >= check->tally.kept)
            code = ASHLAR_KEPT_LINKS;
        if (code != ASHLAR_FINDING_NONE) {
            ASH_FOUND_READ(check, unreadable, .code = code, .thread_heap = thread->id,
                           .page = link - 1, .index = list, .found = link, .address = at);
            return false;
        }
        ++*spans;
        *pages += span->pages;
        at = ASH_AT(check, link - 1, span.kept_next);
        link = span->span.kept_next;
    }
    return true;
}

static void kept_lists(struct ash_check *check, const struct thread *thread,
                       struct threads *threads) {
    const struct ash_thread_heap *th = thread->th;
    uint64_t spans = 0, pages = 0;
    bool whole = true;
    for (unsigned list = 0; list < ASH_KEPT_LISTS && whole; list++)
        whole = kept_walk(check, thread, list, &spans, &pages);
    threads->kept += spans;
    if (!whole) return;
    if (atomic_load_explicit(&th->kept_spans, memory_order_relaxed) != spans)
        THREAD_WRONG(check, thread, ASHLAR_KEPT_COUNT, kept_spans, spans);
    if (atomic_load_explicit(&th->kept_pages, memory_order_relaxed) != pages)
        THREAD_WRONG(check, thread, ASHLAR_KEPT_COUNT, kept_pages, pages);
}

/* Thread heaps. */

static void thread_fields(struct ash_check *check, const struct thread *thread) {
    const struct ash_thread_heap *th = thread->th;
    const struct ash_root *root = &check->heap->root;
    const enum ashlar_finding_code code = ASHLAR_THREAD_FIELDS;
    uint32_t transition = atomic_load_explicit(&th->transition, memory_order_relaxed);
    if (th->id != thread->id) THREAD_WRONG(check, thread, ASHLAR_THREAD_ID, id, thread->id);
    if (th->region_base != root->region_base)
        THREAD_WRONG(check, thread, code, region_base, root->region_base);
    if ((uint64_t)(uintptr_t)th->pages != root->pages)
        thread_wrong(check, thread, code, offsetof(struct ash_thread_heap, pages), root->pages,
                     (uint64_t)(uintptr_t)th->pages);
    if ((uint64_t)(uintptr_t)th->heap != check->root_at)
        thread_wrong(check, thread, code, offsetof(struct ash_thread_heap, heap), check->root_at,
                     (uint64_t)(uintptr_t)th->heap);
    if (th->page_limit > check->frontier)
        THREAD_WRONG(check, thread, ASHLAR_THREAD_LIMIT, page_limit, check->frontier);
    uint32_t asked = atomic_load_explicit(&th->asked, memory_order_relaxed);
    uint32_t guest = atomic_load_explicit(&th->guest.state, memory_order_relaxed);
    if (asked > 1 || (check->reader->quiescent && (asked | guest) != 0))
        THREAD_WRONG(check, thread, ASHLAR_THREAD_TRANSITION, asked, 0);
    if (transition > ASH_RESET || (transition != ASH_QUIET && check->reader->quiescent))
        THREAD_WRONG(check, thread, ASHLAR_THREAD_TRANSITION, transition, ASH_QUIET);
    const uint8_t *bytes = (const uint8_t *)th;
    bool spare = (th->spare | th->spare3) != 0;
    for (size_t at = offsetof(struct ash_thread_heap, state) + sizeof th->state;
         at < offsetof(struct ash_thread_heap, bins); at++)
        spare = spare || bytes[at] != 0;
    for (size_t i = 0; i < sizeof th->spare2 / sizeof th->spare2[0]; i++)
        spare = spare || th->spare2[i] != 0;
    if (spare)
        thread_wrong(check, thread, ASHLAR_THREAD_SPARE,
                     offsetof(struct ash_thread_heap, state) + sizeof th->state, 0, 1);
}

static void thread_state(struct ash_check *check, const struct thread *thread,
                         struct threads *threads) {
    uint32_t state = atomic_load_explicit(&thread->th->state, memory_order_relaxed);
    if (state == ASH_THREAD_ACTIVE)
        threads->active++;
    else if (state == ASH_THREAD_POOLED)
        threads->pooled++;
    else
        THREAD_WRONG(check, thread, ASHLAR_THREAD_STATE, state, ASH_THREAD_ACTIVE);
    if (!ASH_PLANTED(403) && state == ASH_THREAD_ACTIVE && thread->th->pool_next != 0)
        THREAD_WRONG(check, thread, ASHLAR_POOL_LINKS, pool_next, 0);
}

static void thread_lists(struct ash_check *check, const struct thread *thread,
                         struct threads *threads) {
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++) {
        const struct ash_bin *bin = &thread->th->bins[class_index];
        if (bin->slabs != 0)
            threads->owned += bin->slabs * ash_check_owned(thread->id, class_index);
        if (threads->lists && (bin->queue_head | bin->queue_tail) != 0)
            queue_walk(check, thread, class_index, &threads->queued, check->tally.queued);
    }
    if (threads->lists) kept_lists(check, thread, threads);
    bool muted = check->muted;
    check->muted = muted || !check->reader->quiescent; /* pushes bear no mark */
    if (threads->lists) pending_walk(check, thread, threads);
    check->muted = muted;
}

static void thread_bins(struct ash_check *check, const struct thread *thread) {
    for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++)
        ash_check_bin(check, thread->th, thread->id, class_index);
}

/* Bins and queues of a thread heap on which a thread runs: see check.c, section 6. */
static void thread_watch(struct ash_check *check, const struct thread *thread,
                         const struct ash_thread_view *view, bool lists) {
    uint64_t queued = 0;
    ash_check_watch(check);
    thread_bins(check, thread);
    for (unsigned class_index = 0; lists && class_index < ASH_CLASS_COUNT; class_index++)
        queue_walk(check, thread, class_index, &queued, check->frontier);
    ash_check_settle(check, view);
}

static void thread_check(struct ash_check *check, const struct ash_thread_view *view,
                         struct threads *threads) {
    const struct thread thread = {view->th, view->id};
    bool changing = ash_check_changing(check, view->th, view->id);
    bool watched = !changing && ash_check_runs(check, view->id);
    check->muted = check->moving;
    thread_fields(check, &thread);
    check->muted = check->moving || changing;
    thread_state(check, &thread, threads);
    if (watched)
        thread_watch(check, &thread, view, threads->lists);
    else
        thread_bins(check, &thread);
    check->muted = false;
    if (changing || watched) {
        threads->changing = true;
        check->report->in_transition++;
    } else {
        thread_lists(check, &thread, threads);
    }
}

/* The pool of released thread heaps. */
static void pool_walk(struct ash_check *check, const struct threads *threads) {
    const struct ash_root *root = &check->heap->root;
    uint32_t link = root->pool_head;
    uint64_t reached = 0, at = ASH_AT_HEAP(check, root.pool_head);
    uint64_t unreadable = check->report->unreadable;
    for (; link != 0; reached++) {
        struct ash_thread_view view;
        view.id = 0;
        const struct ash_thread_heap *th = NULL;
        if (link <= check->thread_heaps) th = ash_check_thread(check, &view, link);
        bool pooled = th != NULL && reached < threads->pooled &&
                      atomic_load_explicit(&th->state, memory_order_relaxed) == ASH_THREAD_POOLED;
        if (!pooled) {
            ASH_FOUND_READ(check, unreadable, .code = ASHLAR_POOL_LINKS, .address = at,
                           .found = link);
            return;
        }
        at = ASH_AT_THREAD(check, link, pool_next);
        link = th->pool_next;
    }
    if (reached != threads->pooled)
        ASH_FOUND(check, .code = ASHLAR_POOL_UNLISTED, .expected = threads->pooled,
                  .found = reached, .address = ASH_AT_HEAP(check, root.pool_head));
}

/* Counts the slabs of each thread heap again, to say which count is wrong. */
static void recount(struct ash_check *check) {
    const uint64_t threads = check->thread_heaps, slabs = check->tally.slabs + 1;
    bool found = false;
    for (uint32_t id = 1; id <= threads && threads * slabs <= RECOUNT_MOST; id++) {
        struct ash_thread_view view;
        struct ash_walk walk;
        struct ash_head head = {0};
        uint64_t counts[ASH_CLASS_COUNT] = {0};
        walk.first = walk.count = 0;
        view.id = 0;
        const struct ash_thread_heap *th = ash_check_thread(check, &view, id);
        if (th == NULL || ash_check_changing(check, th, id) || ash_check_runs(check, id)) continue;
        while (ash_next_head(check, &walk, &head))
            if (slab_of(check, head.descriptor, id) &&
                head.descriptor->class_index < ASH_CLASS_COUNT)
                counts[head.descriptor->class_index]++;
        for (unsigned class_index = 0; class_index < ASH_CLASS_COUNT; class_index++) {
            if (th->bins[class_index].slabs == counts[class_index]) continue;
            found = true;
            ASH_FOUND(check, .code = ASHLAR_BIN_SLABS, .thread_heap = id, .index = class_index,
                      .expected = counts[class_index], .found = th->bins[class_index].slabs,
                      .address = ASH_AT_THREAD(check, id, bins[class_index].slabs));
        }
    }
    if (!found) ASH_FOUND(check, .code = ASHLAR_BIN_SLABS);
}

/* Whether as many were reached as there are: counts of thread heaps and of slabs in lists. */
static void threads_complete(struct ash_check *check, const struct threads *threads) {
    const struct ash_tally *tally = &check->tally;
    if (threads->queued != tally->queued)
        ASH_FOUND(check, .code = ASHLAR_QUEUE_UNLISTED, .expected = tally->queued,
                  .found = threads->queued);
    if (threads->kept != tally->kept && !threads->changing)
        ASH_FOUND(check, .code = ASHLAR_KEPT_UNLISTED, .expected = tally->kept,
                  .found = threads->kept);
    check->muted = !check->reader->quiescent;
    if (threads->pending != tally->pending)
        ASH_FOUND(check, .code = ASHLAR_PENDING_UNLISTED, .expected = tally->pending,
                  .found = threads->pending);
    check->muted = false;
    if (threads->owned != tally->owned) recount(check);
}

void ash_pass_threads(struct ash_check *check) {
    const struct ash_heap *heap = check->heap;
    struct threads threads = {.lists = check->partition && check->identities && !check->moving};
    struct ash_thread_view view;
    uint64_t findings = check->report->findings, unreadable = check->report->unreadable;
    for (uint32_t id = 1; id <= check->thread_heaps; id++) {
        view.id = 0;
        if (ash_check_thread(check, &view, id) != NULL) thread_check(check, &view, &threads);
    }
    bool whole = check->report->unreadable == unreadable && check->report->findings == findings;
    if (threads.lists && whole) threads_complete(check, &threads);
    /* The pool's lock has no mark beside it. */
    const struct ashlar_reader *reader = check->reader;
    bool pooling = !reader->quiescent && !reader->locked &&
                   (reader->running ||
                    atomic_load_explicit(&heap->pool_lock.state, memory_order_relaxed) != 0);
    if (pooling) check->report->in_transition++;
    bool changing = threads.changing && !reader->locked; /* else it is not acquiring or releasing */
    if (pooling || changing || !whole || check->moving) return;
    if (heap->root.acquired != threads.active)
        ASH_FOUND(check, .code = ASHLAR_THREAD_ACQUIRED, .expected = threads.active,
                  .found = heap->root.acquired, .address = ASH_AT_HEAP(check, root.acquired));
    pool_walk(check, &threads);
}
