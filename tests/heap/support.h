/* What the core's tests share: a heap over a system that can fail, on a clock that stands still.
 *
 * Every test ends with site_close, which proves that the heap is sound down to its clean pages and
 * that nothing stays mapped. Numbers come from site_random, so that a run repeats. */
#ifndef ASHLAR_TEST_HEAP_SUPPORT_H
#define ASHLAR_TEST_HEAP_SUPPORT_H

#include "heap/layout.h"

#include <ashlar/check.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SITE_THREADS = 4 };
#define MIB  ((size_t)1 << 20)
#define PAGE ((size_t)ASH_PAGE_BYTES)

struct site {
    struct ashlar_os_fault os;
    struct ashlar_heap *public_heap;
    struct ash_heap *heap;
    struct ashlar_thread_heap *threads[SITE_THREADS];
    struct ashlar_thread_heap *th; /* the first of them */
    void *memory;                  /* of a heap in the caller's memory */
    uint64_t misuses;
    struct ashlar_misuse misuse; /* the last one */
    uint64_t random;
};

/* A heap of `region_bytes` of address space, with so many thread heaps acquired. */
void site_open(struct site *site, size_t region_bytes, unsigned threads);
/* The same, but freed spans become free runs at once: none is kept. */
void site_open_plain(struct site *site, size_t region_bytes, unsigned threads);
/* A heap in `bytes` of memory that held something else before. */
void site_open_in(struct site *site, size_t bytes, unsigned threads);
/* No system, no thread heap: what site_open starts with. */
void site_prepare(struct site *site);
struct ashlar_heap_options site_options(struct site *site, size_t region_bytes);
void site_close(struct site *site);

/* Fails the test, with the findings, unless the heap is sound. */
struct ashlar_check_report site_check(const struct site *site, enum ashlar_check_tier tier,
                                      const char *file, int line);
#define expect_sound(site) site_check((site), ASHLAR_CHECK_FULL, __FILE__, __LINE__)
#define expect_clean(site) site_check((site), ASHLAR_CHECK_AUDIT, __FILE__, __LINE__)

struct ashlar_heap_stats site_stats(const struct site *site);
uint64_t site_random(struct site *site, uint64_t below);

/* A misuse of this kind, about this pointer, was reported since the last call, and no other. */
void expect_misuse(struct site *site, enum ashlar_finding_code code, const char *operation,
                   const void *address, const void *block, size_t block_bytes);

/* The descriptor of the page that `block` lies in. */
struct ash_page *page_of(const struct site *site, const void *block);
struct ash_bin *bin_of_size(struct ashlar_thread_heap *th, size_t bytes);

/* A span of so many pages; a live block must come back. */
void *span_pages(struct site *site, size_t pages);
/* Purges what is due now. */
void site_tick(struct site *site);

/* The next call of these kinds (bits 1 << enum ashlar_os_call), counted from 1, that is to fail. */
void fail_next(struct site *site, uint32_t kinds, uint64_t nth);
void fail_no_more(struct site *site);

/* A pattern that depends on the seed and the place, and whether the bytes hold it. */
void fill(void *block, size_t bytes, uint64_t seed);
bool holds(const void *block, size_t bytes, uint64_t seed);
bool all_zero(const void *block, size_t bytes);

#endif
