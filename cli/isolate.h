/* Running what may crash: a replay executes an allocator that may be broken. */
#ifndef ASH_ISOLATE_H
#define ASH_ISOLATE_H

#include <ashlar/trace.h>

/* Runs `body` in a child process and returns its exit code. When a signal ended the child, returns
 * -1 and sets *signal. What the child printed and had not yet flushed is then lost. `seconds` is
 * the most that it may take; 0 for no limit; then *signal is SIGALRM. */
int ash_isolate(int (*body)(void *context), void *context, unsigned seconds, int *signal);

/* Replays and keeps the heap, whatever options->keep says. */
void ash_replay_kept(const struct ashlar_trace *trace, const struct ashlar_replay_options *options,
                     struct ashlar_replay_result *result);

/* Destroys the heap of a replay without a finding, and makes what stays mapped the finding. A
 * replay with one is left as it is: destroying a damaged heap may crash. */
void ash_replay_finish(struct ashlar_replay_result *result);

/* What came of one replay in a child. */
struct ash_outcome {
    int signal; /* that ended it; else 0 */
    bool found;
    struct ashlar_replay_finding finding;
    enum ashlar_status failure;
    bool incomplete; /* the check could not read everything */
};

/* Replays the first `count` operations of a trace in a child whose standard error is silent. False
 * when no child could be made; a line is on standard error then. */
bool ash_probe(const struct ashlar_trace *trace, size_t count,
               const struct ashlar_replay_options *options, unsigned seconds,
               struct ash_outcome *out);

/* Whether the outcome is a finding or a crash. */
bool ash_outcome_bad(const struct ash_outcome *outcome);

/* Decides options->report_illegal for a trace: whether its own illegal operations are the finding.
 * They are when nothing else is wrong; else they would stop the replay before the fault of the
 * target that the trace is about. False when no child could be made. */
bool ash_choose_finding(const struct ashlar_trace *trace, struct ashlar_replay_options *options,
                        unsigned seconds);

/* For a trace whose first `count` operations end badly: how many operations are needed for that, by
 * bisection (a bad outcome with n, a good one with n - 1). *out is the outcome with n. 0 when the
 * outcome did not come back or no child could be made. `exact` tries every length from 1. */
size_t ash_shortest_bad(const struct ashlar_trace *trace, size_t count,
                        const struct ashlar_replay_options *options, unsigned seconds, bool exact,
                        struct ash_outcome *out);

/* Memory that parent and child share, zeroed; NULL when there is none. Never given back: a command
 * needs a few pages. */
void *ash_share(size_t bytes);

/* "SIGSEGV" */
const char *ash_signal_name(int signal);

#endif
