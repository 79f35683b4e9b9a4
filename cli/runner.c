/* The options of a replay, and the allocator that it runs against. */
#include "runner.h"

#include "isolate.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_TARGET = 0x200,
    KEY_PREFIX,
    KEY_LEVEL,
    KEY_VERIFY,
    KEY_UNTIL,
    KEY_SEED,
    KEY_THREADS,
    KEY_ORACLE,
    KEY_TIMEOUT,
    KEY_MISUSE
};

static const struct argp_option options[] = {
    {"target", KEY_TARGET, "NAME", 0,
     "The allocator to run against: ashlar (default), libc, or the PATH of a shared library", 0},
    {"prefix", KEY_PREFIX, "TEXT", 0, "What the shared library has before malloc, as in je_", 0},
    {"level", KEY_LEVEL, "LEVEL", 0, "Protection level: fast", 0},
    {"verify", KEY_VERIFY, "WHEN", 0,
     "Check the whole heap at the end (default), after each operation, or after each N", 0},
    {"until", KEY_UNTIL, "N", 0, "Stop before operation N (counted from 0)", 0},
    {"seed", KEY_SEED, "N", 0, "Fill blocks with other patterns than the trace asks for", 0},
    {"threads", KEY_THREADS, "HOW", 0,
     "Logical threads: model (default), all in one thread of the system; or real, each in one of "
     "its own, in the trace's order, for allocators that keep caches for each",
     0},
    {"oracle", KEY_ORACLE, "TIER", 0,
     "How much of the content to check: light, sampled, or full (default)", 0},
    {"misuse", KEY_MISUSE, "HOW", 0,
     "Illegal operations that the target reports as it promises: report them as findings, or "
     "expect "
     "them, as fuzzing does; without this, they are findings when nothing else is wrong",
     0},
    {"timeout", KEY_TIMEOUT, "S", 0, "Take a replay of more than S seconds for a crash", 0},
    {0},
};

/* Remembers what this build cannot do: a wrong option beside it is said first. */
static int refuse(struct ash_runner *runner, const char *option, const char *argument) {
    ash_fail(0, "%s %s: not in this build yet", option, argument);
    runner->refused = ASH_EXIT_UNSUPPORTED;
    return 0;
}

static int parse_level(struct ash_runner *runner, const char *argument) {
    if (strcmp(argument, "fast") == 0) return 0;
    if (strcmp(argument, "guard") == 0 || strcmp(argument, "track") == 0) {
        return refuse(runner, "--level", argument);
    }
    return ash_bad_option("--level: no level `%s`", argument);
}

static int parse_verify(struct ash_runner *runner, const char *argument) {
    uint64_t every = 0;
    if (strcmp(argument, "each") == 0) {
        every = 1;
    } else if (strcmp(argument, "end") != 0 &&
               (!ash_option_number(argument, UINT32_MAX, &every) || every == 0)) {
        return ash_bad_option("--verify: end, each, or a number of operations, not `%s`", argument);
    }
    runner->options.verify_every = (uint32_t)every;
    return 0;
}

static int parse_threads(struct ash_runner *runner, const char *argument) {
    runner->os_threads = strcmp(argument, "real") == 0;
    if (runner->os_threads || strcmp(argument, "model") == 0) return 0;
    return ash_bad_option("--threads: model or real, not `%s`", argument);
}

static int parse_oracle(struct ash_runner *runner, const char *argument) {
    static const char *const names[] = {"light", "sampled", "full"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(argument, names[i]) != 0) continue;
        runner->options.oracle = (enum ashlar_oracle_tier)i;
        return 0;
    }
    return ash_bad_option("--oracle: light, sampled or full, not `%s`", argument);
}

static int parse_misuse(struct ash_runner *runner, const char *argument) {
    runner->misuse_given = true;
    runner->options.report_illegal = strcmp(argument, "report") == 0;
    if (runner->options.report_illegal || strcmp(argument, "expect") == 0) return 0;
    return ash_bad_option("--misuse: report or expect, not `%s`", argument);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct ash_runner *runner = state->input;
    uint64_t number;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &runner->source;
        return 0;
    case KEY_TARGET:
        runner->target_name = argument;
        return 0;
    case KEY_PREFIX:
        runner->prefix = argument;
        return 0;
    case KEY_LEVEL:
        return parse_level(runner, argument);
    case KEY_VERIFY:
        return parse_verify(runner, argument);
    case KEY_THREADS:
        return parse_threads(runner, argument);
    case KEY_ORACLE:
        return parse_oracle(runner, argument);
    case KEY_MISUSE:
        return parse_misuse(runner, argument);
    case KEY_UNTIL:
        if (ash_option_number(argument, UINT64_MAX - 1, &runner->until)) return 0;
        return ash_bad_option("--until: `%s` is not a number", argument);
    case KEY_SEED:
        runner->seeded = true;
        if (ash_option_number(argument, UINT64_MAX, &runner->seed)) return 0;
        return ash_bad_option("--seed: `%s` is not a number", argument);
    case KEY_TIMEOUT:
        if (!ash_option_number(argument, 1000000, &number)) {
            return ash_bad_option("--timeout: `%s` is not a number of seconds", argument);
        }
        runner->seconds = (unsigned)number;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, NULL, NULL, ash_source_child, NULL, NULL};
const struct argp_child ash_runner_child[] = {{&argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};

void ash_runner_init(struct ash_runner *runner) {
    *runner = (struct ash_runner){.target_name = "ashlar", .prefix = "", .until = UINT64_MAX};
    ash_source_init(&runner->source);
    runner->options.oracle = ASHLAR_ORACLE_FULL;
}

int ash_runner_open(struct ash_runner *runner) {
    if (runner->refused != 0) return runner->refused;
    const char *name = runner->target_name;
    if (strcmp(name, "ashlar") == 0) {
        runner->options.target = &ashlar_target_core;
    } else if (strcmp(name, "libc") == 0) {
        runner->options.target = &ashlar_target_libc;
    } else if (strchr(name, '/') == NULL && strstr(name, ".so") == NULL) {
        return ash_fail(ASH_EXIT_USAGE,
                        "--target: ashlar, libc, or the path of a library, not `%s`", name);
    } else {
        char error[300] = "";
        if (access(name, R_OK) != 0) {
            return ash_fail(ASH_EXIT_USAGE, "--target: %s: %s", name, strerror(errno));
        }
        runner->loaded = ashlar_target_load(name, runner->prefix, error, sizeof error);
        if (runner->loaded == NULL) return ash_fail(ASH_EXIT_UNSUPPORTED, "--target: %s", error);
        runner->options.target = runner->loaded;
    }
    if (runner->os_threads)
        runner->options.target = ashlar_target_on_threads(runner->options.target);
    if (runner->options.target != NULL) return 0;
    return ash_fail(ASH_EXIT_UNSUPPORTED, "--threads real: the core's logical threads are thread "
                                          "heaps; name the library: --target PATH/libashlar.so");
}

void ash_runner_close(struct ash_runner *runner) {
    if (runner->loaded != NULL) ashlar_target_unload(runner->loaded);
    runner->loaded = NULL;
}

int ash_runner_load(struct ash_runner *runner, const char *path, struct ashlar_trace *out) {
    if (!ash_load(&runner->source, path, out)) return ASH_EXIT_USAGE;
    if (runner->until < out->count) out->count = (size_t)runner->until;
    if (runner->seeded) out->seed = runner->seed;
    if (runner->misuse_given) return 0;
    return ash_choose_finding(out, &runner->options, runner->seconds) ? 0 : ASH_EXIT_TOOL;
}
