/* Heaps for tests: how they are made, judged and given up. */
#include "support.h"

#include "heap/classes.h"
#include "heap/runs.h"

#include <stdio.h>
#include <stdlib.h>

static void note_misuse(void *context, const struct ashlar_misuse *misuse) {
    struct site *site = context;
    site->misuses++;
    site->misuse = *misuse;
}

void site_prepare(struct site *site) {
    *site = (struct site){.random = 1};
    ashlar_os_fault_init(&site->os, ashlar_os_linux());
    site->os.frozen_clock = true;
    site->os.clock_ms = 1000;
}

struct ashlar_heap_options site_options(struct site *site, size_t region_bytes) {
    return (struct ashlar_heap_options){.region_bytes = region_bytes,
                                        .thread_heaps = SITE_THREADS,
                                        .on_misuse = note_misuse,
                                        .context = site,
                                        .os = &site->os.os};
}

static void site_start(struct site *site, unsigned threads) {
    site->heap = ash_heap_of(site->public_heap);
    for (unsigned i = 0; i < threads; i++)
        assert_int_equal(ashlar_thread_heap_acquire(site->public_heap, &site->threads[i]),
                         ASHLAR_OK);
    site->th = site->threads[0];
}

void site_open(struct site *site, size_t region_bytes, unsigned threads) {
    site_prepare(site);
    struct ashlar_heap_options options = site_options(site, region_bytes);
    assert_int_equal(ashlar_heap_create(&options, &site->public_heap), ASHLAR_OK);
    site_start(site, threads);
}

void site_open_plain(struct site *site, size_t region_bytes, unsigned threads) {
    site_open(site, region_bytes, threads);
    site->heap->kept_most = 0;
}

void site_open_in(struct site *site, size_t bytes, unsigned threads) {
    site_prepare(site);
    site->memory = malloc(bytes);
    assert_non_null(site->memory);
    memset(site->memory, 0xa5, bytes);
    struct ashlar_heap_options options = site_options(site, 0);
    assert_int_equal(ashlar_heap_create_in(site->memory, bytes, &options, &site->public_heap),
                     ASHLAR_OK);
    site_start(site, threads);
}

void site_close(struct site *site) {
    expect_clean(site);
    assert_int_equal(site->misuses, 0);
    ashlar_heap_destroy(site->public_heap);
    assert_int_equal(site->os.mapped_bytes, 0);
    free(site->memory);
}

static void print_finding(void *context, const struct ashlar_finding *finding) {
    (void)context;
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    print_error("%s: page %llu index %u thread heap %u: expected %llx, found %llx\n", info->code,
                (unsigned long long)finding->page, finding->index, finding->thread_heap,
                (unsigned long long)finding->expected, (unsigned long long)finding->found);
}

struct ashlar_check_report site_check(const struct site *site, enum ashlar_check_tier tier,
                                      const char *file, int line) {
    struct ashlar_check_report report;
    if (ashlar_check_heap(site->public_heap, tier, print_finding, NULL, &report) != ASHLAR_SOUND) {
        print_error("%s:%d: the heap is not sound\n", file, line);
        fail();
    }
    return report;
}

struct ashlar_heap_stats site_stats(const struct site *site) {
    struct ashlar_heap_stats stats;
    ashlar_heap_get_stats(site->public_heap, &stats);
    return stats;
}

/* Published method: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014). */
static uint64_t mix(uint64_t value) {
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

uint64_t site_random(struct site *site, uint64_t below) {
    site->random += UINT64_C(0x9e3779b97f4a7c15);
    return mix(site->random) % below;
}

void expect_misuse(struct site *site, enum ashlar_finding_code code, const char *operation,
                   const void *address, const void *block, size_t block_bytes) {
    assert_int_equal(site->misuses, 1);
    assert_int_equal(site->misuse.code, code);
    assert_string_equal(site->misuse.operation, operation);
    assert_int_equal(site->misuse.address, (uintptr_t)address);
    assert_int_equal(site->misuse.block, (uintptr_t)block);
    assert_int_equal(site->misuse.block_bytes, block_bytes);
    site->misuses = 0;
}

struct ash_page *page_of(const struct site *site, const void *block) {
    uint64_t offset = (uint64_t)(uintptr_t)block - site->heap->root.region_base;
    return ash_page_at(site->heap, offset >> ASH_PAGE_SHIFT);
}

struct ash_bin *bin_of_size(struct ashlar_thread_heap *th, size_t bytes) {
    return &ash_th_of(th)->bins[ash_class_of(bytes)];
}

void *span_pages(struct site *site, size_t pages) {
    /* one page is a span only for the sake of its alignment */
    void *span = pages > 1 ? ashlar_malloc(site->th, pages * PAGE)
                           : ashlar_aligned_alloc(site->th, 2 * PAGE, PAGE);
    assert_non_null(span);
    return span;
}

void site_tick(struct site *site) {
    ash_lock_take(&site->heap->lock);
    ash_runs_begin(site->heap);
    ash_runs_tick(site->heap);
    ash_runs_end(site->heap);
    ash_lock_give(&site->heap->lock);
}

void fail_next(struct site *site, uint32_t kinds, uint64_t nth) {
    site->os.calls = site->os.failed = 0;
    site->os.fail_kinds = kinds;
    site->os.fail_at = nth;
}

void fail_no_more(struct site *site) {
    site->os.fail_at = 0;
    site->os.fail_after = false;
}

void fill(void *block, size_t bytes, uint64_t seed) {
    uint8_t *at = block;
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (i % 8 == 0) word = mix(seed + i);
        at[i] = (uint8_t)(word >> (i % 8 * 8));
    }
}

bool holds(const void *block, size_t bytes, uint64_t seed) {
    const uint8_t *at = block;
    uint64_t word = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (i % 8 == 0) word = mix(seed + i);
        if (at[i] != (uint8_t)(word >> (i % 8 * 8))) return false;
    }
    return true;
}

bool all_zero(const void *block, size_t bytes) {
    const uint8_t *at = block;
    return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}
