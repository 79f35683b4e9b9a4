/* A fuzzing campaign: engines as processes, and what they leave behind. See campaign.c. */
#ifndef ASH_CAMPAIGN_H
#define ASH_CAMPAIGN_H

#include "preload.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum ash_engine { ASH_ENGINE_LIBFUZZER, ASH_ENGINE_AFL, ASH_ENGINES };

enum { ASH_CAMPAIGN_PROCESSES = 32, ASH_FUZZ_INPUT_BYTES = 8 + 24 * 1024 };

struct ash_campaign {
    const char *target, *prefix; /* of fuzz_library; NULL: the harness has its target linked in */
    const char *harness;         /* --harness; NULL: ours */
    const char *threads;         /* --threads: "model" or "real"; NULL: as the target says */
    const char *sanitizer;       /* "none" or "address" */
    const char *seeds;           /* --corpus; NULL: ours */
    bool engines[ASH_ENGINES];
    uint64_t seconds, jobs, seed, timeout;
    char folder[ASH_PATH_BYTES]; /* absolute */
    char programs[ASH_ENGINES][ASH_PATH_BYTES];
    char mutator[ASH_PATH_BYTES]; /* AFL++'s; empty: none */
    pid_t processes[ASH_CAMPAIGN_PROCESSES];
    enum ash_engine engine_of[ASH_CAMPAIGN_PROCESSES];
    unsigned process_count;
    double started; /* seconds, of a clock that only goes on */
    double ends;
};

/* How far it has come. */
struct ash_progress {
    uint64_t executions, operations;
    uint64_t edges, kept;
    double seconds;
};

/* Every function that can fail has said why on standard error. */

/* Finds programs and seeds, and makes the folder ready. Returns 0 or an exit code. */
int ash_campaign_open(struct ash_campaign *campaign);
bool ash_campaign_start(struct ash_campaign *campaign);
/* To be called a few times a second: starts anew what ended early, shares what the engines found.
 * False: all is over. */
bool ash_campaign_tend(struct ash_campaign *campaign);
void ash_campaign_stop(struct ash_campaign *campaign);
void ash_campaign_progress(const struct ash_campaign *campaign, struct ash_progress *out);
/* Calls `visit` for each input that an engine kept as a crash or a hang; false ends the walk. */
typedef bool ash_artifact_visitor(void *context, const char *path, const char *name);
void ash_campaign_artifacts(const struct ash_campaign *campaign, ash_artifact_visitor *visit,
                            void *context);
/* The same for each input in the middle of which a process has ended since the last call, whoever
 * ended it. */
void ash_campaign_ended(const struct ash_campaign *campaign, ash_artifact_visitor *visit,
                        void *context);

/* And for each input that the campaign starts from. */
void ash_campaign_seeds(const struct ash_campaign *campaign, ash_artifact_visitor *visit,
                        void *context);

/* The harness for single inputs. */
const char *ash_campaign_replayer(const struct ash_campaign *campaign);
/* Becomes the program, with the environment that harnesses want. What runs for triage does not
 * count as fuzzing; SYMBOLIZED stacks have names. */
enum ash_purpose { ASH_RUN_ENGINE, ASH_RUN_INPUT, ASH_RUN_SYMBOLIZED };
_Noreturn void ash_campaign_become(const struct ash_campaign *campaign, enum ash_engine engine,
                                   enum ash_purpose purpose, char **arguments);

/* Puts a path together; false: too long. */
bool ash_path(char out[ASH_PATH_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool ash_make_folder(const char *path);
bool ash_copy_file(const char *from, const char *to);
double ash_clock(void);

#endif
