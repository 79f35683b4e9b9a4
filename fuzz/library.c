/* The adapter for shared libraries: ASHLAR_FUZZ_TARGET names one with malloc's names, each with
 * ASHLAR_FUZZ_PREFIX before it; without it, the process's own malloc is the target. `ashlar fuzz`
 * sets both. */
#include <ashlar/target.h>
#include <stdio.h>
#include <stdlib.h>

const struct ashlar_target *ashlar_fuzz_target(void) {
    const char *path = getenv("ASHLAR_FUZZ_TARGET"), *prefix = getenv("ASHLAR_FUZZ_PREFIX");
    char error[400];
    if (path == NULL) return &ashlar_target_libc;
    struct ashlar_target *target = ashlar_target_load(path, prefix, error, sizeof error);
    if (target == NULL) fprintf(stderr, "fuzz_target: %s\n", error);
    return target;
}
