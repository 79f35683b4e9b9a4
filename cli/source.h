/* What commands that read a trace have in common: options, loading, and the replayed heap. */
#ifndef ASH_SOURCE_H
#define ASH_SOURCE_H

#include "command.h"
#include "view.h"

#include <ashlar/trace.h>

/* Options of every command that reads traces. A command's parse function hands its struct
 * ash_source on with ash_source_child as child of its argp (child_inputs[0], at ARGP_KEY_INIT). */
struct ash_source {
    bool json, addresses, raw;
    enum ashlar_trace_format format; /* --from; ASHLAR_FORMAT_UNKNOWN: by content */
    /* Of ash_heap_child only: */
    const char *trace;
    uint64_t until; /* UINT64_MAX: all */
};
extern const struct argp_child ash_source_child[]; /* --json --addresses --raw --from */
extern const struct argp_child ash_heap_child[];   /* and --trace --until: one source of a heap */
void ash_source_init(struct ash_source *source);

/* For parse functions: one line that says what is wrong with an argument; returns EINVAL. */
int ash_bad_option(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Reads a trace. On failure one line with file and position is on standard error. */
bool ash_load(const struct ash_source *source, const char *path, struct ashlar_trace *out);

/* A trace that has been replayed, and its heap. */
struct ash_session {
    const struct ash_source *source;
    const char *path;
    const struct ashlar_trace *trace;
    struct ashlar_replay_result result;
    struct ash_view view;
    bool viewed; /* the target has a heap that can be looked at, and its root is whole */
    struct ash_placed *slots; /* by address */
    size_t slot_count;
};
struct ash_placed {
    uint64_t address, requested;
    uint32_t slot;
    bool live;
};

/* Replays (with options.keep) and opens the view. Run it in a child. Returns 0, or the exit code to
 * end with: the replay could not be made. */
int ash_session_run(struct ash_session *session, const struct ash_source *source, const char *path,
                    const struct ashlar_trace *trace, const struct ashlar_replay_options *options);
/* For checks of its heap, which is not quiescent where a finding left operations under way. */
struct ashlar_reader ash_session_reader(const struct ash_session *session);
/* Destroys the heap unless there was a finding. What destroying it left mapped becomes the
 * finding. */
void ash_session_end(struct ash_session *session);

/* The slot whose block is at `address`: the live one, else a stale one; NULL when there is none. */
const struct ash_placed *ash_session_slot(const struct ash_session *session, uint64_t address);

/* The end of every command that shows the heap of a replayed trace: loads source->trace, cuts it at
 * source->until, replays it in a child, and there calls `show`, whose result is the exit code. A
 * replay that stops at a finding, or crashes, is said on standard error. */
struct ash_shower {
    const char *command;
    struct ash_source *source;
    int (*show)(struct ash_session *session, void *context);
    void *context;
    bool finding_shown; /* `show` reports the replay's finding itself */
};
int ash_show_heap(const struct ash_shower *shower);

#endif
