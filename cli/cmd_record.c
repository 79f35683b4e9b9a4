/* ashlar record: runs a program with the recorder preloaded, and makes traces of what it left.
 *
 * The program writes raw logs (src/record/raw_log.h) into a directory beside the output, one per
 * process image; when it has ended, each log that is wanted becomes a trace. The program's standard
 * streams and signals are its own: everything that this command says goes to standard error, and
 * its exit code is the program's.
 *
 * What FILE is: the main process as it was at its end. `env`, a shell script or a launcher that
 * becomes the real program by exec is not what anybody wants to record. With --children every image
 * that allocated gets a trace: FILE for the main process, FILE.1, FILE.2, ... for the others in the
 * order in which they began; the command then waits for all descendants, daemons included.
 */
#include "command.h"
#include "preload.h"
#include "record/assemble.h"
#include "record/raw_log.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    OPTION_CHILDREN = 256,
    OPTION_PRELOAD,
    OPTION_KEEP_RAW,
    OPTION_FROM_RAW,
    PATH_BYTES = ASH_PATH_BYTES,
};

struct arguments {
    const char *output, *preload, *from_raw;
    bool children, keep_raw, quiet;
    char **command;
};

/* One recording on its way to its traces. */
struct job {
    const struct arguments *arguments;
    char directory[PATH_BYTES];
    pid_t main_pid; /* 0: not known; the first image then counts as the main one */
    enum ashlar_trace_format format;
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "The trace: as text if FILE ends in .txt, else compressed binary",
     0},
    {"children", OPTION_CHILDREN, NULL, 0,
     "Record child processes too, to FILE.1, FILE.2, ..., and wait for all of them", 0},
    {"preload", OPTION_PRELOAD, "LIB", 0, "Record the program on another allocator", 0},
    {"keep-raw", OPTION_KEEP_RAW, NULL, 0, "Keep the directory of raw logs", 0},
    {"from-raw", OPTION_FROM_RAW, "DIR", 0,
     "Run nothing; make the trace of raw logs that an earlier run left", 0},
    {"quiet", 'q', NULL, 0, "Say nothing unless something is missing", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case 'o':
        arguments->output = argument;
        return 0;
    case 'q':
        arguments->quiet = true;
        return 0;
    case OPTION_CHILDREN:
        arguments->children = true;
        return 0;
    case OPTION_PRELOAD:
        arguments->preload = argument;
        return 0;
    case OPTION_KEEP_RAW:
        arguments->keep_raw = true;
        return 0;
    case OPTION_FROM_RAW:
        arguments->from_raw = argument;
        return 0;
    case ARGP_KEY_ARG:
        arguments->command = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (arguments->output == NULL || arguments->output[0] == 0) {
            ash_fail(0, "record: -o FILE is missing");
            return EINVAL;
        }
        if ((arguments->command != NULL) != (arguments->from_raw != NULL)) return 0;
        ash_fail(0, arguments->command == NULL ? "record: no program given"
                                               : "record: --from-raw runs no program");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "-- PROGRAM [ARGUMENT...]",
    "Record the allocations of a program, whichever allocator it uses, as a trace.\v"
    "The exit status is the program's (128 + N when signal N ended it). The recorder's library is "
    "found beside this program; ASHLAR_RECORD_LIBRARY names another one.",
    NULL,
    NULL,
    NULL};

static bool ends_in(const char *text, const char *end) {
    size_t length = strlen(text), end_length = strlen(end);
    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static const struct ash_preload recorder = {
    .command = "record",
    .file = "libashlar_record.so",
    .variable = "ASHLAR_RECORD_LIBRARY",
    .places = {"../lib/libashlar_record.so", ASHLAR_RECORD_INSTALLED},
};

/* A new directory beside the output: which also shows that the output can be written there. */
static bool make_directory(struct job *job) {
    const char *output = job->arguments->output;
    const char *slash = strrchr(output, '/');
    char *parent = slash == NULL ? strdup(".")
                                 : strndup(output, slash == output ? 1 : (size_t)(slash - output));
    char absolute[PATH_BYTES];
    if (parent == NULL || realpath(parent, absolute) == NULL) {
        ash_fail(0, "record: %s: %s", output, strerror(errno));
        free(parent);
        return false;
    }
    free(parent);
    int length = snprintf(job->directory, sizeof job->directory, "%s/%s.raw-XXXXXX", absolute,
                          slash == NULL ? output : slash + 1);
    if (length >= PATH_BYTES - 64)
        errno = ENAMETOOLONG;
    else if (mkdtemp(job->directory) != NULL)
        return true;
    ash_fail(0, "record: %s: %s", output, strerror(errno));
    return false;
}

static void remove_directory(const struct job *job) {
    DIR *stream = opendir(job->directory);
    if (stream == NULL) return;
    for (const struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        if (entry->d_name[0] != '.') unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
    rmdir(job->directory);
}

static _Noreturn void become_program(const struct job *job, const char *preload) {
    char pid[32];
    snprintf(pid, sizeof pid, "%010ld", (long)getpid()); /* one length: programs copy it */
    char **command = job->arguments->command;
    if (setenv(ASH_RAW_ENV_MAIN, pid, 1) == 0 &&
        setenv(ASH_RAW_ENV_DIRECTORY, job->directory, 1) == 0 &&
        setenv(ASH_RAW_ENV_CHILDREN, job->arguments->children ? "1" : "0", 1) == 0 &&
        setenv("LD_PRELOAD", preload, 1) == 0)
        _exit(ash_become(&recorder, command));
    ash_fail(0, "record: %s", strerror(errno));
    _exit(ASH_EXIT_NOT_RUN);
}

static volatile sig_atomic_t forward_to;

static void forward(int signal_number) {
    int error = errno;
    if (forward_to > 0) kill((pid_t)forward_to, signal_number);
    errno = error;
}

/* The terminal's signals reach the program directly and must not end us before it; those sent to us
 * are meant for it. `before` receives what the program shall start with. */
static void take_signals(struct sigaction before[4]) {
    static const int numbers[4] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < 4; i++) {
        struct sigaction action = {.sa_flags = SA_RESTART};
        action.sa_handler = i < 2 ? SIG_IGN : forward;
        sigaction(numbers[i], NULL, &before[i]);
        if (before[i].sa_handler == SIG_IGN) action.sa_handler = SIG_IGN; /* nohup */
        sigaction(numbers[i], &action, NULL);
    }
}

static void give_signals_back(const struct sigaction before[4]) {
    static const int numbers[4] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < 4; i++) sigaction(numbers[i], &before[i], NULL);
}

/* Waits for the program, with --children for all its descendants. Returns its wait status. */
static int wait_for(const struct job *job) {
    int main_status = 0;
    bool main_ended = false;
    while (!main_ended || job->arguments->children) {
        int status;
        pid_t pid = waitpid(job->arguments->children ? -1 : job->main_pid, &status, 0);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) break; /* no more children */
        if (pid != job->main_pid) continue;
        main_status = status;
        main_ended = true;
        forward_to = 0;
    }
    return main_status;
}

static int exit_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Runs the program; returns its exit code, or -1 when it could not be started. */
static int run_program(struct job *job) {
    char preload[ASH_PRELOAD_BYTES];
    struct sigaction before[4];
    if (!ash_preload_list(&recorder, job->arguments->preload, preload)) return -1;
    /* Orphans come to us, so that they can be waited for. */
    if (job->arguments->children) prctl(PR_SET_CHILD_SUBREAPER, 1);
    take_signals(before);
    job->main_pid = fork();
    if (job->main_pid == 0) {
        give_signals_back(before);
        become_program(job, preload);
    }
    if (job->main_pid < 0) {
        job->main_pid = 0;
        give_signals_back(before);
        ash_fail(0, "record: fork: %s", strerror(errno));
        return -1;
    }
    forward_to = job->main_pid;
    int status = wait_for(job);
    give_signals_back(before);
    return exit_of(status);
}

/* Everything that the trace is not, each on a line of its own. */
static void report_gaps(const char *file, const struct ash_recorded_image *image,
                        const struct ash_recording_summary *summary) {
    if (image->stop_errno != 0)
        ash_fail(0, "%s: recording stopped before the program ended: %s", file,
                 strerror(image->stop_errno));
    const struct {
        uint64_t count;
        const char *what;
    } gaps[] = {
        {summary->lost, "lost: the process was killed while writing them"},
        {summary->unknown_frees, "left out: frees of blocks that were never seen allocated"},
        {summary->unknown_moves, "taken as new allocations: reallocs of blocks never seen"},
        {summary->implied_frees, "added: frees of blocks whose address was handed out again"},
        {summary->failed, "left out: allocations that failed"},
    };
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        if (gaps[i].count != 0)
            ash_fail(0, "%s: %s operations %s", file, ash_count_text(gaps[i].count).text,
                     gaps[i].what);
    }
}

/* Makes and saves the trace of one image; nothing, when the image did nothing. */
static int save_image(const struct job *job, const struct ash_recording *recording, size_t index,
                      const char *file, bool main_image, bool *saved) {
    const struct ash_recorded_image *image = &recording->images[index];
    struct ash_recording_summary summary;
    struct ashlar_trace trace;
    struct ashlar_trace_error error;
    *saved = false;
    if (!ash_recording_assemble(recording, index, &trace, &summary, &error))
        return ash_fail(ASH_EXIT_TOOL, "record: %s", error.message);
    int code = ASH_EXIT_SOUND;
    if (main_image || summary.events != 0) {
        *saved = ashlar_trace_save(&trace, file, job->format, true, NULL, &error);
        if (!*saved) code = ash_fail(ASH_EXIT_TOOL, "%s: %s", file, error.message);
    }
    if (*saved) {
        const char *slash = strrchr(image->program, '/');
        if (!job->arguments->quiet)
            ash_fail(
                0, "%s: %s, %s operations, %" PRIu32 " %s, at most %s blocks with %s bytes live",
                file, slash != NULL ? slash + 1 : image->program, ash_count_text(trace.count).text,
                summary.threads, summary.threads == 1 ? "thread" : "threads",
                ash_count_text(summary.peak_live_blocks).text,
                ash_count_text(summary.peak_live_bytes).text);
        if (summary.events == 0)
            ash_fail(0, "%s: no allocation was seen; does it bring an allocator built in?", file);
        report_gaps(file, image, &summary);
    }
    ashlar_trace_free(&trace);
    return code;
}

/* The main process's last image; `count` when there is none. */
static size_t main_image(const struct job *job, const struct ash_recording *recording) {
    uint32_t pid = (uint32_t)job->main_pid;
    if (pid == 0 && recording->count != 0) pid = recording->images[0].pid;
    for (size_t i = recording->count; i-- != 0;) {
        if (recording->images[i].pid == pid && recording->images[i].fork_parent == 0) return i;
    }
    return recording->count;
}

static int save_all(const struct job *job) {
    struct ash_recording recording;
    struct ashlar_trace_error error;
    if (!ash_recording_open(&recording, job->directory, &error))
        return ash_fail(ASH_EXIT_USAGE, "record: %s", error.message);
    size_t last = main_image(job, &recording);
    bool saved;
    int code = ASH_EXIT_SOUND;
    if (last == recording.count) {
        code = ash_fail(ASH_EXIT_UNSUPPORTED, "record: no log was written: the program is linked "
                                              "statically, or changes its user");
    } else {
        code = save_image(job, &recording, last, job->arguments->output, true, &saved);
        uint64_t forks = recording.images[last].forks;
        if (forks != 0 && !job->arguments->children)
            ash_fail(0, "%s: %s %s not followed; see --children", job->arguments->output,
                     ash_plural(forks, "fork").text, forks == 1 ? "was" : "were");
    }
    unsigned number = 0;
    for (size_t i = 0; i < recording.count && job->arguments->children; i++) {
        char file[PATH_BYTES];
        if (i == last) continue;
        snprintf(file, sizeof file, "%s.%u", job->arguments->output, number + 1);
        int of_image = save_image(job, &recording, i, file, false, &saved);
        if (saved) number++;
        if (code == ASH_EXIT_SOUND) code = of_image;
    }
    ash_recording_close(&recording);
    return code;
}

static int run(int argc, char **argv) {
    struct arguments arguments = {0};
    if (!ash_parse(&argp, argc, argv, ARGP_IN_ORDER, &arguments)) return ASH_EXIT_USAGE;
    struct job job = {.arguments = &arguments,
                      .format = ends_in(arguments.output, ".txt") ? ASHLAR_FORMAT_TEXT
                                                                  : ASHLAR_FORMAT_BINARY};
    if (arguments.from_raw != NULL) {
        snprintf(job.directory, sizeof job.directory, "%s", arguments.from_raw);
        return save_all(&job);
    }
    if (!make_directory(&job)) return ASH_EXIT_USAGE;
    int program = run_program(&job);
    if (program < 0) {
        rmdir(job.directory);
        return ASH_EXIT_TOOL;
    }
    /* A program that could not be started has said so, and left no log. */
    bool started = program != ASH_EXIT_NOT_FOUND && program != ASH_EXIT_NOT_RUN;
    if (!started && rmdir(job.directory) == 0) return program;
    int saved = save_all(&job);
    if (arguments.keep_raw || saved == ASH_EXIT_TOOL)
        ash_fail(0, "raw logs are kept in %s", job.directory);
    else
        remove_directory(&job);
    return program != 0 ? program : saved;
}

const struct ash_command ash_cmd_record = {"record", "records a program's allocations as a trace",
                                           &argp, run};
