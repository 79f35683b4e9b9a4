/* ashlar version: the version of the tool and of the formats that it reads and writes. */
#include "command.h"
#include "json.h"

#include <errno.h>
#include <stdio.h>

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print JSON Lines", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    bool *json = state->input;
    switch (key) {
    case 'j':
        *json = true;
        return 0;
    case ARGP_KEY_ARG:
        ash_fail(0, "version: unexpected argument `%s`", argument);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {options, parse, NULL, "Print the version.", NULL, NULL, NULL};

static int run(int argc, char **argv) {
    bool json = false;
    if (!ash_parse(&argp, argc, argv, 0, &json)) return ASH_EXIT_USAGE;
    if (!json) {
        printf("ashlar %s\n", ASHLAR_VERSION);
        return ASH_EXIT_SOUND;
    }
    ash_json_begin("version", NULL);
    ash_json_line(json_pack("{s:s, s:s}", "type", "version", "version", ASHLAR_VERSION));
    ash_json_summary("done", ASH_EXIT_SOUND, NULL);
    return ASH_EXIT_SOUND;
}

const struct ash_command ash_cmd_version = {"version", "prints the version", &argp, run};
