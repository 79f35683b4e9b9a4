/* A fuzzing campaign.
 *
 * 1. Processes. Each engine is one process group of its own: libFuzzer with -fork, which goes on
 *    after crashes, and afl-fuzz as -M and -S. What they print goes to logs; what they did is read
 *    from what they leave: counters that all harness processes share (fuzz/harness.c), logs,
 *    folders of crashing inputs, and inputs that were under way when a harness process ended, which
 *    engines need not take for a crash (fuzz/fuzz_target.c). So a crash of the target, and of an
 *    engine, is never ours.
 * 2. The folder. corpus/ grows and stays for the next campaign; artifacts/, afl/, logs and tmp/ are
 *    of this one; crashes/ is written by triage.
 * 3. Sharing. afl-fuzz reads libFuzzer's corpus as that of a foreign fuzzer (-F). libFuzzer reads
 *    its corpus only at its start, so beside AFL++ it runs in rounds, and the queues of afl-fuzz
 *    are copied into the corpus between them and at the end.
 * 4. Determinism. Address randomisation is off where that is allowed: Clang 14's sanitizers need
 *    it on some kernels, and stacks can be compared from run to run.
 */
#include "campaign.h"

#include "command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 4, LEAST_ROUND = 15, FILE_BYTES = 1 << 20, GRACE_SECONDS = 3 };

static const char *const engine_names[] = {"libfuzzer", "afl"};

bool ash_path(char out[ASH_PATH_BYTES], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(out, ASH_PATH_BYTES, format, arguments);
    va_end(arguments);
    if (length >= 0 && length < ASH_PATH_BYTES) return true;
    return ash_fail(0, "fuzz: a path is too long: %s", out) != 0;
}

double ash_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool ash_copy_file(const char *from, const char *to) {
    static char bytes[FILE_BYTES];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    ssize_t size = in >= 0 ? read(in, bytes, sizeof bytes) : -1;
    if (in >= 0) close(in);
    int out = size >= 0 ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    bool written = out >= 0 && write(out, bytes, (size_t)size) == size;
    if (out >= 0 && close(out) != 0) written = false;
    return written;
}

/* Beside this program, in the build tree or as installed. */
static bool find_beside(char out[ASH_PATH_BYTES], const char *built, const char *installed) {
    char self[ASH_PATH_BYTES], place[2 * ASH_PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = 0;
    char *slash = strrchr(self, '/');
    if (slash != NULL) *slash = 0;
    snprintf(place, sizeof place, "%s/%s", self, built);
    if (realpath(place, out) != NULL) return true;
    snprintf(place, sizeof place, "%s/%s", self, installed);
    return realpath(place, out) != NULL;
}

static bool find_program(struct ash_campaign *campaign, enum ash_engine engine, const char *name) {
    char built[300], installed[300];
    const char *suffix = strcmp(campaign->sanitizer, "address") == 0 ? "_address" : "";
    snprintf(built, sizeof built, "../fuzz/fuzz_%s_%s%s", name, engine_names[engine], suffix);
    snprintf(installed, sizeof installed, "%s/fuzz_%s_%s%s", ASHLAR_FUZZ_INSTALLED, name,
             engine_names[engine], suffix);
    return find_beside(campaign->programs[engine], built, installed);
}

/* The core has a harness of its own where one was built: with coverage of the core. */
static int find_programs(struct ash_campaign *campaign, enum ash_engine engine) {
    if (campaign->harness != NULL) {
        if (realpath(campaign->harness, campaign->programs[engine]) != NULL) return 0;
        return ash_fail(ASH_EXIT_USAGE, "--harness: %s: %s", campaign->harness, strerror(errno));
    }
    bool core = strcmp(campaign->target, "ashlar") == 0;
    if (core && find_program(campaign, engine, "ashlar")) return 0;
    if (find_program(campaign, engine, "library")) return 0;
    return ash_fail(ASH_EXIT_UNSUPPORTED,
                    "fuzz: no harness for %s is beside this program; name one by --harness",
                    engine_names[engine]);
}

bool ash_make_folder(const char *path) {
    if (mkdir(path, 0777) == 0 || errno == EEXIST) return true;
    return ash_fail(0, "fuzz: %s: %s", path, strerror(errno)) != 0;
}

/* Empties a folder of ours, and what is below. */
static void remove_all(const char *path, unsigned depth) {
    DIR *folder = depth < 8 ? opendir(path) : NULL;
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char inner[ASH_PATH_BYTES];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (!ash_path(inner, "%s/%s", path, entry->d_name)) continue;
        if (unlink(inner) != 0 && errno == EISDIR) remove_all(inner, depth + 1);
    }
    if (folder != NULL) closedir(folder);
    rmdir(path);
}

static int make_folders(struct ash_campaign *campaign) {
    static const char *const fresh[] = {"artifacts", "afl", "tmp", "seeds", "under-way"};
    static const char *const kept[] = {"corpus", "crashes"};
    char whole[ASH_PATH_BYTES], path[ASH_PATH_BYTES];
    if (!ash_make_folder(campaign->folder) || realpath(campaign->folder, whole) == NULL ||
        !ash_path(campaign->folder, "%s", whole))
        return ASH_EXIT_TOOL;
    for (size_t i = 0; i < sizeof fresh / sizeof *fresh; i++) {
        if (!ash_path(path, "%s/%s", campaign->folder, fresh[i])) return ASH_EXIT_TOOL;
        remove_all(path, 0);
        if (!ash_make_folder(path)) return ASH_EXIT_TOOL;
    }
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (!ash_path(path, "%s/%s", campaign->folder, kept[i]) || !ash_make_folder(path))
            return ASH_EXIT_TOOL;
    }
    if (!ash_path(path, "%s/stats", campaign->folder)) return ASH_EXIT_TOOL;
    unlink(path);
    return 0;
}

/* Copies the files of a folder, or those whose name begins with `start`, that are not there yet. */
static unsigned copy_folder(const char *from, const char *to, const char *start, const char *tag) {
    unsigned copied = 0;
    DIR *folder = opendir(from);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char source[ASH_PATH_BYTES], copy[ASH_PATH_BYTES];
        if (entry->d_name[0] == '.' || strncmp(entry->d_name, start, strlen(start)) != 0 ||
            strncmp(entry->d_name, "README", 6) == 0)
            continue;
        if (ash_path(source, "%s/%s", from, entry->d_name) &&
            ash_path(copy, "%s/%s%s", to, tag, entry->d_name) && access(copy, F_OK) != 0)
            copied += ash_copy_file(source, copy);
    }
    if (folder != NULL) closedir(folder);
    return copied;
}

/* A flat copy: engines neither write to the user's folders nor descend into them. */
static int gather_seeds(const struct ash_campaign *campaign) {
    char seeds[ASH_PATH_BYTES], ours[ASH_PATH_BYTES], corpus[ASH_PATH_BYTES];
    if (!ash_path(seeds, "%s/seeds", campaign->folder) ||
        !ash_path(corpus, "%s/corpus", campaign->folder))
        return ASH_EXIT_TOOL;
    unsigned count = copy_folder(corpus, seeds, "", "");
    if (campaign->seeds != NULL && access(campaign->seeds, R_OK) != 0)
        return ash_fail(ASH_EXIT_USAGE, "--corpus: %s: %s", campaign->seeds, strerror(errno));
    if (campaign->seeds != NULL)
        count += copy_folder(campaign->seeds, seeds, "", "");
    else if (find_beside(ours, "../fuzz/seeds", ASHLAR_SEEDS_INSTALLED))
        count += copy_folder(ours, seeds, "", "");
    if (count > 0) return 0;
    static const char empty[8 + 24];
    char path[ASH_PATH_BYTES];
    FILE *file = ash_path(path, "%s/empty", seeds) ? fopen(path, "wb") : NULL;
    bool written = file != NULL && fwrite(empty, sizeof empty, 1, file) == 1;
    if (file != NULL && fclose(file) != 0) written = false;
    return written ? 0 : ash_fail(ASH_EXIT_TOOL, "fuzz: %s: %s", path, strerror(errno));
}

int ash_campaign_open(struct ash_campaign *campaign) {
    int code = 0;
    for (enum ash_engine i = 0; i < ASH_ENGINES && code == 0; i++)
        if (campaign->engines[i]) code = find_programs(campaign, i);
    if (code != 0) return code;
    if (!find_beside(campaign->mutator, "../fuzz/libashlar_mutator.so", ASHLAR_MUTATOR_INSTALLED))
        campaign->mutator[0] = 0;
    code = make_folders(campaign);
    return code != 0 ? code : gather_seeds(campaign);
}

const char *ash_campaign_replayer(const struct ash_campaign *campaign) {
    return campaign
        ->programs[campaign->engines[ASH_ENGINE_LIBFUZZER] ? ASH_ENGINE_LIBFUZZER : ASH_ENGINE_AFL];
}

static void set(const char *name, const char *value, bool over) {
    setenv(name, value, over);
}

static void set_sanitizers(bool symbolize) {
    char options[300];
    snprintf(options, sizeof options,
             "abort_on_error=1:symbolize=%d:detect_leaks=0:allocator_may_return_null=1:"
             "quarantine_size_mb=16:detect_odr_violation=0:handle_abort=1",
             symbolize);
    set("ASAN_OPTIONS", options, true);
    snprintf(options, sizeof options,
             "print_stacktrace=1:halt_on_error=1:abort_on_error=1:handle_abort=1:symbolize=%d",
             symbolize);
    set("UBSAN_OPTIONS", options, true);
}

_Noreturn void ash_campaign_become(const struct ash_campaign *campaign, enum ash_engine engine,
                                   enum ash_purpose purpose, char **arguments) {
    char path[ASH_PATH_BYTES];
    int now = personality(0xffffffff);
    if (now != -1) personality((unsigned long)now | ADDR_NO_RANDOMIZE);
    set_sanitizers(purpose == ASH_RUN_SYMBOLIZED);
    set("GLIBC_TUNABLES", "glibc.rtld.optional_static_tls=16384", false);
    if (purpose == ASH_RUN_ENGINE && ash_path(path, "%s/stats", campaign->folder))
        set("ASHLAR_FUZZ_STATS", path, true);
    if (purpose == ASH_RUN_ENGINE && ash_path(path, "%s/under-way", campaign->folder))
        set("ASHLAR_FUZZ_UNDER_WAY", path, true);
    if (ash_path(path, "%s/tmp", campaign->folder)) set("TMPDIR", path, true);
    if (campaign->harness == NULL) {
        set("ASHLAR_FUZZ_TARGET", campaign->target, true);
        set("ASHLAR_FUZZ_PREFIX", campaign->prefix, true);
    }
    if (campaign->threads != NULL) set("ASHLAR_FUZZ_THREADS", campaign->threads, true);
    if (engine == ASH_ENGINE_AFL) {
        static const char *const switches[] = {
            "AFL_NO_UI",           "AFL_SKIP_CPUFREQ",   "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES",
            "AFL_NO_AFFINITY",     "AFL_QUIET",          "AFL_NO_STARTUP_CALIBRATION",
            "AFL_IGNORE_PROBLEMS", "AFL_CMPLOG_ONLY_NEW"};
        for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) set(switches[i], "1", true);
        set("AFL_IGNORE_SEED_PROBLEMS", "1", true);
        if (campaign->mutator[0] != 0) set("AFL_CUSTOM_MUTATOR_LIBRARY", campaign->mutator, true);
    }
    execvp(arguments[0], arguments);
    fprintf(stderr, "ashlar: fuzz: %s: %s\n", arguments[0], strerror(errno));
    _exit(ASH_EXIT_NOT_FOUND);
}

static uint64_t seconds_left(const struct ash_campaign *campaign) {
    double left = campaign->ends - ash_clock();
    return left > 1 ? (uint64_t)left : 1;
}

/* A process of `engine` in a group of its own, its output in a log. */
static bool spawn(struct ash_campaign *campaign, enum ash_engine engine, unsigned slot,
                  char **arguments) {
    char log[ASH_PATH_BYTES];
    if (slot >= ASH_CAMPAIGN_PROCESSES) return ash_fail(0, "fuzz: too many processes") != 0;
    if (!ash_path(log, "%s/log-%s-%u", campaign->folder, engine_names[engine], slot)) return false;
    ash_flush_output();
    pid_t child = fork();
    if (child < 0) return ash_fail(0, "fuzz: fork: %s", strerror(errno)) != 0;
    if (child == 0) {
        setpgid(0, 0);
        int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
        int null = open("/dev/null", O_RDONLY);
        dup2(null, STDIN_FILENO);
        dup2(out >= 0 ? out : STDERR_FILENO, STDOUT_FILENO);
        dup2(STDOUT_FILENO, STDERR_FILENO);
        if (chdir(campaign->folder) != 0) _exit(ASH_EXIT_TOOL);
        ash_campaign_become(campaign, engine, ASH_RUN_ENGINE, arguments);
    }
    setpgid(child, child);
    campaign->processes[slot] = child;
    campaign->engine_of[slot] = engine;
    if (slot >= campaign->process_count) campaign->process_count = slot + 1;
    return true;
}

static bool start_libfuzzer(struct ash_campaign *campaign, unsigned slot) {
    char jobs[40], time[40], length[40], timeout[40], seed[40];
    uint64_t left = seconds_left(campaign), round = campaign->seconds / ROUNDS;
    if (round < LEAST_ROUND) round = LEAST_ROUND;
    if (campaign->engines[ASH_ENGINE_AFL] && left > round + LEAST_ROUND) left = round;
    snprintf(jobs, sizeof jobs, "-fork=%" PRIu64, campaign->jobs);
    snprintf(time, sizeof time, "-max_total_time=%" PRIu64, left);
    snprintf(length, sizeof length, "-max_len=%d", ASH_FUZZ_INPUT_BYTES);
    snprintf(timeout, sizeof timeout, "-timeout=%" PRIu64, campaign->timeout);
    snprintf(seed, sizeof seed, "-seed=%" PRIu64, campaign->seed);
    char *arguments[] = {campaign->programs[ASH_ENGINE_LIBFUZZER],
                         "corpus",
                         "seeds",
                         jobs,
                         time,
                         length,
                         timeout,
                         seed,
                         "-artifact_prefix=artifacts/",
                         "-ignore_crashes=1",
                         "-ignore_timeouts=1",
                         "-ignore_ooms=1",
                         "-rss_limit_mb=4096",
                         NULL};
    return spawn(campaign, ASH_ENGINE_LIBFUZZER, slot, arguments);
}

static bool start_afl(struct ash_campaign *campaign, unsigned slot, uint64_t job) {
    char name[40], time[40], length[40], timeout[40], seed[40], cmplog[ASH_PATH_BYTES];
    snprintf(name, sizeof name, job == 0 ? "main" : "other%" PRIu64, job);
    snprintf(time, sizeof time, "%" PRIu64, seconds_left(campaign));
    snprintf(length, sizeof length, "%d", ASH_FUZZ_INPUT_BYTES);
    snprintf(timeout, sizeof timeout, "%" PRIu64, campaign->timeout * 1000);
    snprintf(seed, sizeof seed, "%" PRIu64, campaign->seed + job);
    char *program = campaign->programs[ASH_ENGINE_AFL];
    char *arguments[32] = {"afl-fuzz", "-i", "seeds", "-o", "afl",  job == 0 ? "-M" : "-S",
                           name,       "-V", time,    "-G", length, "-t",
                           timeout,    "-m", "none",  "-s", seed};
    size_t count = 17;
    if (job == 0 && campaign->engines[ASH_ENGINE_LIBFUZZER]) {
        arguments[count++] = "-F";
        arguments[count++] = "corpus";
    }
    /* Its twin with compared values in view, for the last of several: sizes are compared a lot. */
    size_t stem = strlen(program);
    while (stem > 0 && program[stem - 1] != '_') stem--;
    bool twin = ash_path(cmplog, "%.*scmplog", (int)stem, program) && access(cmplog, X_OK) == 0;
    if (twin && job > 0 && job + 1 == campaign->jobs) {
        arguments[count++] = "-c";
        arguments[count++] = cmplog;
    }
    arguments[count++] = "--";
    arguments[count++] = program;
    return spawn(campaign, ASH_ENGINE_AFL, slot, arguments);
}

bool ash_campaign_start(struct ash_campaign *campaign) {
    campaign->started = ash_clock();
    campaign->ends = campaign->started + (double)campaign->seconds;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* what outlives its engine is ours to wait for */
    bool started = true;
    unsigned slot = 0;
    if (campaign->engines[ASH_ENGINE_LIBFUZZER]) started = start_libfuzzer(campaign, slot++);
    for (uint64_t job = 0; started && campaign->engines[ASH_ENGINE_AFL] && job < campaign->jobs;)
        started = start_afl(campaign, slot++, job++);
    if (!started) ash_campaign_stop(campaign);
    return started;
}

typedef void per_instance(void *context, const char *path);

/* Each afl-fuzz has a folder of its own below afl/. */
static void each_instance(const struct ash_campaign *campaign, const char *inner,
                          per_instance *visit, void *context) {
    char path[ASH_PATH_BYTES];
    DIR *folder = ash_path(path, "%s/afl", campaign->folder) ? opendir(path) : NULL;
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        if (ash_path(path, "%s/afl/%s/%s", campaign->folder, entry->d_name, inner))
            visit(context, path);
    }
    if (folder != NULL) closedir(folder);
}

static void take_queue(void *context, const char *path) {
    const struct ash_campaign *campaign = context;
    char corpus[ASH_PATH_BYTES];
    if (ash_path(corpus, "%s/corpus", campaign->folder)) copy_folder(path, corpus, "id:", "afl-");
}

bool ash_campaign_tend(struct ash_campaign *campaign) {
    bool running = false, over = ash_clock() >= campaign->ends;
    for (unsigned i = 0; i < campaign->process_count; i++) {
        if (campaign->processes[i] == 0) continue;
        if (waitpid(campaign->processes[i], NULL, WNOHANG) == 0) {
            running = true;
            continue;
        }
        campaign->processes[i] = 0;
        bool again = campaign->engine_of[i] == ASH_ENGINE_LIBFUZZER &&
                     campaign->engines[ASH_ENGINE_AFL] &&
                     campaign->ends - ash_clock() > LEAST_ROUND;
        if (!again) continue;
        each_instance(campaign, "queue", take_queue, campaign);
        campaign->seed += 1000;
        running |= start_libfuzzer(campaign, i);
    }
    return running && !over;
}

/* Sends a signal, or with 0 none, to each engine's group; false: nothing is left of any. What an
 * engine started may outlive it, and go on writing to its folder. */
static bool signal_groups(struct ash_campaign *campaign, int signal) {
    bool left = false;
    for (unsigned i = 0; i < campaign->process_count; i++) {
        pid_t group = campaign->processes[i];
        if (group == 0) continue;
        while (waitpid(-group, NULL, WNOHANG) > 0) {
        }
        if (kill(-group, signal) == 0)
            left = true;
        else
            campaign->processes[i] = 0;
    }
    return left;
}

void ash_campaign_stop(struct ash_campaign *campaign) {
    static const int signals[] = {SIGTERM, SIGKILL};
    if (campaign->process_count == 0) return;
    for (size_t s = 0; s < 2 && signal_groups(campaign, signals[s]); s++)
        for (double until = ash_clock() + GRACE_SECONDS;
             ash_clock() < until && signal_groups(campaign, 0);)
            usleep(20000);
    campaign->process_count = 0;
    each_instance(campaign, "queue", take_queue, campaign);
}

static uint64_t number_after(const char *text, const char *key) {
    const char *found = strstr(text, key);
    return found != NULL ? strtoull(found + strcspn(found, "0123456789"), NULL, 10) : 0;
}

/* The end of a file, as text. */
static const char *end_of(const char *path) {
    static char text[8192];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t from = size > (off_t)sizeof text - 1 ? size - (off_t)sizeof text + 1 : 0;
    ssize_t got = fd >= 0 ? pread(fd, text, sizeof text - 1, from) : 0;
    if (fd >= 0) close(fd);
    text[got > 0 ? got : 0] = 0;
    return text;
}

static void add_instance(void *context, const char *path) {
    struct ash_progress *out = context;
    const char *text = end_of(path);
    uint64_t edges = number_after(text, "edges_found"), kept = number_after(text, "corpus_count");
    if (edges > out->edges) out->edges = edges;
    if (kept > out->kept) out->kept = kept;
}

void ash_campaign_progress(const struct ash_campaign *campaign, struct ash_progress *out) {
    uint64_t counters[4] = {0};
    char path[ASH_PATH_BYTES];
    *out = (struct ash_progress){.seconds = ash_clock() - campaign->started};
    int fd = ash_path(path, "%s/stats", campaign->folder) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0 && read(fd, counters, sizeof counters) == (ssize_t)sizeof counters) {
        out->executions = counters[0];
        out->operations = counters[1];
    }
    if (fd >= 0) close(fd);
    each_instance(campaign, "fuzzer_stats", add_instance, out);
    if (!campaign->engines[ASH_ENGINE_LIBFUZZER] ||
        !ash_path(path, "%s/log-libfuzzer-0", campaign->folder))
        return;
    const char *text = end_of(path), *last = NULL;
    for (const char *at = text; (at = strstr(at, " cov: ")) != NULL; at++) last = at;
    if (last == NULL) return;
    uint64_t edges = number_after(last, " cov: "), kept = number_after(last, " corp: ");
    if (edges > out->edges) out->edges = edges;
    if (kept > out->kept) out->kept = kept;
}

struct walk {
    ash_artifact_visitor *visit;
    void *context;
    bool ended, all;
};

static void walk_folder(void *context, const char *path) {
    struct walk *walk = context;
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        char inner[ASH_PATH_BYTES];
        bool named =
            (walk->all && entry->d_name[0] != '.') || strncmp(entry->d_name, "crash-", 6) == 0 ||
            strncmp(entry->d_name, "timeout-", 8) == 0 || strncmp(entry->d_name, "id:", 3) == 0;
        if (!named || walk->ended || !ash_path(inner, "%s/%s", path, entry->d_name)) continue;
        walk->ended = !walk->visit(walk->context, inner, entry->d_name);
    }
    if (folder != NULL) closedir(folder);
}

void ash_campaign_artifacts(const struct ash_campaign *campaign, ash_artifact_visitor *visit,
                            void *context) {
    struct walk walk = {.visit = visit, .context = context};
    char path[ASH_PATH_BYTES];
    if (ash_path(path, "%s/artifacts", campaign->folder)) walk_folder(&walk, path);
    each_instance(campaign, "crashes", walk_folder, &walk);
    each_instance(campaign, "hangs", walk_folder, &walk);
}

void ash_campaign_ended(const struct ash_campaign *campaign, ash_artifact_visitor *visit,
                        void *context) {
    char path[ASH_PATH_BYTES], kept[ASH_PATH_BYTES];
    bool on = true;
    DIR *folder = ash_path(path, "%s/under-way", campaign->folder) ? opendir(path) : NULL;
    for (const struct dirent *entry; on && folder != NULL && (entry = readdir(folder)) != NULL;) {
        struct stat input;
        pid_t process = (pid_t)strtol(entry->d_name, NULL, 10);
        if (process <= 0 || kill(process, 0) == 0 || errno != ESRCH) continue;
        if (!ash_path(path, "%s/under-way/%s", campaign->folder, entry->d_name) ||
            !ash_path(kept, "%s/artifacts/ended-%s", campaign->folder, entry->d_name))
            continue;
        if (stat(path, &input) == 0 && input.st_size > 0 && rename(path, kept) == 0)
            on = visit(context, kept, entry->d_name);
        else
            unlink(path);
    }
    if (folder != NULL) closedir(folder);
}

void ash_campaign_seeds(const struct ash_campaign *campaign, ash_artifact_visitor *visit,
                        void *context) {
    struct walk walk = {.visit = visit, .context = context, .all = true};
    char path[ASH_PATH_BYTES];
    if (ash_path(path, "%s/seeds", campaign->folder)) walk_folder(&walk, path);
}
