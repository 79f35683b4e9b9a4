/* fuzz_parse: every parser of bytes that we did not write ourselves.
 *
 * 1. What. The first byte of an input chooses a row of `parsers`, modulo their number (the order is
 *    the seeds': new rows go to the end); the rest is what it reads.
 *
 * 2. What has to hold. No crash, hang, or memory beyond a bound that follows from the input's size.
 *    What is refused comes with one printable line and a place within the input, and leaves nothing
 *    behind. What is accepted obeys the rules of its kind, and is the same after it was written and
 *    read again: a trace in text and binary, an option's value as its text.
 */
#include "front/options.h"
#include "harness.h"
#include "trace/model.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    AGAIN_OPS_MAX = 2048, /* longer traces are not written again: that says nothing new */
    FREE_BYTES = 64 << 20,
    RATIO_MAX = 1024,
    OPTIONS_BYTES = 4096,
};

/* What did not hold; NULL: all did. */
typedef const char *parser_function(const uint8_t *bytes, size_t size, unsigned format,
                                    uint64_t *ops);

static const char *judge_refusal(const struct ashlar_trace *trace,
                                 const struct ashlar_trace_error *error, size_t size) {
    if (trace->ops != NULL || trace->count != 0) return "a refused trace leaves nothing behind";
    if (error->offset > size) return "the place of an error is within the input";
    if (error->message[0] == 0) return "an error is told";
    for (const char *at = error->message; *at != 0; at++)
        if (*at < ' ' || *at > '~') return "an error's message can be printed";
    return NULL;
}

/* Writes the trace, reads that, and compares. */
static const char *write_and_read(const struct ashlar_trace *trace, enum ashlar_trace_format format,
                                  bool compress) {
    char *bytes = NULL;
    size_t size = 0, lost = 0;
    struct ashlar_trace again;
    struct ashlar_trace_error error;
    FILE *stream = open_memstream(&bytes, &size);
    if (stream == NULL) return NULL;
    bool written = ashlar_trace_write(trace, stream, format, compress, &lost, &error);
    fclose(stream);
    const char *wrong = NULL;
    bool lossless = format == ASHLAR_FORMAT_TEXT || format == ASHLAR_FORMAT_BINARY;
    if (!written) {
        wrong = "what was read can be written";
    } else if (lossless) {
        bool read = ashlar_trace_decode((const uint8_t *)bytes, size, format, &again, &error);
        if (!read)
            wrong = "what was written can be read";
        else if (!ashlar_trace_equal(trace, &again))
            wrong = "what was written and read is the same";
        if (read) ashlar_trace_free(&again);
    }
    free(bytes);
    return wrong;
}

static const char *judge_trace(const struct ashlar_trace *trace, size_t size) {
    uint64_t most = FREE_BYTES + (uint64_t)size * RATIO_MAX;
    if (trace->count * sizeof *trace->ops > most) return "memory is bounded by the input's size";
    if (ash_trace_header_problem(trace) != NULL) return "an accepted header is in order";
    for (size_t i = 0; i < trace->count; i++)
        if (ash_op_problem(&trace->ops[i], trace) != NULL)
            return "an accepted operation is in order";
    if (trace->count > AGAIN_OPS_MAX) return NULL;
    const char *wrong = write_and_read(trace, ASHLAR_FORMAT_TEXT, false);
    if (wrong == NULL) wrong = write_and_read(trace, ASHLAR_FORMAT_BINARY, size % 2 != 0);
    if (wrong == NULL) wrong = write_and_read(trace, ASHLAR_FORMAT_REP, false);
    if (wrong == NULL) wrong = write_and_read(trace, ASHLAR_FORMAT_MEMORY_REPLAY, false);
    return wrong;
}

static const char *parse_trace(const uint8_t *bytes, size_t size, unsigned format, uint64_t *ops) {
    struct ashlar_trace trace;
    struct ashlar_trace_error error = {0};
    if (!ashlar_trace_decode(bytes, size, (enum ashlar_trace_format)format, &trace, &error))
        return judge_refusal(&trace, &error, size);
    *ops += trace.count;
    const char *wrong = judge_trace(&trace, size);
    ashlar_trace_free(&trace);
    return wrong;
}

/* A value's text, as the parser reads it. */
static bool same_when_read_again(enum ash_option option) {
    const struct ash_option_row *row = &ash_option_rows[option];
    struct ash_line line = {0};
    uint64_t value = ash_option(option);
    ash_option_value_text(&line, row, value);
    return ash_option_assign(row, line.text, line.length) == NULL && ash_option(option) == value;
}

static const char *parse_options(const uint8_t *bytes, size_t size, unsigned unused,
                                 uint64_t *ops) {
    (void)unused;
    static int nowhere = -1;
    static struct ash_line presets[ASH_OPTION_COUNT];
    char text[OPTIONS_BYTES];
    size_t length = size < sizeof text ? size : sizeof text - 1;
    const char *wrong = NULL;
    if (length > 0) memcpy(text, bytes, length);
    text[length] = 0;
    if (nowhere < 0) nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ash_options_parse(text, nowhere);
    for (unsigned i = 0; i < ASH_OPTION_COUNT; i++) {
        const struct ash_option_row *row = &ash_option_rows[i];
        enum ash_option option = (enum ash_option)i;
        if (row->type == ASH_OPTION_TEXT) continue;
        uint64_t value = ash_option(option);
        if (value < row->least || value > row->most) wrong = "an option's value is within its row";
        if (!same_when_read_again(option)) wrong = "an option's value reads as it is written";
        presets[i].length = 0;
        ash_option_value_text(&presets[i], row, row->preset);
        ash_option_assign(row, presets[i].text, presets[i].length); /* nothing survives an input */
    }
    if (strnlen(ash_option_output(), ASH_OPTION_TEXT_BYTES) >= ASH_OPTION_TEXT_BYTES)
        wrong = "an option's text ends";
    ++*ops;
    return wrong;
}

static const struct parser {
    const char *name;
    parser_function *parse;
    unsigned format;
} parsers[] = {
    {"any trace", parse_trace, ASHLAR_FORMAT_UNKNOWN},
    {"text", parse_trace, ASHLAR_FORMAT_TEXT},
    {"binary", parse_trace, ASHLAR_FORMAT_BINARY},
    {"raw", parse_trace, ASHLAR_FORMAT_RAW},
    {"rep", parse_trace, ASHLAR_FORMAT_REP},
    {"memory-replay", parse_trace, ASHLAR_FORMAT_MEMORY_REPLAY},
    {"mtrace", parse_trace, ASHLAR_FORMAT_MTRACE},
    {"options", parse_options, 0},
};

static bool run(const uint8_t *data, size_t size, const char *file,
                struct ash_fuzz_outcome *outcome) {
    if (size == 0) return true;
    const struct parser *parser = &parsers[data[0] % (sizeof parsers / sizeof *parsers)];
    const char *wrong = parser->parse(data + 1, size - 1, parser->format, &outcome->ops);
    if (wrong == NULL) return true;
    fprintf(stderr,
            "FINDING code=PARSER layer=parser operation=0\n  %s: this did not hold: %s\n"
            "replay it with: fuzz_parse %s\n",
            parser->name, wrong, file != NULL ? file : "FILE");
    return false;
}

const struct ash_harness ash_harness = {.name = "fuzz_parse", .run = run};
