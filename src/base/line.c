/* Lines for last words: they go out by write alone, since whoever needs them can trust neither the
 * heap nor stdio's buffers. */
#include "base/line.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void put(struct ash_line *line, char c) {
    if (line->length < sizeof line->text - 1) line->text[line->length++] = c;
}

void ash_line_text(struct ash_line *line, const char *text) {
    while (*text != '\0') put(line, *text++);
}

void ash_line_bytes(struct ash_line *line, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) put(line, text[i]);
}

/* With a comma after every `group` digits from the right, unless `group` is 0. */
static void put_grouped(struct ash_line *line, uint64_t value, unsigned base, unsigned group) {
    char digits[24];
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count-- > 0) {
        put(line, digits[count]);
        if (group != 0 && count > 0 && count % group == 0) put(line, ',');
    }
}

static void put_digits(struct ash_line *line, uint64_t value, unsigned base) {
    put_grouped(line, value, base, 0);
}

void ash_line_number(struct ash_line *line, uint64_t value) {
    put_digits(line, value, 10);
}

void ash_line_count(struct ash_line *line, uint64_t value) {
    put_grouped(line, value, 10, 3);
}

void ash_line_plural(struct ash_line *line, uint64_t count, const char *noun) {
    ash_line_count(line, count);
    put(line, ' ');
    ash_line_text(line, noun);
    if (count != 1) put(line, 's');
}

void ash_line_share(struct ash_line *line, uint64_t part, uint64_t whole) {
    uint64_t tenths = 1000;
    if (part < whole) tenths = (uint64_t)((unsigned __int128)part * 1000 / whole);
    put_digits(line, tenths / 10, 10);
    if (tenths % 10 != 0) {
        put(line, '.');
        put_digits(line, tenths % 10, 10);
    }
    ash_line_text(line, " %");
}

/* Where the last line of the text starts. */
static size_t line_start(const struct ash_line *line) {
    size_t start = line->length;
    while (start > 0 && line->text[start - 1] != '\n') start--;
    return start;
}

void ash_line_pad(struct ash_line *line, size_t column) {
    size_t start = line_start(line);
    while (line->length - start < column && line->length < sizeof line->text - 1) put(line, ' ');
}

void ash_line_align(struct ash_line *line, size_t from, size_t column) {
    size_t appended = line->length - from, width = line->length - line_start(line);
    if (width >= column) return;
    ash_line_pad(line, column); /* makes the room, or what there is of it */
    size_t blanks = line->length - from - appended;
    memmove(line->text + from + blanks, line->text + from, appended);
    memset(line->text + from, ' ', blanks);
}

void ash_line_address(struct ash_line *line, uint64_t value) {
    ash_line_text(line, "0x");
    put_digits(line, value, 16);
}

void ash_line_send(struct ash_line *line, int fd) {
    int kept = errno;
    line->text[line->length] = '\n';
    size_t sent = 0, total = line->length + 1;
    while (sent < total) {
        ssize_t now = write(fd, line->text + sent, total - sent);
        if (now < 0 && errno == EINTR) continue;
        if (now <= 0) break; /* nowhere left to say it */
        sent += (size_t)now;
    }
    line->length = 0;
    errno = kept;
}

bool ash_digits(const char *text, size_t bytes, uint64_t most, uint64_t *out) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (most - digit) / 10 || digit > most) return false;
        value = value * 10 + digit;
    }
    if (bytes > 0) *out = value;
    return bytes > 0;
}
