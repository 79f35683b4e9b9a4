/* What the harness does with one input, for engines and for the plain replayer. */
#ifndef ASH_FUZZ_HEAP_H
#define ASH_FUZZ_HEAP_H

#include <ashlar/trace.h>

/* Runs one raw trace against the core. On a finding reports it on standard error and returns false.
 * `name`: the file it came from, NULL when the engine keeps it. `result` needs no end. */
bool ash_fuzz_input(const uint8_t *data, size_t size, const char *name,
                    struct ashlar_replay_result *result);

#endif
