/* Replaying: a trace's operations become calls of a target, and the oracle judges what comes back.
 *
 * Theory
 *
 * 1. One operation. Look at the slot; skip the operation when it means nothing in the slot's state
 *    or for this target; else set errno to a marker, call, and judge: the block handed out or the
 *    failure, errno, and the misuse reports that arrived meanwhile. A legal operation may cause
 *    none; an illegal one exactly the one that is promised (replay_illegal.c).
 * 2. Failure of an allocation. Some requests must fail (over PTRDIFF_MAX, wrapping products, bad
 *    alignments). Any other may, but for one kind: a request of at most 1 KiB, while no injected
 *    fault can explain the failure and the bound on what the heap holds leaves room. The bound
 *    (oracle.c) is generous, so that this check never cries wolf; a heap that loses pages is still
 *    found, when it has lost most of them. A target that counts the calls that failed says whether
 *    one of this operation did; of others, a fault explains one NULL, and is taken as spent only by
 *    a NULL that nothing else explains. The bound of oracle.c knows how the core lays out blocks;
 *    other heaps must serve while a sixteenth of them is live (a bad layout of blocks between 16
 *    bytes and 1 KiB costs first-fit a factor of six), and targets that are the whole process up to
 *    their capacity.
 * 3. After each operation: a part of one other live block is verified (upper tiers), the native
 *    O(1) check runs around the touched block, and the full one when it is due.
 * 4. The end: all contents, the native full check, the heap's own live blocks against the oracle's,
 *    and (unless the instance is kept) what destroy left mapped.
 * 5. Determinism. The same trace, options and target give the same calls and so the same finding:
 *    nothing depends on addresses, time or the replays before. (Targets that are the whole process
 *    are as deterministic as they are.)
 * 6. errno is the caller's: it is as before the replay when ashlar_replay returns.
 */
#include "trace/replay.h"
#include "trace/model.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum {
    ERRNO_MARK = 4242, /* no real error number */
    SURE_BYTES = 1024, /* requests up to here must not fail without a reason */
    HEADER_BYTES = 64, /* more than an allocator adds to a small block */
    FRAGMENTED = 16,   /* a heap whose blocks lie badly may be full with this part of it live */
};
#define PROCESS_BYTES (UINT64_C(64) << 20)
/* Targets that abort on exhaustion are not asked for more at once. */
#define ABORT_BYTES (UINT64_C(4) << 30)

static const char *code_name(enum ashlar_finding_code code) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    return info != NULL ? info->code : "none";
}

static void on_misuse(void *context, const struct ashlar_misuse *misuse) {
    struct ashlar_oracle *oracle = context;
    if (oracle->misuse_count++ == 0) oracle->misuse = *misuse;
}

static void on_native(void *context, const struct ashlar_finding *finding) {
    struct ash_replay *replay = context;
    if (replay->native.code == ASHLAR_FINDING_NONE) replay->native = *finding;
}

struct ash_slot *ash_replay_slot(struct ash_replay *replay, const struct ashlar_op *op) {
    return ash_oracle_slot(replay->oracle, op->slot);
}

uint32_t ash_replay_thread(const struct ash_replay *replay, const struct ashlar_op *op) {
    return op->thread < replay->trace->threads ? op->thread : 0;
}

/* Verdicts of allocation failures. */
enum expectation { MUST_FAIL_SIZE, MUST_FAIL_ALIGNMENT, MAY_FAIL, MUST_SUCCEED };

struct request {
    uint64_t bytes;
    uint64_t alignment; /* 0: none asked */
    bool overflow;      /* count * size wraps */
    bool aligned;
};

static bool absurd_size(const struct request *request) {
    return request->overflow || request->bytes > PTRDIFF_MAX;
}

/* Only an injected fault can explain that this small request fails. */
static bool surely_fits(const struct ash_replay *replay, const struct request *request) {
    if (request->bytes > SURE_BYTES || request->alignment > SURE_BYTES) return false;
    const struct ashlar_oracle *oracle = replay->oracle;
    bool process = (replay->target->flags & ASHLAR_TARGET_PROCESS_WIDE) != 0;
    if (process) return oracle->live_bytes < replay->heap_bytes;
    if (replay->target->heap != NULL) return ash_oracle_held_bytes(oracle) < replay->heap_bytes;
    uint64_t least = oracle->live_bytes + (uint64_t)oracle->live_count * HEADER_BYTES;
    return least < replay->heap_bytes / FRAGMENTED;
}

static bool refused_alignment(const struct ash_replay *replay, const struct request *request) {
    return request->aligned && (!ash_is_power_of_two(request->alignment) ||
                                request->alignment > replay->target->alignment_max);
}

/* A system call that failed meanwhile explains a NULL; where the target does not count them, one
 * that was to fail does. */
static bool fault_explains(const struct ash_replay *replay) {
    if (replay->target->failed == NULL) return replay->fault_armed;
    return replay->target->failed(replay->instance) != replay->failed;
}

static enum expectation expect(const struct ash_replay *replay, const struct request *request) {
    if (absurd_size(request)) return MUST_FAIL_SIZE;
    if (refused_alignment(replay, request)) return MUST_FAIL_ALIGNMENT;
    bool surely = surely_fits(replay, request) && !fault_explains(replay) && replay->alone;
    return surely ? MUST_SUCCEED : MAY_FAIL;
}

/* A bad alignment gives EINVAL, an absurd or unlucky size ENOMEM; both at once, either. Alignments
 * above an OS page are refused with either by allocators that we only know by name. */
static bool errno_fits(const struct ash_replay *replay, const struct request *request, int error) {
    bool lax =
        (replay->target->flags & ASHLAR_TARGET_PROCESS_WIDE) != 0 && request->alignment > 4096;
    bool bad_alignment = request->aligned && !ash_is_power_of_two(request->alignment);
    if (error == EINVAL) return lax || refused_alignment(replay, request);
    return error == ENOMEM && (!bad_alignment || absurd_size(request));
}

/* The target answered NULL. */
static enum ash_step judge_null(struct ash_replay *replay, const struct request *request,
                                int error) {
    struct ashlar_oracle *oracle = replay->oracle;
    uint32_t flags = replay->target->flags;
    bool zero = request->bytes == 0 && !request->overflow;
    enum expectation expected = expect(replay, request);
    if (zero && (flags & (ASHLAR_TARGET_ZERO_IS_NULL | ASHLAR_TARGET_ZERO_ANY)) != 0)
        return ASH_STEP_RUN;
    if (expected == MUST_SUCCEED)
        return ash_step(ash_oracle_fail(
            oracle, zero ? ASHLAR_ORACLE_ZERO_SIZE : ASHLAR_ORACLE_NULL, 0, request->bytes, 0,
            "expected a block of %llu bytes (%llu live bytes in %u blocks), found NULL",
            (unsigned long long)request->bytes, (unsigned long long)oracle->live_bytes,
            oracle->live_count));
    bool invalid = expected == MUST_FAIL_ALIGNMENT;
    if ((flags & ASHLAR_TARGET_SETS_ERRNO) != 0 && !errno_fits(replay, request, error))
        return ash_step(ash_oracle_fail(oracle, ASHLAR_ORACLE_ERRNO, 0, invalid ? EINVAL : ENOMEM,
                                        (uint64_t)error, "expected errno %s on failure, found %d%s",
                                        invalid ? "EINVAL" : "ENOMEM", error,
                                        error == ERRNO_MARK ? " (not set)" : ""));
    if (expected == MAY_FAIL && surely_fits(replay, request)) replay->fault_armed = false;
    return ASH_STEP_RUN;
}

/* The target answered a block; false: it must not have. */
static bool judge_block(struct ash_replay *replay, const struct request *request, void *block) {
    uint32_t flags = replay->target->flags;
    bool refused = refused_alignment(replay, request);
    if (absurd_size(request) || refused)
        return ash_oracle_fail(
            replay->oracle, ASHLAR_ORACLE_ABSURD, (uintptr_t)block, 0, request->bytes,
            "expected NULL for %llu bytes%s%s, found a block", (unsigned long long)request->bytes,
            request->overflow ? " (the product wraps)" : "", refused ? " at that alignment" : "");
    if (request->bytes == 0 && (flags & ASHLAR_TARGET_ZERO_IS_NULL) != 0)
        return ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_ZERO_SIZE, (uintptr_t)block, 0, 1,
                               "expected NULL for size 0, found a block");
    return true;
}

/* Absurd requests end a target that aborts on exhaustion. */
static bool not_tried(const struct ash_replay *replay, const struct request *request) {
    return (replay->target->flags & ASHLAR_TARGET_ABORTS_ON_EXHAUSTION) != 0 &&
           (request->overflow || request->bytes > ABORT_BYTES || request->alignment > ABORT_BYTES);
}

static enum ash_step finish_new(struct ash_replay *replay, const struct ashlar_op *op, void *block,
                                const struct request *request, int error) {
    if (replay->oracle->misuse_count != 0) return ASH_STEP_RUN; /* judged by the caller */
    if (block == NULL) return judge_null(replay, request, error);
    if (!judge_block(replay, request, block)) return ASH_STEP_FOUND;
    replay->touched = (uintptr_t)block;
    struct ash_wanted wanted = {.requested = request->bytes,
                                .alignment = request->alignment,
                                .zeroed = op->kind == ASHLAR_OP_CALLOC,
                                .thread = ash_replay_thread(replay, op)};
    return ash_step(ash_oracle_place(replay->oracle, op->slot, (uintptr_t)block, &wanted));
}

static enum ash_step op_malloc(struct ash_replay *replay, const struct ashlar_op *op) {
    struct request request = {.bytes = op->size};
    if (ash_replay_slot(replay, op)->state == ASH_SLOT_LIVE || not_tried(replay, &request))
        return ASH_STEP_SKIPPED;
    errno = ERRNO_MARK;
    void *block = replay->target->malloc(replay->instance, ash_replay_thread(replay, op), op->size);
    return finish_new(replay, op, block, &request, errno);
}

static enum ash_step op_calloc(struct ash_replay *replay, const struct ashlar_op *op) {
    struct request request = {0};
    request.overflow = __builtin_mul_overflow(op->arg, op->size, &request.bytes);
    if (ash_replay_slot(replay, op)->state == ASH_SLOT_LIVE || not_tried(replay, &request))
        return ASH_STEP_SKIPPED;
    errno = ERRNO_MARK;
    void *block =
        replay->target->calloc(replay->instance, ash_replay_thread(replay, op), op->arg, op->size);
    return finish_new(replay, op, block, &request, errno);
}

static enum ash_step op_aligned(struct ash_replay *replay, const struct ashlar_op *op) {
    struct request request = {.bytes = op->size, .alignment = op->arg, .aligned = true};
    if (replay->target->aligned_alloc == NULL || replay->target->alignment_max == 0 ||
        ash_replay_slot(replay, op)->state == ASH_SLOT_LIVE || not_tried(replay, &request))
        return ASH_STEP_SKIPPED;
    errno = ERRNO_MARK;
    void *block = replay->target->aligned_alloc(replay->instance, ash_replay_thread(replay, op),
                                                op->arg, op->size);
    return finish_new(replay, op, block, &request, errno);
}

/* realloc answered NULL for a live block: it failed, or (size 0) freed. */
static enum ash_step resize_failed(struct ash_replay *replay, const struct ashlar_op *op,
                                   const struct request *request, int error) {
    struct ashlar_oracle *oracle = replay->oracle;
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (op->size == 0 && error != ENOMEM) {
        if ((replay->target->flags & ASHLAR_TARGET_KEEPS_ERRNO) != 0 && error != ERRNO_MARK)
            return ash_step(ash_oracle_fail(
                oracle, ASHLAR_ORACLE_ERRNO, slot->address, ERRNO_MARK, (uint64_t)error,
                "expected errno kept by realloc to 0, found %d", error));
        ash_oracle_drop(oracle, op->slot);
        return ASH_STEP_RUN;
    }
    if (judge_null(replay, request, error) == ASH_STEP_FOUND) return ASH_STEP_FOUND;
    if (!ash_oracle_put_back(oracle, op->slot)) return ASH_STEP_FOUND;
    if (!ash_oracle_verify(oracle, op->slot, ASHLAR_ORACLE_REALLOC_FAILED)) return ASH_STEP_FOUND;
    if (replay->target->usable_size == NULL) return ASH_STEP_RUN;
    uint64_t usable = replay->target->usable_size(replay->instance, ash_replay_thread(replay, op),
                                                  (void *)(uintptr_t)slot->address);
    if (usable == slot->usable || replay->oracle->misuse_count != 0) return ASH_STEP_RUN;
    return ash_step(ash_oracle_fail(oracle, ASHLAR_ORACLE_REALLOC_FAILED, slot->address,
                                    slot->usable, usable,
                                    "expected the usable size %llu as before, found %llu",
                                    (unsigned long long)slot->usable, (unsigned long long)usable));
}

static enum ash_step op_realloc(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    struct request request = {.bytes = op->size};
    bool live = slot->state == ASH_SLOT_LIVE;
    if (replay->target->realloc == NULL || not_tried(replay, &request)) return ASH_STEP_SKIPPED;
    void *old = live ? (void *)(uintptr_t)slot->address : NULL;
    replay->touched = (uintptr_t)old;
    if (live && !ash_oracle_verify(replay->oracle, op->slot, ASHLAR_ORACLE_CONTENT))
        return ASH_STEP_FOUND;
    if (live) ash_oracle_lift(replay->oracle, op->slot);
    errno = ERRNO_MARK;
    void *block =
        replay->target->realloc(replay->instance, ash_replay_thread(replay, op), old, op->size);
    int error = errno;
    if (!live) return finish_new(replay, op, block, &request, error);
    if (replay->oracle->misuse_count != 0) return ASH_STEP_RUN;
    if (block == NULL) return resize_failed(replay, op, &request, error);
    if (op->size > 0 && !judge_block(replay, &request, block)) return ASH_STEP_FOUND;
    replay->touched = (uintptr_t)block;
    struct ash_wanted wanted = {.requested = op->size, .thread = ash_replay_thread(replay, op)};
    return ash_step(ash_oracle_resized(replay->oracle, op->slot, (uintptr_t)block, &wanted));
}

static enum ash_step op_free(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ashlar_target *target = replay->target;
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    uint32_t thread = ash_replay_thread(replay, op);
    if (slot->state != ASH_SLOT_LIVE) return ASH_STEP_SKIPPED;
    if (!ash_oracle_verify(replay->oracle, op->slot, ASHLAR_ORACLE_CONTENT)) return ASH_STEP_FOUND;
    void *block = (void *)(uintptr_t)slot->address;
    replay->touched = (uintptr_t)block;
    ash_oracle_drop(replay->oracle, op->slot);
    errno = ERRNO_MARK;
    if (op->kind == ASHLAR_OP_FREE_SIZED && target->free_sized != NULL)
        target->free_sized(replay->instance, thread, block, slot->alignment, slot->requested);
    else
        target->free(replay->instance, thread, block);
    int error = errno;
    if (replay->oracle->misuse_count != 0) return ASH_STEP_RUN;
    if ((target->flags & ASHLAR_TARGET_KEEPS_ERRNO) == 0 || error == ERRNO_MARK)
        return ASH_STEP_RUN;
    return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_ERRNO, (uintptr_t)block,
                                    ERRNO_MARK, (uint64_t)error,
                                    "expected errno kept by free, found %d", error));
}

static enum ash_step op_usable(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (slot->state != ASH_SLOT_LIVE || replay->target->usable_size == NULL)
        return ASH_STEP_SKIPPED;
    replay->touched = (uintptr_t)slot->address;
    uint64_t usable = replay->target->usable_size(replay->instance, ash_replay_thread(replay, op),
                                                  (void *)(uintptr_t)slot->address);
    if (usable == slot->usable || replay->oracle->misuse_count != 0) return ASH_STEP_RUN;
    return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_USABLE, slot->address,
                                    slot->usable, usable,
                                    "expected the usable size %llu as before, found %llu",
                                    (unsigned long long)slot->usable, (unsigned long long)usable));
}

static enum ash_step op_fill(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (slot->state != ASH_SLOT_LIVE) return ASH_STEP_SKIPPED;
    replay->touched = (uintptr_t)slot->address;
    if (!ash_oracle_verify(replay->oracle, op->slot, ASHLAR_ORACLE_CONTENT)) return ASH_STEP_FOUND;
    ash_oracle_fill(replay->oracle, op->slot);
    return ASH_STEP_RUN;
}

static enum ash_step op_trim(struct ash_replay *replay, const struct ashlar_op *op) {
    if (replay->target->trim == NULL) return ASH_STEP_SKIPPED;
    replay->oracle->changes++;
    replay->target->trim(replay->instance, ash_replay_thread(replay, op));
    return ASH_STEP_RUN;
}

static enum ash_step op_collect(struct ash_replay *replay, const struct ashlar_op *op) {
    if (replay->target->collect == NULL) return ASH_STEP_SKIPPED;
    replay->oracle->changes++;
    replay->target->collect(replay->instance, ash_replay_thread(replay, op));
    return ASH_STEP_RUN;
}

static enum ash_step op_thread_exit(struct ash_replay *replay, const struct ashlar_op *op) {
    if (replay->target->thread_exit == NULL) return ASH_STEP_SKIPPED;
    replay->oracle->changes++;
    replay->target->thread_exit(replay->instance, ash_replay_thread(replay, op));
    return ASH_STEP_RUN;
}

static enum ash_step op_clock(struct ash_replay *replay, const struct ashlar_op *op) {
    if (replay->target->advance_clock == NULL) return ASH_STEP_SKIPPED;
    replay->oracle->changes++;
    replay->target->advance_clock(replay->instance, op->arg);
    return ASH_STEP_RUN;
}

static enum ash_step op_fault(struct ash_replay *replay, const struct ashlar_op *op) {
    /* With steps nobody knows which thread a fault would meet. */
    if (replay->target->fail_call == NULL || replay->threads != NULL) return ASH_STEP_SKIPPED;
    replay->target->fail_call(replay->instance, op->arg);
    replay->fault_armed = op->arg != 0;
    return ASH_STEP_RUN;
}

/* What threads it has is for replay_threads.c. */
static enum ash_step op_step(struct ash_replay *replay, const struct ashlar_op *op) {
    (void)replay;
    (void)op;
    return ASH_STEP_SKIPPED;
}

static enum ash_step drain(struct ash_replay *replay);

static enum ash_step op_reset(struct ash_replay *replay, const struct ashlar_op *op) {
    (void)op;
    struct ashlar_oracle *oracle = replay->oracle;
    if (replay->target->reset == NULL) return ASH_STEP_SKIPPED;
    if (!ash_oracle_sweep(oracle)) return ASH_STEP_FOUND;
    if (replay->threads != NULL && drain(replay) == ASH_STEP_FOUND) return ASH_STEP_FOUND;
    replay->target->reset(replay->instance);
    while (oracle->live_count > 0) ash_oracle_drop(oracle, oracle->live[oracle->live_count - 1]);
    oracle->changes++;
    return ASH_STEP_RUN;
}

enum ashlar_verdict ash_replay_check(struct ash_replay *replay, uintptr_t address,
                                     struct ashlar_check_report *report) {
    const struct ashlar_target *target = replay->target;
    replay->native = (struct ashlar_finding){0};
    *report = (struct ashlar_check_report){0};
    bool audit =
        address == 0 && target->heap != NULL && replay->options->oracle == ASHLAR_ORACLE_FULL;
    enum ashlar_verdict verdict =
        audit ? ashlar_check_heap(target->heap(replay->instance), ASHLAR_CHECK_AUDIT, on_native,
                                  replay, report)
              : target->check(replay->instance, address, on_native, replay, report);
    if (address == 0) replay->checked_pages += report->pages_checked;
    return verdict;
}

bool ash_replay_may_check(const struct ash_replay *replay) {
    uint64_t most = replay->options->check_pages;
    return replay->target->check != NULL && (most == 0 || replay->checked_pages < most);
}

enum ash_step ash_replay_native_finding(struct ash_replay *replay) {
    struct ashlar_replay_finding *finding = &replay->result->finding;
    const struct ashlar_finding *native = &replay->native;
    finding->code = native->code;
    finding->layer = ASHLAR_LAYER_CHECKER;
    finding->address = native->address;
    finding->expected = native->expected;
    finding->found = native->found;
    finding->check = *native;
    snprintf(finding->text, sizeof finding->text,
             "expected 0x%llx, found 0x%llx (page %llu, index %u, thread heap %u)",
             (unsigned long long)native->expected, (unsigned long long)native->found,
             (unsigned long long)native->page, native->index, native->thread_heap);
    return ASH_STEP_FOUND;
}

/* The heap's own view of its blocks, against the oracle's. */
struct walk {
    struct ash_replay *replay;
    uint64_t live;
};

static bool visit(void *context, const struct ashlar_block *block) {
    struct walk *walk = context;
    struct ashlar_oracle *oracle = walk->replay->oracle;
    if (block->state != ASHLAR_BLOCK_LIVE) return true;
    walk->live++;
    uint32_t number = ash_index_find(oracle, block->address);
    const struct ash_slot *slot = number != ASH_NO_SLOT ? &oracle->slots[number] : NULL;
    if (slot != NULL && slot->address == block->address && slot->usable == block->bytes)
        return true;
    return ash_oracle_fail(oracle, ASHLAR_ORACLE_PHANTOM, block->address,
                           slot != NULL ? slot->usable : 0, block->bytes,
                           "expected no live block there but the program's, found one of %llu "
                           "bytes in page %u, index %u",
                           (unsigned long long)block->bytes, block->page, block->index);
}

static enum ash_step compare_blocks(struct ash_replay *replay) {
    struct ashlar_oracle *oracle = replay->oracle;
    uint64_t live = replay->result->check.live_blocks;
    if (replay->target->heap == NULL) return ASH_STEP_RUN;
    if (replay->options->oracle == ASHLAR_ORACLE_FULL || live != oracle->live_count) {
        struct walk walk = {.replay = replay};
        ashlar_heap_walk(replay->target->heap(replay->instance), visit, &walk);
        if (replay->result->finding.code != ASHLAR_FINDING_NONE) return ASH_STEP_FOUND;
        live = walk.live;
    }
    if (live == oracle->live_count) return ASH_STEP_RUN;
    return ash_step(ash_oracle_fail(
        oracle, live < oracle->live_count ? ASHLAR_ORACLE_VANISHED : ASHLAR_ORACLE_PHANTOM, 0,
        oracle->live_count, live, "expected %u live blocks, found %llu", oracle->live_count,
        (unsigned long long)live));
}

static enum ash_step full_check(struct ash_replay *replay) {
    struct ashlar_replay_result *result = replay->result;
    if (replay->target->check == NULL) return ASH_STEP_RUN;
    enum ashlar_verdict verdict = ash_replay_check(replay, 0, &result->check);
    result->checked = true;
    if (verdict == ASHLAR_CORRUPT) return ash_replay_native_finding(replay);
    return verdict == ASHLAR_SOUND ? compare_blocks(replay) : ASH_STEP_RUN;
}

static enum ash_step op_check(struct ash_replay *replay, const struct ashlar_op *op) {
    (void)op;
    return ash_replay_may_check(replay) ? full_check(replay) : ASH_STEP_SKIPPED;
}

static ash_op_function *const functions[ASHLAR_OP_COUNT] = {
    [ASHLAR_OP_MALLOC] = op_malloc,
    [ASHLAR_OP_CALLOC] = op_calloc,
    [ASHLAR_OP_REALLOC] = op_realloc,
    [ASHLAR_OP_ALIGNED] = op_aligned,
    [ASHLAR_OP_FREE] = op_free,
    [ASHLAR_OP_FREE_SIZED] = op_free,
    [ASHLAR_OP_USABLE] = op_usable,
    [ASHLAR_OP_FILL] = op_fill,
    [ASHLAR_OP_TRIM] = op_trim,
    [ASHLAR_OP_COLLECT] = op_collect,
    [ASHLAR_OP_THREAD_EXIT] = op_thread_exit,
    [ASHLAR_OP_CHECK] = op_check,
    [ASHLAR_OP_CLOCK] = op_clock,
    [ASHLAR_OP_FAULT] = op_fault,
    [ASHLAR_OP_RESET] = op_reset,
    [ASHLAR_OP_DOUBLE_FREE] = ash_op_double_free,
    [ASHLAR_OP_FREE_INSIDE] = ash_op_free_inside,
    [ASHLAR_OP_FREE_FOREIGN] = ash_op_free_foreign,
    [ASHLAR_OP_FREE_WRONG_SIZE] = ash_op_free_wrong_size,
    [ASHLAR_OP_WRITE_PAST] = ash_op_write_past,
    [ASHLAR_OP_WRITE_STALE] = ash_op_write_stale,
    [ASHLAR_OP_FLIP] = ash_op_flip,
    [ASHLAR_OP_STEP] = op_step,
};

/* A misuse report that no illegal operation explains. */
static enum ash_step unpromised(struct ash_replay *replay) {
    struct ashlar_replay_finding *finding = &replay->result->finding;
    finding->code = replay->oracle->misuse.code;
    finding->layer = ASHLAR_LAYER_MISUSE;
    finding->address = replay->oracle->misuse.address;
    finding->misuse = replay->oracle->misuse;
    snprintf(finding->text, sizeof finding->text,
             "expected no report from a legal operation, found %s in %s",
             code_name(replay->oracle->misuse.code),
             replay->oracle->misuse.operation != NULL ? replay->oracle->misuse.operation : "?");
    return ASH_STEP_FOUND;
}

/* What follows every operation that was performed. */
static enum ash_step after(struct ash_replay *replay, size_t index) {
    const struct ashlar_replay_options *options = replay->options;
    if (replay->oracle->misuse_count != 0 && !replay->misuse_judged) return unpromised(replay);
    if (options->oracle != ASHLAR_ORACLE_LIGHT && !ash_oracle_verify_next(replay->oracle))
        return ASH_STEP_FOUND;
    if (replay->target->check == NULL || !ash_threads_quiet(replay)) return ASH_STEP_RUN;
    if (options->touched_check && replay->touched != 0) {
        struct ashlar_check_report report;
        if (ash_replay_check(replay, replay->touched, &report) == ASHLAR_CORRUPT)
            return ash_replay_native_finding(replay);
    }
    bool due = options->verify_every != 0 && (index + 1) % options->verify_every == 0;
    /* What a failed system call left half done would show now. */
    due |= replay->target->failed != NULL && fault_explains(replay);
    return due && ash_replay_may_check(replay) ? full_check(replay) : ASH_STEP_RUN;
}

void ash_replay_begin(struct ash_replay *replay) {
    replay->oracle->misuse_count = 0;
    replay->misuse_judged = false;
    replay->touched = 0;
    replay->alone = ash_threads_quiet(replay);
    if (replay->target->failed != NULL) replay->failed = replay->target->failed(replay->instance);
}

enum ash_step ash_replay_perform(struct ash_replay *replay, size_t index) {
    const struct ashlar_op *op = &replay->trace->ops[index];
    if (op->kind >= ASHLAR_OP_COUNT || op->slot >= replay->oracle->slot_count)
        return ASH_STEP_SKIPPED;
    if (!ash_op_info(op->kind)->has_slot) return functions[op->kind](replay, op);
    struct ash_slot *slot = ash_replay_slot(replay, op);
    if (slot->busy) return ASH_STEP_SKIPPED;
    slot->busy = true;
    enum ash_step step = functions[op->kind](replay, op);
    slot->busy = false;
    return step;
}

enum ash_step ash_replay_judge(struct ash_replay *replay, size_t index, enum ash_step step) {
    struct ashlar_replay_result *result = replay->result;
    if (step == ASH_STEP_FOUND && replay->oracle->misuse_count != 0 && !replay->misuse_judged) {
        /* The report came first: what the oracle made of the rest says less. */
        result->finding = (struct ashlar_replay_finding){0};
        step = unpromised(replay);
    } else if (step == ASH_STEP_RUN) {
        step = after(replay, index);
    }
    result->finding.op_index = index;
    if (step == ASH_STEP_SKIPPED)
        result->ops_skipped++;
    else
        result->ops_run++;
    return step;
}

static enum ash_step run_op(struct ash_replay *replay, size_t index) {
    ash_replay_begin(replay);
    return ash_replay_judge(replay, index, ash_replay_perform(replay, index));
}

static enum ash_step run_ops(struct ash_replay *replay) {
    const struct ashlar_trace *trace = replay->trace;
    size_t end = replay->options->until != 0 && replay->options->until < trace->count
                     ? replay->options->until
                     : trace->count;
    for (size_t index = 0; index < end; index++) {
        enum ash_step step =
            replay->threads != NULL ? ash_threads_line(replay, index) : run_op(replay, index);
        if (step == ASH_STEP_FOUND) return step;
    }
    if (replay->threads != NULL && ash_threads_settle(replay) == ASH_STEP_FOUND)
        return ASH_STEP_FOUND;
    if (!ash_oracle_sweep(replay->oracle)) return ASH_STEP_FOUND;
    return full_check(replay);
}

static void exit_all(const struct ash_replay *replay) {
    for (uint32_t thread = 0; thread < replay->oracle->drain_threads; thread++)
        replay->target->thread_exit(replay->instance, thread);
}

static enum ash_step stranded(const struct ash_replay *replay, uint64_t found, const char *what) {
    return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_STRANDED, 0, 0, found,
                                    "expected %s, found %llu", what, (unsigned long long)found));
}

/* The end of a trace with steps, or of an episode: a reset in one. Every thread exits: nothing that
 * others freed may wait for an owner that is no more. Then every block is freed: nothing may be
 * taken for a slab or a span. */
static enum ash_step drain(struct ash_replay *replay) {
    struct ashlar_oracle *oracle = replay->oracle;
    const struct ashlar_target *target = replay->target;
    struct ashlar_heap *heap = target->heap(replay->instance);
    struct ashlar_heap_stats stats;
    ash_replay_begin(replay);
    exit_all(replay);
    ashlar_heap_get_stats(heap, &stats);
    if (stats.remote_blocks != 0)
        return stranded(replay, stats.remote_blocks, "no block to collect when no thread is left");
    while (oracle->live_count > 0) {
        uint32_t number = oracle->live[oracle->live_count - 1];
        ash_oracle_drop(oracle, number);
        target->free(replay->instance, 0, (void *)(uintptr_t)oracle->slots[number].address);
        if (oracle->misuse_count != 0) return unpromised(replay);
    }
    exit_all(replay);
    if (full_check(replay) == ASH_STEP_FOUND) return ASH_STEP_FOUND;
    ashlar_heap_get_stats(heap, &stats);
    uint64_t left = stats.slab_bytes + stats.span_bytes;
    return left == 0 ? ASH_STEP_RUN : stranded(replay, left, "no byte taken when none is live");
}

/* The result's own end: what only the end of everything shows. */
static void finish(struct ashlar_replay_result *result) {
    const struct ashlar_replay_options options = {.oracle = ASHLAR_ORACLE_LIGHT};
    struct ash_replay replay = {.options = &options,
                                .target = result->target,
                                .instance = result->instance,
                                .oracle = result->oracle,
                                .result = result};
    if (result->found || result->oracle->drain_threads == 0) return;
    result->found = drain(&replay) == ASH_STEP_FOUND;
}

/* What the target has for small blocks, at the very least: the memory less what bookkeeping and
 * rounding may take. */
static uint64_t heap_bytes(const struct ash_replay *replay) {
    const struct ashlar_trace *trace = replay->trace;
    uint64_t capacity = replay->target->capacity;
    if ((replay->target->flags & ASHLAR_TARGET_PROCESS_WIDE) != 0)
        return capacity != 0 ? capacity : PROCESS_BYTES;
    bool in_memory = trace->heap == ASHLAR_HEAP_IN_MEMORY;
    uint64_t bytes = (uint64_t)trace->heap_kib << (in_memory ? 10 : 20);
    if (!in_memory || bytes == 0) return UINT64_C(48) << 20; /* reserving may fall back so far */
    uint64_t taken = bytes / 16 + (UINT64_C(256) << 10) + trace->threads * UINT64_C(8192);
    return bytes > taken ? bytes - taken : 0;
}

static void judge_left(struct ashlar_replay_result *result, size_t left_mapped) {
    if (left_mapped == 0 || result->found) return;
    result->found = true;
    struct ashlar_replay_finding *finding = &result->finding;
    finding->code = ASHLAR_ORACLE_LEFT_MAPPED;
    finding->layer = ASHLAR_LAYER_ORACLE;
    finding->found = left_mapped;
    snprintf(finding->text, sizeof finding->text,
             "expected nothing mapped after destroy, found %zu bytes", left_mapped);
}

static bool start(struct ash_replay *replay) {
    struct ashlar_replay_result *result = replay->result;
    const struct ashlar_trace *trace = replay->trace;
    struct ashlar_target_config config = {
        .heap = trace->heap,
        .heap_kib = trace->heap_kib,
        .threads = trace->threads > 0 ? trace->threads : 1,
        .exact_trim = true,
        .faults = replay->options->faults,
        .on_misuse = on_misuse,
    };
    replay->oracle = ash_oracle_open(trace->slots);
    if (replay->oracle == NULL) {
        result->failure = ASHLAR_NO_MEMORY;
        return false;
    }
    config.context = replay->oracle;
    config.left_mapped = &replay->oracle->left_mapped;
    replay->oracle->seed = trace->seed;
    replay->oracle->tier = replay->options->oracle;
    replay->heap_bytes = heap_bytes(replay);
    result->failure = replay->target->create(replay->target, &config, &replay->instance);
    if (result->failure != ASHLAR_OK) {
        size_t left_mapped = replay->oracle->left_mapped;
        ash_oracle_close(replay->oracle);
        judge_left(result, left_mapped);
        return false;
    }
    ash_oracle_bind(replay->oracle, replay->target, replay->instance, &result->finding);
    bool interleaves =
        replay->target->heap != NULL && ash_core_yields && ash_trace_has_steps(trace);
    if (!interleaves) return true;
    replay->oracle->drain_threads = config.threads;
    if (ash_threads_open(replay)) return true;
    result->failure = ASHLAR_NO_MEMORY;
    replay->target->destroy(replay->instance);
    ash_oracle_close(replay->oracle);
    return false;
}

/* Gives the instance back; answers what stayed mapped. Blocks of a process-wide target are freed
 * one by one; after a finding they stay, since freeing could crash. */
static size_t stop(struct ashlar_replay_result *result) {
    struct ashlar_oracle *oracle = result->oracle;
    if ((result->target->flags & ASHLAR_TARGET_PROCESS_WIDE) != 0 && !result->found)
        for (uint32_t i = 0; i < oracle->live_count; i++)
            result->target->free(result->instance, 0,
                                 (void *)(uintptr_t)oracle->slots[oracle->live[i]].address);
    result->target->destroy(result->instance);
    size_t left_mapped = oracle->left_mapped;
    ash_oracle_close(oracle);
    result->instance = NULL;
    result->oracle = NULL;
    return left_mapped;
}

void ashlar_replay(const struct ashlar_trace *trace, const struct ashlar_replay_options *options,
                   struct ashlar_replay_result *result) {
    int error = errno;
    *result = (struct ashlar_replay_result){0};
    result->target = options->target != NULL ? options->target : &ashlar_target_core;
    struct ash_replay replay = {
        .trace = trace, .options = options, .target = result->target, .result = result};
    if (start(&replay)) {
        result->instance = replay.instance;
        result->oracle = replay.oracle;
        result->found = run_ops(&replay) == ASH_STEP_FOUND;
        result->live_blocks = replay.oracle->live_count;
        result->live_bytes = replay.oracle->live_bytes;
        result->peak_bytes = replay.oracle->peak_bytes;
        result->under_way = !ash_threads_quiet(&replay);
        if (replay.threads != NULL) ash_threads_close(&replay);
        if (!options->keep) ashlar_replay_end(result);
    }
    errno = error;
}

void ashlar_replay_end(struct ashlar_replay_result *result) {
    if (result->oracle == NULL) return;
    finish(result);
    judge_left(result, stop(result));
}

uint64_t ashlar_replay_slot_address(const struct ashlar_replay_result *result, uint32_t slot,
                                    bool *live, uint64_t *requested) {
    struct ashlar_oracle *oracle = result->oracle;
    if (oracle == NULL || slot >= oracle->slot_count) return 0;
    const struct ash_slot *entry = ash_oracle_slot(oracle, slot);
    if (entry->state == ASH_SLOT_EMPTY) return 0;
    if (live != NULL) *live = entry->state == ASH_SLOT_LIVE;
    if (requested != NULL) *requested = entry->requested;
    return entry->address;
}

bool ashlar_same_finding(const struct ashlar_trace *a, const struct ashlar_replay_result *ra,
                         const struct ashlar_trace *b, const struct ashlar_replay_result *rb) {
    if (!ra->found || !rb->found) return ra->found == rb->found;
    if (ra->finding.code != rb->finding.code || ra->finding.layer != rb->finding.layer)
        return false;
    size_t ia = ra->finding.op_index, ib = rb->finding.op_index;
    if (ia >= a->count || ib >= b->count) return ia >= a->count && ib >= b->count;
    return a->ops[ia].kind == b->ops[ib].kind;
}
