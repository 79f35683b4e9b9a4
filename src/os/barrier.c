/* The barrier is membarrier(2), private and expedited: the kernel interrupts the processors that
 * run threads of this process, and only those. A process registers once; a child inherits that. */
#include "os/barrier.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

bool ash_barrier_everywhere(void) {
    ASH_YIELD(V2);
    if (ASH_YIELDS && ash_scheduler != NULL) return true; /* all of them run on this thread */
    static _Atomic bool refused; /* relaxed: at worst the system refuses once more */
    if (atomic_load_explicit(&refused, memory_order_relaxed)) return false;
    int kept = errno;
    bool done = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 ||
                (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
                 syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0);
    if (!done) atomic_store_explicit(&refused, true, memory_order_relaxed);
    errno = kept;
    return done;
}
