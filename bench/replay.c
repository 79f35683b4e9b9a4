/* A recorded trace at full speed: decodes it, then performs it again and again on the allocator of
 * this process, and prints one line of JSON.
 *
 *   LD_PRELOAD=... ashlar-bench-replay corpus/recorded/perl.ashtrace [--cpu N]
 *
 * 1. Decoding happens in a child process, which leaves a flat array in a file in memory. So nothing
 *    of it passes through the heap that is measured, nor counts in its time or memory.
 * 2. No oracle. The first and the last byte of each block are written, as a program would, and
 *    nothing is compared.
 * 3. Threads. Each logical thread of the trace is a thread, made anew for every repetition. The
 *    order between threads is kept where the trace needs it, which is where a slot goes from one
 *    thread to another: that operation waits until the other thread has come far enough. A thread
 *    that waits sleeps for a moment. The processor time that this takes is measured and left out.
 * 4. At a repetition's end, each thread frees what is left of its own; the recorded program left
 *    that to the end of its process.
 * 5. Repetitions are so many that each trace performs about as many operations, whatever the
 *    allocator.
 */
#include "meter.h"

#include <ashlar/trace.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    EXIT_OWN = 5,
    THREADS_MOST = 16,
    OPERATIONS = 20000000, /* of a run, about */
    REPEATS_MOST = 500,
    NONE = UINT32_MAX,
};

enum kind { MALLOC, CALLOC, REALLOC, ALIGNED, FREE, USABLE };

struct flat_op {
    uint8_t kind; /* enum kind */
    uint8_t thread;
    uint8_t alignment; /* its logarithm */
    bool announces;    /* another thread waits for this one */
    uint32_t slot;
    uint64_t bytes;
    uint32_t after; /* the operation of after_thread that this one waits for, or NONE */
    uint32_t after_thread;
};
_Static_assert(sizeof(struct flat_op) == 24, "read in order: small");

/* What lies in the file: this, then the operations of thread 0, of thread 1, ... An operation's
 * number is its place among those of its thread. */
struct flat {
    uint32_t slots, threads, count;
    uint32_t begin[THREADS_MOST + 1];
    struct flat_op ops[];
};

struct block {
    uint8_t *bytes;
};

static const struct flat *flat;
static struct block *slots;
static struct {
    _Alignas(128) atomic_uint done; /* operations of this thread, those that others wait for */
} progress[THREADS_MOST];
static _Atomic uint64_t waiting_ns; /* processor time that threads spent on waiting */

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(EXIT_OWN);
}

/* The kind and size of an operation, or false when a replay has nothing to do for it. */
static bool flatten_op(const struct ashlar_op *op, struct flat_op *out) {
    static const uint8_t kinds[ASHLAR_OP_COUNT] = {
        [ASHLAR_OP_MALLOC] = MALLOC,   [ASHLAR_OP_CALLOC] = CALLOC, [ASHLAR_OP_REALLOC] = REALLOC,
        [ASHLAR_OP_ALIGNED] = ALIGNED, [ASHLAR_OP_FREE] = FREE,     [ASHLAR_OP_FREE_SIZED] = FREE,
        [ASHLAR_OP_USABLE] = USABLE,
    };
    if (op->kind > ASHLAR_OP_USABLE) return false;
    memset(out, 0, sizeof *out);
    out->kind = kinds[op->kind];
    out->thread = op->thread;
    out->slot = op->slot;
    out->bytes = op->kind == ASHLAR_OP_CALLOC ? op->size * op->arg : op->size;
    if (op->kind == ASHLAR_OP_ALIGNED)
        out->alignment = (uint8_t)__builtin_ctzll(op->arg | 1U << 30);
    out->after = NONE;
    return true;
}

/* What the child knows of a slot. */
struct past {
    uint32_t number; /* of its last operation */
    uint8_t thread;  /* of that one */
    bool used, live; /* used: there was one */
};

struct lists {
    struct flat_op *ops[THREADS_MOST];
    uint32_t count[THREADS_MOST];
    struct past *past;
};

static void append(struct lists *lists, struct flat_op op) {
    struct past *past = &lists->past[op.slot];
    if (past->used && past->thread != op.thread) {
        op.after_thread = past->thread;
        op.after = past->number;
        lists->ops[past->thread][past->number].announces = true;
    }
    past->thread = op.thread;
    past->number = lists->count[op.thread];
    past->used = true;
    past->live = op.kind != FREE;
    lists->ops[op.thread][lists->count[op.thread]++] = op;
}

static void write_all(int file, const void *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, bytes, size);
        if (written <= 0) fail("the flat trace cannot be written");
        bytes = (const char *)bytes + written;
        size -= (size_t)written;
    }
}

/* The child's part. */
static void flatten(const char *path, int file) {
    struct ashlar_trace trace;
    struct ashlar_trace_error error;
    struct lists lists = {.past = NULL};
    struct flat head = {.slots = 0};
    if (!ashlar_trace_load(path, ASHLAR_FORMAT_UNKNOWN, &trace, &error)) fail(error.message);
    if (trace.threads > THREADS_MOST) fail("the trace has too many threads");
    size_t most = trace.count + trace.slots;
    lists.past = meter_pages((trace.slots + 1) * sizeof *lists.past);
    for (uint32_t i = 0; i < trace.threads; i++)
        lists.ops[i] = meter_pages((most + 1) * sizeof(struct flat_op));
    for (size_t i = 0; i < trace.count; i++) {
        struct flat_op op;
        if (!flatten_op(&trace.ops[i], &op)) continue;
        bool live = lists.past[op.slot].live;
        /* as a replay reads traces: such an operation is skipped */
        if (op.kind != REALLOC && live != (op.kind == FREE || op.kind == USABLE)) continue;
        append(&lists, op);
    }
    for (uint32_t i = 0; i < trace.slots; i++)
        if (lists.past[i].live)
            append(&lists,
                   (struct flat_op){
                       .kind = FREE, .thread = lists.past[i].thread, .slot = i, .after = NONE});
    head.slots = trace.slots;
    head.threads = trace.threads;
    for (uint32_t i = 0; i < trace.threads; i++) {
        head.begin[i] = head.count;
        head.count += lists.count[i];
    }
    head.begin[trace.threads] = head.count;
    write_all(file, &head, sizeof head);
    for (uint32_t i = 0; i < trace.threads; i++)
        write_all(file, lists.ops[i], lists.count[i] * sizeof(struct flat_op));
}

/* Bytes of the file, which is then mapped. */
static size_t load(const char *path) {
    int status = 0, file = memfd_create("flat", 0);
    if (file < 0) fail("no file in memory");
    pid_t child = fork();
    if (child == 0) {
        flatten(path, file);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) exit(EXIT_OWN);
    off_t size = lseek(file, 0, SEEK_END);
    void *mapped = mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    if (mapped == MAP_FAILED) fail("the flat trace cannot be mapped");
    flat = mapped;
    slots = meter_pages((flat->slots + 1) * sizeof *slots);
    return (size_t)size + (flat->slots + 1) * sizeof *slots;
}

static uint64_t thread_ns(void) {
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static bool has_come_to(const struct flat_op *op) {
    return atomic_load_explicit(&progress[op->after_thread].done, memory_order_acquire) > op->after;
}

static void wait_for(const struct flat_op *op) {
    struct timespec moment = {.tv_sec = 0, .tv_nsec = 20000};
    if (has_come_to(op)) return;
    uint64_t start = thread_ns();
    while (!has_come_to(op)) clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
    atomic_fetch_add_explicit(&waiting_ns, thread_ns() - start, memory_order_relaxed);
}

static void *allocate(const struct flat_op *op) {
    void *block = NULL;
    switch ((enum kind)op->kind) {
    case MALLOC:
        return malloc(op->bytes);
    case CALLOC:
        return calloc(1, op->bytes);
    case REALLOC:
        return realloc(slots[op->slot].bytes, op->bytes);
    case ALIGNED:
        return posix_memalign(&block, (size_t)1 << op->alignment, op->bytes) == 0 ? block : NULL;
    default:
        return NULL;
    }
}

static void perform(const struct flat_op *op) {
    struct block *slot = &slots[op->slot];
    if (op->kind == FREE) {
        free(slot->bytes);
        slot->bytes = NULL;
    } else if (op->kind == USABLE) {
        slot->bytes[0] = (uint8_t)malloc_usable_size(slot->bytes);
    } else {
        slot->bytes = allocate(op);
        if (op->bytes == 0) return; /* NULL is as good */
        if (slot->bytes == NULL) fail("the allocator has no memory");
        slot->bytes[0] = 1;
        slot->bytes[op->bytes - 1] = 1;
    }
}

static void *run_thread(void *argument) {
    uint32_t thread = (uint32_t)(uintptr_t)argument;
    const struct flat_op *op = flat->ops + flat->begin[thread];
    uint32_t count = flat->begin[thread + 1] - flat->begin[thread];
    for (uint32_t i = 0; i < count; i++, op++) {
        if (op->after != NONE) wait_for(op);
        perform(op);
        if (op->announces)
            atomic_store_explicit(&progress[thread].done, i + 1, memory_order_release);
    }
    return NULL;
}

static void repeat_once(void) {
    pthread_t threads[THREADS_MOST];
    for (uint32_t i = 0; i < flat->threads; i++) atomic_store(&progress[i].done, 0);
    for (uint32_t i = 1; i < flat->threads; i++)
        if (pthread_create(&threads[i], NULL, run_thread, (void *)(uintptr_t)i) != 0)
            fail("no thread");
    (void)run_thread(NULL);
    for (uint32_t i = 1; i < flat->threads; i++) pthread_join(threads[i], NULL);
}

int main(int count, char **arguments) {
    if (count == 4 && strcmp(arguments[2], "--cpu") == 0 && meter_pin(arguments[3])) count = 2;
    if (count != 2) {
        fprintf(stderr, "usage: %s TRACE [--cpu N]\n", arguments[0]);
        return EXIT_USAGE;
    }
    size_t own_bytes = load(arguments[1]);
    uint32_t repeats = flat->count == 0 ? 1 : OPERATIONS / flat->count + 1;
    if (repeats > REPEATS_MOST) repeats = REPEATS_MOST;
    struct meter_run measured;
    meter_begin(&measured);
    for (uint32_t i = 0; i < repeats; i++) repeat_once();
    meter_end(&measured);
    measured.cost.cpu_ns -= waiting_ns;
    meter_print(&measured, own_bytes / 1024, (uint64_t)repeats * flat->count);
    return 0;
}
