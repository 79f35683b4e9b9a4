/* What the passes of the checker share: the check under way, views through the reader, the walk
 * over page descriptors, and how a violated invariant is reported.
 *
 * Vocabulary beyond layout.h: a *head* is the first page of a slab, span or free run; the heads
 * below the frontier *partition* the pages; a check is *muted* while it looks at what a transition
 * under way may have half done, and then counts what it would have reported as in transition. */
#ifndef ASH_CHECK_PASS_H
#define ASH_CHECK_PASS_H

#include "heap/layout.h"

#include <ashlar/check.h>

enum {
    ASH_WALK_PAGES = 32, /* descriptors viewed at once through a reader that copies */
    ASH_HELD_MOST = 16,  /* findings of one thing that is watched: see check.c, section 5 */
};

/* What the passes count on their way, for the accounting pass and for completeness of lists. */
struct ash_tally {
    uint64_t slab_pages, span_pages, free_pages, dirty_free;
    uint64_t free_runs, dirty_runs, slabs, spans, moved_spans; /* spans: kept ones, too */
    uint64_t kept;                                             /* spans */
    uint64_t queued;                                           /* slabs in place QUEUED */
    uint64_t pending;                                          /* slabs with a remote summary */
    uint64_t owned; /* fingerprint of (owner, class) over all slabs: see threads.c */
    uint64_t active, pooled;
};

struct ash_check {
    const struct ashlar_reader *reader;
    bool direct; /* the reader gives addresses of this process in place */
    bool muted, watching;
    uint32_t held_count;
    enum ashlar_check_tier tier;
    ashlar_finding_sink *sink;
    void *context;
    struct ashlar_check_report *report;
    uint64_t root_at;
    const struct ash_heap *heap; /* the heap object, in place or copied */
    /* Proved by the region pass. Until it has passed, nothing else may be followed. */
    uint64_t frontier; /* pages whose bookkeeping may be read */
    uint64_t pages;    /* address of descriptor 0 */
    uint32_t thread_heaps;
    bool moving; /* not quiescent, and the heap is in transition */
    /* Proved by the pages pass: heads partition the pages. Links to pages rely on it. */
    bool partition;
    /* Proved by slabs.c: class, owner and place of every slab. Thread heaps' lists rely on
     * it. */
    bool identities;
    struct ash_tally tally;
    uint64_t dirty_first, dirty_count; /* dirty words in view: see runs.c */
    const uint64_t *dirty_words;
    uint64_t dirty_copy[ASH_WALK_PAGES];
    struct ashlar_finding held[ASH_HELD_MOST];
    struct ash_heap copy;
};

/* Reports one violated invariant, or counts it as in transition while muted. */
ASH_COLD void ash_check_report(struct ash_check *check, const struct ashlar_finding *finding);
#define ASH_FOUND(check, ...) ash_check_report((check), &(const struct ashlar_finding){__VA_ARGS__})

/* `bytes` bytes at an address that proved geometry allows; `scratch` is that large and as aligned
 * as its type. NULL, and counted as unreadable, when the reader has nothing there. */
const void *ash_check_copy(struct ash_check *check, uint64_t address, size_t bytes, void *scratch);
ASH_INLINE const void *ash_check_view(struct ash_check *check, uint64_t address, size_t bytes,
                                      void *scratch) {
    if (ASH_LIKELY(check->direct)) return (const void *)(uintptr_t)address;
    return ash_check_copy(check, address, bytes, scratch);
}

/* Reports it, unless something could not be read since there were `unreadable` such things: then it
 * may merely be missing. */
#define ASH_FOUND_READ(check, unreadable, ...)                                                     \
    do {                                                                                           \
        if ((check)->report->unreadable == (unreadable)) ASH_FOUND(check, __VA_ARGS__);            \
    } while (0)

/* Two words at once, and the same at any address that suits a word. */
typedef uint64_t ash_lanes __attribute__((vector_size(16), may_alias));
typedef uint64_t ash_lanes_anywhere __attribute__((vector_size(16), aligned(8), may_alias));
enum { ASH_PAGE_LANES = sizeof(struct ash_page) / sizeof(ash_lanes) };
static_assert(ASH_PAGE_LANES == 8, "ash_check_empty takes eight at a time");

/* Whether all of `bytes` bytes (a multiple of 8, aligned to 8) are zero. */
ASH_INLINE bool ash_check_zeros(const void *start, size_t bytes) {
    const ash_lanes_anywhere *lanes = (const ash_lanes_anywhere *)start;
    ash_lanes any = {0};
    size_t count = bytes / sizeof *lanes;
    for (size_t at = 0; at < count; at++) any |= lanes[at];
    uint64_t last = bytes % sizeof *lanes != 0 ? ((const uint64_t *)start)[bytes / 8 - 1] : 0;
    return (any[0] | any[1] | last) == 0;
}

/* Whether `count` descriptors are zero. */
ASH_INLINE bool ash_check_empty(const struct ash_page *pages, uint64_t count) {
    const ash_lanes *lanes = (const ash_lanes *)pages, *end = lanes + count * ASH_PAGE_LANES;
    ash_lanes even = {0}, odd = {0};
    for (; lanes != end; lanes += ASH_PAGE_LANES) {
        even = even | lanes[0] | lanes[2] | lanes[4] | lanes[6];
        odd = odd | lanes[1] | lanes[3] | lanes[5] | lanes[7];
    }
    even |= odd;
    return (even[0] | even[1]) == 0;
}

/* The bytes of a descriptor that some fields take; as bytes, because an initialised union says
 * nothing of those that its member does not cover. */
struct ash_page_fields {
    _Alignas(ash_lanes) uint8_t bytes[sizeof(struct ash_page)];
};
#define ASH_PAGE_FIELD(field)                                                                      \
    [offsetof(struct ash_page, field)... offsetof(struct ash_page, field) +                        \
        sizeof(((struct ash_page *)0)->field) - 1] = UINT8_MAX

/* Whether a descriptor is zero but for these fields. */
ASH_INLINE bool ash_check_only(const struct ash_page *page, const struct ash_page_fields *fields) {
    const ash_lanes *lanes = (const ash_lanes *)page, *masks = (const ash_lanes *)fields;
    ash_lanes any = {0};
    for (unsigned at = 0; at < ASH_PAGE_LANES; at++) any |= lanes[at] & ~masks[at];
    return (any[0] | any[1]) == 0;
}

/* Those of a free run's first page, and of its last. */
static const struct ash_page_fields ash_run_fields = {
    {ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(kind), ASH_PAGE_FIELD(pages),
     ASH_PAGE_FIELD(run.bin_next), ASH_PAGE_FIELD(run.bin_previous), ASH_PAGE_FIELD(run.dirty_next),
     ASH_PAGE_FIELD(run.dirty_previous), ASH_PAGE_FIELD(run.freed_ms),
     ASH_PAGE_FIELD(run.dirty_pages)}};
static const struct ash_page_fields ash_run_last_fields = {
    {ASH_PAGE_FIELD(head), ASH_PAGE_FIELD(kind), ASH_PAGE_FIELD(pages)}};

/* Addresses of things in the heap's own space. */
ASH_INLINE uint64_t ash_at_page(const struct ash_check *check, uint64_t page) {
    return check->pages + page * sizeof(struct ash_page);
}
ASH_INLINE uint64_t ash_at_field(const struct ash_check *check, uint64_t page, size_t offset) {
    return ash_at_page(check, page) + offset;
}
#define ASH_AT(check, page, field) ash_at_field((check), (page), offsetof(struct ash_page, field))
ASH_INLINE uint64_t ash_at_heap(const struct ash_check *check, size_t offset) {
    return check->root_at + offset;
}
#define ASH_AT_HEAP(check, field) ash_at_heap((check), offsetof(struct ash_heap, field))
ASH_INLINE uint64_t ash_at_thread(const struct ash_check *check, uint32_t id) {
    return check->heap->root.thread_heaps + (uint64_t)(id - 1) * ASH_THREAD_HEAP_STRIDE;
}
#define ASH_AT_THREAD(check, id, field)                                                            \
    (ash_at_thread((check), (id)) + offsetof(struct ash_thread_heap, field))

/* A descriptor by number (below the frontier); for links. */
ASH_INLINE const struct ash_page *ash_check_page(struct ash_check *check, uint64_t page,
                                                 struct ash_page *scratch) {
    return (const struct ash_page *)ash_check_view(check, ash_at_page(check, page),
                                                   sizeof(struct ash_page), scratch);
}

/* Descriptors in ascending order, many at a time. */
struct ash_walk {
    uint64_t first, count;
    const struct ash_page *chunk;
    struct ash_page copies[ASH_WALK_PAGES];
};
const struct ash_page *ash_walk_load(struct ash_check *check, struct ash_walk *walk, uint64_t page);
ASH_INLINE const struct ash_page *ash_walk_page(struct ash_check *check, struct ash_walk *walk,
                                                uint64_t page) {
    if (ASH_LIKELY(page - walk->first < walk->count)) return &walk->chunk[page - walk->first];
    return ash_walk_load(check, walk, page);
}

/* The head that a walk stands on. */
struct ash_head {
    uint64_t page, pages;
    const struct ash_page *descriptor; /* valid until the walk moves on */
    enum ash_page_kind kind;
};
/* How a descriptor fails to be a head at its place: 0, or the finding's code. *pages receives the
 * run's length when it is one. */
ASH_INLINE enum ashlar_finding_code ash_check_shape(const struct ash_check *check, uint64_t page,
                                                    const struct ash_page *descriptor,
                                                    uint64_t *pages) {
    switch (descriptor->kind) {
    case ASH_PAGE_SLAB:
        *pages = descriptor->slab_pages;
        if (*pages > ASH_SLAB_PAGES_MAX) return ASHLAR_PAGE_LENGTH;
        break;
    case ASH_PAGE_SPAN:
    case ASH_PAGE_KEPT:
    case ASH_PAGE_FREE:
        *pages = descriptor->pages;
        break;
    default:
        return ASHLAR_PAGE_KIND;
    }
    if (*pages - 1 >= check->frontier - page) return ASHLAR_PAGE_LENGTH; /* none, or too many */
    if ((uint64_t)(uintptr_t)descriptor->head != ash_at_page(check, page)) return ASHLAR_PAGE_HEAD;
    return ASHLAR_FINDING_NONE;
}
/* Moves to the next head; stretches that belong to none are passed over (the pages pass reports
 * them). Start with *head zeroed and walk->count 0. False at the frontier. */
bool ash_next_head(struct ash_check *check, struct ash_walk *walk, struct ash_head *head);

/* A thread heap with the id it was viewed for. */
struct ash_thread_view {
    uint32_t id;    /* 0: none yet */
    uint32_t steps; /* of one that runs: as they were before it was copied */
    const struct ash_thread_heap *th;
    struct ash_thread_heap copy;
};
/* NULL when it cannot be read. `id` is 1 .. check->thread_heaps. */
const struct ash_thread_heap *ash_check_thread(struct ash_check *check,
                                               struct ash_thread_view *view, uint32_t id);
/* Id of the thread heap at an address of the heap's own space; 0 when none lies there. */
uint32_t ash_check_thread_id(const struct ash_check *check, uint64_t address);
/* Whether a thread may run on it meanwhile: its own, or one that visits it, which those that are
 * pooled or whose thread waits for the check get, too. */
ASH_INLINE bool ash_check_runs(const struct ash_check *check, uint32_t id) {
    return check->reader->running && id != check->reader->mine;
}
/* Whether what only this thread heap changes may be half done, or cannot be watched. */
ASH_INLINE bool ash_check_changing(const struct ash_check *check, const struct ash_thread_heap *th,
                                   uint32_t id) {
    uint32_t transition = atomic_load_explicit(&th->transition, memory_order_relaxed);
    bool unwatched = ash_check_runs(check, id) && !check->reader->locked;
    bool visited = atomic_load_explicit(&th->guest.state, memory_order_relaxed) != 0;
    bool slow = transition != ASH_QUIET && transition != ASH_REMOTE;
    return !check->reader->quiescent && (unwatched || visited || slow);
}
/* What a thread that runs may change: between the two, findings are held back; then they stand if
 * the thread heap of `view` took no slow path since it was viewed. True when it took none. */
void ash_check_watch(struct ash_check *check);
bool ash_check_settle(struct ash_check *check, const struct ash_thread_view *view);
/* How many of `pages` pages have their dirty bit set; false when the bits cannot be read. */
bool ash_check_dirty_range(struct ash_check *check, uint64_t page, uint64_t pages, uint64_t *dirty);
ASH_INLINE bool ash_check_dirty(struct ash_check *check, uint64_t page, uint64_t pages,
                                uint64_t *dirty) {
    uint64_t word = page / 64 - check->dirty_first, full = ash_low_bits((unsigned)pages);
    if (ASH_UNLIKELY(page % 64 + pages > 64 || word >= check->dirty_count))
        return ash_check_dirty_range(check, page, pages, dirty);
    uint64_t bits = check->dirty_words[word] >> (page % 64) & full;
    *dirty = ASH_LIKELY(bits == full) ? pages : ash_count_bits(bits);
    return true;
}

/* Fingerprint of one slab's owner and class. The sum over all slabs equals the sum over all bins of
 * this times the bin's count of slabs just when every count is right, but for one chance in 2^64:
 * counts per bin are proved without memory for them. */
ASH_INLINE uint64_t ash_check_owned(uint32_t id, unsigned class_index) {
    uint64_t mix = ((uint64_t)id << 8 | class_index) * UINT64_C(0x9e3779b97f4a7c15);
    mix = (mix ^ mix >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (mix ^ mix >> 32) | 1;
}

/* One slab's, span's, free run's, bin's invariants. The head has its shape. */
void ash_check_slab(struct ash_check *check, const struct ash_head *head,
                    struct ash_thread_view *owners);
void ash_check_span(struct ash_check *check, const struct ash_head *head);
void ash_check_run(struct ash_check *check, const struct ash_head *head);
void ash_check_run_neighbours(struct ash_check *check, const struct ash_head *head);
/* How many pages from `page` on, where a head must be, belong to spans and free runs that are in
 * view as a whole and right in all. They are counted; what comes then is the walk's. */
uint64_t ash_check_right(struct ash_check *check, const struct ash_walk *walk, uint64_t page);
/* Whether so many pages, at least one, are dirty as far as one word in view tells. */
ASH_INLINE bool ash_check_dirty_here(const struct ash_check *check, uint64_t page, uint64_t pages) {
    uint64_t word = page / 64 - check->dirty_first, within = page % 64;
    return within + pages <= 64 && word < check->dirty_count &&
           ~(check->dirty_words[word] >> within) << (64 - pages) == 0;
}
/* What is handed out counts as dirty. */
void ash_check_not_dirty(struct ash_check *check, const struct ash_head *head, uint64_t dirty);
ASH_INLINE void ash_check_live(struct ash_check *check, const struct ash_head *head) {
    uint64_t dirty;
    if (ASH_LIKELY(ash_check_dirty_here(check, head->page, head->pages))) return;
    if (ash_check_dirty(check, head->page, head->pages, &dirty) && dirty != head->pages)
        ash_check_not_dirty(check, head, dirty);
}
void ash_check_bin(struct ash_check *check, const struct ash_thread_heap *th, uint32_t id,
                   unsigned class_index);

/* The passes, in order. Region and pages tell whether the next ones may go on. */
bool ash_pass_region(struct ash_check *check);
void ash_pass_pages(struct ash_check *check);
void ash_pass_runs(struct ash_check *check);
void ash_pass_threads(struct ash_check *check);
void ash_pass_accounting(struct ash_check *check);
void ash_pass_contents(struct ash_check *check);
/* What `address` lies in, with its neighbours: for ashlar_check_touched. */
void ash_pass_touched(struct ash_check *check, uint64_t address);

#endif
