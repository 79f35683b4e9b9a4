/* fuzz_heap: any bytes, read as a raw trace, against the heap core, the oracle and the checker.
 *
 * 1. What is checked. Every operation: the oracle's O(1) checks and a sample of the contents, and
 *    the checker's O(1) check around the block that the operation used. Every 16 operations and at
 *    the end: the full check. The full check of a small heap costs as much as a few dozen
 *    operations; after each it would be most of the work, and a broken invariant that no O(1) check
 *    sees rarely heals within a few operations. ASHLAR_FUZZ_TIER changes the bargain.
 *
 * 2. Illegal operations stay in: the core promises to report misuse exactly and to survive it, and
 *    the checker to see every flipped bit of the metadata (which the replay then flips back). What
 *    is reported as promised is no finding here.
 *
 * 3. Coverage is of the core's code, and of the heap's states (state.c), seen wherever the checker
 *    looks.
 */
#include "harness.h"
#include "state.h"

/* The core's own check, and a look at the state: the heap is whole enough when it was sound. */
static enum ashlar_verdict check_and_look(void *instance, uintptr_t address,
                                          ashlar_finding_sink *sink, void *context,
                                          struct ashlar_check_report *report) {
    const struct ashlar_target *core = &ashlar_target_core;
    enum ashlar_verdict verdict = core->check(instance, address, sink, context, report);
    if (verdict == ASHLAR_SOUND)
        ash_state_look(core->heap(instance), address, address == 0 ? report : NULL);
    return verdict;
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    struct ashlar_target target = ashlar_target_core;
    target.check = check_and_look;
    ash_state_begin();
    return ash_fuzz_replay(&target, data, size, ASH_FUZZ_AGAIN, file, outcome);
}

const struct ash_harness ash_harness = {.name = "fuzz_heap", .run = run};
