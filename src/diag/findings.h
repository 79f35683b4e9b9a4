/* What the checker and misuse handlers say, as text on a file descriptor: the form is that of the
 * command line's reports. */
#ifndef ASH_DIAG_FINDINGS_H
#define ASH_DIAG_FINDINGS_H

#include "base/line.h"

#include <ashlar/check.h>

/* "ASH-SLAB-SUMMARY-LOST at 0x...: what is wrong", then where, expected and found. */
void ash_diag_finding(const struct ashlar_finding *finding, int fd);

/* Appends "SUMMARY: sound: no finding; 41,233 blocks, 100 % checked". */
void ash_diag_summary(struct ash_line *line, const struct ashlar_check_report *report);

#endif
