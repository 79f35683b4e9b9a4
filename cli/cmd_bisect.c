/* ashlar bisect: the first operation after which an invariant no longer holds.
 *
 * A replay sees damage at its next check; bisect replays ever other prefixes, each with the full
 * check and the full contents at its end, until it has two that differ by one operation: sound
 * without it, not sound with it. Damage that a later operation hides again can lie before a later
 * one that does not: --exhaustive tries every length from the start, at a price.
 */
#include "isolate.h"
#include "report.h"
#include "runner.h"

#include <errno.h>

enum { KEY_EXHAUSTIVE = 0x300 };

struct bisect {
    struct ash_runner runner;
    const char *path;
    bool exhaustive;
    struct ashlar_trace trace;
};

static const struct argp_option options[] = {
    {"exhaustive", KEY_EXHAUSTIVE, NULL, 0, "Try every prefix from the first operation on", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct bisect *bisect = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &bisect->runner;
        return 0;
    case KEY_EXHAUSTIVE:
        bisect->exhaustive = true;
        return 0;
    case ARGP_KEY_ARG:
        if (bisect->path != NULL) return ash_bad_option("bisect: one trace at a time");
        bisect->path = argument;
        return 0;
    case ARGP_KEY_END:
        return bisect->path != NULL ? 0 : ash_bad_option("bisect: no trace given");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "TRACE",
    "Find the first operation after which an invariant no longer holds.",
    ash_runner_child,
    NULL,
    NULL};

static int report_body(void *context) {
    struct bisect *bisect = context;
    static struct ash_session session;
    int code = ash_session_run(&session, &bisect->runner.source, bisect->path, &bisect->trace,
                               &bisect->runner.options);
    if (code != 0) return code;
    ash_report_replay(&session);
    return ASH_EXIT_FINDINGS;
}

static void print_place(const struct bisect *bisect, size_t needed) {
    if (bisect->runner.source.json) {
        ash_json_line(json_pack("{s:s, s:s, s:I, s:s}", "type", "bisect", "trace", bisect->path,
                                "operation", (json_int_t)(needed - 1), "text",
                                ash_op_line(&bisect->trace, needed - 1).text));
        return;
    }
    printf("%s: sound after %s; no longer after operation %zu: %s\n", bisect->path,
           ash_plural(needed - 1, "operation").text, needed - 1,
           ash_op_line(&bisect->trace, needed - 1).text);
}

static int report(struct bisect *bisect, size_t needed, const struct ash_outcome *outcome) {
    const struct ash_runner *runner = &bisect->runner;
    bisect->trace.count = needed;
    print_place(bisect, needed);
    int signal = 0;
    int code = ASH_EXIT_FINDINGS;
    const char *verdict = "broken-promise";
    if (outcome->signal == 0) {
        verdict = ash_finding_verdict(outcome->finding.code);
        code = ash_isolate(report_body, bisect, runner->seconds, &signal);
    }
    if (outcome->signal != 0 || code == -1) {
        struct ash_crash crash = {&runner->source,
                                  bisect->path,
                                  &bisect->trace,
                                  &runner->options,
                                  outcome->signal != 0 ? outcome->signal : signal,
                                  runner->seconds};
        ash_report_crash(&crash, needed - 1);
        code = ASH_EXIT_FINDINGS;
    }
    if (code == ASH_EXIT_FINDINGS) ash_report_summary(&runner->source, verdict, code, 1, NULL);
    return code;
}

static int bisect_trace(struct bisect *bisect) {
    struct ash_runner *runner = &bisect->runner;
    int code = ash_runner_load(runner, bisect->path, &bisect->trace);
    if (code != 0) return code;
    struct ash_outcome outcome = {0};
    size_t needed = ash_shortest_bad(&bisect->trace, bisect->trace.count, &runner->options,
                                     runner->seconds, bisect->exhaustive, &outcome);
    if (needed > 0) return report(bisect, needed, &outcome);
    if (ash_outcome_bad(&outcome)) {
        return ash_fail(ASH_EXIT_TOOL, "%s: the finding does not come back", bisect->path);
    }
    if (outcome.failure != ASHLAR_OK) {
        return ash_fail(ASH_EXIT_TOOL, "%s: the replay could not go on: %s", bisect->path,
                        ashlar_status_text(outcome.failure));
    }
    code = outcome.incomplete ? ASH_EXIT_INCOMPLETE : ASH_EXIT_SOUND;
    ash_report_summary(&runner->source, outcome.incomplete ? "incomplete" : "sound", code, 0,
                       ash_plural(bisect->trace.count, "operation").text);
    return code;
}

static int run(int argc, char **argv) {
    static struct bisect bisect;
    ash_runner_init(&bisect.runner);
    if (!ash_parse(&argp, argc, argv, 0, &bisect)) return ASH_EXIT_USAGE;
    int code = ash_runner_open(&bisect.runner);
    if (code != 0) return code;
    if (bisect.runner.source.json) {
        ash_report_begin("bisect", &bisect.runner.source, bisect.runner.options.target->name);
    }
    ashlar_trace_init(&bisect.trace);
    code = bisect_trace(&bisect);
    ashlar_trace_free(&bisect.trace);
    ash_runner_close(&bisect.runner);
    return code;
}

const struct ash_command ash_cmd_bisect = {
    "bisect", "finds the operation after which an invariant no longer holds", &argp, run};
