/* Telling of misuse: to the handler that the heap's creator named, else to standard error, and then
 * the process ends, since what the program does next cannot be trusted. */
#include "heap/misuse.h"

#include <stdlib.h>
#include <unistd.h>

void ash_misuse_text(struct ash_line *line, const struct ashlar_misuse *misuse) {
    const struct ashlar_finding_info *info = ashlar_finding_by_number(misuse->code);
    ash_line_text(line, "ashlar: ");
    ash_line_text(line, info->code);
    ash_line_text(line, " at ");
    ash_line_address(line, misuse->address);
    ash_line_text(line, " in ");
    ash_line_text(line, misuse->operation);
    ash_line_text(line, ": ");
    ash_line_text(line, info->summary);
    if (misuse->block != 0) {
        ash_line_text(line, "; block ");
        ash_line_address(line, misuse->block);
        ash_line_text(line, " of ");
        ash_line_number(line, misuse->block_bytes);
        ash_line_text(line, " bytes");
    }
    if (misuse->code == ASHLAR_MISUSE_SIZE) {
        ash_line_text(line, ", claimed ");
        ash_line_number(line, misuse->claimed_bytes);
    }
}

static void report_and_abort(const struct ashlar_misuse *misuse) {
    struct ash_line line = {0};
    ash_misuse_text(&line, misuse);
    ash_line_send(&line, STDERR_FILENO);
    abort();
}

void ash_misuse(struct ash_thread_heap *th, enum ashlar_finding_code code, const char *operation,
                uint64_t address, uint64_t block, uint64_t block_bytes, uint64_t claimed_bytes) {
    struct ashlar_misuse misuse = {
        .code = code,
        .operation = operation,
        .address = address,
        .block = block,
        .block_bytes = block_bytes,
        .claimed_bytes = claimed_bytes,
        .thread_heap = th->id,
    };
    struct ash_heap *heap = th->heap;
    if (heap->on_misuse != NULL)
        heap->on_misuse(heap->misuse_context, &misuse);
    else
        report_and_abort(&misuse);
}
