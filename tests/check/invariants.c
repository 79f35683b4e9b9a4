/* Writes docs/INVARIANTS.md from the table of findings to standard output; with a file's name,
 * compares it with what would be written, and says how to write it anew when they differ. */
#include <ashlar/finding.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    enum ashlar_finding_family family;
    const char *title, *pass, *text;
} sections[] = {
    {ASHLAR_FAMILY_REGION, "Region", "region.c",
     "The root, and what every address is made of. 100 to 106 end the check."},
    {ASHLAR_FAMILY_PAGES, "Pages", "pages.c",
     "Slabs, spans and free runs partition the pages below the frontier."},
    {ASHLAR_FAMILY_SLABS, "Slabs", "slabs.c",
     "What each slab is, and the state of each of its blocks."},
    {ASHLAR_FAMILY_SPANS, "Spans", "spans.c", "One block each."},
    {ASHLAR_FAMILY_RUNS, "Runs", "runs.c",
     "Free runs, the lists they are in, and which pages are dirty."},
    {ASHLAR_FAMILY_THREADS, "Threads", "threads.c",
     "Thread heaps, their bins, and every list of slabs."},
    {ASHLAR_FAMILY_ACCOUNTING, "Accounting", "accounting.c",
     "The heap's own counts against what was counted."},
    {ASHLAR_FAMILY_CONTENTS, "Contents", "contents.c",
     "What memory holds where bookkeeping says it is zero. In the audit only."},
};

static void write_all(FILE *out) {
    size_t count;
    const struct ashlar_finding_info *rows = ashlar_findings(&count);
    fputs(
        "# Invariants\n\n"
        "What holds of every heap at every moment at which no operation is under way. Each has a\n"
        "number, which code and checker cite, and a code, under which its violation is reported;\n"
        "neither ever changes its meaning. `ashlar explain CODE` says the same and what to do\n"
        "next. Findings about callers (1 to 99) and about targets under test (800 and up) are no\n"
        "invariants of a heap, and are not listed here.\n\n"
        "Generated from `include/ashlar/findings.def` by `tests/check/invariants.c`; a test\n"
        "compares them. In the table, the *violated* invariant is described.\n",
        out);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        fprintf(out, "\n## %s (`src/check/%s`)\n\n%s\n\n", sections[i].title, sections[i].pass,
                sections[i].text);
        fputs("| number | code | violated when | likely causes |\n|---|---|---|---|\n", out);
        for (size_t row = 0; row < count; row++)
            if (rows[row].family == sections[i].family)
                fprintf(out, "| %d | `%s` | %s | %s |\n", (int)rows[row].number, rows[row].code,
                        rows[row].summary, rows[row].causes);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) {
        write_all(stdout);
        return 0;
    }
    char *text = NULL;
    size_t bytes = 0;
    FILE *expected = open_memstream(&text, &bytes);
    if (expected == NULL) return 1;
    write_all(expected);
    fclose(expected);
    FILE *file = fopen(argv[1], "r");
    char *found = malloc(bytes + 1);
    size_t found_bytes = file == NULL || found == NULL ? 0 : fread(found, 1, bytes + 1, file);
    bool same = found != NULL && found_bytes == bytes && memcmp(found, text, bytes) == 0;
    if (!same)
        fprintf(stderr, "%s is not what the table of findings says: run %s > %s\n", argv[1],
                argv[0], argv[1]);
    if (file != NULL) fclose(file);
    free(found);
    free(text);
    return same ? 0 : 1;
}
