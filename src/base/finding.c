/* The table of findings as data: rows of findings.def in ascending number, found by number with a
 * binary search and by name with a scan. Ascending order is a property of the list itself; a test
 * holds it to that. */
#include <ashlar/finding.h>
#include <string.h>

static const struct ashlar_finding_info rows[] = {
#define ASHLAR_FINDING(symbol, number_, code_, family_, summary_, causes_, next_)                  \
    {.number = ASHLAR_##symbol,                                                                    \
     .code = (code_),                                                                              \
     .family = (family_),                                                                          \
     .summary = (summary_),                                                                        \
     .causes = (causes_),                                                                          \
     .next = (next_)},
#include <ashlar/findings.def>
#undef ASHLAR_FINDING
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

const struct ashlar_finding_info *ashlar_finding_by_number(enum ashlar_finding_code number) {
    size_t low = 0, high = ROW_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ROW_COUNT && rows[low].number == number ? &rows[low] : NULL;
}

const struct ashlar_finding_info *ashlar_finding_by_code(const char *code) {
    if (code == NULL) return NULL;
    for (size_t row = 0; row < ROW_COUNT; row++)
        if (strcmp(rows[row].code, code) == 0) return &rows[row];
    return NULL;
}

const struct ashlar_finding_info *ashlar_findings(size_t *count) {
    *count = ROW_COUNT;
    return rows;
}

const char *ashlar_family_name(enum ashlar_finding_family family) {
    static const char *const names[] = {
        [ASHLAR_FAMILY_MISUSE] = "misuse",     [ASHLAR_FAMILY_REGION] = "region",
        [ASHLAR_FAMILY_PAGES] = "pages",       [ASHLAR_FAMILY_SLABS] = "slabs",
        [ASHLAR_FAMILY_SPANS] = "spans",       [ASHLAR_FAMILY_RUNS] = "runs",
        [ASHLAR_FAMILY_THREADS] = "threads",   [ASHLAR_FAMILY_ACCOUNTING] = "accounting",
        [ASHLAR_FAMILY_CONTENTS] = "contents", [ASHLAR_FAMILY_ORACLE] = "oracle",
    };
    size_t index = (size_t)family;
    return index < sizeof names / sizeof names[0] ? names[index] : "unknown";
}
