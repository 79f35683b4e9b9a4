/* The frame of all harnesses.
 *
 * 1. One source, three engines. libFuzzer and AFL++ call LLVMFuzzerTestOneInput and watch coverage;
 *    standalone_main.c calls ash_fuzz_input for files, without either.
 *
 * 2. How it ends. Nothing survives an input but its counters: whatever a harness makes it destroys,
 *    so that the same input does the same thing alone as after a million others. On a finding the
 *    harness says what and where, and the process aborts, which every engine takes for a crash.
 *
 * 3. Counters. ASHLAR_FUZZ_STATS names a file that all processes of a campaign share: a mapping
 *    outlives the kills and crashes by which fuzzed processes end, buffered output would not.
 */
#include "harness.h"
#include "base/foreign.h"
#include "engine.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    VERIFY_EVERY = 16,
    OPS_MAX = 4096,
    CHECK_PAGES = 1 << 20, /* a second or two of a sanitized build, for heaps with spans of GiB */
};

const struct ash_fuzz_tier *ash_fuzz_tier(void) {
    static const struct ash_fuzz_tier tiers[] = {
        {"normal", ASHLAR_ORACLE_SAMPLED, VERIFY_EVERY, true},
        {"light", ASHLAR_ORACLE_LIGHT, 0, false},
        {"thorough", ASHLAR_ORACLE_FULL, 1, true},
    };
    static const struct ash_fuzz_tier *chosen;
    const char *name = chosen == NULL ? getenv("ASHLAR_FUZZ_TIER") : NULL;
    for (size_t i = 0; name != NULL && i < sizeof tiers / sizeof *tiers; i++)
        if (strcmp(name, tiers[i].name) == 0) chosen = &tiers[i];
    if (chosen == NULL) chosen = &tiers[0];
    return chosen;
}

struct shared_stats {
    _Atomic uint64_t inputs, ops, skipped, misuses;
};
static struct shared_stats *open_stats(void) {
    static struct shared_stats private_stats;
    static struct shared_stats *stats;
    if (stats != NULL) return stats;
    stats = &private_stats;
    const char *path = getenv("ASHLAR_FUZZ_STATS");
    int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd < 0) return stats;
    if (ftruncate(fd, sizeof *stats) == 0) {
        void *mapped = mmap(NULL, sizeof *stats, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (mapped != MAP_FAILED) stats = mapped;
    }
    close(fd);
    return stats;
}

void ash_fuzz_count_replay(struct ash_fuzz_outcome *outcome,
                           const struct ashlar_replay_result *result) {
    outcome->ops += result->ops_run;
    outcome->skipped += result->ops_skipped;
    outcome->misuses += result->misuses_expected;
    if (outcome->failure == ASHLAR_OK) outcome->failure = result->failure;
}

bool ash_fuzz_input(const uint8_t *data, size_t size, const char *file,
                    struct ash_fuzz_outcome *outcome) {
    struct shared_stats *stats = open_stats();
    *outcome = (struct ash_fuzz_outcome){0};
    atomic_fetch_add_explicit(&stats->inputs, 1, memory_order_relaxed);
    bool sound = ash_harness.run(data, size, file, outcome);
    atomic_fetch_add_explicit(&stats->ops, outcome->ops, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->skipped, outcome->skipped, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->misuses, outcome->misuses, memory_order_relaxed);
    return sound;
}

/* AFL++'s driver begins each process with the first bytes of its signature as an input. A finding
 * in it would be laid to the engine's own first input, which does not show it again. */
static bool drivers_own(const uint8_t *data, size_t size) {
    static const char signature[] = {'#', '#', 'S', 'I'};
    return size == sizeof signature && memcmp(data, signature, size) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ash_fuzz_outcome outcome;
    if (drivers_own(data, size)) return 0;
    ash_foreign_wrote(data, size); /* AFL++'s driver does not say so, as libFuzzer does */
    if (!ash_fuzz_input(data, size, NULL, &outcome)) abort();
    return 0;
}

static const char *layer_name(enum ashlar_layer layer) {
    static const char *const names[] = {"none", "oracle", "checker", "misuse"};
    return (size_t)layer < sizeof names / sizeof *names ? names[layer] : "none";
}

void ash_fuzz_report(const struct ashlar_trace *trace, const struct ashlar_replay_result *result,
                     const char *again, const char *file) {
    const struct ashlar_replay_finding *finding = &result->finding;
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    char op[160] = "none";
    if (finding->op_index < trace->count)
        ashlar_op_text(&trace->ops[finding->op_index], op, sizeof op);
    const char *kind = "end";
    if (finding->op_index < trace->count)
        kind = ashlar_op_name((enum ashlar_op_kind)trace->ops[finding->op_index].kind);
    fprintf(stderr, "FINDING code=%s layer=%s operation=%zu kind=%s\n",
            info ? info->code : "unknown", layer_name(finding->layer), finding->op_index, kind);
    fprintf(stderr, "%s\n  operation %zu: %s\n  %s\n", info ? info->summary : "", finding->op_index,
            op, finding->text);
    fprintf(stderr, "trace:\n");
    ashlar_trace_write(trace, stderr, ASHLAR_FORMAT_TEXT, false, NULL, NULL);
    fprintf(stderr, "replay it with: %s %s%s\n", again, file ? file : "FILE",
            file ? "" : "   (FILE: the input that the engine saves)");
    fflush(stderr);
}

bool ash_fuzz_replay(const struct ashlar_target *target, const uint8_t *data, size_t size,
                     const char *again, const char *file, struct ash_fuzz_outcome *outcome) {
    const struct ash_fuzz_tier *tier = ash_fuzz_tier();
    const struct ashlar_replay_options options = {
        .target = target,
        .oracle = tier->oracle,
        .verify_every = tier->verify_every,
        .check_pages = CHECK_PAGES,
        .touched_check = tier->touched_check,
    };
    struct ashlar_replay_result result = {0};
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    if (ashlar_trace_decode_raw(data, size, OPS_MAX, &trace)) {
        ashlar_replay(&trace, &options, &result);
        ash_fuzz_count_replay(outcome, &result);
        if (result.found) ash_fuzz_report(&trace, &result, again, file);
        ashlar_replay_end(&result);
    }
    ashlar_trace_free(&trace);
    return !result.found;
}
