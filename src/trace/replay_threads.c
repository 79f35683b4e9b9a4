/* Replaying a trace with steps: logical threads that interleave within operations.
 *
 * 1. The order of lines is the order of events. A line of a thread performs its operation, or makes
 *    it begin and stop after so many yield points, when a step before it said so; a step while one
 *    is under way takes that further. The rules stand in docs/TRACE_FORMAT.md.
 * 2. Two kinds of place. Operations are *performed* on the logical thread's own stack, where they
 *    may stop; they are *judged* (misuse reports, native checks, counting) by the replay, at the
 *    moment they have ended. What belongs to one operation in struct ash_replay is put aside while
 *    another one runs.
 * 3. What may be checked when. Contents of blocks that nobody is freeing or resizing: always. The
 *    heap's metadata: while no operation is under way, which is at every `check`, at the end, and
 *    at the turns in between that happen to be quiet. That a small request succeeds: when no other
 *    operation was under way beside it, since those may hold pages for a moment.
 * 4. Nothing under way: the operation runs without a scheduler, as in a trace without steps.
 * 5. Deadlock. An operation that has to end and waits for a lock lets the others go on, each by one
 *    point in turn. When none of them can, it will never end.
 * 6. After a finding, what is under way is left where it is. */
#include "trace/model.h"
#include "trace/replay.h"
#include "trace/schedule.h"

#include <ashlar/os.h>
#include <stdatomic.h>
#include <string.h>

/* An operation of a logical thread: what is put aside while others run. */
struct operation {
    size_t index;
    struct ashlar_misuse misuse;
    uint32_t misuse_count;
    enum ash_step step; /* what it came to */
    uintptr_t touched;
    bool misuse_judged, alone;
};

struct ash_threads {
    struct ash_replay *replay;
    struct ash_schedule *schedule;
    struct operation operations[ASH_SCHEDULE_THREADS];
    uint64_t armed[ASH_SCHEDULE_THREADS]; /* points after which the next operation stops; 0: none */
};

/* Of the last replay, for the next one. */
static _Atomic(struct ash_threads *) kept;

static size_t mapping_bytes(void) {
    const struct ashlar_os *os = ashlar_os_linux();
    return (size_t)ash_round_up(sizeof(struct ash_threads), os->page_bytes(os->context));
}

static void task(void *context, uint32_t thread) {
    struct ash_threads *threads = context;
    struct operation *operation = &threads->operations[thread];
    operation->step = ash_replay_perform(threads->replay, operation->index);
}

static struct ash_threads *map_threads(void) {
    const struct ashlar_os *os = ashlar_os_linux();
    void *start = os->reserve(os->context, mapping_bytes(), os->page_bytes(os->context));
    if (start == NULL || os->commit(os->context, start, mapping_bytes())) return start;
    os->release(os->context, start, mapping_bytes());
    return NULL;
}

bool ash_threads_open(struct ash_replay *replay) {
    struct ash_threads *threads = atomic_exchange(&kept, NULL);
    if (threads == NULL) threads = map_threads();
    if (threads == NULL) return false;
    memset(threads->armed, 0, sizeof threads->armed);
    threads->replay = replay;
    threads->schedule = ash_schedule_open(task, threads);
    replay->threads = threads;
    if (threads->schedule == NULL) ash_threads_close(replay);
    return replay->threads != NULL;
}

void ash_threads_close(struct ash_replay *replay) {
    const struct ashlar_os *os = ashlar_os_linux();
    struct ash_threads *threads = replay->threads;
    if (threads->schedule != NULL) ash_schedule_close(threads->schedule);
    replay->threads = NULL;
    threads = atomic_exchange(&kept, threads);
    if (threads != NULL) os->release(os->context, threads, mapping_bytes());
}

bool ash_threads_quiet(const struct ash_replay *replay) {
    return replay->threads == NULL || ash_schedule_count(replay->threads->schedule) == 0;
}

static void put_aside(const struct ash_replay *replay, struct operation *operation) {
    operation->misuse = replay->oracle->misuse;
    operation->misuse_count = replay->oracle->misuse_count;
    operation->misuse_judged = replay->misuse_judged;
    operation->touched = replay->touched;
    operation->alone = false; /* whoever runs now runs beside it */
}

static void take_up(struct ash_replay *replay, const struct operation *operation) {
    replay->oracle->misuse = operation->misuse;
    replay->oracle->misuse_count = operation->misuse_count;
    replay->misuse_judged = operation->misuse_judged;
    replay->touched = operation->touched;
    replay->alone = operation->alone;
}

/* The thread's operation, which is set up in the replay, runs for so many points. */
static enum ash_step run(struct ash_replay *replay, uint32_t thread, uint64_t points) {
    struct ash_threads *threads = replay->threads;
    struct operation *operation = &threads->operations[thread];
    if (ash_schedule_run(threads->schedule, thread, points))
        return ash_replay_judge(replay, operation->index, operation->step);
    put_aside(replay, operation);
    return ASH_STEP_RUN;
}

static enum ash_step go_on(struct ash_replay *replay, uint32_t thread, uint64_t points) {
    if (ash_schedule_waits(replay->threads->schedule, thread)) return ASH_STEP_RUN;
    take_up(replay, &replay->threads->operations[thread]);
    return run(replay, thread, points);
}

/* Others go on until the thread waits no longer; FOUND when none of them can. */
static enum ash_step let_others(struct ash_replay *replay, uint32_t thread) {
    struct ash_threads *threads = replay->threads;
    uint32_t count = replay->trace->threads;
    bool moved = false;
    for (uint32_t i = 1; i < count; i++) {
        uint32_t other = (thread + i) % count;
        if (!ash_schedule_under_way(threads->schedule, other) ||
            ash_schedule_waits(threads->schedule, other))
            continue;
        moved = true;
        if (go_on(replay, other, 1) == ASH_STEP_FOUND) return ASH_STEP_FOUND;
        if (!ash_schedule_waits(threads->schedule, thread)) return ASH_STEP_RUN;
    }
    if (moved) return ASH_STEP_RUN;
    replay->result->finding.op_index = threads->operations[thread].index;
    return ash_step(ash_oracle_fail(replay->oracle, ASHLAR_ORACLE_DEADLOCK, 0, 0,
                                    ash_schedule_count(threads->schedule),
                                    "expected thread %u to go on, found it and %u others waiting",
                                    thread, ash_schedule_count(threads->schedule) - 1));
}

/* The thread's operation that is under way ends. */
static enum ash_step end(struct ash_replay *replay, uint32_t thread) {
    struct ash_threads *threads = replay->threads;
    enum ash_step step = ASH_STEP_RUN;
    while (step != ASH_STEP_FOUND && ash_schedule_under_way(threads->schedule, thread))
        step = ash_schedule_waits(threads->schedule, thread)
                   ? let_others(replay, thread)
                   : go_on(replay, thread, ASH_TO_THE_END);
    return step;
}

enum ash_step ash_threads_settle(struct ash_replay *replay) {
    enum ash_step step = ASH_STEP_RUN;
    for (uint32_t thread = 0; thread < replay->trace->threads && step != ASH_STEP_FOUND; thread++)
        step = end(replay, thread);
    replay->result->finding.op_index =
        step == ASH_STEP_FOUND ? replay->result->finding.op_index : replay->trace->count;
    return step;
}

static enum ash_step step_line(struct ash_replay *replay, const struct ashlar_op *op) {
    struct ash_threads *threads = replay->threads;
    uint32_t thread = ash_replay_thread(replay, op);
    replay->result->ops_run++;
    if (ash_schedule_under_way(threads->schedule, thread)) return go_on(replay, thread, op->arg);
    threads->armed[thread] = op->arg;
    return ASH_STEP_RUN;
}

enum ash_step ash_threads_line(struct ash_replay *replay, size_t index) {
    struct ash_threads *threads = replay->threads;
    const struct ashlar_op *op = &replay->trace->ops[index];
    uint32_t thread = ash_replay_thread(replay, op);
    if (op->kind == ASHLAR_OP_STEP) return step_line(replay, op);
    bool whole = op->kind == ASHLAR_OP_CHECK || op->kind == ASHLAR_OP_RESET;
    if ((whole ? ash_threads_settle(replay) : end(replay, thread)) == ASH_STEP_FOUND)
        return ASH_STEP_FOUND;
    uint64_t points = threads->armed[thread];
    bool quiet = ash_threads_quiet(replay);
    bool illegal = ashlar_op_is_illegal((enum ashlar_op_kind)op->kind);
    threads->armed[thread] = 0;
    ash_replay_begin(replay);
    if (illegal && !quiet) return ash_replay_judge(replay, index, ASH_STEP_SKIPPED);
    if (quiet && (points == 0 || whole || illegal))
        return ash_replay_judge(replay, index, ash_replay_perform(replay, index));
    threads->operations[thread] = (struct operation){.index = index};
    return run(replay, thread, points != 0 ? points : ASH_TO_THE_END);
}
