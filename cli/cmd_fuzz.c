/* ashlar fuzz: fuzzes an allocator with one engine or both, and makes what they find fit to be
 * looked at.
 *
 * Everything that runs the target is another process (campaign.c, triage.c), so a target that
 * crashes, hangs or eats memory is a finding and not the end. Findings are told as they come; the
 * campaign goes on until its time is over or SIGINT asks it to stop.
 *
 * Exit 0: no finding. 3: none, but some input crashed the target only after others, in a process
 * that had run those before: it is kept, and nobody can say more of it.
 */
#include "command.h"
#include "report.h"
#include "triage.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEY_ENGINE = 0x400,
    KEY_TARGET,
    KEY_PREFIX,
    KEY_HARNESS,
    KEY_TIME,
    KEY_JOBS,
    KEY_CORPUS,
    KEY_SANITIZER,
    KEY_SEED,
    KEY_TIMEOUT,
    KEY_FIRST,
    KEY_THREADS,
    KEY_JSON
};

struct fuzz {
    struct ash_campaign campaign;
    struct ash_triage triage;
    struct ash_source source; /* for reports: whether JSON is wanted */
    const char *output, *target;
    bool terminal, failed, first;
};

static const struct argp_option options[] = {
    {"engine", KEY_ENGINE, "NAME", 0, "libfuzzer (default), afl, or both, which share a corpus", 0},
    {"target", KEY_TARGET, "NAME", 0,
     "The allocator: ashlar (default), libc, or the PATH of a shared library", 0},
    {"prefix", KEY_PREFIX, "TEXT", 0, "What the shared library has before malloc, as in je_", 0},
    {"harness", KEY_HARNESS, "PROGRAM", 0,
     "Fuzz with a program that ashlar_add_fuzz_targets built for the engine, instead of a target",
     0},
    {"threads", KEY_THREADS, "HOW", 0,
     "Logical threads: model, all in one thread of the system; or real, each in one of its own, "
     "for "
     "allocators that keep caches for each (default: as the harness's target says, else model)",
     0},
    {"sanitizer", KEY_SANITIZER, "NAME", 0,
     "none (default), or address for a library that was built with AddressSanitizer", 0},
    {"time", KEY_TIME, "S", 0, "Stop after S seconds (60)", 0},
    {"first", KEY_FIRST, NULL, 0, "Stop at the first finding", 0},
    {"jobs", KEY_JOBS, "N", 0, "Processes of each engine (1)", 0},
    {"corpus", KEY_CORPUS, "FOLDER", 0, "Start from these raw inputs instead of our own", 0},
    {"output", 'o', "FOLDER", 0,
     "Where corpus, logs and crashes go (ashlar-fuzz); a corpus that is there is taken up", 0},
    {"seed", KEY_SEED, "N", 0, "Of the engines' random numbers (1)", 0},
    {"timeout", KEY_TIMEOUT, "S", 0, "Take an input of more than S seconds for a hang (5)", 0},
    {"json", KEY_JSON, NULL, 0, "Print JSON Lines", 0},
    {0},
};

static int parse_engine(struct ash_campaign *campaign, const char *argument) {
    bool both = strcmp(argument, "both") == 0;
    campaign->engines[ASH_ENGINE_LIBFUZZER] = both || strcmp(argument, "libfuzzer") == 0;
    campaign->engines[ASH_ENGINE_AFL] = both || strcmp(argument, "afl") == 0;
    if (campaign->engines[ASH_ENGINE_LIBFUZZER] || campaign->engines[ASH_ENGINE_AFL]) return 0;
    return ash_bad_option("--engine: libfuzzer, afl or both, not `%s`", argument);
}

static int parse_number(const char *option, const char *argument, uint64_t most, uint64_t *out) {
    if (ash_option_number(argument, most, out) && *out > 0) return 0;
    return ash_bad_option("--%s: `%s` is not a number from 1 to %llu", option, argument,
                          (unsigned long long)most);
}

static int parse_sanitizer(struct ash_campaign *campaign, const char *argument) {
    campaign->sanitizer = argument;
    if (strcmp(argument, "none") == 0 || strcmp(argument, "address") == 0) return 0;
    return ash_bad_option("--sanitizer: none or address, not `%s`; others by --harness", argument);
}

static int parse_threads(struct ash_campaign *campaign, const char *argument) {
    campaign->threads = argument;
    if (strcmp(argument, "model") == 0 || strcmp(argument, "real") == 0) return 0;
    return ash_bad_option("--threads: model or real, not `%s`", argument);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct fuzz *fuzz = state->input;
    struct ash_campaign *campaign = &fuzz->campaign;
    switch (key) {
    case KEY_ENGINE:
        return parse_engine(campaign, argument);
    case KEY_TARGET:
        fuzz->target = argument;
        return 0;
    case KEY_PREFIX:
        campaign->prefix = argument;
        return 0;
    case KEY_HARNESS:
        campaign->harness = argument;
        return 0;
    case KEY_SANITIZER:
        return parse_sanitizer(campaign, argument);
    case KEY_THREADS:
        return parse_threads(campaign, argument);
    case KEY_TIME:
        return parse_number("time", argument, 10000000, &campaign->seconds);
    case KEY_JOBS:
        return parse_number("jobs", argument, ASH_CAMPAIGN_PROCESSES / 2, &campaign->jobs);
    case KEY_SEED:
        return parse_number("seed", argument, INT32_MAX, &campaign->seed);
    case KEY_TIMEOUT:
        return parse_number("timeout", argument, 3600, &campaign->timeout);
    case KEY_CORPUS:
        campaign->seeds = argument;
        return 0;
    case KEY_FIRST:
        fuzz->first = true;
        return 0;
    case 'o':
        fuzz->output = argument;
        return 0;
    case KEY_JSON:
        fuzz->source.json = true;
        return 0;
    case ARGP_KEY_ARG:
        return ash_bad_option("fuzz: unexpected argument `%s`", argument);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    NULL,
    "Fuzz an allocator until the time is over. Findings are deduplicated by code, operation and "
    "top "
    "frames, minimised, and written to crashes/ID/{trace,report,reproducer.c,input.raw}, each with "
    "the command that replays it."
    "\vA shared library is loaded beside the harness's own malloc. When it was compiled with "
    "coverage (Clang's -fsanitize=fuzzer-no-link; for AFL++ by afl-clang-fast), coverage leads the "
    "fuzzing; without, what the allocator answers does.",
    NULL,
    NULL,
    NULL};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

static void clear_progress(const struct fuzz *fuzz) {
    if (fuzz->terminal) fputs("\r\033[K", stderr);
}

static void show_progress(const struct fuzz *fuzz) {
    struct ash_progress now;
    if (!fuzz->terminal) return;
    ash_campaign_progress(&fuzz->campaign, &now);
    fprintf(stderr, "\r\033[K%.0f of %llu s  %s executions  %s edges  %s", now.seconds,
            (unsigned long long)fuzz->campaign.seconds, ash_count_text(now.executions).text,
            ash_count_text(now.edges).text, ash_plural(fuzz->triage.count, "finding").text);
}

static void tell(const struct ash_triage *triage, const struct ash_found *found) {
    const struct fuzz *fuzz = (const struct fuzz *)triage->campaign; /* its first member */
    const struct ash_signature *small = &found->small;
    clear_progress(fuzz);
    if (fuzz->source.json) {
        json_t *frames = json_array();
        for (size_t i = 0; i < ASH_FRAMES && small->frames[i][0] != 0; i++)
            json_array_append_new(frames, json_string(small->frames[i]));
        ash_json_line(json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:I, s:f, s:s}", "type", "finding",
                                "id", found->id, "code", small->code, "operation", small->operation,
                                "hangs", small->hangs, "frames", frames, "operations",
                                (json_int_t)found->operations, "seconds", found->seconds, "replay",
                                found->replay));
        ash_flush_output();
        return;
    }
    printf("%s in %s%s, %s, after %.1f s\n", small->code, small->operation,
           small->hangs ? " (it does not return)" : "",
           ash_plural(found->operations, "operation").text, found->seconds);
    for (size_t i = 0; i < ASH_FRAMES && small->frames[i][0] != 0; i++)
        printf("  frame     %s\n", small->frames[i]);
    printf("  written   %s/crashes/%s\n", triage->campaign->folder, found->id);
    printf("  again     %s\n", found->replay);
    ash_flush_output();
}

static bool look(void *context, const char *path, const char *name) {
    struct fuzz *fuzz = context;
    if (ash_clock() > fuzz->campaign.ends) ash_campaign_stop(&fuzz->campaign);
    if (fuzz->first && fuzz->triage.count > 0) return false;
    if (!ash_triage_input(&fuzz->triage, path, name)) fuzz->failed = true;
    return !fuzz->failed;
}

/* Most processes that end in the middle of an input do so at the hands of their engine. */
static bool look_at_end(void *context, const char *path, const char *name) {
    (void)name;
    struct fuzz *fuzz = context;
    if (fuzz->first && fuzz->triage.count > 0) return false;
    if (!ash_triage_seed(&fuzz->triage, path)) fuzz->failed = true;
    return !fuzz->failed;
}

/* What a seed shows is told before the engines come to it. One bad seed is enough; those that hang
 * are left to the engine, and take no more than an eighth of the time. */
static bool look_at_seed(void *context, const char *path, const char *name) {
    (void)name;
    struct fuzz *fuzz = context;
    double until = fuzz->campaign.started + (double)fuzz->campaign.seconds / 8;
    if (interrupted != 0 || ash_clock() > until) return false;
    if (!ash_triage_seed(&fuzz->triage, path)) fuzz->failed = true;
    return !fuzz->failed && fuzz->triage.count == 0;
}

static int conclude(struct fuzz *fuzz) {
    const struct ash_triage *triage = &fuzz->triage;
    struct ash_progress end;
    ash_campaign_progress(&fuzz->campaign, &end);
    if (end.executions == 0 && triage->count == 0)
        return ash_fail(ASH_EXIT_TOOL, "fuzz: the engines ran no input; their logs are in %s",
                        fuzz->campaign.folder);
    int code = triage->count > 0          ? ASH_EXIT_FINDINGS
               : triage->unrepeatable > 0 ? ASH_EXIT_INCOMPLETE
                                          : ASH_EXIT_SOUND;
    const char *verdict = code == ASH_EXIT_SOUND        ? "sound"
                          : code == ASH_EXIT_INCOMPLETE ? "incomplete"
                                                        : "broken-promise";
    if (fuzz->source.json) {
        ash_json_summary(
            verdict, code,
            json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "findings", (json_int_t)triage->count,
                      "executions", (json_int_t)end.executions, "operations",
                      (json_int_t)end.operations, "edges", (json_int_t)end.edges, "inputs_kept",
                      (json_int_t)end.kept, "unrepeatable", (json_int_t)triage->unrepeatable,
                      "slow", (json_int_t)triage->slow));
        return code;
    }
    printf("%s, ", ash_plural(end.executions, "execution").text);
    printf("%s, ", ash_plural(end.operations, "operation").text);
    printf("%s, ", ash_plural(end.edges, "edge").text);
    printf("%s kept\n", ash_plural(end.kept, "input").text);
    if (triage->unrepeatable > 0)
        printf("%s failed only after others; kept as %s/unrepeatable-*\n",
               ash_plural(triage->unrepeatable, "input").text, fuzz->campaign.folder);
    if (triage->slow > 0)
        printf("%s took more than %llu s, and returned\n", ash_plural(triage->slow, "input").text,
               (unsigned long long)fuzz->campaign.timeout);
    if (triage->left > 0)
        printf("%s more not looked at: %s/artifacts and afl/\n",
               ash_plural(triage->left, "input").text, fuzz->campaign.folder);
    ash_report_summary(&fuzz->source, verdict, code, triage->count, NULL);
    return code;
}

static int campaign(struct fuzz *fuzz) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (!ash_campaign_start(&fuzz->campaign)) return ASH_EXIT_TOOL;
    ash_campaign_seeds(&fuzz->campaign, look_at_seed, fuzz);
    for (bool on = true; on && !fuzz->failed && interrupted == 0;) {
        usleep(100000);
        on = ash_campaign_tend(&fuzz->campaign);
        ash_campaign_artifacts(&fuzz->campaign, look, fuzz);
        ash_campaign_ended(&fuzz->campaign, look_at_end, fuzz);
        if (fuzz->first && fuzz->triage.count > 0) on = false;
        show_progress(fuzz);
    }
    clear_progress(fuzz);
    ash_campaign_stop(&fuzz->campaign);
    if (!fuzz->failed) ash_campaign_artifacts(&fuzz->campaign, look, fuzz);
    return fuzz->failed ? ASH_EXIT_TOOL : conclude(fuzz);
}

/* A library by its path from anywhere; the other targets by name. */
static int settle_target(struct fuzz *fuzz) {
    static char path[ASH_PATH_BYTES];
    struct ash_campaign *it = &fuzz->campaign;
    bool path_given = strchr(fuzz->target, '/') != NULL || strstr(fuzz->target, ".so") != NULL;
    it->target = fuzz->target;
    if (!path_given && strcmp(fuzz->target, "ashlar") != 0 && strcmp(fuzz->target, "libc") != 0)
        return ash_fail(ASH_EXIT_USAGE,
                        "--target: ashlar, libc, or the path of a library, not `%s`", fuzz->target);
    if (!path_given || it->harness != NULL) return 0;
    if (realpath(fuzz->target, path) == NULL)
        return ash_fail(ASH_EXIT_USAGE, "--target: %s: %s", fuzz->target, strerror(errno));
    it->target = path;
    return 0;
}

static int run(int argc, char **argv) {
    static struct fuzz fuzz;
    struct ash_campaign *it = &fuzz.campaign;
    *it = (struct ash_campaign){.prefix = "", .sanitizer = "none", .seconds = 60, .jobs = 1};
    it->seed = 1;
    it->timeout = 5;
    it->engines[ASH_ENGINE_LIBFUZZER] = true;
    ash_source_init(&fuzz.source);
    fuzz.output = "ashlar-fuzz";
    fuzz.target = "ashlar";
    if (!ash_parse(&argp, argc, argv, 0, &fuzz)) return ASH_EXIT_USAGE;
    fuzz.triage.campaign = it;
    fuzz.triage.tell = tell;
    fuzz.terminal = isatty(STDERR_FILENO) == 1;
    int code = settle_target(&fuzz);
    if (code == 0 && !ash_path(it->folder, "%s", fuzz.output)) code = ASH_EXIT_USAGE;
    if (code == 0) code = ash_campaign_open(it);
    if (code != 0) return code;
    const char *name = it->harness != NULL ? it->harness : fuzz.target;
    if (fuzz.source.json)
        ash_report_begin("fuzz", &fuzz.source, name);
    else
        printf("fuzzing %s for %llu s\n", name, (unsigned long long)it->seconds);
    signal(SIGPIPE, SIG_IGN); /* a server of inputs may end at any time */
    code = campaign(&fuzz);
    ash_triage_end(&fuzz.triage);
    return code;
}

const struct ash_command ash_cmd_fuzz = {"fuzz", "fuzzes an allocator, and minimises what is found",
                                         &argp, run};
