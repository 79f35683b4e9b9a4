/* Patterns of small blocks in which each thread works on its own. */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

void one_block(struct worker *worker) {
    for (uint64_t i = 0; i < worker->operations; i++) {
        void *block = must(malloc(next_step(worker)->bytes));
        touch(block, i);
        free(block);
    }
}

static void fill(struct worker *worker) {
    uint32_t live = worker->pattern->live;
    for (uint32_t i = 0; i < live; i++) {
        worker->slots[i] = must(malloc(next_step(worker)->bytes));
        touch(worker->slots[i], i);
    }
}

static void drain(struct worker *worker) {
    for (uint32_t i = 0; i < worker->pattern->live; i++) free(worker->slots[i]);
}

void batch(struct worker *worker) {
    for (uint64_t done = 0; done < worker->operations; done += worker->pattern->live) {
        fill(worker);
        drain(worker);
    }
}

void batch_reverse(struct worker *worker) {
    for (uint64_t done = 0; done < worker->operations; done += worker->pattern->live) {
        fill(worker);
        for (uint32_t i = worker->pattern->live; i > 0; i--) free(worker->slots[i - 1]);
    }
}

void batch_shuffled(struct worker *worker) {
    for (uint64_t done = 0; done < worker->operations; done += worker->pattern->live) {
        fill(worker);
        for (uint32_t i = 0; i < worker->pattern->live; i++)
            free(worker->slots[worker->shuffled[i]]);
    }
}

void churn(struct worker *worker) {
    fill(worker);
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        free(worker->slots[step->slot]);
        worker->slots[step->slot] = must(malloc(step->bytes));
        touch(worker->slots[step->slot], i);
    }
    drain(worker);
}

/* Most blocks die young: of 64 blocks 58 live for 64 more of their kind, 5 for 4,096 and one for
 * 65,536. Each kind is a ring whose oldest block goes when a new one comes. */
void lifetimes(struct worker *worker) {
    enum { KINDS = 3 };
    static const uint32_t ring_blocks[KINDS] = {64, 4096, 65536};
    uint32_t at[KINDS] = {0, 0, 0};
    void **ring[KINDS] = {worker->slots, worker->slots + 64, worker->slots + 64 + 4096};
    for (uint64_t i = 0; i < worker->operations; i++) {
        const struct step *step = next_step(worker);
        uint32_t lot = step->slot & 63;
        uint32_t kind = lot == 0 ? 2 : lot < 6 ? 1 : 0;
        void **slot = &ring[kind][at[kind]];
        at[kind] = (at[kind] + 1) % ring_blocks[kind];
        free(*slot);
        *slot = must(malloc(step->bytes));
        touch(*slot, i);
    }
    for (uint32_t i = 0; i < worker->pattern->live; i++) free(worker->slots[i]);
}

/* A program whose sizes change: each phase allocates 32 MiB of blocks that are four times as large
 * as those of the phase before, 16 to 32 bytes first and 4 to 8 KiB last, then frees all but every
 * sixteenth, which live until the next phase's end. Memory that the survivors pin is what is
 * looked at. */
void phases(struct worker *worker) {
    enum { PHASES = 5, PHASE_BYTES = 32 << 20, KEPT = 16 };
    uint32_t half = worker->pattern->live / 2, before = 0;
    uint64_t done = 0;
    for (unsigned phase = 0; done < worker->operations; phase = (phase + 1) % PHASES) {
        uint32_t least = 16U << (2 * phase), count = PHASE_BYTES / (least + least / 2);
        void **young = worker->slots, **old = worker->slots + half;
        for (uint32_t i = 0; i < count; i++) {
            young[i] = must(malloc(least + next_step(worker)->bytes % least));
            touch(young[i], i);
        }
        done += count;
        for (uint32_t i = 0; i < before; i++) free(old[i]);
        before = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (i % KEPT == 0)
                old[before++] = young[i];
            else
                free(young[i]);
        }
    }
    for (uint32_t i = 0; i < before; i++) free(worker->slots[half + i]);
}

/* Immutable numbers of any length, as interpreters and computer algebra have them: every result is
 * a new block of 16 to 72 bytes, and what went into it is freed at once. */
struct number {
    uint32_t digits, digit[16];
};

static struct number *new_number(uint32_t digits) {
    struct number *number =
        must(malloc(offsetof(struct number, digit) + digits * sizeof(uint32_t)));
    number->digits = digits;
    return number;
}

static struct number *product(const struct number *number, uint32_t factor) {
    struct number *result = new_number(number->digits + 1);
    uint64_t carry = 0;
    for (uint32_t i = 0; i < number->digits; i++) {
        carry += (uint64_t)number->digit[i] * factor;
        result->digit[i] = (uint32_t)carry;
        carry >>= 32;
    }
    result->digit[number->digits] = (uint32_t)carry;
    return result;
}

/* The sum, without leading zeros and of 15 digits at most. */
static struct number *sum(const struct number *a, const struct number *b) {
    const struct number *longer = a->digits >= b->digits ? a : b;
    const struct number *shorter = longer == a ? b : a;
    uint32_t digits = longer->digits;
    while (digits > 1 && longer->digit[digits - 1] == 0) digits--;
    if (digits > 15) digits = 2; /* begin again with small ones */
    struct number *result = new_number(digits);
    uint64_t carry = 0;
    for (uint32_t i = 0; i < digits; i++) {
        carry += (uint64_t)longer->digit[i] + (i < shorter->digits ? shorter->digit[i] : 0);
        result->digit[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return result;
}

void numbers(struct worker *worker) {
    struct number *last = new_number(1), *next = new_number(1);
    last->digit[0] = 0;
    next->digit[0] = 1;
    for (uint64_t i = 2; i < worker->operations; i += 2) {
        struct number *multiple = product(next, next_step(worker)->bytes | 1U << 16);
        struct number *both = sum(multiple, last);
        free(multiple);
        free(last);
        last = next;
        next = both;
    }
    free(last);
    free(next);
}

/* Binary trees, built and taken down, while one large tree lives. */
struct node {
    struct node *left, *right;
    uint64_t value;
};

static struct node *grow_tree(unsigned depth) {
    struct node *node = must(malloc(sizeof *node));
    node->value = depth;
    node->left = depth == 0 ? NULL : grow_tree(depth - 1);
    node->right = depth == 0 ? NULL : grow_tree(depth - 1);
    return node;
}

static void fell_tree(struct node *node) {
    if (node->left != NULL) fell_tree(node->left);
    if (node->right != NULL) fell_tree(node->right);
    free(node);
}

void trees(struct worker *worker) {
    enum { LASTING_DEPTH = 17, LEAST_DEPTH = 4, MOST_DEPTH = 14 };
    struct node *lasting = grow_tree(LASTING_DEPTH);
    uint64_t done = (UINT64_C(2) << LASTING_DEPTH) - 1;
    for (unsigned depth = LEAST_DEPTH; done < worker->operations;
         depth = depth == MOST_DEPTH ? LEAST_DEPTH : depth + 1) {
        /* as many nodes of each depth */
        for (unsigned i = 0; i < 1U << (MOST_DEPTH - depth); i++) {
            fell_tree(grow_tree(depth));
            done += (UINT64_C(2) << depth) - 1;
        }
    }
    fell_tree(lasting);
}
