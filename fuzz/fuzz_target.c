/* fuzz_target: any allocator, through its adapter (ashlar/target.h), against the oracle.
 *
 * 1. One harness for every target. The adapter is linked in (ashlar_add_fuzz_targets) or is
 *    library.c, which loads a shared library that the environment names. What the target promises
 *    decides what is a finding; the oracle asks for nothing else.
 *
 * 2. Feedback. Coverage of the target where it was compiled for it. Besides, what it does is
 *    feedback of its own (watch.c), so that a library without any instrumentation is fuzzed better
 *    than at random, too.
 *
 * 3. Illegal operations are performed only on targets that promise to report them; elsewhere a
 *    double free would prove nothing about the target. Contents are checked in samples and, of
 *    small blocks, wholly (ASHLAR_FUZZ_TIER changes that).
 *
 * 4. A target with caches for each OS thread says so (ASHLAR_TARGET_OS_THREADS), or
 *    ASHLAR_FUZZ_THREADS=real does for it: then each logical thread is an OS thread.
 *
 * 5. A target that is the whole process keeps its heap from input to input. All blocks are freed at
 *    the end of each, so most findings come again from one input alone; an adapter that can start
 *    anew in `create` makes that all.
 *
 * 6. Engines see crashes. A target that ends the process by _exit, or by a signal that engines take
 *    for an order to end, would go unseen: so in the folder that ASHLAR_FUZZ_UNDER_WAY names each
 *    process has a file with its number for a name, which holds the input that is being run, and
 *    nothing in between. What a process that is gone has left there `ashlar fuzz` looks at.
 */
#include "base/foreign.h"
#include "engine.h"
#include "harness.h"
#include "watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_BYTES = 32 << 10 };

static const struct ashlar_target *on_threads(const struct ashlar_target *adapted) {
    const char *how = getenv("ASHLAR_FUZZ_THREADS");
    bool real = (adapted->flags & ASHLAR_TARGET_OS_THREADS) != 0;
    if (how != NULL) real = strcmp(how, "real") == 0;
    return real ? ashlar_target_on_threads(adapted) : adapted;
}

static const struct ashlar_target *target(void) {
    static const struct ashlar_target *watched;
    if (watched != NULL) return watched;
    const struct ashlar_target *adapted = ashlar_fuzz_target();
    if (adapted == NULL) exit(2);
    if (ash_clean_target != NULL) adapted = ash_clean_target(adapted);
    adapted = on_threads(adapted);
    if (adapted == NULL) {
        fputs("fuzz_target: the core has thread heaps, and no need of real threads\n", stderr);
        exit(2);
    }
    watched = ash_watch(adapted);
    return watched;
}

/* Before AFL++ takes the process for its template: what the target does at its start is done once,
 * and a library's coverage map is there when engines ask for its size. */
int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    target();
    ash_fuzz_serve();
    /* MemorySanitizer still holds what our frames left on the stack for unset, when an engine's
       uninstrumented code comes to use that place. */
    ash_foreign_wrote((char *)__builtin_frame_address(0) - STACK_BYTES, STACK_BYTES);
    return 0;
}

/* Of this process, which may be the child of one that has a file of its own; -1: none is wanted. */
static int under_way_file(void) {
    static pid_t owner;
    static int file = -1;
    const char *folder = getenv("ASHLAR_FUZZ_UNDER_WAY");
    char path[4096];
    if (folder == NULL || owner == getpid()) return file;
    if (file >= 0) close(file);
    owner = getpid();
    snprintf(path, sizeof path, "%s/%ld", folder, (long)owner);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return file;
}

static void set_under_way(const uint8_t *data, size_t size) {
    int file = under_way_file();
    if (file < 0) return;
    bool set = size == 0 ? ftruncate(file, 0) == 0 : pwrite(file, data, size, 0) == (ssize_t)size;
    if (!set) fputs("fuzz_target: the input under way cannot be kept\n", stderr);
}

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    set_under_way(data, size);
    bool sound = ash_fuzz_replay(target(), data, size, "this program, with", file, outcome);
    set_under_way(NULL, 0);
    return sound;
}

const struct ash_harness ash_harness = {.name = "fuzz_target", .run = run};
