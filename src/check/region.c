/* Pass 1: region. Proves what every address of later passes is made of.
 *
 * Proves: ROOT_MAGIC, ROOT_VERSION, ROOT_SIZES, ROOT_CHECKSUM, ROOT_SELF, ROOT_GEOMETRY,
 * ROOT_CLASSES (100..106), each of which ends the check; then ROOT_FRONTIER, ROOT_THREADS,
 * ROOT_LOCK, ROOT_TRANSITION, ROOT_SPARE, ROOT_COMMITTED, ROOT_NO_WORD (107..113).
 *
 * Relies on: nothing but that the caller's address is readable, or the reader says it is not.
 *
 * The order within the pass is the order of trust: the magic says that it is a root at all, version
 * and sizes that its fields are where this code looks, the checksum that nobody changed them since
 * creation. The rest holds for any root that was made right; it catches one that was made wrong,
 * and checksums that agree by accident. */
#include "check/pass.h"
#include "heap/root.h"

static bool root_wrong(struct ash_check *check, enum ashlar_finding_code code, size_t offset,
                       uint64_t expected, uint64_t found) {
    ASH_FOUND(check, .code = code, .address = check->root_at + offset, .expected = expected,
              .found = found);
    return false;
}
#define ROOT_WRONG(check, code, field, expected)                                                   \
    root_wrong((check), (code), offsetof(struct ash_root, field), (expected),                      \
               (uint64_t)(check)->heap->root.field)

static bool root_sizes(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    const struct {
        uint16_t found, expected;
    } offsets[] = {
        {root->at_page_words, offsetof(struct ash_page, words)},
        {root->at_page_owner, offsetof(struct ash_page, owner)},
        {root->at_page_remote_summary, offsetof(struct ash_page, remote_summary)},
        {root->at_page_kind, offsetof(struct ash_page, kind)},
        {root->at_page_class, offsetof(struct ash_page, class_index)},
        {root->at_page_run_pages, offsetof(struct ash_page, pages)},
        {root->at_page_summary, offsetof(struct ash_page, summary)},
        {root->at_thread_pending, offsetof(struct ash_thread_heap, pending)},
        {root->at_thread_bins, offsetof(struct ash_thread_heap, bins)},
        {root->at_thread_transition, offsetof(struct ash_thread_heap, transition)},
        {root->at_heap_counts, offsetof(struct ash_heap, root.counts)},
        {root->at_spare, 0},
    };
    const enum ashlar_finding_code code = ASHLAR_ROOT_SIZES;
    if (root->root_bytes != sizeof *root) return ROOT_WRONG(check, code, root_bytes, sizeof *root);
    if (root->heap_bytes != sizeof(struct ash_heap))
        return ROOT_WRONG(check, code, heap_bytes, sizeof(struct ash_heap));
    if (root->page_bytes != ASH_PAGE_BYTES)
        return ROOT_WRONG(check, code, page_bytes, ASH_PAGE_BYTES);
    if (root->descriptor_bytes != sizeof(struct ash_page))
        return ROOT_WRONG(check, code, descriptor_bytes, sizeof(struct ash_page));
    if (root->bitmap_stride != ASH_BITMAP_STRIDE)
        return ROOT_WRONG(check, code, bitmap_stride, ASH_BITMAP_STRIDE);
    if (root->bitmap_remote_bytes != ASH_BITMAP_REMOTE_BYTES)
        return ROOT_WRONG(check, code, bitmap_remote_bytes, ASH_BITMAP_REMOTE_BYTES);
    if (root->thread_heap_stride != ASH_THREAD_HEAP_STRIDE)
        return ROOT_WRONG(check, code, thread_heap_stride, ASH_THREAD_HEAP_STRIDE);
    if (root->class_count != ASH_CLASS_COUNT)
        return ROOT_WRONG(check, code, class_count, ASH_CLASS_COUNT);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        if (offsets[i].found != offsets[i].expected)
            return root_wrong(check, code,
                              offsetof(struct ash_root, at_page_words) + i * sizeof(uint16_t),
                              offsets[i].expected, offsets[i].found);
    return true;
}

/* One part of the metadata follows the one before it. */
struct part {
    size_t field;      /* offset in the root */
    uint64_t at;       /* where it starts */
    uint64_t bytes;    /* how long it is */
    uint64_t multiple; /* what its address is a multiple of */
};

static bool root_parts(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    const uint64_t pages = root->region_pages;
    const struct part parts[] = {
        {offsetof(struct ash_root, self), root->self, sizeof(struct ash_heap), ASH_CACHE_LINE},
        {offsetof(struct ash_root, thread_heaps), root->thread_heaps,
         (uint64_t)root->thread_heap_capacity * ASH_THREAD_HEAP_STRIDE, ASH_CACHE_LINE},
        {offsetof(struct ash_root, pages), root->pages, pages * sizeof(struct ash_page),
         ASH_CACHE_LINE},
        {offsetof(struct ash_root, dirty), root->dirty, (pages + 63) / 64 * 8, 8},
        {offsetof(struct ash_root, bitmaps), root->bitmaps, pages * ASH_BITMAP_STRIDE,
         ASH_CACHE_LINE},
    };
    uint64_t end = root->metadata, last = root->metadata + root->metadata_bytes;
    if (last < end) return ROOT_WRONG(check, ASHLAR_ROOT_GEOMETRY, metadata_bytes, 0);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const struct part *part = &parts[i];
        bool fits = part->at >= end && part->at <= last && part->bytes <= last - part->at;
        if (!fits || part->at % part->multiple != 0)
            return root_wrong(check, ASHLAR_ROOT_GEOMETRY, part->field, end, part->at);
        end = part->at + part->bytes;
    }
    return true;
}

static bool root_geometry(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    const enum ashlar_finding_code code = ASHLAR_ROOT_GEOMETRY;
    uint64_t most = ASH_REGION_BYTES_MAX >> ASH_PAGE_SHIFT;
    if (root->region_pages == 0 || root->region_pages > most)
        return ROOT_WRONG(check, code, region_pages, most);
    uint64_t region_bytes = root->region_pages << ASH_PAGE_SHIFT;
    if (root->region_base == 0 || root->region_base % ASH_PAGE_BYTES != 0 ||
        root->region_base + region_bytes < root->region_base)
        return ROOT_WRONG(check, code, region_base, ASH_PAGE_BYTES);
    if (!ash_is_power_of_two(root->os_page_bytes) || root->os_page_bytes > ASH_PAGE_BYTES)
        return ROOT_WRONG(check, code, os_page_bytes, ASH_PAGE_BYTES);
    if (root->thread_heap_capacity == 0) return ROOT_WRONG(check, code, thread_heap_capacity, 1);
    if ((root->flags & ~(uint32_t)(ASH_ROOT_RESERVED | ASH_ROOT_PURGES)) != 0)
        return ROOT_WRONG(check, code, flags, ASH_ROOT_RESERVED | ASH_ROOT_PURGES);
    if (!root_parts(check)) return false;
    bool apart = root->metadata + root->metadata_bytes <= root->region_base ||
                 root->region_base + region_bytes <= root->metadata;
    if (!apart) return ROOT_WRONG(check, code, metadata, root->region_base);
    return true;
}

/* Size classes by arithmetic, apart from the core's table: multiples of 16 to 128, then four per
 * doubling, of which above 8 KiB the first three are skewed; a page per 1 KiB of block size, up to
 * 4 KiB in powers of two; above, 64 blocks. */
static uint64_t class_bytes(unsigned index) {
    if (index < 8) return (index + 1) * (uint64_t)ASH_BLOCK_ALIGN;
    unsigned doubling = (index - 8) / 4, step = (index - 8) % 4;
    uint64_t bytes = ((uint64_t)(5 + step) << 5) << doubling;
    return bytes > ASH_SKEWED_ABOVE && step < 3 ? bytes + ASH_SKEW_BYTES : bytes;
}

static uint64_t class_pages(uint64_t bytes) {
    uint64_t pages = 1;
    while (pages < 4 && pages << 10 < bytes) pages *= 2;
    return pages << 10 < bytes ? (bytes + 1023) >> 10 : pages;
}

static uint64_t class_blocks(uint64_t bytes, uint64_t pages) {
    return bytes > 4096 ? ASH_WINDOW_BLOCKS : (pages << ASH_PAGE_SHIFT) / bytes;
}

static bool root_classes(struct ash_check *check) {
    for (unsigned index = 0; index < ASH_CLASS_COUNT; index++) {
        const struct ash_class *class = &check->heap->root.classes[index];
        uint64_t bytes = class_bytes(index), pages = class_pages(bytes);
        uint64_t blocks = class_blocks(bytes, pages);
        bool right = class->block_bytes == bytes && class->slab_pages == pages &&
                     class->block_count == blocks && class->spare == 0 &&
                     class->reciprocal == ash_reciprocal(bytes, blocks);
        if (right) continue;
        ASH_FOUND(check, .code = ASHLAR_ROOT_CLASSES, .index = index,
                  .address = check->root_at + offsetof(struct ash_root, classes) +
                             index * sizeof(struct ash_class),
                  .expected = bytes, .found = class->block_bytes);
        return false;
    }
    return true;
}

static bool root_constant(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    if (root->magic != ASH_ROOT_MAGIC)
        return ROOT_WRONG(check, ASHLAR_ROOT_MAGIC, magic, ASH_ROOT_MAGIC);
    if (root->layout_version != ASH_LAYOUT_VERSION)
        return ROOT_WRONG(check, ASHLAR_ROOT_VERSION, layout_version, ASH_LAYOUT_VERSION);
    if (!root_sizes(check)) return false;
    uint64_t checksum = ash_root_checksum(root);
    if (root->checksum != checksum)
        return ROOT_WRONG(check, ASHLAR_ROOT_CHECKSUM, checksum, checksum);
    if (root->self != check->root_at)
        return ROOT_WRONG(check, ASHLAR_ROOT_SELF, self, check->root_at);
    return root_geometry(check) && root_classes(check);
}

/* The frontier is written twice, and is also the sum of three counts. When the two disagree, the
 * one that the sum agrees with is used, else the smaller: nothing is read behind the real one
 * unless two fields were damaged alike. */
static void root_frontier(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    const struct ash_counts *counts = &root->counts;
    uint64_t one = atomic_load_explicit(&root->committed_pages, memory_order_relaxed);
    uint64_t other = counts->committed;
    uint64_t sum = counts->slab + counts->span + counts->free;
    uint64_t frontier = one < other ? one : other;
    if (one != other && (sum == one || sum == other)) frontier = sum;
    if (one > root->region_pages)
        ROOT_WRONG(check, ASHLAR_ROOT_FRONTIER, committed_pages, root->region_pages);
    check->frontier = frontier < root->region_pages ? frontier : root->region_pages;
    check->report->pages_total = check->frontier;
}

/* How many thread heaps bear their number, when the count of them cannot be true. */
static uint32_t root_thread_heaps_made(struct ash_check *check) {
    const struct ash_root *root = &check->heap->root;
    uint64_t room = check->heap->thread_heaps_committed / ASH_THREAD_HEAP_STRIDE;
    if (room > root->thread_heap_capacity) return 0;
    uint32_t made = 0, copy;
    for (; made < room; made++) {
        const uint32_t *id = (const uint32_t *)ash_check_view(
            check, ASH_AT_THREAD(check, made + 1, id), sizeof copy, &copy);
        if (id == NULL || *id != made + 1) break;
    }
    return made;
}

/* How much of the thread heaps' table is committed: enough for those ever made (for the first one
 * from the start), and no more than that asks for, but while another one is being made. */
static void root_thread_heaps(struct ash_check *check) {
    const struct ash_heap *heap = check->heap;
    const struct ash_root *root = &heap->root;
    uint64_t count = root->thread_heap_count, unit = root->os_page_bytes;
    check->thread_heaps = root->thread_heap_count;
    if (count > root->thread_heap_capacity) {
        ROOT_WRONG(check, ASHLAR_ROOT_THREADS, thread_heap_count, root->thread_heap_capacity);
        check->thread_heaps = root_thread_heaps_made(check);
    }
    uint64_t committed = heap->thread_heaps_committed;
    uint64_t least = check->thread_heaps * (uint64_t)ASH_THREAD_HEAP_STRIDE;
    uint64_t most = (uint64_t)root->thread_heap_capacity * ASH_THREAD_HEAP_STRIDE;
    uint64_t expected = most;
    if ((root->flags & ASH_ROOT_RESERVED) != 0) {
        /* Commits go to ends of OS pages, counted from the root. */
        uint64_t before = root->thread_heaps - check->root_at;
        uint64_t first = least > 0 ? least : ASH_THREAD_HEAP_STRIDE;
        expected = ash_round_up(before + first, unit) - before;
        uint64_t next = ash_round_up(before + least + ASH_THREAD_HEAP_STRIDE, unit) - before;
        if (committed == next && !check->reader->quiescent) expected = next;
    }
    if (committed == expected) return;
    ASH_FOUND(check, .code = ASHLAR_ROOT_COMMITTED, .expected = expected, .found = committed,
              .address = ASH_AT_HEAP(check, thread_heaps_committed));
    if (committed < least) check->thread_heaps = (uint32_t)(committed / ASH_THREAD_HEAP_STRIDE);
}

static void root_lock(struct ash_check *check, const struct ash_lock *lock, size_t offset) {
    uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    if (state == 0 || !check->reader->quiescent || check->reader->locked)
        return; /* a holder's mark may be anything */
    ASH_FOUND(check, .code = ASHLAR_ROOT_LOCK, .address = ash_at_heap(check, offset),
              .found = state);
}

/* Bytes between fields hold nothing. */
static void root_gap(struct ash_check *check, size_t from, size_t to) {
    const uint8_t *bytes = (const uint8_t *)check->heap;
    for (; from < to; from++)
        if (bytes[from] != 0)
            ASH_FOUND(check, .code = ASHLAR_ROOT_SPARE, .address = ash_at_heap(check, from),
                      .found = bytes[from]);
}

static void root_state(struct ash_check *check) {
    const struct ash_heap *heap = check->heap;
    uint32_t transition = atomic_load_explicit(&heap->root.transition, memory_order_relaxed);
    root_lock(check, &heap->lock, offsetof(struct ash_heap, lock));
    root_lock(check, &heap->pool_lock, offsetof(struct ash_heap, pool_lock));
    /* A count can be half changed under the lock without a mark: both mean that pages move. */
    bool held = check->reader->running ||
                atomic_load_explicit(&heap->lock.state, memory_order_relaxed) != 0;
    bool busy = transition != ASH_QUIET || (held && !check->reader->locked) ||
                atomic_load_explicit(&heap->fork_left, memory_order_relaxed) != 0;
    check->moving = busy && !check->reader->quiescent;
    if (transition > ASH_RESET || (transition != ASH_QUIET && check->reader->quiescent)) {
        check->moving = false;
        ROOT_WRONG(check, ASHLAR_ROOT_TRANSITION, transition, ASH_QUIET);
    }
    if (check->moving) check->report->in_transition++;
    if (heap->no_word != 0)
        ASH_FOUND(check, .code = ASHLAR_ROOT_NO_WORD, .address = ASH_AT_HEAP(check, no_word),
                  .found = heap->no_word);
    root_gap(check, sizeof(struct ash_root), offsetof(struct ash_heap, pool_lock));
    uint32_t left = atomic_load_explicit(&heap->fork_left, memory_order_relaxed);
    if (left > 1 || (check->reader->quiescent && (left | heap->fork_took) != 0))
        ASH_FOUND(check, .code = ASHLAR_ROOT_LOCK, .address = ASH_AT_HEAP(check, fork_took),
                  .found = left | heap->fork_took);
    root_gap(check, offsetof(struct ash_heap, pasts) + sizeof heap->pasts, sizeof(struct ash_heap));
}

bool ash_pass_region(struct ash_check *check) {
    check->heap = (const struct ash_heap *)ash_check_view(check, check->root_at,
                                                          sizeof(struct ash_heap), &check->copy);
    if (check->heap == NULL) return false;
    if (!root_constant(check)) return false;
    check->pages = check->heap->root.pages;
    root_state(check);
    check->muted = check->moving;
    root_frontier(check);
    root_thread_heaps(check);
    check->muted = false;
    return true;
}
