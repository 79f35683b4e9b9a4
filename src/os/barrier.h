/* A memory barrier in all threads of the process at once, so that the others need none. */
#ifndef ASH_BARRIER_H
#define ASH_BARRIER_H

#include "base/base.h"

/* Every running thread of the process passes a full memory barrier between the call and its return.
 * False when the system cannot (Linux before 4.14, or a sandbox that forbids it). Takes one to
 * three microseconds. */
bool ash_barrier_everywhere(void);

#endif
