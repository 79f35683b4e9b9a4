/* fuzz_threads: any bytes, read as a raw trace, played by logical threads that interleave within
 * operations, against the core's twin with yield points, the oracle and the checker.
 *
 * 1. What is explored. The scheduler's choices are operations of the input (`step`, see
 *    docs/TRACE_FORMAT.md), so mutation, minimising and replaying work on them as on any other.
 *    Interleavings are sequentially consistent: weaker memory orders are for the model in
 *    docs/model and for ThreadSanitizer. The barrier of visits (visit.c) is a point like others.
 *
 * 2. What is checked. Contents and ownership of blocks: at every operation. The checker in full:
 *    whenever VERIFY_EVERY operations have passed and none is under way, at every `check`, and at
 *    the end. Then everything is freed, all threads exit, and nothing may be left. A deadlock is a
 *    finding.
 *
 * 3. Coverage. Which point a thread stood at while another passed which: pairs of points are
 *    features beside the engine's edges (features.c), since edges alone do not tell one
 *    interleaving from another.
 *
 * 4. An input without steps is a trace of fuzz_heap, and means the same here. */
#include "harness.h"
#include "watch.h"

#include "trace/schedule.h"

#include <string.h>

static uint8_t pairs[ASH_POINT_COUNT * ASH_POINT_COUNT];
static_assert(sizeof pairs <= ASH_FEATURES, "one feature each");

static void tell_pairs(void) {
    for (unsigned pair = 0; pair < sizeof pairs; pair++)
        if (pairs[pair] != 0) ash_feature(pair);
    memset(pairs, 0, sizeof pairs);
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    ash_schedule_pairs = pairs;
    bool fine = ash_fuzz_replay(&ashlar_target_core, data, size, ASH_FUZZ_AGAIN, file, outcome);
    tell_pairs();
    return fine;
}

const struct ash_harness ash_harness = {.name = "fuzz_threads", .run = run};
