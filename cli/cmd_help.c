/* ashlar help: the list of commands, or one command's options, both from the command table. */
#include "command.h"
#include "json.h"

#include <errno.h>
#include <stdio.h>

struct help {
    bool json;
    const char *name;
};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print JSON Lines", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct help *help = state->input;
    switch (key) {
    case 'j':
        help->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (help->name != NULL) {
            ash_fail(0, "help: one command at a time");
            return EINVAL;
        }
        help->name = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, parse, "[COMMAND]", "List the commands, or explain one of them.", NULL, NULL, NULL};

static void print_list(void) {
    size_t count;
    const struct ash_command *const *rows = ash_commands(&count);
    printf("ashlar COMMAND [OPTIONS] ...: replay, inspect and verify heaps\n\n");
    for (size_t i = 0; i < count; i++) {
        printf("  %-10s %s\n", rows[i]->name, rows[i]->summary);
    }
    printf("\n`ashlar help COMMAND` or `ashlar COMMAND --help` lists a command's options.\n\n"
           "exit codes\n"
           "  0  sound, and all of it was checked\n"
           "  1  findings: corruption, misuse, or a broken promise of the target\n"
           "  2  usage, or an input that is not what it should be\n"
           "  3  nothing found, but something could not be checked\n"
           "  4  the target is not supported, or permission was refused\n"
           "  5  a failure of the tool itself\n");
}

static void print_json(void) {
    size_t count;
    const struct ash_command *const *rows = ash_commands(&count);
    ash_json_begin("help", NULL);
    for (size_t i = 0; i < count; i++) {
        ash_json_line(json_pack("{s:s, s:s, s:s}", "type", "command", "name", rows[i]->name,
                                "summary", rows[i]->summary));
    }
    ash_json_summary("done", ASH_EXIT_SOUND, NULL);
}

static int run(int argc, char **argv) {
    struct help help = {0};
    if (!ash_parse(&argp, argc, argv, 0, &help)) return ASH_EXIT_USAGE;
    if (help.name == NULL) {
        if (help.json) {
            print_json();
        } else {
            print_list();
        }
        return ASH_EXIT_SOUND;
    }
    const struct ash_command *command = ash_command_find(help.name);
    if (command == NULL) {
        return ash_fail(ASH_EXIT_USAGE, "no command `%s`; `ashlar help` lists them", help.name);
    }
    /* argp itself prints it, so that this and `ashlar NAME --help` are the same bytes. */
    char title[64];
    snprintf(title, sizeof title, "ashlar %s", command->name);
    char option[] = "--help";
    char *arguments[] = {title, option, NULL};
    return command->run(2, arguments);
}

const struct ash_command ash_cmd_help = {"help", "lists the commands, or explains one", &argp, run};
