/* fuzz_misuse: what a program must not do, in every state of a heap that legal operations lead to.
 *
 * 1. What. An input is a raw trace. Its legal operations are performed; its illegal ones, and one
 *    after every few legal ones, are mistakes of the table below, made by each operation that takes
 *    a pointer. The model here knows only the blocks that are live and those that were.
 *
 * 2. What has to hold. A level promises to find some mistakes (a row of `levels`). Each of these
 *    is reported exactly once: with the right code, the operation, the pointer, the block that
 *    holds it and the claimed size; the operation answers as one that failed, keeps what errno it
 *    has to, and has no effect: the heap is sound, with as many live blocks, whose edges are as
 *    they were. A legal operation is never reported. What a level does not promise is not done: it
 *    would be the program's own undefined behaviour.
 *
 * 3. Which code. Inside a live block, not at its start: an interior pointer. Outside the region: a
 *    foreign one. In a block that was freed while nothing came after: a double free. Else what was
 *    there may have been cut anew, and the heap says what lies at the address now
 *    (ashlar_heap_find): the report has to agree with it.
 */
#include "harness.h"

#include <errno.h>
#include <string.h>

enum {
    OPS_MAX = 2048,
    SLOTS = ASHLAR_RAW_SLOTS,
    EVERY = 8,
    REGION_MIB = 64,
    ERRNO_MARK = 4242,
    PAGE_BYTES = 65536
};

enum mistake { DOUBLE, INTERIOR, FOREIGN, WRONG_SIZE, MISTAKES };

/* What each level promises: the code of a mistake's report, NONE when it may go unseen. */
struct level {
    const char *name;
    enum ashlar_finding_code promised[MISTAKES];
};
static const struct level levels[] = {
    {"fast",
     {[DOUBLE] = ASHLAR_MISUSE_DOUBLE_FREE,
      [INTERIOR] = ASHLAR_MISUSE_INTERIOR,
      [FOREIGN] = ASHLAR_MISUSE_FOREIGN,
      [WRONG_SIZE] = ASHLAR_MISUSE_SIZE}},
};

struct slot {
    uintptr_t address; /* 0: nothing was ever there */
    size_t requested, usable, alignment;
    uint64_t freed_at; /* the count of changes then */
    bool live;
    uint8_t mark; /* its first and last byte */
};

struct scene {
    const struct ashlar_target *target;
    void *instance;
    uint32_t threads;
    struct slot slots[SLOTS];
    uint64_t live, changes;
    struct slot *last_freed; /* NULL: none */
    uint64_t reports;
    struct ashlar_misuse misuse; /* the first since the last operation began */
    uintptr_t start, end;        /* the region */
    struct ash_fuzz_outcome *outcome;
    const char *wrong; /* what did not hold; NULL: nothing yet */
    const struct level *level;
};
static struct scene scene;

static void on_misuse(void *context, const struct ashlar_misuse *misuse) {
    struct scene *s = context;
    if (s->reports++ == 0) s->misuse = *misuse;
}

/* Notes the first thing that does not hold. */
static bool expect(struct scene *s, bool holds, const char *what) {
    if (!holds && s->wrong == NULL) s->wrong = what;
    return holds;
}

static void mark(struct slot *slot) {
    if (slot->usable == 0) return;
    *(uint8_t *)slot->address = slot->mark;
    *(uint8_t *)(slot->address + slot->usable - 1) = slot->mark;
}
static bool marked(const struct slot *slot) {
    return slot->usable == 0 ||
           (*(const uint8_t *)slot->address == slot->mark &&
            *(const uint8_t *)(slot->address + slot->usable - 1) == slot->mark);
}

static struct slot *live_block_at(struct scene *s, uintptr_t address) {
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &s->slots[i];
        bool in = slot->live && address - slot->address < (slot->usable ? slot->usable : 1);
        if (in) return slot;
    }
    return NULL;
}

/* Legal operations. */

static void place(struct scene *s, struct slot *slot, void *block, const struct ashlar_op *op) {
    s->changes++;
    if (block == NULL) return;
    s->live += !slot->live;
    *slot = (struct slot){.address = (uintptr_t)block, .live = true, .mark = (uint8_t)s->changes};
    slot->requested = op->kind == ASHLAR_OP_CALLOC ? op->size * op->arg : op->size;
    slot->alignment = op->kind == ASHLAR_OP_ALIGNED ? op->arg : 0;
    slot->usable = s->target->usable_size(s->instance, op->thread, block);
    mark(slot);
}
static void drop(struct scene *s, struct slot *slot) {
    slot->live = false;
    slot->freed_at = ++s->changes;
    s->last_freed = slot;
    s->live--;
}
static void resize(struct scene *s, struct slot *slot, const struct ashlar_op *op) {
    void *old = slot->live ? (void *)slot->address : NULL;
    void *block = s->target->realloc(s->instance, op->thread, old, op->size);
    if (old != NULL && op->size == 0) {
        drop(s, slot);
    } else if (block != NULL) {
        place(s, slot, block, op);
    }
}
static void reset(struct scene *s) {
    s->target->reset(s->instance);
    for (size_t i = 0; i < SLOTS; i++)
        if (s->slots[i].live) drop(s, &s->slots[i]);
}

/* False: it means nothing here, and is skipped. */
static bool legal_on_slot(struct scene *s, struct slot *slot, const struct ashlar_op *op) {
    const struct ashlar_target *t = s->target;
    bool allocates = op->kind <= ASHLAR_OP_ALIGNED && op->kind != ASHLAR_OP_REALLOC;
    if (op->kind != ASHLAR_OP_REALLOC && allocates == slot->live) return false;
    switch (op->kind) {
    case ASHLAR_OP_MALLOC:
        place(s, slot, t->malloc(s->instance, op->thread, op->size), op);
        return true;
    case ASHLAR_OP_CALLOC:
        place(s, slot, t->calloc(s->instance, op->thread, op->arg, op->size), op);
        return true;
    case ASHLAR_OP_ALIGNED:
        place(s, slot, t->aligned_alloc(s->instance, op->thread, op->arg, op->size), op);
        return true;
    case ASHLAR_OP_REALLOC:
        resize(s, slot, op);
        return true;
    case ASHLAR_OP_FREE:
        expect(s, marked(slot), "a live block's content is kept");
        t->free(s->instance, op->thread, (void *)slot->address);
        drop(s, slot);
        return true;
    case ASHLAR_OP_FREE_SIZED:
        t->free_sized(s->instance, op->thread, (void *)slot->address, slot->alignment,
                      slot->requested);
        drop(s, slot);
        return true;
    default:
        return false;
    }
}
static bool legal(struct scene *s, const struct ashlar_op *op) {
    const struct ashlar_target *t = s->target;
    switch (op->kind) {
    case ASHLAR_OP_TRIM:
        t->trim(s->instance, op->thread);
        break;
    case ASHLAR_OP_COLLECT:
        t->collect(s->instance, op->thread);
        break;
    case ASHLAR_OP_THREAD_EXIT:
        t->thread_exit(s->instance, op->thread);
        break;
    case ASHLAR_OP_CLOCK:
        t->advance_clock(s->instance, op->arg);
        break;
    case ASHLAR_OP_RESET:
        reset(s);
        break;
    default:
        return legal_on_slot(s, &s->slots[op->slot % SLOTS], op);
    }
    s->changes++;
    return true;
}

/* Mistakes. */

struct blunder {
    enum mistake mistake;
    uintptr_t pointer;
    size_t claimed, alignment;    /* of a sized free */
    const struct slot *block;     /* live, that holds the pointer; NULL: none */
    const struct slot *untouched; /* freed, and nothing happened since */
};

/* How a pointer can be used wrongly. Each answers whether the result is that of a failure. */
static bool by_free(struct scene *s, uint32_t thread, const struct blunder *b) {
    errno = ERRNO_MARK;
    s->target->free(s->instance, thread, (void *)b->pointer);
    return errno == ERRNO_MARK;
}
static bool by_free_sized(struct scene *s, uint32_t thread, const struct blunder *b) {
    errno = ERRNO_MARK;
    s->target->free_sized(s->instance, thread, (void *)b->pointer, b->alignment, b->claimed);
    return errno == ERRNO_MARK;
}
static bool by_realloc(struct scene *s, uint32_t thread, const struct blunder *b) {
    errno = 0;
    return s->target->realloc(s->instance, thread, (void *)b->pointer, 1 + b->claimed % 5000) ==
               NULL &&
           errno == EINVAL;
}
static bool by_realloc_to_nothing(struct scene *s, uint32_t thread, const struct blunder *b) {
    errno = 0;
    return s->target->realloc(s->instance, thread, (void *)b->pointer, 0) == NULL &&
           errno == EINVAL;
}
static bool by_usable_size(struct scene *s, uint32_t thread, const struct blunder *b) {
    return s->target->usable_size(s->instance, thread, (void *)b->pointer) == 0;
}
static const struct way {
    const char *operation;
    bool (*use)(struct scene *s, uint32_t thread, const struct blunder *blunder);
} ways[] = {
    {"free", by_free},
    {"free_sized", by_free_sized},
    {"realloc", by_realloc},
    {"realloc", by_realloc_to_nothing},
    {"usable_size", by_usable_size},
};
enum { WAYS = sizeof ways / sizeof *ways, WAY_SIZED = 1 };

/* What the report must say. */
struct promise {
    enum ashlar_finding_code code;
    uintptr_t block;
    size_t bytes;
    bool any_code; /* of pages that hold no block: what was there is not known here */
};
static struct promise promise_of(struct scene *s, const struct blunder *b) {
    const enum ashlar_finding_code *codes = s->level->promised;
    struct ashlar_block found;
    struct promise none = {.code = codes[FOREIGN]};
    if (b->mistake == WRONG_SIZE || b->block != NULL)
        return (struct promise){codes[b->mistake == WRONG_SIZE ? WRONG_SIZE : INTERIOR],
                                b->block->address, b->block->usable, false};
    if (b->pointer - s->start >= s->end - s->start) return none;
    if (!ashlar_heap_find(s->target->heap(s->instance), b->pointer, &found)) {
        none.any_code = b->untouched == NULL;
        none.code = b->untouched != NULL ? codes[DOUBLE] : none.code;
        return none;
    }
    return (struct promise){codes[found.address == b->pointer ? DOUBLE : INTERIOR], found.address,
                            found.bytes, false};
}

static void judge(struct scene *s, const struct way *way, const struct blunder *b,
                  const struct promise *promise, bool failed) {
    const struct ashlar_misuse *m = &s->misuse;
    struct ashlar_check_report report;
    bool sized = b->mistake == WRONG_SIZE;
    if (!expect(s, s->reports != 0, "the mistake is reported")) return;
    expect(s, s->reports == 1, "it is reported once");
    bool right = m->code == promise->code;
    for (int i = 0; promise->any_code && i < WRONG_SIZE; i++)
        right |= m->code == s->level->promised[i];
    expect(s, right, "the code is right");
    expect(s, strcmp(m->operation, way->operation) == 0, "the operation is named");
    expect(s, m->address == b->pointer, "the pointer is the one passed");
    expect(s, m->block == promise->block && m->block_bytes == promise->bytes,
           "the block that holds it is named");
    expect(s, m->claimed_bytes == (sized ? b->claimed : 0), "the claimed size is named");
    expect(s, failed, "the operation answers as one that failed");
    enum ashlar_verdict verdict = s->target->check(s->instance, 0, NULL, NULL, &report);
    expect(s, verdict == ASHLAR_SOUND, "the heap is sound afterwards");
    expect(s, report.live_blocks == s->live, "as many blocks are live afterwards");
    if (b->block != NULL) expect(s, marked(b->block), "the block's content is as it was");
    s->outcome->misuses++;
}

static void blunder(struct scene *s, uint32_t thread, size_t way, struct blunder *b) {
    if (b->pointer == 0) return;
    if (b->mistake != WRONG_SIZE) {
        b->block = live_block_at(s, b->pointer);
        if (b->block != NULL && b->block->address == b->pointer) return; /* it is legal */
    } else {
        way = WAY_SIZED;
    }
    struct promise promise = promise_of(s, b);
    if (s->level->promised[b->mistake] == ASHLAR_FINDING_NONE) return;
    s->reports = 0;
    bool failed = ways[way % WAYS].use(s, thread, b);
    judge(s, &ways[way % WAYS], b, &promise, failed);
    s->reports = 0;
}

/* A slot in the state, from a given one on. */
static struct slot *find_slot(struct scene *s, size_t from, bool live) {
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &s->slots[(from + i) % SLOTS];
        if (slot->address != 0 && slot->live == live) return slot;
    }
    return NULL;
}

static uintptr_t foreign_place(struct scene *s, uint64_t number) {
    static char object[64];
    const uintptr_t places[] = {
        (uintptr_t)object + 16,
        (uintptr_t)&number & ~(uintptr_t)15,
        16,
        UINTPTR_MAX - 15,
        (uintptr_t)0xdeadbeefcafe0,
        s->start - 16,
        s->end,
        s->end + (UINT64_C(1) << 32),
        (uintptr_t)ashlar_heap_root(s->target->heap(s->instance)),
        (uintptr_t)s,
    };
    return places[number % (sizeof places / sizeof *places)];
}

/* A size that is less wrong: a class or a page off, or half, or twice. */
static size_t size_nearby(size_t bytes, uint64_t draw) {
    const size_t sizes[] = {bytes / 2,          bytes * 2,         bytes + 1,
                            bytes + PAGE_BYTES, bytes + bytes / 8, bytes - 1 - bytes / 8};
    return sizes[draw % (sizeof sizes / sizeof *sizes)];
}
/* Blocks of both sizes are the same to the heap: of one class, or of as many pages. */
static bool served_alike(size_t a, size_t b) {
    uint32_t class_index = ashlar_class_of(a);
    if (class_index != ashlar_class_of(b)) return false;
    return class_index < ashlar_class_count() || (a - 1) / PAGE_BYTES == (b - 1) / PAGE_BYTES;
}

static void make_mistake(struct scene *s, enum mistake mistake, uint64_t draw, uint32_t thread) {
    struct blunder b = {.mistake = mistake, .claimed = (size_t)(draw >> 7) % 100000};
    struct slot *slot = find_slot(s, (size_t)(draw >> 3) % SLOTS, mistake != DOUBLE);
    /* What was freed last is what the heap has not looked at since. */
    bool last = mistake == DOUBLE && s->last_freed != NULL && !s->last_freed->live;
    if (last && (draw >> 50) % 2 == 0) slot = s->last_freed;
    if (mistake != FOREIGN && slot == NULL) return;
    switch (mistake) {
    case DOUBLE:
        b.pointer = slot->address;
        b.untouched = slot->freed_at == s->changes ? slot : NULL;
        break;
    case INTERIOR:
        if (slot->usable < 2) return;
        b.pointer = slot->address + 1 + (draw >> 9) % (slot->usable - 1);
        break;
    case FOREIGN:
        b.pointer = foreign_place(s, draw >> 5);
        break;
    default:
        if (slot->alignment != 0) return;
        b.pointer = slot->address;
        b.block = slot;
        if ((draw >> 33) % 2 == 0) b.claimed = size_nearby(slot->usable, draw >> 34);
        if (served_alike(b.claimed, slot->usable)) return;
        break;
    }
    blunder(s, thread, (size_t)draw % WAYS, &b);
}

static uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static void step(struct scene *s, const struct ashlar_op *op, size_t index) {
    static const enum mistake by_kind[] = {DOUBLE, INTERIOR, FOREIGN, WRONG_SIZE};
    uint64_t draw = mix(op->arg * 31 + op->size * 7 + op->slot + (index << 20));
    uint32_t thread = (uint32_t)(draw >> 55) % s->threads; /* anyone's mistake */
    s->reports = 0;
    if (op->kind >= ASHLAR_OP_DOUBLE_FREE) {
        make_mistake(s, by_kind[(op->kind - ASHLAR_OP_DOUBLE_FREE) % MISTAKES], draw, thread);
        return;
    }
    bool ran = legal(s, op);
    expect(s, s->reports == 0, "a legal operation is not reported");
    s->outcome->ops += ran;
    s->outcome->skipped += !ran;
    if (index % EVERY == 0) make_mistake(s, (enum mistake)(draw >> 40) % MISTAKES, draw, thread);
}

static bool report(struct scene *s, const struct ashlar_trace *trace, size_t index,
                   const char *file) {
    char op[160];
    ashlar_op_text(&trace->ops[index], op, sizeof op);
    fprintf(
        stderr,
        "FINDING code=MISUSE layer=misuse operation=%zu\n  at level %s, with operation %zu (%s), "
        "this did not hold: %s\n  the report: %s in %s\ntrace:\n",
        index, s->level->name, index, op, s->wrong,
        s->misuse.code != 0 ? ashlar_finding_by_number(s->misuse.code)->code : "none",
        s->misuse.operation != NULL ? s->misuse.operation : "nothing");
    ashlar_trace_write(trace, stderr, ASHLAR_FORMAT_TEXT, false, NULL, NULL);
    fprintf(stderr, "replay it with: fuzz_misuse %s\n", file != NULL ? file : "FILE");
    return false;
}

static bool run_trace(const struct ashlar_trace *trace, const char *file,
                      struct ash_fuzz_outcome *outcome) {
    struct scene *s = &scene;
    memset(s, 0, sizeof *s);
    s->target = &ashlar_target_core;
    s->level = &levels[0];
    s->outcome = outcome;
    s->threads = trace->threads;
    struct ashlar_target_config config = {.heap = trace->heap,
                                          .heap_kib = trace->heap_kib,
                                          .threads = trace->threads,
                                          .exact_trim = true,
                                          .on_misuse = on_misuse,
                                          .context = s};
    outcome->failure = s->target->create(s->target, &config, &s->instance);
    if (outcome->failure != ASHLAR_OK) return true;
    s->target->region(s->instance, &s->start, &s->end);
    bool fine = true;
    for (size_t i = 0; fine && i < trace->count; i++) {
        step(s, &trace->ops[i], i);
        if (s->wrong != NULL) fine = report(s, trace, i, file);
    }
    s->target->destroy(s->instance);
    return fine;
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    bool fine = true;
    if (ashlar_trace_decode_raw(data, size, OPS_MAX, &trace)) {
        bool large = trace.heap_kib == 0 || trace.heap_kib > REGION_MIB;
        if (trace.heap == ASHLAR_HEAP_RESERVED && large) trace.heap_kib = REGION_MIB;
        fine = run_trace(&trace, file, outcome);
    }
    ashlar_trace_free(&trace);
    return fine;
}

const struct ash_harness ash_harness = {.name = "fuzz_misuse", .run = run};
