/* ashlar run: runs a program on this allocator.
 *
 * The library is preloaded and its options are set; then this process becomes the program, so that
 * signals, standard streams and the exit status are the program's own. A program that the loader
 * would not preload anything into is refused: it would run on its own allocator, and its silence be
 * taken for a good report.
 */
#include "command.h"
#include "preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPTION_LEVEL = 256, OPTION_VERIFY, OPTION_STATS, OPTIONS_BYTES = 8192 };

struct arguments {
    char options[OPTIONS_BYTES]; /* as ASHLAR_OPTIONS takes them */
    char **command;
};

static const struct argp_option options[] = {
    {"level", OPTION_LEVEL, "LEVEL", 0, "Protection level: fast", 0},
    {"verify", OPTION_VERIFY, "WHEN", 0,
     "Check the whole heap and report: exit, signal=N, every=N (operations of a thread); may be "
     "given several times",
     0},
    {"stats", OPTION_STATS, NULL, 0, "Print statistics at exit", 0},
    {"options", 'O', "KEY=VALUE:...", 0, "Any other options of the library; help=1 lists them", 0},
    {0},
};

static const struct ash_preload library = {
    .command = "run",
    .file = "libashlar.so",
    .variable = "ASHLAR_LIBRARY",
    .places = {"../src/libashlar.so.0", ASHLAR_LIBRARY_INSTALLED},
};

/* Adds "KEY=VALUE" to the options; the last one counts. */
static int add(struct arguments *arguments, const char *key, const char *value) {
    size_t used = strlen(arguments->options);
    int length = snprintf(arguments->options + used, sizeof arguments->options - used, "%s%s%s",
                          used > 0 ? ":" : "", key, value);
    if (length >= 0 && (size_t)length < sizeof arguments->options - used) return 0;
    ash_fail(0, "run: the options are too long");
    return EINVAL;
}

static int add_level(struct arguments *arguments, const char *level) {
    if (strcmp(level, "fast") == 0) return add(arguments, "level=", level);
    bool known = strcmp(level, "guard") == 0 || strcmp(level, "track") == 0;
    ash_fail(0, known ? "--level %s: not in this build yet" : "--level: no level `%s`", level);
    return EINVAL;
}

static int add_verify(struct arguments *arguments, const char *when) {
    uint64_t number;
    if (strcmp(when, "exit") == 0) return add(arguments, "verify=", when);
    if (strncmp(when, "signal=", 7) == 0 && ash_option_number(when + 7, 64, &number))
        return add(arguments, "verify_signal=", when + 7);
    if (strncmp(when, "every=", 6) == 0 && ash_option_number(when + 6, UINT32_MAX, &number))
        return add(arguments, "verify_every=", when + 6);
    ash_fail(0, "--verify: exit, signal=N or every=N, not `%s`", when);
    return EINVAL;
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct arguments *arguments = state->input;
    switch (key) {
    case OPTION_LEVEL:
        return add_level(arguments, argument);
    case OPTION_VERIFY:
        return add_verify(arguments, argument);
    case OPTION_STATS:
        return add(arguments, "stats=", "exit");
    case 'O':
        return add(arguments, "", argument);
    case ARGP_KEY_ARG:
        arguments->command = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (arguments->command != NULL) return 0;
        ash_fail(0, "run: no program given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "-- PROGRAM [ARGUMENT...]",
    "Run a program on this allocator.\v"
    "The exit status is the program's. What ASHLAR_OPTIONS holds already stays, before the options "
    "given here. The library is found beside this program; ASHLAR_LIBRARY names another one.",
    NULL,
    NULL,
    NULL};

/* The file that execvp would run, open for reading; -1 when there is none, which execvp says
 * better. */
static int open_program(const char *name) {
    if (strchr(name, '/') != NULL) return open(name, O_RDONLY | O_CLOEXEC);
    const char *path = getenv("PATH");
    while (path != NULL && *path != 0) {
        char file[ASH_PATH_BYTES];
        size_t length = strcspn(path, ":");
        snprintf(file, sizeof file, "%.*s/%s", (int)length, path, name);
        int fd = access(file, X_OK) == 0 ? open(file, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0) return fd;
        path += length + (path[length] == ':');
    }
    return -1;
}

/* An ELF program without an interpreter has no loader that could preload. */
static bool is_static(int fd) {
    Elf64_Ehdr header;
    Elf64_Phdr part;
    if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_phentsize != sizeof part)
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        off_t at = (off_t)(header.e_phoff + i * sizeof part);
        if (pread(fd, &part, sizeof part, at) != (ssize_t)sizeof part) return false;
        if (part.p_type == PT_INTERP) return false;
    }
    return true;
}

/* Why the loader will not preload into the program; NULL when it will, as far as can be told. */
static const char *why_not(const char *name) {
    struct stat file;
    int fd = open_program(name);
    const char *why = NULL;
    if (fd < 0) return NULL;
    if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        bool changes = ((file.st_mode & S_ISUID) != 0 && file.st_uid != getuid()) ||
                       ((file.st_mode & S_ISGID) != 0 && file.st_gid != getgid());
        if (changes) why = "changes its user or group, so that nothing is preloaded into it";
        if (is_static(fd)) why = "is linked statically, and has its allocator built in";
    }
    close(fd);
    return why;
}

/* What was asked for before comes first: the last one counts. */
static bool set_options(const struct arguments *arguments) {
    const char *before = getenv("ASHLAR_OPTIONS");
    char all[2 * OPTIONS_BYTES];
    if (before == NULL) before = "";
    int length =
        snprintf(all, sizeof all, "%s%s%s", before,
                 before[0] != 0 && arguments->options[0] != 0 ? ":" : "", arguments->options);
    if (length < 0 || (size_t)length >= sizeof all) {
        ash_fail(0, "run: ASHLAR_OPTIONS is too long");
        return false;
    }
    return length == 0 || setenv("ASHLAR_OPTIONS", all, 1) == 0;
}

static int run(int argc, char **argv) {
    static struct arguments arguments;
    static char preload[ASH_PRELOAD_BYTES];
    if (!ash_parse(&argp, argc, argv, ARGP_IN_ORDER, &arguments)) return ASH_EXIT_USAGE;
    const char *why = why_not(arguments.command[0]);
    if (why != NULL) return ash_fail(ASH_EXIT_UNSUPPORTED, "run: %s %s", arguments.command[0], why);
    if (!ash_preload_list(&library, NULL, preload)) return ASH_EXIT_TOOL;
    if (!set_options(&arguments) || setenv("LD_PRELOAD", preload, 1) != 0) return ASH_EXIT_TOOL;
    ash_flush_output();
    return ash_become(&library, arguments.command);
}

const struct ash_command ash_cmd_run = {"run", "runs a program on this allocator", &argp, run};
