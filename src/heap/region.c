/* Where a heap's memory comes from.
 *
 * 1. Purpose. A heap needs one contiguous range of pages (the region) and, out of its reach, the
 *    bookkeeping (metadata). Both are reserved whole at creation, without access, and become
 *    usable in steps: an address-space limit counts what is reserved, so reserving falls back to
 *    less; a limit on committed memory counts what is writable, so committing goes step by step.
 * 2. Layout. Guard pages lie between the parts of the metadata, and the metadata lies in a
 *    mapping of its own: no overflow in user data reaches it.
 *
 *      metadata   guard | heap, thread heaps | guard | descriptors | guard | dirty bits | guard
 *                 | bitmaps | guard
 *
 *    In the caller's memory there are no guards, and the region follows the metadata.
 * 3. Commit. The parts that grow with the frontier are committed together; a part's last OS page
 *    may serve the next step too, so each step commits from the end of the previous one, rounded
 *    up.
 * 4. Failure. Each function leaves the heap as it was; a commit that failed half-way only leaves
 *    memory writable that the frontier does not cover yet. */
#include "heap/region.h"

#include <string.h>

enum { REGION_BYTES_LEAST = 64 << 20, MEMORY_BYTES_LEAST = 1 << 20 };

/* Sizes of the parts of the metadata for so many pages and thread heaps. */
struct parts {
    uint64_t guard, heap, descriptors, dirty, bitmaps;
};

static struct parts parts_of(uint64_t pages, uint32_t thread_heaps, uint64_t unit, uint64_t guard) {
    return (struct parts){
        .guard = guard,
        .heap = ash_round_up(ash_round_up(sizeof(struct ash_heap), ASH_CACHE_LINE) +
                                 (uint64_t)thread_heaps * ASH_THREAD_HEAP_STRIDE,
                             unit),
        .descriptors = ash_round_up(pages * sizeof(struct ash_page), unit),
        .dirty = ash_round_up((pages + 63) / 64 * 8, unit),
        .bitmaps = ash_round_up(pages * ASH_BITMAP_STRIDE, unit),
    };
}

static uint64_t parts_bytes(const struct parts *parts) {
    return 5 * parts->guard + parts->heap + parts->descriptors + parts->dirty + parts->bitmaps;
}

static struct ash_heap *parts_heap(const struct parts *parts, uint64_t metadata) {
    return (struct ash_heap *)(metadata + parts->guard);
}

/* Writes where everything is into the root of a zeroed heap. */
static struct ash_heap *parts_place(const struct parts *parts, uint64_t metadata,
                                    uint32_t thread_heaps) {
    struct ash_heap *heap = parts_heap(parts, metadata);
    struct ash_root *root = &heap->root;
    root->metadata = metadata;
    root->metadata_bytes = parts_bytes(parts);
    root->thread_heaps = (uint64_t)(uintptr_t)heap + ash_round_up(sizeof *heap, ASH_CACHE_LINE);
    root->thread_heap_capacity = thread_heaps;
    root->pages = (uint64_t)(uintptr_t)heap + parts->heap + parts->guard;
    root->dirty = root->pages + parts->descriptors + parts->guard;
    root->bitmaps = root->dirty + parts->dirty + parts->guard;
    return heap;
}

/* Region first, halving until the system agrees; then metadata for it. */
static uint64_t reserve_both(const struct ashlar_os *os, uint64_t bytes, uint32_t thread_heaps,
                             struct parts *parts, uint64_t *region_bytes, uint64_t *metadata) {
    uint64_t unit = os->page_bytes(os->context);
    for (; bytes >= REGION_BYTES_LEAST; bytes = ash_round_down(bytes / 2, ASH_PAGE_BYTES)) {
        void *region = os->reserve(os->context, bytes, ASH_PAGE_BYTES);
        if (region == NULL) continue;
        *parts = parts_of(bytes >> ASH_PAGE_SHIFT, thread_heaps, unit, unit);
        void *start = os->reserve(os->context, parts_bytes(parts), unit);
        if (start != NULL) {
            *region_bytes = bytes;
            *metadata = (uint64_t)(uintptr_t)start;
            return (uint64_t)(uintptr_t)region;
        }
        os->release(os->context, region, bytes);
    }
    return 0;
}

enum ashlar_status ash_region_reserve(const struct ashlar_os *os, size_t region_bytes,
                                      uint32_t thread_heaps, struct ash_heap **out) {
    uint64_t unit = os->page_bytes(os->context);
    if (!ash_is_power_of_two(unit) || unit > ASH_PAGE_BYTES) return ASHLAR_INVALID;
    struct parts parts;
    uint64_t metadata, bytes;
    uint64_t region = reserve_both(os, region_bytes, thread_heaps, &parts, &bytes, &metadata);
    if (region == 0) return ASHLAR_TOO_SMALL;
    struct ash_heap *heap = parts_heap(&parts, metadata);
    uint64_t start_bytes = ash_round_up(sizeof *heap + ASH_THREAD_HEAP_STRIDE, unit);
    if (start_bytes > parts.heap) start_bytes = parts.heap;
    if (!os->commit(os->context, heap, start_bytes)) {
        os->release(os->context, (void *)metadata, parts_bytes(&parts));
        if (!ASH_PLANTED(201)) os->release(os->context, (void *)region, bytes);
        return ASHLAR_NO_MEMORY;
    }
    parts_place(&parts, metadata, thread_heaps);
    heap->root.region_base = region;
    heap->root.region_pages = bytes >> ASH_PAGE_SHIFT;
    heap->root.os_page_bytes = (uint32_t)unit;
    heap->root.flags = ASH_ROOT_RESERVED | ASH_ROOT_PURGES;
    heap->os = *os;
    heap->metadata_committed = start_bytes;
    heap->thread_heaps_committed =
        start_bytes - (heap->root.thread_heaps - (uint64_t)(uintptr_t)heap);
    *out = heap;
    return ASHLAR_OK;
}

enum ashlar_status ash_region_place(void *memory, size_t bytes, uint32_t thread_heaps,
                                    struct ash_heap **out) {
    uint64_t start = (uint64_t)(uintptr_t)memory;
    if (memory == NULL || start + bytes < start) return ASHLAR_INVALID;
    if (bytes < MEMORY_BYTES_LEAST) return ASHLAR_TOO_SMALL;
    uint64_t end = ash_round_down(start + bytes, ASH_PAGE_BYTES);
    uint64_t metadata = ash_round_up(start, ASH_CACHE_LINE);
    uint64_t pages = bytes >> ASH_PAGE_SHIFT;
    if (pages > ASH_REGION_BYTES_MAX >> ASH_PAGE_SHIFT)
        pages = ASH_REGION_BYTES_MAX >> ASH_PAGE_SHIFT;
    struct parts parts = parts_of(pages, thread_heaps, ASH_CACHE_LINE, 0);
    uint64_t base = ash_round_up(metadata + parts_bytes(&parts), ASH_PAGE_BYTES);
    if (base + ASH_PAGE_BYTES > end)
        return ASHLAR_TOO_SMALL; /* more thread heaps than the memory holds */
    /* The estimate counted the metadata's own pages as region; what is left is what the region
     * really has. */
    uint64_t left = (end - base) >> ASH_PAGE_SHIFT;
    if (pages > left) pages = left;
    parts = parts_of(pages, thread_heaps, ASH_CACHE_LINE, 0);
    memset((void *)metadata, 0, parts_bytes(&parts));
    struct ash_heap *heap = parts_place(&parts, metadata, thread_heaps);
    heap->root.region_base = end - (pages << ASH_PAGE_SHIFT);
    heap->root.region_pages = pages;
    heap->root.os_page_bytes = ASH_PAGE_BYTES;
    heap->metadata_committed = parts_bytes(&parts);
    heap->thread_heaps_committed = (uint64_t)thread_heaps * ASH_THREAD_HEAP_STRIDE;
    *out = heap;
    return ASHLAR_OK;
}

void ash_region_release(struct ash_heap *heap) {
    struct ashlar_os os = heap->os;
    uint64_t metadata = heap->root.metadata, metadata_bytes = heap->root.metadata_bytes;
    os.release(os.context, (void *)heap->root.region_base,
               heap->root.region_pages << ASH_PAGE_SHIFT);
    os.release(os.context, (void *)metadata, metadata_bytes); /* last: the heap lies in it */
}

/* Atomic: pages are committed under the heap's lock, thread heaps under the pool's. Relaxed: a
 * number for statistics orders nothing. */
static void book_metadata(struct ash_heap *heap, uint64_t bytes) {
    __atomic_fetch_add(&heap->metadata_committed, bytes, __ATOMIC_RELAXED);
}

/* Commits what of [base + before, base + after) no earlier step did. */
static bool commit_part(struct ash_heap *heap, uint64_t base, uint64_t before, uint64_t after) {
    uint64_t from = ash_round_up(before, heap->root.os_page_bytes);
    uint64_t to = ash_round_up(after, heap->root.os_page_bytes);
    return from >= to || heap->os.commit(heap->os.context, (void *)(base + from), to - from);
}

bool ash_region_commit(struct ash_heap *heap, uint64_t count) {
    const struct ash_root *root = &heap->root;
    uint64_t before = root->counts.committed, after = before + count;
    if (!commit_part(heap, root->pages, before * sizeof(struct ash_page),
                     after * sizeof(struct ash_page)) ||
        !commit_part(heap, root->dirty, (before + 63) / 64 * 8, (after + 63) / 64 * 8) ||
        (!commit_part(heap, root->bitmaps, before * ASH_BITMAP_STRIDE, after * ASH_BITMAP_STRIDE) &&
         !ASH_PLANTED(203)) ||
        !commit_part(heap, root->region_base, before << ASH_PAGE_SHIFT, after << ASH_PAGE_SHIFT))
        return false;
    book_metadata(heap, count * (sizeof(struct ash_page) + ASH_BITMAP_STRIDE) + count / 8);
    return true;
}

bool ash_region_commit_thread_heaps(struct ash_heap *heap, uint32_t count) {
    uint64_t needed = (uint64_t)count * ASH_THREAD_HEAP_STRIDE;
    if (needed <= heap->thread_heaps_committed) return true;
    uint64_t unit = heap->root.os_page_bytes;
    uint64_t step = ash_round_up(needed - heap->thread_heaps_committed, unit);
    void *start = (void *)(heap->root.thread_heaps + heap->thread_heaps_committed);
    if (ASH_PLANTED(204)) heap->thread_heaps_committed += step;
    if (!heap->os.commit(heap->os.context, start, step)) return false;
    if (!ASH_PLANTED(204)) heap->thread_heaps_committed += step;
    book_metadata(heap, step);
    return true;
}
