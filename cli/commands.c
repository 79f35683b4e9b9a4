/* The command table: the one place that knows which commands there are.
 *
 * A command that is not built is not in the table, so that nothing is advertised which does not
 * work. Rows are sorted by name: help prints them as they stand, and tests/cli checks the order.
 */
#include "command.h"

#include <string.h>

static const struct ash_command *const table[] = {
    &ash_cmd_bisect, &ash_cmd_convert,  &ash_cmd_dump,    &ash_cmd_explain, &ash_cmd_fuzz,
    &ash_cmd_help,   &ash_cmd_minimize, &ash_cmd_record,  &ash_cmd_replay,  &ash_cmd_run,
    &ash_cmd_stats,  &ash_cmd_verify,   &ash_cmd_version, &ash_cmd_whatis,
};

const struct ash_command *const *ash_commands(size_t *count) {
    *count = sizeof table / sizeof table[0];
    return table;
}

const struct ash_command *ash_command_find(const char *name) {
    size_t count;
    const struct ash_command *const *rows = ash_commands(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i]->name, name) == 0) return rows[i];
    }
    return NULL;
}
