/* Fibers: one OS thread runs several stacks, one at a time, and says when it changes. */
#ifndef ASH_FIBER_H
#define ASH_FIBER_H

#include "base/base.h"

#include <ucontext.h>

struct ash_fiber {
    ucontext_t inside, outside;
    void *stack; /* lowest address of what may be used; NULL: none yet */
    size_t stack_bytes;
    void (*entry)(void *context); /* never returns */
    void *context;
    /* AddressSanitizer's: its own stack for each, and where the outer one is */
    void *inside_fake, *outside_fake;
    const void *outside_stack;
    size_t outside_bytes;
};

/* The fiber is to begin with entry(context) when it is next entered, whatever it was doing. The
 * first time its stack is mapped, above a guard page. False: no memory. */
bool ash_fiber_prepare(struct ash_fiber *fiber, void (*entry)(void *context), void *context);
/* Runs the fiber until it leaves. */
void ash_fiber_enter(struct ash_fiber *fiber);
/* Called within: back to who entered. Returns when it is entered again. */
void ash_fiber_leave(struct ash_fiber *fiber);
/* Gives the stack back. */
void ash_fiber_close(struct ash_fiber *fiber);

#endif
