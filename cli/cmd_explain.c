/* ashlar explain: what a finding means, from the table that findings come from. */
#include "command.h"
#include "json.h"
#include "source.h"

#include <ashlar/finding.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct explain {
    bool json;
    const char *code;
};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print JSON Lines", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct explain *explain = state->input;
    switch (key) {
    case 'j':
        explain->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (explain->code != NULL) return ash_bad_option("explain: one code at a time");
        explain->code = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "[CODE]",
    "Say what a finding means, what its likely causes are and what to do next. CODE is a name such "
    "as ASH-FREE-DOUBLE or a number; without one, all codes are listed.",
    NULL,
    NULL,
    NULL};

static const struct ashlar_finding_info *find(const char *code) {
    uint64_t number;
    if (ash_option_number(code, UINT32_MAX >> 1, &number)) {
        return ashlar_finding_by_number((enum ashlar_finding_code)number);
    }
    size_t count;
    const struct ashlar_finding_info *rows = ashlar_findings(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(rows[i].code, code) == 0) return &rows[i];
    }
    return NULL;
}

static void print_one(const struct ashlar_finding_info *info) {
    printf("%s  (number %d, %s)\n", info->code, (int)info->number,
           ashlar_family_name(info->family));
    printf("  meaning   %s\n", info->summary);
    printf("  causes    %s\n", info->causes);
    printf("  next      %s\n", info->next);
}

static void print_json(const struct ashlar_finding_info *info) {
    ash_json_line(json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "type", "code", "code",
                            info->code, "number", (int)info->number, "family",
                            ashlar_family_name(info->family), "summary", info->summary, "causes",
                            info->causes, "next", info->next));
}

static int explain_one(const struct explain *explain) {
    const struct ashlar_finding_info *info = find(explain->code);
    if (info == NULL) {
        return ash_fail(ASH_EXIT_USAGE, "no finding `%s`; `ashlar explain` lists them",
                        explain->code);
    }
    if (explain->json) {
        print_json(info);
    } else {
        print_one(info);
    }
    return ASH_EXIT_SOUND;
}

static void explain_all(const struct explain *explain) {
    size_t count;
    const struct ashlar_finding_info *rows = ashlar_findings(&count);
    for (size_t i = 0; i < count; i++) {
        if (explain->json) {
            print_json(&rows[i]);
        } else {
            printf("%3d  %-28s %s\n", (int)rows[i].number, rows[i].code, rows[i].summary);
        }
    }
}

static int run(int argc, char **argv) {
    struct explain explain = {0};
    if (!ash_parse(&argp, argc, argv, 0, &explain)) return ASH_EXIT_USAGE;
    if (explain.json) ash_json_begin("explain", NULL);
    int code = ASH_EXIT_SOUND;
    if (explain.code != NULL) {
        code = explain_one(&explain);
    } else {
        explain_all(&explain);
    }
    if (explain.json && code == ASH_EXIT_SOUND) ash_json_summary("done", code, NULL);
    return code;
}

const struct ash_command ash_cmd_explain = {"explain", "says what a finding means and what to do",
                                            &argp, run};
