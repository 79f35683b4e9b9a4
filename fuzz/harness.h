/* What every harness shares: how an engine or the plain replayer hands it an input, what it says of
 * it, and what it counts.
 *
 * A harness is one file that defines ash_harness. harness.c gives it the engines' entry point,
 * standalone_main.c a main for plain files.
 */
#ifndef ASH_FUZZ_HARNESS_H
#define ASH_FUZZ_HARNESS_H

#include <ashlar/trace.h>

/* What an input came to, in numbers. */
struct ash_fuzz_outcome {
    uint64_t ops, skipped;      /* operations of whatever kind the harness performs */
    uint64_t misuses;           /* misuses and corruptions that were reported as promised */
    enum ashlar_status failure; /* not OK: the input could not be run */
};

struct ash_harness {
    const char *name;
    /* Runs one input; `*outcome` is zero. On a finding says so on standard error (a line "FINDING
     * ..." first) and returns false. `file`: where the input came from; NULL: the engine keeps it.
     */
    bool (*run)(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome);
    /* The plain program's further uses, when its first argument begins with "--"; NULL: none. */
    int (*drive)(int argc, char **argv);
};
extern const struct ash_harness ash_harness;

/* Runs an input and counts it. */
bool ash_fuzz_input(const uint8_t *data, size_t size, const char *file,
                    struct ash_fuzz_outcome *outcome);

/* serve.c: with ASHLAR_FUZZ_SERVE in the environment serves inputs and never returns. */
void ash_fuzz_serve(void);

/* How much is checked: ASHLAR_FUZZ_TIER. */
struct ash_fuzz_tier {
    const char *name;
    enum ashlar_oracle_tier oracle;
    uint32_t verify_every;
    bool touched_check;
};
const struct ash_fuzz_tier *ash_fuzz_tier(void);

/* Everything that a human needs to see a replay's finding again, and the line for scripts.
 * `again`: the command that replays FILE, up to its name. */
void ash_fuzz_report(const struct ashlar_trace *trace, const struct ashlar_replay_result *result,
                     const char *again, const char *file);
/* Reads the input as a raw trace and replays it on `target` with the checks of the tier: counts,
 * and on a finding reports it and returns false. */
bool ash_fuzz_replay(const struct ashlar_target *target, const uint8_t *data, size_t size,
                     const char *again, const char *file, struct ash_fuzz_outcome *outcome);
/* The command for inputs of the core. */
#define ASH_FUZZ_AGAIN "ashlar replay --misuse expect --verify each --raw"
void ash_fuzz_count_replay(struct ash_fuzz_outcome *outcome,
                           const struct ashlar_replay_result *result);

#endif
