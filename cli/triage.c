/* Triage: from an input that an engine kept to a finding that a person can use.
 *
 * 1. Running. The harness runs the input in a process of its own and prints a line FINDING, or a
 *    sanitizer's report with a stack, or nothing. That is the only source: a target that crashes
 *    crashes there, and findings of sanitizers need no case of their own. One harness is started
 *    and forks for each input (fuzz/serve.c), as starting it thousands of times would take minutes;
 *    a harness that does not serve is started for each.
 * 2. Same or new. Two findings are the same when code, operation and the top frames are. The
 *    operation of a crash is the last one of the minimised trace, so before minimising only code
 *    and frames are compared; what turns out to be known is dropped. Stacks of a hang are where it
 *    was caught, so all hangs are one until they are minimised. An input that returns after all,
 *    within three times the limit, is slow and no finding: so is much on a busy machine.
 * 3. Minimising. ashlar_minimize with the harness as judge, within a number of runs and of seconds.
 *    Frames below the top one may change on the way, since callers do.
 * 4. What is told to be replayed was replayed: the command line's own replay when that shows a
 *    finding as well, else the harness.
 */
#include "triage.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OUTPUT_BYTES = 1 << 18,
    MINIMIZE_RUNS = 3000,
    MINIMIZE_SECONDS = 10,
    LATE_SECONDS = 3,  /* and no longer when the campaign's time is over */
    OVER_SECONDS = 15, /* so long after it nothing new is looked at */
    HANG_SECONDS = 1,  /* while minimising: what returns at all mostly does within this */
    SLOW = 3,          /* times the limit */
    REPLAY_SECONDS = 20,
    INPUT_OPS = 4096,
};

/* Runs `arguments` with its output in a file; -1: ended by a signal, or by us. */
static int run_program(const struct ash_campaign *campaign, enum ash_purpose purpose,
                       char **arguments, const char *output, double seconds) {
    int status = 0;
    ash_flush_output();
    pid_t child = fork();
    if (child < 0) return ash_fail(ASH_EXIT_TOOL, "fuzz: fork: %s", strerror(errno));
    if (child == 0) {
        int out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0666);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        ash_campaign_become(campaign, ASH_ENGINE_LIBFUZZER, purpose, arguments);
    }
    double until = ash_clock() + seconds;
    for (useconds_t nap = 200; waitpid(child, &status, WNOHANG) == 0; nap += nap / 4) {
        if (ash_clock() > until) kill(child, SIGKILL);
        usleep(nap < 20000 ? nap : 20000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *load_output(const char *path) {
    static char text[OUTPUT_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    if (fd >= 0) close(fd);
    text[got > 0 ? got : 0] = 0;
    for (ssize_t i = 0; i < got; i++)
        if (text[i] == 0) text[i] = ' ';
    return text;
}

/* The word behind `key`, up to a blank. */
static void word_after(const char *text, const char *key, char *out, size_t bytes) {
    const char *found = strstr(text, key);
    out[0] = 0;
    if (found == NULL) return;
    found += strlen(key);
    size_t length = strcspn(found, " \n");
    snprintf(out, bytes, "%.*s", (int)length, found);
}

/* "    #1 0x55d0c0 in f (/path/module+0x1234) (BuildId: ...)" gives "module+0x1234". */
static void read_frames(const char *text, struct ash_signature *out) {
    size_t count = 0;
    for (const char *line = strstr(text, "    #0 "); line != NULL && count < ASH_FRAMES;
         line = strchr(line + 1, '\n')) {
        size_t length = strcspn(line + 1, "\n") + 1;
        const char *plus = memchr(line, '+', length);
        const char *from = plus;
        while (plus != NULL && from > line && *from != '(') from--;
        if (memchr(line, '#', length) == NULL) break;
        if (plus == NULL || *from != '(' || memmem(line, length, "libc.so", 7) != NULL) continue;
        for (const char *at = from; at < plus; at++)
            if (*at == '/') from = at;
        size_t bytes = strcspn(from + 1, ")");
        snprintf(out->frames[count++], ASH_FRAME_BYTES, "%.*s", (int)bytes, from + 1);
    }
}

static void read_output(const char *text, int code, struct ash_signature *out) {
    *out = (struct ash_signature){.bad = code != 0};
    if (code == 0) return;
    if (strstr(text, "\nFINDING code=") != NULL || strncmp(text, "FINDING code=", 13) == 0) {
        const char *finding = strstr(text, "FINDING code=");
        word_after(finding, "code=", out->code, sizeof out->code);
        word_after(finding, "kind=", out->operation, sizeof out->operation);
        return;
    }
    snprintf(out->code, sizeof out->code, "ASH-ORACLE-CRASH");
    out->hangs = strstr(text, "libFuzzer: timeout") != NULL;
    out->exhausted = strstr(text, "libFuzzer: out-of-memory") != NULL;
    if (!out->hangs) read_frames(text, out);
}

/* Starts the harness as a server; without one, inputs are run each by a program of its own. */
static void start_server(struct ash_triage *triage) {
    const struct ash_campaign *campaign = triage->campaign;
    char output[ASH_PATH_BYTES];
    int ask[2], answer[2];
    triage->server = -1;
    if (!ash_path(output, "%s/tmp/output", campaign->folder) || pipe2(ask, O_CLOEXEC) != 0) return;
    if (pipe2(answer, O_CLOEXEC) != 0) {
        close(ask[0]);
        close(ask[1]);
        return;
    }
    ash_flush_output();
    pid_t child = fork();
    if (child == 0) {
        char *arguments[] = {(char *)(uintptr_t)ash_campaign_replayer(campaign), NULL};
        int null = open("/dev/null", O_WRONLY);
        setpgid(0, 0);
        setenv("ASHLAR_FUZZ_SERVE", output, 1);
        dup2(ask[0], STDIN_FILENO);
        int kept = fcntl(answer[1], F_DUPFD, 10);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        dup2(kept, 3);
        close(kept);
        ash_campaign_become(campaign, ASH_ENGINE_LIBFUZZER, ASH_RUN_INPUT, arguments);
    }
    close(ask[0]);
    close(answer[1]);
    triage->ask = ask[1];
    triage->answer = answer[0];
    triage->server = child > 0 ? child : -1;
}

void ash_triage_end(struct ash_triage *triage) {
    free(triage->seen);
    triage->seen = NULL;
    if (triage->server <= 0) return;
    close(triage->ask);
    close(triage->answer);
    kill(-triage->server, SIGKILL);
    waitpid(triage->server, NULL, 0);
    triage->server = -1;
}

/* Exit code and signal of a run; false: the server is no more. */
static bool ask_server(struct ash_triage *triage, const char *path, uint64_t seconds, int *code,
                       int *signal) {
    char line[ASH_PATH_BYTES + 40], text[40];
    if (triage->server == 0) start_server(triage);
    if (triage->server < 0) return false;
    int length = snprintf(line, sizeof line, "%" PRIu64 " %s\n", seconds, path);
    ssize_t got = 0;
    if (write(triage->ask, line, (size_t)length) == length)
        while ((got = read(triage->answer, text, sizeof text - 1)) < 0 && errno == EINTR) {
        }
    if (got <= 0) {
        char *seen = triage->seen; /* what was looked at stays known */
        triage->seen = NULL;
        ash_triage_end(triage);
        triage->seen = seen;
        return false;
    }
    text[got] = 0;
    char *rest;
    *code = (int)strtol(text, &rest, 10);
    *signal = (int)strtol(rest, NULL, 10);
    return true;
}

/* The input by a program of its own, as a person would run it. */
static int run_alone(const struct ash_campaign *campaign, const char *path,
                     enum ash_purpose purpose, const char *output) {
    char timeout[40];
    snprintf(timeout, sizeof timeout, "-timeout=%" PRIu64, campaign->timeout);
    char *program = (char *)(uintptr_t)ash_campaign_replayer(campaign);
    char *input = (char *)(uintptr_t)path;
    char *with_engine[] = {program, timeout, "-rss_limit_mb=4096", input, NULL};
    char *plain[] = {program, input, NULL};
    bool engine = campaign->engines[ASH_ENGINE_LIBFUZZER];
    return run_program(campaign, purpose, engine ? with_engine : plain, output,
                       (double)campaign->timeout * 3);
}

static bool run_input(struct ash_triage *triage, const char *path, uint64_t seconds,
                      struct ash_signature *out) {
    const struct ash_campaign *campaign = triage->campaign;
    char output[ASH_PATH_BYTES];
    int code = 0, signal = 0;
    if (!ash_path(output, "%s/tmp/output", campaign->folder)) return false;
    if (!ask_server(triage, path, seconds, &code, &signal))
        code = run_alone(campaign, path, ASH_RUN_INPUT, output);
    read_output(load_output(output), signal != 0 ? -1 : code, out);
    if (signal == SIGALRM) out->hangs = true;
    return code != ASH_EXIT_NOT_FOUND;
}

static bool same(const struct ash_signature *a, const struct ash_signature *b, size_t frames) {
    if (a->bad != b->bad || strcmp(a->code, b->code) != 0 || a->hangs != b->hangs) return false;
    bool told = a->operation[0] != 0 && b->operation[0] != 0;
    if (told && strcmp(a->operation, b->operation) != 0) return false;
    for (size_t i = 0; i < frames; i++)
        if (strcmp(a->frames[i], b->frames[i]) != 0) return false;
    return true;
}

struct search {
    struct ash_triage *triage;
    const struct ash_signature *wanted;
    uint64_t seconds; /* that a candidate may take */
    char candidate[ASH_PATH_BYTES];
    double until;
};

static bool write_raw(const struct ashlar_trace *trace, const char *path) {
    static uint8_t bytes[ASHLAR_RAW_HEADER_BYTES + INPUT_OPS * ASHLAR_OP_BYTES];
    size_t size = ashlar_trace_encode_raw(trace, bytes, sizeof bytes);
    FILE *file = size <= sizeof bytes ? fopen(path, "wb") : NULL;
    bool written = file != NULL && fwrite(bytes, 1, size, file) == size;
    if (file != NULL && fclose(file) != 0) written = false;
    return written;
}

static bool still_fails(void *context, const struct ashlar_trace *candidate) {
    struct search *search = context;
    struct ash_signature now = {0};
    if (ash_clock() > search->until || !write_raw(candidate, search->candidate)) return false;
    run_input(search->triage, search->candidate, search->seconds, &now);
    return same(&now, search->wanted, 1);
}

static bool minimize(struct ash_triage *triage, const struct ash_signature *wanted,
                     struct ashlar_trace *trace) {
    struct search search = {.triage = triage, .wanted = wanted};
    search.seconds = wanted->hangs ? HANG_SECONDS : triage->campaign->timeout;
    double now = ash_clock(), ends = triage->campaign->ends;
    double late = (now > ends ? now : ends) + LATE_SECONDS;
    search.until = now + MINIMIZE_SECONDS < late ? now + MINIMIZE_SECONDS : late;
    if (!ash_path(search.candidate, "%s/tmp/candidate", triage->campaign->folder)) return false;
    ashlar_minimize(trace, still_fails, &search, MINIMIZE_RUNS);
    return true;
}

/* A name for the folder: code, operation, and a number made of the frames. */
static void name_finding(struct ash_found *found) {
    const struct ash_signature *small = &found->small;
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < ASH_FRAMES; i++)
        for (const char *at = small->frames[i]; *at != 0; at++)
            hash = (hash ^ (uint8_t)*at) * 16777619U;
    int length = snprintf(found->id, sizeof found->id, "%s-%s%s", small->code, small->operation,
                          small->hangs ? "-hang" : "");
    if (small->frames[0][0] != 0 && length > 0 && (size_t)length < sizeof found->id)
        snprintf(found->id + length, sizeof found->id - (size_t)length, "-%06x", hash & 0xffffff);
}

/* The command to run it again with, tried out. */
static void find_replay(const struct ash_campaign *campaign, const char *folder,
                        struct ash_found *found) {
    char self[ASH_PATH_BYTES], trace[ASH_PATH_BYTES], output[ASH_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char threads[40] = "", seconds[24];
    snprintf(seconds, sizeof seconds, "%" PRIu64, campaign->timeout);
    const char *how = campaign->threads != NULL ? campaign->threads : "model";
    if (campaign->threads != NULL)
        snprintf(threads, sizeof threads, "ASHLAR_FUZZ_THREADS=%s ", how);
    if (campaign->harness != NULL)
        snprintf(found->replay, sizeof found->replay, "%s%s %s/input.raw", threads,
                 ash_campaign_replayer(campaign), folder);
    else
        snprintf(found->replay, sizeof found->replay,
                 "%sASHLAR_FUZZ_TARGET=%s ASHLAR_FUZZ_PREFIX=%s %s %s/input.raw", threads,
                 campaign->target, campaign->prefix, ash_campaign_replayer(campaign), folder);
    if (campaign->harness != NULL || !ash_path(trace, "%s/trace", folder) ||
        !ash_path(output, "%s/tmp/output", campaign->folder))
        return;
    char *arguments[] = {self,        "replay",
                         "--misuse",  "expect",
                         "--target",  (char *)(uintptr_t)campaign->target,
                         "--prefix",  (char *)(uintptr_t)campaign->prefix,
                         "--threads", (char *)(uintptr_t)how,
                         "--timeout", seconds,
                         trace,       NULL};
    if (run_program(campaign, ASH_RUN_INPUT, arguments, output, REPLAY_SECONDS) !=
        ASH_EXIT_FINDINGS)
        return;
    const char *given = getenv("GLIBC_TUNABLES");
    bool tunable = strcmp(campaign->target, "ashlar") != 0 && given == NULL &&
                   strstr(campaign->target, "jemalloc") != NULL;
    snprintf(found->replay, sizeof found->replay,
             "%sashlar replay --misuse expect --timeout %s%s --target %s%s%s %s",
             tunable ? "GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 " : "", seconds,
             strcmp(how, "real") == 0 ? " --threads real" : "", campaign->target,
             campaign->prefix[0] != 0 ? " --prefix " : "", campaign->prefix, trace);
}

static bool write_report(const struct ash_campaign *campaign, const char *folder,
                         const struct ash_found *found, const struct ashlar_trace *trace) {
    char path[ASH_PATH_BYTES], input[ASH_PATH_BYTES], output[ASH_PATH_BYTES];
    if (!ash_path(path, "%s/report", folder) || !ash_path(input, "%s/input.raw", folder) ||
        !ash_path(output, "%s/tmp/output", campaign->folder))
        return false;
    run_alone(campaign, input, ASH_RUN_SYMBOLIZED, output);
    const struct ashlar_finding_info *info = ashlar_finding_by_code(found->small.code);
    FILE *file = fopen(path, "w");
    if (file == NULL) return ash_fail(0, "fuzz: %s: %s", path, strerror(errno)) != 0;
    fprintf(file, "%s in %s%s: %s\n", found->small.code, found->small.operation,
            found->small.hangs ? " (it does not return)" : "",
            info != NULL ? info->summary : "not in the table of findings");
    for (size_t i = 0; i < ASH_FRAMES && found->small.frames[i][0] != 0; i++)
        fprintf(file, "  frame %zu   %s\n", i, found->small.frames[i]);
    fprintf(file, "  found by  an input with this after %.1f s\n", found->seconds);
    fprintf(file, "  again     %s\n  explain   ashlar explain %s\n\ntrace (%zu operations):\n",
            found->replay, found->small.code, trace->count);
    ashlar_trace_write(trace, file, ASHLAR_FORMAT_TEXT, false, NULL, NULL);
    fprintf(file, "\noutput of %s:\n%s", ash_campaign_replayer(campaign), load_output(output));
    return fclose(file) == 0;
}

/* The oracle asks for the usable size of each new block, a program only where the trace says so. */
static bool tell_usable(const struct ash_found *found, const struct ashlar_trace *trace,
                        struct ashlar_trace *out) {
    if (!ashlar_trace_copy(out, trace)) return false;
    if (strcmp(found->small.code, "ASH-ORACLE-USABLE") != 0 || trace->count == 0) return true;
    struct ashlar_op op = {.kind = ASHLAR_OP_USABLE, .slot = trace->ops[trace->count - 1].slot};
    op.thread = trace->ops[trace->count - 1].thread;
    return ashlar_trace_append(out, &op);
}

static bool write_reproducer(const struct ash_campaign *campaign, const char *folder,
                             const struct ash_found *found, const struct ashlar_trace *trace) {
    char path[ASH_PATH_BYTES], comment[200];
    snprintf(comment, sizeof comment, "Made by `ashlar fuzz` for %s.", found->small.code);
    struct ashlar_program program = {.comment = comment};
    if (campaign->harness == NULL && campaign->target[0] == '/') {
        program.library = campaign->target;
        program.prefix = campaign->prefix;
    }
    struct ashlar_trace shown;
    ashlar_trace_init(&shown);
    FILE *file = ash_path(path, "%s/reproducer.c", folder) ? fopen(path, "w") : NULL;
    bool written = file != NULL && tell_usable(found, trace, &shown) &&
                   ashlar_trace_write_c(&shown, file, &program);
    ashlar_trace_free(&shown);
    if (file != NULL && fclose(file) != 0) written = false;
    return written;
}

static bool write_finding(const struct ash_campaign *campaign, struct ash_found *found,
                          const struct ashlar_trace *trace) {
    char folder[ASH_PATH_BYTES], path[ASH_PATH_BYTES];
    struct ashlar_trace_error error = {0};
    if (!ash_path(folder, "%s/crashes/%s", campaign->folder, found->id)) return false;
    if (!ash_make_folder(folder)) return false;
    if (!ash_path(path, "%s/input.raw", folder) || !write_raw(trace, path) ||
        !ash_path(path, "%s/trace", folder) ||
        !ashlar_trace_save(trace, path, ASHLAR_FORMAT_TEXT, false, NULL, &error))
        return ash_fail(0, "fuzz: %s: %s", path, error.message) != 0;
    find_replay(campaign, folder, found);
    return write_report(campaign, folder, found, trace) &&
           write_reproducer(campaign, folder, found, trace);
}

static struct ash_found *known(struct ash_triage *triage, const struct ash_signature *signature) {
    for (size_t i = 0; i < triage->count; i++) {
        struct ash_found *found = &triage->found[i];
        if (same(&found->first, signature, ASH_FRAMES) ||
            same(&found->small, signature, ASH_FRAMES))
            return found;
    }
    return NULL;
}

/* The smallest trace and what it shows. A hang of which only slowness was left, since minimising is
 * short of time, stays as it was. */
static bool make_small(struct ash_triage *triage, struct ash_found *found,
                       struct ashlar_trace *trace) {
    const struct ash_campaign *campaign = triage->campaign;
    char path[ASH_PATH_BYTES];
    struct ashlar_trace whole;
    ashlar_trace_init(&whole);
    bool made = ashlar_trace_copy(&whole, trace) && minimize(triage, &found->first, trace) &&
                ash_path(path, "%s/tmp/candidate", campaign->folder) && write_raw(trace, path);
    if (made) run_input(triage, path, campaign->timeout, &found->small);
    if (made && !found->small.bad) {
        found->small = found->first; /* it fails not every time */
        if (found->first.hangs) made = ashlar_trace_copy(trace, &whole);
    }
    ashlar_trace_free(&whole);
    return made;
}

static bool enter(struct ash_triage *triage, struct ash_found *found, struct ashlar_trace *trace) {
    const struct ash_campaign *campaign = triage->campaign;
    if (!make_small(triage, found, trace)) return false;
    if (found->small.operation[0] == 0 && trace->count > 0)
        snprintf(found->small.operation, sizeof found->small.operation, "%s",
                 ashlar_op_name((enum ashlar_op_kind)trace->ops[trace->count - 1].kind));
    found->operations = trace->count;
    for (size_t i = 0; i < triage->count; i++) {
        if (!same(&triage->found[i].small, &found->small, ASH_FRAMES)) continue;
        triage->found[i].inputs++;
        return true;
    }
    name_finding(found);
    if (!write_finding(campaign, found, trace)) return false;
    triage->found[triage->count++] = *found;
    triage->tell(triage, &triage->found[triage->count - 1]);
    return true;
}

static bool seen_before(struct ash_triage *triage, const char *path) {
    size_t length = strlen(path);
    for (const char *at = triage->seen; at != NULL && (at = strstr(at, path)) != NULL; at++)
        if (at[length] == '\n') return true;
    char *grown = realloc(triage->seen, triage->seen_bytes + length + 2);
    if (grown == NULL) return true;
    memcpy(grown + triage->seen_bytes, path, length);
    memcpy(grown + triage->seen_bytes + length, "\n", 2);
    triage->seen = grown;
    triage->seen_bytes += length + 1;
    return false;
}

/* The input showed something: it is known, or becomes a finding. */
static bool settle(struct ash_triage *triage, const char *path,
                   const struct ash_signature *signature, double seconds) {
    struct ashlar_trace trace;
    struct ash_found *old = known(triage, signature);
    if (old != NULL) {
        old->inputs++;
        return true;
    }
    if (!ashlar_trace_load(path, ASHLAR_FORMAT_RAW, &trace, NULL)) return true;
    if (trace.count > INPUT_OPS) trace.count = INPUT_OPS;
    struct ash_found found = {.first = *signature, .inputs = 1, .seconds = seconds};
    bool entered = enter(triage, &found, &trace);
    ashlar_trace_free(&trace);
    return entered;
}

bool ash_triage_seed(struct ash_triage *triage, const char *path) {
    struct ash_signature signature;
    double seconds = ash_clock() - triage->campaign->started;
    if (!run_input(triage, path, triage->campaign->timeout, &signature)) return false;
    if (triage->server <= 0)
        return true; /* a harness that does not start is the engine's to tell */
    if (!signature.bad || signature.exhausted || signature.hangs) return true;
    return settle(triage, path, &signature, seconds);
}

bool ash_triage_input(struct ash_triage *triage, const char *path, const char *name) {
    const struct ash_campaign *campaign = triage->campaign;
    struct ash_signature signature;
    if (seen_before(triage, path)) return true;
    if (triage->looked >= ASH_LOOKED_MOST || triage->count == ASH_FOUND_MOST ||
        ash_clock() > campaign->ends + OVER_SECONDS) {
        triage->left++;
        return true;
    }
    triage->looked++;
    double seconds = ash_clock() - campaign->started;
    if (!run_input(triage, path, SLOW * campaign->timeout, &signature)) return false;
    bool timed_out = strncmp(name, "timeout-", 8) == 0 || strstr(path, "/hangs/") != NULL;
    if (!signature.bad && timed_out) {
        triage->slow++;
        return true;
    }
    if (!signature.bad) {
        char kept[ASH_PATH_BYTES];
        triage->unrepeatable++;
        return ash_path(kept, "%s/unrepeatable-%s", campaign->folder, name) &&
               ash_copy_file(path, kept);
    }
    if (signature.exhausted) {
        triage->exhausted++;
        return true;
    }
    return settle(triage, path, &signature, seconds);
}
