/* ashlar convert: between encodings and formats of traces.
 *
 * Text and binary hold every trace; the others do not, and what they cannot hold is said loudly:
 * a converted trace that quietly lost its operations would be taken for a crash that went away.
 */
#include "json.h"
#include "source.h"
#include "text.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { KEY_TO = 0x300, KEY_COMPRESS };

struct convert {
    struct ash_source source;
    enum ashlar_trace_format to;
    bool compress;
    const char *in, *out;
};

static const struct argp_option options[] = {
    {"to", KEY_TO, "FORMAT", 0,
     "Write text, binary, raw, rep or memory-replay; else the ending of OUT tells", 0},
    {"compress", KEY_COMPRESS, NULL, 0, "Compress a binary trace (a name in .zst does so too)", 0},
    {0},
};

static error_t parse(int key, char *argument, struct argp_state *state) {
    struct convert *convert = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &convert->source;
        return 0;
    case KEY_COMPRESS:
        convert->compress = true;
        return 0;
    case KEY_TO:
        convert->to = ashlar_format_by_name(argument);
        if (convert->to == ASHLAR_FORMAT_UNKNOWN) {
            return ash_bad_option("--to: no format `%s`", argument);
        }
        if (convert->to == ASHLAR_FORMAT_MTRACE) {
            return ash_bad_option("--to: mtrace can be read, not written");
        }
        return 0;
    case ARGP_KEY_ARG:
        if (convert->in == NULL) {
            convert->in = argument;
        } else if (convert->out == NULL) {
            convert->out = argument;
        } else {
            return ash_bad_option("convert: unexpected argument `%s`", argument);
        }
        return 0;
    case ARGP_KEY_END:
        return convert->out != NULL ? 0 : ash_bad_option("convert: needs IN and OUT");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options,
    parse,
    "IN OUT",
    "Convert a trace. The format of IN is known by its content, that of OUT by its name (.txt or "
    ".trace: text, .ashtrace or .bin: binary, .raw, .rep, .mreplay) or by --to. OUT may be `-`.",
    ash_source_child,
    NULL,
    NULL};

static bool ends_with(const char *name, const char *end) {
    size_t a = strlen(name), b = strlen(end);
    return a >= b && strcmp(name + a - b, end) == 0;
}

static enum ashlar_trace_format format_of_name(const char *name, bool *compress) {
    static const struct {
        const char *end;
        enum ashlar_trace_format format;
        bool compress;
    } table[] = {
        {".txt", ASHLAR_FORMAT_TEXT, false},   {".trace", ASHLAR_FORMAT_TEXT, false},
        {".zst", ASHLAR_FORMAT_BINARY, true},  {".ashtrace", ASHLAR_FORMAT_BINARY, false},
        {".bin", ASHLAR_FORMAT_BINARY, false}, {".raw", ASHLAR_FORMAT_RAW, false},
        {".rep", ASHLAR_FORMAT_REP, false},    {".mreplay", ASHLAR_FORMAT_MEMORY_REPLAY, false}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (!ends_with(name, table[i].end)) continue;
        if (table[i].compress) *compress = true;
        return table[i].format;
    }
    return ASHLAR_FORMAT_UNKNOWN;
}

static bool write_out(const struct convert *convert, const struct ashlar_trace *trace,
                      size_t *lost) {
    struct ashlar_trace_error error = {0};
    bool stream = strcmp(convert->out, "-") == 0;
    bool written =
        stream
            ? ashlar_trace_write(trace, stdout, convert->to, convert->compress, lost, &error)
            : ashlar_trace_save(trace, convert->out, convert->to, convert->compress, lost, &error);
    if (written) return true;
    ash_fail(0, "%s: %s", stream ? "standard output" : convert->out, error.message);
    if (stream) _exit(ASH_EXIT_TOOL); /* or closing it would say so again */
    return false;
}

static void say_done(const struct convert *convert, const struct ashlar_trace *trace, size_t lost) {
    const char *name = ashlar_format_name(convert->to);
    if (lost > 0) {
        fprintf(stderr, "ashlar: %s: LOST %s that %s cannot say\n", convert->out,
                ash_plural(lost, "operation").text, name);
    }
    if (convert->source.json) {
        ash_json_line(json_pack("{s:s, s:s, s:s, s:I, s:I}", "type", "converted", "out",
                                convert->out, "format", name, "operations",
                                (json_int_t)trace->count, "lost", (json_int_t)lost));
        ash_json_summary("done", ASH_EXIT_SOUND, NULL);
    } else if (strcmp(convert->out, "-") != 0) {
        printf("%s: %s, %s\n", convert->out, ash_plural(trace->count - lost, "operation").text,
               name);
    }
}

static int convert_trace(struct convert *convert) {
    if (convert->to == ASHLAR_FORMAT_UNKNOWN) {
        convert->to = format_of_name(convert->out, &convert->compress);
    }
    if (convert->to == ASHLAR_FORMAT_UNKNOWN) {
        return ash_fail(ASH_EXIT_USAGE,
                        "convert: the name `%s` does not tell the format; --to does", convert->out);
    }
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    int code = ASH_EXIT_USAGE;
    if (ash_load(&convert->source, convert->in, &trace)) {
        size_t lost = 0;
        code = write_out(convert, &trace, &lost) ? ASH_EXIT_SOUND : ASH_EXIT_TOOL;
        if (code == ASH_EXIT_SOUND) say_done(convert, &trace, lost);
    }
    ashlar_trace_free(&trace);
    return code;
}

static int run(int argc, char **argv) {
    struct convert convert = {.to = ASHLAR_FORMAT_UNKNOWN};
    ash_source_init(&convert.source);
    if (!ash_parse(&argp, argc, argv, 0, &convert)) return ASH_EXIT_USAGE;
    if (convert.source.json && strcmp(convert.out, "-") == 0) {
        return ash_fail(ASH_EXIT_USAGE, "convert: --json and `-` both want standard output");
    }
    if (convert.source.json) ash_json_begin("convert", NULL);
    return convert_trace(&convert);
}

const struct ash_command ash_cmd_convert = {"convert", "converts a trace between formats", &argp,
                                            run};
