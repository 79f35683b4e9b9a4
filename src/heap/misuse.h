/* Misuse by the caller: what is wrong with a pointer, and telling whoever wants to know. */
#ifndef ASH_MISUSE_H
#define ASH_MISUSE_H

#include "base/line.h"
#include "heap/layout.h"

/* Reports to the heap's handler; the caller then returns without effect. */
ASH_COLD void ash_misuse(struct ash_thread_heap *th, enum ashlar_finding_code code,
                         const char *operation, uint64_t address, uint64_t block,
                         uint64_t block_bytes, uint64_t claimed_bytes);

/* Appends the line that the default handler writes. */
void ash_misuse_text(struct ash_line *line, const struct ashlar_misuse *misuse);

#endif
