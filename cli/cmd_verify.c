/* ashlar verify: every invariant of a heap; the verdict, the coverage, and every finding.
 *
 * The replay's own finding comes first. When that was one of the checker, the full check repeats it
 * among all the others, so it is not shown twice. The check reads through the guarded reader:
 * whatever the metadata says, it ends with a verdict.
 */
#include "guarded.h"
#include "report.h"

#include <errno.h>

struct verify {
    struct ash_source source;
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct verify *verify = state->input;
    (void)argument;
    if (key != ARGP_KEY_INIT) return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = &verify->source;
    return 0;
}

static const struct argp argp = {NULL,
                                 parse,
                                 NULL,
                                 "Check every invariant of a heap, its contents included: the "
                                 "verdict, how much was covered, and "
                                 "every finding.",
                                 ash_heap_child,
                                 NULL,
                                 NULL};

struct count {
    const struct ash_session *session;
    uint64_t findings;
    enum ashlar_finding_code first;
};

static void sink(void *context, const struct ashlar_finding *finding) {
    struct count *count = context;
    if (count->findings++ == 0) count->first = finding->code;
    ash_report_check(count->session, finding);
}

static void print_coverage(const struct ash_session *session,
                           const struct ashlar_check_report *report) {
    if (session->source->json) {
        ash_json_line(json_pack(
            "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "type", "check", "verdict",
            ashlar_verdict_text(report->verdict), "findings", (json_int_t)report->findings,
            "pages_checked", (json_int_t)report->pages_checked, "pages_total",
            (json_int_t)report->pages_total, "blocks_checked", (json_int_t)report->blocks_checked,
            "live_blocks", (json_int_t)report->live_blocks, "unreadable",
            (json_int_t)report->unreadable, "in_transition", (json_int_t)report->in_transition));
        return;
    }
    printf("%s: %s replayed; ", session->path,
           ash_plural(session->result.ops_run, "operation").text);
    printf("%s of ", ash_count_text(report->pages_checked).text);
    printf("%s and ", ash_plural(report->pages_total, "page").text);
    printf("%s checked, ", ash_plural(report->blocks_checked, "block").text);
    printf("%s live\n", ash_count_text(report->live_blocks).text);
    if (report->unreadable > 0) {
        printf("unreadable: %s\n", ash_plural(report->unreadable, "thing").text);
    }
}

static int show(struct ash_session *session, void *context) {
    (void)context;
    struct count count = {.session = session};
    const struct ashlar_replay_result *result = &session->result;
    if (result->found && result->finding.layer != ASHLAR_LAYER_CHECKER) {
        count.findings = 1;
        count.first = result->finding.code;
        ash_report_replay(session);
    }
    struct ashlar_check_report report = {.verdict = ASHLAR_INCOMPLETE};
    ash_guarded_reset();
    if (result->instance != NULL) {
        uint64_t root = ashlar_heap_root(result->target->heap(result->instance));
        struct ashlar_reader reader = ash_session_reader(session);
        ashlar_check(&reader, root, ASHLAR_CHECK_AUDIT, sink, &count, &report);
    }
    if (result->found && count.findings == 0) { /* gone again? it was there */
        count.findings = 1;
        count.first = result->finding.code;
        ash_report_replay(session);
    }
    print_coverage(session, &report);
    int code = report.verdict == ASHLAR_INCOMPLETE ? ASH_EXIT_INCOMPLETE : ASH_EXIT_SOUND;
    if (count.findings > 0) code = ASH_EXIT_FINDINGS;
    char detail[800];
    snprintf(detail, sizeof detail, "%s, %s checked",
             ash_plural(report.blocks_checked, "block").text,
             ash_percent(report.pages_checked - report.pages_changing, report.pages_total).text);
    const char *verdict =
        count.findings > 0 ? ash_finding_verdict(count.first) : ashlar_verdict_text(report.verdict);
    ash_report_summary(session->source, verdict, code, count.findings, detail);
    return code;
}

static int run(int argc, char **argv) {
    struct verify verify;
    ash_source_init(&verify.source);
    if (!ash_parse(&argp, argc, argv, 0, &verify)) return ASH_EXIT_USAGE;
    struct ash_shower shower = {"verify", &verify.source, show, NULL, true};
    return ash_show_heap(&shower);
}

const struct ash_command ash_cmd_verify = {"verify", "checks every invariant of a heap", &argp,
                                           run};
