/* Text built in place, a line or a few, for layers that may neither allocate nor use stdio. What is
 * too long is cut. */
#ifndef ASH_LINE_H
#define ASH_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ash_line {
    size_t length;
    char text[500];
};

void ash_line_text(struct ash_line *line, const char *text);
void ash_line_bytes(struct ash_line *line, const char *text, size_t bytes);
void ash_line_number(struct ash_line *line, uint64_t value);  /* 41233 */
void ash_line_count(struct ash_line *line, uint64_t value);   /* 41,233 */
void ash_line_address(struct ash_line *line, uint64_t value); /* 0xa111 */
/* "1 block", "41,233 blocks" */
void ash_line_plural(struct ash_line *line, uint64_t count, const char *noun);
/* "99.9 %", rounded down; nothing of nothing is "100 %". */
void ash_line_share(struct ash_line *line, uint64_t part, uint64_t whole);

/* Columns: blanks until the text, or what follows the newline in it, is `column` long; and so many
 * in front of what was appended since the text was `from` long that it ends there. */
void ash_line_pad(struct ash_line *line, size_t column);
void ash_line_align(struct ash_line *line, size_t from, size_t column);

/* Writes the line and a newline to a file descriptor, and empties the line. errno is kept. */
void ash_line_send(struct ash_line *line, int fd);

/* Reads a whole decimal number of `bytes` digits, at most `most`; false when it is anything else.
 */
bool ash_digits(const char *text, size_t bytes, uint64_t most, uint64_t *out);

#endif
