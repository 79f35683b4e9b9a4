/* Findings, verdicts and statistics as text: each form exactly, through a pipe. */
#include "diag/findings.h"
#include "diag/statistics.h"

#include "heap/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What was written to the pipe since the last call. The texts here are shorter than its buffer. */
struct pipes {
    int ends[2];
    char text[8192];
};

static void pipes_open(struct pipes *pipes) {
    assert_int_equal(pipe(pipes->ends), 0);
}

static const char *pipes_close(struct pipes *pipes) {
    close(pipes->ends[1]);
    size_t length = 0;
    ssize_t now;
    while ((now = read(pipes->ends[0], pipes->text + length, sizeof pipes->text - 1 - length)) > 0)
        length += (size_t)now;
    pipes->text[length] = '\0';
    close(pipes->ends[0]);
    return pipes->text;
}

static void findings_say_what_where_expected_and_found(void **state) {
    (void)state;
    static const struct {
        struct ashlar_finding finding;
        const char *text;
    } cases[] = {
        {{.code = ASHLAR_SLAB_SUMMARY_LOST,
          .address = 0x7f0000001000,
          .page = 12,
          .index = 4,
          .thread_heap = 3},
         "ASH-SLAB-SUMMARY-LOST at 0x7f0000001000: %s\n  page 12, thread heap 3, index 4\n"},
        {{.code = ASHLAR_PAGE_KIND, .address = 0x1000, .expected = 2, .found = 9},
         "ASH-PAGE-KIND at 0x1000: %s\n  page 0; expected 0x2, found 0x9\n"},
        {{.code = ASHLAR_ROOT_MAGIC, .expected = 1, .found = 0},
         "ASH-ROOT-MAGIC: %s\n  expected 0x1, found 0x0\n"},
        {{.code = ASHLAR_BIN_SLABS}, "ASH-BIN-SLABS: %s\n"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pipes pipes;
        char expected[1000];
        pipes_open(&pipes);
        ash_diag_finding(&cases[i].finding, pipes.ends[1]);
        snprintf(expected, sizeof expected, cases[i].text,
                 ashlar_finding_by_number(cases[i].finding.code)->summary);
        assert_string_equal(pipes_close(&pipes), expected);
    }
}

static void a_code_that_is_none_is_said_to_be_none(void **state) {
    (void)state;
    struct pipes pipes;
    const struct ashlar_finding finding = {.code = (enum ashlar_finding_code)9999};
    pipes_open(&pipes);
    ash_diag_finding(&finding, pipes.ends[1]);
    assert_string_equal(pipes_close(&pipes),
                        "ASH-UNKNOWN: a finding that this build does not know\n");
}

static void summaries_say_verdict_and_coverage(void **state) {
    (void)state;
    static const struct {
        struct ashlar_check_report report;
        const char *text;
    } cases[] = {
        {{.pages_checked = 62, .pages_total = 62, .blocks_checked = 41233},
         "SUMMARY: sound: no finding; 41,233 blocks, 100 % checked"},
        {{.verdict = ASHLAR_CORRUPT,
          .findings = 1,
          .pages_checked = 1,
          .pages_total = 8,
          .blocks_checked = 1},
         "SUMMARY: corrupt: 1 finding; 1 block, 12.5 % checked"},
        {{.verdict = ASHLAR_INCOMPLETE,
          .pages_checked = 8,
          .pages_total = 8,
          .in_transition = 1,
          .unreadable = 2},
         "SUMMARY: incomplete: no finding; 0 blocks, 100 % checked; 2 things could not be read; "
         "1 thing was changing"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ash_line line = {0};
        ash_diag_summary(&line, &cases[i].report);
        line.text[line.length] = '\0';
        assert_string_equal(line.text, cases[i].text);
    }
}

/* The number in the first row of the text that starts with `what`, commas and all. */
static uint64_t number_in_row(const char *text, const char *what) {
    char start[40];
    snprintf(start, sizeof start, "\n%s ", what);
    const char *row = strstr(text, start);
    assert_non_null(row);
    uint64_t value = 0;
    row += strlen(start);
    while (*row == ' ') row++;
    for (; (*row >= '0' && *row <= '9') || *row == ','; row++)
        if (*row != ',') value = value * 10 + (uint64_t)(*row - '0');
    return value;
}

static void statistics_are_those_of_the_heap(void **state) {
    (void)state;
    struct site site;
    struct pipes pipes;
    site_open(&site, 64 * MIB, 2);
    for (unsigned i = 0; i < 1000; i++) ashlar_malloc(site.th, 48);
    ashlar_free(site.th, ashlar_malloc(site.th, 5 * PAGE));
    ashlar_malloc(site.th, 3 * PAGE);
    ashlar_free(site.threads[1], ashlar_malloc(site.th, 100)); /* last: no slow path collects it */
    pipes_open(&pipes);
    assert_int_equal(write(pipes.ends[1], "\n", 1), 1);
    ash_diag_statistics(site.public_heap, true, pipes.ends[1]);
    const char *text = pipes_close(&pipes);
    struct ashlar_heap_stats stats = site_stats(&site);
    const struct {
        const char *row;
        uint64_t value;
    } rows[] = {
        {"live", 1000 * 48 + 3 * PAGE},
        {"free", stats.committed_bytes - 1000 * 48 - 3 * PAGE},
        {"  and", 1},
        {"committed", stats.committed_bytes},
        {"  slabs", stats.slab_bytes},
        {"  spans", 3 * PAGE},
        {"  free runs", stats.free_bytes},
        {"  of it dirty", PAGE}, /* of the five, three are live and one is a slab */
        {"purged", 0},
        {"metadata", stats.metadata_bytes},
        {"reserved", 64 * MIB},
        {"thread heaps", 2},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(number_in_row(text, rows[i].row), rows[i].value);
    const char *title = strstr(text, "   class     slabs           bytes");
    assert_non_null(title);
    assert_non_null(strstr(title, "\n      48         1          65,536         1,000"));
    assert_non_null(strstr(title, "73.2 %\n"));
    unsigned classes = 0;
    for (const char *at = strchr(title, '\n'); at != NULL; at = strchr(at + 1, '\n')) classes++;
    assert_int_equal(classes - 1, 2); /* 48 and 112: no class without a slab */
    pipes_open(&pipes);
    ash_diag_statistics(site.public_heap, false, pipes.ends[1]);
    assert_null(strstr(pipes_close(&pipes), "class"));
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_say_what_where_expected_and_found),
        cmocka_unit_test(a_code_that_is_none_is_said_to_be_none),
        cmocka_unit_test(summaries_say_verdict_and_coverage),
        cmocka_unit_test(statistics_are_those_of_the_heap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
