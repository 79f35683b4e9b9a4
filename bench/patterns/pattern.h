/* A pattern: one way in which programs use malloc, as a fixed amount of work.
 *
 * 1. Work. `run` is called once on each of the pattern's threads and does its share of the
 *    operations, from an empty heap to an empty heap. All allocators do the same: which block is
 *    replaced and by which size is drawn beforehand, from fixed seeds, into tables of steps that
 *    are read in order. Drawing inside the loop would add the same cost to all of them, and so hide
 *    ratios.
 * 2. Touching. Each new block's first word is written, as any program does. An allocator that left
 *    the block's cache line cold pays for that here, and one that keeps links in free blocks has
 *    paid already. Patterns that write more say so in their titles.
 * 3. The harness's own memory comes from pages of its own (meter_pages), never from malloc. What
 *    the C library and the C++ library allocate for themselves does: so it is in programs.
 * 4. A NULL ends the process: a figure of an allocator that did not do the work is worth nothing.
 */
#ifndef BENCH_PATTERN_H
#define BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { STEPS = 1 << 20, OS_PAGE_BYTES = 4096, CACHE_LINE_BYTES = 64 };

struct step {
    uint32_t slot;  /* below the pattern's `live` */
    uint32_t bytes; /* from its least to its most */
};

/* How sizes lie between least and most: each as likely as any other, or each doubling as likely as
 * any other (so that small ones are many). */
enum sizes { EVEN, FALLING };

struct worker;
typedef void pattern_run(struct worker *worker);

struct pattern {
    const char *name;  /* for the command line */
    const char *title; /* for people */
    pattern_run *run;
    uint64_t operations; /* blocks allocated or resized, by all threads together */
    uint32_t threads;
    uint32_t live; /* slots of each thread */
    uint32_t least_bytes, most_bytes;
    enum sizes sizes;
};

/* A cache line and its neighbour to itself: threads write their own. */
struct worker {
    const struct pattern *pattern __attribute__((aligned(2 * CACHE_LINE_BYTES)));
    uint32_t number;     /* 0 .. threads - 1 */
    uint64_t operations; /* this thread's share */
    uint64_t position;   /* in steps */
    void **slots;        /* `live` of them, empty */
    const struct step *steps;
    const uint32_t *shuffled; /* the numbers of the slots in random order */
    struct worker *other;     /* of the next thread; itself when there is one thread */
};

extern const struct pattern patterns[];
extern const size_t pattern_count;

/* The block, its first word written; the end of the process when it is NULL. */
void *must(void *block) __attribute__((returns_nonnull));

static inline void touch(void *block, uint64_t value) {
    *(volatile uint64_t *)block = value;
}

static inline void touch_pages(void *block, size_t from, size_t to) {
    for (size_t at = from; at + sizeof(uint64_t) <= to; at += OS_PAGE_BYTES)
        touch((char *)block + at, at);
}

static inline const struct step *next_step(struct worker *worker) {
    return &worker->steps[worker->position++ & (STEPS - 1)];
}

/* xorshift64*: good enough for choices, and the same everywhere */
static inline uint32_t draw(uint64_t *random, uint32_t bound) {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    uint64_t high = (*random * UINT64_C(2685821657736338717)) >> 32;
    return (uint32_t)((high * bound) >> 32);
}

/* small.c: blocks of up to some KiB, each thread on its own */
pattern_run one_block, batch, batch_reverse, batch_shuffled, churn, lifetimes, phases, numbers,
    trees;
/* grow.c: realloc */
pattern_run resize, strings, vectors, grow_doubling, grow_steps;
/* clean.c: calloc, alignment, and blocks of many pages */
pattern_run calloc_churn, aligned, large, large_written, large_short;
/* threads.c: blocks that go from thread to thread */
pattern_run server, give_away, two_way, exchange, short_threads;
/* sharing.c: cache lines that two threads write */
pattern_run sharing_active, sharing_passive;
/* containers.cc: what the C++ library allocates */
pattern_run containers;

#ifdef __cplusplus
}
#endif
#endif
