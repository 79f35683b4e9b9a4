/* Waiting for a lock: a short spin, since the heap's locks are held for well under a microsecond,
 * then the kernel. Under a scheduler (base/yield.h) other logical threads run meanwhile; whether
 * any of them can, it finds out. */
#include "os/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SPINS = 64 };

static void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleeps until the lock is free and taken. Whoever waited cannot know whether others still do, so
 * it takes the lock as one with waiters. */
static void sleep_for(struct ash_lock *lock) {
    const uint32_t mine = ash_lock_mark() | ASH_LOCK_WAITERS;
    uint32_t state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    for (;;) {
        uint32_t next = state == 0 ? mine : state | ASH_LOCK_WAITERS;
        /* acquire: for when it takes the lock */
        if (next != state &&
            !atomic_compare_exchange_weak_explicit(&lock->state, &state, next, memory_order_acquire,
                                                   memory_order_relaxed))
            continue; /* `state` is what it is now */
        if (state == 0) return;
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, next, NULL, NULL, 0);
        state = atomic_load_explicit(&lock->state, memory_order_relaxed);
    }
}

ASH_COLD void ash_lock_wait(struct ash_lock *lock) {
    if (ASH_YIELDS && ash_scheduler != NULL) {
        while (!ash_lock_try(lock)) ash_scheduler->wait(&lock->state);
        return;
    }
    ASH_ASSERT(!ash_lock_mine(lock));
    for (unsigned spin = 0; spin < SPINS; spin++) {
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 && ash_lock_try(lock))
            return;
        relax();
    }
    int kept = errno;
    sleep_for(lock);
    errno = kept;
}

ASH_COLD void ash_lock_wake(struct ash_lock *lock) {
    int kept = errno;
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = kept;
}
