/* The trace model.
 *
 * 1. Purpose. A trace is a header and operations on numbered slots, independent of addresses, so
 *    that the same trace means the same on any allocator. Everything that reads or writes one goes
 *    through the table below: names, operands, legality. The text grammar, both binary forms, the
 *    validation and the tests are made from it, so that a new kind is one new row.
 *
 * 2. Normal form. An operation has only the fields that its kind uses; the others are 0, and an
 *    arg that selects one of few values is within them. ashlar_trace_append brings operations into
 *    this form. It is what makes the encodings lossless: text has no place for a field that means
 *    nothing.
 *
 * 3. Invariant. slots and threads are above every slot and thread used; append raises them.
 *
 * 4. Failure. Only memory can run out; the trace is then as it was.
 */
#include "trace/model.h"

#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct ashlar_op) == ASHLAR_OP_BYTES, "an operation is its record");
static_assert(offsetof(struct ashlar_op, kind) == 0, "record");
static_assert(offsetof(struct ashlar_op, thread) == 1, "record");
static_assert(offsetof(struct ashlar_op, flags) == 2, "record");
static_assert(offsetof(struct ashlar_op, slot) == 4, "record");
static_assert(offsetof(struct ashlar_op, size) == 8, "record");
static_assert(offsetof(struct ashlar_op, arg) == 16, "record");

/* enum ashlar_op_kind: FREE_FOREIGN's arg. */
static const char *const foreign_places[] = {"stack", "static", "wild",  "null-page",
                                             "below", "behind", "mapped"};

#define SLOT                                                                                       \
    { ASH_FIELD_SLOT, "SLOT" }
#define SIZE(label)                                                                                \
    { ASH_FIELD_SIZE, label }
#define ARG(label)                                                                                 \
    { ASH_FIELD_ARG, label }
#define NAME(string) .name = string, .name_length = sizeof string - 1
#define NO_OPERANDS  .operand_count = 0
#define ON_SLOT      .operands = {SLOT}, .operand_count = 1, .has_slot = true
#define SLOT_SIZE                                                                                  \
    .operands = {SLOT, SIZE("BYTES")}, .operand_count = 2, .has_slot = true, .has_size = true
#define SLOT_ARG_SIZE(label)                                                                       \
    .operands = {SLOT, ARG(label), SIZE("BYTES")}, .operand_count = 3, .has_slot = true,           \
    .has_size = true, .has_arg = true
#define ONLY_ARG(label) .operands = {ARG(label)}, .operand_count = 1, .has_arg = true

static const struct ash_op_info table[ASHLAR_OP_COUNT] = {
    [ASHLAR_OP_MALLOC] = {NAME("malloc"), SLOT_SIZE},
    [ASHLAR_OP_CALLOC] = {NAME("calloc"), SLOT_ARG_SIZE("COUNT")},
    [ASHLAR_OP_REALLOC] = {NAME("realloc"), SLOT_SIZE},
    [ASHLAR_OP_ALIGNED] = {NAME("aligned"), SLOT_ARG_SIZE("ALIGNMENT")},
    [ASHLAR_OP_FREE] = {NAME("free"), ON_SLOT},
    [ASHLAR_OP_FREE_SIZED] = {NAME("free-sized"), ON_SLOT},
    [ASHLAR_OP_USABLE] = {NAME("usable"), ON_SLOT},
    [ASHLAR_OP_FILL] = {NAME("fill"), ON_SLOT},
    [ASHLAR_OP_TRIM] = {NAME("trim"), NO_OPERANDS},
    [ASHLAR_OP_COLLECT] = {NAME("collect"), NO_OPERANDS},
    [ASHLAR_OP_THREAD_EXIT] = {NAME("thread-exit"), NO_OPERANDS},
    [ASHLAR_OP_CHECK] = {NAME("check"), NO_OPERANDS},
    [ASHLAR_OP_CLOCK] = {NAME("clock"), ONLY_ARG("MS")},
    [ASHLAR_OP_FAULT] = {NAME("fault"), ONLY_ARG("CALL")},
    [ASHLAR_OP_RESET] = {NAME("reset"), NO_OPERANDS},
    [ASHLAR_OP_DOUBLE_FREE] = {NAME("double-free"), ON_SLOT, .illegal = true},
    [ASHLAR_OP_FREE_INSIDE] = {NAME("free-inside"), .operands = {SLOT, ARG("OFFSET")},
                               .operand_count = 2, .has_slot = true, .has_arg = true,
                               .illegal = true, .arg_min = 1},
    [ASHLAR_OP_FREE_FOREIGN] = {NAME("free-foreign"), ONLY_ARG("WHERE"), .illegal = true,
                                .value_count = sizeof foreign_places / sizeof foreign_places[0],
                                .arg_values = foreign_places},
    [ASHLAR_OP_FREE_WRONG_SIZE] = {NAME("free-wrong-size"), SLOT_SIZE, .illegal = true},
    [ASHLAR_OP_WRITE_PAST] = {NAME("write-past"), SLOT_ARG_SIZE("OFFSET"), .illegal = true},
    [ASHLAR_OP_WRITE_STALE] = {NAME("write-stale"), SLOT_ARG_SIZE("OFFSET"), .illegal = true},
    [ASHLAR_OP_FLIP] = {NAME("flip"), ONLY_ARG("BIT"), .illegal = true},
    [ASHLAR_OP_STEP] = {NAME("step"), ONLY_ARG("POINTS"), .arg_min = 1},
};

const struct ash_op_info *ash_op_info(unsigned kind) {
    ASH_ASSERT(kind < ASHLAR_OP_COUNT);
    return &table[kind];
}

const char *ashlar_op_name(enum ashlar_op_kind kind) {
    return (unsigned)kind < ASHLAR_OP_COUNT ? table[kind].name : "?";
}

enum ashlar_op_kind ashlar_op_by_name(const char *name, size_t length) {
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) {
        const struct ash_op_info *info = &table[kind];
        if (info->name_length == length && memcmp(info->name, name, length) == 0)
            return (enum ashlar_op_kind)kind;
    }
    return ASHLAR_OP_COUNT;
}

bool ashlar_op_is_illegal(enum ashlar_op_kind kind) {
    return (unsigned)kind < ASHLAR_OP_COUNT && table[kind].illegal;
}

void ash_op_normalise(struct ashlar_op *op) {
    ASH_ASSERT(op->kind < ASHLAR_OP_COUNT);
    const struct ash_op_info *info = &table[op->kind];
    op->flags = 0;
    if (!info->has_slot) op->slot = 0;
    if (!info->has_size) op->size = 0;
    if (!info->has_arg) op->arg = 0;
    if (info->value_count) op->arg %= info->value_count;
    if (op->arg < info->arg_min) op->arg = info->arg_min;
}

const char *ash_op_problem(const struct ashlar_op *op, const struct ashlar_trace *trace) {
    if (op->kind >= ASHLAR_OP_COUNT) return "there is no operation of this kind";
    if (op->flags) return "flags are not 0";
    if (op->thread >= trace->threads) return "the thread is not below the header's threads";
    const struct ash_op_info *info = &table[op->kind];
    if (info->has_slot) {
        if (op->slot >= trace->slots) return "the slot is not below the header's slots";
    } else if (op->slot) {
        return "a slot, where the operation has none";
    }
    if (!info->has_size && op->size) return "a size, where the operation has none";
    if (!info->has_arg && op->arg) return "an argument, where the operation has none";
    if (op->arg < info->arg_min || (info->value_count && op->arg >= info->value_count))
        return "the argument is out of range";
    return NULL;
}

const char *ash_trace_header_problem(const struct ashlar_trace *trace) {
    if (trace->slots > ASH_TRACE_SLOTS_MAX) return "more than 134217728 slots";
    if (trace->threads < 1 || trace->threads > ASH_TRACE_THREADS_MAX)
        return "the number of threads is not in 1..256";
    if (trace->heap == ASHLAR_HEAP_IN_MEMORY) {
        if (trace->heap_kib < ASH_HEAP_MEMORY_KIB_MIN) return "a heap in memory of under 1024 KiB";
    } else if (trace->heap == ASHLAR_HEAP_RESERVED) {
        if (trace->heap_kib && trace->heap_kib < ASH_HEAP_RESERVED_MIB_MIN)
            return "a reserved heap of under 64 MiB (0: the default)";
    } else {
        return "there is no such kind of heap";
    }
    return NULL;
}

void ashlar_trace_init(struct ashlar_trace *trace) {
    *trace = (struct ashlar_trace){.threads = 1, .heap = ASHLAR_HEAP_RESERVED};
}

void ashlar_trace_free(struct ashlar_trace *trace) {
    free(trace->ops);
    ashlar_trace_init(trace);
}

bool ash_trace_reserve(struct ashlar_trace *trace, size_t count) {
    if (count <= trace->capacity) return true;
    if (count > PTRDIFF_MAX / sizeof *trace->ops) return false;
    struct ashlar_op *ops = realloc(trace->ops, count * sizeof *ops);
    if (!ops) return false;
    trace->ops = ops;
    trace->capacity = count;
    return true;
}

bool ashlar_trace_append(struct ashlar_trace *trace, const struct ashlar_op *op) {
    struct ashlar_op normal = *op; /* `op` may lie in the array that is about to move */
    if (table[op->kind].has_slot && op->slot >= ASH_TRACE_SLOTS_MAX) return false;
    if (trace->count == trace->capacity &&
        !ash_trace_reserve(trace, trace->capacity ? trace->capacity * 2 : 64))
        return false;
    ash_op_normalise(&normal);
    trace->ops[trace->count++] = normal;
    if (table[normal.kind].has_slot && normal.slot >= trace->slots) trace->slots = normal.slot + 1;
    if (normal.thread >= trace->threads) trace->threads = normal.thread + 1U;
    return true;
}

void ash_trace_fit(struct ashlar_trace *trace) {
    uint32_t slots = 0, threads = 1;
    for (size_t i = 0; i < trace->count; i++) {
        const struct ashlar_op *op = &trace->ops[i];
        if (table[op->kind].has_slot && op->slot >= slots) slots = op->slot + 1;
        if (op->thread >= threads) threads = op->thread + 1U;
    }
    trace->slots = slots;
    trace->threads = threads;
}

bool ashlar_trace_copy(struct ashlar_trace *to, const struct ashlar_trace *from) {
    struct ashlar_op *ops = NULL;
    if (from->count) {
        ops = malloc(from->count * sizeof *ops);
        if (!ops) return false;
        memcpy(ops, from->ops, from->count * sizeof *ops);
    }
    free(to->ops);
    *to = *from;
    to->ops = ops;
    to->capacity = from->count;
    return true;
}

bool ash_trace_has_steps(const struct ashlar_trace *trace) {
    for (size_t i = 0; i < trace->count; i++)
        if (trace->ops[i].kind == ASHLAR_OP_STEP) return true;
    return false;
}

bool ashlar_trace_equal(const struct ashlar_trace *a, const struct ashlar_trace *b) {
    if (a->count != b->count || a->slots != b->slots || a->threads != b->threads) return false;
    if (a->heap != b->heap || a->heap_kib != b->heap_kib || a->seed != b->seed) return false;
    return a->count == 0 || memcmp(a->ops, b->ops, a->count * sizeof *a->ops) == 0;
}
