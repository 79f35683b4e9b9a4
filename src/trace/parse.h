/* Reading lines, words and numbers from untrusted text; and saying what is wrong, and where. */
#ifndef ASH_TRACE_PARSE_H
#define ASH_TRACE_PARSE_H

#include "base/base.h"

#include <ashlar/trace.h>

/* A text being read line by line. */
struct ash_text {
    const char *bytes;
    size_t size;
    size_t next; /* offset of the next line */
    size_t line; /* number of the current line, 1-based; 0 before the first */
    /* the current line, without its end ("\n" or "\r\n") */
    const char *start, *end;
    const char *at; /* reading position within it */
    struct ashlar_trace_error *error;
};

struct ash_word {
    const char *text;
    size_t length; /* 0: there is none */
};

void ash_text_begin(struct ash_text *text, const void *bytes, size_t size,
                    struct ashlar_trace_error *error);
/* Moves to the next line; false at the end. */
bool ash_text_next_line(struct ash_text *text);
/* The next word of the line; of length 0 at its end. `#` begins a comment when `comments`. */
struct ash_word ash_text_word(struct ash_text *text, bool comments);

ASH_INLINE bool ash_word_is(struct ash_word word, const char *string) {
    size_t i = 0;
    while (i < word.length && string[i] == word.text[i]) {
        if (!string[i]) return false;
        i++;
    }
    return i == word.length && string[i] == 0;
}

enum ash_number_status { ASH_NUMBER_OK = 0, ASH_NUMBER_SYNTAX, ASH_NUMBER_RANGE };
/* Decimal, or hexadecimal with 0x. All of the word must be the number. */
enum ash_number_status ash_number(struct ash_word word, uint64_t *value);

/* A word as it may be shown in a message: at most 40 characters, printable. */
struct ash_quoted {
    char text[48];
};
struct ash_quoted ash_quote(struct ash_word word);

/* Fills *error (which may be NULL); returns false, for the caller to return. */
bool ash_trace_fail(struct ashlar_trace_error *error, size_t line, size_t offset,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same, at `word` of the current line (at the line's end when the word is empty). */
bool ash_text_fail(const struct ash_text *text, struct ash_word word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* `word` as a number up to `max`, or a message that names it `label`. */
bool ash_text_number(const struct ash_text *text, struct ash_word word, const char *label,
                     uint64_t max, uint64_t *value);

/* "no memory for ...", at the current line. */
bool ash_text_no_memory(const struct ash_text *text);

/* The encodings. Each fills `out`, which was initialised and has no operations. */
bool ash_text_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                     struct ashlar_trace_error *error);
bool ash_container_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                          struct ashlar_trace_error *error);
bool ash_rep_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                    struct ashlar_trace_error *error);
bool ash_memory_replay_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                              struct ashlar_trace_error *error);
bool ash_mtrace_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                       struct ashlar_trace_error *error);

/* Whether `bytes` begin as such an input does. */
bool ash_text_is(const uint8_t *bytes, size_t size);
bool ash_container_is(const uint8_t *bytes, size_t size);
bool ash_rep_is(const uint8_t *bytes, size_t size);
bool ash_memory_replay_is(const uint8_t *bytes, size_t size);
bool ash_mtrace_is(const uint8_t *bytes, size_t size);

/* Writers. False with *error filled when memory runs out; a failing stream is the caller's to see
 * (ferror). *lost counts operations left out or weakened. */
bool ash_text_write(const struct ashlar_trace *trace, FILE *stream);
bool ash_container_write(const struct ashlar_trace *trace, FILE *stream, bool compress,
                         struct ashlar_trace_error *error);
bool ash_raw_write(const struct ashlar_trace *trace, FILE *stream, size_t *lost,
                   struct ashlar_trace_error *error);
bool ash_rep_write(const struct ashlar_trace *trace, FILE *stream, size_t *lost,
                   struct ashlar_trace_error *error);
bool ash_memory_replay_write(const struct ashlar_trace *trace, FILE *stream, size_t *lost,
                             struct ashlar_trace_error *error);

#endif
