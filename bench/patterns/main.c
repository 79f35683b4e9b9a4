/* One pattern on the allocator of this process: prints one line of JSON.
 *
 *   ashlar-bench-patterns --list
 *   LD_PRELOAD=... ashlar-bench-patterns churn-2k [--cpu 1] [--operations 100000]
 *
 * A run is one process and one measurement, from the first block to the last; the suite runs it
 * again and again, in turns with other allocators.
 */
#include "pattern.h"

#include "../meter.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, EXIT_OWN = 5, THREADS_MOST = 2, SLOT_BYTES = sizeof(void *) };

static size_t own_bytes;

static void *own_pages(size_t bytes) {
    own_bytes += (bytes + OS_PAGE_BYTES - 1) / OS_PAGE_BYTES * OS_PAGE_BYTES;
    return meter_pages(bytes);
}

void *must(void *block) {
    if (block != NULL) return block;
    fprintf(stderr, "the allocator has no memory\n");
    exit(EXIT_OWN);
}

/* Each doubling between least and most as likely as the next one; even within it. */
static uint32_t draw_falling(uint64_t *random, uint32_t least, uint32_t most) {
    unsigned doublings = 0;
    while (least << (doublings + 1) <= most) doublings++;
    uint32_t from = least << draw(random, doublings);
    return from + draw(random, from + 1);
}

static void prepare(struct worker *worker, const struct pattern *pattern, uint32_t number,
                    uint64_t operations) {
    uint64_t random = UINT64_C(0x9e3779b97f4a7c15) + number;
    uint32_t live = pattern->live, range = pattern->most_bytes - pattern->least_bytes + 1;
    struct step *steps = own_pages(STEPS * sizeof *steps);
    uint32_t *shuffled = own_pages(live * sizeof *shuffled);
    for (uint32_t i = 0; i < STEPS; i++) {
        steps[i].slot = draw(&random, live);
        steps[i].bytes = pattern->sizes == FALLING
                             ? draw_falling(&random, pattern->least_bytes, pattern->most_bytes)
                             : pattern->least_bytes + draw(&random, range);
    }
    for (uint32_t i = 0; i < live; i++) {
        uint32_t place = draw(&random, i + 1);
        shuffled[i] = shuffled[place];
        shuffled[place] = i;
    }
    worker->pattern = pattern;
    worker->number = number;
    worker->operations = operations / pattern->threads;
    worker->slots = own_pages(live * (size_t)SLOT_BYTES);
    worker->steps = steps;
    worker->shuffled = shuffled;
}

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    worker->pattern->run(worker);
    return NULL;
}

static void run_all(struct worker *workers, uint32_t threads) {
    pthread_t thread[THREADS_MOST];
    if (threads == 1) {
        (void)run_worker(&workers[0]);
        return;
    }
    for (uint32_t i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run_worker, &workers[i]) != 0) {
            perror("pthread_create");
            exit(EXIT_OWN);
        }
    for (uint32_t i = 0; i < threads; i++) pthread_join(thread[i], NULL);
}

static int run(const struct pattern *pattern, uint64_t operations) {
    static struct worker workers[THREADS_MOST];
    for (uint32_t i = 0; i < pattern->threads; i++) {
        prepare(&workers[i], pattern, i, operations);
        workers[i].other = &workers[(i + 1) % pattern->threads];
    }
    struct meter_run measured;
    meter_begin(&measured);
    run_all(workers, pattern->threads);
    meter_end(&measured);
    meter_print(&measured, own_bytes / 1024, operations);
    return 0;
}

static int list(void) {
    for (size_t i = 0; i < pattern_count; i++)
        printf("{\"name\":\"%s\",\"title\":\"%s\",\"threads\":%u,\"operations\":%llu}\n",
               patterns[i].name, patterns[i].title, patterns[i].threads,
               (unsigned long long)patterns[i].operations);
    return 0;
}

static int usage(const char *program) {
    fprintf(stderr, "usage: %s --list | PATTERN [--cpu N] [--operations N]\n", program);
    return EXIT_USAGE;
}

int main(int count, char **arguments) {
    const struct pattern *pattern = NULL;
    uint64_t operations = 0;
    if (count == 2 && strcmp(arguments[1], "--list") == 0) return list();
    if (count % 2 != 0) return usage(arguments[0]);
    for (size_t i = 0; i < pattern_count; i++)
        if (strcmp(arguments[1], patterns[i].name) == 0) pattern = &patterns[i];
    for (int i = 2; i < count; i += 2) {
        if (strcmp(arguments[i], "--operations") == 0)
            operations = strtoull(arguments[i + 1], NULL, 10);
        else if (strcmp(arguments[i], "--cpu") != 0 || !meter_pin(arguments[i + 1]))
            return usage(arguments[0]);
    }
    if (pattern == NULL) return usage(arguments[0]);
    return run(pattern, operations == 0 ? pattern->operations : operations);
}
