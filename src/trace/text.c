/* The text encoding: for people, for diffs, and for regressions that are read in reviews.
 *
 *   ashlar trace 1
 *   heap memory 1024      # KiB; or: heap reserved [MiB]
 *   slots 2
 *   threads 2
 *   seed 7
 *   malloc 0 100
 *   t1 calloc 1 4 16      # by logical thread 1
 *   free 0
 *
 * The grammar is the table of operations: a name, then that row's operands. What the writer puts
 * out is canonical (one form for each trace), so that a diff shows what changed and nothing else;
 * the reader takes more: any spacing, comments, numbers in decimal, hexadecimal or as `max-K`
 * below 2^64 (a size of SIZE_MAX - 3 says more as `max-3`).
 *
 * Reading fails at the first line that is not what it should be; the trace is then empty. A slot
 * or thread beyond what the header declares is an error of that line; without a declaration the
 * highest used counts.
 */
#include "trace/model.h"
#include "trace/parse.h"

#include <inttypes.h>
#include <string.h>

static const char magic_line[] = "ashlar trace";
enum { TEXT_VERSION = 1 };

/* Reading. */

enum directive { DIRECTIVE_HEAP, DIRECTIVE_SLOTS, DIRECTIVE_THREADS, DIRECTIVE_SEED };
static const struct {
    const char *name, *usage;
} directives[] = {
    [DIRECTIVE_HEAP] = {"heap", "heap reserved [MIB] | heap memory KIB"},
    [DIRECTIVE_SLOTS] = {"slots", "slots COUNT"},
    [DIRECTIVE_THREADS] = {"threads", "threads COUNT"},
    [DIRECTIVE_SEED] = {"seed", "seed NUMBER"},
};
enum { DIRECTIVE_COUNT = sizeof directives / sizeof directives[0] };

struct decoder {
    struct ash_text text;
    struct ashlar_trace *trace;
    bool given[DIRECTIVE_COUNT];
};

static struct ash_word next_word(struct decoder *decoder) {
    return ash_text_word(&decoder->text, true);
}

/* A number as text traces spell it: also `max` and `max-K`. */
static bool read_number(struct decoder *decoder, struct ash_word word, const char *label,
                        uint64_t *value) {
    if (word.length < 3 || memcmp(word.text, "max", 3) != 0)
        return ash_text_number(&decoder->text, word, label, UINT64_MAX, value);
    uint64_t below = 0;
    if (word.length > 3) {
        struct ash_word rest = {word.text + 4, word.length - 4};
        if (word.text[3] != '-' || ash_number(rest, &below) != ASH_NUMBER_OK)
            return ash_text_fail(&decoder->text, word, "%s: `%s` is not a number", label,
                                 ash_quote(word).text);
    }
    *value = UINT64_MAX - below;
    return true;
}

static bool read_slot(struct decoder *decoder, struct ash_word word, uint32_t *slot) {
    uint64_t value = 0;
    if (!ash_text_number(&decoder->text, word, "SLOT", ASH_TRACE_SLOTS_MAX - 1, &value))
        return false;
    if (decoder->given[DIRECTIVE_SLOTS] && value >= decoder->trace->slots)
        return ash_text_fail(&decoder->text, word, "slot %" PRIu64 " is not below `slots %u`",
                             value, decoder->trace->slots);
    *slot = (uint32_t)value;
    return true;
}

/* `word` is "t" and digits. */
static bool read_thread(struct decoder *decoder, struct ash_word word, uint8_t *thread) {
    struct ash_word digits = {word.text + 1, word.length - 1};
    uint64_t value = 0;
    if (!ash_text_number(&decoder->text, digits, "thread", ASH_TRACE_THREADS_MAX - 1, &value))
        return false;
    if (decoder->given[DIRECTIVE_THREADS] && value >= decoder->trace->threads)
        return ash_text_fail(&decoder->text, word, "thread %" PRIu64 " is not below `threads %u`",
                             value, decoder->trace->threads);
    *thread = (uint8_t)value;
    return true;
}

/* An argument that has named values: a name or its number. */
static bool read_value_name(struct decoder *decoder, const struct ash_op_info *info,
                            struct ash_word word, const char *label, uint64_t *arg) {
    for (unsigned i = 0; i < info->value_count; i++) {
        if (ash_word_is(word, info->arg_values[i])) {
            *arg = i;
            return true;
        }
    }
    if (ash_number(word, arg) == ASH_NUMBER_OK && *arg < info->value_count) return true;
    return ash_text_fail(&decoder->text, word, "%s: `%s` is none that `%s` knows", label,
                         ash_quote(word).text, info->name);
}

static bool read_operand(struct decoder *decoder, const struct ash_op_info *info,
                         const struct ash_operand *operand, struct ashlar_op *op) {
    struct ash_word word = next_word(decoder);
    if (!word.length)
        return ash_text_fail(&decoder->text, word, "`%s` needs %s", info->name, operand->label);
    if (operand->field == ASH_FIELD_SLOT) return read_slot(decoder, word, &op->slot);
    if (operand->field == ASH_FIELD_SIZE)
        return read_number(decoder, word, operand->label, &op->size);
    if (info->value_count) return read_value_name(decoder, info, word, operand->label, &op->arg);
    if (!read_number(decoder, word, operand->label, &op->arg)) return false;
    if (op->arg < info->arg_min)
        return ash_text_fail(&decoder->text, word, "%s is at least %u", operand->label,
                             (unsigned)info->arg_min);
    return true;
}

static bool end_of_line(struct decoder *decoder, const char *name) {
    struct ash_word word = next_word(decoder);
    if (!word.length) return true;
    return ash_text_fail(&decoder->text, word, "`%s` is one word too many for `%s`",
                         ash_quote(word).text, name);
}

static bool read_op(struct decoder *decoder, struct ashlar_op *op) {
    const struct ash_op_info *info = ash_op_info(op->kind);
    for (unsigned i = 0; i < info->operand_count; i++) {
        if (!read_operand(decoder, info, &info->operands[i], op)) return false;
    }
    if (!end_of_line(decoder, info->name)) return false;
    if (decoder->trace->count == ASH_TRACE_OPS_MAX)
        return ash_text_fail(&decoder->text, (struct ash_word){0}, "more than %d operations",
                             ASH_TRACE_OPS_MAX);
    return ashlar_trace_append(decoder->trace, op) || ash_text_no_memory(&decoder->text);
}

static bool read_heap(struct decoder *decoder) {
    struct ashlar_trace *trace = decoder->trace;
    struct ash_word kind = next_word(decoder), size = next_word(decoder);
    uint64_t value = 0;
    if (ash_word_is(kind, "memory")) {
        trace->heap = ASHLAR_HEAP_IN_MEMORY;
    } else if (ash_word_is(kind, "reserved")) {
        trace->heap = ASHLAR_HEAP_RESERVED;
    } else {
        return ash_text_fail(&decoder->text, kind, "the heap is `reserved [MIB]` or `memory KIB`");
    }
    bool optional = trace->heap == ASHLAR_HEAP_RESERVED && !size.length;
    if (!optional && !ash_text_number(&decoder->text, size, "the heap's size", UINT32_MAX, &value))
        return false;
    trace->heap_kib = (uint32_t)value;
    const char *problem = ash_trace_header_problem(trace);
    return !problem || ash_text_fail(&decoder->text, size, "%s", problem);
}

static bool read_directive(struct decoder *decoder, enum directive directive,
                           struct ash_word name) {
    struct ashlar_trace *trace = decoder->trace;
    if (trace->count)
        return ash_text_fail(&decoder->text, name, "`%s` stands before the first operation",
                             directives[directive].name);
    if (decoder->given[directive])
        return ash_text_fail(&decoder->text, name, "`%s` is given twice",
                             directives[directive].name);
    decoder->given[directive] = true;
    uint64_t value = 0;
    switch (directive) {
    case DIRECTIVE_HEAP:
        if (!read_heap(decoder)) return false;
        break;
    case DIRECTIVE_SLOTS:
        if (!ash_text_number(&decoder->text, next_word(decoder), "slots", ASH_TRACE_SLOTS_MAX,
                             &value))
            return false;
        trace->slots = (uint32_t)value;
        break;
    case DIRECTIVE_THREADS: {
        struct ash_word word = next_word(decoder);
        if (!ash_text_number(&decoder->text, word, "threads", ASH_TRACE_THREADS_MAX, &value))
            return false;
        if (!value) return ash_text_fail(&decoder->text, word, "threads is at least 1");
        trace->threads = (uint32_t)value;
        break;
    }
    case DIRECTIVE_SEED:
        if (!read_number(decoder, next_word(decoder), "seed", &trace->seed)) return false;
        break;
    }
    return end_of_line(decoder, directives[directive].name);
}

static bool is_thread_word(struct ash_word word) {
    return word.length > 1 && word.text[0] == 't' && word.text[1] >= '0' && word.text[1] <= '9';
}

/* One line that is not the first. */
static bool read_line(struct decoder *decoder) {
    struct ash_word word = next_word(decoder);
    if (!word.length) return true;
    struct ashlar_op op = {0};
    bool by_thread = is_thread_word(word);
    if (by_thread) {
        if (!read_thread(decoder, word, &op.thread)) return false;
        word = next_word(decoder);
        if (!word.length)
            return ash_text_fail(&decoder->text, word, "an operation is missing after the thread");
    }
    enum ashlar_op_kind kind = ashlar_op_by_name(word.text, word.length);
    if (kind != ASHLAR_OP_COUNT) {
        op.kind = (uint8_t)kind;
        return read_op(decoder, &op);
    }
    for (unsigned i = 0; i < DIRECTIVE_COUNT && !by_thread; i++) {
        if (ash_word_is(word, directives[i].name))
            return read_directive(decoder, (enum directive)i, word);
    }
    return ash_text_fail(&decoder->text, word, "there is no operation `%s`", ash_quote(word).text);
}

/* "ashlar trace 1" */
static bool read_first_line(struct decoder *decoder) {
    struct ash_text *text = &decoder->text;
    uint64_t version = 0;
    if (!ash_text_next_line(text) || !ash_word_is(ash_text_word(text, true), "ashlar") ||
        !ash_word_is(ash_text_word(text, true), "trace"))
        return ash_trace_fail(text->error, 1, 0,
                              "not a text trace: line 1 is not `ashlar trace 1`");
    struct ash_word word = ash_text_word(text, true);
    if (!ash_text_number(text, word, "version", UINT64_MAX, &version)) return false;
    if (version != TEXT_VERSION)
        return ash_text_fail(text, word, "text trace of version %" PRIu64 "; this reads version %d",
                             version, TEXT_VERSION);
    return end_of_line(decoder, "ashlar trace");
}

bool ash_text_is(const uint8_t *bytes, size_t size) {
    size_t length = sizeof magic_line - 1;
    return size >= length && memcmp(bytes, magic_line, length) == 0;
}

bool ash_text_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                     struct ashlar_trace_error *error) {
    struct decoder decoder = {.trace = out};
    ash_text_begin(&decoder.text, bytes, size, error);
    if (!read_first_line(&decoder)) return false;
    while (ash_text_next_line(&decoder.text)) {
        if (!read_line(&decoder)) return false;
    }
    return true;
}

/* Writing. */

enum {
    LINE_MAX_BYTES = 128, /* the longest line of an operation is under 80 */
    NEAR_MAX = 1 << 17    /* so close to 2^64 a number is written as max-K */
};

static char *put_string(char *at, const char *string) {
    while (*string) *at++ = *string++;
    return at;
}

static char *put_digits(char *at, uint64_t value, unsigned base) {
    char digits[24];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (count) *at++ = digits[--count];
    return at;
}

static char *put_number(char *at, uint64_t value) {
    if (value == UINT64_MAX) return put_string(at, "max");
    if (value > UINT64_MAX - NEAR_MAX)
        return put_digits(put_string(at, "max-"), UINT64_MAX - value, 10);
    if (value >> 32) return put_digits(put_string(at, "0x"), value, 16);
    return put_digits(at, value, 10);
}

/* `line` has LINE_MAX_BYTES; returns the end. */
static char *put_op(char *line, const struct ashlar_op *op) {
    char *at = line;
    if (op->thread) {
        *at++ = 't';
        at = put_digits(at, op->thread, 10);
        *at++ = ' ';
    }
    if (op->kind >= ASHLAR_OP_COUNT) return put_digits(put_string(at, "? "), op->kind, 10);
    const struct ash_op_info *info = ash_op_info(op->kind);
    at = put_string(at, info->name);
    for (unsigned i = 0; i < info->operand_count; i++) {
        enum ash_operand_field field = info->operands[i].field;
        *at++ = ' ';
        if (field == ASH_FIELD_SLOT) {
            at = put_digits(at, op->slot, 10);
        } else if (field == ASH_FIELD_SIZE) {
            at = put_number(at, op->size);
        } else if (op->arg < info->value_count) {
            at = put_string(at, info->arg_values[op->arg]);
        } else {
            at = put_number(at, op->arg);
        }
    }
    return at;
}

int ashlar_op_text(const struct ashlar_op *op, char *out, size_t capacity) {
    char line[LINE_MAX_BYTES];
    size_t length = (size_t)(put_op(line, op) - line);
    if (capacity) {
        size_t copied = length < capacity ? length : capacity - 1;
        memcpy(out, line, copied);
        out[copied] = 0;
    }
    return (int)length;
}

bool ash_text_write(const struct ashlar_trace *trace, FILE *stream) {
    char line[LINE_MAX_BYTES];
    fprintf(stream, "%s %d\n", magic_line, TEXT_VERSION);
    bool reserved = trace->heap == ASHLAR_HEAP_RESERVED;
    if (reserved && !trace->heap_kib) {
        fputs("heap reserved\n", stream);
    } else {
        fprintf(stream, "heap %s %u\n", reserved ? "reserved" : "memory", trace->heap_kib);
    }
    *put_number(line, trace->seed) = 0;
    fprintf(stream, "slots %u\nthreads %u\nseed %s\n", trace->slots, trace->threads, line);
    for (size_t i = 0; i < trace->count; i++) {
        char *end = put_op(line, &trace->ops[i]);
        *end++ = '\n';
        fwrite(line, 1, (size_t)(end - line), stream);
    }
    return true;
}
