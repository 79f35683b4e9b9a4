/* Patterns of calloc, of aligned blocks, and of blocks of many OS pages. */
#include "pattern.h"

#include <stdlib.h>

static void keep(struct worker *worker, uint32_t slot, void *block) {
    worker->slots[slot] = must(block);
    touch(worker->slots[slot], slot);
}

static void drain(struct worker *worker) {
    for (uint32_t i = 0; i < worker->pattern->live; i++) free(worker->slots[i]);
}

void calloc_churn(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        free(worker->slots[step->slot]);
        keep(worker, step->slot, calloc(1, step->bytes));
    }
    drain(worker);
}

void aligned(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        void *block = NULL;
        free(worker->slots[step->slot]);
        /* 32 to 4,096, each as often as the next one */
        if (posix_memalign(&block, (size_t)32 << (i & 7), step->bytes) != 0) block = NULL;
        keep(worker, step->slot, block);
    }
    drain(worker);
}

void large(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        free(worker->slots[step->slot]);
        keep(worker, step->slot, malloc(step->bytes));
    }
    drain(worker);
}

void large_written(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        free(worker->slots[step->slot]);
        keep(worker, step->slot, malloc(step->bytes));
        touch_pages(worker->slots[step->slot], 0, step->bytes);
    }
    drain(worker);
}

/* One buffer at a time, written at both ends and freed. */
void large_short(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        size_t bytes = next_step(worker)->bytes;
        char *block = must(malloc(bytes));
        touch(block, i);
        touch(block + (bytes & ~(size_t)7) - 8, i);
        free(block);
    }
}
