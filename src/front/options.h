/* The options of the process heap: see options.c for the theory, options.def for the table. */
#ifndef ASH_FRONT_OPTIONS_H
#define ASH_FRONT_OPTIONS_H

#include "base/base.h"
#include "base/line.h"

#include <ashlar/heap.h>
#include <stdatomic.h>

enum ash_option {
#define ASHLAR_OPTION(symbol, name, type, least, most, preset, words, when, help)                  \
    ASH_OPTION_##symbol,
#include "front/options.def"
#undef ASHLAR_OPTION
    ASH_OPTION_COUNT
};

enum ash_option_type {
    ASH_OPTION_SWITCH, /* 0 or 1; the name alone is 1 */
    ASH_OPTION_NUMBER,
    ASH_OPTION_BYTES, /* a number, with K, M, G or T for powers of 1024 */
    ASH_OPTION_CHOICE,
    ASH_OPTION_TEXT,
};

struct ash_option_row {
    const char *name;
    enum ash_option_type type;
    uint64_t least, most, preset;
    const char *words; /* CHOICE: "one|other"; TEXT: the preset */
    bool any_time;     /* may change while the program runs */
    const char *help;
};
extern ASH_HIDDEN const struct ash_option_row ash_option_rows[ASH_OPTION_COUNT];

/* Values of CHOICE options, as their words stand in the table. */
enum { ASH_VERIFY_NONE, ASH_VERIFY_EXIT };
enum { ASH_STATS_NONE, ASH_STATS_EXIT };
enum { ASH_ON_MISUSE_ABORT, ASH_ON_MISUSE_REPORT };

enum { ASH_OPTION_TEXT_BYTES = 256 };

/* The value of an option; a word's index for a CHOICE. Of the OUTPUT: its text. */
ASH_HIDDEN uint64_t ash_option(enum ash_option option);
ASH_HIDDEN const char *ash_option_output(void);

/* Reads ASHLAR_OPTIONS, once, before the process heap is made; not in set-user-ID programs. One
 * line on standard error for each option that is not understood. */
ASH_HIDDEN void ash_options_read(void);

/* Reads "key=value:key=value"; warnings go to `fd`. */
ASH_HIDDEN void ash_options_parse(const char *text, int fd);

/* The table, a line each. */
ASH_HIDDEN void ash_options_help(int fd);

/* Sets one option. What is wrong, for people, or NULL. */
ASH_HIDDEN const char *ash_option_assign(const struct ash_option_row *row, const char *value,
                                         size_t bytes);
/* The row of a name; NULL when there is none. */
ASH_HIDDEN const struct ash_option_row *ash_option_find(const char *name, size_t bytes);
ASH_HIDDEN enum ash_option ash_option_of(const struct ash_option_row *row);

/* Appends what values there are, and one value, as the parser reads it. */
ASH_HIDDEN void ash_option_values_text(struct ash_line *line, const struct ash_option_row *row);
ASH_HIDDEN void ash_option_value_text(struct ash_line *line, const struct ash_option_row *row,
                                      uint64_t value);

/* The options as the heap's creator takes them; 0 where nothing was chosen. */
ASH_HIDDEN void ash_options_for_heap(struct ashlar_heap_options *out);

#endif
