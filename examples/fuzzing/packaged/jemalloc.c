/* The adapter of jemalloc as packages have it; besides what loading it finds out, its free keeps
 * errno, and it keeps caches for each thread. It needs room for thread-local storage that only the
 * environment gives: GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384. */
#include <ashlar/target.h>
#include <stdio.h>

const struct ashlar_target *ashlar_fuzz_target(void) {
    char error[400];
    struct ashlar_target *target = ashlar_target_load("libjemalloc.so.2", "", error, sizeof error);
    if (target == NULL)
        fprintf(stderr, "%s\n", error);
    else
        target->flags |= ASHLAR_TARGET_KEEPS_ERRNO | ASHLAR_TARGET_OS_THREADS;
    return target;
}
