/* The mutator: how inputs change, by whole operations.
 *
 * 1. Why. A raw trace is records of 24 bytes. Flipping its bytes mostly changes sizes to absurd
 *    ones, or makes operations illegal in their slot's state, which a replay skips. What breaks
 *    allocators are *shapes*: many blocks of one class filled and drained in some order, frees from
 *    another thread, a thread's exit in between, sizes one off a class. So most mutations here are
 *    operators on records and on loops of records; about one in five stays byte-level, because a
 *    mutator that only makes sense finds only what its author thought of.
 *
 * 2. States. An operator that wants a live slot at some place has to know what the operations
 * before leave there. simulate() walks them with the rules of ashlar/trace.h, assuming that every
 * sane allocation works. That may be wrong (a full heap, an injected fault); the operation is then
 *    skipped, which costs a record and nothing else.
 *
 * 3. Determinism. All choices come from one seed, and no two of them stand in one expression, whose
 *    order a compiler may choose. Same input, same seed, same mutation: a campaign
 *    can be repeated, and the tests hold the mutator to it.
 *
 * 4. How it fails. Without memory the input is returned as it was.
 */
#include "mutator.h"
#include "heap/layout.h"
#include "trace/raw.h"

#include <ashlar/trace.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = ASHLAR_RAW_SLOTS,
    RANGE_MAX = 64, /* operations that a range operator takes at once */
    LOOP_MAX = 400, /* blocks that a loop operator fills */
    REGION_MIB = 256,
    STACK_MAX = 5, /* operators applied to one input */
    CLOCK_MS = 1 << 11,
};
#define SANE_BYTES ((uint64_t)32 << 20) /* larger requests are taken to fail */

enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_STALE };

struct mutation {
    struct ashlar_trace trace;
    size_t max_ops;
    uint64_t random;
    uint8_t state[SLOTS]; /* enum slot_state, as of the last simulate() */
    uint64_t size[SLOTS];
};

/* splitmix64: every seed, also 0, gives a good sequence. */
static uint64_t next_random(struct mutation *m) {
    uint64_t z = (m->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
/* 0..below-1; below is not 0. The bias is far under what a fuzzer could notice. */
static size_t pick(struct mutation *m, size_t below) {
    return (size_t)(next_random(m) % below);
}
static bool one_in(struct mutation *m, size_t n) {
    return pick(m, n) == 0;
}
/* 1..most, small values favoured: every doubling is as likely as the next. */
static size_t pick_length(struct mutation *m, size_t most) {
    size_t doublings = 0;
    while ((most >> doublings) > 1) doublings++;
    size_t limit = (size_t)1 << (1 + pick(m, doublings + 1));
    return 1 + pick(m, limit < most ? limit : most);
}
static uint64_t pick_size(struct mutation *m) {
    struct ashlar_generator generator = {.slots = SLOTS, .threads = m->trace.threads};
    generator.size_limit = one_in(m, 4) ? (uint64_t)4 << 20 : (uint64_t)1 << 16;
    generator.state = next_random(m);
    return ashlar_generate_size(&generator);
}
/* A size that a loop can fill many slots with: of a class, off by little, or any. */
static uint64_t pick_loop_size(struct mutation *m) {
    if (one_in(m, 4)) return pick_size(m);
    uint64_t bytes = ashlar_class_bytes((uint32_t)pick(m, ashlar_class_count()));
    return bytes + pick(m, 3) - 1;
}
static uint8_t pick_thread(struct mutation *m) {
    return (uint8_t)pick(m, m->trace.threads);
}

static bool is_allocation(uint8_t kind) {
    return kind <= ASHLAR_OP_ALIGNED;
}
static bool has_size(uint8_t kind) {
    return is_allocation(kind) || kind == ASHLAR_OP_FREE_WRONG_SIZE;
}
static bool has_slot(uint8_t kind) {
    return kind <= ASHLAR_OP_FILL || (kind >= ASHLAR_OP_DOUBLE_FREE && kind < ASHLAR_OP_FLIP &&
                                      kind != ASHLAR_OP_FREE_FOREIGN);
}
/* The state in which an operation on a slot is not skipped. */
static enum slot_state wanted_state(uint8_t kind) {
    if (kind == ASHLAR_OP_DOUBLE_FREE || kind == ASHLAR_OP_WRITE_STALE) return SLOT_STALE;
    if (is_allocation(kind) && kind != ASHLAR_OP_REALLOC) return SLOT_EMPTY;
    return SLOT_LIVE;
}

static void simulate_one(struct mutation *m, const struct ashlar_op *op, uint32_t slot) {
    bool live = m->state[slot] == SLOT_LIVE;
    uint64_t count = op->kind == ASHLAR_OP_CALLOC ? op->arg : 1;
    bool sane = op->size <= SANE_BYTES && count <= SANE_BYTES && op->size * count <= SANE_BYTES;
    switch (op->kind) {
    case ASHLAR_OP_REALLOC:
        if (live && op->size == 0) {
            m->state[slot] = SLOT_STALE;
            break;
        }
        live = false;
        /* fall through */
    case ASHLAR_OP_MALLOC:
    case ASHLAR_OP_CALLOC:
    case ASHLAR_OP_ALIGNED:
        if (live || !sane) break;
        m->state[slot] = SLOT_LIVE;
        m->size[slot] = op->size * count;
        break;
    case ASHLAR_OP_FREE:
    case ASHLAR_OP_FREE_SIZED:
        if (live) m->state[slot] = SLOT_STALE;
        break;
    case ASHLAR_OP_RESET:
        memset(m->state, SLOT_EMPTY, sizeof m->state);
        break;
    default:
        break;
    }
}
/* What the operations before `until` leave in the slots. */
static void simulate(struct mutation *m, size_t until) {
    memset(m->state, SLOT_EMPTY, sizeof m->state);
    for (size_t i = 0; i < until; i++) {
        const struct ashlar_op *op = &m->trace.ops[i];
        for (size_t n = ash_raw_times(op); n-- > 0;) simulate_one(m, op, ash_raw_slot(op, n));
    }
}
static bool in_state(const struct mutation *m, uint32_t slot, enum slot_state state) {
    return state == SLOT_EMPTY ? m->state[slot] != SLOT_LIVE : m->state[slot] == state;
}
/* A slot in the state (EMPTY: any that is not live), as of the last simulate(). Low slots are
 * favoured for what is to be filled, so that operations meet on the same slots. */
static bool pick_slot(struct mutation *m, enum slot_state state, uint32_t *slot) {
    size_t start = state == SLOT_EMPTY && !one_in(m, 4) ? pick(m, 64) : pick(m, SLOTS);
    for (size_t i = 0; i < SLOTS; i++) {
        uint32_t candidate = (uint32_t)((start + i) % SLOTS);
        if (in_state(m, candidate, state)) {
            *slot = candidate;
            return true;
        }
    }
    return false;
}

static void remove_ops(struct mutation *m, size_t at, size_t count) {
    struct ashlar_trace *trace = &m->trace;
    memmove(trace->ops + at, trace->ops + at + count,
            (trace->count - at - count) * sizeof *trace->ops);
    trace->count -= count;
}
/* Inserts before `at`; what is over the limit falls off the end. */
static bool insert_ops(struct mutation *m, size_t at, const struct ashlar_op *ops, size_t count) {
    struct ashlar_trace *trace = &m->trace;
    if (at >= m->max_ops) return false;
    if (count > m->max_ops - at) count = m->max_ops - at;
    if (trace->count + count > m->max_ops) trace->count = m->max_ops - count;
    size_t behind = trace->count - at;
    for (size_t i = 0; i < count; i++) {
        if (!ashlar_trace_append(trace, &ops[i])) {
            trace->count -= i;
            return false;
        }
    }
    memmove(trace->ops + at + count, trace->ops + at, behind * sizeof *ops);
    memcpy(trace->ops + at, ops, count * sizeof *ops);
    return count != 0;
}
/* A range of the trace: at most RANGE_MAX operations, at least one. */
static bool pick_range(struct mutation *m, size_t *at, size_t *count) {
    if (m->trace.count == 0) return false;
    *at = pick(m, m->trace.count);
    size_t left = m->trace.count - *at;
    *count = pick_length(m, left < RANGE_MAX ? left : RANGE_MAX);
    return true;
}
static size_t pick_place(struct mutation *m) {
    return pick(m, m->trace.count + 1);
}
static bool pick_op(struct mutation *m, bool (*fits)(uint8_t kind), size_t *at) {
    size_t count = m->trace.count;
    size_t start = count ? pick(m, count) : 0;
    for (size_t i = 0; i < count; i++) {
        *at = (start + i) % count;
        if (fits(m->trace.ops[*at].kind)) return true;
    }
    return false;
}

/* Fills in what an operation of `kind` needs to take effect in the states last simulated. */
static struct ashlar_op make_op(struct mutation *m, uint8_t kind) {
    struct ashlar_op op = {.kind = kind, .thread = pick_thread(m)};
    if (has_slot(kind) && !pick_slot(m, wanted_state(kind), &op.slot))
        op.slot = (uint32_t)pick(m, SLOTS);
    if (has_size(kind)) op.size = pick_size(m);
    uint64_t held = m->size[op.slot];
    switch (kind) {
    case ASHLAR_OP_CALLOC:
        op.arg = one_in(m, 4) ? pick_length(m, 1000) : 1;
        break;
    case ASHLAR_OP_ALIGNED:
        op.arg = (uint64_t)1 << pick(m, one_in(m, 8) ? 32 : 18);
        break;
    case ASHLAR_OP_CLOCK:
        op.arg = pick_length(m, CLOCK_MS);
        break;
    case ASHLAR_OP_FAULT:
        op.arg = pick_length(m, 8);
        break;
    case ASHLAR_OP_FREE_INSIDE:
        op.arg = 1 + pick(m, held ? (size_t)held : 1);
        break;
    case ASHLAR_OP_FREE_FOREIGN:
        op.arg = pick(m, 7);
        break;
    case ASHLAR_OP_FLIP:
        op.arg = next_random(m);
        break;
    case ASHLAR_OP_WRITE_PAST:
    case ASHLAR_OP_WRITE_STALE:
        op.arg = pick(m, 32);
        op.size = 1 + pick(m, 16);
        break;
    default:
        break;
    }
    return op;
}

/* The operators. Each returns false, with the trace unchanged, when it has nothing to work on. */

static bool insert_generated(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX];
    struct ashlar_generator generator = {.threads = m->trace.threads};
    generator.state = next_random(m);
    generator.slots = (uint32_t)pick_length(m, SLOTS);
    generator.size_limit = (uint64_t)1 << (8 + pick(m, 15));
    generator.illegal = one_in(m, 8);
    size_t count = pick_length(m, RANGE_MAX);
    for (size_t i = 0; i < count; i++) ashlar_generate_op(&generator, &ops[i]);
    return insert_ops(m, pick_place(m), ops, count);
}
/* One operation that takes effect where it is put. */
static bool insert_fitting(struct mutation *m) {
    static const uint8_t kinds[] = {
        ASHLAR_OP_MALLOC,      ASHLAR_OP_MALLOC,       ASHLAR_OP_CALLOC,
        ASHLAR_OP_REALLOC,     ASHLAR_OP_REALLOC,      ASHLAR_OP_ALIGNED,
        ASHLAR_OP_FREE,        ASHLAR_OP_FREE,         ASHLAR_OP_FREE_SIZED,
        ASHLAR_OP_USABLE,      ASHLAR_OP_FILL,         ASHLAR_OP_TRIM,
        ASHLAR_OP_COLLECT,     ASHLAR_OP_THREAD_EXIT,  ASHLAR_OP_CHECK,
        ASHLAR_OP_CLOCK,       ASHLAR_OP_RESET,        ASHLAR_OP_DOUBLE_FREE,
        ASHLAR_OP_FREE_INSIDE, ASHLAR_OP_FREE_FOREIGN, ASHLAR_OP_FREE_WRONG_SIZE,
    };
    size_t at = pick_place(m);
    simulate(m, at);
    struct ashlar_op op = make_op(m, kinds[pick(m, sizeof kinds)]);
    return insert_ops(m, at, &op, 1);
}
static bool delete_range(struct mutation *m) {
    size_t at, count;
    if (m->trace.count < 2 || !pick_range(m, &at, &count)) return false;
    if (count == m->trace.count) count--;
    remove_ops(m, at, count);
    return true;
}
/* Copies a range to another place; half the time to other slots, so that the copy's allocations are
 * not skipped. */
static bool duplicate_range(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX];
    size_t at, count;
    if (!pick_range(m, &at, &count)) return false;
    memcpy(ops, m->trace.ops + at, count * sizeof *ops);
    uint32_t shift = one_in(m, 2) ? (uint32_t)pick(m, SLOTS) : 0;
    for (size_t i = 0; i < count; i++) ops[i].slot = (ops[i].slot + shift) % SLOTS;
    return insert_ops(m, one_in(m, 2) ? at + count : pick_place(m), ops, count);
}
/* Repeats a short range several times on ever other slots: a loop unrolled. */
static bool repeat_range(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX];
    size_t at, count;
    if (!pick_range(m, &at, &count)) return false;
    if (count > 8) count = 8;
    size_t times = RANGE_MAX / count;
    uint32_t step = (uint32_t)pick_length(m, 64);
    for (size_t i = 0; i < times * count; i++) {
        ops[i] = m->trace.ops[at + i % count];
        ops[i].slot = (uint32_t)((ops[i].slot + step * (1 + i / count)) % SLOTS);
    }
    return insert_ops(m, at + count, ops, times * count);
}
static bool move_range(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX];
    size_t at, count;
    if (m->trace.count < 2 || !pick_range(m, &at, &count)) return false;
    memcpy(ops, m->trace.ops + at, count * sizeof *ops);
    remove_ops(m, at, count);
    return insert_ops(m, pick_place(m), ops, count);
}
static bool swap_ops(struct mutation *m) {
    if (m->trace.count < 2) return false;
    size_t a = pick(m, m->trace.count), b = pick(m, m->trace.count);
    struct ashlar_op op = m->trace.ops[a];
    m->trace.ops[a] = m->trace.ops[b];
    m->trace.ops[b] = op;
    return true;
}
static bool any_kind(uint8_t kind) {
    (void)kind;
    return true;
}
static bool change_kind(struct mutation *m) {
    size_t at;
    if (!pick_op(m, any_kind, &at)) return false;
    simulate(m, at);
    struct ashlar_op *op = &m->trace.ops[at];
    struct ashlar_op made = make_op(m, (uint8_t)pick(m, ASHLAR_OP_STEP));
    if (one_in(m, 2)) made.slot = op->slot;
    if (has_size(made.kind) && op->size != 0 && one_in(m, 2)) made.size = op->size;
    *op = made;
    return true;
}
/* Another slot in which the operation takes effect. */
static bool retarget_slot(struct mutation *m) {
    size_t at;
    if (!pick_op(m, has_slot, &at)) return false;
    simulate(m, at);
    struct ashlar_op *op = &m->trace.ops[at];
    return pick_slot(m, wanted_state(op->kind), &op->slot);
}
static bool renew_size(struct mutation *m) {
    size_t at;
    if (!pick_op(m, has_size, &at)) return false;
    m->trace.ops[at].size = pick_size(m);
    return true;
}
static bool nudge_size(struct mutation *m) {
    static const int64_t nudges[] = {-65536, -4096, -16, -8, -1, 1, 8, 16, 4096, 65536};
    size_t at;
    if (!pick_op(m, has_size, &at)) return false;
    m->trace.ops[at].size += (uint64_t)nudges[pick(m, sizeof nudges / sizeof *nudges)];
    return true;
}
/* To the edge of the class that serves the size, or of the next. */
static bool snap_to_class(struct mutation *m) {
    size_t at;
    if (!pick_op(m, has_size, &at)) return false;
    struct ashlar_op *op = &m->trace.ops[at];
    uint32_t class_index = ashlar_class_of((size_t)op->size);
    if (class_index >= ashlar_class_count()) return false;
    uint64_t edge = ashlar_class_bytes(class_index);
    op->size = edge + pick(m, 3) - 1;
    return true;
}
/* One size for all allocations of a range: only blocks of one class meet in a slab. */
static bool same_size(struct mutation *m) {
    size_t at, count;
    if (!pick_range(m, &at, &count)) return false;
    uint64_t size = pick_loop_size(m);
    for (size_t i = at; i < at + count; i++)
        if (has_size(m->trace.ops[i].kind)) m->trace.ops[i].size = size;
    return true;
}
static bool has_argument(uint8_t kind) {
    return kind == ASHLAR_OP_CALLOC || kind == ASHLAR_OP_ALIGNED || kind == ASHLAR_OP_CLOCK ||
           kind == ASHLAR_OP_FAULT || kind == ASHLAR_OP_FREE_INSIDE ||
           kind == ASHLAR_OP_FREE_FOREIGN;
}
static bool change_argument(struct mutation *m) {
    size_t at;
    if (!pick_op(m, has_argument, &at)) return false;
    simulate(m, at);
    struct ashlar_op *op = &m->trace.ops[at];
    op->arg = make_op(m, op->kind).arg;
    if (op->kind == ASHLAR_OP_CALLOC && one_in(m, 4)) {
        /* A product that wraps to something small. */
        op->arg = UINT64_MAX / (op->size ? op->size : 1) + pick(m, 3);
    }
    return true;
}
/* Another thread for a range, so that frees turn into remote ones and back. */
static bool switch_thread(struct mutation *m) {
    size_t at, count;
    if (m->trace.threads < 2 || !pick_range(m, &at, &count)) return false;
    uint8_t thread = pick_thread(m);
    bool frees_only = one_in(m, 2);
    for (size_t i = at; i < at + count; i++) {
        struct ashlar_op *op = &m->trace.ops[i];
        if (!frees_only || op->kind == ASHLAR_OP_FREE) op->thread = thread;
    }
    return true;
}
static bool change_header(struct mutation *m) {
    struct ashlar_trace *trace = &m->trace;
    switch (pick(m, 4)) {
    case 0:
        trace->heap =
            trace->heap == ASHLAR_HEAP_RESERVED ? ASHLAR_HEAP_IN_MEMORY : ASHLAR_HEAP_RESERVED;
        trace->heap_kib = trace->heap == ASHLAR_HEAP_RESERVED ? REGION_MIB : 1024;
        break;
    case 1:
        trace->heap_kib = trace->heap == ASHLAR_HEAP_RESERVED
                              ? (uint32_t)pick_length(m, 4) * 64
                              : 1024 + 64 * (uint32_t)(pick_length(m, 64) - 1);
        break;
    case 2:
        trace->threads = 1 + (uint32_t)pick(m, ASHLAR_RAW_THREADS);
        break;
    default:
        trace->seed = next_random(m);
        break;
    }
    return true;
}

enum drain_order {
    DRAIN_FORWARD,
    DRAIN_REVERSE,
    DRAIN_RANDOM,
    DRAIN_STRIDED,
    DRAIN_HALF,
    DRAIN_ORDERS
};

/* The order in which a loop's blocks are freed; returns how many are. */
static size_t make_order(struct mutation *m, uint32_t *order, size_t count) {
    enum drain_order kind = (enum drain_order)pick(m, DRAIN_ORDERS);
    size_t made = 0;
    size_t stride = kind == DRAIN_STRIDED || kind == DRAIN_HALF ? 2 + pick(m, 15) : 1;
    for (size_t phase = 0; phase < stride; phase++)
        for (size_t i = phase; i < count; i += stride)
            order[made++] = (uint32_t)(kind == DRAIN_REVERSE ? count - 1 - i : i);
    for (size_t i = made; kind == DRAIN_RANDOM && i > 1; i--) {
        size_t other = pick(m, i);
        uint32_t value = order[i - 1];
        order[i - 1] = order[other];
        order[other] = value;
    }
    return kind == DRAIN_HALF ? made - made / stride : made;
}
/* Fills many slots, frees them in some order, perhaps from another thread, and lets the heap react
 * (collect, exit, trim, time). This is the shape that slabs, windows, queues and remote words live
 * on, and random single operations practically never form it. */
static bool fill_and_drain(struct mutation *m) {
    static const uint8_t reactions[] = {ASHLAR_OP_COLLECT, ASHLAR_OP_THREAD_EXIT, ASHLAR_OP_TRIM,
                                        ASHLAR_OP_CLOCK, ASHLAR_OP_CHECK};
    size_t most = m->max_ops / 2 < LOOP_MAX ? m->max_ops / 2 : LOOP_MAX;
    if (most < 2) return false;
    size_t count = pick_length(m, most);
    struct ashlar_op *ops = calloc(2 * count + 1, sizeof *ops);
    uint32_t *order = calloc(count, sizeof *order);
    bool done = false;
    if (ops != NULL && order != NULL) {
        uint8_t owner = pick_thread(m);
        uint8_t freer = one_in(m, 2) ? owner : pick_thread(m);
        uint8_t kind = one_in(m, 4) ? ASHLAR_OP_CALLOC : ASHLAR_OP_MALLOC;
        uint64_t size = pick_loop_size(m);
        uint32_t slot = (uint32_t)pick(m, SLOTS);
        for (size_t i = 0; i < count; i++)
            ops[i] = (struct ashlar_op){.kind = kind,
                                        .thread = owner,
                                        .slot = (uint32_t)((slot + i) % SLOTS),
                                        .size = size,
                                        .arg = kind == ASHLAR_OP_CALLOC};
        size_t total = count;
        size_t freed = one_in(m, 5) ? 0 : make_order(m, order, count);
        for (size_t i = 0; i < freed; i++)
            ops[total++] = (struct ashlar_op){
                .kind = ASHLAR_OP_FREE, .thread = freer, .slot = (slot + order[i]) % SLOTS};
        if (one_in(m, 2)) {
            ops[total] = make_op(m, reactions[pick(m, sizeof reactions)]);
            ops[total++].thread = owner;
        }
        done = insert_ops(m, pick_place(m), ops, total);
    }
    free(ops);
    free(order);
    return done;
}
static bool loops_well(uint8_t kind) {
    return kind <= ASHLAR_OP_CALLOC || kind == ASHLAR_OP_FREE;
}
/* A record becomes a loop, another loop, or a single operation; as long as slots are as it wants
 * them. */
static bool change_loop(struct mutation *m) {
    size_t at, fitting = 0;
    if (!pick_op(m, loops_well, &at)) return false;
    struct ashlar_op *op = &m->trace.ops[at];
    simulate(m, at);
    size_t step = one_in(m, 2) ? 1 : pick_length(m, ASH_RAW_STEP_MAX);
    op->flags = ash_raw_loop(ASH_RAW_TIMES_MAX, step);
    while (fitting < ASH_RAW_TIMES_MAX &&
           in_state(m, ash_raw_slot(op, fitting), wanted_state(op->kind)))
        fitting++;
    size_t times = one_in(m, 3) ? fitting : pick_length(m, fitting + 1);
    op->flags = times > 1 ? ash_raw_loop(times < fitting ? times : fitting, step) : 0;
    return true;
}
/* How many blocks of a class to fill: about a slab, about two, about a window less. */
static size_t pick_blocks(struct mutation *m, uint32_t class_index) {
    size_t slab = ash_classes[class_index].block_count;
    size_t count = slab * (1 + pick(m, 3));
    size_t nudge = one_in(m, 2) ? pick(m, 3) : pick_length(m, ASH_WINDOW_BLOCKS);
    count = one_in(m, 2) ? count + nudge : count - (nudge < count ? nudge : 0);
    if (count > SLOTS) return SLOTS;
    return count > 0 ? count : 1;
}
/* Fills whole slabs of a class, frees much of them in loops, perhaps from another thread, and
 * allocates again: the last window of a slab, which is short, full slabs that come back, and slabs
 * that become empty are all reached this way only. */
static bool fill_slabs(struct mutation *m) {
    struct ashlar_op ops[12];
    size_t made = 0, at = pick_place(m);
    uint32_t class_index = (uint32_t)pick(m, ASH_CLASS_COUNT);
    size_t count = pick_blocks(m, class_index);
    uint32_t slot;
    simulate(m, at);
    if (!pick_slot(m, SLOT_EMPTY, &slot)) return false;
    struct ashlar_op op = {.kind = ASHLAR_OP_MALLOC, .size = ash_classes[class_index].block_bytes};
    op.thread = pick_thread(m);
    for (size_t done = 0; done < count; done += ash_raw_times(&op)) {
        size_t left = count - done;
        op.slot = (uint32_t)((slot + done) % SLOTS);
        op.flags = ash_raw_loop(left < ASH_RAW_TIMES_MAX ? left : ASH_RAW_TIMES_MAX, 1);
        ops[made++] = op;
    }
    uint8_t owner = op.thread;
    op = (struct ashlar_op){.kind = ASHLAR_OP_FREE, .thread = owner};
    if (one_in(m, 3)) op.thread = pick_thread(m);
    for (size_t loops = pick(m, 4); loops > 0; loops--) {
        size_t from = one_in(m, 3) ? 0 : pick(m, count), left = count - from;
        size_t step = one_in(m, 2) ? 1 : pick_length(m, ASH_RAW_STEP_MAX);
        size_t times = one_in(m, 2) ? (left + step - 1) / step : pick_length(m, left);
        op.slot = (uint32_t)((slot + from) % SLOTS);
        op.flags = ash_raw_loop(times < ASH_RAW_TIMES_MAX ? times : ASH_RAW_TIMES_MAX, step);
        ops[made++] = op;
    }
    op = (struct ashlar_op){.kind = ASHLAR_OP_MALLOC, .thread = owner, .slot = slot};
    op.size = ash_classes[class_index].block_bytes;
    op.flags = ash_raw_loop(pick_length(m, 64), 1);
    if (one_in(m, 2)) ops[made++] = op;
    return insert_ops(m, at, ops, made);
}
/* Frees every n-th live slot: holes in slabs and between spans. */
static bool free_some_live(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX * 4];
    size_t at = pick_place(m), count = 0;
    simulate(m, at);
    uint32_t step = (uint32_t)pick_length(m, 16), start = (uint32_t)pick(m, SLOTS);
    uint8_t thread = pick_thread(m);
    for (uint32_t i = 0; i < SLOTS && count < sizeof ops / sizeof *ops; i++) {
        uint32_t slot = (start + i) % SLOTS;
        if (m->state[slot] == SLOT_LIVE && i % step == 0)
            ops[count++] =
                (struct ashlar_op){.kind = ASHLAR_OP_FREE, .thread = thread, .slot = slot};
    }
    return count != 0 && insert_ops(m, at, ops, count);
}
/* A block that grows or shrinks step by step: in place, into the run behind it, by moving. */
static bool realloc_ladder(struct mutation *m) {
    struct ashlar_op ops[16];
    size_t at = pick_place(m), count = pick_length(m, 16);
    simulate(m, at);
    uint32_t slot;
    if (!pick_slot(m, SLOT_LIVE, &slot) && !pick_slot(m, SLOT_EMPTY, &slot)) return false;
    uint64_t size = one_in(m, 2) ? m->size[slot] : pick_size(m);
    uint64_t step = (uint64_t)1 << (3 + pick(m, 15));
    bool shrinks = one_in(m, 4);
    for (size_t i = 0; i < count; i++) {
        uint64_t grown = one_in(m, 4) ? size + size / 2 : size + step;
        size = shrinks ? size - size / 4 : grown;
        if (size > SANE_BYTES / 4) size = SANE_BYTES / 4;
        ops[i] = (struct ashlar_op){
            .kind = ASHLAR_OP_REALLOC, .thread = pick_thread(m), .slot = slot, .size = size};
    }
    return insert_ops(m, at, ops, count);
}
static bool can_fail(uint8_t kind) {
    return is_allocation(kind) || kind == ASHLAR_OP_TRIM;
}
/* A system call fails just before an operation that is likely to make one. */
static bool inject_fault(struct mutation *m) {
    size_t at;
    if (!pick_op(m, can_fail, &at)) return false;
    simulate(m, at);
    struct ashlar_op ops[2];
    ops[0] = make_op(m, ASHLAR_OP_FAULT);
    ops[1] = make_op(m, ASHLAR_OP_MALLOC);
    ops[0].arg = 1 + pick(m, 3);
    ops[1].size = (uint64_t)(1 + pick(m, 64)) << 16;
    return insert_ops(m, at, ops, 1 + pick(m, 2));
}
/* A thread ends and another takes its heap over, while blocks of it are still live. */
static bool exit_and_adopt(struct mutation *m) {
    size_t at = pick_place(m);
    simulate(m, at);
    struct ashlar_op ops[4];
    for (size_t i = 0; i < 4; i++) ops[i] = make_op(m, i % 2 ? ASHLAR_OP_MALLOC : ASHLAR_OP_FREE);
    ops[1] = make_op(m, ASHLAR_OP_THREAD_EXIT);
    return insert_ops(m, at, ops, 2 + pick(m, 3));
}
/* Time passes and memory goes back, between two uses of it. */
static bool give_back(struct mutation *m) {
    size_t at = pick_place(m);
    simulate(m, at);
    struct ashlar_op ops[2];
    ops[0] = make_op(m, one_in(m, 2) ? ASHLAR_OP_CLOCK : ASHLAR_OP_TRIM);
    ops[1] = make_op(m, ASHLAR_OP_CALLOC);
    return insert_ops(m, at, ops, 1 + pick(m, 2));
}

/* Schedules: for traces that have one. */

static bool is_step(uint8_t kind) {
    return kind == ASHLAR_OP_STEP;
}
static bool is_no_step(uint8_t kind) {
    return kind != ASHLAR_OP_STEP;
}
static bool has_schedule(struct mutation *m) {
    size_t at;
    return m->trace.threads > 1 && pick_op(m, is_step, &at);
}
/* A step for `thread`: within the first few points, mostly. */
static struct ashlar_op make_step(struct mutation *m, uint8_t thread) {
    size_t most = one_in(m, 4) ? 64 : 12;
    return (struct ashlar_op){.kind = ASHLAR_OP_STEP, .thread = thread, .arg = 1 + pick(m, most)};
}
/* An operation stops on its way. */
static bool stop_operation(struct mutation *m) {
    size_t at;
    if (!has_schedule(m) || !pick_op(m, is_no_step, &at)) return false;
    struct ashlar_op step = make_step(m, m->trace.ops[at].thread);
    return insert_ops(m, at, &step, 1);
}
/* One that has stopped goes on. */
static bool go_on(struct mutation *m) {
    if (!has_schedule(m)) return false;
    struct ashlar_op step = make_step(m, pick_thread(m));
    return insert_ops(m, pick_place(m), &step, 1);
}
/* It stops a little earlier or later, or elsewhere. */
static bool change_points(struct mutation *m) {
    size_t at;
    if (!has_schedule(m) || !pick_op(m, is_step, &at)) return false;
    struct ashlar_op *op = &m->trace.ops[at];
    if (one_in(m, 3))
        *op = make_step(m, op->thread);
    else
        op->arg = one_in(m, 2) && op->arg > 1 ? op->arg - 1 : op->arg + 1;
    return true;
}
/* Every operation of a range stops on its way, each thread in its turn. */
static bool stop_range(struct mutation *m) {
    struct ashlar_op ops[32];
    size_t at, count, made = 0;
    if (!has_schedule(m) || !pick_range(m, &at, &count)) return false;
    if (count > sizeof ops / sizeof *ops / 2) count = sizeof ops / sizeof *ops / 2;
    for (size_t i = 0; i < count; i++) {
        ops[made] = m->trace.ops[at + i];
        if (is_step(ops[made].kind)) continue;
        if (one_in(m, 2)) ops[made].thread = pick_thread(m);
        ops[made + 1] = ops[made];
        ops[made] = make_step(m, ops[made].thread);
        made += 2;
    }
    if (made == 0) return false;
    remove_ops(m, at, count);
    return insert_ops(m, at, ops, made);
}
/* Blocks of few to a slab, and threads that free them, exit, collect and visit, each of which stops
 * on its way: what the protocols between threads live on. */
static bool race(struct mutation *m) {
    static const uint8_t kinds[] = {ASHLAR_OP_FREE,        ASHLAR_OP_FREE,    ASHLAR_OP_FREE,
                                    ASHLAR_OP_FREE,        ASHLAR_OP_MALLOC,  ASHLAR_OP_THREAD_EXIT,
                                    ASHLAR_OP_THREAD_EXIT, ASHLAR_OP_COLLECT, ASHLAR_OP_TRIM,
                                    ASHLAR_OP_TRIM};
    static const uint64_t sizes[] = {65536, 32768, 32768, 16384, 8192, 1024, 512};
    struct ashlar_op ops[32];
    size_t at = pick_place(m), made = 0, actions = 2 + pick(m, 8);
    uint32_t slot;
    simulate(m, at);
    if (!has_schedule(m) || !pick_slot(m, SLOT_EMPTY, &slot)) return false;
    uint64_t size = sizes[pick(m, sizeof sizes / sizeof *sizes)];
    size_t blocks = 1 + pick(m, size > 1024 ? 10 : 200);
    struct ashlar_op op = {.kind = ASHLAR_OP_MALLOC, .slot = slot, .size = size};
    op.flags = ash_raw_loop(blocks, 1);
    op.thread = pick_thread(m);
    ops[made++] = op;
    for (; actions > 0; actions--) {
        op = (struct ashlar_op){.kind = kinds[pick(m, sizeof kinds)], .size = size};
        op.thread = pick_thread(m);
        op.slot = (uint32_t)((slot + pick(m, blocks + 1)) % SLOTS);
        if (op.kind == ASHLAR_OP_FREE && one_in(m, 4))
            op.flags = ash_raw_loop(1 + pick(m, blocks), 1);
        if (!one_in(m, 4)) ops[made++] = make_step(m, op.thread);
        ops[made++] = op;
        if (one_in(m, 3)) ops[made++] = make_step(m, pick_thread(m));
    }
    return insert_ops(m, at, ops, made);
}

static bool is_reset(uint8_t kind) {
    return kind == ASHLAR_OP_RESET;
}
/* What is between two resets, or a reset and an end of the trace: an experiment of its own. The one
 * around `at`, with its reset. */
static void find_episode(const struct mutation *m, size_t at, size_t *from, size_t *to) {
    const struct ashlar_trace *trace = &m->trace;
    for (*from = at; *from > 0 && !is_reset(trace->ops[*from - 1].kind); --*from) {
    }
    for (*to = at; *to < trace->count && !is_reset(trace->ops[*to].kind); ++*to) {
    }
    *to += *to < trace->count;
}
/* An episode alone: what is changed in it costs a small fraction then. */
static bool isolate_episode(struct mutation *m) {
    size_t at, from, to;
    if (!has_schedule(m) || !pick_op(m, is_step, &at)) return false;
    find_episode(m, at, &from, &to);
    if (to - from == m->trace.count) return false;
    remove_ops(m, to, m->trace.count - to);
    remove_ops(m, 0, from);
    return true;
}
/* An episode again and again, one of its stops one point later each time. */
static bool sweep_stop(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX + 1];
    size_t at, from, to, times = 4 + pick(m, 13);
    if (!has_schedule(m) || !pick_op(m, is_step, &at)) return false;
    find_episode(m, at, &from, &to);
    size_t count = to - from;
    if (count > RANGE_MAX) return false;
    memcpy(ops, m->trace.ops + from, count * sizeof *ops);
    struct ashlar_op *step = &ops[at - from];
    if (!is_reset(ops[count - 1].kind)) {
        const struct ashlar_op reset = {.kind = ASHLAR_OP_RESET};
        if (!insert_ops(m, to, &reset, 1)) return false;
        ops[count++] = reset;
    }
    if (one_in(m, 2)) step->arg = 0;
    for (size_t place = from + count; times > 0; times--, place += count) {
        step->arg++;
        if (!insert_ops(m, place, ops, count)) break;
    }
    return true;
}
/* An operation stops, and what others do next comes before what its own thread does next. */
static bool preempt(struct mutation *m) {
    struct ashlar_op own[16], *ops = m->trace.ops;
    size_t at, held = 0;
    if (!has_schedule(m) || !pick_op(m, is_no_step, &at)) return false;
    uint8_t thread = ops[at].thread;
    size_t to = at + 1, left = 2 + pick(m, sizeof own / sizeof *own - 1);
    for (size_t i = to; i < m->trace.count && left > 0 && !is_reset(ops[i].kind); i++, left--) {
        if (ops[i].thread == thread)
            own[held++] = ops[i];
        else
            ops[to++] = ops[i];
    }
    memcpy(ops + to, own, held * sizeof *own);
    struct ashlar_op step = make_step(m, thread);
    return insert_ops(m, at, &step, 1);
}
/* The operation that a step stops, and the next one of another thread; both in one episode. */
static bool find_pair(struct mutation *m, size_t at, size_t to, struct ashlar_op *first,
                      struct ashlar_op *second) {
    const struct ashlar_op *ops = m->trace.ops;
    size_t i = at;
    while (i < to && !(is_no_step(ops[i].kind) && ops[i].thread == ops[at].thread)) i++;
    if (i == to) return false;
    *first = ops[i];
    for (i++; i < to; i++) {
        *second = ops[i];
        second->flags = 0;
        if (is_no_step(ops[i].kind) && !is_reset(ops[i].kind) && ops[i].thread != first->thread)
            return true;
    }
    return false;
}
/* Two operations of two threads stop both, the first goes on a little, the second does, and then
 * the first ends before the second: on the same ground for each of many places of the second stop.
 * What needs threads to change places three times is practically never met by single stops. */
static bool weave(struct mutation *m) {
    struct ashlar_op ops[RANGE_MAX], first, second, stop, wait;
    size_t at, from, to, made, times = 8 + pick(m, 9);
    if (!has_schedule(m) || !pick_op(m, is_step, &at)) return false;
    find_episode(m, at, &from, &to);
    size_t before = at - from;
    stop = m->trace.ops[at];
    if (before + 8 > RANGE_MAX || !find_pair(m, at, to, &first, &second)) return false;
    if (one_in(m, 2)) stop.arg = 1 + pick(m, 16);
    wait = (struct ashlar_op){.kind = ASHLAR_OP_STEP, .thread = second.thread};
    memcpy(ops, m->trace.ops + from, before * sizeof *ops);
    made = before;
    ops[made++] = stop;
    ops[made++] = first;
    size_t swept = made;
    ops[made++] = wait;
    ops[made++] = second;
    ops[made] = stop;
    ops[made++].arg = 1 + pick(m, 3);
    ops[made] = wait;
    ops[made++].arg = 1 + pick(m, 3);
    ops[made] = stop;
    ops[made++].arg = UINT16_MAX; /* to its end */
    ops[made++] = (struct ashlar_op){.kind = ASHLAR_OP_RESET};
    m->trace.count = 0;
    for (ops[swept].arg = 1; ops[swept].arg <= times; ops[swept].arg++)
        if (!insert_ops(m, m->trace.count, ops, made)) break;
    return true;
}

struct edit {
    const char *name;
    bool (*apply)(struct mutation *m);
    unsigned weight;
};
static const struct edit edits[] = {
    {"insert-generated", insert_generated, 4},
    {"insert-fitting", insert_fitting, 10},
    {"delete-range", delete_range, 6},
    {"duplicate-range", duplicate_range, 4},
    {"repeat-range", repeat_range, 3},
    {"move-range", move_range, 3},
    {"swap-ops", swap_ops, 3},
    {"change-kind", change_kind, 5},
    {"retarget-slot", retarget_slot, 6},
    {"renew-size", renew_size, 4},
    {"nudge-size", nudge_size, 4},
    {"snap-to-class", snap_to_class, 4},
    {"same-size", same_size, 3},
    {"change-argument", change_argument, 3},
    {"switch-thread", switch_thread, 5},
    {"change-header", change_header, 2},
    {"fill-and-drain", fill_and_drain, 6},
    {"change-loop", change_loop, 5},
    {"fill-slabs", fill_slabs, 9},
    {"free-some-live", free_some_live, 4},
    {"realloc-ladder", realloc_ladder, 4},
    {"inject-fault", inject_fault, 3},
    {"exit-and-adopt", exit_and_adopt, 3},
    {"give-back", give_back, 3},
    {"stop-operation", stop_operation, 10},
    {"go-on", go_on, 8},
    {"change-points", change_points, 10},
    {"stop-range", stop_range, 6},
    {"race", race, 10},
    {"isolate-episode", isolate_episode, 6},
    {"sweep-stop", sweep_stop, 6},
    {"preempt", preempt, 8},
    {"weave", weave, 8},
};
enum { EDITS = sizeof edits / sizeof *edits, SCHEDULE_EDITS = 9 }; /* the last ones */

/* Half of what happens to a trace with a schedule happens to its schedule. */
static const struct edit *pick_edit(struct mutation *m) {
    size_t total = 0, first = has_schedule(m) && one_in(m, 2) ? EDITS - SCHEDULE_EDITS : 0;
    for (size_t i = first; i < EDITS; i++) total += edits[i].weight;
    size_t point = pick(m, total), i = first;
    while (point >= edits[i].weight) point -= edits[i++].weight;
    return &edits[i];
}

/* The table may be applied to the trace; false: no memory or no room. End with
 * ashlar_trace_free(&m->trace). */
static bool open_mutation(struct mutation *m, const uint8_t *data, size_t size, size_t capacity,
                          uint64_t seed) {
    memset(m, 0, sizeof *m);
    m->random = seed;
    if (capacity < ASHLAR_RAW_HEADER_BYTES + ASHLAR_OP_BYTES) return false;
    m->max_ops = (capacity - ASHLAR_RAW_HEADER_BYTES) / ASHLAR_OP_BYTES;
    ashlar_trace_init(&m->trace);
    return ash_raw_records(data, size, m->max_ops, &m->trace);
}
/* A region of the default 1 TiB serves blocks of gigabytes, and each full check then walks through
 * their pages: hundreds of times slower, and no more is reached. A few inputs may. */
static void keep_region_small(struct mutation *m) {
    struct ashlar_trace *trace = &m->trace;
    bool large = trace->heap_kib == 0 || trace->heap_kib > REGION_MIB;
    if (trace->heap == ASHLAR_HEAP_RESERVED && large && !one_in(m, 64))
        trace->heap_kib = REGION_MIB;
}
static size_t close_mutation(struct mutation *m, uint8_t *out, size_t capacity) {
    keep_region_small(m);
    size_t bytes = ashlar_trace_encode_raw(&m->trace, out, capacity);
    ashlar_trace_free(&m->trace);
    return bytes <= capacity ? bytes : 0;
}

/* For engines without a byte mutator of their own. */
static size_t mutate_bytes(struct mutation *m, uint8_t *data, size_t size, size_t capacity) {
    if (size == 0) {
        data[0] = (uint8_t)pick(m, 256);
        return capacity != 0;
    }
    for (size_t i = pick_length(m, 8); i > 0; i--) {
        size_t at = pick(m, size), length = pick_length(m, size - at < 16 ? size - at : 16);
        switch (pick(m, 4)) {
        case 0:
            data[at] ^= (uint8_t)(1U << pick(m, 8));
            break;
        case 1:
            data[at] = (uint8_t)next_random(m);
            break;
        case 2:
            memset(data + at, one_in(m, 2) ? 0xff : 0, length);
            break;
        default:
            memmove(data + pick(m, size - length + 1), data + at, length);
            break;
        }
    }
    return size;
}

size_t ash_mutate(uint8_t *data, size_t size, size_t capacity, uint64_t seed,
                  ash_byte_mutator *bytes) {
    struct mutation *m = malloc(sizeof *m);
    if (m == NULL || !open_mutation(m, data, size, capacity, seed)) {
        if (m != NULL) ashlar_trace_free(&m->trace);
        free(m);
        return size;
    }
    size_t made;
    if (one_in(m, 5)) {
        made = bytes != NULL ? bytes(data, size, capacity) : mutate_bytes(m, data, size, capacity);
        ashlar_trace_free(&m->trace);
    } else {
        size_t wanted = pick_length(m, STACK_MAX), tries = 0;
        for (size_t done = 0; done < wanted && tries < 4 * STACK_MAX; tries++)
            done += pick_edit(m)->apply(m);
        made = close_mutation(m, data, capacity);
    }
    free(m);
    return made;
}

size_t ash_mutate_with(unsigned operator_index, uint8_t *data, size_t size, size_t capacity,
                       uint64_t seed) {
    struct mutation *m = malloc(sizeof *m);
    size_t made = 0;
    if (m != NULL && open_mutation(m, data, size, capacity, seed)) {
        bool applied = edits[operator_index].apply(m);
        made = close_mutation(m, data, capacity);
        if (!applied) made = 0;
    } else if (m != NULL) {
        ashlar_trace_free(&m->trace);
    }
    free(m);
    return made;
}
unsigned ash_mutation_count(void) {
    return EDITS;
}
const char *ash_mutation_name(unsigned operator_index) {
    return edits[operator_index].name;
}

/* b's operations on slots and threads of their own, in turn with a's: two programs in one heap. */
static bool interleave(struct mutation *m, const struct ashlar_trace *b) {
    uint32_t shift = (uint32_t)pick(m, SLOTS), turn = (uint32_t)pick_length(m, 16);
    uint8_t thread = pick_thread(m);
    size_t at = 0;
    for (size_t i = 0; i < b->count && m->trace.count < m->max_ops; i++) {
        struct ashlar_op op = b->ops[i];
        op.slot = (op.slot + shift) % SLOTS;
        op.thread = (uint8_t)((op.thread + thread) % m->trace.threads);
        if (!insert_ops(m, at < m->trace.count ? at : m->trace.count, &op, 1)) return false;
        at += i % turn == turn - 1 ? 1 + turn : 1;
    }
    return true;
}
static bool cross(struct mutation *m, const struct ashlar_trace *b) {
    struct ashlar_trace *a = &m->trace;
    if (b->threads > a->threads) a->threads = b->threads;
    if (one_in(m, 4)) {
        a->heap = b->heap;
        a->heap_kib = b->heap_kib;
    }
    if (b->count == 0) return true;
    size_t from = pick(m, b->count), count = b->count - from;
    switch (pick(m, 4)) {
    case 0: /* the beginning of a, the end of b */
        a->count = pick_place(m);
        return insert_ops(m, a->count, b->ops + from, count);
    case 1: /* a piece of b within a */
        return insert_ops(m, pick_place(m), b->ops + from, pick_length(m, count));
    case 2: /* b after a */
        return insert_ops(m, a->count, b->ops, b->count);
    default:
        return interleave(m, b);
    }
}

size_t ash_crossover(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, uint8_t *out,
                     size_t capacity, uint64_t seed) {
    struct mutation *m = malloc(sizeof *m);
    struct ashlar_trace other;
    size_t made = 0;
    ashlar_trace_init(&other);
    if (m != NULL && open_mutation(m, a, a_size, capacity, seed)) {
        if (ash_raw_records(b, b_size, m->max_ops, &other)) cross(m, &other);
        made = close_mutation(m, out, capacity);
    } else if (m != NULL) {
        ashlar_trace_free(&m->trace);
    }
    ashlar_trace_free(&other);
    free(m);
    return made;
}
