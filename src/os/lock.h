/* A mutex of four bytes, readable from outside the process: 0 free, 1 taken, 2 taken with waiters.
 *
 * Published method: Drepper, "Futexes are tricky" (2011), mutex 2, with a short spin first: the
 * heap holds its locks for well under a microsecond but for a purge. Not recursive. */
#ifndef ASH_LOCK_H
#define ASH_LOCK_H

#include "base/base.h"

#include <stdatomic.h>

struct ash_lock {
    _Atomic uint32_t state;
};

void ash_lock_wait(struct ash_lock *lock);
void ash_lock_wake(struct ash_lock *lock);

ASH_INLINE void ash_lock_take(struct ash_lock *lock) {
    uint32_t expected = 0;
    /* acquire: what the last holder wrote is seen */
    if (ASH_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &lock->state, &expected, 1, memory_order_acquire, memory_order_relaxed)))
        ash_lock_wait(lock);
}

ASH_INLINE void ash_lock_give(struct ash_lock *lock) {
    /* release: pairs with the acquire of the next holder */
    if (ASH_UNLIKELY(atomic_exchange_explicit(&lock->state, 0, memory_order_release) == 2))
        ash_lock_wake(lock);
}

#endif
