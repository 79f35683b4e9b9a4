/* Fork: making a child's heap sound again. See fork.c for the theory. */
#ifndef ASH_FORK_H
#define ASH_FORK_H

#include "heap/layout.h"

/* In a child: puts in order what threads left that are gone. Nothing when the caller holds a lock:
 * its next slow path does it. */
ASH_COLD void ash_fork_mend(struct ash_heap *heap);

#endif
