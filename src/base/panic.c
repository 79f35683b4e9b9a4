/* The end of the process when an assertion of our own does not hold: going on would corrupt
 * more. */
#include "base/base.h"
#include "base/line.h"

#include <stdlib.h>
#include <unistd.h>

_Noreturn void ash_panic(const char *file, int line, const char *fact) {
    struct ash_line out = {0};
    ash_line_text(&out, "ashlar: internal error: ");
    ash_line_text(&out, file);
    ash_line_text(&out, ":");
    ash_line_number(&out, (uint64_t)line);
    ash_line_text(&out, ": not true: ");
    ash_line_text(&out, fact);
    ash_line_send(&out, STDERR_FILENO);
    abort();
}
