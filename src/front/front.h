/* The front end's middle: which thread heap serves the calling thread. See front.c for the theory.
 *
 *   struct ashlar_thread_heap *th = ash_front_enter();
 *   ... any call of <ashlar/heap.h> on th, unless it is NULL: no memory ...
 *   ash_front_leave(th);
 */
#ifndef ASH_FRONT_H
#define ASH_FRONT_H

#include "base/base.h"

#include <ashlar/heap.h>

/* The calling thread's own thread heap; NULL when it has none: not yet, no longer, or never. In the
 * thread's static block, so that reading it is one instruction and never allocates. */
extern ASH_HIDDEN _Thread_local struct ashlar_thread_heap *ash_front_mine
    __attribute__((tls_model("initial-exec")));

/* The process heap, made on first use; NULL when there is no memory for one. */
ASH_HIDDEN struct ashlar_heap *ash_front_heap(void);

/* The calling thread's own thread heap, made on first use. NULL when the thread can have none of
 * its own (front.c, section 2): such a thread takes turns with others between enter and leave. */
ASH_HIDDEN struct ashlar_thread_heap *ash_front_thread(void);

/* The calling thread's own thread heap if it has one already. Safe in a signal handler. */
ASH_HIDDEN struct ashlar_thread_heap *ash_front_own(void);

/* A thread heap to use until ash_front_leave: the calling thread's own, else the shared one, which
 * stays locked until then. NULL when memory ran out. errno is kept. */
ASH_HIDDEN struct ashlar_thread_heap *ash_front_enter_slow(void);
ASH_HIDDEN void ash_front_leave_slow(struct ashlar_thread_heap *th);

ASH_INLINE struct ashlar_thread_heap *ash_front_enter(void) {
    struct ashlar_thread_heap *th = ash_front_mine;
    return ASH_LIKELY(th != NULL) ? th : ash_front_enter_slow();
}
ASH_INLINE void ash_front_leave(struct ashlar_thread_heap *th) {
    if (ASH_UNLIKELY(th != ash_front_mine)) ash_front_leave_slow(th);
}

/* Sets errno to ENOMEM. */
ASH_HIDDEN void *ash_front_no_memory(void);

/* What the names of malloc.c do, for the front end's other files: without the detour over the
 * dynamic linker, which might find somebody else's. */
ASH_HIDDEN void *ash_front_malloc(size_t bytes);
ASH_HIDDEN void *ash_front_aligned(size_t alignment, size_t bytes);
ASH_HIDDEN void ash_front_free(void *block);
ASH_HIDDEN void ash_front_free_sized(void *block, size_t alignment, size_t bytes);

#endif
