/* False sharing: an allocator that gives two threads blocks in one cache line makes each write of
 * the one wait for the other. Active: two threads allocate at the same time, as many small blocks.
 * Passive: one thread's blocks are handed to both, freed there, and come back from malloc there. */
#include "pattern.h"

#include <pthread.h>
#include <stdlib.h>

enum { WRITES = 64, PASSED = 16 };

static pthread_barrier_t both;
static pthread_once_t opened = PTHREAD_ONCE_INIT;

static void open_barrier(void) {
    pthread_barrier_init(&both, NULL, 2);
}

static void write_often(void *block, size_t bytes) {
    volatile uint8_t *byte = block;
    for (unsigned i = 0; i < WRITES; i++) byte[i % bytes]++;
}

static void allocate_and_write(struct worker *worker) {
    enum { HELD = 8 };
    void *held[HELD] = {NULL};
    for (uint64_t i = 0; i < worker->operations; i++) {
        size_t bytes = next_step(worker)->bytes;
        void **slot = &held[i % HELD];
        free(*slot);
        *slot = must(malloc(bytes));
        touch(*slot, 0);
        write_often(*slot, bytes);
    }
    for (unsigned i = 0; i < HELD; i++) free(held[i]);
}

void sharing_active(struct worker *worker) {
    pthread_once(&opened, open_barrier);
    pthread_barrier_wait(&both);
    allocate_and_write(worker);
}

void sharing_passive(struct worker *worker) {
    pthread_once(&opened, open_barrier);
    if (worker->number == 0)
        for (unsigned i = 0; i < 2 * PASSED; i++) {
            /* neighbours go to different threads */
            struct worker *to = i % 2 == 0 ? worker : worker->other;
            to->slots[i / 2] = must(malloc(worker->pattern->least_bytes));
            touch(to->slots[i / 2], i);
        }
    pthread_barrier_wait(&both);
    for (unsigned i = 0; i < PASSED; i++) free(worker->slots[i]);
    allocate_and_write(worker);
}
