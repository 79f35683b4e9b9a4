/* The heap: a general-purpose allocator whose bookkeeping is all out of band.
 *
 * 1. Purpose. Hand out blocks of any size from one contiguous region, fast, such that every
 *    invariant can be checked from outside and every misuse of a pointer is found.
 * 2. Parts, from the ground up. region.c: address space, committing. runs.c: free pages, decay.
 *    slabs.c: pages cut into blocks of one class (classes.c). spans.c: whole pages for large
 *    blocks. kept.c: those that a thread heap freed last. zeroing.c: large blocks for calloc.
 *    bins.c: how a thread heap walks through its slabs. remote.c: frees by other threads. visit.c:
 *    what becomes of them when the owner sleeps. threads.c: thread heaps and their pool. fork.c:
 *    what a forked child finds. malloc.c, realloc.c, free.c: what callers see. locate.c: from
 *    pointer to block. root.c: what readers outside see. layout.h: all of it in memory.
 * 3. States of a block: live (its bit is 0 in the free word and in the remote word), remotely
 *    freed (1 in the remote word), free (1 in the free word). A span is live from creation to
 *    release.
 * 4. Ownership. A slab belongs to one thread heap, which alone allocates from it and writes its
 *    free words. Spans and free runs belong to the heap.
 * 5. Locks. `pool_lock` guards the thread heaps' pool, `lock` guards pages: runs, dirty bits,
 *    frontier, counts. The first comes before the second. Blocks are allocated and freed without
 *    either, but when a slab is made or given back.
 * 6. How it fails. NULL with ENOMEM or EINVAL, the heap as it was. Misuse goes to the handler,
 *    and has no effect.
 * 7. Readers outside. Slow paths mark their thread heap, and changes of pages mark the root, as
 *    in transition; fast paths commit by a single store. */
#include "heap/bins.h"
#include "heap/kept.h"
#include "heap/region.h"
#include "heap/remote.h"
#include "heap/root.h"
#include "heap/runs.h"
#include "heap/threads.h"
#include "heap/visit.h"

#include <string.h>

enum { DECAY_MS = 500, THREAD_HEAPS = 65536, THREAD_HEAPS_IN_MEMORY = 4 };

const char *ashlar_status_text(enum ashlar_status status) {
    static const char *const texts[ASHLAR_STATUS_COUNT] = {
        [ASHLAR_OK] = "ok",
        [ASHLAR_NO_MEMORY] = "out of memory",
        [ASHLAR_INVALID] = "invalid argument",
        [ASHLAR_TOO_SMALL] = "not enough memory or address space for a heap",
        [ASHLAR_TOO_MANY] = "every thread heap is in use",
    };
    return status < ASHLAR_STATUS_COUNT ? texts[status] : "unknown status";
}

/* What reserved and placed heaps have in common, once their parts are where they belong. */
static void heap_start(struct ash_heap *heap, const struct ashlar_heap_options *options) {
    bool purges = (heap->root.flags & ASH_ROOT_PURGES) != 0;
    heap->on_misuse = options->on_misuse;
    heap->misuse_context = options->context;
    heap->decay_ms = options->decay_ms != 0 ? options->decay_ms : DECAY_MS;
    if (options->never_purge || !purges) heap->decay_ms = UINT32_MAX;
    heap->kept_most = options->never_keep ? 0 : ash_kept_most(heap);
    ash_root_seal(&heap->root);
}

enum ashlar_status ashlar_heap_create(const struct ashlar_heap_options *options,
                                      struct ashlar_heap **out) {
    static const struct ashlar_heap_options defaults;
    if (options == NULL) options = &defaults;
    const struct ashlar_os *os = options->os != NULL ? options->os : ashlar_os_linux();
    uint64_t bytes = options->region_bytes != 0 ? options->region_bytes : ASH_REGION_BYTES_MAX;
    uint32_t thread_heaps = options->thread_heaps != 0 ? options->thread_heaps : THREAD_HEAPS;
    if (bytes > ASH_REGION_BYTES_MAX || bytes % ASH_PAGE_BYTES != 0) return ASHLAR_INVALID;
    struct ash_heap *heap;
    enum ashlar_status status = ash_region_reserve(os, bytes, thread_heaps, &heap);
    if (status != ASHLAR_OK) return status;
    heap_start(heap, options);
    ash_runs_restart(heap);
    *out = (struct ashlar_heap *)heap;
    return ASHLAR_OK;
}

enum ashlar_status ashlar_heap_create_in(void *memory, size_t bytes,
                                         const struct ashlar_heap_options *options,
                                         struct ashlar_heap **out) {
    static const struct ashlar_heap_options defaults;
    if (options == NULL) options = &defaults;
    uint32_t thread_heaps =
        options->thread_heaps != 0 ? options->thread_heaps : THREAD_HEAPS_IN_MEMORY;
    struct ash_heap *heap;
    enum ashlar_status status = ash_region_place(memory, bytes, thread_heaps, &heap);
    if (status != ASHLAR_OK) return status;
    heap_start(heap, options);
    /* All of it is committed, and nothing is known of its content. */
    heap->root.counts.committed = heap->root.region_pages;
    atomic_store_explicit(&heap->root.committed_pages, heap->root.region_pages,
                          memory_order_release);
    for (uint64_t page = 0; page < heap->root.region_pages; page++)
        ash_dirty_words(heap)[page / 64] |= (uint64_t)1 << (page % 64);
    ash_runs_restart(heap);
    *out = (struct ashlar_heap *)heap;
    return ASHLAR_OK;
}

void ashlar_heap_destroy(struct ashlar_heap *public_heap) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    if ((heap->root.flags & ASH_ROOT_RESERVED) != 0)
        ash_region_release(heap);
    else
        heap->root.magic = 0; /* no reader finds a heap that is gone */
}

/* Wipes what a page's descriptor and bitmaps say. */
static void page_wipe(struct ash_heap *heap, uint64_t number) {
    struct ash_page *page = ash_page_at(heap, number);
    if (page->kind == ASH_PAGE_SPAN && page->span.moved != 0)
        heap->os.normalize(heap->os.context, (void *)ash_page_address(heap, number),
                           (uint64_t)page->pages << ASH_PAGE_SHIFT);
    if (page->kind == ASH_PAGE_SLAB) memset(ash_bitmap_words(heap, number), 0, ASH_BITMAP_STRIDE);
    *page = (struct ash_page){0};
}

void ashlar_heap_reset(struct ashlar_heap *public_heap) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    ash_lock_take(&heap->pool_lock);
    ash_lock_take(&heap->lock);
    atomic_store_explicit(&heap->root.transition, ASH_RESET, memory_order_relaxed);
    struct ash_counts *counts = &heap->root.counts;
    for (uint64_t page = 0; page < counts->committed; page++) page_wipe(heap, page);
    for (uint32_t id = 1; id <= heap->root.thread_heap_count - ASH_PLANTED(20); id++)
        ash_thread_heap_restart(ash_thread_heap_at(heap, id));
    counts->slab = counts->span = counts->slabs = counts->spans = counts->moved_spans = 0;
    ash_runs_restart(heap);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    ash_lock_give(&heap->pool_lock);
}

size_t ashlar_trim(struct ashlar_heap *public_heap, struct ashlar_thread_heap *th) {
    struct ash_heap *heap = ash_heap_of(public_heap);
    if (th != NULL)
        ash_bins_drop_spare(ash_th_of(th));
    else
        ash_visit_all(heap, NULL);
    if ((heap->root.flags & ASH_ROOT_PURGES) == 0) return 0;
    ash_lock_take(&heap->lock);
    ash_runs_begin(heap);
    uint64_t pages = ash_runs_purge(heap, heap->os.now_ms(heap->os.context), true);
    ash_runs_end(heap);
    ash_lock_give(&heap->lock);
    return pages << ASH_PAGE_SHIFT;
}

uint64_t ashlar_heap_root(const struct ashlar_heap *heap) {
    return (uint64_t)(uintptr_t)heap;
}
