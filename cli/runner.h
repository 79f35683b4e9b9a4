/* What replay, bisect and minimize share: the options that say how a trace is replayed. */
#ifndef ASH_RUNNER_H
#define ASH_RUNNER_H

#include "source.h"

struct ash_runner {
    struct ash_source source;
    const char *target_name; /* --target */
    const char *prefix;      /* --prefix */
    struct ashlar_target *loaded;
    struct ashlar_replay_options options;
    uint64_t until; /* UINT64_MAX: all */
    uint64_t seed;
    bool seeded;
    bool os_threads;   /* --threads real */
    bool misuse_given; /* --misuse says whether illegal operations are findings */
    unsigned seconds;  /* --timeout; 0: none */
    int refused;       /* exit code of an option that this build cannot satisfy; 0: none */
};
/* Child of a command's argp; its input is the struct ash_runner. */
extern const struct argp_child ash_runner_child[];
void ash_runner_init(struct ash_runner *runner);

/* Finds the target after the options have been parsed. Returns 0, or the exit code to end with; one
 * line is on standard error then. */
int ash_runner_open(struct ash_runner *runner);
void ash_runner_close(struct ash_runner *runner);

/* Loads a trace, with --seed and --until applied, and decides whether its illegal operations are to
 * be findings, unless --misuse did. Returns 0, or the exit code to end with. */
int ash_runner_load(struct ash_runner *runner, const char *path, struct ashlar_trace *out);

#endif
