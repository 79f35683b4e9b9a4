/* A mutex of four bytes, readable from outside the process: 0 free, else the mark of the thread
 * that holds it, plus 1 when others may wait for it.
 *
 * Published method: Drepper, "Futexes are tricky" (2011), mutex 2, with a short spin first: the
 * heap holds its locks for well under a microsecond but for a purge. Not recursive. The mark takes
 * the place of that method's 1, so that a thread can tell a lock that it holds itself from one that
 * it might wait for: a signal handler that forks has to know (heap/fork.c). */
#ifndef ASH_LOCK_H
#define ASH_LOCK_H

#include "base/base.h"

#include <stdatomic.h>

struct ash_lock {
    _Atomic uint32_t state;
};

enum { ASH_LOCK_WAITERS = 1 };

void ash_lock_wait(struct ash_lock *lock);
void ash_lock_wake(struct ash_lock *lock);

/* The mark of the calling thread: never 0, its waiters' bit clear. Made of the thread pointer,
 * whose thread control blocks lie 64 bytes apart at least; two threads have the same mark only when
 * theirs are a multiple of 64 GiB apart. A forked child's only thread keeps its mark. */
ASH_INLINE uint32_t ash_lock_mark(void) {
    uint32_t thread = (uint32_t)((uintptr_t)__builtin_thread_pointer() >> 4);
    if (ASH_YIELDS && ash_scheduler != NULL) thread += ash_scheduler->thread << 2;
    return (thread | 2) & ~(uint32_t)ASH_LOCK_WAITERS;
}

ASH_INLINE bool ash_lock_try(struct ash_lock *lock) {
    uint32_t expected = 0;
    /* acquire: what the last holder wrote is seen */
    return atomic_compare_exchange_strong_explicit(&lock->state, &expected, ash_lock_mark(),
                                                   memory_order_acquire, memory_order_relaxed);
}

/* Whether the calling thread holds the lock. Relaxed: a thread sees its own stores, and nobody
 * else stores its mark. */
ASH_INLINE bool ash_lock_mine(const struct ash_lock *lock) {
    uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    return (state & ~(uint32_t)ASH_LOCK_WAITERS) == ash_lock_mark();
}

ASH_INLINE void ash_lock_take(struct ash_lock *lock) {
    ASH_YIELD(LOCK);
    if (ASH_UNLIKELY(!ash_lock_try(lock))) ash_lock_wait(lock);
}

ASH_INLINE void ash_lock_give(struct ash_lock *lock) {
    ASH_YIELD(UNLOCK);
    /* release: pairs with the acquire of the next holder */
    uint32_t state = atomic_exchange_explicit(&lock->state, 0, memory_order_release);
    if (ASH_UNLIKELY((state & ASH_LOCK_WAITERS) != 0)) ash_lock_wake(lock);
}

#endif
