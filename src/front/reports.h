/* Where the process heap's reports go, and the reports that are not the checker's. */
#ifndef ASH_FRONT_REPORTS_H
#define ASH_FRONT_REPORTS_H

#include "base/base.h"
#include "base/line.h"

#include <ashlar/heap.h>

/* A file descriptor for one report, as the option `output` says; to be closed by ash_report_close.
 * Both keep errno, and may be called in a signal handler. */
ASH_HIDDEN int ash_report_open(void);
ASH_HIDDEN void ash_report_close(int fd);

/* Remembers where reports go now: programs close their standard error before they end. */
ASH_HIDDEN void ash_report_keep(void);

/* Appends "ashlar: verify at exit: python3 (process 4711)". */
ASH_HIDDEN void ash_report_title(struct ash_line *line, const char *what);

/* The process heap's misuse handler: one line, and then what the option `on_misuse` says. */
ASH_HIDDEN void ash_report_misuse(void *context, const struct ashlar_misuse *misuse);

ASH_HIDDEN void ash_report_statistics(const char *what);

#endif
