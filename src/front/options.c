/* Options.
 *
 * 1. Purpose. What can be chosen about the process heap, by ASHLAR_OPTIONS=key=value:key=value in
 *    the environment, and where that makes sense by <ashlar/ashlar.h> later. One table
 *    (options.def) is the parser, the help text, the documentation and the interface.
 * 2. States. The values are the table's presets until ash_options_read, which runs once, before
 *    the process heap is made: perhaps in the dynamic linker's first call of malloc, so nothing
 *    here allocates, uses stdio, or waits.
 * 3. Who may choose. The environment of a program that has more rights than its caller (AT_SECURE:
 *    set-user-ID and the like) is the caller's: it is not looked at.
 * 4. How it fails. An unknown key or a bad value costs one line on standard error, and the value
 *    stays as it was. Options never stop a program.
 * 5. Memory order. Values are single words: relaxed, since none says anything about other memory.
 *    A text is written to the buffer that is not in use, and published by one store (release). Two
 *    threads do not set options at once: the interface says so. */
#include "front/options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

const struct ash_option_row ash_option_rows[ASH_OPTION_COUNT] = {
#define START false
#define ANY   true
#define ASHLAR_OPTION(symbol, name, type, least, most, preset, words, when, help)                  \
    [ASH_OPTION_##symbol] = {name, ASH_OPTION_##type, (least), (most), (preset), words, when, help},
#include "front/options.def"
#undef ASHLAR_OPTION
#undef START
#undef ANY
};

static _Atomic uint64_t values[ASH_OPTION_COUNT] = {
#define ASHLAR_OPTION(symbol, name, type, least, most, preset, words, when, help)                  \
    [ASH_OPTION_##symbol] = (preset),
#include "front/options.def"
#undef ASHLAR_OPTION
};

/* Section 5. There is one TEXT option. */
static char outputs[2][ASH_OPTION_TEXT_BYTES] = {"stderr"};
static _Atomic(unsigned) output_in_use;

uint64_t ash_option(enum ash_option option) {
    return atomic_load_explicit(&values[option], memory_order_relaxed);
}

const char *ash_option_output(void) {
    return outputs[atomic_load_explicit(&output_in_use, memory_order_acquire)];
}

enum ash_option ash_option_of(const struct ash_option_row *row) {
    return (enum ash_option)(row - ash_option_rows);
}

static bool same(const char *name, const char *text, size_t bytes) {
    return strlen(name) == bytes && memcmp(name, text, bytes) == 0;
}

const struct ash_option_row *ash_option_find(const char *name, size_t bytes) {
    for (unsigned i = 0; i < ASH_OPTION_COUNT; i++)
        if (same(ash_option_rows[i].name, name, bytes)) return &ash_option_rows[i];
    return NULL;
}

/* The word of a CHOICE that starts here; *bytes is its length. */
static const char *next_word(const char *words, size_t *bytes) {
    if (*words == '|') words++;
    *bytes = strcspn(words, "|");
    return words;
}

static bool read_choice(const char *words, const char *value, size_t bytes, uint64_t *out) {
    size_t length;
    *out = 0;
    for (const char *at = words; *at != '\0'; at += length, (*out)++) {
        at = next_word(at, &length);
        if (length == bytes && memcmp(at, value, bytes) == 0) return true;
    }
    return false;
}

static const char units[] = "KMGT";

static bool read_bytes(const char *value, size_t bytes, uint64_t most, uint64_t *out) {
    unsigned shift = 0;
    for (unsigned i = 0; units[i] != '\0'; i++)
        if (bytes > 0 && (value[bytes - 1] & ~0x20) == units[i]) shift = 10 * (i + 1);
    if (shift > 0) bytes--;
    uint64_t number;
    if (!ash_digits(value, bytes, most >> shift, &number)) return false;
    *out = number << shift;
    return true;
}

static const char *assign_text(const char *value, size_t bytes) {
    if (bytes == 0) return "is empty";
    if (bytes >= ASH_OPTION_TEXT_BYTES) return "is too long";
    unsigned next = 1 - atomic_load_explicit(&output_in_use, memory_order_relaxed);
    memcpy(outputs[next], value, bytes);
    outputs[next][bytes] = '\0';
    atomic_store_explicit(&output_in_use, next, memory_order_release);
    return NULL;
}

const char *ash_option_assign(const struct ash_option_row *row, const char *value, size_t bytes) {
    uint64_t number = 0;
    switch (row->type) {
    case ASH_OPTION_TEXT:
        return assign_text(value, bytes);
    case ASH_OPTION_CHOICE:
        if (!read_choice(row->words, value, bytes, &number)) return "is none of its values";
        if (number > row->most) return "is not built yet";
        break;
    case ASH_OPTION_BYTES:
        if (!read_bytes(value, bytes, row->most, &number) || number < row->least)
            return "is out of range";
        break;
    case ASH_OPTION_SWITCH:
    case ASH_OPTION_NUMBER:
        if (!ash_digits(value, bytes, row->most, &number) || number < row->least)
            return "is out of range";
        break;
    }
    atomic_store_explicit(&values[ash_option_of(row)], number, memory_order_relaxed);
    return NULL;
}

void ash_option_value_text(struct ash_line *line, const struct ash_option_row *row,
                           uint64_t value) {
    size_t length = 0;
    unsigned unit = 0;
    switch (row->type) {
    case ASH_OPTION_TEXT:
        ash_line_text(line, row->words);
        return;
    case ASH_OPTION_CHOICE:
        for (const char *at = row->words; *at != '\0'; at += length, value--) {
            at = next_word(at, &length);
            if (value == 0) ash_line_bytes(line, at, length);
        }
        return;
    case ASH_OPTION_BYTES:
        for (; unit < 4 && value != 0 && value % 1024 == 0; unit++) value /= 1024;
        ash_line_number(line, value);
        if (unit > 0) ash_line_bytes(line, &units[unit - 1], 1);
        return;
    case ASH_OPTION_SWITCH:
    case ASH_OPTION_NUMBER:
        ash_line_number(line, value);
    }
}

void ash_option_values_text(struct ash_line *line, const struct ash_option_row *row) {
    if (row->type == ASH_OPTION_CHOICE) {
        ash_line_text(line, row->words);
    } else if (row->type == ASH_OPTION_TEXT) {
        ash_line_text(line, "text");
    } else {
        ash_option_value_text(line, row, row->least);
        ash_line_text(line, row->type == ASH_OPTION_SWITCH ? "|" : "..");
        ash_option_value_text(line, row, row->most);
    }
}

static void warn_unknown(const char *name, size_t bytes, int fd) {
    struct ash_line line = {0};
    ash_line_text(&line, "ashlar: ASHLAR_OPTIONS: no option `");
    ash_line_bytes(&line, name, bytes);
    ash_line_text(&line, "`; help=1 lists them");
    ash_line_send(&line, fd);
}

static void warn_value(const struct ash_option_row *row, const char *value, size_t bytes,
                       const char *wrong, int fd) {
    struct ash_line line = {0};
    ash_line_text(&line, "ashlar: ASHLAR_OPTIONS: ");
    ash_line_text(&line, row->name);
    ash_line_text(&line, "=");
    ash_line_bytes(&line, value, bytes);
    ash_line_text(&line, " ");
    ash_line_text(&line, wrong);
    ash_line_text(&line, " (");
    ash_option_values_text(&line, row);
    ash_line_text(&line, "); it stays ");
    if (row->type == ASH_OPTION_TEXT)
        ash_line_text(&line, ash_option_output());
    else
        ash_option_value_text(&line, row, ash_option(ash_option_of(row)));
    ash_line_send(&line, fd);
}

/* One "key=value", or a switch's key alone. */
static void parse_one(const char *text, size_t bytes, int fd) {
    const char *equals = memchr(text, '=', bytes);
    size_t name_bytes = equals != NULL ? (size_t)(equals - text) : bytes;
    const char *value = equals != NULL ? equals + 1 : "1";
    size_t value_bytes = equals != NULL ? bytes - name_bytes - 1 : 1;
    const struct ash_option_row *row = ash_option_find(text, name_bytes);
    if (row == NULL) {
        warn_unknown(text, name_bytes, fd);
        return;
    }
    if (equals == NULL && row->type != ASH_OPTION_SWITCH) {
        warn_value(row, "", 0, "has no value", fd);
        return;
    }
    const char *wrong = ash_option_assign(row, value, value_bytes);
    if (wrong != NULL) warn_value(row, value, value_bytes, wrong, fd);
}

void ash_options_parse(const char *text, int fd) {
    while (*text != '\0') {
        size_t bytes = strcspn(text, ":");
        if (bytes > 0) parse_one(text, bytes, fd);
        text += bytes;
        if (*text == ':') text++;
    }
}

void ash_options_help(int fd) {
    struct ash_line line = {0};
    ash_line_text(&line, "ASHLAR_OPTIONS=key=value:key=value");
    ash_line_send(&line, fd);
    for (unsigned i = 0; i < ASH_OPTION_COUNT; i++) {
        const struct ash_option_row *row = &ash_option_rows[i];
        ash_line_text(&line, "  ");
        ash_line_text(&line, row->name);
        ash_line_pad(&line, 16);
        ash_option_values_text(&line, row);
        ash_line_pad(&line, 34);
        ash_line_text(&line, " ");
        ash_option_value_text(&line, row, row->preset);
        ash_line_pad(&line, 42);
        ash_line_text(&line, " ");
        ash_line_text(&line, row->help);
        ash_line_send(&line, fd);
    }
}

void ash_options_read(void) {
    static const char name[] ASH_DAILY = "ASHLAR_OPTIONS";
    const char *text = getauxval(AT_SECURE) == 0 ? getenv(name) : NULL;
    if (text == NULL) return;
    ash_options_parse(text, STDERR_FILENO);
    if (ash_option(ASH_OPTION_HELP) != 0) ash_options_help(STDERR_FILENO);
}

/* The value, or 0 for "what fits" when it is the preset. */
static uint64_t chosen(enum ash_option option) {
    uint64_t value = ash_option(option);
    return value == ash_option_rows[option].preset ? 0 : value;
}

void ash_options_for_heap(struct ashlar_heap_options *out) {
    enum { REGION_UNIT = 65536 };
    *out = (struct ashlar_heap_options){
        .region_bytes = ash_round_up(chosen(ASH_OPTION_REGION_BYTES), REGION_UNIT),
        .thread_heaps = (uint32_t)chosen(ASH_OPTION_THREAD_HEAPS),
        .decay_ms = (uint32_t)ash_option(ASH_OPTION_DECAY_MS),
        .never_purge = ash_option(ASH_OPTION_NEVER_PURGE) != 0,
    };
}
