/* Generates operations that break allocators.
 *
 * 1. Sizes. Bugs of allocators sit on edges: where a class ends, where a page ends, where a sum
 *    wraps. Sizes drawn evenly from 0..2^64 hit none of them, and nearly all fail to allocate. So a
 *    size is drawn as an edge and a small distance from it: a class size, a multiple of a page, a
 *    power of two, and (rarely) the ends of the number range. The small classes are the most
 *    frequent, as in real programs. What is drawn above `size_limit` is drawn again below it, but
 *    for the absurd sizes: else a heap of 1 MiB would be exhausted all the time, and an exhausted
 *    heap reaches few paths.
 *
 * 2. Operations. The mix is a table of weights. It allocates a little more often than it frees;
 *    since operations on slots in the wrong state are skipped, the heap fills to a state in which
 *    about half of the slots are live, whatever the number of slots.
 *
 * 3. Determinism. All randomness comes from `state`, by splitmix64 (Steele, Lea and Flood, "Fast
 *    splittable pseudorandom number generators", 2014): the same state gives the same operations on
 *    every machine.
 *
 * The class sizes are spelled out here as a rule (multiples of 16 to 128, then four per doubling,
 * above 8 KiB 256 bytes more as often as not) because a trace knows no heap; most of it is a rule
 * that many allocators share.
 */
#include "trace/model.h"

static uint64_t draw(struct ashlar_generator *generator) {
    uint64_t z = generator->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* 0..bound-1; `bound` is not 0. The high half of a product is even enough, and costs no division.
 */
static uint64_t draw_below(struct ashlar_generator *generator, uint64_t bound) {
    return (uint64_t)(((unsigned __int128)draw(generator) * bound) >> 64);
}

static uint64_t class_size(struct ashlar_generator *generator) {
    if (draw_below(generator, 2)) return 16 * (1 + draw_below(generator, 8));
    unsigned doubling = 7 + (unsigned)draw_below(generator, 9); /* 128 .. 32 KiB */
    uint64_t step = draw_below(generator, 5), bytes = step << (doubling - 2);
    bool skewed = doubling >= 13 && step % 4 != 0 && draw_below(generator, 2);
    return ((uint64_t)1 << doubling) + bytes + (skewed ? 256 : 0);
}

static uint64_t page_size(struct ashlar_generator *generator) {
    unsigned shift = draw_below(generator, 2) ? 12 : 16;
    return (1 + draw_below(generator, draw_below(generator, 4) ? 4 : 40)) << shift;
}

/* Sizes that no allocator can serve, and the sums of which wrap. */
static uint64_t absurd_size(struct ashlar_generator *generator) {
    uint64_t k = draw_below(generator, 4) ? draw_below(generator, 33)
                                          : draw_below(generator, (uint64_t)1 << 17);
    switch (draw_below(generator, 4)) {
    case 0:
        return UINT64_MAX - k;
    case 1:
        return (uint64_t)INT64_MAX - 1 + draw_below(generator, 4);
    case 2:
        return (uint64_t)INT64_MAX - k;
    default:
        return (uint64_t)1 << (32 + draw_below(generator, 32));
    }
}

/* An edge, and one of the sizes around it. */
static uint64_t sensible_size(struct ashlar_generator *generator) {
    uint64_t shape = draw_below(generator, 16), edge;
    if (shape < 4) return draw_below(generator, 256);
    if (shape < 10) {
        edge = class_size(generator);
    } else if (shape < 13) {
        edge = page_size(generator);
    } else if (shape < 15) {
        edge = (uint64_t)1 << draw_below(generator, 23);
        return edge + draw_below(generator, 17) - (edge > 8 ? 8 : 0);
    } else {
        return draw_below(generator, generator->size_limit ? generator->size_limit : 1);
    }
    return edge - 1 + draw_below(generator, 3);
}

uint64_t ashlar_generate_size(struct ashlar_generator *generator) {
    if (draw_below(generator, 64) == 0) return absurd_size(generator);
    for (unsigned attempt = 0; attempt < 4; attempt++) {
        uint64_t size = sensible_size(generator);
        if (size < generator->size_limit) return size;
    }
    return generator->size_limit ? draw_below(generator, generator->size_limit) : 0;
}

/* Element bytes and count: mostly a sensible product, sometimes one that wraps, to a small value
 * or to any. */
static void generate_calloc(struct ashlar_generator *generator, struct ashlar_op *op) {
    uint64_t choice = draw_below(generator, 32);
    op->size = 1 + draw_below(generator, 64);
    if (choice == 0) {
        /* 2^64 / size, rounded up: the product wraps to less than size */
        op->size += 1;
        op->arg = UINT64_MAX / op->size + 1;
    } else if (choice == 1) {
        op->size = (uint64_t)1 << (32 + draw_below(generator, 4));
        op->arg = ((uint64_t)1 << (28 + draw_below(generator, 8))) + draw_below(generator, 4);
    } else if (choice == 2) {
        op->size = draw_below(generator, 2);
        op->arg = ashlar_generate_size(generator);
    } else {
        uint64_t product = ashlar_generate_size(generator);
        op->arg = product / op->size;
        if (draw_below(generator, 4) == 0) {
            op->arg = op->size;
            op->size = product / op->arg;
        }
    }
}

static uint64_t generate_alignment(struct ashlar_generator *generator) {
    uint64_t choice = draw_below(generator, 32);
    if (choice == 0) return draw_below(generator, 2) ? 0 : 3 * (1 + draw_below(generator, 64));
    if (choice == 1) return absurd_size(generator);
    if (choice < 6) return (uint64_t)1 << (12 + draw_below(generator, 19));
    return (uint64_t)1 << draw_below(generator, 13);
}

/* Weights out of 1,000, legal ones first. The illegal ones apply when they are asked for. */
struct weight {
    uint8_t kind;
    uint16_t weight;
};
static const struct weight weights[] = {
    {ASHLAR_OP_MALLOC, 300},     {ASHLAR_OP_FREE, 300},   {ASHLAR_OP_REALLOC, 110},
    {ASHLAR_OP_CALLOC, 80},      {ASHLAR_OP_ALIGNED, 60}, {ASHLAR_OP_FREE_SIZED, 40},
    {ASHLAR_OP_USABLE, 20},      {ASHLAR_OP_FILL, 30},    {ASHLAR_OP_COLLECT, 15},
    {ASHLAR_OP_THREAD_EXIT, 10}, {ASHLAR_OP_TRIM, 10},    {ASHLAR_OP_CHECK, 5},
    {ASHLAR_OP_CLOCK, 10},       {ASHLAR_OP_FAULT, 8},    {ASHLAR_OP_RESET, 2},
};
enum { ILLEGAL_IN_256 = 10, STEPS_IN_256 = 64, STEP_POINTS = 24 };

static uint8_t generate_kind(struct ashlar_generator *generator) {
    if (generator->illegal && draw_below(generator, 256) < ILLEGAL_IN_256) {
        unsigned count = ASHLAR_OP_STEP - ASHLAR_OP_DOUBLE_FREE;
        return (uint8_t)(ASHLAR_OP_DOUBLE_FREE + draw_below(generator, count));
    }
    if (generator->steps && draw_below(generator, 256) < STEPS_IN_256) return ASHLAR_OP_STEP;
    uint64_t ticket = draw_below(generator, 1000);
    for (size_t i = 0; i < sizeof weights / sizeof weights[0]; i++) {
        if (ticket < weights[i].weight) return weights[i].kind;
        ticket -= weights[i].weight;
    }
    return ASHLAR_OP_MALLOC;
}

void ashlar_generate_op(struct ashlar_generator *generator, struct ashlar_op *out) {
    struct ashlar_op op = {.kind = generate_kind(generator)};
    op.thread = (uint8_t)(generator->threads > 1 ? draw_below(generator, generator->threads) : 0);
    op.slot = (uint32_t)(generator->slots > 1 ? draw_below(generator, generator->slots) : 0);
    switch ((enum ashlar_op_kind)op.kind) {
    case ASHLAR_OP_CALLOC:
        generate_calloc(generator, &op);
        break;
    case ASHLAR_OP_ALIGNED:
        op.arg = generate_alignment(generator);
        op.size = ashlar_generate_size(generator);
        break;
    case ASHLAR_OP_CLOCK:
        op.arg = draw_below(generator, 2000);
        break;
    case ASHLAR_OP_FAULT:
        op.arg = draw_below(generator, 9);
        break;
    case ASHLAR_OP_STEP:
        op.arg = 1 + draw_below(generator, STEP_POINTS);
        break;
    case ASHLAR_OP_FREE_INSIDE:
        op.arg = 1 + draw_below(generator, draw_below(generator, 2) ? 16 : 4096);
        break;
    case ASHLAR_OP_WRITE_PAST:
    case ASHLAR_OP_WRITE_STALE:
        op.arg = draw_below(generator, 2) ? 0 : draw_below(generator, 64);
        op.size = 1 + draw_below(generator, 16);
        break;
    case ASHLAR_OP_FREE_FOREIGN:
    case ASHLAR_OP_FLIP:
        op.arg = draw(generator);
        break;
    default:
        op.size = ashlar_generate_size(generator);
        break;
    }
    ash_op_normalise(&op);
    *out = op;
}
