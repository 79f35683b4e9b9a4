/* The minimiser: the smallest trace that still shows the same thing.
 *
 * 1. Method. Delta debugging over operations (Zeller and Hildebrandt, "Simplifying and isolating
 *    failure-inducing input", 2002): remove ever smaller pieces as long as the predicate holds.
 *    The last pieces are single operations, tried until none can go, so the result is 1-minimal in
 *    its operations. Since operations on slots in the wrong state are skipped, every subsequence is
 *    a valid trace, and there are no dependencies to repair.
 * 2. Then simpler values: one thread, few slots with low numbers, small sizes, plain arguments, a
 *    simpler kind of the same sort (realloc of nothing is malloc). Each change stands alone and is
 *    kept only if the predicate holds. Changed values can make more operations superfluous, so all
 *    steps repeat until none of them helps.
 * 3. Values shrink towards 0 by a list of candidates per value: the simplest first, then a binary
 *    search between what fails and what does not. The search assumes that smaller is simpler, not
 *    that the predicate is monotone: whatever it ends with has been tested.
 * 4. Bounds. Every test counts against max_tests; when they are used up the best trace so far
 *    stands. Order is fixed, so the result is deterministic.
 * 5. Memory. Two copies of the trace, made at the start; when there is no memory for them, nothing
 *    is changed.
 */
#include "trace/oracle.h"

#include <stdlib.h>
#include <string.h>

struct search {
    struct ashlar_trace *best;     /* the caller's: always still fails */
    struct ashlar_trace candidate; /* what is tried; as large as best */
    ashlar_trace_predicate *still_fails;
    void *context;
    size_t tests, max_tests;
};

static bool exhausted(const struct search *search) {
    return search->tests >= search->max_tests;
}

static void copy_header(struct ashlar_trace *to, const struct ashlar_trace *from) {
    to->slots = from->slots;
    to->threads = from->threads;
    to->heap = from->heap;
    to->heap_kib = from->heap_kib;
    to->seed = from->seed;
}

/* The candidate starts as the best trace. */
static struct ashlar_trace *begin(struct search *search) {
    struct ashlar_trace *candidate = &search->candidate;
    const struct ashlar_trace *best = search->best;
    if (best->count > 0) memcpy(candidate->ops, best->ops, best->count * sizeof best->ops[0]);
    candidate->count = best->count;
    copy_header(candidate, best);
    return candidate;
}

/* Whether the candidate still fails; if so it is the best from now on. */
static bool accept(struct search *search) {
    struct ashlar_trace *best = search->best, *candidate = &search->candidate;
    if (exhausted(search)) return false;
    search->tests++;
    if (!search->still_fails(search->context, candidate)) return false;
    if (candidate->count > 0)
        memcpy(best->ops, candidate->ops, candidate->count * sizeof best->ops[0]);
    best->count = candidate->count;
    copy_header(best, candidate);
    return true;
}

static bool try_without(struct search *search, size_t from, size_t count) {
    struct ashlar_trace *candidate = &search->candidate;
    const struct ashlar_trace *best = search->best;
    size_t behind = best->count - from - count;
    copy_header(candidate, best);
    memcpy(candidate->ops, best->ops, from * sizeof best->ops[0]);
    memcpy(candidate->ops + from, best->ops + from + count, behind * sizeof best->ops[0]);
    candidate->count = from + behind;
    return accept(search);
}

/* One pass with pieces of `piece` operations, from the end: what comes after the failing operation
 * goes first. */
static bool remove_pieces(struct search *search, size_t piece) {
    bool any = false;
    for (size_t end = search->best->count; end > 0 && !exhausted(search);) {
        size_t from = end > piece ? end - piece : 0;
        any |= try_without(search, from, end - from);
        end = from;
    }
    return any;
}

static bool reduce_ops(struct search *search) {
    size_t before = search->best->count;
    for (size_t piece = (before + 1) / 2; piece > 1; piece /= 2) {
        while (remove_pieces(search, piece) && search->best->count > piece) {
        }
        if (piece > search->best->count) piece = search->best->count;
    }
    while (remove_pieces(search, 1)) {
    }
    return search->best->count < before;
}

/* Makes slots dense, in order of their first use. Always the same trace but for the numbers; still
 * tested, since patterns depend on the slot. */
static bool renumber(struct search *search) {
    struct ashlar_trace *candidate = begin(search);
    uint32_t *numbers = calloc(candidate->slots + 1, sizeof *numbers);
    uint32_t next = 0;
    bool changed = false;
    if (numbers == NULL) return false;
    for (size_t i = 0; i < candidate->count; i++) {
        uint32_t *number = &numbers[candidate->ops[i].slot];
        if (*number == 0) *number = ++next;
        changed |= candidate->ops[i].slot != *number - 1;
        candidate->ops[i].slot = *number - 1;
    }
    free(numbers);
    changed |= candidate->slots != next;
    candidate->slots = next;
    return changed && accept(search);
}

static bool merge_slots(struct search *search) {
    bool any = false;
    for (uint32_t from = search->best->slots; from-- > 1 && !exhausted(search);) {
        for (uint32_t to = 0; to < from && !exhausted(search); to++) {
            struct ashlar_trace *candidate = begin(search);
            bool used = false;
            for (size_t i = 0; i < candidate->count; i++) {
                if (candidate->ops[i].slot != from) continue;
                candidate->ops[i].slot = to;
                used = true;
            }
            if (!used) break;
            if (accept(search)) {
                any = true;
                break;
            }
        }
    }
    return any;
}

static bool merge_threads(struct search *search) {
    bool any = false;
    struct ashlar_trace *candidate = begin(search);
    for (size_t i = 0; i < candidate->count; i++) candidate->ops[i].thread = 0;
    candidate->threads = 1;
    if (search->best->threads <= 1) return false;
    if (accept(search)) return true;
    for (uint32_t from = search->best->threads; from-- > 1 && !exhausted(search);) {
        candidate = begin(search);
        bool used = false;
        for (size_t i = 0; i < candidate->count; i++) {
            used |= candidate->ops[i].thread == from;
            if (candidate->ops[i].thread == from) candidate->ops[i].thread = 0;
        }
        if (from + 1 == candidate->threads) candidate->threads = from;
        if (used || candidate->threads != search->best->threads) any |= accept(search);
    }
    return any;
}

/* Makes threads dense, in order of their first use. */
static bool renumber_threads(struct search *search) {
    struct ashlar_trace *candidate = begin(search);
    uint32_t numbers[UINT8_MAX + 1] = {0}, next = 0;
    bool changed = false;
    for (size_t i = 0; i < candidate->count; i++) {
        uint32_t *number = &numbers[candidate->ops[i].thread];
        if (*number == 0) *number = ++next;
        changed |= candidate->ops[i].thread != *number - 1;
        candidate->ops[i].thread = (uint8_t)(*number - 1);
    }
    if (next == 0) next = 1;
    changed |= candidate->threads != next;
    candidate->threads = next;
    return changed && accept(search);
}

/* Single operations to thread 0. */
static bool simplify_threads(struct search *search) {
    bool any = false;
    for (size_t i = 0; i < search->best->count && !exhausted(search); i++) {
        if (search->best->ops[i].thread == 0) continue;
        begin(search)->ops[i].thread = 0;
        any |= accept(search);
    }
    return any;
}

static uint64_t *field_of(struct ashlar_op *op, bool arg) {
    return arg ? &op->arg : &op->size;
}

static bool try_value(struct search *search, size_t index, bool arg, uint64_t value) {
    *field_of(&begin(search)->ops[index], arg) = value;
    return accept(search);
}

/* One value towards 0: plain values first, then halving the way to the largest that does not do. */
static bool shrink_value(struct search *search, size_t index, bool arg) {
    static const uint64_t plain[] = {0, 1, 16, 64, 1024, 4096, 65536};
    uint64_t value = *field_of(&search->best->ops[index], arg), low = 0;
    bool any = false;
    for (size_t i = 0; i < sizeof plain / sizeof plain[0] && plain[i] < value; i++) {
        if (exhausted(search)) return any;
        if (try_value(search, index, arg, plain[i])) return true;
        low = plain[i];
    }
    for (uint64_t high = value; high - low > 1 && !exhausted(search);) {
        uint64_t middle = low + (high - low) / 2;
        if (try_value(search, index, arg, middle)) {
            high = middle;
            any = true;
        } else {
            low = middle;
        }
    }
    return any;
}

static bool shrink_values(struct search *search) {
    bool any = false;
    for (size_t i = 0; i < search->best->count && !exhausted(search); i++) {
        if (search->best->ops[i].size != 0) any |= shrink_value(search, i, false);
        if (search->best->ops[i].arg != 0) any |= shrink_value(search, i, true);
    }
    return any;
}

/* The simpler kind of the same sort, if there is one. */
static enum ashlar_op_kind simpler(enum ashlar_op_kind kind) {
    if (kind == ASHLAR_OP_FREE_SIZED) return ASHLAR_OP_FREE;
    bool allocates =
        kind == ASHLAR_OP_CALLOC || kind == ASHLAR_OP_REALLOC || kind == ASHLAR_OP_ALIGNED;
    return allocates ? ASHLAR_OP_MALLOC : kind;
}

static bool simplify_kinds(struct search *search) {
    bool any = false;
    for (size_t i = 0; i < search->best->count && !exhausted(search); i++) {
        enum ashlar_op_kind kind = search->best->ops[i].kind, wanted = simpler(kind);
        if (wanted == kind) continue;
        struct ashlar_op *op = &begin(search)->ops[i];
        uint64_t product = op->size;
        if (kind == ASHLAR_OP_CALLOC && __builtin_mul_overflow(op->size, op->arg, &product))
            continue;
        op->kind = (uint8_t)wanted;
        op->size = product;
        op->arg = 0;
        any |= accept(search);
    }
    return any;
}

/* A heap in memory of the smallest size, and a plain seed. */
static bool simplify_header(struct search *search) {
    bool any = false;
    const struct ashlar_trace *best = search->best;
    if (best->seed != 0) {
        begin(search)->seed = 0;
        any |= accept(search);
    }
    if (best->heap != ASHLAR_HEAP_IN_MEMORY || best->heap_kib != 1024) {
        struct ashlar_trace *candidate = begin(search);
        candidate->heap = ASHLAR_HEAP_IN_MEMORY;
        candidate->heap_kib = 1024;
        any |= accept(search);
    }
    return any;
}

size_t ashlar_minimize(struct ashlar_trace *trace, ashlar_trace_predicate *still_fails,
                       void *context, size_t max_tests) {
    struct search search = {
        .best = trace, .still_fails = still_fails, .context = context, .max_tests = max_tests};
    if (!ashlar_trace_copy(&search.candidate, trace)) return 0;
    for (bool better = true; better && !exhausted(&search);) {
        better = reduce_ops(&search);
        better |= renumber(&search);
        better |= merge_threads(&search);
        better |= simplify_threads(&search);
        better |= renumber_threads(&search);
        better |= merge_slots(&search);
        better |= simplify_kinds(&search);
        better |= shrink_values(&search);
        better |= simplify_header(&search);
    }
    ashlar_trace_free(&search.candidate);
    return search.tests;
}
