/* Lines for last words: they go out by write alone, since whoever needs them can trust neither the
 * heap nor stdio's buffers. */
#include "base/line.h"

#include <errno.h>
#include <unistd.h>

static void put(struct ash_line *line, char c) {
    if (line->length < sizeof line->text - 1) line->text[line->length++] = c;
}

void ash_line_text(struct ash_line *line, const char *text) {
    while (*text != '\0') put(line, *text++);
}

static void put_digits(struct ash_line *line, uint64_t value, unsigned base) {
    char digits[24];
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) put(line, digits[--count]);
}

void ash_line_number(struct ash_line *line, uint64_t value) {
    put_digits(line, value, 10);
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
    errno = kept;
}
