/* fuzz_heap: any bytes, read as a raw trace, against the heap core, the oracle and the checker.
 *
 * 1. One source, three engines. libFuzzer and AFL++ call LLVMFuzzerTestOneInput and watch coverage;
 *    standalone_main.c calls ash_fuzz_input for files, without either.
 *
 * 2. What is checked. Every operation: the oracle's O(1) checks and a sample of the contents, and
 *    the checker's O(1) check around the block that the operation used. Every VERIFY_EVERY
 *    operations and at the end: the full check. The full check of a small heap costs as much as a
 *    few dozen operations; after each it would be most of the work, and a broken invariant that no
 *    O(1) check sees rarely heals within a few operations. ASHLAR_FUZZ_TIER changes the bargain.
 *
 * 3. Illegal operations stay in: the core promises to report misuse exactly and to survive it, and
 *    the checker to see every flipped bit of the metadata (which the replay then flips back). What
 *    is reported as promised is no finding here.
 *
 * 4. How it ends. Nothing survives an input but its counters: the heap is made and destroyed each
 *    time, so that the same input does the same thing alone as after a million others. On a finding
 *    it says what and where, prints the trace, and aborts, which every engine takes for a crash.
 */
#include "fuzz_heap.h"
#include "engine.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { OPS_MAX = 4096, VERIFY_EVERY = 16 };

/* ASHLAR_FUZZ_TIER. */
struct tier {
    const char *name;
    enum ashlar_oracle_tier oracle;
    uint32_t verify_every;
    bool touched_check;
};
static const struct tier tiers[] = {
    {"normal", ASHLAR_ORACLE_SAMPLED, VERIFY_EVERY, true},
    {"light", ASHLAR_ORACLE_LIGHT, 0, false},
    {"thorough", ASHLAR_ORACLE_FULL, 1, true},
};
static const struct tier *chosen_tier(void) {
    static const struct tier *chosen;
    const char *name = chosen == NULL ? getenv("ASHLAR_FUZZ_TIER") : NULL;
    for (size_t i = 0; name != NULL && i < sizeof tiers / sizeof *tiers; i++)
        if (strcmp(name, tiers[i].name) == 0) chosen = &tiers[i];
    if (chosen == NULL) chosen = &tiers[0];
    return chosen;
}

/* ASHLAR_FUZZ_STATS names a file that all processes of a campaign share: a mapping outlives the
 * kills and crashes by which fuzzed processes end, buffered output would not. */
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
static void count_run(const struct ashlar_replay_result *result) {
    struct shared_stats *stats = open_stats();
    atomic_fetch_add_explicit(&stats->ops, result->ops_run, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->skipped, result->ops_skipped, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->misuses, result->misuses_expected, memory_order_relaxed);
}

static const char *layer_name(enum ashlar_layer layer) {
    static const char *const names[] = {"none", "oracle", "checker", "misuse"};
    return (size_t)layer < sizeof names / sizeof *names ? names[layer] : "none";
}
/* Everything that a human needs to see it again, and one line "FINDING ..." for scripts. */
static void report(const struct ashlar_trace *trace, const struct ashlar_replay_result *result,
                   const char *name) {
    const struct ashlar_replay_finding *finding = &result->finding;
    const struct ashlar_finding_info *info = ashlar_finding_by_number(finding->code);
    char op[160] = "none";
    if (finding->op_index < trace->count)
        ashlar_op_text(&trace->ops[finding->op_index], op, sizeof op);
    fprintf(stderr, "FINDING code=%s layer=%s operation=%zu\n", info ? info->code : "unknown",
            layer_name(finding->layer), finding->op_index);
    fprintf(stderr, "%s\n  operation %zu: %s\n  %s\n", info ? info->summary : "", finding->op_index,
            op, finding->text);
    fprintf(stderr, "trace:\n");
    ashlar_trace_write(trace, stderr, ASHLAR_FORMAT_TEXT, false, NULL, NULL);
    fprintf(stderr, "replay it with: ashlar replay --misuse expect --verify each --raw %s%s\n",
            name ? name : "FILE", name ? "" : "   (FILE: the input that the engine saves)");
    fflush(stderr);
}

bool ash_fuzz_input(const uint8_t *data, size_t size, const char *name,
                    struct ashlar_replay_result *result) {
    const struct tier *tier = chosen_tier();
    struct ashlar_replay_options options = {
        .target = &ashlar_target_core,
        .oracle = tier->oracle,
        .verify_every = tier->verify_every,
        .touched_check = tier->touched_check,
    };
    struct ashlar_trace trace;
    memset(result, 0, sizeof *result);
    ashlar_trace_init(&trace);
    atomic_fetch_add_explicit(&open_stats()->inputs, 1, memory_order_relaxed);
    if (ashlar_trace_decode_raw(data, size, OPS_MAX, &trace)) {
        ashlar_replay(&trace, &options, result);
        count_run(result);
        if (result->found) report(&trace, result, name);
        ashlar_replay_end(result);
    }
    ashlar_trace_free(&trace);
    return !result->found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ashlar_replay_result result;
    if (!ash_fuzz_input(data, size, NULL, &result)) abort();
    return 0;
}
