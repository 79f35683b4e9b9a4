/* The one list of findings: everything that Ashlar can report, with a stable code.
 *
 * A finding is one violated invariant of a heap (families REGION .. CONTENTS), one misuse by the
 * caller (family MISUSE) or one broken promise of a target under test (family ORACLE). Codes and
 * numbers never change their meaning and are never reused. The list itself is findings.def.
 *
 * Thread safety: all functions here read constant tables and may be called from anywhere.
 */
#ifndef ASHLAR_FINDING_H
#define ASHLAR_FINDING_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum ashlar_finding_code {
    ASHLAR_FINDING_NONE = 0,
#define ASHLAR_FINDING(symbol, number, code, family, summary, causes, next)                        \
    ASHLAR_##symbol = (number),
#include <ashlar/findings.def>
#undef ASHLAR_FINDING
};

enum ashlar_finding_family {
    ASHLAR_FAMILY_MISUSE,
    ASHLAR_FAMILY_REGION,
    ASHLAR_FAMILY_PAGES,
    ASHLAR_FAMILY_SLABS,
    ASHLAR_FAMILY_SPANS,
    ASHLAR_FAMILY_RUNS,
    ASHLAR_FAMILY_THREADS,
    ASHLAR_FAMILY_ACCOUNTING,
    ASHLAR_FAMILY_CONTENTS,
    ASHLAR_FAMILY_ORACLE,
};

/* One row of the table. `number` is the invariant's number in docs/INVARIANTS.md. */
struct ashlar_finding_info {
    enum ashlar_finding_code number;
    const char *code; /* "ASH-SLAB-SUMMARY" */
    enum ashlar_finding_family family;
    const char *summary; /* the violated invariant, one line */
    const char *causes;  /* likely causes */
    const char *next;    /* what to do next */
};

/* The row of a code, by number or by its name ("ASH-SLAB-SUMMARY"); NULL when there is none. */
const struct ashlar_finding_info *ashlar_finding_by_number(enum ashlar_finding_code number);
const struct ashlar_finding_info *ashlar_finding_by_code(const char *code);

/* All rows in ascending number; `*count` receives how many. */
const struct ashlar_finding_info *ashlar_findings(size_t *count);

/* "slabs", "misuse", ... */
const char *ashlar_family_name(enum ashlar_finding_family family);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
