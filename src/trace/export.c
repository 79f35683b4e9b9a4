/* Writes .rep (malloc labs) and memory_replay (Android).
 *
 * Both formats hold only calls that happened: allocate, resize, free. The model holds more, and
 * some of it depends on the state of a slot: an operation on a slot in the wrong state is skipped.
 * So a trace is walked with the state of every slot, which gives each operation an effect, and the
 * effects are written. For the walk an allocation succeeds, but for one that no allocator can
 * serve: it is left out, and the slot stays as it was.
 *
 * What is lost is counted, once an operation: those that are left out, and those that are written
 * as something weaker (in .rep: calloc and aligned as `a`, anything by a thread but 0; in both:
 * free-sized as free). Skipped operations mean nothing and are not counted. A reset becomes the
 * frees of all live blocks. Heap, seed and unused slots have no place in either format.
 */
#include "trace/model.h"
#include "trace/parse.h"

#include <inttypes.h>
#include <stdlib.h>

enum effect { EFFECT_NONE = 0, EFFECT_ALLOCATE, EFFECT_RESIZE, EFFECT_RELEASE, EFFECT_EXIT };

struct exporter {
    const struct ashlar_trace *trace;
    FILE *stream; /* NULL: only count */
    uint8_t *live;
    size_t lost, lines;
    uint64_t size_max; /* that the format can say, or that can be allocated */
    /* Writes one line (when there is a stream); true when the line is weaker than the operation. */
    bool (*write)(struct exporter *exporter, const struct ashlar_op *op, enum effect effect);
};

/* Bytes that an allocation asks for; false when the number does not fit. */
static bool bytes_of(const struct ashlar_op *op, uint64_t *bytes) {
    *bytes = op->size;
    if (op->kind != ASHLAR_OP_CALLOC) return true;
    return !__builtin_mul_overflow(op->size, op->arg, bytes);
}

static bool can_allocate(const struct exporter *exporter, const struct ashlar_op *op) {
    uint64_t bytes;
    if (!bytes_of(op, &bytes) || bytes > exporter->size_max) return false;
    return op->kind != ASHLAR_OP_ALIGNED || ash_is_power_of_two(op->arg);
}

static void put(struct exporter *exporter, const struct ashlar_op *op, enum effect effect) {
    exporter->lines++;
    if (exporter->write(exporter, op, effect)) exporter->lost++;
}

static void release_all(struct exporter *exporter, uint8_t thread) {
    for (uint32_t slot = 0; slot < exporter->trace->slots; slot++) {
        struct ashlar_op op = {.kind = ASHLAR_OP_FREE, .thread = thread, .slot = slot};
        if (!exporter->live[slot]) continue;
        exporter->live[slot] = 0;
        put(exporter, &op, EFFECT_RELEASE);
    }
}

static void allocate(struct exporter *exporter, const struct ashlar_op *op) {
    if (!can_allocate(exporter, op)) {
        exporter->lost++;
    } else {
        exporter->live[op->slot] = 1;
        put(exporter, op, EFFECT_ALLOCATE);
    }
}

static void release(struct exporter *exporter, const struct ashlar_op *op) {
    exporter->live[op->slot] = 0;
    put(exporter, op, EFFECT_RELEASE);
}

static void resize(struct exporter *exporter, const struct ashlar_op *op) {
    if (!op->size) {
        release(exporter, op);
    } else if (!can_allocate(exporter, op)) {
        exporter->lost++;
    } else {
        put(exporter, op, EFFECT_RESIZE);
    }
}

static void step(struct exporter *exporter, const struct ashlar_op *op) {
    bool live = ash_op_info(op->kind)->has_slot && exporter->live[op->slot];
    switch ((enum ashlar_op_kind)op->kind) {
    case ASHLAR_OP_MALLOC:
    case ASHLAR_OP_CALLOC:
    case ASHLAR_OP_ALIGNED:
        if (!live) allocate(exporter, op);
        return;
    case ASHLAR_OP_REALLOC:
        if (live) {
            resize(exporter, op);
        } else {
            allocate(exporter, op);
        }
        return;
    case ASHLAR_OP_FREE:
    case ASHLAR_OP_FREE_SIZED:
        if (live) release(exporter, op);
        return;
    case ASHLAR_OP_THREAD_EXIT:
        put(exporter, op, EFFECT_EXIT);
        return;
    case ASHLAR_OP_RESET:
        release_all(exporter, op->thread);
        return;
    default:
        exporter->lost++;
        return;
    }
}

/* One walk over the whole trace. */
static void walk(struct exporter *exporter) {
    exporter->lost = exporter->lines = 0;
    for (uint32_t slot = 0; slot < exporter->trace->slots; slot++) exporter->live[slot] = 0;
    for (size_t i = 0; i < exporter->trace->count; i++) step(exporter, &exporter->trace->ops[i]);
}

static bool begin(struct exporter *exporter, struct ashlar_trace_error *error) {
    exporter->live = calloc(exporter->trace->slots + (size_t)1, 1);
    return exporter->live || ash_trace_fail(error, 0, 0, "no memory to export the trace");
}

static bool write_rep_line(struct exporter *exporter, const struct ashlar_op *op,
                           enum effect effect) {
    uint64_t bytes;
    bytes_of(op, &bytes);
    if (effect == EFFECT_EXIT) {
        exporter->lines--; /* .rep has no threads: no line */
        return true;
    }
    if (exporter->stream && effect == EFFECT_RELEASE) {
        fprintf(exporter->stream, "f %u\n", op->slot);
    } else if (exporter->stream) {
        fprintf(exporter->stream, "%c %u %" PRIu64 "\n", effect == EFFECT_RESIZE ? 'r' : 'a',
                op->slot, bytes);
    }
    return op->thread || op->kind == ASHLAR_OP_CALLOC || op->kind == ASHLAR_OP_ALIGNED ||
           op->kind == ASHLAR_OP_FREE_SIZED;
}

bool ash_rep_write(const struct ashlar_trace *trace, FILE *stream, size_t *lost,
                   struct ashlar_trace_error *error) {
    enum { SUGGESTED_HEAP_BYTES = 20000000, WEIGHT = 1 };
    struct exporter exporter = {.trace = trace, .size_max = INT32_MAX, .write = write_rep_line};
    if (!begin(&exporter, error)) return false;
    walk(&exporter); /* the header needs the number of lines */
    fprintf(stream, "%d\n%u\n%zu\n%d\n", SUGGESTED_HEAP_BYTES, trace->slots, exporter.lines,
            WEIGHT);
    exporter.stream = stream;
    walk(&exporter);
    *lost = exporter.lost;
    free(exporter.live);
    return true;
}

/* A made-up address for a slot; never 0. */
static uint64_t address_of(uint32_t slot) {
    enum { FIRST_ADDRESS = 0x10000, STEP = 16 };
    return FIRST_ADDRESS + (uint64_t)slot * STEP;
}

static void write_allocation(FILE *stream, const struct ashlar_op *op) {
    uint64_t address = address_of(op->slot);
    switch ((enum ashlar_op_kind)op->kind) {
    case ASHLAR_OP_CALLOC:
        fprintf(stream, "calloc 0x%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", address, op->arg,
                op->size);
        return;
    case ASHLAR_OP_ALIGNED:
        fprintf(stream, "memalign 0x%" PRIx64 " %" PRIu64 " %" PRIu64 "\n", address, op->arg,
                op->size);
        return;
    case ASHLAR_OP_REALLOC:
        fprintf(stream, "realloc 0x%" PRIx64 " 0x0 %" PRIu64 "\n", address, op->size);
        return;
    default:
        fprintf(stream, "malloc 0x%" PRIx64 " %" PRIu64 "\n", address, op->size);
        return;
    }
}

static bool write_memory_replay_line(struct exporter *exporter, const struct ashlar_op *op,
                                     enum effect effect) {
    FILE *stream = exporter->stream;
    uint64_t address = address_of(op->slot);
    fprintf(stream, "%u: ", op->thread + 1U); /* a thread id is never 0 */
    switch (effect) {
    case EFFECT_ALLOCATE:
        write_allocation(stream, op);
        break;
    case EFFECT_RESIZE:
        fprintf(stream, "realloc 0x%" PRIx64 " 0x%" PRIx64 " %" PRIu64 "\n", address, address,
                op->size);
        break;
    case EFFECT_RELEASE:
        fprintf(stream, "free 0x%" PRIx64 "\n", address);
        break;
    default:
        fputs("thread_done 0x0\n", stream);
        break;
    }
    return op->kind == ASHLAR_OP_FREE_SIZED;
}

bool ash_memory_replay_write(const struct ashlar_trace *trace, FILE *stream, size_t *lost,
                             struct ashlar_trace_error *error) {
    struct exporter exporter = {
        .trace = trace, .stream = stream, .size_max = INT64_MAX, .write = write_memory_replay_line};
    if (!begin(&exporter, error)) return false;
    walk(&exporter);
    *lost = exporter.lost;
    free(exporter.live);
    return true;
}
