/* The adapter for shared libraries: ASHLAR_FUZZ_TARGET names one with malloc's names, each with
 * ASHLAR_FUZZ_PREFIX before it; "ashlar" is the core, and "libc" or nothing the process's own
 * malloc. `ashlar fuzz` sets both. */
#include <ashlar/target.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct ashlar_target *ashlar_fuzz_target(void) {
    const char *path = getenv("ASHLAR_FUZZ_TARGET"), *prefix = getenv("ASHLAR_FUZZ_PREFIX");
    char error[400];
    if (path == NULL || strcmp(path, "libc") == 0) return &ashlar_target_libc;
    if (strcmp(path, "ashlar") == 0) return &ashlar_target_core;
    struct ashlar_target *target = ashlar_target_load(path, prefix, error, sizeof error);
    if (target == NULL) fprintf(stderr, "fuzz_target: %s\n", error);
    return target;
}
