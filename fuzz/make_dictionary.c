/* fuzz_dictionary: words of raw traces for engines that mutate bytes (fuzz/raw_trace.dict): one
 * record of each kind, and sizes round which the core decides otherwise.
 *
 *   fuzz_dictionary >fuzz/raw_trace.dict
 *
 * Our own mutator needs none of them; it is not there where an engine brings its own (AFL++ on a
 * cluster). The output depends on this program alone, so that a test can say whether the file in
 * the tree is current.
 */
#include "heap/layout.h"

#include <ashlar/trace.h>
#include <stdint.h>
#include <stdio.h>

static void word(const char *what, const uint8_t *bytes, size_t size) {
    printf("# %s\n\"", what);
    for (size_t i = 0; i < size; i++) printf("\\x%02x", bytes[i]);
    printf("\"\n");
}

/* Not the header: records follow each other, so a word of 24 bytes is one wherever one was. */
static bool records(void) {
    for (unsigned kind = 0; kind < ASHLAR_OP_COUNT; kind++) {
        struct ashlar_trace trace;
        ashlar_trace_init(&trace);
        trace.threads = 2;
        uint8_t raw[ASHLAR_RAW_HEADER_BYTES + ASHLAR_OP_BYTES];
        struct ashlar_op op = {.kind = (uint8_t)kind, .size = 64, .arg = 1};
        bool made = ashlar_trace_append(&trace, &op) &&
                    ashlar_trace_encode_raw(&trace, raw, sizeof raw) == sizeof raw;
        ashlar_trace_free(&trace);
        if (!made) return false;
        word(ashlar_op_name((enum ashlar_op_kind)kind), raw + ASHLAR_RAW_HEADER_BYTES,
             ASHLAR_OP_BYTES);
    }
    return true;
}

int main(void) {
    static const uint64_t sizes[] = {
        128, ASH_SMALL_BYTES_MAX, ASH_CLASS_BYTES_MAX, 1 << 20, UINT32_MAX, PTRDIFF_MAX, SIZE_MAX};
    printf("# Made by fuzz/make_dictionary.c: raw traces, docs/TRACE_FORMAT.md section 4.\n");
    bool made = records();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t bytes[8];
        for (unsigned b = 0; b < sizeof bytes; b++) bytes[b] = (uint8_t)(sizes[i] >> (8 * b));
        word("a size", bytes, sizeof bytes);
    }
    return made && fflush(stdout) == 0 ? 0 : 1;
}
