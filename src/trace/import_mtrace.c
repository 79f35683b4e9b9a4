/* Reads the log that glibc's mtrace() writes.
 *
 * Between `= Start` and `= End` (missing when the program was killed) one event a line:
 *
 *   @ CALLER + POINTER BYTES     malloc, calloc, aligned_alloc: the log does not say which
 *   @ CALLER - POINTER           free
 *   @ CALLER < POINTER           realloc: the block it was given,
 *   @ CALLER > POINTER BYTES       and, as the next line, what it returned
 *   @ CALLER ! POINTER BYTES     realloc that failed
 *
 * CALLER is a path and an address and may hold spaces, so lines are taken apart from their end.
 * Numbers are hexadecimal with 0x, but 0 and (nil).
 *
 * A log begins in the middle of a program's life: blocks from before mtrace() are freed in it.
 * Such frees are left out, and a realloc of such a block is an allocation. Likewise a block may
 * vanish unseen, when its address is given out again: it is freed at that moment. Allocations that
 * failed are left out. The log knows no threads: all is of thread 0.
 */
#include "trace/blocks.h"
#include "trace/model.h"
#include "trace/parse.h"

#include <inttypes.h>
#include <string.h>

struct decoder {
    struct ash_text text;
    struct ashlar_trace *trace;
    struct ash_blocks blocks;
    bool resizing; /* the line before was `<` */
    uint64_t resized;
};

/* A line, taken apart. */
struct event {
    char sign;
    uint64_t pointer, size;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* The last word before `*end`, which moves in front of it. */
static struct ash_word last_word(const char *start, const char **end) {
    const char *at = *end;
    while (at > start && is_blank(at[-1])) at--;
    const char *word_end = at;
    while (at > start && !is_blank(at[-1])) at--;
    *end = at;
    return (struct ash_word){at, (size_t)(word_end - at)};
}

static bool number_of(struct ash_word word, uint64_t *value) {
    if (ash_word_is(word, "(nil)")) {
        *value = 0;
        return true;
    }
    return ash_number(word, value) == ASH_NUMBER_OK;
}

static bool is_sign(struct ash_word word, const char *signs) {
    return word.length == 1 && strchr(signs, word.text[0]);
}

/* In front of the sign: nothing, or a caller. */
static bool is_caller(const char *start, const char *end) {
    while (start < end && is_blank(*start)) start++;
    return start == end || *start == '@' || *start == '[';
}

static bool parse(const struct ash_text *text, struct event *event) {
    const char *end = text->end;
    struct ash_word last = last_word(text->start, &end), middle = last_word(text->start, &end);
    *event = (struct event){0};
    if (is_sign(middle, "-<")) {
        event->sign = middle.text[0];
        return number_of(last, &event->pointer) && is_caller(text->start, end);
    }
    struct ash_word first = last_word(text->start, &end);
    if (!is_sign(first, "+>!")) return false;
    event->sign = first.text[0];
    return number_of(middle, &event->pointer) && number_of(last, &event->size) &&
           is_caller(text->start, end);
}

static bool append(struct decoder *decoder, enum ashlar_op_kind kind, uint32_t slot,
                   uint64_t size) {
    struct ashlar_op op = {.kind = (uint8_t)kind, .slot = slot, .size = size};
    if (decoder->trace->count == ASH_TRACE_OPS_MAX)
        return ash_text_fail(&decoder->text, (struct ash_word){0}, "more than %d operations",
                             ASH_TRACE_OPS_MAX);
    return ashlar_trace_append(decoder->trace, &op) || ash_text_no_memory(&decoder->text);
}

/* Frees the block at `pointer`, if there is one. */
static bool release(struct decoder *decoder, uint64_t pointer) {
    uint32_t slot;
    if (!pointer || !ash_blocks_find(&decoder->blocks, pointer, &slot)) return true;
    return append(decoder, ASHLAR_OP_FREE, ash_blocks_remove(&decoder->blocks, pointer), 0);
}

static bool allocate(struct decoder *decoder, const struct event *event) {
    uint32_t slot = 0;
    if (!event->pointer) return true;
    if (!release(decoder, event->pointer)) return false;
    if (!ash_blocks_add(&decoder->blocks, event->pointer, &slot))
        return ash_text_no_memory(&decoder->text);
    return append(decoder, ASHLAR_OP_MALLOC, slot, event->size);
}

static bool resize(struct decoder *decoder, const struct event *event) {
    uint32_t slot;
    uint64_t from = decoder->resized, to = event->pointer;
    if (!from || !ash_blocks_find(&decoder->blocks, from, &slot)) return allocate(decoder, event);
    if (!to && event->size) return true; /* it failed: the block stayed */
    if (!to) return release(decoder, from);
    if (to != from && !release(decoder, to)) return false;
    return append(decoder, ASHLAR_OP_REALLOC, ash_blocks_move(&decoder->blocks, from, to),
                  event->size);
}

static bool apply(struct decoder *decoder, const struct event *event) {
    bool resizing = decoder->resizing;
    struct ash_word whole = {decoder->text.start,
                             (size_t)(decoder->text.end - decoder->text.start)};
    decoder->resizing = event->sign == '<';
    if (resizing != (event->sign == '>'))
        return ash_text_fail(&decoder->text, whole, "%s",
                             resizing ? "`>` is missing after the `<` of a realloc"
                                      : "`>` without the `<` of a realloc before it");
    switch (event->sign) {
    case '+':
        return allocate(decoder, event);
    case '-':
        return release(decoder, event->pointer);
    case '<':
        decoder->resized = event->pointer;
        return true;
    case '>':
        return resize(decoder, event);
    default:
        return true; /* !: nothing changed */
    }
}

static bool read_line(struct decoder *decoder) {
    struct ash_word first = ash_text_word(&decoder->text, false);
    struct event event;
    if (!first.length || ash_word_is(first, "=")) return true;
    if (!parse(&decoder->text, &event))
        return ash_text_fail(&decoder->text, first, "`%s` begins no line of mtrace",
                             ash_quote(first).text);
    return apply(decoder, &event);
}

bool ash_mtrace_is(const uint8_t *bytes, size_t size) {
    static const char start[] = "= Start";
    return size >= sizeof start - 1 && memcmp(bytes, start, sizeof start - 1) == 0;
}

bool ash_mtrace_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                       struct ashlar_trace_error *error) {
    struct decoder decoder = {.trace = out};
    ash_text_begin(&decoder.text, bytes, size, error);
    bool done = true;
    while (done && ash_text_next_line(&decoder.text)) done = read_line(&decoder);
    if (done && decoder.resizing)
        done = ash_text_fail(&decoder.text, (struct ash_word){0},
                             "truncated: `>` is missing after the `<` of a realloc");
    ash_blocks_free(&decoder.blocks);
    return done;
}
