/* The workloads, compiled once per binding.
 *
 * 1. Binding. All calls of the allocator are the bench_* functions of the header that the build
 *    names (bind_core.h, bind_libc.h). Everything else is the same code, so that the difference of
 *    two figures is the difference of two allocators and of their call sequences.
 *
 * 2. Choices. Which block is replaced, and by which size, is drawn beforehand into a table of steps
 *    that is read in order, 8 bytes a step: drawing inside the loop would add the same cost to all,
 *    and so hide ratios. The seed is fixed: every allocator sees the same steps.
 *
 * 3. Touching. Each new block's first word is written, as any program does. An allocator that left
 *    the block's cache line cold pays for that here, and one that keeps links in free blocks has
 *    paid already.
 *
 * 4. Passes. A pass is short (65,536 steps, or one round of a batch), so that the caller can make
 *    samples of any length. Churn goes on where the pass before it ended.
 */
#include "workloads.h"

#include "../meter.h"

#include BENCH_BINDING

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

enum {
    STEPS = 1 << 20,
    PASS_STEPS = 1 << 16,
    OS_PAGE_BYTES = 4096,
    GROW_LEAST_BYTES = 1024,
    GROW_MOST_BYTES = 64 << 20,
    GROW_STEP_BYTES = 4096,
};

struct step {
    uint32_t slot;
    uint32_t bytes;
};

struct bench_state {
    const struct bench_workload *workload;
    struct bench_thread thread; /* allocates */
    struct bench_thread other;  /* frees, in the remote workload */
    void **slots;
    struct step *steps;
    uint32_t *shuffled; /* the slots in random order */
    uint32_t position;  /* next step */
    bool fills;         /* the table lives from pass to pass */
    pthread_t freeing;
    sem_t filled, freed;
    bool stop;
};

static struct bench_state the_state;

static inline void touch(void *block, uint64_t value) {
    *(volatile uint64_t *)block = value;
}

static uint64_t one_pass(struct bench_state *state) {
    size_t bytes = state->workload->least_bytes;
    for (uint32_t i = 0; i < PASS_STEPS; i++) {
        void *block = bench_malloc(&state->thread, bytes);
        if (block == NULL) return 0;
        touch(block, i);
        bench_free(&state->thread, block);
    }
    return PASS_STEPS;
}

/* The steps of this pass. */
static const struct step *take_steps(struct bench_state *state) {
    const struct step *steps = state->steps + state->position;
    state->position = (state->position + PASS_STEPS) % STEPS;
    return steps;
}

static uint64_t one_mixed_pass(struct bench_state *state) {
    const struct step *steps = take_steps(state);
    for (uint32_t i = 0; i < PASS_STEPS; i++) {
        void *block = bench_malloc(&state->thread, steps[i].bytes);
        if (block == NULL) return 0;
        touch(block, i);
        bench_free(&state->thread, block);
    }
    return PASS_STEPS;
}

static bool fill(struct bench_state *state) {
    const struct step *steps = take_steps(state);
    uint32_t live = state->workload->live;
    for (uint32_t i = 0; i < live; i++) {
        void *block = bench_malloc(&state->thread, steps[i].bytes);
        if (block == NULL) return false;
        touch(block, i);
        state->slots[i] = block;
    }
    return true;
}

static uint64_t batch_pass(struct bench_state *state) {
    uint32_t live = state->workload->live;
    if (!fill(state)) return 0;
    for (uint32_t i = 0; i < live; i++) bench_free(&state->thread, state->slots[i]);
    return live;
}

static uint64_t batch_reverse_pass(struct bench_state *state) {
    uint32_t live = state->workload->live;
    if (!fill(state)) return 0;
    for (uint32_t i = live; i > 0; i--) bench_free(&state->thread, state->slots[i - 1]);
    return live;
}

static uint64_t batch_shuffled_pass(struct bench_state *state) {
    uint32_t live = state->workload->live;
    if (!fill(state)) return 0;
    for (uint32_t i = 0; i < live; i++)
        bench_free(&state->thread, state->slots[state->shuffled[i]]);
    return live;
}

static uint64_t churn_pass(struct bench_state *state) {
    const struct step *steps = take_steps(state);
    void **slots = state->slots;
    for (uint32_t i = 0; i < PASS_STEPS; i++) {
        uint32_t slot = steps[i].slot;
        bench_free(&state->thread, slots[slot]);
        void *block = bench_malloc(&state->thread, steps[i].bytes);
        if (block == NULL) return 0;
        touch(block, i);
        slots[slot] = block;
    }
    return PASS_STEPS;
}

/* Large blocks cost so much that a whole pass of steps would take a second. */
enum { LARGE_PASS_STEPS = PASS_STEPS / 64 };

static void touch_pages(char *block, size_t from, size_t to) {
    for (size_t at = from; at + sizeof(uint64_t) <= to; at += OS_PAGE_BYTES) touch(block + at, at);
}

static uint64_t churn_large(struct bench_state *state, bool every_page) {
    const struct step *steps = take_steps(state);
    for (uint32_t i = 0; i < LARGE_PASS_STEPS; i++) {
        uint32_t slot = steps[i].slot;
        bench_free(&state->thread, state->slots[slot]);
        void *block = bench_malloc(&state->thread, steps[i].bytes);
        if (block == NULL) return 0;
        if (every_page)
            touch_pages(block, 0, steps[i].bytes);
        else
            touch(block, i);
        state->slots[slot] = block;
    }
    return LARGE_PASS_STEPS;
}

static uint64_t large_pass(struct bench_state *state) {
    return churn_large(state, false);
}

static uint64_t large_written_pass(struct bench_state *state) {
    return churn_large(state, true);
}

static uint64_t calloc_pass(struct bench_state *state) {
    uint32_t live = state->workload->live;
    for (uint32_t i = 0; i < LARGE_PASS_STEPS; i++) {
        uint32_t slot = i % live;
        bench_free(&state->thread, state->slots[slot]);
        void *block = bench_calloc(&state->thread, 1, state->workload->least_bytes);
        if (block == NULL) return 0;
        touch(block, i);
        state->slots[slot] = block;
    }
    return LARGE_PASS_STEPS;
}

static uint64_t aligned_pass(struct bench_state *state) {
    const struct step *steps = take_steps(state);
    for (uint32_t i = 0; i < PASS_STEPS; i++) {
        uint32_t slot = steps[i].slot;
        bench_free(&state->thread, state->slots[slot]);
        /* 32 to 4,096, each as often as the next one */
        size_t alignment = (size_t)32 << (i & 7);
        void *block = bench_aligned(&state->thread, alignment, steps[i].bytes);
        if (block == NULL) return 0;
        touch(block, i);
        state->slots[slot] = block;
    }
    return PASS_STEPS;
}

/* One block grows to its largest size; each page that it gains is written. */
static uint64_t grow(struct bench_state *state, bool doubling) {
    size_t bytes = GROW_LEAST_BYTES;
    uint64_t steps = 0;
    char *block = bench_malloc(&state->thread, bytes);
    if (block == NULL) return 0;
    touch_pages(block, 0, bytes);
    while (bytes < GROW_MOST_BYTES) {
        size_t next = doubling ? bytes * 2 : bytes + GROW_STEP_BYTES;
        char *moved = bench_realloc(&state->thread, block, next);
        if (moved == NULL) {
            bench_free(&state->thread, block);
            return 0;
        }
        block = moved;
        touch_pages(block, bytes, next);
        bytes = next;
        steps++;
    }
    bench_free(&state->thread, block);
    return steps;
}

static uint64_t grow_double_pass(struct bench_state *state) {
    return grow(state, true);
}
static uint64_t grow_step_pass(struct bench_state *state) {
    return grow(state, false);
}

/* Two threads that take turns on one CPU: this one fills the table, the other one frees it. So each
 * free is of another thread's block, and caches do not bounce between CPUs. */
static void *free_for_other(void *argument) {
    struct bench_state *state = argument;
    for (;;) {
        sem_wait(&state->filled);
        if (state->stop) break;
        for (uint32_t i = 0; i < state->workload->live; i++)
            bench_free(&state->other, state->slots[i]);
        sem_post(&state->freed);
    }
    return NULL;
}

static uint64_t remote_pass(struct bench_state *state) {
    if (!fill(state)) return 0;
    sem_post(&state->filled);
    sem_wait(&state->freed);
    return state->workload->live;
}

const struct bench_workload bench_workloads[] = {
    {"one", "one block of 64 B, again and again", "pair", true, one_pass, 1, 64, 64},
    {"batch", "10,000 blocks of 64 B, then free all", "pair", true, batch_pass, 10000, 64, 64},
    {"churn-2k", "random churn, 2,000 live, 16-272 B", "pair", true, churn_pass, 2000, 16, 272},
    {"churn-100k", "random churn, 100,000 live, 16-528 B", "pair", true, churn_pass, 100000, 16,
     528},
    {"churn-medium", "random churn, 1,000 live, 1-61 KiB", "pair", true, churn_pass, 1000, 1024,
     61 * 1024},
    {"one-mixed", "one block of 16-1,024 B, again and again", "pair", false, one_mixed_pass, 1, 16,
     1024},
    {"batch-mixed", "10,000 blocks of 16-272 B, then free all", "pair", false, batch_pass, 10000,
     16, 272},
    {"batch-reverse", "the same, freed last to first", "pair", false, batch_reverse_pass, 10000, 16,
     272},
    {"batch-shuffled", "the same, freed in random order", "pair", false, batch_shuffled_pass, 10000,
     16, 272},
    {"churn-1m", "random churn, 1,000,000 live, 16-528 B", "pair", false, churn_pass, 1000000, 16,
     528},
    {"churn-32k", "random churn, 1,000 live, 1 B-32 KiB", "pair", false, churn_pass, 1000, 8,
     32 * 1024},
    {"remote", "10,000 blocks of 16-272 B, freed by another thread (one CPU)", "pair", false,
     remote_pass, 10000, 16, 272},
    {"aligned", "aligned to 32-4,096, 1,000 live, 16-1,024 B", "pair", false, aligned_pass, 1000,
     16, 1024},
    {"large", "random churn, 100 live, 64 KiB-4 MiB, first word written", "pair", false, large_pass,
     100, 64 << 10, 4 << 20},
    {"large-written", "the same, every page written", "pair", false, large_written_pass, 100,
     64 << 10, 4 << 20},
    {"calloc-1m", "calloc of 1 MiB, 16 live, first word written", "pair", false, calloc_pass, 16,
     1 << 20, 1 << 20},
    {"grow-double", "realloc from 1 KiB to 64 MiB by doubling", "step", false, grow_double_pass, 0,
     0, 0},
    {"grow-4k", "realloc from 1 KiB to 64 MiB by 4 KiB", "step", false, grow_step_pass, 0, 0, 0},
};
const size_t bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];

/* xorshift64*: good enough for choices, and the same everywhere */
static uint32_t draw(uint64_t *random, uint32_t bound) {
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    uint64_t high = (*random * UINT64_C(2685821657736338717)) >> 32;
    return (uint32_t)((high * bound) >> 32);
}

void bench_prepare(const struct bench_workload *workload) {
    struct bench_state *state = &the_state;
    uint64_t random = 0x9e3779b97f4a7c15U;
    uint32_t live = workload->live;
    state->workload = workload;
    state->steps = meter_pages(STEPS * sizeof *state->steps);
    state->slots = meter_pages((live + 1) * sizeof *state->slots);
    state->shuffled = meter_pages((live + 1) * sizeof *state->shuffled);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t range = workload->most_bytes - workload->least_bytes + 1;
        state->steps[i].slot = draw(&random, live == 0 ? 1 : live);
        state->steps[i].bytes = workload->least_bytes + draw(&random, range);
    }
    for (uint32_t i = 0; i < live; i++) {
        uint32_t other = draw(&random, i + 1);
        state->shuffled[i] = state->shuffled[other];
        state->shuffled[other] = i;
    }
}

struct bench_state *bench_start(const struct bench_workload *workload) {
    struct bench_state *state = &the_state;
    if (!bench_open() || !bench_thread_open(&state->thread)) return NULL;
    state->fills = workload->pass == churn_pass || workload->pass == large_pass ||
                   workload->pass == large_written_pass || workload->pass == aligned_pass ||
                   workload->pass == calloc_pass;
    if (state->fills && !fill(state)) return NULL;
    state->position = 0;
    if (workload->pass == remote_pass) {
        if (!bench_thread_open(&state->other)) return NULL;
        sem_init(&state->filled, 0, 0);
        sem_init(&state->freed, 0, 0);
        if (pthread_create(&state->freeing, NULL, free_for_other, state) != 0) return NULL;
    }
    return state;
}

void bench_stop(struct bench_state *state) {
    if (state->fills)
        for (uint32_t i = 0; i < state->workload->live; i++)
            bench_free(&state->thread, state->slots[i]);
    if (state->workload->pass == remote_pass) {
        state->stop = true;
        sem_post(&state->filled);
        pthread_join(state->freeing, NULL);
        bench_thread_close(&state->other);
    }
    bench_thread_close(&state->thread);
}
