/* Real threads: what the deterministic tests play in one thread, done by several at once. Threads
 * hand blocks to each other through shared places, so about every second free is remote; they exit
 * in the middle and new ones adopt what they left; one looks at statistics and trims meanwhile. At
 * the end the heap is sound and empty. Then owners that sleep and wake while others free their
 * blocks and visit them, with checks whenever all of them rest. Under ThreadSanitizer it proves the
 * memory order of remote.c. */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WORKERS = 4, GENERATIONS = 6, STEPS = 6000, PLACES = 64, WATCHES = 300 };

/* A block in a place carries its size and a seed in its first bytes. */
struct parcel {
    uint64_t bytes, seed;
};

struct yard {
    struct ashlar_heap *heap;
    _Atomic(struct parcel *) places[PLACES];
    _Atomic uint64_t wrong; /* contents that were not what they should be */
    _Atomic uint64_t misuses;
    _Atomic bool over;
};

struct worker {
    struct yard *yard;
    uint64_t random;
};

static void count_misuse(void *context, const struct ashlar_misuse *misuse) {
    struct yard *yard = context;
    (void)misuse;
    atomic_fetch_add_explicit(&yard->misuses, 1, memory_order_relaxed);
}

/* Published method: Marsaglia, "Xorshift RNGs" (2003). */
static uint64_t next_random(struct worker *worker, uint64_t below) {
    uint64_t x = worker->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    worker->random = x;
    return (x >> 11) % below;
}

static size_t next_bytes(struct worker *worker) {
    uint64_t kind = next_random(worker, 100);
    if (kind < 70) return sizeof(struct parcel) + next_random(worker, 400);
    if (kind < 97) return sizeof(struct parcel) + next_random(worker, 20000);
    return sizeof(struct parcel) + next_random(worker, 300000);
}

/* First and last bytes only: the test is about who owns what, not about memory speed. */
static void write_parcel(struct parcel *parcel, size_t bytes, uint64_t seed) {
    *parcel = (struct parcel){bytes, seed};
    if (bytes > sizeof *parcel) ((uint8_t *)parcel)[bytes - 1] = (uint8_t)seed;
}

static bool parcel_whole(const struct parcel *parcel) {
    return parcel->bytes == sizeof *parcel ||
           ((const uint8_t *)parcel)[parcel->bytes - 1] == (uint8_t)parcel->seed;
}

static struct parcel *make_parcel(struct worker *worker, struct ashlar_thread_heap *th) {
    size_t bytes = next_bytes(worker);
    uint64_t how = next_random(worker, 8);
    struct parcel *parcel = how == 0   ? ashlar_calloc(th, 1, bytes)
                            : how == 1 ? ashlar_aligned_alloc(th, 256, bytes)
                                       : ashlar_malloc(th, bytes);
    if (parcel == NULL || (how == 0 && parcel->seed != 0)) {
        atomic_fetch_add_explicit(&worker->yard->wrong, 1, memory_order_relaxed);
        return NULL;
    }
    write_parcel(parcel, bytes, next_random(worker, UINT32_MAX));
    return parcel;
}

/* Frees a parcel that some thread made, or resizes it and hands it on. */
static struct parcel *use_parcel(struct worker *worker, struct ashlar_thread_heap *th,
                                 struct parcel *parcel) {
    bool whole = parcel_whole(parcel) && ashlar_usable_size(th, parcel) >= parcel->bytes;
    if (!whole) atomic_fetch_add_explicit(&worker->yard->wrong, 1, memory_order_relaxed);
    if (next_random(worker, 10) != 0) {
        ashlar_free(th, parcel);
        return NULL;
    }
    size_t bytes = next_bytes(worker);
    uint64_t seed = parcel->seed;
    struct parcel *resized = ashlar_realloc(th, parcel, bytes);
    if (resized == NULL || resized->seed != seed) {
        atomic_fetch_add_explicit(&worker->yard->wrong, 1, memory_order_relaxed);
        return NULL;
    }
    write_parcel(resized, bytes, seed);
    return resized;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct yard *yard = worker->yard;
    for (unsigned generation = 0; generation < GENERATIONS; generation++) {
        struct ashlar_thread_heap *th;
        if (ashlar_thread_heap_acquire(yard->heap, &th) != ASHLAR_OK) {
            atomic_fetch_add(&yard->wrong, 1);
            return NULL;
        }
        for (unsigned step = 0; step < STEPS; step++) {
            uint64_t place = next_random(worker, PLACES);
            struct parcel *mine = next_random(worker, 2) == 0 ? make_parcel(worker, th) : NULL;
            struct parcel *found = atomic_exchange(&yard->places[place], mine);
            if (found != NULL) found = use_parcel(worker, th, found);
            if (found != NULL) ashlar_free(th, found);
            if (step % 1000 == 999) ashlar_thread_heap_collect(th);
        }
        ashlar_thread_heap_release(th); /* as a thread does when it exits */
    }
    return NULL;
}

/* Calls that take the heap may run beside all others. */
static void *watch(void *argument) {
    struct yard *yard = argument;
    for (unsigned i = 0; i < WATCHES && !atomic_load(&yard->over); i++) {
        struct ashlar_heap_stats stats;
        ashlar_heap_get_stats(yard->heap, &stats);
        if (stats.slab_bytes + stats.span_bytes + stats.free_bytes != stats.committed_bytes)
            atomic_fetch_add(&yard->wrong, 1);
        if (i % 10 == 0) ashlar_trim(yard->heap, NULL);
    }
    return NULL;
}

static void run_yard(size_t memory_bytes, size_t region_bytes) {
    static struct yard yard;
    yard = (struct yard){0};
    void *memory = memory_bytes > 0 ? malloc(memory_bytes) : NULL;
    struct ashlar_heap_options options = {.region_bytes = region_bytes,
                                          .thread_heaps = WORKERS + 1,
                                          .decay_ms = 1,
                                          .on_misuse = count_misuse,
                                          .context = &yard};
    enum ashlar_status status =
        memory != NULL ? ashlar_heap_create_in(memory, memory_bytes, &options, &yard.heap)
                       : ashlar_heap_create(&options, &yard.heap);
    assert_int_equal(status, ASHLAR_OK);
    pthread_t threads[WORKERS], watcher;
    struct worker workers[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){&yard, 88172645463325252u + i * 7919};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    assert_int_equal(pthread_create(&watcher, NULL, watch, &yard), 0);
    for (unsigned i = 0; i < WORKERS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    atomic_store(&yard.over, true);
    assert_int_equal(pthread_join(watcher, NULL), 0);
    struct ashlar_thread_heap *th;
    assert_int_equal(ashlar_thread_heap_acquire(yard.heap, &th), ASHLAR_OK);
    for (unsigned i = 0; i < PLACES; i++) ashlar_free(th, atomic_load(&yard.places[i]));
    ashlar_thread_heap_release(th);
    assert_int_equal(atomic_load(&yard.wrong), 0);
    assert_int_equal(atomic_load(&yard.misuses), 0);
    struct site site = {.public_heap = yard.heap, .heap = ash_heap_of(yard.heap)};
    struct ashlar_check_report report = expect_sound(&site);
    assert_int_equal(report.live_blocks, 0);
    assert_int_equal(site_stats(&site).remote_blocks, 0);
    assert_int_equal(site_stats(&site).slab_bytes, 0); /* all are pooled: nothing is kept */
    ashlar_heap_destroy(yard.heap);
    free(memory);
}

static void threads_share_a_reserved_heap(void **state) {
    (void)state;
    run_yard(0, (size_t)1 << 30);
}

static void threads_share_the_caller_s_memory(void **state) {
    (void)state;
    run_yard(256 * MIB, 0);
}

/* Owners that sleep. */

enum { OWNERS = 2, FREERS = 2, SHELF = 6400, CRATES = 20, ROUNDS = 6, NAPS = 150, CLEARINGS = 500 };

struct shelf {
    _Atomic(struct parcel *) places[SHELF];
};

struct store {
    struct yard yard; /* for its heap and what it counts */
    struct shelf shelves[OWNERS];
    struct ashlar_thread_heap *threads[OWNERS + FREERS];
    pthread_barrier_t rest;
};
static struct store store;

/* Fills what is empty of its shelf, in stretches, and frees some itself. */
static void own(struct worker *worker, unsigned number) {
    struct ashlar_thread_heap *th = store.threads[number];
    for (unsigned nap = 0; nap < NAPS; nap++) {
        uint64_t from = next_random(worker, CRATES) * (SHELF / CRATES);
        for (uint64_t i = from; i < from + SHELF / CRATES; i++) {
            _Atomic(struct parcel *) *place = &store.shelves[number].places[i];
            size_t bytes = 600 + next_random(worker, 5) * 100;
            if (next_random(worker, 40) == 0) ashlar_free(th, atomic_exchange(place, NULL));
            if (atomic_load(place) != NULL) continue;
            struct parcel *parcel = ashlar_malloc(th, bytes);
            write_parcel(parcel, bytes, i);
            ashlar_free(th, atomic_exchange(place, parcel));
        }
        if (next_random(worker, 30) == 0) sched_yield();
    }
}

/* Empties stretches of the owners' shelves, so that many slabs are soon without a live block. */
static void clear(struct worker *worker, unsigned number) {
    struct ashlar_thread_heap *th = store.threads[number];
    for (unsigned i = 0; i < CLEARINGS; i++) {
        struct shelf *shelf = &store.shelves[next_random(worker, OWNERS)];
        uint64_t from = next_random(worker, CRATES) * (SHELF / CRATES);
        for (uint64_t at = from; at < from + SHELF / CRATES; at++) {
            struct parcel *parcel = atomic_exchange(&shelf->places[at], NULL);
            if (parcel == NULL) continue;
            if (!parcel_whole(parcel) || parcel->seed != at) atomic_fetch_add(&store.yard.wrong, 1);
            ashlar_free(th, parcel);
        }
        ashlar_trim(store.yard.heap, th); /* visits whoever has something pending */
    }
}

static void *keep_store(void *argument) {
    unsigned number = (unsigned)(uintptr_t)argument;
    struct worker worker = {&store.yard, 2463534242u + number};
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&store.rest);
        if (number < OWNERS)
            own(&worker, number);
        else
            clear(&worker, number);
        pthread_barrier_wait(&store.rest);
    }
    return NULL;
}

static void owners_sleep_and_wake(void **state) {
    (void)state;
    pthread_t threads[OWNERS + FREERS];
    memset(&store, 0, sizeof store);
    struct ashlar_heap_options options = {.region_bytes = 256 * MIB,
                                          .thread_heaps = OWNERS + FREERS,
                                          .decay_ms = 1,
                                          .on_misuse = count_misuse,
                                          .context = &store.yard};
    assert_int_equal(ashlar_heap_create(&options, &store.yard.heap), ASHLAR_OK);
    struct site site = {.public_heap = store.yard.heap, .heap = ash_heap_of(store.yard.heap)};
    assert_int_equal(pthread_barrier_init(&store.rest, NULL, OWNERS + FREERS + 1), 0);
    for (uintptr_t i = 0; i < OWNERS + FREERS; i++) {
        assert_int_equal(ashlar_thread_heap_acquire(store.yard.heap, &store.threads[i]), ASHLAR_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, keep_store, (void *)i), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(&store.rest);
        pthread_barrier_wait(&store.rest);
        expect_sound(&site);
        assert_int_equal(atomic_load(&store.yard.wrong), 0);
        assert_int_equal(atomic_load(&store.yard.misuses), 0);
    }
    for (unsigned i = 0; i < OWNERS + FREERS; i++) pthread_join(threads[i], NULL);
    for (unsigned owner = 0; owner < OWNERS; owner++)
        for (unsigned i = 0; i < SHELF; i++)
            ashlar_free(store.threads[OWNERS], atomic_load(&store.shelves[owner].places[i]));
    ashlar_trim(store.yard.heap, store.threads[OWNERS]);
    struct ashlar_check_report report = expect_sound(&site);
    assert_int_equal(report.live_blocks, 0);
    assert_true(site.heap->root.counts.slabs <= OWNERS * 5); /* current ones, of five classes */
    pthread_barrier_destroy(&store.rest);
    ashlar_heap_destroy(store.yard.heap);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_share_a_reserved_heap),
        cmocka_unit_test(threads_share_the_caller_s_memory),
        cmocka_unit_test(owners_sleep_and_wake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
