/* The workloads of the micro-benchmark. Each is a pass that can be run again and again. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_state;

struct bench_workload {
    const char *name;  /* for the command line */
    const char *title; /* for people */
    const char *unit;  /* what a figure is per */
    bool aim;          /* one of the five that the project's aim names; else an extra */
    /* Runs once and returns how many units it did; 0 when the allocator had no memory. */
    uint64_t (*pass)(struct bench_state *state);
    uint32_t live; /* blocks that live at once */
    uint32_t least_bytes, most_bytes;
};

extern const struct bench_workload bench_workloads[];
extern const size_t bench_workload_count;

/* Makes everything that the passes need (random choices, table of blocks) and fills the table.
 * NULL when the allocator had no memory. */
struct bench_state *bench_start(const struct bench_workload *workload);
/* Makes the harness's own part of the above, before memory is first measured. */
void bench_prepare(const struct bench_workload *workload);
/* Frees what lives. */
void bench_stop(struct bench_state *state);

#endif
