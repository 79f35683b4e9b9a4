/* How the memory of a large calloc becomes zero.
 *
 * 1. Purpose. Memory that was used before is made zero in one of two ways. Clearing writes all of
 *    it: about 0.1 microseconds per 4 KiB, and all of it is resident then, wanted or not. Giving
 *    it back to the system costs a system call, and then a page fault of 0.3 to 2.5 microseconds
 *    for each OS page that is touched. So whoever fills such a block is served five to twenty-five
 *    times faster by clearing, and whoever writes here and there (a hash table, a sparse array) is
 *    served faster by giving back, and needs a fraction of the memory.
 * 2. Habits. Programs are consistent in this, so the heap watches what they do: per doubling of
 *    the size, one OS page at a random place of one live block. When that block is freed, the page
 *    has become resident or it has not. The share of touched ones, late ones weighing more,
 *    decides for the next ones.
 * 3. Watching. A watched page must be zero without being resident at first: where the block is
 *    cleared, this one OS page of it is given back. That and the question at the end cost some
 *    microseconds, so once a habit is known, only one calloc in eight is watched; a page of a
 *    block that lives long makes place for another one.
 * 4. Trust. Whether a page is resident is a hint: the system may have moved a written page out. It
 *    decides between two ways that are both right, and never whether a page is zero.
 * 5. Mixed spans. Clean pages are not cleared: in a span of up to MAPPED_PAGES pages each dirty one
 *    is known.
 * 6. Locks. Habits are read and written under the heap's lock; the zeroing itself is done without,
 *    on a span that nobody else knows yet.
 * 7. Failure. Where the system refuses to take memory back, it is cleared. */
#include "heap/zeroing.h"

#include <string.h>

enum {
    TOUCHED_ALL = UINT16_MAX,
    TOUCHED_MOST = TOUCHED_ALL / 8, /* sparser use than this is served by giving back */
    SEEN_ENOUGH = 16, /* watched pages after which a habit is known; the newest weighs 1/16 */
    WATCH_ONE_IN = 8,
    WATCH_LONGEST = 64, /* callocs of the size after which another page is watched */
};

static unsigned habit_of(const struct ash_page *head) {
    unsigned size = ash_highest_bit(head->pages);
    return size < ASH_HABITS ? size : ASH_HABITS - 1;
}

static uint8_t *span_start(const struct ash_heap *heap, const struct ash_page *head) {
    return (uint8_t *)ash_page_address(heap, ash_page_number(heap, head));
}

/* The next of a sequence in which every number comes once: any of `below`, about evenly. Constants:
 * Knuth, "The Art of Computer Programming", volume 2, section 3.3.4, line 26 (MMIX). */
static uint64_t habit_random(struct ash_heap *heap, uint64_t below) {
    heap->habit_random = heap->habit_random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (heap->habit_random >> 32) % below;
}

void ash_zeroing_plan(struct ash_heap *heap, const struct ash_page *head, size_t bytes,
                      struct ash_zeroing *plan) {
    struct ash_habit *habit = &heap->habits[habit_of(head)];
    uint64_t os_page = heap->root.os_page_bytes;
    plan->gives_back = false;
    plan->watched = NULL;
    if ((heap->root.flags & ASH_ROOT_PURGES) == 0 || bytes < os_page) return;
    plan->gives_back = habit->touched < TOUCHED_MOST;
    if (habit->wait > 0) {
        habit->wait--;
        return;
    }
    plan->watched = span_start(heap, head) + habit_random(heap, bytes / os_page) * os_page;
    /* relaxed: others look whether it lies in a span of their own, where it never comes to lie */
    __atomic_store_n(&habit->watched, (uint64_t)(uintptr_t)plan->watched, __ATOMIC_RELAXED);
    habit->wait = WATCH_LONGEST;
}

/* Clears [start, start + bytes) but for the watched page, when that can be given back. */
static void zeroing_clear(struct ash_heap *heap, uint8_t *start, size_t bytes, uint8_t *watched) {
    size_t before = (size_t)(watched - start), os_page = heap->root.os_page_bytes;
    bool within = watched != NULL && before < bytes && bytes - before >= os_page;
    if (!within || !heap->os.purge(heap->os.context, watched, os_page)) {
        memset(start, 0, bytes);
        return;
    }
    memset(start, 0, before);
    memset(watched + os_page, 0, bytes - before - os_page);
}

void ash_zeroing_do(struct ash_heap *heap, const struct ash_page *head, size_t bytes,
                    const struct ash_zeroing *plan) {
    uint8_t *start = span_start(heap, head);
    uint64_t pages = head->pages, dirty = plan->content.dirty_pages;
    if (ASH_PLANTED(6) ? dirty < pages : dirty == 0) return;
    if (plan->gives_back && heap->os.purge(heap->os.context, start, pages << ASH_PAGE_SHIFT))
        return;
    if (dirty == pages || pages > ASH_RUN_MAPPED_PAGES) {
        zeroing_clear(heap, start, bytes, plan->watched);
        return;
    }
    for (uint64_t page = 0; page < pages; page++) {
        size_t from = (size_t)page << ASH_PAGE_SHIFT;
        size_t length = bytes - from < ASH_PAGE_BYTES ? bytes - from : ASH_PAGE_BYTES;
        if ((plan->content.dirty[page / 64] >> (page % 64) & 1) != 0)
            zeroing_clear(heap, start + from, length, plan->watched);
    }
}

bool ash_zeroing_watches(const struct ash_heap *heap, const struct ash_page *head) {
    const struct ash_habit *habit = &heap->habits[habit_of(head)];
    uint64_t start = (uint64_t)(uintptr_t)span_start(heap, head);
    uint64_t watched = __atomic_load_n(&habit->watched, __ATOMIC_RELAXED);
    return watched - start < (uint64_t)head->pages << ASH_PAGE_SHIFT;
}

void ash_zeroing_learn(struct ash_heap *heap, const struct ash_page *head) {
    if (!ash_zeroing_watches(heap, head)) return;
    struct ash_habit *habit = &heap->habits[habit_of(head)];
    bool touched = heap->os.resident(heap->os.context, (void *)habit->watched);
    if (habit->seen < SEEN_ENOUGH) habit->seen++;
    int32_t target = touched ? TOUCHED_ALL : 0, step = (target - habit->touched) / habit->seen;
    habit->touched = (uint16_t)(habit->touched + step);
    __atomic_store_n(&habit->watched, 0, __ATOMIC_RELAXED);
    habit->wait = habit->seen < SEEN_ENOUGH ? 0 : WATCH_ONE_IN - 1;
}
