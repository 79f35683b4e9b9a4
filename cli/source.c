/* Traces as input, and the heap that a replay of one leaves behind.
 *
 * 1. Every command that reads a heap gets it the same way: load, cut at --until, replay in a child,
 *    look. Later sources (a process, a core, a snapshot) join here and give the same session.
 * 2. The cut is made in the trace, not in the replay: `--until 0` then means an empty heap and
 *    needs no special case.
 * 3. A replay stops at its first finding, and what is shown is the heap at that moment. That the
 *    replay stopped is said on standard error: it is no result.
 */
#include "source.h"

#include "guarded.h"
#include "isolate.h"
#include "json.h"
#include "report.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FROM = 0x100, KEY_RAW, KEY_ADDRESSES, KEY_TRACE, KEY_UNTIL };

static const struct argp_option source_options[] = {
    {"json", 'j', NULL, 0, "Print JSON Lines", 0},
    {"addresses", KEY_ADDRESSES, NULL, 0,
     "Print real addresses, which differ from run to run, not distances from the region's base", 0},
    {"from", KEY_FROM, "FORMAT", 0,
     "Read the trace as text, binary, raw, rep, memory-replay or mtrace; else its content tells",
     0},
    {"raw", KEY_RAW, NULL, 0, "Read a fuzzer input, which has no header: --from raw", 0},
    {0},
};

int ash_bad_option(const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ash_fail(0, "%s", text);
    return EINVAL;
}

static error_t parse_source(int key, char *argument, struct argp_state *state) {
    struct ash_source *source = state->input;
    switch (key) {
    case 'j':
        source->json = true;
        return 0;
    case KEY_ADDRESSES:
        source->addresses = true;
        return 0;
    case KEY_RAW:
        source->format = ASHLAR_FORMAT_RAW;
        return 0;
    case KEY_FROM:
        source->format = ashlar_format_by_name(argument);
        if (source->format != ASHLAR_FORMAT_UNKNOWN) return 0;
        return ash_bad_option("--from: no format `%s`", argument);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp source_argp = {source_options, parse_source, NULL, NULL, NULL, NULL, NULL};
const struct argp_child ash_source_child[] = {{&source_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};

static const struct argp_option heap_options[] = {
    {"trace", KEY_TRACE, "FILE", 0, "The heap that is there after a replay of FILE", -1},
    {"until", KEY_UNTIL, "N", 0, "Stop before operation N (counted from 0)", -1},
    {0},
};

static error_t parse_heap(int key, char *argument, struct argp_state *state) {
    struct ash_source *source = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = source;
        return 0;
    case KEY_TRACE:
        if (source->trace != NULL) return ash_bad_option("--trace: one trace at a time");
        source->trace = argument;
        return 0;
    case KEY_UNTIL:
        if (ash_option_number(argument, UINT64_MAX - 1, &source->until)) return 0;
        return ash_bad_option("--until: `%s` is not a number", argument);
    case ARGP_KEY_ARG:
        return ash_bad_option("unexpected argument `%s`; a trace is given with --trace FILE",
                              argument);
    case ARGP_KEY_END:
        return source->trace != NULL ? 0 : ash_bad_option("no heap given: --trace FILE");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp heap_argp = {heap_options,     parse_heap, NULL, NULL,
                                      ash_source_child, NULL,       NULL};
const struct argp_child ash_heap_child[] = {{&heap_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};

void ash_source_init(struct ash_source *source) {
    *source = (struct ash_source){.format = ASHLAR_FORMAT_UNKNOWN, .until = UINT64_MAX};
}

/* Says what the system says about a file that cannot be read: a position in it would be odd. */
static bool openable(const char *path) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0) {
        ash_fail(0, "%s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    close(fd);
    if (S_ISDIR(status.st_mode)) ash_fail(0, "%s: is a directory, not a trace", path);
    return !S_ISDIR(status.st_mode);
}

bool ash_load(const struct ash_source *source, const char *path, struct ashlar_trace *out) {
    struct ashlar_trace_error error = {0};
    if (!openable(path)) return false;
    if (ashlar_trace_load(path, source->format, out, &error)) return true;
    if (error.line != 0) {
        ash_fail(0, "%s:%zu: %s", path, error.line, error.message);
    } else {
        ash_fail(0, "%s at byte %zu: %s", path, error.offset, error.message);
    }
    return false;
}

static int by_address(const void *a, const void *b) {
    const struct ash_placed *x = a, *y = b;
    if (x->address != y->address) return x->address < y->address ? -1 : 1;
    if (x->live != y->live) return x->live ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static bool collect_slots(struct ash_session *session) {
    uint32_t count = session->trace->slots;
    session->slots = calloc((size_t)count + 1, sizeof *session->slots);
    if (session->slots == NULL) return false;
    for (uint32_t i = 0; i < count; i++) {
        struct ash_placed slot = {.slot = i};
        slot.address = ashlar_replay_slot_address(&session->result, i, &slot.live, &slot.requested);
        if (slot.address != 0) session->slots[session->slot_count++] = slot;
    }
    qsort(session->slots, session->slot_count, sizeof *session->slots, by_address);
    return true;
}

const struct ash_placed *ash_session_slot(const struct ash_session *session, uint64_t address) {
    size_t low = 0, high = session->slot_count;
    while (low < high) { /* the first with this address is the live one */
        size_t middle = low + (high - low) / 2;
        if (session->slots[middle].address < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    bool hit = low < session->slot_count && session->slots[low].address == address;
    return hit ? &session->slots[low] : NULL;
}

int ash_session_run(struct ash_session *session, const struct ash_source *source, const char *path,
                    const struct ashlar_trace *trace, const struct ashlar_replay_options *options) {
    *session = (struct ash_session){.source = source, .path = path, .trace = trace};
    ash_replay_kept(trace, options, &session->result);
    if (session->result.failure != ASHLAR_OK && !session->result.found) {
        return ash_fail(ASH_EXIT_TOOL, "%s: the replay could not go on after operation %zu: %s",
                        path, session->result.ops_run, ashlar_status_text(session->result.failure));
    }
    if (!collect_slots(session)) return ash_fail(ASH_EXIT_TOOL, "%s: no memory", path);
    const struct ashlar_target *target = session->result.target;
    if (target == NULL || target->heap == NULL || session->result.instance == NULL) return 0;
    ash_guarded_reset();
    struct ashlar_heap *heap = target->heap(session->result.instance);
    if (heap == NULL) return 0;
    session->viewed = ash_view_open(&session->view, &ash_guarded_reader, ashlar_heap_root(heap));
    return 0;
}

struct ashlar_reader ash_session_reader(const struct ash_session *session) {
    struct ashlar_reader reader = ash_guarded_reader;
    reader.quiescent = !session->result.under_way;
    return reader;
}

void ash_session_end(struct ash_session *session) {
    free(session->slots);
    session->slots = NULL;
    session->slot_count = 0;
    session->viewed = false;
    ash_replay_finish(&session->result);
}

struct show {
    const struct ash_shower *shower;
    const struct ashlar_trace *trace;
    struct ashlar_replay_options options;
};

static int show_body(void *context) {
    const struct show *show = context;
    const struct ash_shower *shower = show->shower;
    static struct ash_session session; /* stays reachable when it is not torn down */
    if (shower->source->json) ash_report_begin(shower->command, shower->source, "ashlar");
    int code = ash_session_run(&session, shower->source, shower->source->trace, show->trace,
                               &show->options);
    if (code == 0) {
        if (session.result.found && !shower->finding_shown) ash_report_stop(&session);
        code = shower->show(&session, shower->context);
        ash_session_end(&session);
    }
    if (shower->source->json) ash_json_finish(code);
    return code;
}

/* The replay crashed. The finding is shown by those that show findings; the others show the heap
 * just before the operation. */
static int show_crash(struct show *show, struct ashlar_trace *trace, int signal) {
    const struct ash_shower *shower = show->shower;
    const struct ash_source *source = shower->source;
    struct ash_crash crash = {source, source->trace, trace, &show->options, signal, 0};
    size_t operation;
    if (source->json && shower->finding_shown) ash_report_begin(shower->command, source, "ashlar");
    int code = ash_find_crash(&crash, &operation);
    if (code != 0) return code;
    if (shower->finding_shown) {
        ash_report_crash(&crash, operation);
        ash_report_summary(source, ash_finding_verdict(ASHLAR_ORACLE_CRASH), ASH_EXIT_FINDINGS, 1,
                           "the heap was not checked");
        return ASH_EXIT_FINDINGS;
    }
    fprintf(stderr, "ashlar: %s: operation %zu (%s) ended by %s; this is the heap just before\n",
            source->trace, operation, ash_op_line(trace, operation).text, ash_signal_name(signal));
    trace->count = operation;
    code = ash_isolate(show_body, show, 0, &signal);
    return code != -1 ? code
                      : ash_fail(ASH_EXIT_TOOL, "%s: %s", source->trace, ash_signal_name(signal));
}

int ash_show_heap(const struct ash_shower *shower) {
    const struct ash_source *source = shower->source;
    struct ashlar_trace trace;
    ashlar_trace_init(&trace);
    struct show show = {shower, &trace, {.oracle = ASHLAR_ORACLE_FULL}};
    int code = ASH_EXIT_USAGE, signal = 0;
    if (!ash_load(source, source->trace, &trace)) {
        if (source->json) ash_report_begin(shower->command, source, "ashlar");
    } else {
        if (source->until < trace.count) trace.count = (size_t)source->until;
        code = ash_choose_finding(&trace, &show.options, 0)
                   ? ash_isolate(show_body, &show, 0, &signal)
                   : ASH_EXIT_TOOL;
    }
    if (code == -1) code = show_crash(&show, &trace, signal);
    ashlar_trace_free(&trace);
    return code;
}
