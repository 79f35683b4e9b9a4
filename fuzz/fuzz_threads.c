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

enum { OPS_MAX = 4096 };

static uint8_t pairs[ASH_POINT_COUNT * ASH_POINT_COUNT];
static_assert(sizeof pairs <= ASH_FEATURES, "one feature each");

static void tell_pairs(void) {
    for (unsigned pair = 0; pair < sizeof pairs; pair++)
        if (pairs[pair] != 0) ash_feature(pair);
    memset(pairs, 0, sizeof pairs);
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    const struct ash_fuzz_tier *tier = ash_fuzz_tier();
    const struct ashlar_replay_options options = {
        .target = &ashlar_target_core,
        .oracle = tier->oracle,
        .verify_every = tier->verify_every,
        .touched_check = tier->touched_check,
    };
    struct ashlar_replay_result result = {0};
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    ash_schedule_pairs = pairs;
    if (ashlar_trace_decode_raw(data, size, OPS_MAX, &trace)) {
        ashlar_replay(&trace, &options, &result);
        tell_pairs();
        ash_fuzz_count_replay(outcome, &result);
        if (result.found)
            ash_fuzz_report(&trace, &result, "ashlar replay --misuse expect --verify each --raw",
                            file);
        ashlar_replay_end(&result);
    }
    ashlar_trace_free(&trace);
    return !result.found;
}

const struct ash_harness ash_harness = {.name = "fuzz_threads", .run = run};
