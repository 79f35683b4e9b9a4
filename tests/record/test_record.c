/* The recorder, end to end: programs whose every call is known are run with it, and the assembled
 * traces are compared with what the programs counted themselves.
 *
 * Only blocks of marked sizes are counted (programs/workload.h): what libc allocates for itself is
 * none of the test's business. But the whole trace must be legal: no free of a slot that is not
 * live, no allocation in one that is.
 */
#include "programs/workload.h"
#include "record/assemble.h"
#include "record/raw_log.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka wants setjmp, stdarg and stddef first
#include <cmocka.h>

struct session {
    char directory[64], raw[96], progress_path[96];
    struct progress *progress;
    struct ash_recording recording;
};

static int set_up(void **state) {
    struct session *session = calloc(1, sizeof *session);
    assert_non_null(session);
    snprintf(session->directory, sizeof session->directory, "/tmp/ashlar-record-XXXXXX");
    assert_non_null(mkdtemp(session->directory));
    snprintf(session->raw, sizeof session->raw, "%s/raw", session->directory);
    assert_int_equal(mkdir(session->raw, 0700), 0);
    snprintf(session->progress_path, sizeof session->progress_path, "%s/progress",
             session->directory);
    int fd = open(session->progress_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof *session->progress), 0);
    session->progress =
        mmap(NULL, sizeof *session->progress, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(session->progress != MAP_FAILED);
    close(fd);
    *state = session;
    return 0;
}

static int tear_down(void **state) {
    struct session *session = *state;
    for (size_t i = 0; i < session->recording.count; i++) unlink(session->recording.images[i].path);
    ash_recording_close(&session->recording);
    rmdir(session->raw);
    unlink(session->progress_path);
    assert_int_equal(rmdir(session->directory), 0); /* nothing else was written there */
    munmap(session->progress, sizeof *session->progress);
    free(session);
    return 0;
}

struct program {
    const char *path, *mode, *preload;
    bool children;
};

static pid_t start(const struct session *session, const struct program *program) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0) return pid;
    char list[1024], self[32];
    snprintf(list, sizeof list, "%s%s%s", RECORD_LIBRARY, program->preload != NULL ? ":" : "",
             program->preload != NULL ? program->preload : "");
    snprintf(self, sizeof self, "%ld", (long)getpid());
    setenv("LD_PRELOAD", list, 1);
    setenv(ASH_RAW_ENV_DIRECTORY, session->raw, 1);
    setenv(ASH_RAW_ENV_MAIN, self, 1);
    setenv(ASH_RAW_ENV_CHILDREN, program->children ? "1" : "0", 1);
    setenv(PROGRESS_ENV, session->progress_path, 1);
    setenv("RECORD_TEST_PLUGIN", PLUGIN, 1);
    execl(program->path, "program", program->mode, (char *)NULL);
    _exit(96);
}

static void read_recording(struct session *session) {
    struct ashlar_trace_error error;
    if (!ash_recording_open(&session->recording, session->raw, &error))
        fail_msg("%s", error.message);
}

/* Runs to the end; returns the exit code, or 128 + signal. */
static int run(struct session *session, const char *mode, const char *preload, bool children) {
    struct program program = {WORKLOAD, mode, preload, children};
    int status;
    pid_t pid = start(session, &program);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    read_recording(session);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

struct tally {
    uint64_t allocations, frees, moves, exits, live;
    struct ash_recording_summary summary;
    size_t ops;
    bool threads[256];
};

static bool marked(const struct ashlar_op *op) {
    uint64_t bytes = op->size;
    return bytes >= MARK_LOW && bytes < MARK_HIGH;
}

/* What was refused then and is refused in every replay. */
static bool refused(const struct ashlar_op *op) {
    uint64_t product = op->size;
    if (op->kind == ASHLAR_OP_CALLOC && __builtin_mul_overflow(op->size, op->arg, &product))
        return true;
    return product > PTRDIFF_MAX;
}

/* Follows the trace by its own rules; fails at the first operation that is not legal. */
static void follow(const struct ashlar_trace *trace, struct tally *tally) {
    enum { EMPTY, LIVE, MARKED };
    unsigned char *slots = calloc(trace->slots, 1);
    assert_non_null(slots);
    for (size_t i = 0; i < trace->count; i++) {
        const struct ashlar_op *op = &trace->ops[i];
        assert_true(op->slot < trace->slots && op->thread < trace->threads);
        tally->threads[op->thread] = true;
        unsigned char *slot = &slots[op->slot];
        switch (op->kind) {
        case ASHLAR_OP_FREE:
            assert_int_not_equal(*slot, EMPTY);
            tally->frees += *slot == MARKED;
            *slot = EMPTY;
            break;
        case ASHLAR_OP_THREAD_EXIT:
            tally->exits++;
            break;
        case ASHLAR_OP_REALLOC:
            if (*slot != EMPTY) {
                if (!refused(op)) tally->moves += *slot == MARKED;
                break;
            } /* realloc(NULL): */
            __attribute__((fallthrough));
        default:
            assert_int_equal(*slot, EMPTY);
            if (refused(op)) break;
            *slot = marked(op) ? MARKED : LIVE;
            tally->allocations += *slot == MARKED;
        }
    }
    for (uint32_t i = 0; i < trace->slots; i++) tally->live += slots[i] == MARKED;
    free(slots);
}

static struct tally assemble(const struct session *session, size_t image,
                             struct ashlar_trace *keep) {
    struct tally tally = {0};
    struct ashlar_trace trace;
    struct ashlar_trace_error error;
    assert_true(image < session->recording.count);
    if (!ash_recording_assemble(&session->recording, image, &trace, &tally.summary, &error))
        fail_msg("%s", error.message);
    tally.ops = trace.count;
    follow(&trace, &tally);
    if (keep != NULL)
        *keep = trace;
    else
        ashlar_trace_free(&trace);
    return tally;
}

/* Every call that the main process counted is there, and no more; nothing was guessed. */
static struct tally expect_exact(const struct session *session) {
    struct tally tally = assemble(session, 0, NULL);
    assert_int_equal(tally.allocations, session->progress->allocations);
    assert_int_equal(tally.frees, session->progress->frees);
    assert_int_equal(tally.moves, session->progress->moves);
    assert_int_equal(tally.summary.lost, 0);
    assert_int_equal(tally.summary.implied_frees, 0);
    assert_int_equal(tally.summary.unknown_frees, 0);
    assert_int_equal(tally.summary.unknown_moves, 0);
    return tally;
}

/* The marked operations of the kinds workload, one by one. */
static void check_kinds(const struct session *session) {
    struct ashlar_trace trace;
    assemble(session, 0, &trace);
    static const struct {
        enum ashlar_op_kind kind;
        uint64_t size, arg;
    } expected[] = {
        {ASHLAR_OP_MALLOC, 40001, 0},     {ASHLAR_OP_CALLOC, 40002, 3},
        {ASHLAR_OP_ALIGNED, 45056, 4096}, {ASHLAR_OP_ALIGNED, 40003, 64},
        {ASHLAR_OP_ALIGNED, 40004, 128},  {ASHLAR_OP_ALIGNED, 40005, 4096},
        {ASHLAR_OP_ALIGNED, 40006, 256},  {ASHLAR_OP_REALLOC, 40005, 0},
        {ASHLAR_OP_REALLOC, 40008, 0},
    };
    size_t at = 0;
    while (at < trace.count && !marked(&trace.ops[at])) at++;
    assert_true(at + 9 + 101 + 9 <= trace.count);
    for (size_t i = 0; i < 9; i++) {
        const struct ashlar_op *op = &trace.ops[at + i];
        assert_int_equal(op->kind, expected[i].kind);
        assert_int_equal(op->size, expected[i].size);
        assert_int_equal(op->arg, expected[i].arg);
    }
    uint32_t chained = trace.ops[at + 8].slot;
    for (size_t i = 0; i < 100; i++) {
        const struct ashlar_op *op = &trace.ops[at + 9 + i];
        assert_int_equal(op->kind, ASHLAR_OP_REALLOC);
        assert_int_equal(op->size, 40009 + i);
        assert_int_equal(op->slot, chained);
    }
    assert_int_equal(trace.ops[at + 109].size, 40012);
    for (size_t i = 0; i < 9; i++) {
        const struct ashlar_op *op = &trace.ops[at + 110 + i];
        assert_int_equal(op->kind, ASHLAR_OP_FREE);
        assert_int_equal(op->slot, trace.ops[at + i].slot);
    }
    size_t count = 0;
    for (size_t i = at; i < trace.count; i++) count += refused(&trace.ops[i]);
    assert_int_equal(count, 5);
    ashlar_trace_free(&trace);
}

static void test_kinds(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "kinds", NULL, false), 0);
    struct tally tally = expect_exact(session);
    assert_int_equal(tally.live, 0);
    assert_int_equal(tally.summary.threads, 1);
    check_kinds(session);
}

/* A whole page is what pvalloc asks for. */
static void test_pvalloc(void **state) {
    struct session *session = *state;
    struct ashlar_trace trace;
    assert_int_equal(run(session, "pvalloc", NULL, false), 0);
    expect_exact(session);
    assemble(session, 0, &trace);
    size_t at = 0;
    while (at < trace.count && !marked(&trace.ops[at])) at++;
    assert_true(at < trace.count);
    assert_int_equal(trace.ops[at].kind, ASHLAR_OP_ALIGNED);
    assert_int_equal(trace.ops[at].arg, sysconf(_SC_PAGESIZE));
    assert_int_equal(trace.ops[at].size % trace.ops[at].arg, 0);
    ashlar_trace_free(&trace);
}

static void test_errno(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "errno", NULL, false), 0);
    assert_int_equal(expect_exact(session).moves, 5000);
}

static void test_churn(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "churn", NULL, false), 0);
    struct tally tally = expect_exact(session);
    assert_true(tally.allocations > 50000); /* more than one batch of chunks */
    assert_true(tally.summary.peak_live_blocks > 100);
}

static void test_share(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "share", NULL, false), 0);
    struct tally tally = expect_exact(session);
    assert_int_equal(tally.allocations, 4 * 50000);
    assert_int_equal(tally.exits, 4);
    assert_int_equal(tally.summary.threads, 5);
    assert_int_equal(tally.live, 0);
}

/* What destructors free after ours, and after those of all keys, is there too. */
static void test_threads(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "threads", NULL, false), 0);
    struct tally tally = expect_exact(session);
    assert_int_equal(tally.exits, 2000);
    assert_int_equal(tally.live, 0);
    assert_true(tally.summary.threads <= 64); /* numbers of dead threads are used again */
}

static void test_ends(void **state) {
    struct session *session = *state;
    static const struct {
        const char *mode;
        int code;
        uint64_t live;
    } ends[] = {{"_exit", 7, 1}, {"quick_exit", 8, 0}, {"abort", 134, 0}, {"suicide", 137, 0}};
    for (size_t i = 0; i < 4; i++) {
        void *fresh = session;
        assert_int_equal(run(session, ends[i].mode, NULL, false), ends[i].code);
        assert_int_equal(expect_exact(session).live, ends[i].live);
        assert_int_equal(tear_down(&fresh), 0);
        assert_int_equal(set_up(&fresh), 0);
        session = fresh;
    }
    *state = session;
}

/* Killed from outside at any moment: every completed call is there; at most the one under way in
 * each of the three threads is not. */
static void test_killed(void **state) {
    struct session *session = *state;
    struct program program = {WORKLOAD, "endless", NULL, false};
    pid_t pid = start(session, &program);
    int status;
    while (session->progress->frees < 100000) assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    read_recording(session);
    struct tally tally = assemble(session, 0, NULL);
    assert_in_range(tally.allocations, session->progress->allocations,
                    session->progress->allocations + 3);
    assert_in_range(tally.frees, session->progress->frees, session->progress->frees + 3);
    assert_true(tally.summary.lost <= 3);
    assert_true(tally.summary.implied_frees <= 3);
}

/* Threads that still run when main returns. */
static void test_detached(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "detached", NULL, false), 0);
    struct tally tally = assemble(session, 0, NULL);
    assert_in_range(tally.allocations, session->progress->allocations,
                    session->progress->allocations + 3);
    assert_in_range(tally.frees, session->progress->frees, session->progress->frees + 3);
}

static void test_fork_excluded(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "fork", NULL, false), 0);
    assert_int_equal(session->recording.count, 1);
    assert_int_equal(session->recording.images[0].forks, 1);
    expect_exact(session);
}

static void expect_child(const struct session *session, size_t image, size_t inherited) {
    struct tally tally = assemble(session, image, NULL);
    const uint64_t *counted = (const uint64_t *)(const void *)session->progress->children;
    assert_int_equal(tally.allocations, counted[0] + inherited);
    assert_int_equal(tally.frees, counted[1]);
    assert_int_equal(tally.moves, counted[2]);
    assert_int_equal(tally.summary.unknown_frees, 0);
    assert_int_equal(tally.summary.unknown_moves, 0);
    assert_int_equal(tally.summary.implied_frees, 0);
    assert_int_equal(tally.summary.lost, 0);
    assert_true(tally.summary.inherited >= inherited);
}

/* A child has a log of its own, and begins with its parent's blocks. */
static void test_fork(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "fork", NULL, true), 0);
    assert_int_equal(session->recording.count, 2);
    expect_exact(session);
    expect_child(session, 1, 100);
}

/* fork's handlers do not run for a bare clone: the wiped page alone tells. */
static void test_bare_clone(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "bare_clone", NULL, true), 0);
    assert_int_equal(session->recording.count, 2);
    expect_exact(session);
    expect_child(session, 1, 100);
}

static void test_bare_clone_excluded(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "bare_clone", NULL, false), 0);
    assert_int_equal(session->recording.count, 1);
    expect_exact(session);
}

static void test_fork_threaded(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "fork_threaded", NULL, true), 0);
    assert_int_equal(session->recording.count, 2);
    struct tally tally = assemble(session, 1, NULL);
    assert_int_equal(tally.frees, session->progress->children[1]);
    assert_int_equal(tally.moves, session->progress->children[2]);
    assert_int_equal(tally.summary.unknown_frees, 0);
    assert_int_equal(tally.summary.lost, 0);
}

static void test_grandchild(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "grandchild", NULL, true), 0);
    assert_int_equal(session->recording.count, 3);
    expect_exact(session);
    struct tally child = assemble(session, 1, NULL), grandchild = assemble(session, 2, NULL);
    assert_int_equal(child.allocations, 2);
    assert_int_equal(child.frees, 1);
    assert_int_equal(grandchild.allocations, 2 + 3);
    assert_int_equal(grandchild.frees, 2 + 3);
    assert_int_equal(grandchild.summary.unknown_frees, 0);
}

/* The daemon outlives its parents; its own count says when it has done. */
static void test_daemon(void **state) {
    struct session *session = *state;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct program program = {WORKLOAD, "daemon", NULL, true};
    start(session, &program);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) continue;
    prctl(PR_SET_CHILD_SUBREAPER, 0);
    read_recording(session);
    expect_exact(session);
    assert_int_equal(session->recording.count, 2); /* the one in between did nothing */
    assert_int_equal(session->progress->children[0], 500);
    expect_child(session, 1, 0);
}

static void test_vfork(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "vfork", NULL, false), 0);
    assert_int_equal(session->recording.count, 1);
    assert_int_equal(session->recording.images[0].forks, 0);
    assert_int_equal(expect_exact(session).allocations, 20);
}

/* What the program execs has a log of its own. */
static void test_vfork_children(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "vfork", NULL, true), 0);
    assert_int_equal(session->recording.count, 3);
    expect_exact(session);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(session->recording.images[i].fork_parent, 0);
        assert_non_null(strstr(session->recording.images[i].program, "true"));
        assemble(session, i, NULL);
    }
}

static void test_exec(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "exec", NULL, false), 0);
    assert_int_equal(session->recording.count, 2);
    assert_int_equal(session->recording.images[0].pid, session->recording.images[1].pid);
    assert_int_equal(expect_exact(session).allocations, 10);
    expect_child(session, 1, 0);
    assert_int_equal(session->progress->children[0], 25);
}

static void test_closefrom(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "closefrom", NULL, false), 0);
    assert_int_equal(expect_exact(session).allocations, 100000);
}

/* What was recorded before the file could not grow is a whole prefix. */
static void test_full_disk(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "full_disk", NULL, false), 0);
    assert_int_equal(session->progress->frees, 100000);
    assert_int_equal(session->recording.images[0].stop_errno, EFBIG);
    struct tally tally = assemble(session, 0, NULL);
    assert_in_range(tally.frees, 5000, 20000);
    assert_in_range(tally.allocations, tally.frees, tally.frees + 1);
    assert_int_equal(tally.summary.lost, 0);
    assert_int_equal(tally.summary.implied_frees, 0);
}

static void test_bootstrap(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "kinds", BOOTSTRAP, false), 0);
    expect_exact(session);
    check_kinds(session);
}

/* Handlers that allocate wherever they interrupt, and leave by siglongjmp from some of them. Over
 * an allocator that can stand it; its realloc is made of malloc and free. */
static void test_signals(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "signals", BUMP, false), 0);
    assert_true(session->progress->handled > 200);
    struct ashlar_trace trace;
    struct tally tally = assemble(session, 0, &trace);
    assert_int_equal(tally.allocations, session->progress->allocations);
    assert_int_equal(tally.frees, session->progress->frees);
    uint64_t handled = 0;
    for (size_t i = 0; i < trace.count; i++)
        handled += trace.ops[i].kind == ASHLAR_OP_MALLOC && trace.ops[i].size == 60000;
    assert_int_equal(handled, session->progress->handled);
    /* Only what a handler left by siglongjmp can be unfinished. */
    assert_true(tally.summary.lost <= 200);
    ashlar_trace_free(&trace);
}

static void test_nested(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "churn", BUMP, false), 0);
    expect_exact(session);
}

static const char *const allocators[] = {"libmimalloc.so.2", "libjemalloc.so.2",
                                         "libtcmalloc_minimal.so.4"};

/* Where the loader would find it; NULL when it is not installed. */
static const char *installed(const char *name) {
    static char path[256];
    static const char *const folders[] = {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
                                          "/usr/lib64", "/usr/lib", "/usr/local/lib"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], name);
        if (access(path, R_OK) == 0) return path;
    }
    print_message("SKIPPED: %s is not installed\n", name);
    return NULL;
}

static void on_allocator(void **state, const char *name) {
    static const char *const modes[] = {"kinds", "churn", "share", "threads", "fork"};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        print_message("%s: %s\n", name, modes[i]);
        assert_int_equal(run(*state, modes[i], name, false), 0);
        struct tally tally = assemble(*state, 0, NULL);
        const struct progress *progress = ((struct session *)*state)->progress;
        /* realloc(p, 0): not every one of these frees; the move is then one more. */
        bool kinds = i == 0;
        assert_int_equal(tally.allocations, progress->allocations);
        assert_int_equal(tally.frees, progress->frees);
        assert_in_range(tally.moves, progress->moves, progress->moves + kinds);
        assert_int_equal(tally.summary.implied_frees, 0);
        assert_int_equal(tally.summary.lost, 0);
        tear_down(state);
        set_up(state);
    }
}

static void test_allocators(void **state) {
    for (size_t i = 0; i < 3; i++) {
        const char *path = installed(allocators[i]);
        if (path != NULL) on_allocator(state, path);
    }
}

static void expect_operators(struct session *session, const char *preload, bool throwing) {
    struct program program = {OPERATORS, throwing ? "throw" : NULL, preload, false};
    int status;
    pid_t pid = start(session, &program);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    read_recording(session);
    struct tally tally = assemble(session, 0, NULL);
    assert_int_equal(tally.allocations, 40);
    assert_int_equal(tally.frees, 40);
    assert_int_equal(tally.summary.implied_frees, 0);
}

static void test_operators(void **state) {
    expect_operators(*state, NULL, true);
}

/* These bring operators of their own. */
static void test_operators_allocators(void **state) {
    for (size_t i = 0; i < 3; i++) {
        const char *path = installed(allocators[i]);
        if (path == NULL) continue;
        expect_operators(*state, path, i != 0); /* mimalloc's C build aborts instead */
        tear_down(state);
        set_up(state);
    }
}

static void test_plugin(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "plugin", NULL, false), 0);
    assert_int_equal(expect_exact(session).allocations, 40);
}

/* A raw log that something else wrote into must be refused, not believed. */
static void test_damaged(void **state) {
    struct session *session = *state;
    assert_int_equal(run(session, "churn", NULL, false), 0);
    const char *path = session->recording.images[0].path;
    struct ash_recording_summary summary;
    struct ashlar_trace trace;
    struct ashlar_trace_error error;
    static const struct {
        uint64_t word;
        const char *message;
    } damages[] = {
        {UINT64_MAX, "damaged raw log"},                             /* no such kind */
        {ASH_RAW_HEAD(1, 0, ASH_RAW_MALLOC), "damaged raw log"},     /* the number twice */
        {ASH_RAW_HEAD(1 << 30, 0, ASH_RAW_FREE), "damaged raw log"}, /* far too high */
    };
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    const off_t second = ASH_RAW_FIRST_CHUNK + 2 * (off_t)sizeof(struct ash_raw_event);
    uint64_t saved;
    assert_int_equal(pread(fd, &saved, sizeof saved, second), sizeof saved);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pwrite(fd, &damages[i].word, 8, second), 8);
        assert_false(ash_recording_assemble(&session->recording, 0, &trace, &summary, &error));
        assert_non_null(strstr(error.message, damages[i].message));
        assert_int_equal(trace.count, 0);
    }
    uint64_t nothing = 0; /* an event that was never finished */
    assert_int_equal(pwrite(fd, &nothing, 8, second), 8);
    assert_true(ash_recording_assemble(&session->recording, 0, &trace, &summary, &error));
    assert_int_equal(summary.lost, 1);
    ashlar_trace_free(&trace);
    assert_int_equal(ftruncate(fd, 100), 0); /* no header */
    assert_false(ash_recording_assemble(&session->recording, 0, &trace, &summary, &error));
    assert_non_null(strstr(error.message, "not a raw log"));
    close(fd);
}

#define RECORDED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        RECORDED(test_kinds),
        RECORDED(test_pvalloc),
        RECORDED(test_errno),
        RECORDED(test_churn),
        RECORDED(test_share),
        RECORDED(test_threads),
        RECORDED(test_ends),
        RECORDED(test_killed),
        RECORDED(test_detached),
        RECORDED(test_fork_excluded),
        RECORDED(test_fork),
        RECORDED(test_bare_clone),
        RECORDED(test_bare_clone_excluded),
        RECORDED(test_fork_threaded),
        RECORDED(test_grandchild),
        RECORDED(test_daemon),
        RECORDED(test_vfork),
        RECORDED(test_vfork_children),
        RECORDED(test_exec),
        RECORDED(test_closefrom),
        RECORDED(test_full_disk),
        RECORDED(test_bootstrap),
        RECORDED(test_signals),
        RECORDED(test_nested),
        RECORDED(test_allocators),
        RECORDED(test_operators),
        RECORDED(test_operators_allocators),
        RECORDED(test_plugin),
        RECORDED(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
