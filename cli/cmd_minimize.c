/* ashlar minimize: the smallest trace that still shows the same finding.
 *
 * Every candidate is replayed in a child: one that crashes, or never returns, is an answer and not
 * the end. "The same" is the same code, layer and kind of operation; for a crash, a crash again by
 * the same signal.
 *
 * Exit 0 when a trace was written. A trace without a finding is an input that is not what it should
 * be (exit 2): nothing is written then.
 */
#include "isolate.h"
#include "report.h"
#include "runner.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { KEY_EMIT_C = 0x300, KEY_TESTS, DEFAULT_TESTS = 20000, DEFAULT_SECONDS = 10 };

struct minimize {
    struct ash_runner runner;
    const char *path, *out, *emit_c;
    uint64_t max_tests;
    struct ashlar_trace trace, original;
    struct ash_outcome wanted;
    uint64_t tests;
    size_t fewest; /* operations of the smallest candidate so far */
    bool progress, failed;
};

static const struct argp_option options[] = {
    {"output", 'o', "OUT", 0, "Write the smallest trace to OUT (text; .ashtrace: binary)", 0},
    {"emit-c", KEY_EMIT_C, "FILE", 0, "Write a C program that does the same to FILE", 0},
    {"tests", KEY_TESTS, "N", 0, "Make at most N replays (20,000)", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct minimize *it = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &it->runner;
        return 0;
    case 'o':
        it->out = argument;
        return 0;
    case KEY_EMIT_C:
        it->emit_c = argument;
        return 0;
    case KEY_TESTS:
        if (ash_option_number(argument, UINT32_MAX, &it->max_tests)) return 0;
        return ash_bad_option("--tests: `%s` is not a number", argument);
    case ARGP_KEY_ARG:
        if (it->path != NULL) return ash_bad_option("minimize: one trace at a time");
        it->path = argument;
        return 0;
    case ARGP_KEY_END:
        if (it->path == NULL) return ash_bad_option("minimize: no trace given");
        if (it->out == NULL && it->emit_c == NULL) {
            return ash_bad_option("minimize: nothing to write: -o OUT or --emit-c FILE");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options,
                                 parse,
                                 "TRACE",
                                 "Find the smallest trace with the same finding: fewer operations, "
                                 "smaller sizes, fewer slots and "
                                 "threads.",
                                 ash_runner_child,
                                 NULL,
                                 NULL};

static bool same(const struct minimize *it, const struct ashlar_trace *candidate,
                 const struct ash_outcome *outcome) {
    if (it->wanted.signal != 0 || outcome->signal != 0) {
        return outcome->signal == it->wanted.signal;
    }
    const struct ashlar_replay_result a = {.found = it->wanted.found,
                                           .finding = it->wanted.finding};
    const struct ashlar_replay_result b = {.found = outcome->found, .finding = outcome->finding};
    return ashlar_same_finding(&it->original, &a, candidate, &b);
}

static bool still_fails(void *context, const struct ashlar_trace *candidate) {
    struct minimize *it = context;
    struct ash_outcome outcome;
    if (it->failed) return false;
    it->tests++;
    if (!ash_probe(candidate, candidate->count, &it->runner.options, it->runner.seconds,
                   &outcome)) {
        it->failed = true;
        return false;
    }
    bool fails = same(it, candidate, &outcome);
    if (fails && candidate->count < it->fewest) it->fewest = candidate->count;
    if (it->progress && it->tests % 16 == 0) {
        fprintf(stderr, "\r%" PRIu64 " replays, %zu operations ", it->tests, it->fewest);
    }
    return fails;
}

static bool write_files(const struct minimize *it) {
    struct ashlar_trace_error error = {0};
    const char *out = it->out;
    if (out != NULL) {
        size_t length = strlen(out);
        bool binary = length > 9 && strcmp(out + length - 9, ".ashtrace") == 0;
        if (!ashlar_trace_save(&it->trace, out, binary ? ASHLAR_FORMAT_BINARY : ASHLAR_FORMAT_TEXT,
                               false, NULL, &error)) {
            ash_fail(0, "%s: %s", out, error.message);
            return false;
        }
    }
    if (it->emit_c == NULL) return true;
    char comment[160];
    const struct ashlar_finding_info *info = ashlar_finding_by_number(it->wanted.finding.code);
    snprintf(comment, sizeof comment, "Made by `ashlar minimize --emit-c` for %s.",
             it->wanted.found && info != NULL ? info->code : "ASH-ORACLE-CRASH");
    struct ashlar_program program = {.comment = comment};
    if (strchr(it->runner.target_name, '/') != NULL) {
        program.library = it->runner.target_name;
        program.prefix = it->runner.prefix;
    }
    FILE *stream = fopen(it->emit_c, "w");
    bool written = stream != NULL && ashlar_trace_write_c(&it->trace, stream, &program);
    if (stream != NULL && fclose(stream) != 0) written = false;
    if (!written) ash_fail(0, "%s: %s", it->emit_c, strerror(errno));
    return written;
}

static void report(const struct minimize *it) {
    const struct ashlar_finding_info *info =
        ashlar_finding_by_number(it->wanted.found ? it->wanted.finding.code : ASHLAR_ORACLE_CRASH);
    const char *code = info != NULL ? info->code : "ASH-UNKNOWN";
    if (it->runner.source.json) {
        json_t *line =
            json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "type", "minimized", "trace", it->path,
                      "code", code, "operations_before", (json_int_t)it->original.count,
                      "operations", (json_int_t)it->trace.count, "replays", (json_int_t)it->tests);
        if (it->out != NULL) line = ash_json_with(line, "out", json_string(it->out));
        if (it->emit_c != NULL) line = ash_json_with(line, "emit_c", json_string(it->emit_c));
        ash_json_line(line);
        ash_json_summary("done", ASH_EXIT_SOUND, NULL);
        return;
    }
    printf("%s: %s, ", it->path, code);
    printf("%s before, ", ash_plural(it->original.count, "operation").text);
    printf("%s now, ", ash_count_text(it->trace.count).text);
    printf("%s\n", ash_plural(it->tests, "replay").text);
    for (size_t i = 0; i < it->trace.count && i < 24; i++) {
        printf("  %2zu  %s\n", i, ash_op_line(&it->trace, i).text);
    }
    if (it->out != NULL) printf("written: %s\n", it->out);
    if (it->emit_c != NULL) printf("written: %s\n", it->emit_c);
}

static int minimize_trace(struct minimize *it) {
    struct ash_runner *runner = &it->runner;
    int code = ash_runner_load(runner, it->path, &it->original);
    if (code != 0) return code;
    size_t count = it->original.count;
    if (!ash_probe(&it->original, count, &runner->options, runner->seconds, &it->wanted)) {
        return ASH_EXIT_TOOL;
    }
    if (!ash_outcome_bad(&it->wanted)) {
        return ash_fail(ASH_EXIT_USAGE, "%s: no finding in this trace, so nothing to minimize",
                        it->path);
    }
    if (!ashlar_trace_copy(&it->trace, &it->original)) {
        return ash_fail(ASH_EXIT_TOOL, "%s: no memory", it->path);
    }
    it->fewest = count;
    ashlar_minimize(&it->trace, still_fails, it, (size_t)it->max_tests);
    if (it->progress) fputs("\r\033[K", stderr);
    if (it->failed) return ASH_EXIT_TOOL;
    if (!write_files(it)) return ASH_EXIT_TOOL;
    report(it);
    return ASH_EXIT_SOUND;
}

static int run(int argc, char **argv) {
    static struct minimize it;
    ash_runner_init(&it.runner);
    it.max_tests = DEFAULT_TESTS;
    it.runner.seconds = DEFAULT_SECONDS;
    if (!ash_parse(&argp, argc, argv, 0, &it)) return ASH_EXIT_USAGE;
    int code = ash_runner_open(&it.runner);
    if (code != 0) return code;
    it.progress = isatty(STDERR_FILENO) == 1;
    if (it.runner.source.json) {
        ash_report_begin("minimize", &it.runner.source, it.runner.options.target->name);
    }
    ashlar_trace_init(&it.original);
    ashlar_trace_init(&it.trace);
    code = minimize_trace(&it);
    ashlar_trace_free(&it.original);
    ashlar_trace_free(&it.trace);
    ash_runner_close(&it.runner);
    return code;
}

const struct ash_command ash_cmd_minimize = {
    "minimize", "makes the smallest trace with the same finding", &argp, run};
