/* The checker: proves every invariant of a heap through a reader, from inside or outside its
 * process.
 *
 *   struct ashlar_check_report report;
 *   if (ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report) != ASHLAR_SOUND) ...
 *
 * It never aborts, never allocates, never changes the heap, never trusts a field before the pass
 * that proves it, and follows no link without a bound. Thread safety: callers keep the heap still,
 * or say that it is not (quiescent).
 */
#ifndef ASHLAR_CHECK_H
#define ASHLAR_CHECK_H

#include <ashlar/finding.h>
#include <ashlar/heap.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/* Where the checker's bytes come from. */
struct ashlar_reader {
    void *context;
    /* The `bytes` bytes at `address` of the heap's own space: in place, or copied to `scratch` (of
     * that size). NULL when they cannot be read. */
    const void *(*view)(void *context, uint64_t address, size_t bytes, void *scratch);
    /* No operation is under way in the heap. When false, what a transition in progress may have
     * half done is reported as unchecked, not as corrupt. */
    bool quiescent;
    /* The caller holds both locks of the heap: nobody changes which pages are what, nor acquires or
     * releases thread heaps. */
    bool locked;
    /* Not quiescent, and not even stopped: threads run meanwhile. `view` has to copy then. Without
     * the locks everything is reported as unchecked (and the audit must not be asked for: pages may
     * go away under it). With them, just what a thread was changing at that moment, and whether
     * lists of thread heaps are complete, but for the one with the id `mine` (0: none), which
     * nobody frees into meanwhile. */
    bool running;
    uint32_t mine;
};
/* Reads this process directly. */
extern const struct ashlar_reader ashlar_reader_self;

enum ashlar_verdict { ASHLAR_SOUND = 0, ASHLAR_CORRUPT, ASHLAR_INCOMPLETE };

enum ashlar_check_tier {
    ASHLAR_CHECK_QUICK, /* O(pages): everything but the bitmaps' words and the contents */
    ASHLAR_CHECK_FULL,  /* every invariant of the metadata */
    ASHLAR_CHECK_AUDIT, /* and the contents: clean pages are zero */
};

/* One finding as the checker saw it. Fields that do not apply are 0. */
struct ashlar_finding {
    enum ashlar_finding_code code;
    uint64_t address;     /* of the metadata field, or of the block, that is wrong */
    uint64_t page;        /* page number it concerns */
    uint32_t index;       /* block, window, bin or link within it */
    uint32_t thread_heap; /* id */
    uint64_t expected, found;
};
typedef void ashlar_finding_sink(void *context, const struct ashlar_finding *finding);

struct ashlar_check_report {
    enum ashlar_verdict verdict;
    uint64_t findings;
    uint64_t pages_checked, pages_total;
    uint64_t pages_changing; /* of those checked: what was changing them could not be judged */
    uint64_t blocks_checked; /* live, free and remotely freed */
    uint64_t live_blocks;
    uint64_t unreadable;    /* things that could not be read */
    uint64_t in_transition; /* things left out because a transition was under way */
};

/* Checks the heap whose root is at `root` in the reader's space. `sink` (may be NULL) is called for
 * each finding. */
enum ashlar_verdict ashlar_check(const struct ashlar_reader *reader, uint64_t root,
                                 enum ashlar_check_tier tier, ashlar_finding_sink *sink,
                                 void *context, struct ashlar_check_report *report);

/* The same for a quiescent heap of this process. */
enum ashlar_verdict ashlar_check_heap(const struct ashlar_heap *heap, enum ashlar_check_tier tier,
                                      ashlar_finding_sink *sink, void *context,
                                      struct ashlar_check_report *report);

/* O(1) in the size of the heap: the slab or span that holds `address`, with its neighbours in its
 * lists, its thread heap's bin, and the counts. `address` may lie anywhere. */
enum ashlar_verdict ashlar_check_touched(const struct ashlar_heap *heap, uintptr_t address,
                                         ashlar_finding_sink *sink, void *context,
                                         struct ashlar_check_report *report);

/* "sound", "corrupt", "incomplete" */
const char *ashlar_verdict_text(enum ashlar_verdict verdict);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
