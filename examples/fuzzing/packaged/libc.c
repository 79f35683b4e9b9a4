/* The adapter of the system's malloc. The harness lives in the same heap: what breaks it, breaks
 * the harness, which is a finding as well. */
#include <ashlar/target.h>

const struct ashlar_target *ashlar_fuzz_target(void) {
    return &ashlar_target_libc;
}
