/* Verifying the process heap from within.
 *
 * 1. Purpose. One check of the whole heap by the one checker, with its report as text, whoever asks
 *    for it: the exit of the process, a signal, a count of operations, the program itself. It
 *    allocates nothing, uses no stdio, and changes nothing in the heap.
 * 2. What other threads may do meanwhile. The check holds the heap's two locks, so no page changes
 *    hands: runs, spans, which slabs there are and all counts are checked in full, and nothing that
 *    the checker reads goes away under it. What threads change without a lock (words, windows,
 *    queues of their own thread heaps) can be judged only while they do not run:
 *        - no other thread: all is judged;
 *        - all others asleep from before the check until after it (os/tasks.c): all is judged
 *          as in a process that a debugger has stopped;
 *        - else: of every thread heap, the caller's included, since others may visit it
 *          (heap/visit.c), what nobody was changing at that moment, which the checker can tell.
 *          Whether lists are complete it cannot. The verdict is then incomplete at best.
 *    Where threads may run, the checker reads through a copy of each thing that it looks at: a
 *    value that was compared once is not read a second time.
 * 3. Signals. The handler may have interrupted this thread within the heap. Within a fast path the
 *    heap is whole at every instruction; a slow path has left its mark. Locks are never waited for
 *    without end, and not at all when this thread holds them: then pages may be changing hands, and
 *    all is counted as changing.
 * 4. Exit. After the last exit code of the program's, or in _exit or quick_exit, in the process
 *    that read the options; not when a signal ends it. A forked child did not ask, and stays
 *    silent; a program that it becomes by exec reads the options anew. Threads that were told to
 *    end, or whose work has just run out, may run still: a check that they leave incomplete is
 *    made again for a quarter of a second, and none begins after that.
 * 5. Order of locks. verify_lock, pool_lock, lock. */
#include "front/verify.h"

#include "diag/findings.h"
#include "front/front.h"
#include "front/options.h"
#include "front/reports.h"
#include "heap/layout.h"
#include "os/tasks.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LOCK_TRIES = 2000,  /* of a millisecond each: a purge of much memory takes some */
    EXIT_WAIT_MS = 250, /* at exit, for threads that run */
    EXIT_PAUSE_NS = 4000000,
    FINDINGS_SHOWN = 64,
};

/* The findings of one check, kept until it is known that they stand. Under verify_lock. */
static struct ash_lock verify_lock;
static struct {
    uint64_t count;
    struct ashlar_finding list[FINDINGS_SHOWN];
} findings;

static pid_t asker; /* the process that read the options; 0: none yet */

static void keep_finding(void *context, const struct ashlar_finding *finding) {
    (void)context;
    if (findings.count < FINDINGS_SHOWN) findings.list[findings.count] = *finding;
    findings.count++;
}

/* Section 2: each thing once. Word by word, as the threads write it. */
static const void *copy_view(void *context, uint64_t address, size_t bytes, void *scratch) {
    (void)context;
    const volatile uint64_t *from = (const volatile uint64_t *)(uintptr_t)address;
    uint64_t *to = scratch;
    for (size_t i = 0; i < bytes / sizeof *to; i++) to[i] = from[i];
    const volatile uint8_t *rest = (const volatile uint8_t *)from;
    for (size_t i = bytes & ~(sizeof *to - 1); i < bytes; i++) ((uint8_t *)scratch)[i] = rest[i];
    return scratch;
}

/* Takes a lock, or gives up. */
static bool lock_soon(struct ash_lock *lock) {
    if (ash_lock_mine(lock)) return false;
    for (unsigned tries = 0; tries < LOCK_TRIES; tries++) {
        if (ash_lock_try(lock)) return true;
        nanosleep(&(const struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return false;
}

static bool locks_take(struct ash_heap *heap) {
    if (!lock_soon(&heap->pool_lock)) return false;
    if (lock_soon(&heap->lock)) return true;
    ash_lock_give(&heap->pool_lock);
    return false;
}

static void locks_give(struct ash_heap *heap) {
    ash_lock_give(&heap->lock);
    ash_lock_give(&heap->pool_lock);
}

static enum ashlar_verdict check(struct ash_heap *heap, const struct ashlar_reader *reader,
                                 struct ashlar_check_report *report) {
    findings.count = 0;
    return ashlar_check(reader, (uint64_t)(uintptr_t)heap, ASHLAR_CHECK_FULL, keep_finding, NULL,
                        report);
}

/* Whether nobody has begun anything in the heap that is not done. */
static bool all_done(const struct ash_heap *heap, const struct ash_thread_heap *own) {
    return atomic_load_explicit(&heap->fork_left, memory_order_relaxed) == 0 &&
           (own == NULL ||
            atomic_load_explicit(&own->transition, memory_order_relaxed) == ASH_QUIET);
}

/* Section 2. The findings that stand are in `findings`. */
static void check_among_threads(struct ash_heap *heap, struct ashlar_check_report *report) {
    const struct ash_thread_heap *own = ash_th_of(ash_front_own());
    struct ashlar_reader reader = {.view = copy_view};
    struct ash_tasks before, after;
    reader.locked = locks_take(heap);
    bool rest = reader.locked && ash_tasks_look(&before) && before.asleep;
    if (rest) {
        bool alone = before.others == 0;
        reader.quiescent = alone && all_done(heap, own);
        if (reader.quiescent) reader.view = ashlar_reader_self.view; /* needs no copies */
        check(heap, &reader, report);
        rest = alone || (ash_tasks_look(&after) && after.asleep && after.others == before.others &&
                         after.mark == before.mark);
    }
    if (!rest) {
        reader.running = true;
        check(heap, &reader, report);
    }
    if (reader.locked) locks_give(heap);
}

/* Section 4. */
static void check_at_exit(struct ash_heap *heap, struct ashlar_check_report *report) {
    const struct ashlar_os *os = ashlar_os_linux(); /* a heap in ordinary memory has none */
    uint64_t end = os->now_ms(os->context) + EXIT_WAIT_MS;
    check_among_threads(heap, report);
    while (report->verdict == ASHLAR_INCOMPLETE && os->now_ms(os->context) < end) {
        nanosleep(&(const struct timespec){.tv_nsec = EXIT_PAUSE_NS}, NULL);
        check_among_threads(heap, report);
    }
}

static const char *const occasions[] = {
    [ASH_VERIFY_ASKED] = "verify",
    [ASH_VERIFY_AT_EXIT] = "verify at exit",
    [ASH_VERIFY_ON_SIGNAL] = "verify on a signal",
    [ASH_VERIFY_COUNTED] = "verify after operations",
};

static void say(enum ash_verify_occasion occasion, const struct ashlar_check_report *report) {
    struct ash_line line = {0};
    int fd = ash_report_open();
    ash_report_title(&line, occasions[occasion]);
    /* Title and summary go out as one when there is nothing between them: processes share files. */
    if (findings.count > 0) ash_line_send(&line, fd);
    uint64_t shown = findings.count < FINDINGS_SHOWN ? findings.count : FINDINGS_SHOWN;
    for (uint64_t i = 0; i < shown; i++) ash_diag_finding(&findings.list[i], fd);
    if (findings.count > shown) {
        ash_line_text(&line, "and ");
        ash_line_plural(&line, findings.count - shown, "more finding");
        ash_line_send(&line, fd);
    }
    if (line.length > 0) ash_line_text(&line, "\n");
    ash_diag_summary(&line, report);
    ash_line_send(&line, fd);
    ash_report_close(fd);
}

enum ashlar_verdict ash_verify(enum ash_verify_occasion occasion,
                               struct ashlar_check_report *report) {
    struct ashlar_check_report figures = {.verdict = ASHLAR_INCOMPLETE};
    int kept = errno;
    struct ashlar_heap *heap = ash_front_heap();
    if (heap != NULL && lock_soon(&verify_lock)) {
        if (occasion == ASH_VERIFY_AT_EXIT)
            check_at_exit(ash_heap_of(heap), &figures);
        else
            check_among_threads(ash_heap_of(heap), &figures);
        bool quiet = occasion == ASH_VERIFY_COUNTED && figures.verdict != ASHLAR_CORRUPT &&
                     ash_option(ASH_OPTION_VERBOSE) == 0;
        if (!quiet) say(occasion, &figures);
        ash_lock_give(&verify_lock);
        if (figures.verdict == ASHLAR_CORRUPT && ash_option(ASH_OPTION_VERIFY_FATAL) != 0) abort();
    }
    errno = kept;
    if (report != NULL) *report = figures;
    return figures.verdict;
}

static void on_signal(int number) {
    (void)number;
    ash_verify(ASH_VERIFY_ON_SIGNAL, NULL);
}

bool ash_verify_on_signal(uint64_t before) {
    struct sigaction action = {.sa_flags = SA_RESTART}, found;
    int number = (int)ash_option(ASH_OPTION_VERIFY_SIGNAL);
    bool ours =
        before != 0 && sigaction((int)before, NULL, &found) == 0 && found.sa_handler == on_signal;
    if (ours && (int)before != number) {
        action.sa_handler = SIG_DFL;
        sigaction((int)before, &action, NULL);
    }
    action.sa_handler = on_signal;
    return number == 0 || sigaction(number, &action, NULL) == 0;
}

void ash_verify_start(void) {
    int kept = errno;
    asker = getpid();
    if (ash_option(ASH_OPTION_VERIFY) == ASH_VERIFY_EXIT ||
        ash_option(ASH_OPTION_STATS) == ASH_STATS_EXIT)
        ash_report_keep();
    if (!ash_verify_on_signal(0)) {
        struct ash_line line = {0};
        ash_line_text(&line, "ashlar: verify_signal: no handler can be had for signal ");
        ash_line_number(&line, ash_option(ASH_OPTION_VERIFY_SIGNAL));
        ash_line_send(&line, STDERR_FILENO);
    }
    errno = kept;
}

/* Section 4. Once, whichever way the process ends. */
static void at_exit(void) {
    static _Atomic bool done;
    if (asker != getpid() || atomic_exchange_explicit(&done, true, memory_order_relaxed)) return;
    struct ash_heap *heap = ash_heap_of(ash_front_heap());
    /* Statistics wait for the locks, and exit may have been called in a signal handler. */
    if (heap != NULL && ash_option(ASH_OPTION_STATS) == ASH_STATS_EXIT && locks_take(heap)) {
        locks_give(heap);
        ash_report_statistics("statistics at exit");
    }
    if (ash_option(ASH_OPTION_VERIFY) == ASH_VERIFY_EXIT) ash_verify(ASH_VERIFY_AT_EXIT, NULL);
}

/* So that options are read, and reports come, also where nothing is ever allocated. */
static __attribute__((constructor)) void at_start(void) {
    ash_front_heap();
    at_quick_exit(at_exit);
}

/* 101 is the first priority that a program may use, and destructors run in descending order. */
static __attribute__((destructor(101))) void at_normal_exit(void) {
    at_exit();
}

/* Shells and browsers end by it. libc's own exit does not come by here. Weak, since a static libc
 * brings its own in one piece with _Exit. */
__attribute__((weak, visibility("default"))) void _exit(int status) {
    at_exit();
    _Exit(status);
}
