/* The adapter of tcmalloc as packages have it, with what loading it finds out of its promises,
 * and that it keeps caches for each thread. */
#include <ashlar/target.h>
#include <stdio.h>

const struct ashlar_target *ashlar_fuzz_target(void) {
    char error[400];
    const char *library = "libtcmalloc_minimal.so.4";
    struct ashlar_target *target = ashlar_target_load(library, "", error, sizeof error);
    if (target == NULL)
        fprintf(stderr, "%s\n", error);
    else
        target->flags |= ASHLAR_TARGET_OS_THREADS;
    return target;
}
