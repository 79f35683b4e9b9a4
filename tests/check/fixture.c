/* Heaps in known shapes for the checker's tests: see fixture.h. Everything is made through the
 * public functions, in an order that makes each shape appear, and on a frozen clock. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void *keep(struct rich *rich, void *block) {
    assert_non_null(block);
    assert_true(rich->live_count < RICH_POINTERS);
    rich->live[rich->live_count++] = block;
    rich->live_blocks++;
    return block;
}

static void many(struct rich *rich, unsigned thread, size_t bytes, unsigned count) {
    for (unsigned i = 0; i < count; i++) keep(rich, ashlar_malloc(rich->threads[thread], bytes));
}

static void drop(struct rich *rich, unsigned thread, void *block) {
    ashlar_free(rich->threads[thread], block);
    rich->live_blocks--;
}

/* Three slabs of 16-byte blocks full, two of which get blocks back; a fourth current. */
static void make_slabs(struct rich *rich) {
    size_t first = rich->live_count;
    many(rich, 0, 16, 3 * 4096 + 100);
    for (unsigned i = 0; i < 40; i++) drop(rich, 0, rich->live[first + i * 50]);
    for (unsigned i = 0; i < 30; i++) drop(rich, 0, rich->live[first + 4096 + i * 70]);
    first = rich->live_count;
    many(rich, 0, 1024, 3 * 64 + 5); /* one window each */
    drop(rich, 0, rich->live[first + 3]);
    drop(rich, 0, rich->live[first + 64 + 3]);
    many(rich, 0, 96, 64);   /* the current window has none left, and its summary bit stays */
    many(rich, 0, 48, 200);  /* a last window that is partial */
    many(rich, 0, 2048, 10); /* two pages */
    many(rich, 0, 60000, 3); /* sixteen */
    many(rich, 0, 2000, 70);
}

/* Two slabs of thread heap 2 with remote frees, in several windows. */
static void make_remote(struct rich *rich) {
    size_t first = rich->live_count;
    many(rich, 1, 256, 100);
    many(rich, 1, 512, 20);
    drop(rich, 0, rich->live[first + 2]);
    drop(rich, 0, rich->live[first + 3]);
    drop(rich, 0, rich->live[first + 70]);
    drop(rich, 0, rich->live[first + 107]);
}

static void make_spans(struct rich *rich) {
    struct ashlar_thread_heap *th = rich->threads[0];
    void *three[5];
    for (unsigned i = 0; i < 5; i++) three[i] = keep(rich, ashlar_malloc(th, 3 * 65536 - 100));
    keep(rich, ashlar_malloc(th, 100000));
    void *later = keep(rich, ashlar_malloc(th, 300000));
    keep(rich,
         ashlar_aligned_alloc(th, 1 << 16, 400000)); /* more would depend on the region's base */
    void *two = keep(rich, ashlar_malloc(th, 2 << 20));
    keep(rich, ashlar_malloc(th, 20 << 16));           /* fits no gap, so it lies behind */
    void *moved = ashlar_realloc(th, two, 1001 << 16); /* no room behind: the pages move */
    assert_non_null(moved);
    keep(rich, ashlar_malloc(th, 200 << 16)); /* the frontier grows by more, which stays clean */
    for (unsigned i = 0; i < 4; i++)
        rich->kept[i] = keep(rich, ashlar_malloc(th, ((i / 2 + 4) << 16) - 100));
    drop(rich, 0, three[1]);
    drop(rich, 0, three[3]);
    rich->os.clock_ms += 10;
    drop(rich, 0, later);
}

/* Two of one length and a longer one that thread heap 1 keeps, a longer one that 2 does. */
static void make_kept(struct rich *rich) {
    rich->heap->kept_most = 64;
    for (unsigned i = 0; i < 4; i++) drop(rich, i / 3, rich->kept[i]);
    rich->heap->kept_most = 0;
}

static void make_heap(struct rich *rich, size_t memory_bytes, uint32_t thread_heaps) {
    memset(rich, 0, sizeof *rich);
    ashlar_os_fault_init(&rich->os, ashlar_os_linux());
    rich->os.frozen_clock = true;
    rich->os.clock_ms = 1000;
    struct ashlar_heap_options options = {.region_bytes = (size_t)1 << 30,
                                          .thread_heaps = thread_heaps,
                                          .never_keep = true,
                                          .os = &rich->os.os};
    enum ashlar_status status;
    if (memory_bytes == 0) {
        status = ashlar_heap_create(&options, &rich->public_heap);
    } else {
        rich->memory = malloc(memory_bytes);
        assert_non_null(rich->memory);
        memset(rich->memory, 0xa5, memory_bytes);
        status = ashlar_heap_create_in(rich->memory, memory_bytes, &options, &rich->public_heap);
    }
    assert_int_equal(status, ASHLAR_OK);
    rich->heap = ash_heap_of(rich->public_heap);
}

void rich_make(struct rich *rich, size_t memory_bytes) {
    make_heap(rich, memory_bytes, 6);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ashlar_thread_heap_acquire(rich->public_heap, &rich->threads[i]),
                         ASHLAR_OK);
    make_slabs(rich);
    make_remote(rich);
    many(rich, 2, 32, 10);
    ashlar_thread_heap_release(rich->threads[3]);
    ashlar_thread_heap_release(rich->threads[2]);
    make_spans(rich);
    make_kept(rich);
}

void small_make(struct rich *rich, size_t memory_bytes) {
    make_heap(rich, memory_bytes, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ashlar_thread_heap_acquire(rich->public_heap, &rich->threads[i]),
                         ASHLAR_OK);
    size_t first = rich->live_count;
    many(rich, 0, 16, 100);
    many(rich, 1, 48, 10);
    many(rich, 0, 1024, 70);
    drop(rich, 0, rich->live[first + 100 + 10 + 3]);
    drop(rich, 0, rich->live[first + 100 + 4]);
    void *span = keep(rich, ashlar_malloc(rich->threads[0], 150000));
    keep(rich, ashlar_malloc(rich->threads[0], 70000));
    drop(rich, 0, span);
    many(rich, 1, 2000, 2);
}

void rich_drop(struct rich *rich) {
    ashlar_heap_destroy(rich->public_heap);
    free(rich->memory);
    if (rich->memory == NULL) assert_int_equal(rich->os.mapped_bytes, 0);
}

void seen_add(void *context, const struct ashlar_finding *finding) {
    struct seen *seen = (struct seen *)context;
    if (seen->count < SEEN_MOST) seen->findings[seen->count] = *finding;
    seen->count++;
}

void seen_print(const struct seen *seen) {
    for (uint64_t i = 0; i < seen->count && i < SEEN_MOST; i++) {
        const struct ashlar_finding *finding = &seen->findings[i];
        const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
        print_error("%s at %#llx page %llu index %u thread %u expected %#llx found %#llx\n",
                    info == NULL ? "?" : info->code, (unsigned long long)finding->address,
                    (unsigned long long)finding->page, finding->index, finding->thread_heap,
                    (unsigned long long)finding->expected, (unsigned long long)finding->found);
    }
}

struct ashlar_check_report expect_verdict(const struct rich *rich, enum ashlar_check_tier tier,
                                          enum ashlar_verdict verdict) {
    struct ashlar_check_report report;
    struct seen seen = {0};
    enum ashlar_verdict found =
        ashlar_check_heap(rich->public_heap, tier, seen_add, &seen, &report);
    if (found != verdict) seen_print(&seen);
    assert_int_equal(found, verdict);
    assert_int_equal(found, report.verdict);
    assert_int_equal(report.findings, seen.count);
    return report;
}

struct ash_page *find_slab(struct rich *rich, unsigned class_index, enum ash_slab_place place,
                           uint32_t id) {
    for (uint64_t page = 0; page < rich->heap->root.counts.committed; page++) {
        struct ash_page *slab = ash_page_at(rich->heap, page);
        if (slab->kind == ASH_PAGE_SLAB && slab->class_index == class_index &&
            slab->place == place && slab->owner == thread_of(rich, id))
            return slab;
    }
    fail_msg("no slab of class %u in place %d", class_index, (int)place);
    return NULL;
}

struct ash_page *find_span(struct rich *rich, uint64_t pages) {
    for (uint64_t page = 0; page < rich->heap->root.counts.committed; page++) {
        struct ash_page *span = ash_page_at(rich->heap, page);
        if (span->kind == ASH_PAGE_SPAN && span->pages == pages) return span;
    }
    fail_msg("no span of %llu pages", (unsigned long long)pages);
    return NULL;
}

struct ash_thread_heap *thread_of(struct rich *rich, uint32_t id) {
    return ash_thread_heap_at(rich->heap, id);
}

uint32_t link_of(struct rich *rich, const struct ash_page *page) {
    return (uint32_t)ash_page_number(rich->heap, page) + 1;
}
