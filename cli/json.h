/* JSON Lines: one object a line, first a `begin`, last a `summary`.
 *
 * Every function here takes over the references that it is given.
 */
#ifndef ASH_JSON_H
#define ASH_JSON_H

#include <jansson.h>
#include <stdint.h>

enum { ASH_JSON_SCHEMA = 1 };

/* Prints one line. NULL (no memory) ends the process with exit 5: half a document would look like a
 * whole one. */
void ash_json_line(json_t *object);

/* {"type":"begin","schema":1,"command":NAME} and the fields of `more` (may be NULL). */
void ash_json_begin(const char *command, json_t *more);

/* {"type":"summary","verdict":VERDICT,"exit":CODE} with the fields of `more` (may be NULL) in
 * between. */
void ash_json_summary(const char *verdict, int code, json_t *more);

/* Ends a document that was begun and has no summary: the command failed with `code`. */
void ash_json_finish(int code);

/* "0x1040": numbers of 64 bits do not survive in many JSON readers. */
json_t *ash_json_hex(uint64_t value);

/* `object` with `key` set; an absent object or value is passed on as NULL. */
json_t *ash_json_with(json_t *object, const char *key, json_t *value);

#endif
