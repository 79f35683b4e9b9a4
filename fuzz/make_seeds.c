/* fuzz_seeds: makes corpus/fuzz_heap, the inputs that every campaign starts from.
 *
 *   fuzz_seeds OUT_DIRECTORY [TEXT_TRACE...]
 *   fuzz_seeds --threads OUT_DIRECTORY         of fuzz_threads: corpus/fuzz_threads
 *
 * One seed per part of the core that random bytes reach late or never: loops that fill slabs, frees
 * from other threads, memory that runs out, time that passes. Hand-written text traces
 * (corpus/seeds) are only re-encoded. The output depends on this program and those files alone, so
 * scripts/fuzz-seeds can say whether the corpus in the tree is current.
 */
#include "heap/layout.h"
#include "trace/raw.h"

#include <ashlar/trace.h>
#include <stdlib.h>
#include <string.h>

enum { MiB = 1 << 20, KiB = 1 << 10, REGION_MIB = 256 }; /* why so small: mutator.c */

/* A trace that is being written; without memory the program ends. */
static void add(struct ashlar_trace *t, struct ashlar_op op) {
    if (!ashlar_trace_append(t, &op)) {
        fprintf(stderr, "fuzz_seeds: no memory\n");
        exit(5);
    }
}
static void put(struct ashlar_trace *t, uint8_t kind, uint8_t thread, uint32_t slot, uint64_t size,
                uint64_t arg) {
    add(t,
        (struct ashlar_op){.kind = kind, .thread = thread, .slot = slot, .size = size, .arg = arg});
}
static void fill(struct ashlar_trace *t, uint8_t thread, uint32_t slot, uint32_t count,
                 uint64_t size) {
    for (uint32_t i = 0; i < count; i++) put(t, ASHLAR_OP_MALLOC, thread, slot + i, size, 0);
}
static void drain(struct ashlar_trace *t, uint8_t thread, uint32_t slot, uint32_t count,
                  uint32_t step) {
    for (uint32_t i = 0; i < count; i += step) put(t, ASHLAR_OP_FREE, thread, slot + i, 0, 0);
}

/* A loop, as one record. */
static void loop(struct ashlar_trace *t, uint8_t kind, uint8_t thread, uint32_t slot,
                 uint32_t count, uint32_t step, uint64_t size) {
    for (uint32_t done = 0; done < count; done += ASH_RAW_TIMES_MAX) {
        uint32_t times = count - done < ASH_RAW_TIMES_MAX ? count - done : ASH_RAW_TIMES_MAX;
        put(t, kind, thread, slot + done * step, size, 0);
        t->ops[t->count - 1].flags = ash_raw_loop(times, step);
    }
}

static void class_edges(struct ashlar_trace *t, uint64_t part) {
    uint32_t count = ashlar_class_count(), from = (uint32_t)part * count / 4;
    uint32_t to = (uint32_t)(part + 1) * count / 4, slot = 0;
    for (uint32_t c = from; c < to; c++)
        for (uint64_t nudge = 0; nudge < 3; nudge++)
            put(t, ASHLAR_OP_MALLOC, 0, slot++, ashlar_class_bytes(c) + nudge - 1, 0);
    for (uint32_t i = 0; i < slot; i++)
        put(t, i % 2 ? ASHLAR_OP_FREE_SIZED : ASHLAR_OP_FREE, 0, i, 0, 0);
}
/* Fills more than one slab where the slots allow, drains it in two orders, and fills it again. */
static void class_loop(struct ashlar_trace *t, uint64_t class_index) {
    uint64_t bytes = ashlar_class_bytes((uint32_t)class_index);
    uint32_t count = bytes < 2 * KiB ? 200 : bytes < 16 * KiB ? 80 : 24;
    fill(t, 0, 0, count, bytes);
    drain(t, 0, 0, count, 3);
    fill(t, 0, 0, count, bytes - 1);
    drain(t, 0, 0, count, 1);
    put(t, ASHLAR_OP_CALLOC, 0, 0, bytes, 1);
    put(t, ASHLAR_OP_CHECK, 0, 0, 0, 0);
}
/* Three slabs' worth, drained whole, by every third block, and from another thread. */
static void whole_slabs(struct ashlar_trace *t, uint64_t class_index) {
    uint32_t blocks = ash_classes[class_index].block_count;
    uint64_t bytes = ash_classes[class_index].block_bytes;
    t->threads = 2;
    loop(t, ASHLAR_OP_MALLOC, 0, 0, 3 * blocks, 1, bytes);
    loop(t, ASHLAR_OP_FREE, 0, 0, blocks, 3, 0);
    loop(t, ASHLAR_OP_FREE, 0, 2 * blocks, blocks, 1, 0);
    loop(t, ASHLAR_OP_MALLOC, 0, 2 * blocks, blocks / 2 + 1, 1, bytes);
    loop(t, ASHLAR_OP_FREE, 1, blocks, blocks, 1, 0);
    put(t, ASHLAR_OP_COLLECT, 0, 0, 0, 0);
    loop(t, ASHLAR_OP_MALLOC, 1, blocks, blocks, 1, bytes);
    put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
    loop(t, ASHLAR_OP_FREE, 0, 0, 3 * blocks, 1, 0);
    put(t, ASHLAR_OP_MALLOC, 0, 0, bytes, 0);
}
static void remote_free(struct ashlar_trace *t, uint64_t bytes) {
    t->threads = 2;
    fill(t, 0, 0, 130, bytes);
    drain(t, 1, 0, 130, 2);
    put(t, ASHLAR_OP_COLLECT, 0, 0, 0, 0);
    drain(t, 1, 1, 129, 4);
    drain(t, 0, 3, 127, 4);
    fill(t, 0, 200, 130, bytes);
    drain(t, 1, 200, 130, 1);
    fill(t, 1, 400, 10, bytes);
}
/* A block freed by another thread, and again by its owner before that is merged. */
static void remote_double_free(struct ashlar_trace *t, uint64_t bytes) {
    t->threads = 2;
    fill(t, 0, 0, 4, bytes);
    put(t, ASHLAR_OP_FREE, 1, 1, 0, 0);
    put(t, ASHLAR_OP_DOUBLE_FREE, 0, 1, 0, 0);
    put(t, ASHLAR_OP_DOUBLE_FREE, 1, 1, 0, 0);
    put(t, ASHLAR_OP_COLLECT, 0, 0, 0, 0);
    put(t, ASHLAR_OP_DOUBLE_FREE, 1, 1, 0, 0);
    put(t, ASHLAR_OP_DOUBLE_FREE, 0, 1, 0, 0);
}
static void exit_and_adopt(struct ashlar_trace *t, uint64_t bytes) {
    t->threads = 3;
    fill(t, 0, 0, 100, bytes);
    drain(t, 1, 0, 100, 3);
    put(t, ASHLAR_OP_THREAD_EXIT, 0, 0, 0, 0);
    drain(t, 1, 1, 99, 3);
    fill(t, 2, 200, 100, bytes);
    put(t, ASHLAR_OP_THREAD_EXIT, 2, 0, 0, 0);
    put(t, ASHLAR_OP_THREAD_EXIT, 1, 0, 0, 0);
    fill(t, 0, 400, 40, bytes);
    drain(t, 2, 2, 98, 3);
    drain(t, 0, 200, 100, 1);
}
static void trim(struct ashlar_trace *t, uint64_t bytes) {
    fill(t, 0, 0, 12, bytes);
    drain(t, 0, 0, 12, 2);
    put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
    drain(t, 0, 1, 11, 2);
    put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
    put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
    for (uint32_t i = 0; i < 12; i++) put(t, ASHLAR_OP_CALLOC, 0, i, bytes, 1);
}
static void calloc_recycled(struct ashlar_trace *t, uint64_t bytes) {
    for (uint32_t round = 0; round < 3; round++) {
        fill(t, 0, 0, 6, bytes);
        for (uint32_t i = 0; i < 6; i++) put(t, ASHLAR_OP_FILL, 0, i, 0, 0);
        drain(t, 0, 0, 6, 1);
        if (round == 1) put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
        for (uint32_t i = 0; i < 6; i++) put(t, ASHLAR_OP_CALLOC, 0, i, bytes / 2, 2);
        drain(t, 0, 0, 6, 1);
    }
}
/* A span that grows into what is behind it, and then cannot. */
static void realloc_growth(struct ashlar_trace *t, uint64_t blocked) {
    put(t, ASHLAR_OP_MALLOC, 0, 0, 70000, 0);
    if (blocked) put(t, ASHLAR_OP_MALLOC, 0, 1, 70000, 0);
    for (uint64_t bytes = 80000; bytes < 6 * MiB; bytes += bytes / 3)
        put(t, ASHLAR_OP_REALLOC, 0, 0, bytes, 0);
    put(t, ASHLAR_OP_FREE, 0, 1, 0, 0);
    for (uint64_t bytes = 4 * MiB; bytes > 64; bytes /= 2)
        put(t, ASHLAR_OP_REALLOC, 0, 0, bytes, 0);
    put(t, ASHLAR_OP_REALLOC, 0, 2, 100, 0);
    put(t, ASHLAR_OP_REALLOC, 0, 2, 0, 0);
}
static void purge_by_clock(struct ashlar_trace *t, uint64_t bytes) {
    for (uint32_t round = 0; round < 4; round++) {
        fill(t, 0, 0, 8, bytes << round);
        drain(t, 0, 0, 8, 1);
        put(t, ASHLAR_OP_CLOCK, 0, 0, 0, 400 + 200 * round);
        put(t, ASHLAR_OP_MALLOC, 0, 20 + round, 300000, 0);
        put(t, ASHLAR_OP_CALLOC, 0, 30 + round, bytes, 1);
        put(t, ASHLAR_OP_FREE, 0, 20 + round, 0, 0);
    }
}
static void faults(struct ashlar_trace *t, uint64_t nth) {
    for (uint32_t i = 0; i < 6; i++) {
        put(t, ASHLAR_OP_FAULT, 0, 0, 0, nth);
        put(t, ASHLAR_OP_MALLOC, 0, i, (uint64_t)(i + 1) * 700000, 0);
        put(t, ASHLAR_OP_REALLOC, 0, i, (uint64_t)(i + 2) * 900000, 0);
        put(t, ASHLAR_OP_MALLOC, 0, 40 + i, 3000, 0);
    }
    drain(t, 0, 0, 6, 2);
    put(t, ASHLAR_OP_FAULT, 0, 0, 0, nth);
    put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
    fill(t, 0, 10, 4, 500000);
}
static void exhaust_memory(struct ashlar_trace *t, uint64_t bytes) {
    t->heap = ASHLAR_HEAP_IN_MEMORY;
    t->heap_kib = 1024;
    t->threads = 2;
    uint32_t count = (uint32_t)(MiB / bytes) + 4;
    if (count > 300) count = 300;
    fill(t, 0, 0, count, bytes);
    drain(t, 0, 0, count, 2);
    fill(t, 1, 400, count / 2, bytes);
    put(t, ASHLAR_OP_TRIM, 0, 0, 0, 0);
    drain(t, 1, 0, count, 1);
    for (uint32_t i = 0; i < 8; i++) put(t, ASHLAR_OP_CALLOC, 0, 800 + i, bytes * 2, 1);
}
static void illegal(struct ashlar_trace *t, uint64_t kind) {
    static const uint64_t sizes[] = {48, 3000, 200000};
    t->threads = 2;
    for (uint32_t i = 0; i < 3; i++) {
        put(t, ASHLAR_OP_MALLOC, 0, i, sizes[i], 0);
        put(t, ASHLAR_OP_MALLOC, 0, 10 + i, sizes[i], 0);
        if (kind == ASHLAR_OP_DOUBLE_FREE || kind == ASHLAR_OP_WRITE_STALE)
            put(t, ASHLAR_OP_FREE, 0, i, 0, 0);
        put(t, (uint8_t)kind, 0, i, i == 0 ? 1000 : 8, i * 3 + 1);
        put(t, (uint8_t)kind, 1, i, i == 0 ? 8 : 1000, i * 2);
    }
    put(t, ASHLAR_OP_CHECK, 0, 0, 0, 0);
}
/* Bits of the root, of thread heaps and of descriptors, in a heap that has some of everything. */
static void flips(struct ashlar_trace *t, uint64_t unused) {
    (void)unused;
    t->threads = 2;
    fill(t, 0, 0, 20, 700);
    fill(t, 1, 20, 4, 90000);
    drain(t, 1, 0, 20, 3);
    put(t, ASHLAR_OP_FREE, 0, 21, 0, 0);
    for (uint32_t i = 0; i < 24; i++) put(t, ASHLAR_OP_FLIP, 0, 0, 0, UINT64_C(977) << (2 * i));
    drain(t, 0, 0, 24, 1);
}
static void aligned(struct ashlar_trace *t, uint64_t bytes) {
    for (uint32_t shift = 0; shift < 24; shift++)
        put(t, ASHLAR_OP_ALIGNED, 0, shift, bytes, (uint64_t)1 << shift);
    put(t, ASHLAR_OP_ALIGNED, 0, 30, bytes, 24);
    put(t, ASHLAR_OP_ALIGNED, 0, 31, bytes, UINT64_C(1) << 40);
    for (uint32_t i = 0; i < 24; i++) {
        put(t, ASHLAR_OP_USABLE, 0, i, 0, 0);
        put(t, i % 3 ? ASHLAR_OP_REALLOC : ASHLAR_OP_FREE_SIZED, 0, i, bytes + 100, 0);
    }
}
static void absurd(struct ashlar_trace *t, uint64_t unused) {
    (void)unused;
    static const uint64_t sizes[] = {
        UINT64_MAX,        UINT64_MAX - 15,   UINT64_MAX - 65535, INT64_MAX,
        UINT64_C(1) << 63, UINT64_C(1) << 62, UINT64_C(1) << 40,  0};
    put(t, ASHLAR_OP_MALLOC, 0, 0, 100, 0);
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        put(t, ASHLAR_OP_MALLOC, 0, 10 + i, sizes[i], 0);
        put(t, ASHLAR_OP_CALLOC, 0, 20 + i, sizes[i], 3);
        put(t, ASHLAR_OP_CALLOC, 0, 30 + i, UINT64_C(1) << 32, (UINT64_C(1) << 32) + i);
        put(t, ASHLAR_OP_ALIGNED, 0, 40 + i, sizes[i], 4096);
        if (sizes[i] != 0) put(t, ASHLAR_OP_REALLOC, 0, 0, sizes[i], 0);
    }
}
static void reset(struct ashlar_trace *t, uint64_t bytes) {
    t->threads = 3;
    fill(t, 0, 0, 40, bytes);
    fill(t, 1, 100, 40, bytes * 3);
    drain(t, 1, 0, 40, 2);
    put(t, ASHLAR_OP_THREAD_EXIT, 1, 0, 0, 0);
    put(t, ASHLAR_OP_RESET, 0, 0, 0, 0);
    fill(t, 2, 0, 40, bytes);
    for (uint32_t i = 0; i < 10; i++) put(t, ASHLAR_OP_CALLOC, 0, 50 + i, bytes, 1);
    drain(t, 0, 0, 40, 1);
    put(t, ASHLAR_OP_RESET, 0, 0, 0, 0);
}
static void generated(struct ashlar_trace *t, uint64_t n) {
    struct ashlar_generator generator = {
        .state = n,
        .slots = n % 3 == 0 ? 16 : 200,
        .threads = 1 + (uint32_t)(n % 4),
        .size_limit = (uint64_t)256 << (n % 4 * 4),
        .illegal = n % 2 == 1,
    };
    t->threads = generator.threads;
    if (n % 4 == 3) {
        t->heap = ASHLAR_HEAP_IN_MEMORY;
        t->heap_kib = 2048;
    }
    for (size_t i = 0; i < 160; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        add(t, op);
    }
}

/* Of fuzz_threads. An operation of `thread` that stops after `points`. */
static void stop(struct ashlar_trace *t, uint8_t thread, uint64_t points) {
    put(t, ASHLAR_OP_STEP, thread, 0, 0, points);
}
static void exit_thread(struct ashlar_trace *t, uint8_t thread) {
    put(t, ASHLAR_OP_THREAD_EXIT, thread, 0, 0, 0);
}

/* What an action meets: slabs of thread 0, some blocks of which others have freed. Loops are a
 * slot, a count and a step. */
struct slots {
    uint32_t slot, count, step;
};
struct ground {
    const char *name;
    uint64_t size;
    uint32_t blocks, stops;
    struct slots freed, freed_too;              /* before, by thread 1 and by the owner */
    struct slots own_first, own, first, second; /* who stops does one operation */
};
/* In a small heap a slab of 16 KiB has 4 blocks, in one window; one of 896 bytes has 73, in two. Of
 * the first: slabs with one block freed, or with one block left and one with none. */
static const struct ground grounds[] = {
    {"begun", 16 * KiB, 12, 14, {0, 1, 1}, {0}, {6, 1, 1}, {6, 1, 1}, {4, 1, 1}, {1, 3, 4}},
    {"ending", 16 * KiB, 12, 12, {0, 7, 1}, {0}, {7, 1, 1}, {7, 1, 1}, {7, 1, 1}, {8, 1, 1}},
    {"windows-begun", 896, 222, 8, {0, 3, 73}, {0}, {1, 1, 1}, {1, 3, 73}, {64, 1, 1}, {65, 3, 73}},
    {"windows-ending",
     896,
     76,
     8,
     {0, 64, 1},
     {64, 8, 1},
     {72, 1, 1},
     {72, 1, 1},
     {72, 1, 1},
     {73, 1, 1}},
};
enum { GROUNDS = sizeof grounds / sizeof *grounds, POOLED_SLOT = 300, NEW_SLOT = 400 };

static void free_loop(struct ashlar_trace *t, uint8_t thread, struct slots of) {
    if (of.step <= ASH_RAW_STEP_MAX && of.count != 0)
        loop(t, ASHLAR_OP_FREE, thread, of.slot, of.count, of.step, 0);
    else
        drain(t, thread, of.slot, of.count * of.step, of.step);
}
static void prepare(struct ashlar_trace *t, const struct ground *ground) {
    loop(t, ASHLAR_OP_MALLOC, 0, 0, ground->blocks, 1, ground->size);
    for (uint8_t thread = 1; thread < 3; thread++) /* has a thread heap of its own from now on */
        put(t, ASHLAR_OP_MALLOC, thread, NEW_SLOT + thread, 8 * KiB, 0);
    loop(t, ASHLAR_OP_MALLOC, 3, POOLED_SLOT, 4, 1, 16 * KiB);
    exit_thread(t, 3);
    free_loop(t, 1, ground->freed);
    free_loop(t, 0, ground->freed_too);
    loop(t, ASHLAR_OP_FREE, 1, POOLED_SLOT, 2, 1, 0);
}

/* What two threads do at once. The owner of the ground is thread 0, thread 3 takes over what it
 * left itself, and anyone may do the rest: thread 1 when it is the one that stops, else thread 2.
 */
enum action { TAKE, GIVE, COLLECT, EXIT, ADOPT, FREE, FREE_POOLED, TRIM, FREE_AND_TRIM, ACTIONS };
static const char *const action_names[ACTIONS] = {
    "take", "give", "collect", "exit", "adopt", "free", "free-pooled", "trim", "free-and-trim"};
static uint8_t actor(enum action action, bool stops) {
    return action < ADOPT ? 0 : action == ADOPT ? 3 : stops ? 1 : 2;
}
static void act(struct ashlar_trace *t, const struct ground *ground, enum action action,
                bool stops) {
    uint8_t thread = actor(action, stops);
    switch (action) {
    case TAKE:
    case ADOPT:
        loop(t, ASHLAR_OP_MALLOC, thread, stops ? NEW_SLOT + 20 : NEW_SLOT + 10, stops ? 1 : 4, 1,
             ground->size);
        break;
    case GIVE:
        free_loop(t, thread, stops ? ground->own_first : ground->own);
        break;
    case COLLECT:
        put(t, ASHLAR_OP_COLLECT, thread, 0, 0, 0);
        break;
    case EXIT:
        exit_thread(t, thread);
        break;
    case FREE:
        free_loop(t, thread, stops ? ground->first : ground->second);
        break;
    case FREE_POOLED:
        put(t, ASHLAR_OP_FREE, thread, stops ? POOLED_SLOT + 2 : POOLED_SLOT + 3, 0, 0);
        break;
    case FREE_AND_TRIM:
        loop(t, ASHLAR_OP_FREE, thread, 0, ground->blocks, 1, 0);
        /* fall through */
    default:
        put(t, ASHLAR_OP_TRIM, thread, 0, 0, 0);
        break;
    }
}
/* One action stops, another is done meanwhile, the first goes on; for each place where it can stop,
 * each time on the same ground. Every pair of actions of two threads, on every ground. */
static void stop_everywhere(struct ashlar_trace *t, const struct ground *ground, enum action first,
                            enum action second) {
    uint32_t stops = first == EXIT ? 2 * ground->stops : ground->stops;
    for (uint32_t points = 1; points <= stops; points++) {
        prepare(t, ground);
        stop(t, actor(first, true), points);
        act(t, ground, first, true);
        act(t, ground, second, false);
        put(t, ASHLAR_OP_CHECK, 0, 0, 0, 0);
        put(t, ASHLAR_OP_RESET, 0, 0, 0, 0);
    }
}
/* Both stop: the second action within the first, then the first goes on for a while, and the second
 * ends before it. For some places of each, as one more switch multiplies their number. */
enum { SWITCH_STOPS = 4, LATER_STOPS = 3, TO_THE_END = 60 };
static void stop_both(struct ashlar_trace *t, const struct ground *ground, enum action first,
                      enum action second) {
    static const uint64_t early[SWITCH_STOPS] = {2, 4, 6, 8}, later[LATER_STOPS] = {2, 5, 8};
    for (uint32_t n = 0; n < SWITCH_STOPS * SWITCH_STOPS * LATER_STOPS; n++) {
        prepare(t, ground);
        stop(t, actor(first, true), early[n % SWITCH_STOPS]);
        act(t, ground, first, true);
        stop(t, actor(second, false), early[n / SWITCH_STOPS % SWITCH_STOPS]);
        act(t, ground, second, false);
        stop(t, actor(first, true), later[n / SWITCH_STOPS / SWITCH_STOPS]);
        stop(t, actor(second, false), TO_THE_END);
        put(t, ASHLAR_OP_CHECK, 0, 0, 0, 0);
        put(t, ASHLAR_OP_RESET, 0, 0, 0, 0);
    }
}
/* Threads begin and end while another one is about to: every order of three such events of two
 * threads, the first of them given, for some places where that other one may stop. */
enum { EVENTS = 4, EVENT_STOPS = 8 };
static void begin_or_end(struct ashlar_trace *t, uint32_t event) {
    uint8_t thread = (uint8_t)(1 + event % 2);
    if (event < 2)
        put(t, ASHLAR_OP_MALLOC, thread, NEW_SLOT + thread, 8 * KiB, 0);
    else
        exit_thread(t, thread);
}
static void begin_and_end(struct ashlar_trace *t, bool ends, uint32_t event) {
    for (uint64_t points = 1; points <= EVENT_STOPS; points++)
        for (uint32_t rest = 0; rest < EVENTS * EVENTS; rest++) {
            if (ends) put(t, ASHLAR_OP_MALLOC, 0, 0, 8 * KiB, 0);
            stop(t, 0, ends ? 3 * points : points);
            put(t, ends ? ASHLAR_OP_THREAD_EXIT : ASHLAR_OP_MALLOC, 0, 0, ends ? 0 : 8 * KiB, 0);
            begin_or_end(t, event);
            begin_or_end(t, rest / EVENTS);
            begin_or_end(t, rest % EVENTS);
            put(t, ASHLAR_OP_RESET, 0, 0, 0, 0);
        }
}
/* A span is freed and allocated again by a thread that stops on its way, while another one trims,
 * cuts a span from what came back, and frees one of the first thread's itself. */
enum { KEPT_STOPS = 16 };
static void kept_spans(struct ashlar_trace *t, bool taken) {
    const uint64_t bytes = 150 * KiB;
    for (uint64_t points = 1; points <= KEPT_STOPS; points++) {
        for (uint32_t slot = 0; slot < 3; slot++) put(t, ASHLAR_OP_MALLOC, 0, slot, bytes, 0);
        put(t, ASHLAR_OP_FREE, 0, 0, 0, 0);
        stop(t, 0, points);
        if (taken)
            put(t, ASHLAR_OP_MALLOC, 0, 0, bytes, 0);
        else
            put(t, ASHLAR_OP_FREE, 0, 1, 0, 0);
        put(t, ASHLAR_OP_TRIM, 1, 0, 0, 0);
        put(t, ASHLAR_OP_MALLOC, 1, 3, bytes, 0);
        put(t, ASHLAR_OP_FREE, 1, 2, 0, 0);
        for (uint32_t slot = 0; slot < 3; slot++) put(t, ASHLAR_OP_MALLOC, 0, 4 + slot, bytes, 0);
        put(t, ASHLAR_OP_CHECK, 0, 0, 0, 0);
        put(t, ASHLAR_OP_RESET, 0, 0, 0, 0);
    }
}
enum { GENERATED_RACES = 8 };
static void generated_races(struct ashlar_trace *t, uint64_t n) {
    struct ashlar_generator generator = {
        .state = n, .slots = 12, .threads = 4, .size_limit = 70 * KiB, .steps = true};
    for (size_t i = 0; i < 160; i++) {
        struct ashlar_op op;
        ashlar_generate_op(&generator, &op);
        if (op.kind <= ASHLAR_OP_ALIGNED && i % 3 != 0) op.size = 32 * KiB;
        add(t, op);
    }
}

struct seed {
    const char *name;
    void (*make)(struct ashlar_trace *t, uint64_t argument);
    uint64_t argument;
};
static const struct seed seeds[] = {
    {"class-edges-1", class_edges, 0},
    {"class-edges-2", class_edges, 1},
    {"class-edges-3", class_edges, 2},
    {"class-edges-4", class_edges, 3},
    {"class-loop-first", class_loop, 0},
    {"class-loop-08", class_loop, 8},
    {"class-loop-12", class_loop, 12},
    {"class-loop-17", class_loop, 17},
    {"class-loop-22", class_loop, 22},
    {"class-loop-27", class_loop, 27},
    {"class-loop-32", class_loop, 32},
    {"class-loop-37", class_loop, 37},
    {"class-loop-last", class_loop, 43},
    {"whole-slabs-112", whole_slabs, 6},
    {"whole-slabs-896", whole_slabs, 18},
    {"whole-slabs-3584", whole_slabs, 26},
    {"whole-slabs-20736", whole_slabs, 36},
    {"remote-free-small", remote_free, 48},
    {"remote-free-medium", remote_free, 1500},
    {"remote-free-large", remote_free, 20000},
    {"remote-double-free", remote_double_free, 64},
    {"remote-double-free-span", remote_double_free, 100000},
    {"exit-and-adopt-small", exit_and_adopt, 112},
    {"exit-and-adopt-medium", exit_and_adopt, 5000},
    {"trim-slabs", trim, 8192},
    {"trim-spans", trim, 200000},
    {"calloc-recycled-slab", calloc_recycled, 640},
    {"calloc-recycled-medium", calloc_recycled, 12000},
    {"calloc-recycled-span", calloc_recycled, 150000},
    {"realloc-growth", realloc_growth, 0},
    {"realloc-growth-blocked", realloc_growth, 1},
    {"purge-by-clock-slab", purge_by_clock, 6000},
    {"purge-by-clock-span", purge_by_clock, 90000},
    {"fault-first", faults, 1},
    {"fault-second", faults, 2},
    {"fault-third", faults, 3},
    {"exhaust-memory-4k", exhaust_memory, 4000},
    {"exhaust-memory-30k", exhaust_memory, 30000},
    {"exhaust-memory-span", exhaust_memory, 70000},
    {"illegal-double-free", illegal, ASHLAR_OP_DOUBLE_FREE},
    {"illegal-free-inside", illegal, ASHLAR_OP_FREE_INSIDE},
    {"illegal-free-foreign", illegal, ASHLAR_OP_FREE_FOREIGN},
    {"illegal-free-wrong-size", illegal, ASHLAR_OP_FREE_WRONG_SIZE},
    {"illegal-write-past", illegal, ASHLAR_OP_WRITE_PAST},
    {"illegal-write-stale", illegal, ASHLAR_OP_WRITE_STALE},
    {"illegal-flip", flips, 0},
    {"aligned-small", aligned, 50},
    {"aligned-span", aligned, 100000},
    {"absurd-sizes", absurd, 0},
    {"reset", reset, 700},
    {"generated-1", generated, 1},
    {"generated-2", generated, 2},
    {"generated-3", generated, 3},
    {"generated-4", generated, 4},
    {"generated-5", generated, 5},
    {"generated-6", generated, 6},
    {"generated-7", generated, 7},
    {"generated-8", generated, 8},
};

static bool save(const struct ashlar_trace *t, const char *directory, const char *name,
                 size_t name_length) {
    char path[4096];
    struct ashlar_trace_error error = {0};
    snprintf(path, sizeof path, "%s/%.*s.raw", directory, (int)name_length, name);
    if (ashlar_trace_save(t, path, ASHLAR_FORMAT_RAW, false, NULL, &error)) return true;
    fprintf(stderr, "fuzz_seeds: %s: %s\n", path, error.message);
    return false;
}
static bool make_seed(const struct seed *seed, const char *directory) {
    struct ashlar_trace t;
    ashlar_trace_init(&t);
    t.threads = 1;
    t.slots = ASHLAR_RAW_SLOTS;
    t.heap_kib = REGION_MIB;
    seed->make(&t, seed->argument);
    bool saved = save(&t, directory, seed->name, strlen(seed->name));
    ashlar_trace_free(&t);
    return saved;
}
/* Four threads with a thread heap each; in memory, where no pages go back: that is faster. */
static void begin_races(struct ashlar_trace *t, bool in_memory) {
    ashlar_trace_init(t);
    t->threads = 4;
    t->heap = in_memory ? ASHLAR_HEAP_IN_MEMORY : ASHLAR_HEAP_RESERVED;
    t->heap_kib = in_memory ? 2 * KiB : REGION_MIB;
    for (uint8_t thread = 0; thread < 4; thread++) fill(t, thread, 1000 + thread, 1, 8 * KiB);
}
static bool end_races(struct ashlar_trace *t, const char *directory, const char *name) {
    bool saved = save(t, directory, name, strlen(name));
    ashlar_trace_free(t);
    return saved;
}
static bool make_pair(const char *directory, const struct ground *ground, enum action first,
                      enum action second, bool both) {
    char name[64];
    struct ashlar_trace t;
    snprintf(name, sizeof name, "%s-%s-%s%s", action_names[first], action_names[second],
             ground->name, both ? "-both" : "");
    begin_races(&t, true);
    (both ? stop_both : stop_everywhere)(&t, ground, first, second);
    return end_races(&t, directory, name);
}
static bool make_pairs(const char *directory, const struct ground *ground) {
    bool made = true;
    for (enum action first = 0; first < FREE_AND_TRIM; first++)
        for (enum action second = 0; second < ACTIONS; second++)
            if (actor(first, true) != actor(second, false))
                made &= make_pair(directory, ground, first, second, false);
    return made;
}
/* Of a remote free and of what its owner does beside it, when it begins or ends, too. */
static bool make_pairs_of_both(const char *directory) {
    static const enum action owners[] = {COLLECT, EXIT, ADOPT};
    bool made = true;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++) {
        enum action other = owners[i] == ADOPT ? FREE_POOLED : FREE;
        made &= make_pair(directory, &grounds[0], other, owners[i], true);
        made &= make_pair(directory, &grounds[0], owners[i], other, true);
    }
    return made;
}
static bool make_races(const char *directory) {
    bool made = true;
    for (size_t i = 0; i < GROUNDS; i++) made &= make_pairs(directory, &grounds[i]);
    made &= make_pairs_of_both(directory);
    for (uint32_t n = 0; n < 2 * EVENTS; n++) {
        char name[64];
        struct ashlar_trace t;
        begin_races(&t, true);
        snprintf(name, sizeof name, "%s-while-others-%u", n % 2 ? "end" : "begin", n / 2 + 1);
        put(&t, ASHLAR_OP_RESET, 0, 0, 0, 0);
        begin_and_end(&t, n % 2 == 1, n / 2);
        made &= end_races(&t, directory, name);
    }
    for (unsigned taken = 0; taken < 2; taken++) {
        struct ashlar_trace t;
        begin_races(&t, false);
        kept_spans(&t, taken != 0);
        made &= end_races(&t, directory, taken != 0 ? "kept-taken" : "kept-freed");
    }
    for (uint64_t n = 1; n <= GENERATED_RACES; n++) {
        char name[64];
        struct ashlar_trace t;
        begin_races(&t, n < GENERATED_RACES);
        snprintf(name, sizeof name, "generated-races-%u", (unsigned)n);
        generated_races(&t, n);
        made &= end_races(&t, directory, name);
    }
    return made;
}
static bool convert(const char *path, const char *directory) {
    struct ashlar_trace t;
    struct ashlar_trace_error error = {0};
    ashlar_trace_init(&t);
    bool done = ashlar_trace_load(path, ASHLAR_FORMAT_TEXT, &t, &error);
    if (!done) fprintf(stderr, "fuzz_seeds: %s:%zu: %s\n", path, error.line, error.message);
    if (t.heap == ASHLAR_HEAP_RESERVED && t.heap_kib == 0) t.heap_kib = REGION_MIB;
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    size_t length = dot != NULL ? (size_t)(dot - name) : strlen(name);
    if (done) done = save(&t, directory, name, length);
    ashlar_trace_free(&t);
    return done;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: fuzz_seeds OUT_DIRECTORY [TEXT_TRACE...]\n");
        return 2;
    }
    bool made = true;
    if (strcmp(argv[1], "--threads") == 0) return argc == 3 && make_races(argv[2]) ? 0 : 1;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) made &= make_seed(&seeds[i], argv[1]);
    for (int i = 2; i < argc; i++) made &= convert(argv[i], argv[1]);
    return made ? 0 : 1;
}
