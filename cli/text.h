/* Words and numbers for people. */
#ifndef ASH_TEXT_H
#define ASH_TEXT_H

#include "source.h"

#include <stdio.h>

enum { ASH_PHRASE_BYTES = 224 };
struct ash_phrase {
    char text[ASH_PHRASE_BYTES];
};

/* "41,233" */
struct ash_phrase ash_count_text(uint64_t count);
/* "1 finding", "2 findings" */
struct ash_phrase ash_plural(uint64_t count, const char *noun);
/* "99.9 %": never rounded up to 100. */
struct ash_phrase ash_percent(uint64_t part, uint64_t whole);
/* An address: as it is with --addresses; else "region+0x40" or "metadata+0x40", and "an address
 * outside the heap" for what would differ from run to run. */
struct ash_phrase ash_address_text(const struct ash_session *session, uint64_t address);
/* A value in a finding: an address of the heap as above, a number otherwise. */
struct ash_phrase ash_value_text(const struct ash_session *session, uint64_t value);

enum ash_space { ASH_SPACE_NONE, ASH_SPACE_REGION, ASH_SPACE_METADATA };
/* Where an address lies, and how far from that part's start. */
enum ash_space ash_address_space(const struct ash_session *session, uint64_t address,
                                 uint64_t *offset);

/* "operation 12: free 3" without the first word's number; the text of an operation. */
struct ash_phrase ash_op_line(const struct ashlar_trace *trace, size_t index);

/* An address as people name it: "slot:12", "#12", "region+0x40", each with an optional "+N" behind,
 * or a number as it is printed (from the region's base; a real address with --addresses). False
 * with one line on standard error when it is none of these or the slot never had a block. */
bool ash_resolve(const struct ash_session *session, const char *name, uint64_t *address);

#endif
