/* What a check of a heap costs, by tier and by size of the heap.
 *
 * Blocks are allocated and, in part, freed again, but not touched: the checker reads bookkeeping
 * only, and so 10 million blocks need no more memory than their bookkeeping. Small heaps are
 * checked over and over, so their bookkeeping is in the cache, as it is when a fuzzer checks after
 * every operation; large ones are too large for that.
 *
 *   ashlar-bench-check [--cpu N] [--most BLOCKS]     heaps of at most so many live blocks
 *
 * Prints a Markdown table. Every check must find its heap sound, or the program fails: a figure for
 * a check that gave up early would be worth nothing.
 */
#include "meter.h"

#include <ashlar/check.h>
#include <ashlar/heap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 15, EXIT_USAGE = 2, EXIT_OWN = 5 };

struct shape {
    const char *title;
    uint32_t live;
    uint32_t least_bytes, most_bytes;
    uint32_t freed_percent; /* of what was allocated, at random: holes in the slabs */
    double target_us;       /* of the full tier; 0: none set */
};

static const struct shape shapes[] = {
    {"10 live, 16-1,024 B", 10, 16, 1024, 0, 20},
    {"100 live, 16-1,024 B", 100, 16, 1024, 25, 20},
    {"1,000 live, 16-272 B", 1000, 16, 272, 25, 20},
    {"1,000 live, 16-1,024 B", 1000, 16, 1024, 25, 20},
    {"1,000 live, 1 B-32 KiB", 1000, 1, 32768, 25, 20},
    {"1,000 live, 1-256 KiB (spans too)", 1000, 1024, 262144, 25, 20},
    {"100,000 live, 16-528 B", 100000, 16, 528, 25, 0},
    {"10 million live, 16 B", 10000000, 16, 16, 0, 50000},
    {"10 million live, 16-80 B", 10000000, 16, 80, 25, 50000},
    {"10 million live, 16-528 B", 10000000, 16, 528, 25, 50000},
    {"1.2 million live, 16 B-16 KiB (about 10 GiB)", 1200000, 16, 16384, 5, 100000},
};

static uint32_t draw(uint64_t *random, uint32_t bound) {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    uint64_t high = (*random * UINT64_C(2685821657736338717)) >> 32;
    return (uint32_t)((high * bound) >> 32);
}

static void require(bool fact, const char *what) {
    if (fact) return;
    fprintf(stderr, "ashlar-bench-check: %s\n", what);
    exit(EXIT_OWN);
}

/* A heap in the shape; returns one live block of it. */
static void *build(const struct shape *shape, struct ashlar_heap *heap,
                   struct ashlar_thread_heap *th) {
    uint64_t random = 0x9e3779b97f4a7c15U;
    size_t made = (size_t)shape->live * 100 / (100 - shape->freed_percent);
    size_t table_bytes = made * sizeof(void *), left = made;
    void **blocks = meter_pages(table_bytes);
    for (size_t i = 0; i < made; i++) {
        uint32_t range = shape->most_bytes - shape->least_bytes + 1;
        blocks[i] = ashlar_malloc(th, shape->least_bytes + draw(&random, range));
        require(blocks[i] != NULL, "no memory");
    }
    while (left > shape->live) {
        uint32_t victim = draw(&random, (uint32_t)left);
        ashlar_free(th, blocks[victim]);
        blocks[victim] = blocks[--left];
    }
    struct ashlar_heap_stats stats;
    ashlar_heap_get_stats(heap, &stats);
    require(stats.live_blocks == shape->live, "the heap does not have the blocks that it should");
    void *one = blocks[left / 2];
    meter_release(blocks, table_bytes);
    return one;
}

enum what { QUICK, FULL, TOUCHED };

static void check(struct ashlar_heap *heap, enum what what, void *block,
                  struct ashlar_check_report *report) {
    enum ashlar_verdict verdict;
    if (what == TOUCHED)
        verdict = ashlar_check_touched(heap, (uintptr_t)block, NULL, NULL, report);
    else
        verdict = ashlar_check_heap(heap, what == FULL ? ASHLAR_CHECK_FULL : ASHLAR_CHECK_QUICK,
                                    NULL, NULL, report);
    require(verdict == ASHLAR_SOUND, "a check did not find the heap sound");
}

static int by_value(const void *left, const void *right) {
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* Median of the samples, microseconds of processor time a check. */
static double cost_us(struct ashlar_heap *heap, enum what what, void *block,
                      struct ashlar_check_report *report) {
    double samples[SAMPLES];
    struct meter_reading before, after;
    meter_read(&before);
    check(heap, what, block, report);
    meter_read(&after);
    uint64_t once_ns = meter_since(&before, &after).cpu_ns + 1;
    uint64_t times = once_ns > 5000000 ? 1 : 5000000 / once_ns + 1;
    for (unsigned i = 0; i < SAMPLES; i++) {
        meter_read(&before);
        for (uint64_t k = 0; k < times; k++) check(heap, what, block, report);
        meter_read(&after);
        samples[i] = (double)meter_since(&before, &after).cpu_ns / (double)times / 1000.0;
    }
    qsort(samples, SAMPLES, sizeof samples[0], by_value);
    return samples[SAMPLES / 2];
}

static void measure(const struct shape *shape) {
    struct ashlar_heap *heap = NULL;
    struct ashlar_thread_heap *th = NULL;
    struct ashlar_check_report report = {0};
    require(ashlar_heap_create(NULL, &heap) == ASHLAR_OK, "no heap");
    require(ashlar_thread_heap_acquire(heap, &th) == ASHLAR_OK, "no thread heap");
    void *block = build(shape, heap, th);
    double touched = cost_us(heap, TOUCHED, block, &report);
    double quick = cost_us(heap, QUICK, block, &report);
    double full = cost_us(heap, FULL, block, &report);
    require(report.live_blocks == shape->live, "the full check did not see every live block");
    require(report.pages_checked == report.pages_total, "the full check left pages out");
    printf("| %s | %llu | %.2f | %.1f | %.1f | %s |\n", shape->title,
           (unsigned long long)report.pages_total, touched, quick, full,
           shape->target_us == 0      ? "-"
           : full <= shape->target_us ? "met"
                                      : "missed");
    fflush(stdout);
    ashlar_thread_heap_release(th);
    ashlar_heap_destroy(heap);
}

static uint32_t parse_most(const char *text) {
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    require(end != text && *end == '\0' && number <= UINT32_MAX, "--most: not a number of blocks");
    return (uint32_t)number;
}

int main(int count, char **arguments) {
    uint32_t most = UINT32_MAX;
    int at = 1;
    for (; at + 1 < count; at += 2) {
        if (strcmp(arguments[at], "--cpu") == 0)
            require(meter_pin(arguments[at + 1]), "cannot use that CPU");
        else if (strcmp(arguments[at], "--most") == 0)
            most = parse_most(arguments[at + 1]);
        else
            break;
    }
    if (at < count) {
        fprintf(stderr, "usage: %s [--cpu N] [--most BLOCKS]\n", arguments[0]);
        return EXIT_USAGE;
    }
    printf("| heap | pages | touched, us | quick, us | full, us | target |\n");
    printf("| --- | ---: | ---: | ---: | ---: | --- |\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (shapes[i].live <= most) measure(&shapes[i]);
    return 0;
}
