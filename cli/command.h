/* What a command is.
 *
 * One command is one file cli/cmd_NAME.c that exports one `const struct ash_command ash_cmd_NAME`,
 * declared below, with one row in the sorted table in commands.c. Dispatch, `ashlar help`, `ashlar
 * help NAME` and `ashlar NAME --help` are all made from that object, so that none of them can
 * disagree.
 *
 *   static int run(int argc, char **argv);
 *   static const struct argp argp = {options, parse, "FILE", "What it does at length."};
 *   const struct ash_command ash_cmd_name = {"name", "does this in one line", &argp, run};
 *
 * Functions here belong to one thread, as the whole command line does.
 */
#ifndef ASH_COMMAND_H
#define ASH_COMMAND_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit codes: a contract with scripts, never renumbered. */
enum ash_exit {
    ASH_EXIT_SOUND = 0,       /* sound, and all of it was checked; done */
    ASH_EXIT_FINDINGS = 1,    /* corruption, misuse, or a broken promise of the target */
    ASH_EXIT_USAGE = 2,       /* usage, or an input that is not what it should be */
    ASH_EXIT_INCOMPLETE = 3,  /* nothing found, but something could not be checked */
    ASH_EXIT_UNSUPPORTED = 4, /* the target is not supported, or permission was refused */
    ASH_EXIT_TOOL = 5,        /* a failure of the tool itself */
};

struct ash_command {
    const char *name;
    const char *summary;               /* one line, lower case, for the list of commands */
    const struct argp *argp;           /* options; its doc is the help text */
    int (*run)(int argc, char **argv); /* argv[0] is "ashlar NAME"; returns enum ash_exit */
};

extern const struct ash_command ash_cmd_bisect;
extern const struct ash_command ash_cmd_convert;
extern const struct ash_command ash_cmd_dump;
extern const struct ash_command ash_cmd_explain;
extern const struct ash_command ash_cmd_fuzz;
extern const struct ash_command ash_cmd_help;
extern const struct ash_command ash_cmd_minimize;
extern const struct ash_command ash_cmd_record;
extern const struct ash_command ash_cmd_replay;
extern const struct ash_command ash_cmd_run;
extern const struct ash_command ash_cmd_stats;
extern const struct ash_command ash_cmd_verify;
extern const struct ash_command ash_cmd_version;
extern const struct ash_command ash_cmd_whatis;

/* The table, sorted by name; `*count` receives how many. And one row of it, NULL when there is
 * none. */
const struct ash_command *const *ash_commands(size_t *count);
const struct ash_command *ash_command_find(const char *name);

/* Parses the options of a command. False when something was wrong: one line about it is on standard
 * error, and the command returns ASH_EXIT_USAGE. Parse functions report their own errors with
 * ash_fail and return EINVAL. `flags` as for argp_parse: ARGP_IN_ORDER stops at the first argument.
 */
bool ash_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/* Prints "ashlar: ..." and a newline on standard error; returns `code`, so that `return
 * ash_fail(...)` ends a command. */
int ash_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What ash_fail said last; "" when nothing failed. */
const char *ash_last_failure(void);

/* Writes out what was printed so far, before a child is made; when that fails, ends the process
 * with exit 5. */
void ash_flush_output(void);

/* A whole decimal or 0x number in `text`, at most `max`. False when it is anything else. */
bool ash_option_number(const char *text, uint64_t max, uint64_t *out);

#endif
