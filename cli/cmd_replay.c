/* ashlar replay: runs traces against a target, with the oracle.
 *
 * Each trace runs in a child of its own, so that one that crashes the target does not hide what the
 * others show. What the closing line adds up travels through shared memory.
 *
 * Exit 0 means that the oracle and the target's own check, where it has one, saw every operation.
 * When the trace holds illegal operations that the target does not claim to find, they were left
 * out, and the exit code says so (3).
 */
#include "guarded.h"
#include "isolate.h"
#include "report.h"
#include "runner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { KEY_REPEAT = 0x300 };

/* Over all traces; shared with the children. */
struct totals {
    uint64_t findings, blocks, pages_checked, pages_total;
    uint64_t unchecked; /* illegal operations left out */
    enum ashlar_finding_code first;
    bool incomplete, checked, crashed;
};

struct replay {
    struct ash_runner runner;
    char **paths;
    size_t path_count;
    uint64_t repeat;
    const char *path; /* the current one */
    struct ashlar_trace trace;
    struct totals *totals;
};

static const struct argp_option options[] = {
    {"repeat", KEY_REPEAT, "N", 0, "Replay each trace N times; the first finding ends it", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct replay *replay = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &replay->runner;
        return 0;
    case KEY_REPEAT:
        if (ash_option_number(argument, UINT32_MAX, &replay->repeat) && replay->repeat > 0)
            return 0;
        return ash_bad_option("--repeat: `%s` is not a number of times", argument);
    case ARGP_KEY_ARGS:
        replay->paths = state->argv + state->next;
        replay->path_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        return ash_bad_option("replay: no trace given");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "TRACE...",
    "Run traces against an allocator, with an oracle that knows what it must answer. On a finding: "
    "which operation, what was expected, what was found, and the block with its neighbours."
    "\vOperations are counted from 0. An illegal operation in a trace, such as a double free, is "
    "the "
    "finding (misuse) when the allocator reports it as it promises and nothing else is wrong.",
    ash_runner_child,
    NULL,
    NULL};

static uint64_t illegal_operations(const struct ashlar_trace *trace) {
    uint64_t count = 0;
    for (size_t i = 0; i < trace->count; i++) {
        if (ashlar_op_is_illegal((enum ashlar_op_kind)trace->ops[i].kind)) count++;
    }
    return count;
}

static void print_result(const struct replay *replay, const struct ash_session *session) {
    const struct ashlar_replay_result *result = &session->result;
    if (replay->runner.source.json) {
        json_t *line = json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "replay", "trace", replay->path,
            "operations", (json_int_t)result->ops_run, "skipped", (json_int_t)result->ops_skipped,
            "live_blocks", (json_int_t)result->live_blocks, "requested_bytes",
            (json_int_t)result->live_bytes, "peak_requested_bytes", (json_int_t)result->peak_bytes,
            "misuses_expected", (json_int_t)result->misuses_expected);
        if (result->checked) {
            line = ash_json_with(line, "check",
                                 json_string(ashlar_verdict_text(result->check.verdict)));
            line = ash_json_with(line, "blocks_checked",
                                 json_integer((json_int_t)result->check.blocks_checked));
        }
        ash_json_line(line);
        return;
    }
    printf("%s: %s on %s", replay->path, ash_plural(result->ops_run, "operation").text,
           session->result.target->name);
    if (result->ops_skipped > 0) printf(", %s skipped", ash_count_text(result->ops_skipped).text);
    printf("; %s, ", ash_plural(result->live_blocks, "live block").text);
    printf("%s requested, ", ash_plural(result->live_bytes, "byte").text);
    printf("%s at the peak\n", ash_count_text(result->peak_bytes).text);
}

static void add_up(const struct replay *replay, const struct ash_session *session) {
    struct totals *totals = replay->totals;
    const struct ashlar_replay_result *result = &session->result;
    if (result->found) {
        if (totals->first == ASHLAR_FINDING_NONE) totals->first = result->finding.code;
        totals->findings++;
    }
    if (result->checked) {
        totals->checked = true;
        totals->blocks += result->check.blocks_checked;
        totals->pages_checked += result->check.pages_checked;
        totals->pages_total += result->check.pages_total;
        if (result->check.verdict == ASHLAR_INCOMPLETE) totals->incomplete = true;
    }
    if ((result->target->flags & ASHLAR_TARGET_FINDS_MISUSE) == 0) {
        totals->unchecked += illegal_operations(&replay->trace);
    }
}

struct extra {
    const struct ash_session *session;
    uint64_t findings;
};

static void report_extra(void *context, const struct ashlar_finding *finding) {
    struct extra *extra = context;
    extra->findings++;
    ash_report_check(extra->session, finding);
}

/* A misuse that was refused ends the replay before its check: whether the heap is sound after it is
 * part of the answer. Damage is then a finding of its own. */
static void check_after_misuse(const struct replay *replay, struct ash_session *session) {
    struct ashlar_replay_result *result = &session->result;
    if (result->finding.layer != ASHLAR_LAYER_MISUSE || result->checked || !session->viewed) return;
    struct extra extra = {.session = session};
    struct ashlar_reader reader = ash_session_reader(session);
    ashlar_check(&reader, session->view.root.self, ASHLAR_CHECK_FULL, report_extra, &extra,
                 &result->check);
    result->checked = true;
    replay->totals->findings += extra.findings;
}

static void conclude(const struct replay *replay, struct ash_session *session) {
    print_result(replay, session);
    if (session->result.found) {
        ash_report_replay(session);
        check_after_misuse(replay, session);
    }
    add_up(replay, session);
}

static int body(void *context) {
    const struct replay *replay = context;
    static struct ash_session session; /* stays reachable when it is not torn down */
    int code = 0;
    for (uint64_t round = 0; round < replay->repeat && code == 0; round++) {
        code = ash_session_run(&session, &replay->runner.source, replay->path, &replay->trace,
                               &replay->runner.options);
        if (code != 0) return code;
        bool concluded = session.result.found; /* now, while there is a heap to show */
        if (concluded) conclude(replay, &session);
        ash_session_end(&session);
        bool last = session.result.found || round + 1 == replay->repeat;
        if (last && !concluded) conclude(replay, &session);
        if (session.result.found) code = ASH_EXIT_FINDINGS;
    }
    return code;
}

/* What is known of a replay that did not end. */
static void print_crashed(const struct replay *replay, size_t operation) {
    uint64_t begun = (uint64_t)operation + 1;
    if (replay->runner.source.json) {
        ash_json_line(json_pack("{s:s, s:s, s:I, s:b}", "type", "replay", "trace", replay->path,
                                "operations", (json_int_t)begun, "crashed", 1));
        return;
    }
    printf("%s: %s on %s\n", replay->path, ash_plural(begun, "operation").text,
           replay->runner.options.target->name);
}

/* One trace. Returns the exit code it alone would have. */
static int replay_one(struct replay *replay) {
    int signal = 0;
    int code = ash_runner_load(&replay->runner, replay->path, &replay->trace);
    if (code != 0) return code;
    code = ash_isolate(body, replay, replay->runner.seconds, &signal);
    if (code != -1) return code;
    struct ash_crash crash = {&replay->runner.source,  replay->path, &replay->trace,
                              &replay->runner.options, signal,       replay->runner.seconds};
    size_t operation;
    code = ash_find_crash(&crash, &operation);
    if (code != 0) return code;
    print_crashed(replay, operation);
    ash_report_crash(&crash, operation);
    if (replay->totals->findings++ == 0) replay->totals->first = ASHLAR_ORACLE_CRASH;
    return ASH_EXIT_FINDINGS;
}

static void print_summary(const struct replay *replay, int code) {
    const struct totals *totals = replay->totals;
    char detail[800];
    const char *verdict = code == ASH_EXIT_SOUND ? "sound" : "incomplete";
    if (code == ASH_EXIT_FINDINGS) verdict = ash_finding_verdict(totals->first);
    int at = 0;
    if (replay->path_count > 1) {
        at = snprintf(detail, sizeof detail, "%s; ", ash_plural(replay->path_count, "trace").text);
    }
    if (totals->unchecked > 0) {
        snprintf(detail + at, sizeof detail - (size_t)at,
                 "%s left out: the target does not find misuse",
                 ash_plural(totals->unchecked, "illegal operation").text);
    } else if (totals->checked) {
        snprintf(detail + at, sizeof detail - (size_t)at, "%s, %s checked",
                 ash_plural(totals->blocks, "block").text,
                 ash_percent(totals->pages_checked, totals->pages_total).text);
    } else {
        snprintf(detail + at, sizeof detail - (size_t)at,
                 code == ASH_EXIT_FINDINGS ? "the heap was not checked"
                                           : "by the oracle alone: the target has no check");
    }
    ash_report_summary(&replay->runner.source, verdict, code, totals->findings, detail);
}

static int replay_all(struct replay *replay) {
    int worst = ASH_EXIT_SOUND;
    for (size_t i = 0; i < replay->path_count; i++) {
        replay->path = replay->paths[i];
        ashlar_trace_init(&replay->trace);
        int code = replay_one(replay);
        ashlar_trace_free(&replay->trace);
        if (code > ASH_EXIT_FINDINGS)
            return code; /* of the input, or of the tool: nothing to add */
        if (code > worst) worst = code;
    }
    if (worst == ASH_EXIT_SOUND && (replay->totals->incomplete || replay->totals->unchecked > 0)) {
        worst = ASH_EXIT_INCOMPLETE;
    }
    print_summary(replay, worst);
    return worst;
}

static int run(int argc, char **argv) {
    struct replay replay = {.repeat = 1};
    ash_runner_init(&replay.runner);
    if (!ash_parse(&argp, argc, argv, 0, &replay)) return ASH_EXIT_USAGE;
    int code = ash_runner_open(&replay.runner);
    if (code != 0) return code;
    if (replay.runner.source.json) {
        ash_report_begin("replay", &replay.runner.source, replay.runner.options.target->name);
    }
    replay.totals = ash_share(sizeof *replay.totals);
    code = replay.totals != NULL ? replay_all(&replay)
                                 : ash_fail(ASH_EXIT_TOOL, "no memory to share with a child");
    ash_runner_close(&replay.runner);
    return code;
}

const struct ash_command ash_cmd_replay = {
    "replay", "runs traces against an allocator, and says what went wrong", &argp, run};
