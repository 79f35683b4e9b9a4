/* The adapter of the system's malloc, which keeps caches for each thread. The harness lives in the
 * same heap: what breaks it, breaks the harness, which is a finding as well. */
#include <ashlar/target.h>

const struct ashlar_target *ashlar_fuzz_target(void) {
    static struct ashlar_target target;
    target = ashlar_target_libc;
    target.flags |= ASHLAR_TARGET_OS_THREADS;
    return &target;
}
