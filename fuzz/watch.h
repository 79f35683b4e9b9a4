/* A target's behaviour as feedback: see watch.c. */
#ifndef ASH_FUZZ_WATCH_H
#define ASH_FUZZ_WATCH_H

#include <ashlar/target.h>

/* The same target, with its answers watched. One at a time; `inner` has to outlive it. */
const struct ashlar_target *ash_watch(const struct ashlar_target *inner);

/* clean.c, which only programs with MemorySanitizer have: the same target, for callers that are not
 * instrumented. */
__attribute__((weak)) const struct ashlar_target *
ash_clean_target(const struct ashlar_target *target);

/* features.c. Something new to engines when it was never reported before; `number` is below
 * ASH_FEATURES. */
enum { ASH_FEATURES = 1536 };
void ash_feature(unsigned number);

#endif
