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
};

/* What the passes count on their way, for the accounting pass and for completeness of lists. */
struct ash_tally {
    uint64_t slab_pages, span_pages, free_pages, dirty_free;
    uint64_t free_runs, dirty_runs, slabs, spans, moved_spans;
    uint64_t queued;  /* slabs in place QUEUED */
    uint64_t pending; /* slabs with a remote summary */
    uint64_t owned;   /* fingerprint of (owner, class) over all slabs: see threads.c */
    uint64_t active, pooled;
};

struct ash_check {
    const struct ashlar_reader *reader;
    bool direct; /* the reader gives addresses of this process in place */
    bool muted;
    enum ashlar_check_tier tier;
    ashlar_finding_sink *sink;
    void *context;
    struct ashlar_check_report *report;
    uint64_t root_at;
    const struct ash_heap *heap; /* the heap object, in place or copied */
    /* Proved by the region pass. Until it has passed, nothing else may be followed. */
    uint64_t frontier; /* pages whose bookkeeping may be read */
    uint32_t thread_heaps;
    bool moving; /* not quiescent, and the heap is in transition */
    /* Proved by the pages pass: heads partition the pages. Links to pages rely on it. */
    bool partition;
    /* Proved by the slabs pass: class, owner and place of every slab. Thread heaps' lists rely on
     * it. */
    bool identities;
    struct ash_tally tally;
    uint64_t dirty_first, dirty_count; /* dirty words in view: see runs.c */
    const uint64_t *dirty_words;
    uint64_t dirty_copy[ASH_WALK_PAGES];
    struct ash_heap copy;
};

/* Reports one violated invariant, or counts it as in transition while muted. */
void ash_check_report(struct ash_check *check, const struct ashlar_finding *finding);
#define ASH_FOUND(check, ...) ash_check_report((check), &(const struct ashlar_finding){__VA_ARGS__})

/* `bytes` bytes at an address that proved geometry allows; `scratch` is that large and as aligned
 * as its type. NULL, and counted as unreadable, when the reader has nothing there. */
const void *ash_check_copy(struct ash_check *check, uint64_t address, size_t bytes, void *scratch);
ASH_INLINE const void *ash_check_view(struct ash_check *check, uint64_t address, size_t bytes,
                                      void *scratch) {
    if (ASH_LIKELY(check->direct)) return (const void *)(uintptr_t)address;
    return ash_check_copy(check, address, bytes, scratch);
}

/* Whether all of `bytes` bytes (a multiple of 8, aligned to 8) are zero. */
ASH_INLINE bool ash_check_zeros(const void *start, size_t bytes) {
    const uint64_t *words = (const uint64_t *)start;
    uint64_t any = 0;
    for (size_t word = 0; word < bytes / 8; word++) any |= words[word];
    return any == 0;
}

/* Addresses of things in the heap's own space. */
ASH_INLINE uint64_t ash_at_page(const struct ash_check *check, uint64_t page) {
    return check->heap->root.pages + page * sizeof(struct ash_page);
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
enum ashlar_finding_code ash_check_shape(const struct ash_check *check, uint64_t page,
                                         const struct ash_page *descriptor, uint64_t *pages);
/* Moves to the next head; stretches that belong to none are passed over (the pages pass reports
 * them). Start with *head zeroed and walk->count 0. False at the frontier. */
bool ash_next_head(struct ash_check *check, struct ash_walk *walk, struct ash_head *head);

/* A thread heap with the id it was viewed for. */
struct ash_thread_view {
    uint32_t id; /* 0: none yet */
    const struct ash_thread_heap *th;
    struct ash_thread_heap copy;
};
/* NULL when it cannot be read. `id` is 1 .. check->thread_heaps. */
const struct ash_thread_heap *ash_check_thread(struct ash_check *check,
                                               struct ash_thread_view *view, uint32_t id);
/* Id of the thread heap at an address of the heap's own space; 0 when none lies there. */
uint32_t ash_check_thread_id(const struct ash_check *check, uint64_t address);
/* Whether what only this thread heap changes may be half done. */
ASH_INLINE bool ash_check_changing(const struct ash_check *check,
                                   const struct ash_thread_heap *th) {
    uint32_t transition = atomic_load_explicit(&th->transition, memory_order_relaxed);
    return !check->reader->quiescent && transition != ASH_QUIET && transition != ASH_REMOTE;
}
/* How many of `pages` pages have their dirty bit set; false when the bits cannot be read. */
bool ash_check_dirty(struct ash_check *check, uint64_t page, uint64_t pages, uint64_t *dirty);

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
void ash_check_bin(struct ash_check *check, const struct ash_thread_heap *th, uint32_t id,
                   unsigned class_index);

/* The passes, in order. Region and pages tell whether the next ones may go on. */
bool ash_pass_region(struct ash_check *check);
void ash_pass_pages(struct ash_check *check);
void ash_pass_slabs(struct ash_check *check);
void ash_pass_spans(struct ash_check *check);
void ash_pass_runs(struct ash_check *check);
void ash_pass_threads(struct ash_check *check);
void ash_pass_accounting(struct ash_check *check);
void ash_pass_contents(struct ash_check *check);
/* What `address` lies in, with its neighbours: for ashlar_check_touched. */
void ash_pass_touched(struct ash_check *check, uint64_t address);

#endif
