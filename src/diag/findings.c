/* Findings and verdicts of the checker as text.
 *
 * No allocation, no stdio: who wants to read this may have a broken heap, or be in a signal
 * handler. A line goes out as soon as it is made. */
#include "diag/findings.h"

static void say_number(struct ash_line *line, const char *what, uint64_t number) {
    ash_line_text(line, line->length > 2 ? ", " : "");
    ash_line_text(line, what);
    ash_line_number(line, number);
}

/* Where in the metadata. What a finding has nothing to say of is 0, and left out. */
static void say_where(const struct ashlar_finding *finding, int fd) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    bool of_page =
        info != NULL && info->family >= ASHLAR_FAMILY_PAGES && info->family <= ASHLAR_FAMILY_RUNS;
    struct ash_line line = {0};
    ash_line_text(&line, "  ");
    if (of_page || finding->page != 0) say_number(&line, "page ", finding->page);
    if (finding->thread_heap != 0) say_number(&line, "thread heap ", finding->thread_heap);
    if (finding->index != 0) say_number(&line, "index ", finding->index);
    if (finding->expected != finding->found) {
        ash_line_text(&line, line.length > 2 ? "; expected " : "expected ");
        ash_line_address(&line, finding->expected);
        ash_line_text(&line, ", found ");
        ash_line_address(&line, finding->found);
    }
    if (line.length > 2) ash_line_send(&line, fd);
}

void ash_diag_finding(const struct ashlar_finding *finding, int fd) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    struct ash_line line = {0};
    ash_line_text(&line, info != NULL ? info->code : "ASH-UNKNOWN");
    if (finding->address != 0) {
        ash_line_text(&line, " at ");
        ash_line_address(&line, finding->address);
    }
    ash_line_text(&line, ": ");
    ash_line_text(&line, info != NULL ? info->summary : "a finding that this build does not know");
    ash_line_send(&line, fd);
    say_where(finding, fd);
}

void ash_diag_summary(struct ash_line *line, const struct ashlar_check_report *report) {
    ash_line_text(line, "SUMMARY: ");
    ash_line_text(line, ashlar_verdict_text(report->verdict));
    ash_line_text(line, ": ");
    if (report->findings == 0)
        ash_line_text(line, "no finding");
    else
        ash_line_plural(line, report->findings, "finding");
    ash_line_text(line, "; ");
    ash_line_plural(line, report->blocks_checked, "block");
    ash_line_text(line, ", ");
    ash_line_share(line, report->pages_checked - report->pages_changing, report->pages_total);
    ash_line_text(line, " checked");
    if (report->unreadable > 0) {
        ash_line_text(line, "; ");
        ash_line_plural(line, report->unreadable, "thing");
        ash_line_text(line, " could not be read");
    }
    if (report->in_transition > 0) {
        ash_line_text(line, "; ");
        ash_line_plural(line, report->in_transition, "thing");
        ash_line_text(line, report->in_transition == 1 ? " was changing" : " were changing");
    }
}
