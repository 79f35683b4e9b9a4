/* Formats: one table of names, recognisers, readers and writers.
 *
 * A raw input cannot be recognised, because every byte string is one: it is read only when asked
 * for. The others are told apart by their first bytes, the most particular first; `rep` is four
 * numbers on four lines and comes last.
 */
#include "trace/model.h"
#include "trace/parse.h"

#include <string.h>

struct format {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t size);
    bool (*decode)(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                   struct ashlar_trace_error *error);
};

static bool raw_decode(const uint8_t *bytes, size_t size, struct ashlar_trace *out,
                       struct ashlar_trace_error *error) {
    return ashlar_trace_decode_raw(bytes, size, ASH_TRACE_OPS_MAX, out) ||
           ash_trace_fail(error, 0, 0, "no memory for the trace");
}

static const struct format formats[ASHLAR_FORMAT_COUNT] = {
    [ASHLAR_FORMAT_UNKNOWN] = {"unknown", NULL, NULL},
    [ASHLAR_FORMAT_TEXT] = {"text", ash_text_is, ash_text_decode},
    [ASHLAR_FORMAT_BINARY] = {"binary", ash_container_is, ash_container_decode},
    [ASHLAR_FORMAT_RAW] = {"raw", NULL, raw_decode},
    [ASHLAR_FORMAT_REP] = {"rep", ash_rep_is, ash_rep_decode},
    [ASHLAR_FORMAT_MEMORY_REPLAY] = {"memory-replay", ash_memory_replay_is,
                                     ash_memory_replay_decode},
    [ASHLAR_FORMAT_MTRACE] = {"mtrace", ash_mtrace_is, ash_mtrace_decode},
};

const char *ashlar_format_name(enum ashlar_trace_format format) {
    return (unsigned)format < ASHLAR_FORMAT_COUNT ? formats[format].name : "unknown";
}

enum ashlar_trace_format ashlar_format_by_name(const char *name) {
    for (unsigned i = ASHLAR_FORMAT_UNKNOWN + 1; i < ASHLAR_FORMAT_COUNT; i++) {
        if (strcmp(formats[i].name, name) == 0) return (enum ashlar_trace_format)i;
    }
    return ASHLAR_FORMAT_UNKNOWN;
}

enum ashlar_trace_format ashlar_format_detect(const uint8_t *bytes, size_t size) {
    static const enum ashlar_trace_format order[] = {
        ASHLAR_FORMAT_BINARY, ASHLAR_FORMAT_TEXT, ASHLAR_FORMAT_MTRACE, ASHLAR_FORMAT_MEMORY_REPLAY,
        ASHLAR_FORMAT_REP};
    for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (formats[order[i]].is(bytes, size)) return order[i];
    }
    return ASHLAR_FORMAT_UNKNOWN;
}

bool ashlar_trace_decode(const uint8_t *bytes, size_t size, enum ashlar_trace_format format,
                         struct ashlar_trace *out, struct ashlar_trace_error *error) {
    ashlar_trace_init(out);
    if (format == ASHLAR_FORMAT_UNKNOWN) {
        if (!size) return ash_trace_fail(error, 0, 0, "empty");
        format = ashlar_format_detect(bytes, size);
    }
    if ((unsigned)format >= ASHLAR_FORMAT_COUNT || !formats[format].decode)
        return ash_trace_fail(error, 0, 0, "not a trace: none of the formats is recognised");
    if (formats[format].decode(bytes, size, out, error)) return true;
    ashlar_trace_free(out);
    return false;
}
