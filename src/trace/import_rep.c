/* Reads the .rep traces of malloc labs.
 *
 * Four numbers, one a line (suggested heap size, number of ids, number of operations, weight), then
 * one operation a line:
 *
 *   a ID BYTES    allocate       r ID BYTES    reallocate       f ID    free (-1: free(NULL))
 *
 * Ids become slots as they are. The format has no room for mistakes: an id beyond the number of
 * ids, an allocation under an id that is in use, an operation on one that is not, and another
 * number of operations than announced (a file that was cut off) are all errors. Heap size and
 * weight mean nothing here.
 */
#include "trace/model.h"
#include "trace/parse.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER_LINES = 4 };

struct decoder {
    struct ash_text text;
    struct ashlar_trace *trace;
    uint8_t *live; /* one byte an id */
    uint64_t ids, operations;
    uint64_t seen;
};

/* Next line that holds something. */
static bool next_line(struct ash_text *text, struct ash_word *word) {
    while (ash_text_next_line(text)) {
        *word = ash_text_word(text, false);
        if (word->length) return true;
    }
    return false;
}

bool ash_rep_is(const uint8_t *bytes, size_t size) {
    struct ash_text text;
    struct ash_word word;
    uint64_t number = 0;
    ash_text_begin(&text, bytes, size, NULL);
    for (unsigned i = 0; i < HEADER_LINES; i++) {
        if (!next_line(&text, &word) || ash_number(word, &number) != ASH_NUMBER_OK) return false;
        if (ash_text_word(&text, false).length) return false;
    }
    return true;
}

static bool end_of_line(struct decoder *decoder) {
    struct ash_word word = ash_text_word(&decoder->text, false);
    return !word.length ||
           ash_text_fail(&decoder->text, word, "`%s` is one word too many", ash_quote(word).text);
}

static bool read_header(struct decoder *decoder) {
    static const char *const labels[HEADER_LINES] = {"heap size", "number of ids",
                                                     "number of operations", "weight"};
    uint64_t values[HEADER_LINES] = {0};
    for (unsigned i = 0; i < HEADER_LINES; i++) {
        struct ash_word word = {0};
        uint64_t max = i == 1 ? ASH_TRACE_SLOTS_MAX : i == 2 ? ASH_TRACE_OPS_MAX : UINT64_MAX;
        if (!next_line(&decoder->text, &word))
            return ash_text_fail(&decoder->text, word, "truncated: the %s is missing", labels[i]);
        if (!ash_text_number(&decoder->text, word, labels[i], max, &values[i]) ||
            !end_of_line(decoder))
            return false;
    }
    decoder->ids = values[1];
    decoder->operations = values[2];
    return true;
}

static bool read_id(struct decoder *decoder, uint64_t *id) {
    struct ash_word word = ash_text_word(&decoder->text, false);
    if (!ash_text_number(&decoder->text, word, "id", UINT64_MAX, id)) return false;
    if (*id < decoder->ids) return true;
    return ash_text_fail(&decoder->text, word, "id %llu is out of range: there are %llu ids",
                         (unsigned long long)*id, (unsigned long long)decoder->ids);
}

static bool append(struct decoder *decoder, enum ashlar_op_kind kind, uint64_t id, uint64_t size) {
    struct ashlar_op op = {.kind = (uint8_t)kind, .slot = (uint32_t)id, .size = size};
    return ashlar_trace_append(decoder->trace, &op) || ash_text_no_memory(&decoder->text);
}

/* The line begins with `word`. */
static bool read_op(struct decoder *decoder, struct ash_word word) {
    uint64_t id = 0, size = 0;
    char letter = word.length == 1 ? word.text[0] : 0;
    if (letter != 'a' && letter != 'r' && letter != 'f')
        return ash_text_fail(&decoder->text, word, "`%s` is none of a, r and f",
                             ash_quote(word).text);
    struct ash_text before = decoder->text;
    if (letter == 'f' && ash_word_is(ash_text_word(&decoder->text, false), "-1"))
        return end_of_line(decoder); /* free(NULL): nothing */
    decoder->text = before;
    if (!read_id(decoder, &id)) return false;
    if (letter != 'f' && !ash_text_number(&decoder->text, ash_text_word(&decoder->text, false),
                                          "size", UINT64_MAX, &size))
        return false;
    if (!end_of_line(decoder)) return false;
    bool live = decoder->live[id] != 0;
    if (letter == 'a' && live)
        return ash_text_fail(&decoder->text, word, "id %u is in use", (unsigned)id);
    if (letter == 'f' && !live)
        return ash_text_fail(&decoder->text, word, "id %u is not in use", (unsigned)id);
    decoder->live[id] = letter == 'a' || (letter == 'r' && (size || !live));
    return append(decoder,
                  letter == 'a'   ? ASHLAR_OP_MALLOC
                  : letter == 'r' ? ASHLAR_OP_REALLOC
                                  : ASHLAR_OP_FREE,
                  id, size);
}

static bool read_ops(struct decoder *decoder) {
    struct ash_word word;
    while (next_line(&decoder->text, &word)) {
        if (decoder->seen++ == decoder->operations)
            return ash_text_fail(&decoder->text, word, "more than the %llu operations announced",
                                 (unsigned long long)decoder->operations);
        if (!read_op(decoder, word)) return false;
    }
    if (decoder->seen == decoder->operations) return true;
    return ash_text_fail(
        &decoder->text, (struct ash_word){0}, "truncated: %llu of the %llu operations announced",
        (unsigned long long)decoder->seen, (unsigned long long)decoder->operations);
}

bool ash_rep_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                    struct ashlar_trace_error *error) {
    struct decoder decoder = {.trace = out};
    ash_text_begin(&decoder.text, bytes, size, error);
    if (!read_header(&decoder)) return false;
    decoder.live = calloc((size_t)decoder.ids + 1, 1);
    if (!decoder.live) return ash_text_no_memory(&decoder.text);
    out->slots = (uint32_t)decoder.ids;
    bool done = read_ops(&decoder);
    free(decoder.live);
    return done;
}
