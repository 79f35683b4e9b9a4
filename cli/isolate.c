/* Children for replays.
 *
 * The allocator under test runs in the tool's own process, and a broken one may crash, or never
 * return. The report of that is worth more than the crash: so everything that replays runs in a
 * child, and the parent, whose memory no allocator under test has touched, finds out by further
 * children how far one can get. A child that ends normally has printed its own report; its exit
 * code is passed on.
 */
#include "isolate.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A parent that is killed takes its child with it; nobody would read what the child still does. */
static void enter_child(pid_t parent, unsigned seconds) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(ASH_EXIT_TOOL);
    signal(SIGALRM, SIG_DFL);
    alarm(seconds);
}

static int wait_for(pid_t child, int *ending) {
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return ash_fail(ASH_EXIT_TOOL, "waitpid: %s", strerror(errno));
    }
    if (!WIFSIGNALED(status)) return WEXITSTATUS(status);
    *ending = WTERMSIG(status);
    /* The user's, or the reader's of our output: nothing that the target did. */
    if (*ending == SIGINT || *ending == SIGTERM || *ending == SIGHUP || *ending == SIGPIPE) {
        signal(*ending, SIG_DFL);
        raise(*ending);
    }
    return -1;
}

void *ash_share(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

int ash_isolate(int (*body)(void *), void *context, unsigned seconds, int *signal) {
    static bool *returned; /* a sanitizer ends the child with an exit code that looks like ours */
    if (returned == NULL) returned = ash_share(sizeof *returned);
    if (returned == NULL) return ash_fail(ASH_EXIT_TOOL, "no memory to share with a child");
    *returned = false;
    ash_flush_output();
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) return ash_fail(ASH_EXIT_TOOL, "fork: %s", strerror(errno));
    if (child == 0) {
        enter_child(parent, seconds);
        int code = body(context);
        *returned = true;
        exit(code); /* and so through the check that standard output was written */
    }
    int code = wait_for(child, signal);
    if (code == -1 || code == ASH_EXIT_TOOL || *returned) return code;
    *signal = SIGABRT;
    return -1;
}

struct probe {
    const struct ashlar_trace *trace;
    const struct ashlar_replay_options *options;
    struct ash_outcome *out;
};

void ash_replay_kept(const struct ashlar_trace *trace, const struct ashlar_replay_options *options,
                     struct ashlar_replay_result *result) {
    struct ashlar_replay_options kept = *options;
    kept.keep = true;
    ashlar_replay(trace, &kept, result);
}

void ash_replay_finish(struct ashlar_replay_result *result) {
    if (!result->found) ashlar_replay_end(result);
}

static void probe_body(const struct probe *probe) {
    struct ashlar_replay_result result;
    ash_replay_kept(probe->trace, probe->options, &result);
    ash_replay_finish(&result);
    probe->out->found = result.found;
    probe->out->finding = result.finding;
    probe->out->failure = result.failure;
    probe->out->incomplete = result.checked && result.check.verdict == ASHLAR_INCOMPLETE;
}

bool ash_probe(const struct ashlar_trace *trace, size_t count,
               const struct ashlar_replay_options *options, unsigned seconds,
               struct ash_outcome *out) {
    static struct ash_outcome *shared;
    if (shared == NULL) shared = ash_share(sizeof *shared);
    if (shared == NULL) return ash_fail(0, "no memory to share with a child") != 0;
    struct ashlar_trace prefix = *trace; /* shares the operations, which replaying only reads */
    if (count < prefix.count) prefix.count = count;
    memset(shared, 0, sizeof *shared);
    ash_flush_output();
    pid_t parent = getpid();
    pid_t child = fork();
    if (child < 0) return ash_fail(0, "fork: %s", strerror(errno)) != 0;
    if (child == 0) {
        enter_child(parent, seconds);
        int null = open("/dev/null", O_WRONLY);
        if (null >= 0) dup2(null, STDERR_FILENO);
        probe_body(&(struct probe){&prefix, options, shared});
        _exit(0);
    }
    int signal = 0;
    int code = wait_for(child, &signal);
    if (code == ASH_EXIT_TOOL) return false;
    *out = *shared;
    out->signal = signal;
    /* A sanitizer ends the process with a code of its own. */
    if (code > 0) out->signal = SIGABRT;
    return true;
}

bool ash_outcome_bad(const struct ash_outcome *outcome) {
    return outcome->signal != 0 || outcome->found;
}

bool ash_choose_finding(const struct ashlar_trace *trace, struct ashlar_replay_options *options,
                        unsigned seconds) {
    bool illegal = false;
    for (size_t i = 0; i < trace->count && !illegal; i++) {
        illegal = ashlar_op_is_illegal((enum ashlar_op_kind)trace->ops[i].kind);
    }
    options->report_illegal = false;
    if (!illegal) return true;
    struct ash_outcome outcome = {0};
    if (!ash_probe(trace, trace->count, options, seconds, &outcome)) return false;
    options->report_illegal = !ash_outcome_bad(&outcome);
    return true;
}

size_t ash_shortest_bad(const struct ashlar_trace *trace, size_t count,
                        const struct ashlar_replay_options *options, unsigned seconds, bool exact,
                        struct ash_outcome *out) {
    if (!ash_probe(trace, count, options, seconds, out) || !ash_outcome_bad(out)) return 0;
    size_t bad = count, good = 0; /* nothing was done: nothing is wrong */
    /* A replay stops at its first finding: what follows it cannot be needed. */
    if (out->found && out->finding.op_index + 1 < bad) bad = out->finding.op_index + 1;
    struct ash_outcome outcome = {0};
    while (bad - good > 1) {
        size_t middle = exact ? good + 1 : good + (bad - good) / 2;
        if (!ash_probe(trace, middle, options, seconds, &outcome)) return 0;
        if (ash_outcome_bad(&outcome)) {
            bad = middle;
        } else {
            good = middle;
        }
    }
    return ash_probe(trace, bad, options, seconds, out) && ash_outcome_bad(out) ? bad : 0;
}

const char *ash_signal_name(int signal) {
    static const struct {
        int signal;
        const char *name;
    } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"},       {SIGABRT, "SIGABRT"},
                 {SIGILL, "SIGILL"},   {SIGFPE, "SIGFPE"},       {SIGTRAP, "SIGTRAP"},
                 {SIGKILL, "SIGKILL"}, {SIGALRM, "a time limit"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].signal == signal) return names[i].name;
    }
    return "a signal";
}
