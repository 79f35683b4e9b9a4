/* From raw logs to traces: the reading side of a recording.
 *
 *   struct ash_recording recording;
 *   if (!ash_recording_open(&recording, directory, &error)) ...
 *   ash_recording_assemble(&recording, 0, &trace, &summary, &error);
 *   ash_recording_close(&recording);
 *
 * Thread safety: a recording belongs to one thread at a time. The recorded processes should have
 * ended; a log that still grows is read as far as it is complete.
 */
#ifndef ASH_RECORD_ASSEMBLE_H
#define ASH_RECORD_ASSEMBLE_H

#include <ashlar/trace.h>

/* One process image (what a process was between two execs) that left a log. */
struct ash_recorded_image {
    char *path;
    uint64_t start_ns;
    uint32_t pid;
    uint32_t fork_parent;   /* 0: it began by exec */
    uint64_t fork_start_ns; /* of the parent's log */
    uint64_t fork_sequence;
    uint64_t forks; /* children forked that then allocated */
    int stop_errno; /* not 0: recording stopped before the process ended */
    char program[256];
};

struct ash_recording {
    struct ash_recorded_image *images; /* in the order in which they began */
    size_t count;
};

struct ash_recording_summary {
    uint64_t events;          /* of the image's own log */
    uint64_t lost;            /* numbered but not finished when the process was killed */
    uint64_t failed;          /* calls that failed then and need not fail in a replay: left out */
    uint64_t unknown_frees;   /* of blocks that were never seen allocated: left out */
    uint64_t unknown_moves;   /* reallocs of such blocks: taken as new allocations */
    uint64_t implied_frees;   /* addresses handed out again with no free seen: a free was added */
    uint64_t inherited;       /* blocks that a forked child began with: allocated at the start */
    uint32_t threads;         /* different thread numbers; above 256 they share logical threads */
    uint64_t peak_live_bytes; /* as requested */
    uint64_t peak_live_blocks;
    uint64_t live_blocks; /* at the end */
};

/* Reads the headers of all logs in `directory`. */
bool ash_recording_open(struct ash_recording *recording, const char *directory,
                        struct ashlar_trace_error *error);
void ash_recording_close(struct ash_recording *recording);

/* Makes the trace of one image; `out` is initialised here, and stays empty on failure. */
bool ash_recording_assemble(const struct ash_recording *recording, size_t image,
                            struct ashlar_trace *out, struct ash_recording_summary *summary,
                            struct ashlar_trace_error *error);

#endif
