/* How findings, blocks and verdicts are shown: one place for both forms, human and JSON. */
#ifndef ASH_REPORT_H
#define ASH_REPORT_H

#include "json.h"
#include "source.h"
#include "text.h"

/* {"type":"begin",...} with what the numbers in the document are relative to. */
void ash_report_begin(const char *command, const struct ash_source *source, const char *target);

/* What an operation on a slot goes back to: which operation allocated the block that the slot had
 * just before operation `index`, and which one freed it. SIZE_MAX where there is none. */
struct ash_history {
    size_t allocated, freed;
};
struct ash_history ash_history_of(const struct ashlar_trace *trace, uint32_t slot, size_t index);

/* The first thing that went wrong in the session's replay, with the operation, the block and its
 * neighbours. */
void ash_report_replay(const struct ash_session *session);

/* One line on standard error: the replay stopped before its end, and why. */
void ash_report_stop(const struct ash_session *session);

/* One finding of the full check. */
void ash_report_check(const struct ash_session *session, const struct ashlar_finding *finding);

/* The target crashed, or did not return. */
struct ash_crash {
    const struct ash_source *source;
    const char *path;
    const struct ashlar_trace *trace;
    const struct ashlar_replay_options *options;
    int signal;
    unsigned seconds; /* time limit of a replay; 0: none */
};
/* Finds the operation by further replays, in children. Returns 0, or ASH_EXIT_TOOL with one line on
 * standard error when the crash does not come back. */
int ash_find_crash(const struct ash_crash *crash, size_t *operation);
void ash_report_crash(const struct ash_crash *crash, size_t operation);

/* One block: "region+0x40  class 48, requested 29, live, slab 0 (thread heap 1), slot 3". */
void ash_print_block(const struct ash_session *session, const struct ash_view_block *block);
/* "  before    ...      after  ..." */
void ash_print_neighbours(const struct ash_session *session, const struct ash_view_block *block);
json_t *ash_json_block(const struct ash_session *session, const struct ash_view_block *block);
/* Adds "before" and "after". */
json_t *ash_json_neighbours(const struct ash_session *session, const struct ash_view_block *block,
                            json_t *object);
/* Adds "address" and "space", or nothing for an address that differs from run to run. */
json_t *ash_json_address(const struct ash_session *session, uint64_t address, json_t *object);

/* "misuse", "corrupt", or "broken-promise" */
const char *ash_finding_verdict(enum ashlar_finding_code code);

/* The closing line: SUMMARY: VERDICT: N findings; `detail`. In JSON `detail` is left out. */
void ash_report_summary(const struct ash_source *source, const char *verdict, int code,
                        uint64_t findings, const char *detail);

#endif
