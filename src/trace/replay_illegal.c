/* Illegal operations: what a program must not do, and what a target promises for it.
 *
 * 1. Frees of what is no live block. A target that FINDS_MISUSE reports them exactly: once, with
 *    the pointer that was passed, with the right code, and without effect. Which code is right
 *    follows from where the pointer lies:
 *      - inside a live block, not at its start: an interior pointer, whatever it was before;
 *      - at the start of a live block: the program's own block, freed behind its back. Nothing can
 *        be promised for that, so it is not done;
 *      - in no live block: a double free while nothing happened since the block was freed.
 *        Afterwards its memory may have been given back or cut anew: what the heap itself says of
 *        the address decides (targets with `heap`), or any of the three codes will do.
 * 2. Sized frees. Only sizes that surely belong to another class are named.
 * 3. Writes. At the level `fast` nothing is promised for stray writes. They are done only where no
 *    bookkeeping and no other block can be: between the requested end and the usable end; and in a
 *    block that the heap says is free and that nothing can have been given back with (no block was
 *    freed since, so its slab is the same).
 * 4. Flips. A bit that the target says its check must see is flipped, the check must call the heap
 *    corrupt, and the bit is flipped back, so that the replay can go on.
 *
 * With report_illegal, what the target reports as promised is the finding.
 */
#include "trace/replay.h"

#include <stdio.h>
#include <string.h>

static bool finds_misuse(const struct ash_replay *replay) {
    return (replay->target->flags & ASHLAR_TARGET_FINDS_MISUSE) != 0;
}

/* Sets of codes. */
enum {
    DOUBLE = 1 << ASHLAR_MISUSE_DOUBLE_FREE,
    INTERIOR = 1 << ASHLAR_MISUSE_INTERIOR,
    FOREIGN = 1 << ASHLAR_MISUSE_FOREIGN,
    WRONG_SIZE = 1 << ASHLAR_MISUSE_SIZE,
};

static const char *code_name(enum ashlar_finding_code code) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(code);
    return info != NULL ? info->code : "none";
}

/* The first code of a set, as the one that was expected. */
static enum ashlar_finding_code first_code(unsigned codes) {
    return (enum ashlar_finding_code)ash_lowest_bit(codes);
}

static void report(struct ash_replay *replay, enum ashlar_finding_code code) {
    struct ashlar_replay_finding *finding = &replay->result->finding;
    const struct ashlar_misuse *misuse = &replay->oracle->misuse;
    finding->code = code;
    finding->layer = ASHLAR_LAYER_MISUSE;
    finding->address = misuse->address;
    finding->misuse = *misuse;
}

/* The illegal operation was done with `address`; exactly one report must have come. */
static enum ash_step judge(struct ash_replay *replay, unsigned codes, uintptr_t address) {
    struct ashlar_replay_finding *finding = &replay->result->finding;
    const struct ashlar_misuse *misuse = &replay->oracle->misuse;
    uint32_t count = replay->oracle->misuse_count;
    enum ashlar_finding_code expected = first_code(codes);
    replay->misuse_judged = true;
    if (count == 0)
        return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_MISUSE_MISSED, address,
                                        expected, 0, "expected a report of %s, found none",
                                        code_name(expected)));
    bool known = misuse->code < 32 && (codes >> misuse->code & 1) != 0;
    if (!known || misuse->address != address) {
        report(replay, ASHLAR_ORACLE_MISUSE_WRONG);
        finding->expected = known ? address : expected;
        finding->found = known ? misuse->address : misuse->code;
        snprintf(finding->text, sizeof finding->text,
                 "expected a report of %s with the pointer passed, found %s%s", code_name(expected),
                 code_name(misuse->code), known ? " with another pointer" : "");
        return ASH_STEP_FOUND;
    }
    if (count > 1)
        return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_MISUSE_TWICE, address, 1,
                                        count, "expected one report of %s, found %u",
                                        code_name(misuse->code), count));
    replay->result->misuses_expected++;
    if (!replay->options->report_illegal) return ASH_STEP_RUN;
    report(replay, misuse->code);
    snprintf(finding->text, sizeof finding->text, "expected no misuse, found %s in %s",
             code_name(misuse->code), misuse->operation != NULL ? misuse->operation : "free");
    return ASH_STEP_FOUND;
}

static enum ash_step free_and_judge(struct ash_replay *replay, const struct ashlar_op *op,
                                    uintptr_t address, unsigned codes) {
    replay->touched = address;
    replay->target->free(replay->instance, ash_replay_thread(replay, op), (void *)address);
    return judge(replay, codes, address);
}

/* What the heap says of an address in no live block. */
static unsigned codes_by_heap(const struct ash_replay *replay, uintptr_t address) {
    struct ashlar_block block;
    if (replay->target->heap == NULL) return DOUBLE | INTERIOR | FOREIGN;
    if (!ashlar_heap_find(replay->target->heap(replay->instance), address, &block))
        return DOUBLE | INTERIOR | FOREIGN; /* free pages, or behind a slab's last block */
    return block.address == address ? DOUBLE : INTERIOR;
}

enum ash_step ash_op_double_free(struct ash_replay *replay, const struct ashlar_op *op) {
    struct ashlar_oracle *oracle = replay->oracle;
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (!finds_misuse(replay) || slot->state != ASH_SLOT_STALE) return ASH_STEP_SKIPPED;
    uintptr_t address = (uintptr_t)slot->address;
    uint32_t holder = ash_index_find(oracle, address);
    if (holder != ASH_NO_SLOT) {
        if (oracle->slots[holder].address == address) return ASH_STEP_SKIPPED;
        return free_and_judge(replay, op, address, INTERIOR);
    }
    bool untouched = slot->changes == oracle->changes && slot->generation == oracle->generation;
    return free_and_judge(replay, op, address,
                          untouched ? (unsigned)DOUBLE : codes_by_heap(replay, address));
}

enum ash_step ash_op_free_inside(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (!finds_misuse(replay) || slot->state != ASH_SLOT_LIVE || slot->usable < 2)
        return ASH_STEP_SKIPPED;
    uint64_t offset =
        op->arg > 0 && op->arg < slot->usable ? op->arg : 1 + (op->arg - 1) % (slot->usable - 1);
    return free_and_judge(replay, op, (uintptr_t)(slot->address + offset), INTERIOR);
}

enum ash_step ash_op_free_foreign(struct ash_replay *replay, const struct ashlar_op *op) {
    static char object[64];
    char local[64];
    struct ashlar_oracle *oracle = replay->oracle;
    bool region = replay->target->region != NULL;
    const uintptr_t places[] = {
        ((uintptr_t)local + 15) & ~(uintptr_t)15,
        ((uintptr_t)object + 15) & ~(uintptr_t)15,
        (uintptr_t)0xdeadbeefcafe0,
        16,
        oracle->region_start - 16,
        oracle->region_end,
        (uintptr_t)oracle->slots,
    };
    uint64_t place = op->arg % (sizeof places / sizeof places[0]);
    if (!finds_misuse(replay) || (!region && (place == 4 || place == 5))) return ASH_STEP_SKIPPED;
    return free_and_judge(replay, op, places[place], FOREIGN);
}

/* A block for `bytes` is surely of another class than the slot's. */
static bool surely_another(const struct ash_replay *replay, const struct ash_slot *slot,
                           uint64_t bytes) {
    if (bytes > slot->usable) return true;
    if (slot->alignment != 0) return false;
    if (replay->target->heap == NULL) return slot->usable > 64 && bytes <= slot->usable / 2;
    uint32_t class_index = ashlar_class_of(slot->usable);
    if (class_index < ashlar_class_count() || ashlar_class_of(bytes) < ashlar_class_count())
        return ashlar_class_of(bytes) != class_index;
    return bytes + 65536 <= slot->usable;
}

enum ash_step ash_op_free_wrong_size(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if ((replay->target->flags & ASHLAR_TARGET_FINDS_SIZE) == 0 ||
        replay->target->free_sized == NULL || slot->state != ASH_SLOT_LIVE ||
        !surely_another(replay, slot, op->size))
        return ASH_STEP_SKIPPED;
    uintptr_t address = (uintptr_t)slot->address;
    replay->touched = address;
    replay->target->free_sized(replay->instance, ash_replay_thread(replay, op), (void *)address,
                               slot->alignment, op->size);
    return judge(replay, WRONG_SIZE, address);
}

/* The part of [from, from + bytes) below `end`. */
static uint64_t room(uint64_t from, uint64_t bytes, uint64_t end) {
    if (from >= end) return 0;
    return bytes < end - from ? bytes : end - from;
}

enum ash_step ash_op_write_past(struct ash_replay *replay, const struct ashlar_op *op) {
    enum { MOST_BYTES = 1 << 16 };
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (slot->state != ASH_SLOT_LIVE) return ASH_STEP_SKIPPED;
    uint64_t from;
    if (__builtin_add_overflow(slot->requested, op->arg, &from)) return ASH_STEP_SKIPPED;
    uint64_t bytes = room(from, op->size, slot->usable);
    if (bytes == 0 || bytes != op->size || bytes > MOST_BYTES) return ASH_STEP_SKIPPED;
    if (!ash_oracle_verify(replay->oracle, op->slot, ASHLAR_ORACLE_CONTENT)) return ASH_STEP_FOUND;
    replay->touched = (uintptr_t)slot->address;
    memset((void *)(uintptr_t)(slot->address + from), 0x5a, bytes);
    ash_oracle_fill(replay->oracle, op->slot); /* what is known of the content from here on */
    return ASH_STEP_RUN;
}

enum ash_step ash_op_write_stale(struct ash_replay *replay, const struct ashlar_op *op) {
    enum { MOST_BYTES = 1 << 16 };
    const struct ash_slot *slot = ash_replay_slot(replay, op);
    if (replay->target->heap == NULL || slot->state != ASH_SLOT_STALE ||
        slot->changes != replay->oracle->changes)
        return ASH_STEP_SKIPPED;
    uint64_t bytes = room(op->arg, op->size, slot->usable);
    struct ashlar_block block;
    if (bytes == 0 || bytes != op->size || bytes > MOST_BYTES ||
        !ashlar_heap_find(replay->target->heap(replay->instance), (uintptr_t)slot->address,
                          &block) ||
        block.address != slot->address || block.bytes != slot->usable ||
        block.state == ASHLAR_BLOCK_LIVE)
        return ASH_STEP_SKIPPED;
    replay->touched = block.address;
    memset((void *)(block.address + op->arg), 0xa5, bytes);
    return ASH_STEP_RUN;
}

enum ash_step ash_op_flip(struct ash_replay *replay, const struct ashlar_op *op) {
    const struct ashlar_target *target = replay->target;
    struct ashlar_check_report check;
    if (target->flip == NULL || !ash_replay_may_check(replay) ||
        !target->flip(replay->instance, op->arg))
        return ASH_STEP_SKIPPED;
    enum ashlar_verdict verdict = ash_replay_check(replay, 0, &check);
    bool back = target->flip(replay->instance, op->arg);
    if (verdict != ASHLAR_CORRUPT || !back)
        return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_FLIP, 0, ASHLAR_CORRUPT,
                                        verdict,
                                        "expected the check to see flipped bit %llu, found %s",
                                        (unsigned long long)op->arg, ashlar_verdict_text(verdict)));
    if (!replay->options->report_illegal) return ASH_STEP_RUN;
    replay->result->check = check;
    replay->result->checked = true;
    return ash_replay_native_finding(replay);
}
