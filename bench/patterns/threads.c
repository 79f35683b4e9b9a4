/* Patterns in which blocks go from thread to thread.
 *
 * Threads hand over whole parcels of blocks and sleep when there is none: a thread that spins would
 * burn processor time, which is what is measured, and handing over single blocks would measure the
 * handing over. Only `exchange` needs no order between its threads: it swaps single blocks with an
 * atomic instruction.
 */
#include "pattern.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void start(pthread_t *thread, void *(*function)(void *), void *argument) {
    if (pthread_create(thread, NULL, function, argument) != 0) {
        perror("pthread_create");
        exit(5);
    }
}

/* A server: each connection thread replaces random ones of the blocks that it was handed, 50
 * replacements a slot, and then ends; a new thread carries on with what it left. So most frees are
 * of blocks that a thread allocated which is gone by now. */
static void *serve(void *argument) {
    struct worker *worker = argument;
    uint64_t replacements = 50 * (uint64_t)worker->pattern->live;
    for (uint64_t i = 0; i < replacements; i++) {
        const struct step *step = next_step(worker);
        free(worker->slots[step->slot]);
        worker->slots[step->slot] = must(malloc(step->bytes));
        touch(worker->slots[step->slot], i);
    }
    return NULL;
}

void server(struct worker *worker) {
    uint64_t done = 0;
    while (done < worker->operations) {
        pthread_t thread;
        start(&thread, serve, worker);
        pthread_join(thread, NULL);
        done += 50 * (uint64_t)worker->pattern->live;
    }
    for (uint32_t i = 0; i < worker->pattern->live; i++) free(worker->slots[i]);
}

enum { PARCEL_BLOCKS = 256, PARCELS = 32 };

/* Parcels of blocks on their way from one thread to another. */
struct road {
    void *block[PARCELS][PARCEL_BLOCKS];
    uint32_t bytes[PARCELS][PARCEL_BLOCKS];
    sem_t loaded, unloaded;
};

static struct road roads[2];
static pthread_once_t roads_open = PTHREAD_ONCE_INIT;

static void open_roads(void) {
    for (unsigned i = 0; i < 2; i++) {
        sem_init(&roads[i].loaded, 0, 0);
        sem_init(&roads[i].unloaded, 0, PARCELS);
    }
}

static void sleep_until(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

/* One thread allocates all blocks, the other one frees them all. */
void give_away(struct worker *worker) {
    pthread_once(&roads_open, open_roads);
    struct road *road = &roads[0];
    uint64_t parcels = worker->pattern->operations / PARCEL_BLOCKS;
    for (uint64_t i = 0; i < parcels; i++) {
        void **block = road->block[i % PARCELS];
        bool gives = worker->number == 0;
        sleep_until(gives ? &road->unloaded : &road->loaded);
        for (unsigned k = 0; k < PARCEL_BLOCKS; k++) {
            if (gives) {
                block[k] = must(malloc(next_step(worker)->bytes));
                touch(block[k], k);
            } else {
                free(block[k]);
            }
        }
        sem_post(gives ? &road->loaded : &road->unloaded);
    }
}

/* Producer and consumer that answers: each thread writes messages for the other one, which reads
 * and frees them. */
void two_way(struct worker *worker) {
    pthread_once(&roads_open, open_roads);
    struct road *out = &roads[worker->number], *in = &roads[1 - worker->number];
    uint64_t parcels = worker->operations / PARCEL_BLOCKS;
    for (uint64_t i = 0; i < parcels; i++) {
        unsigned parcel = i % PARCELS;
        sleep_until(&out->unloaded);
        for (unsigned k = 0; k < PARCEL_BLOCKS; k++) {
            uint32_t bytes = next_step(worker)->bytes;
            out->block[parcel][k] = memset(must(malloc(bytes)), (int)k, bytes);
            out->bytes[parcel][k] = bytes;
        }
        sem_post(&out->loaded);
        sleep_until(&in->loaded);
        for (unsigned k = 0; k < PARCEL_BLOCKS; k++) {
            uint8_t *bytes = in->block[parcel][k];
            unsigned sum = 0;
            for (uint32_t b = 0; b < in->bytes[parcel][k]; b += 16) sum += bytes[b];
            *(volatile uint8_t *)bytes = (uint8_t)sum;
            free(bytes);
        }
        sem_post(&in->unloaded);
    }
}

/* Threads that work on blocks of their own, and swap every fourth one with whatever lies in a table
 * that all of them share. */
enum { SHARED = 1024 };
static _Atomic(void *) shared[SHARED];
static atomic_uint exchange_running;

void exchange(struct worker *worker) {
    atomic_fetch_add(&exchange_running, 1);
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        void *block = must(malloc(step->bytes));
        touch(block, i);
        if (i % 4 == 0) block = atomic_exchange(&shared[step->slot % SHARED], block);
        free(worker->slots[step->slot]);
        worker->slots[step->slot] = block;
    }
    for (uint32_t i = 0; i < worker->pattern->live; i++) free(worker->slots[i]);
    if (atomic_fetch_sub(&exchange_running, 1) == 1)
        for (unsigned i = 0; i < SHARED; i++) free(atomic_exchange(&shared[i], NULL));
}

/* Threads come and go. Each allocates 100 blocks, frees 90 of them and leaves 10 to the thread that
 * waits for its end. */
enum { THREAD_BLOCKS = 100, LEFT_BLOCKS = 10 };

static void *live_shortly(void *argument) {
    struct worker *worker = argument;
    for (unsigned i = 0; i < THREAD_BLOCKS; i++) {
        worker->slots[i] = must(malloc(next_step(worker)->bytes));
        touch(worker->slots[i], i);
    }
    for (unsigned i = LEFT_BLOCKS; i < THREAD_BLOCKS; i++) free(worker->slots[i]);
    return NULL;
}

void short_threads(struct worker *worker) {
    for (uint64_t done = 0; done < worker->operations; done += THREAD_BLOCKS) {
        pthread_t thread;
        start(&thread, live_shortly, worker);
        pthread_join(thread, NULL);
        for (unsigned i = 0; i < LEFT_BLOCKS; i++) free(worker->slots[i]);
    }
}
