/* A replay in progress: shared by replay.c (legal operations) and replay_illegal.c. */
#ifndef ASH_TRACE_REPLAY_H
#define ASH_TRACE_REPLAY_H

#include "trace/oracle.h"

struct ash_replay {
    const struct ashlar_trace *trace;
    const struct ashlar_replay_options *options;
    const struct ashlar_target *target;
    void *instance;
    struct ashlar_oracle *oracle;
    struct ashlar_replay_result *result;
    bool misuse_judged;           /* the operation is illegal and has looked at the reports */
    bool fault_armed;             /* a fault was injected that no NULL has shown yet */
    uint64_t failed;              /* system calls that had failed before this operation */
    uint64_t heap_bytes;          /* what the target has for blocks, at least */
    uintptr_t touched;            /* address that this operation was about; 0: none */
    struct ashlar_finding native; /* the first finding of the running native check */
    struct ash_threads *threads;  /* of a trace with steps; NULL: one operation after another */
    uint64_t checked_pages;       /* seen by full checks so far */
    bool alone;                   /* no other operation is or was under way beside this one */
};

/* What an operation came to. FOUND: the finding is filled. */
enum ash_step { ASH_STEP_RUN, ASH_STEP_SKIPPED, ASH_STEP_FOUND };

typedef enum ash_step ash_op_function(struct ash_replay *replay, const struct ashlar_op *op);
/* The illegal ones. */
ash_op_function ash_op_double_free, ash_op_free_inside, ash_op_free_foreign, ash_op_free_wrong_size,
    ash_op_write_past, ash_op_write_stale, ash_op_flip;

/* One operation, in three parts: performed, which may happen on a logical thread's own stack, and
 * judged and noted, which may not. */
void ash_replay_begin(struct ash_replay *replay);
enum ash_step ash_replay_perform(struct ash_replay *replay, size_t index);
enum ash_step ash_replay_judge(struct ash_replay *replay, size_t index, enum ash_step step);

/* Logical threads that interleave within operations: replay_threads.c. open: false: no memory. */
bool ash_threads_open(struct ash_replay *replay);
void ash_threads_close(struct ash_replay *replay);
/* The trace goes on by one line. */
enum ash_step ash_threads_line(struct ash_replay *replay, size_t index);
/* All operations that are under way end. */
enum ash_step ash_threads_settle(struct ash_replay *replay);
/* None is. */
bool ash_threads_quiet(const struct ash_replay *replay);

/* Number of the operation's slot, its thread. */
struct ash_slot *ash_replay_slot(struct ash_replay *replay, const struct ashlar_op *op);
uint32_t ash_replay_thread(const struct ash_replay *replay, const struct ashlar_op *op);

/* Runs the native check, full or (address != 0) touched; the report goes to *report, the first
 * finding to replay->native. */
enum ashlar_verdict ash_replay_check(struct ash_replay *replay, uintptr_t address,
                                     struct ashlar_check_report *report);
/* Whether a full check before the end is possible, and within options->check_pages. */
bool ash_replay_may_check(const struct ash_replay *replay);
/* Makes the native check's first finding the replay's. */
enum ash_step ash_replay_native_finding(struct ash_replay *replay);

/* Oracle findings as a step: true is RUN. */
ASH_INLINE enum ash_step ash_step(bool fine) {
    return fine ? ASH_STEP_RUN : ASH_STEP_FOUND;
}

#endif
