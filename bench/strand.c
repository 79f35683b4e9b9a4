/* What a malloc keeps resident of memory that it could give back or use again: one line of JSON.
 *
 *   LD_PRELOAD=... ashlar-bench-strand give-away|pipeline|idle-owner|peak|trim [OPERATIONS]
 *
 * 1. give-away: one thread allocates, another only frees. pipeline: four threads, each frees what
 *    it is sent and allocates what it sends on. idle-owner: four threads allocate, and sleep while
 *    another frees all of it and goes on by itself.
 * 2. peak: 1 GiB of blocks is freed, and then one block allocated and freed every 10 ms, until a
 *    twentieth of the peak is resident. trim: malloc_trim(0) instead.
 * 3. The bound: 1.25 of what is live, and for each thread the most that was live of what it made.
 *    The harness samples resident memory, less what was resident at the start, and live bytes (as
 *    asked for), from tables of its own. Blocks are written whole. */
#include "meter.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    EXIT_USAGE = 2,
    STAGES_MOST = 4,
    RING = 8192,   /* blocks under way between two stages */
    OWNED = 65536, /* blocks of an idle owner: about 32 MiB */
    PEAK_BLOCKS = 2 << 20,
    LONGEST_MS = 20000,
};

struct message {
    void *block;
    uint32_t bytes, maker;
};

struct ring {
    _Alignas(128) _Atomic uint64_t sent, taken;
    struct message *slots;
};

static struct ring rings[STAGES_MOST];
static unsigned stages;
static uint64_t operations;
static _Atomic uint64_t live_bytes, done;
/* Of what each thread made (the last one: the main thread), written by others when they free. */
static struct {
    _Alignas(128) _Atomic uint64_t live_bytes;
    uint64_t most_bytes;
} makers[STAGES_MOST + 1];
static size_t start_kib, most_kib, last_kib, most_live_kib;

static size_t draw_bytes(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return 16 + (*random >> 20) % 1009; /* 16 .. 1,024 */
}

static void pause_ms(unsigned ms) {
    struct timespec moment = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&moment, NULL);
}

static void sample(void) {
    struct meter_memory memory;
    size_t live_kib = atomic_load(&live_bytes) / 1024;
    meter_read_memory(&memory);
    last_kib = memory.resident_kib > start_kib ? memory.resident_kib - start_kib : 0;
    if (last_kib > most_kib) most_kib = last_kib;
    if (live_kib > most_live_kib) most_live_kib = live_kib;
}

static struct message message_make(unsigned maker, uint64_t *random) {
    struct message message = {.bytes = (uint32_t)draw_bytes(random), .maker = maker};
    message.block = malloc(message.bytes);
    if (message.block == NULL) abort();
    memset(message.block, 1, message.bytes);
    atomic_fetch_add_explicit(&live_bytes, message.bytes, memory_order_relaxed);
    uint64_t live = message.bytes + atomic_fetch_add_explicit(&makers[maker].live_bytes,
                                                              message.bytes, memory_order_relaxed);
    if (live > makers[maker].most_bytes) makers[maker].most_bytes = live;
    return message;
}

static void message_free(struct message message) {
    free(message.block);
    atomic_fetch_sub_explicit(&live_bytes, message.bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&makers[message.maker].live_bytes, message.bytes,
                              memory_order_relaxed);
}

static void pass_on(struct ring *ring, struct message message) {
    uint64_t sent = atomic_load_explicit(&ring->sent, memory_order_relaxed);
    while (sent - atomic_load_explicit(&ring->taken, memory_order_acquire) == RING) sched_yield();
    ring->slots[sent % RING] = message;
    atomic_store_explicit(&ring->sent, sent + 1, memory_order_release);
}

static struct message take(struct ring *ring) {
    uint64_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    while (atomic_load_explicit(&ring->sent, memory_order_acquire) == taken) sched_yield();
    struct message message = ring->slots[taken % RING];
    atomic_store_explicit(&ring->taken, taken + 1, memory_order_release);
    return message;
}

/* The first stage only allocates, the last one only frees. */
static void *run_stage(void *argument) {
    unsigned stage = (unsigned)(uintptr_t)argument;
    uint64_t random = stage + 1;
    for (uint64_t i = 0; i < operations; i++) {
        if (stage > 0) message_free(take(&rings[stage - 1]));
        if (stage + 1 < stages) pass_on(&rings[stage], message_make(stage, &random));
    }
    atomic_fetch_add(&done, 1);
    return NULL;
}

static void run_stages(unsigned count) {
    pthread_t threads[STAGES_MOST];
    stages = count;
    for (unsigned i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, run_stage, (void *)(uintptr_t)i);
    for (; atomic_load(&done) < count; pause_ms(5)) sample();
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static struct message *owned[STAGES_MOST];
static pthread_barrier_t barrier;

static void *run_owner(void *argument) {
    unsigned owner = (unsigned)(uintptr_t)argument;
    uint64_t random = owner + 1;
    for (unsigned i = 0; i < OWNED; i++) owned[owner][i] = message_make(owner, &random);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier); /* sleeps here */
    return NULL;
}

/* All is freed by this thread; then it works on alone with little, and the owners sleep. */
static void run_idle_owners(void) {
    pthread_t threads[STAGES_MOST];
    uint64_t random = 99;
    pthread_barrier_init(&barrier, NULL, STAGES_MOST + 1);
    for (unsigned i = 0; i < STAGES_MOST; i++)
        pthread_create(&threads[i], NULL, run_owner, (void *)(uintptr_t)i);
    pthread_barrier_wait(&barrier);
    sample();
    for (unsigned i = 0; i < STAGES_MOST; i++)
        for (unsigned j = 0; j < OWNED; j++) message_free(owned[i][j]);
    static struct message few[1000];
    for (unsigned i = 0; i < 1000; i++) few[i] = message_make(STAGES_MOST, &random);
    for (uint64_t i = 0; i < operations; i++) {
        message_free(few[i % 1000]);
        few[i % 1000] = message_make(STAGES_MOST, &random);
    }
    for (unsigned ms = 0; ms < 1500; ms += 10) { /* at a low rate, for some decay times */
        for (unsigned i = 0; i < 10; i++) message_free(message_make(STAGES_MOST, &random));
        pause_ms(10);
    }
    sample();
    pthread_barrier_wait(&barrier);
    for (unsigned i = 0; i < STAGES_MOST; i++) pthread_join(threads[i], NULL);
}

static unsigned run_peak(bool trim) {
    uint64_t random = 7;
    struct message *blocks = meter_pages(PEAK_BLOCKS * sizeof *blocks);
    unsigned ms = 0;
    sample();
    start_kib += last_kib; /* the table is the harness's own */
    for (unsigned i = 0; i < PEAK_BLOCKS; i++) blocks[i] = message_make(STAGES_MOST, &random);
    sample();
    for (unsigned i = 0; i < PEAK_BLOCKS; i++) message_free(blocks[i]);
    if (trim) malloc_trim(0);
    for (sample(); !trim && last_kib > most_kib / 20 && ms < LONGEST_MS; ms += 10) {
        message_free(message_make(STAGES_MOST, &random));
        pause_ms(10);
        sample();
    }
    return ms;
}

int main(int count, char **arguments) {
    const char *name = count > 1 ? arguments[1] : "";
    struct meter_memory memory;
    unsigned ms = 0;
    operations = count > 2 ? strtoull(arguments[2], NULL, 10) : 20000000;
    for (unsigned i = 0; i < STAGES_MOST; i++) {
        rings[i].slots = meter_pages(RING * sizeof *rings[i].slots);
        owned[i] = meter_pages(OWNED * sizeof *owned[i]);
    }
    meter_read_memory(&memory);
    start_kib = memory.resident_kib;
    if (strcmp(name, "give-away") == 0)
        run_stages(2);
    else if (strcmp(name, "pipeline") == 0)
        run_stages(STAGES_MOST);
    else if (strcmp(name, "idle-owner") == 0)
        run_idle_owners();
    else if (strcmp(name, "peak") == 0 || strcmp(name, "trim") == 0)
        ms = run_peak(name[0] == 't');
    else
        return EXIT_USAGE;
    uint64_t peaks = 0;
    for (unsigned i = 0; i <= STAGES_MOST; i++) peaks += makers[i].most_bytes;
    printf(
        "{\"name\":\"%s\",\"operations\":%llu,\"live_most_kib\":%zu,\"thread_peaks_kib\":%llu,"
        "\"resident_most_kib\":%zu,\"live_last_kib\":%llu,\"resident_last_kib\":%zu,\"ms\":%u}\n",
        name, (unsigned long long)operations, most_live_kib, (unsigned long long)peaks / 1024,
        most_kib, (unsigned long long)atomic_load(&live_bytes) / 1024, last_kib, ms);
    return 0;
}
