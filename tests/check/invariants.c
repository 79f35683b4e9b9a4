/* Writes docs/INVARIANTS.md from the table of findings, or compares it. */
#include "../generated.h"

#include <ashlar/finding.h>

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
    {ASHLAR_FAMILY_SPANS, "Spans", "spans.c", "One block each, live or kept."},
    {ASHLAR_FAMILY_RUNS, "Runs", "runs.c",
     "Free runs, the lists they are in, and which pages are dirty."},
    {ASHLAR_FAMILY_THREADS, "Threads", "threads.c",
     "Thread heaps, their bins, and every list of slabs and of kept spans."},
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
        "number, which the checker's passes cite, and a code, under which its violation is\n"
        "reported; neither ever changes its meaning. `ashlar explain CODE` says the same and what\n"
        "to do next. Findings about callers (1 to 99) and about targets under test (800 and up)\n"
        "are no invariants of a heap, and are not listed here.\n\n"
        "What no invariant covers, because any value gives a sound heap or there is no copy to\n"
        "compare it with (the creator's choices, hints, pacing, histories), is listed field by\n"
        "field in `fuzz/corrupt.c`, with the reason. Spans and free runs that are right in all\n"
        "are passed over at once (`src/check/right.c`). Of a heap that runs meanwhile a part is\n"
        "left out: `src/check/check.c`, sections 5 and 6.\n\n"
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
    return generated_main(argc, argv, write_all, "findings");
}
