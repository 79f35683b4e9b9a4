/* The command line's entry: finds the command, runs it, and makes sure that what it printed has
 * arrived.
 *
 * Results go to standard output and a script acts on the exit code, so a result that was not
 * written must never end in exit 0: standard output is closed here, after the command, and a
 * failure of that is a failure of the tool (exit 5). argp ends the process itself after --help,
 * hence the exit handler.
 */
#include "command.h"
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char last_failure[600];

int ash_fail(int code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_failure, sizeof last_failure, format, arguments);
    va_end(arguments);
    fprintf(stderr, "ashlar: %s\n", last_failure);
    return code;
}

const char *ash_last_failure(void) {
    return last_failure;
}

bool ash_option_number(const char *text, uint64_t max, uint64_t *out) {
    if (text[0] < '0' || text[0] > '9') return false; /* strtoull takes signs and blanks */
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, text[1] == 'x' || text[1] == 'X' ? 16 : 10);
    if (errno != 0 || *end != '\0' || value > max) return false;
    *out = value;
    return true;
}

/* Leaves error reporting to getopt and to the commands: argp would add a second line that says
 * "Try --help". */
static error_t parse_quietly(int key, char *argument, struct argp_state *state) {
    (void)argument;
    if (key == ARGP_KEY_INIT) {
        state->err_stream = NULL;
        state->child_inputs[0] = state->input;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

bool ash_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input) {
    struct argp_child child[] = {{argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    /* argp takes the argument synopsis and the text from the children too. */
    struct argp quiet = {.parser = parse_quietly, .children = child};
    return argp_parse(&quiet, argc, argv, flags, NULL, input) == 0;
}

static bool output_lost; /* and said so */

static void say_output_lost(int error) {
    if (!output_lost)
        ash_fail(0, "standard output: %s", error != 0 ? strerror(error) : "write error");
    output_lost = true;
}

void ash_flush_output(void) {
    if (fflush(stdout) == 0) return;
    say_output_lost(errno);
    _exit(ASH_EXIT_TOOL);
}

static void close_output(void) {
    bool failed = ferror(stdout) != 0;
    errno = 0;
    if (fclose(stdout) != 0) failed = true;
    if (!failed) return;
    say_output_lost(errno);
    _exit(ASH_EXIT_TOOL);
}

/* A closed descriptor 0 to 2 would be given to the next file opened: a trace would then be read
 * from, or results written into, the wrong one. */
static bool open_standard_streams(void) {
    bool output = fcntl(STDOUT_FILENO, F_GETFD) != -1;
    for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
        if (fd <= STDERR_FILENO) continue;
        close(fd);
        break;
    }
    return output;
}

int main(int argc, char **argv) {
    if (!open_standard_streams()) {
        return ash_fail(ASH_EXIT_TOOL, "standard output is closed");
    }
    atexit(close_output);
    argp_err_exit_status = ASH_EXIT_USAGE;
    if (argc < 2) {
        return ash_fail(ASH_EXIT_USAGE, "no command given; `ashlar help` lists them");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) name = "version";
    const struct ash_command *command = ash_command_find(name);
    if (command == NULL) {
        return ash_fail(ASH_EXIT_USAGE, "no command `%s`; `ashlar help` lists them", name);
    }
    char title[64];
    snprintf(title, sizeof title, "ashlar %s", command->name);
    argv[1] = title;
    int code = command->run(argc - 1, argv + 1);
    ash_json_finish(code);
    return code;
}
