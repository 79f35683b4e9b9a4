/* Waiting for a lock: a short spin, since the heap's locks are held for well under a microsecond,
 * then the kernel. */
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

ASH_COLD void ash_lock_wait(struct ash_lock *lock) {
    for (unsigned spin = 0; spin < SPINS; spin++) {
        uint32_t expected = 0;
        if (atomic_load_explicit(&lock->state, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_weak_explicit(&lock->state, &expected, 1, memory_order_acquire,
                                                  memory_order_relaxed))
            return;
        relax();
    }
    int kept = errno;
    /* Whoever waited cannot know whether others still do, so it takes the lock as "with waiters".
     */
    while (atomic_exchange_explicit(&lock->state, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, &lock->state, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
    errno = kept;
}

ASH_COLD void ash_lock_wake(struct ash_lock *lock) {
    int kept = errno;
    syscall(SYS_futex, &lock->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    errno = kept;
}
