/* What a check costs, on heaps of several sizes. Not a test: run it by hand on a quiet machine.
 *
 * For each heap and tier: the median of many checks, in microseconds, after a first one that warms
 * the caches; for small heaps also the cost of the check of one address. Blocks are not written, so
 * a heap of 10 GiB needs little memory. */
#include <ashlar/check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t state = 1;
static uint64_t draw(uint64_t below) {
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (state >> 33) % below;
}

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

enum { ROUNDS_MOST = 1001, THREADS_MOST = 8 };

static double median_us(const struct ashlar_heap *heap, enum ashlar_check_tier tier,
                        unsigned rounds, struct ashlar_check_report *report) {
    static double times[ROUNDS_MOST];
    for (unsigned round = 0; round <= rounds; round++) {
        double start = now_us();
        if (ashlar_check_heap(heap, tier, NULL, NULL, report) != ASHLAR_SOUND) abort();
        if (round > 0) times[round - 1] = now_us() - start;
    }
    qsort(times, rounds, sizeof times[0], ascending);
    return times[rounds / 2];
}

struct shape {
    const char *name;
    size_t blocks, least, most; /* sizes, drawn evenly */
    unsigned threads, percent_freed, rounds;
};

static const struct shape shapes[] = {
    {"1,000 live of 1 to 1,024 bytes", 1250, 1, 1024, 1, 20, 1001},
    {"1,000 live of 1 to 1,024 bytes, 8 threads", 1250, 1, 1024, 8, 20, 1001},
    {"1,000 live of 1 to 16,384 bytes", 1250, 1, 16384, 1, 20, 1001},
    {"200 live of 1 to 262,144 bytes", 250, 1, 262144, 1, 20, 1001},
    {"10,000,000 live of 1 to 64 bytes", 12500000, 1, 64, 1, 20, 101},
    {"10,000,000 live of 1 to 256 bytes", 12500000, 1, 256, 4, 20, 101},
    {"10 GiB in 8,192-byte blocks", 1310720, 8192, 8192, 4, 20, 101},
    {"10 GiB in spans of 1 MiB", 10240, 1 << 20, 1 << 20, 1, 20, 101},
};

static void measure(const struct shape *shape) {
    struct ashlar_heap *heap;
    struct ashlar_thread_heap *threads[THREADS_MOST] = {0};
    const unsigned count = shape->threads;
    if (shape->blocks == 0 || count == 0 || count > THREADS_MOST) abort();
    void **blocks = calloc(shape->blocks, sizeof *blocks);
    if (blocks == NULL || ashlar_heap_create(NULL, &heap) != ASHLAR_OK) abort();
    for (unsigned i = 0; i < count; i++)
        if (ashlar_thread_heap_acquire(heap, &threads[i]) != ASHLAR_OK) abort();
    for (size_t i = 0; i < shape->blocks; i++) {
        size_t bytes = shape->least + draw(shape->most - shape->least + 1);
        blocks[i] = ashlar_malloc(threads[i % count], bytes);
        if (blocks[i] == NULL) abort();
    }
    void *last = blocks[0];
    for (size_t i = 0; i < shape->blocks; i++) {
        if (draw(100) < shape->percent_freed)
            ashlar_free(threads[draw(count)], blocks[i]);
        else
            last = blocks[i];
    }
    struct ashlar_check_report report;
    double quick = median_us(heap, ASHLAR_CHECK_QUICK, shape->rounds, &report);
    double full = median_us(heap, ASHLAR_CHECK_FULL, shape->rounds, &report);
    double start = now_us();
    for (unsigned i = 0; i < 1000; i++)
        ashlar_check_touched(heap, (uintptr_t)last, NULL, NULL, &report);
    double touched = (now_us() - start) / 1000;
    ashlar_check_heap(heap, ASHLAR_CHECK_FULL, NULL, NULL, &report);
    printf("| %s | %llu | %llu | %.1f | %.1f | %.1f |\n", shape->name,
           (unsigned long long)report.live_blocks, (unsigned long long)report.pages_checked, quick,
           full, touched);
    ashlar_heap_destroy(heap);
    free(blocks);
}

int main(void) {
    puts("| heap | live blocks | pages | quick, us | full, us | one address, us |");
    puts("|---|---|---|---|---|---|");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) measure(&shapes[i]);
    return 0;
}
