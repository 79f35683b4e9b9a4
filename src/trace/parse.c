/* Reading untrusted text.
 *
 * Every reader of a text format is a loop over lines, and over words in a line; none of them looks
 * at a byte outside of the words that it gets from here. Nothing is copied and nothing is
 * terminated: words point into the input. Recorded traces have millions of lines, so the work per
 * byte is one search for the line's end and one pass over its words.
 *
 * A message says what was expected and shows the word that was found, shortened and with
 * everything unprintable as `?`: inputs may be any bytes, and end on a terminal.
 */
#include "trace/parse.h"

#include <stdarg.h>
#include <string.h>

void ash_text_begin(struct ash_text *text, const void *bytes, size_t size,
                    struct ashlar_trace_error *error) {
    const char *start = size ? bytes : "";
    *text = (struct ash_text){.bytes = start, .size = size, .error = error};
    text->start = text->end = text->at = start;
}

bool ash_text_next_line(struct ash_text *text) {
    if (text->next >= text->size) return false;
    const char *start = text->bytes + text->next, *limit = text->bytes + text->size;
    const char *newline = memchr(start, '\n', (size_t)(limit - start));
    const char *end = newline ? newline : limit;
    text->next = (size_t)(end - text->bytes) + (newline ? 1 : 0);
    if (end > start && end[-1] == '\r') end--;
    text->start = text->at = start;
    text->end = end;
    text->line++;
    return true;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

struct ash_word ash_text_word(struct ash_text *text, bool comments) {
    const char *at = text->at, *end = text->end;
    while (at < end && is_blank(*at)) at++;
    const char *start = at;
    while (at < end && !is_blank(*at) && !(comments && *at == '#')) at++;
    text->at = at;
    return (struct ash_word){start, (size_t)(at - start)};
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

enum ash_number_status ash_number(struct ash_word word, uint64_t *value) {
    unsigned base = 10;
    size_t at = 0;
    if (word.length > 2 && word.text[0] == '0' && (word.text[1] | 32) == 'x') {
        base = 16;
        at = 2;
    }
    if (at == word.length) return ASH_NUMBER_SYNTAX;
    uint64_t sum = 0;
    bool wraps = false;
    for (; at < word.length; at++) {
        int digit = digit_value(word.text[at]);
        if (digit >= (int)base) return ASH_NUMBER_SYNTAX;
        wraps |= __builtin_mul_overflow(sum, (uint64_t)base, &sum);
        wraps |= __builtin_add_overflow(sum, (uint64_t)digit, &sum);
    }
    *value = sum;
    return wraps ? ASH_NUMBER_RANGE : ASH_NUMBER_OK;
}

struct ash_quoted ash_quote(struct ash_word word) {
    enum { SHOWN = 40 };
    struct ash_quoted quoted;
    size_t length = word.length < SHOWN ? word.length : SHOWN;
    for (size_t i = 0; i < length; i++) {
        char c = word.text[i];
        quoted.text[i] = c > ' ' && c <= '~' ? c : '?';
    }
    for (unsigned i = 0; i < 3 && length < word.length; i++) quoted.text[SHOWN + i] = '.';
    quoted.text[length < word.length ? SHOWN + 3 : length] = 0;
    return quoted;
}

static void fail(struct ashlar_trace_error *error, size_t line, size_t offset, const char *format,
                 va_list arguments) {
    if (!error) return;
    error->line = line;
    error->offset = offset;
    vsnprintf(error->message, sizeof error->message, format, arguments);
}

bool ash_trace_fail(struct ashlar_trace_error *error, size_t line, size_t offset,
                    const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fail(error, line, offset, format, arguments);
    va_end(arguments);
    return false;
}

bool ash_text_fail(const struct ash_text *text, struct ash_word word, const char *format, ...) {
    const char *place = word.length ? word.text : text->end;
    va_list arguments;
    va_start(arguments, format);
    fail(text->error, text->line, (size_t)(place - text->bytes), format, arguments);
    va_end(arguments);
    return false;
}

bool ash_text_number(const struct ash_text *text, struct ash_word word, const char *label,
                     uint64_t max, uint64_t *value) {
    if (!word.length) return ash_text_fail(text, word, "%s is missing", label);
    enum ash_number_status status = ash_number(word, value);
    if (status == ASH_NUMBER_SYNTAX)
        return ash_text_fail(text, word, "%s: `%s` is not a number", label, ash_quote(word).text);
    if (status == ASH_NUMBER_RANGE || *value > max)
        return ash_text_fail(text, word, "%s: %s is above %llu", label, ash_quote(word).text,
                             (unsigned long long)max);
    return true;
}

bool ash_text_no_memory(const struct ash_text *text) {
    return ash_text_fail(text, (struct ash_word){text->start, 0}, "no memory for the trace");
}
