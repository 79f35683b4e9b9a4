/* What the other threads of this process are doing, as the system tells it. */
#ifndef ASH_TASKS_H
#define ASH_TASKS_H

#include "base/base.h"

/* Two looks prove that the others rested in between when both say `asleep` and the marks agree: a
 * thread cannot run without being switched to, and the marks count switches. */
struct ash_tasks {
    uint64_t others; /* threads besides the calling one, but for those that are ending */
    bool asleep;     /* all of those: none is running or about to */
    uint64_t mark;   /* of which threads there are, and how often each was switched to */
};

/* False when the system does not tell (no /proc). Allocates nothing, takes no lock, and may be
 * called in a signal handler. errno is kept. */
bool ash_tasks_look(struct ash_tasks *out);

#endif
