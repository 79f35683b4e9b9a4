/* fuzz_faults: any system call of the OS layer fails, at any moment.
 *
 * 1. What. An input is a raw trace, for a heap over reserved address space. It runs once as it is,
 *    which tells how many calls can fail, and then again for each of some plans: the nth call
 *    fails, or all from the nth on, of every kind or of one; the making of the heap is part of it.
 *    Which plans follows from the trace's seed, so mutation moves them.
 *
 * 2. What has to hold. Every operation either works or fails cleanly: NULL, ENOMEM, the block and
 *    its content as before, and only when a call of that operation failed (the oracle). After an
 *    operation in which one did, and at the end, the heap is sound and has the blocks that the
 *    oracle knows (full check). Nothing stays mapped, also when the heap could not be made.
 *
 * 3. And then. When the system is well again, small blocks can be had at once: each trace ends with
 *    that.
 */
#include "harness.h"

#include <ashlar/os.h>
#include <string.h>

enum { OPS_MAX = 1024, PLANS = 4, REGION_MIB = 256, AFTERWARDS = 4 };

/* Calls of the run that just ended, by kind. */
static uint64_t calls_made[ASHLAR_OS_CALL_COUNT];

static void count_and_destroy(void *instance) {
    for (uint32_t kind = 0; kind < ASHLAR_OS_CALL_COUNT; kind++)
        calls_made[kind] = ashlar_target_core.calls(instance, kind);
    ashlar_target_core.destroy(instance);
}

static uint64_t draw(uint64_t *state, uint64_t below) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

/* Of all calls, or of one kind: rare kinds would else hardly ever fail. */
static struct ashlar_fault_plan make_plan(uint64_t *random, const uint64_t *calls) {
    struct ashlar_fault_plan plan = {.after = draw(random, 3) == 0};
    uint64_t among = 0, kind = draw(random, 2 * ASHLAR_OS_CALL_COUNT);
    if (kind < ASHLAR_OS_CALL_COUNT && calls[kind] != 0) plan.kinds = 1U << kind;
    for (uint32_t i = 0; i < ASHLAR_OS_CALL_COUNT; i++)
        if (plan.kinds == 0 || i == kind) among += calls[i];
    plan.at = 1 + draw(random, among != 0 ? among : 1);
    return plan;
}

static bool run_plan(const struct ashlar_trace *trace, const struct ashlar_fault_plan *plan,
                     const char *file, struct ash_fuzz_outcome *outcome) {
    const struct ash_fuzz_tier *tier = ash_fuzz_tier();
    struct ashlar_target target = ashlar_target_core;
    target.destroy = count_and_destroy;
    struct ashlar_replay_options options = {.target = &target,
                                            .oracle = tier->oracle,
                                            .verify_every = 4 * tier->verify_every,
                                            .touched_check = tier->touched_check,
                                            .faults = plan};
    struct ashlar_replay_result result;
    ashlar_replay(trace, &options, &result);
    bool made = result.failure == ASHLAR_OK;
    if (plan->at != 0) result.failure = ASHLAR_OK; /* a heap that cannot be made is one of them */
    ash_fuzz_count_replay(outcome, &result);
    if (result.found) {
        ash_fuzz_report(trace, &result, "fuzz_faults", file);
        fprintf(stderr,
                "  with system call %llu failing%s, of kinds 0x%x (0: all); the heap was %s\n",
                (unsigned long long)plan->at, plan->after ? ", and all later ones" : "",
                plan->kinds, made ? "made" : "not made");
    }
    return !result.found;
}

/* Only legal operations; at the end the system is well again, and the heap has to serve. */
static bool prepare(struct ashlar_trace *trace) {
    size_t kept = 0;
    for (size_t i = 0; i < trace->count; i++)
        if (trace->ops[i].kind < ASHLAR_OP_DOUBLE_FREE) trace->ops[kept++] = trace->ops[i];
    trace->count = kept;
    trace->heap = ASHLAR_HEAP_RESERVED;
    if (trace->heap_kib < 64 || trace->heap_kib > REGION_MIB) trace->heap_kib = REGION_MIB;
    struct ashlar_op well = {.kind = ASHLAR_OP_FAULT};
    bool fits = ashlar_trace_append(trace, &well);
    for (uint32_t i = 0; fits && i < AFTERWARDS; i++) {
        struct ashlar_op op = {.kind = ASHLAR_OP_MALLOC, .slot = ASHLAR_RAW_SLOTS + i};
        op.size = (uint64_t)16 << (2 * i);
        fits = ashlar_trace_append(trace, &op);
    }
    return fits;
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    struct ashlar_trace trace;
    struct ashlar_fault_plan plan = {0};
    ashlar_trace_init(&trace);
    bool fine = true;
    if (ashlar_trace_decode_raw(data, size, OPS_MAX, &trace) && prepare(&trace)) {
        uint64_t random = trace.seed;
        fine = run_plan(&trace, &plan, file, outcome);
        uint64_t calls[ASHLAR_OS_CALL_COUNT];
        memcpy(calls, calls_made, sizeof calls);
        for (unsigned i = 0; fine && i < PLANS; i++) {
            plan = make_plan(&random, calls);
            fine = run_plan(&trace, &plan, file, outcome);
        }
    }
    ashlar_trace_free(&trace);
    return fine;
}

const struct ash_harness ash_harness = {.name = "fuzz_faults", .run = run};
