/* JSON Lines by jansson. Keys keep the order in which they were set, so output is stable. */
#include "json.h"

#include "command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void ash_json_line(json_t *object) {
    if (object == NULL) exit(ash_fail(ASH_EXIT_TOOL, "no memory for a line of JSON"));
    json_dumpf(object, stdout, JSON_COMPACT); /* write errors are seen when stdout is closed */
    putchar('\n');
    json_decref(object);
}

static bool open_document;

void ash_json_begin(const char *command, json_t *more) {
    json_t *line = json_pack("{s:s, s:i, s:s}", "type", "begin", "schema", ASH_JSON_SCHEMA,
                             "command", command);
    if (line != NULL && more != NULL) json_object_update(line, more);
    json_decref(more);
    ash_json_line(line);
    open_document = true;
}

void ash_json_finish(int code) {
    if (!open_document) return;
    ash_json_summary("error", code, json_pack("{s:s}", "message", ash_last_failure()));
}

void ash_json_summary(const char *verdict, int code, json_t *more) {
    json_t *line = json_pack("{s:s, s:s}", "type", "summary", "verdict", verdict);
    if (line != NULL && more != NULL) json_object_update(line, more);
    json_decref(more);
    ash_json_line(ash_json_with(line, "exit", json_integer(code)));
    open_document = false;
}

json_t *ash_json_hex(uint64_t value) {
    char text[24];
    snprintf(text, sizeof text, "0x%" PRIx64, value);
    return json_string(text);
}

json_t *ash_json_with(json_t *object, const char *key, json_t *value) {
    if (object == NULL || json_object_set_new(object, key, value) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}
