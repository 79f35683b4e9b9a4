/* One workload on one allocator: prints one line of JSON.
 *
 *   ashlar-bench-core churn-2k            the core, called directly
 *   LD_PRELOAD=... ashlar-bench-libc churn-2k     any other allocator
 *
 * A run is one process: warm-up until the heap is in its steady state, then samples of about the
 * same length. The figure of a run is the median of its samples; run-micro interleaves runs.
 */
#include "../meter.h"
#include "workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 11, EXIT_USAGE = 2, EXIT_OWN = 5 };

static const uint64_t warm_up_ns = 150 * 1000000U;
static const uint64_t sample_ns = 20 * 1000000U;

struct sample {
    double cpu, wall, instructions, cycles; /* per unit */
};

static struct sample take_sample(const struct bench_workload *workload, struct bench_state *state,
                                 uint64_t passes) {
    struct meter_reading before, after, cost;
    uint64_t units = 0;
    meter_read(&before);
    for (uint64_t i = 0; i < passes; i++) {
        uint64_t done = workload->pass(state);
        if (done == 0) {
            fprintf(stderr, "%s: the allocator has no memory\n", workload->name);
            exit(EXIT_OWN);
        }
        units += done;
    }
    meter_read(&after);
    cost = meter_since(&before, &after);
    return (struct sample){
        .cpu = (double)cost.cpu_ns / (double)units,
        .wall = (double)cost.wall_ns / (double)units,
        .instructions = (double)cost.instructions / (double)units,
        .cycles = (double)cost.cycles / (double)units,
    };
}

/* Runs until the heap is warm; returns how many passes make a sample. */
static uint64_t warm_up(const struct bench_workload *workload, struct bench_state *state) {
    struct meter_reading start, now, last;
    uint64_t passes = 0, pass_ns = 1;
    meter_read(&start);
    last = start;
    do {
        (void)take_sample(workload, state, 1);
        meter_read(&now);
        pass_ns = now.cpu_ns - last.cpu_ns + 1;
        last = now;
        passes++;
    } while (passes < 3 || now.cpu_ns - start.cpu_ns < warm_up_ns);
    return sample_ns / pass_ns + 1;
}

static int by_cpu(const void *left, const void *right) {
    const struct sample *a = left, *b = right;
    return (a->cpu > b->cpu) - (a->cpu < b->cpu);
}

static int run(const struct bench_workload *workload) {
    struct sample samples[SAMPLES];
    struct meter_memory before, after;
    bench_prepare(workload);
    meter_read_memory(&before);
    struct bench_state *state = bench_start(workload);
    if (state == NULL) {
        fprintf(stderr, "%s: the allocator has no memory\n", workload->name);
        return EXIT_OWN;
    }
    uint64_t passes = warm_up(workload, state);
    for (unsigned i = 0; i < SAMPLES; i++) samples[i] = take_sample(workload, state, passes);
    meter_read_memory(&after);
    bench_stop(state);
    qsort(samples, SAMPLES, sizeof samples[0], by_cpu);
    const struct sample *median = &samples[SAMPLES / 2];
    printf("{\"workload\":\"%s\",\"unit\":\"%s\",\"ns\":%.3f,\"ns_min\":%.3f,\"ns_max\":%.3f,"
           "\"wall_ns\":%.3f,\"instructions\":%.2f,\"cycles\":%.2f,\"peak_kib\":%zu}\n",
           workload->name, workload->unit, median->cpu, samples[0].cpu, samples[SAMPLES - 1].cpu,
           median->wall, median->instructions, median->cycles,
           after.peak_kib - before.resident_kib);
    return 0;
}

static int list(void) {
    for (size_t i = 0; i < bench_workload_count; i++) {
        const struct bench_workload *workload = &bench_workloads[i];
        printf("{\"name\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\",\"aim\":%s}\n", workload->name,
               workload->title, workload->unit, workload->aim ? "true" : "false");
    }
    return 0;
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--list") == 0) return list();
    if (count == 4 && strcmp(arguments[2], "--cpu") == 0) {
        if (!meter_pin(arguments[3])) {
            fprintf(stderr, "cannot run on CPU %s\n", arguments[3]);
            return EXIT_USAGE;
        }
        count = 2;
    }
    meter_open();
    for (size_t i = 0; count == 2 && i < bench_workload_count; i++)
        if (strcmp(arguments[1], bench_workloads[i].name) == 0) return run(&bench_workloads[i]);
    fprintf(stderr, "usage: %s --list | WORKLOAD [--cpu N]\n", arguments[0]);
    return EXIT_USAGE;
}
