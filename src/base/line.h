/* One line of text built in place, for layers that may neither allocate nor use stdio. Too long a
 * line is cut. */
#ifndef ASH_LINE_H
#define ASH_LINE_H

#include <stddef.h>
#include <stdint.h>

struct ash_line {
    size_t length;
    char text[500];
};

void ash_line_text(struct ash_line *line, const char *text);
void ash_line_number(struct ash_line *line, uint64_t value);  /* decimal */
void ash_line_address(struct ash_line *line, uint64_t value); /* 0x... */
/* Writes the line and a newline to a file descriptor. errno is kept. */
void ash_line_send(struct ash_line *line, int fd);

#endif
