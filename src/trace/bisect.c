/* Bisecting: the first operation after which something is wrong.
 *
 * Replays are deterministic, so a prefix of the trace leads to the same heap every time, and
 * "the prefix of n operations ends in a finding" can be asked for any n at the cost of one replay
 * and one full check. A heap that is corrupt hardly ever becomes sound again, so binary search over
 * n takes log2(count) replays, each with the O(1) check after every operation to stop early. What
 * is answered has been seen: the prefix with the operation has a finding, the one without it has
 * none.
 */
#include "trace/oracle.h"

bool ashlar_bisect(const struct ashlar_trace *trace, const struct ashlar_replay_options *options,
                   struct ashlar_replay_finding *finding) {
    struct ashlar_replay_options prefix = *options;
    struct ashlar_replay_result result;
    prefix.touched_check = true;
    prefix.verify_every = 0;
    prefix.keep = false;
    prefix.until = 0;
    ashlar_replay(trace, &prefix, &result);
    if (!result.found) return false;
    *finding = result.finding;
    size_t sound = 0, wrong = result.finding.op_index + 1; /* lengths of prefixes */
    while (wrong - sound > 1) {
        prefix.until = sound + (wrong - sound) / 2;
        ashlar_replay(trace, &prefix, &result);
        if (result.found) {
            wrong = result.finding.op_index + 1;
            *finding = result.finding;
        } else {
            sound = prefix.until;
        }
    }
    return true;
}
